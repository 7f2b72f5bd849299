/* SPDX-License-Identifier: MIT */
/** @file
 * NCCL as the gradient plane uses it; for the files of comm only. A program built without NCCL has nccl_absent.c
 * instead, where create fails. There are two communicators: one for gradients, on a stream of its own, and one for
 * statistics, on the device's stream. */
#ifndef CYF_COMM_NCCL_PLANE_H
#define CYF_COMM_NCCL_PLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "comm/comm.h"
#include "kernels/device.h"

/** NCCL's communicators, their streams, and the thread that watches them. */
typedef struct cyf_nccl cyf_nccl;

/** True when the program was built with NCCL and the library is on this machine; a warning says why not. Not
 * collective. */
bool cyf_nccl_is_here(void);

/** Starts both communicators, with ids that rank 0 sends by MPI, and a thread that watches them. When NCCL reports an
 * error, or a sum takes longer than the time-out of `comm`, that thread prints a message and ends all ranks
 * (ncclCommAbort, MPI_Abort). Collective. Errors: CYF_ERR_COMM (NCCL failed or a peer did not come in time),
 * CYF_ERR_MEMORY. */
cyf_status cyf_nccl_create(cyf_comm *comm, cyf_device *device, cyf_nccl **ret_nccl);
/** Ends the thread, closes both communicators and sets *nccl to NULL; waits some seconds at most. NULL-safe. Collective
 * unless the ranks are out of step. */
void cyf_nccl_destroy(cyf_nccl **nccl);

/** Queues a sum of values[count] (device memory, in place) on the gradients' stream, after all that the device's stream
 * holds now. Collective. */
cyf_status cyf_nccl_sum_bucket(cyf_nccl *nccl, float *values, int64_t count);
/** Makes later work of the device's stream wait until all buckets queued so far are summed. Not collective. */
cyf_status cyf_nccl_join(cyf_nccl *nccl);
/** Queues a sum of values[count] (device memory, in place) on the device's stream. Collective. */
cyf_status cyf_nccl_sum_doubles(cyf_nccl *nccl, double *values, int64_t count);
/** True while the device's stream is captured into a graph: sums that run beside it cannot begin. Not collective. */
bool cyf_nccl_is_capturing(const cyf_nccl *nccl);

#endif
