/* SPDX-License-Identifier: MIT */
/** @file
 * SIGTERM, SIGINT, SIGHUP and SIGUSR1 become a flag that long loops look at. SIGXFSZ and SIGPIPE are ignored, so that a
 * file above its size limit or a closed pipe is an error code. Not collective. */
#ifndef CYF_BASE_INTERRUPT_H
#define CYF_BASE_INTERRUPT_H

/** Installs the handlers. SIGHUP is left alone where it is ignored, as by nohup. A second SIGINT, SIGTERM or SIGHUP
 * more than a second after the first ends the process at once, with exit code 128 + signal. Within that second it
 * counts as the same request, since schedulers and mpirun often deliver one request twice. */
void cyf_interrupt_install(void);

/** The signal that asked this process to stop, 0 when none. */
int cyf_interrupt_requested(void);

#endif
