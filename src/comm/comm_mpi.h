/* SPDX-License-Identifier: MIT */
/** @file
 * The MPI communicator under a cyf_comm, for files that open HDF5 with the MPI-IO driver. Includes mpi.h. */
#ifndef CYF_COMM_COMM_MPI_H
#define CYF_COMM_COMM_MPI_H

#include <mpi.h>

#include "comm/comm.h"

/** The MPI communicator of these ranks; it stays the cyf_comm's, which frees it. Not collective. */
MPI_Comm cyf_comm_mpi(const cyf_comm *comm);

#endif
