/* SPDX-License-Identifier: MIT */
/** @file
 * NCCL as the gradient plane uses it; not for other modules. Without NCCL (nccl_absent.c) nothing is built and create
 * fails. Two communicators, one of gradients on a stream of its own, one of statistics on the device's stream. */
#ifndef CYF_COMM_NCCL_PLANE_H
#define CYF_COMM_NCCL_PLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "comm/comm.h"
#include "kernels/device.h"

typedef struct cyf_nccl cyf_nccl;

/** True when the program was built with NCCL and the library is on this machine. */
bool cyf_nccl_is_here(void);

/** Bootstraps both communicators over MPI and starts the watch: a thread that ends all ranks (message, ncclCommAbort,
 * MPI_Abort) when NCCL reports an error or a sum takes longer than the communicator's time-out. Collective. Errors:
 * CYF_ERR_COMM (NCCL failed or a peer did not come in time), CYF_ERR_MEMORY. */
cyf_status cyf_nccl_create(cyf_comm *comm, cyf_device *device, cyf_nccl **ret_nccl);
/** Collective unless the ranks are out of step; waits some seconds at most. NULL-safe. */
void cyf_nccl_destroy(cyf_nccl **nccl);

/** Sums values[count] in place on the gradients' stream, after all that the device's stream holds now. */
cyf_status cyf_nccl_sum_bucket(cyf_nccl *nccl, float *values, int64_t count);
/** The device's stream goes on once all buckets so far are summed. */
cyf_status cyf_nccl_join(cyf_nccl *nccl);
/** Sums values[count] in place on the device's stream. */
cyf_status cyf_nccl_sum_doubles(cyf_nccl *nccl, double *values, int64_t count);
/** True while the device's stream is captured into a graph: sums that run beside it cannot begin. */
bool cyf_nccl_is_capturing(const cyf_nccl *nccl);

#endif
