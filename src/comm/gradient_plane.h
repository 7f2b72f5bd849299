/* SPDX-License-Identifier: MIT */
/** @file
 * The gradient plane: the flat gradient summed over ranks, bucket by bucket, while the backward pass goes on where that
 * is possible.
 *
 *   NCCL   every rank has a GPU of its own: buckets are all-reduced on a stream beside the device's as soon as they are
 *          final, so that the sum hides behind the backward pass.
 *   MPI    everything else. On host memory buckets are summed in place once the backward pass is over: a rank's threads
 *          are busy with it till then, and a thread beside them that sums takes from them what it gains
 *          (benchmarks/README.md, "Sums of gradients"). Device memory passes through host memory bucket by bucket: MPI
 * never gets a device pointer.
 *
 * One update: begin, any number of ready, finish. With several batches an update, only the last one's backward pass
 * announces what is final. Sums of statistics (batch norm) run on a communicator of their own. */
#ifndef CYF_COMM_GRADIENT_PLANE_H
#define CYF_COMM_GRADIENT_PLANE_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/comm.h"
#include "kernels/device.h"

typedef struct cyf_gradient_plane cyf_gradient_plane;

/** Chooses the plane: NCCL when the device of every rank is a GPU that no other rank uses and the program has NCCL,
 * else MPI. bucket_bytes: the most that one sum takes. comm and device must outlive the plane. Collective; a failure is
 * agreed unless ranks are out of step. Errors: CYF_ERR_MEMORY, CYF_ERR_COMM, CYF_ERR_DEVICE. */
cyf_status cyf_gradient_plane_create(cyf_comm *comm, cyf_device *device, int64_t bucket_bytes,
                                     cyf_gradient_plane **ret_plane);
/** NULL-safe. Ends what is under way (collective), or breaks it off when the ranks are out of step; never waits for
 * ever. */
void cyf_gradient_plane_destroy(cyf_gradient_plane **plane);
/** "NCCL" or "MPI". */
const char *cyf_gradient_plane_name(const cyf_gradient_plane *plane);

/** True where sums run beside the backward pass, which then cannot be part of a graph (kernels/backend.h). */
bool cyf_gradient_plane_sums_meanwhile(const cyf_gradient_plane *plane);

/** A sum of gradients[count] (device memory) over all ranks, in place, begins; nothing is final yet. An unfinished sum
 * is forgotten. Not collective. */
cyf_status cyf_gradient_plane_begin(cyf_gradient_plane *plane, float *gradients, int64_t count);
/** The device's stream, as far as calls have gone, makes [first, first + n) final. Every rank announces the same ranges
 * in the same order. Collective with NCCL; does not wait for the device. While the device's stream is being captured
 * the ranges are kept for finish. Errors: CYF_ERR_INTERNAL (a range twice), CYF_ERR_COMM. */
cyf_status cyf_gradient_plane_ready(cyf_gradient_plane *plane, int64_t first, int64_t n);
/** All of it is final. Sums what is left; what the device does afterwards sees the sums. Every rank gets the same bits.
 * Collective. Errors: CYF_ERR_COMM. */
cyf_status cyf_gradient_plane_finish(cyf_gradient_plane *plane);

/** Sums count doubles in device memory over all ranks, in place and in order with the device's other work: batch norm's
 * sums. Collective. Errors: CYF_ERR_COMM, CYF_ERR_MEMORY. */
cyf_status cyf_gradient_plane_sum_doubles(cyf_gradient_plane *plane, double *values, int64_t count);

#endif
