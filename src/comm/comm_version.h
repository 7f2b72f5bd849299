/* SPDX-License-Identifier: MIT */
#ifndef CYF_COMM_COMM_VERSION_H
#define CYF_COMM_COMM_VERSION_H

#include <stddef.h>

/** Writes the MPI library's version line, as loaded, into text[size]. Works before MPI is started. */
void cyf_mpi_version(char *text, size_t size);
/** Writes NCCL's version, as loaded, into text[size]; "" where the program was built without it. Needs no GPU. */
void cyf_nccl_version(char *text, size_t size);

#endif
