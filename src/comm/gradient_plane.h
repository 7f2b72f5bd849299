/* SPDX-License-Identifier: MIT */
/** @file
 * The gradient plane: the flat gradient summed over ranks, bucket by bucket, by NCCL or by MPI.
 *
 * - NCCL, where every rank has a GPU of its own. A bucket is summed on a stream beside the device's as soon as it is
 *   final, so that the sum hides behind the backward pass.
 * - MPI, everywhere else. Buckets in host memory are summed in place once the backward pass is over. Before that all
 *   threads of a rank are busy, and a thread that summed beside them would cost as much as it gains
 *   (benchmarks/README.md, "Sums of gradients"). Buckets in device memory are copied through host memory, since MPI
 *   never gets a device pointer.
 *
 * One update: begin, any number of ready, finish. With several batches an update, only the last one's backward pass
 * announces what is final. Sums of statistics (batch norm) run on a communicator of their own. */
#ifndef CYF_COMM_GRADIENT_PLANE_H
#define CYF_COMM_GRADIENT_PLANE_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/comm.h"
#include "kernels/device.h"

/** The way of summing that was chosen, and the sum that is under way. */
typedef struct cyf_gradient_plane cyf_gradient_plane;

/** Chooses the plane: NCCL when the device of every rank is a GPU that no other rank uses and the program has NCCL,
 * else MPI. bucket_bytes: the most that one sum takes. comm and device must outlive the plane. Collective; a failure is
 * agreed unless ranks are out of step. Errors: CYF_ERR_MEMORY, CYF_ERR_COMM, CYF_ERR_DEVICE. */
cyf_status cyf_gradient_plane_create(cyf_comm *comm, cyf_device *device, int64_t bucket_bytes,
                                     cyf_gradient_plane **ret_plane);
/** Frees the plane and sets *plane to NULL; NULL-safe. A sum under way is finished, or broken off when the ranks are
 * out of step; the wait is bounded. Collective unless the ranks are out of step. */
void cyf_gradient_plane_destroy(cyf_gradient_plane **plane);
/** "NCCL" or "MPI", a static string. Not collective. */
const char *cyf_gradient_plane_name(const cyf_gradient_plane *plane);

/** True where sums run beside the backward pass, which then cannot be part of a graph (kernels/backend.h). Not
 * collective. */
bool cyf_gradient_plane_sums_meanwhile(const cyf_gradient_plane *plane);

/** Begins a sum of gradients[count] (device memory) over all ranks, in place. Nothing is final yet, and a sum that was
 * not finished is forgotten. Not collective. */
cyf_status cyf_gradient_plane_begin(cyf_gradient_plane *plane, float *gradients, int64_t count);
/** Says that elements [first, first + n) are final once the device has done all that was queued so far. Every rank
 * announces the same ranges in the same order. Collective with NCCL; does not wait for the device. While the device's
 * operations are being captured into a graph, nothing is summed before finish. Errors: CYF_ERR_INTERNAL (a range
 * twice), CYF_ERR_COMM. */
cyf_status cyf_gradient_plane_ready(cyf_gradient_plane *plane, int64_t first, int64_t n);
/** Says that all elements are final and sums what is left. What the device does afterwards sees the sums. Every rank
 * gets the same bits. Collective. Errors: CYF_ERR_COMM. */
cyf_status cyf_gradient_plane_finish(cyf_gradient_plane *plane);

/** Sums values[count] in device memory over all ranks, in place and in order with the device's other work; batch norm
 * uses it. Collective. Errors: CYF_ERR_COMM, CYF_ERR_MEMORY. */
cyf_status cyf_gradient_plane_sum_doubles(cyf_gradient_plane *plane, double *values, int64_t count);

#endif
