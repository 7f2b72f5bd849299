/* SPDX-License-Identifier: MIT */
#include "comm/gradient_plane.h"

#include <string.h>

#include "base/memory.h"
#include "comm/buckets.h"
#include "comm/comm_internal.h"
#include "comm/nccl_plane.h"
#include "kernels/backend.h"

struct cyf_gradient_plane {
  cyf_comm *comm;
  cyf_device *device;
  cyf_nccl *nccl; /* NULL: MPI */
  int64_t bucket_bytes;
  cyf_buckets buckets;
  float *gradients; /* NULL: no sum has begun */
  void *received;   /* MPI: staging of the ring, for the greatest bucket */
  void *host;       /* MPI: host_bytes that stand for device memory */
  size_t host_bytes;
};

static bool is_host_memory(const cyf_gradient_plane *p) {
  return p->device->host_memory;
}

/* NCCL takes one rank a GPU, and all ranks or none. */
static cyf_status choose(cyf_comm *comm, const cyf_device *device, bool *ret_nccl) {
  const bool own_gpu = strcmp(device->ops->name, "cuda") == 0 && !device->is_shared;
  int64_t unable = cyf_comm_size(comm) == 1 || !own_gpu || !cyf_nccl_is_here();
  CYF_TRY(cyf_comm_max_int64(comm, &unable, 1));
  *ret_nccl = unable == 0;
  return CYF_OK;
}

cyf_status cyf_gradient_plane_create(cyf_comm *comm, cyf_device *device, int64_t bucket_bytes,
                                     cyf_gradient_plane **ret_plane) {
  cyf_status status;
  cyf_gradient_plane *p = NULL;
  bool with_nccl = false;
  *ret_plane = NULL;
  CYF_TRY(choose(comm, device, &with_nccl));
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&p, 1)));
  *p = (cyf_gradient_plane){.comm = comm, .device = device, .bucket_bytes = bucket_bytes};
  if (p->bucket_bytes > CYF_COMM_PIECE_BYTES) p->bucket_bytes = CYF_COMM_PIECE_BYTES;
  if (with_nccl) CYF_TRY_CLEANUP(cyf_nccl_create(comm, device, &p->nccl));
  *ret_plane = p;
  return CYF_OK;
cleanup:
  cyf_gradient_plane_destroy(&p);
  return status;
}

void cyf_gradient_plane_destroy(cyf_gradient_plane **plane) {
  if (plane == NULL || *plane == NULL) return;
  cyf_gradient_plane *p = *plane;
  *plane = NULL;
  cyf_nccl_destroy(&p->nccl);
  cyf_buckets_destroy(&p->buckets);
  cyf_free(p->received);
  cyf_free(p->host);
  cyf_free(p);
}

const char *cyf_gradient_plane_name(const cyf_gradient_plane *plane) {
  return plane->nccl != NULL ? "NCCL" : "MPI";
}

bool cyf_gradient_plane_sums_meanwhile(const cyf_gradient_plane *plane) {
  return plane->nccl != NULL;
}

cyf_status cyf_gradient_plane_begin(cyf_gradient_plane *p, float *gradients, int64_t count) {
  if (p->buckets.missing == NULL || p->buckets.count != count) {
    cyf_buckets_destroy(&p->buckets);
    CYF_TRY(cyf_buckets_create(count, p->bucket_bytes, &p->buckets));
    cyf_free(p->received);
    if (p->nccl == NULL)
      CYF_TRY(
          cyf_alloc((size_t)cyf_comm_bucket_staging_floats(p->comm, p->buckets.bucket), sizeof(float), &p->received));
  }
  cyf_buckets_reset(&p->buckets);
  p->gradients = gradients;
  return CYF_OK;
}

static cyf_status to_host(cyf_gradient_plane *p, const void *from, size_t bytes) {
  if (bytes > p->host_bytes) {
    p->host_bytes = 0;
    cyf_free(p->host);
    CYF_TRY(cyf_alloc(bytes, 1, &p->host));
    p->host_bytes = bytes;
  }
  CYF_TRY(p->device->ops->download(p->device, p->host, from, bytes));
  return p->device->ops->synchronize(p->device);
}

static cyf_status to_device(cyf_gradient_plane *p, void *to, size_t bytes) {
  CYF_TRY(p->device->ops->upload(p->device, to, p->host, bytes));
  return p->device->ops->synchronize(p->device); /* p->host is filled again */
}

static cyf_status sum_bucket(cyf_gradient_plane *p, float *values, int64_t n) {
  const size_t bytes = sizeof(float) * (size_t)n;
  if (p->nccl != NULL) return cyf_nccl_sum_bucket(p->nccl, values, n);
  if (is_host_memory(p)) return cyf_comm_sum_bucket(p->comm, values, n, &p->received);
  CYF_TRY(to_host(p, values, bytes));
  CYF_TRY(cyf_comm_sum_bucket(p->comm, p->host, n, &p->received));
  return to_device(p, values, bytes);
}

static cyf_status sum_ready(cyf_gradient_plane *p) {
  int64_t first = 0, n = 0;
  while (cyf_buckets_next(&p->buckets, &first, &n)) CYF_TRY(sum_bucket(p, p->gradients + first, n));
  return CYF_OK;
}

cyf_status cyf_gradient_plane_ready(cyf_gradient_plane *p, int64_t first, int64_t n) {
  if (p->gradients == NULL) return CYF_FAIL(CYF_ERR_INTERNAL, "gradients are ready of a sum that has not begun");
  CYF_TRY(cyf_buckets_ready(&p->buckets, first, n));
  if (p->nccl == NULL || cyf_nccl_is_capturing(p->nccl)) return CYF_OK;
  return sum_ready(p);
}

cyf_status cyf_gradient_plane_finish(cyf_gradient_plane *p) {
  if (p->gradients == NULL) return CYF_FAIL(CYF_ERR_INTERNAL, "the end of a sum of gradients that has not begun");
  if (cyf_comm_size(p->comm) > 1) {
    cyf_buckets_all_ready(&p->buckets);
    CYF_TRY(sum_ready(p));
    if (p->nccl != NULL) CYF_TRY(cyf_nccl_join(p->nccl));
  }
  p->gradients = NULL;
  return CYF_OK;
}

cyf_status cyf_gradient_plane_sum_doubles(cyf_gradient_plane *p, double *values, int64_t count) {
  const size_t bytes = sizeof(double) * (size_t)count;
  if (cyf_comm_size(p->comm) == 1) return CYF_OK;
  if (p->nccl != NULL) return cyf_nccl_sum_doubles(p->nccl, values, count);
  if (is_host_memory(p)) return cyf_comm_sum_double(p->comm, values, count);
  CYF_TRY(to_host(p, values, bytes));
  CYF_TRY(cyf_comm_sum_double(p->comm, p->host, count));
  return to_device(p, values, bytes);
}
