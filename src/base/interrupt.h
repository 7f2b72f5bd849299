/* SPDX-License-Identifier: MIT */
/** @file
 * SIGTERM, SIGINT and SIGUSR1 become a flag that training loops poll; SIGXFSZ and SIGPIPE are ignored so that a full
 * disk or a closed pipe is an error code. */
#ifndef CYF_BASE_INTERRUPT_H
#define CYF_BASE_INTERRUPT_H

/** Installs the handlers. A second SIGINT/SIGTERM more than a second after the first ends the process at once (128 +
 * signal); within that second it counts as the same request, which schedulers and mpirun often deliver twice. */
void cyf_interrupt_install(void);

/** The signal that asked this process to stop, 0 when none. */
int cyf_interrupt_requested(void);

#endif
