/* SPDX-License-Identifier: MIT */
/* The program without NCCL: gradients are summed by MPI. */
#if !CYF_HAVE_NCCL
#include "comm/comm.h"
#include "comm/nccl_plane.h"

bool cyf_nccl_is_here(void) {
  return false;
}

void cyf_nccl_version(char *text, size_t size) {
  if (size > 0) text[0] = '\0';
}

static cyf_status absent(void) {
  return CYF_FAIL(CYF_ERR_INTERNAL, "this program was built without NCCL");
}

cyf_status cyf_nccl_create(cyf_comm *comm, cyf_device *device, cyf_nccl **ret_nccl) {
  (void)comm;
  (void)device;
  *ret_nccl = NULL;
  return absent();
}

void cyf_nccl_destroy(cyf_nccl **nccl) {
  (void)nccl;
}

cyf_status cyf_nccl_sum_bucket(cyf_nccl *nccl, float *values, int64_t count) {
  (void)nccl;
  (void)values;
  (void)count;
  return absent();
}

cyf_status cyf_nccl_join(cyf_nccl *nccl) {
  (void)nccl;
  return absent();
}

cyf_status cyf_nccl_sum_doubles(cyf_nccl *nccl, double *values, int64_t count) {
  (void)nccl;
  (void)values;
  (void)count;
  return absent();
}

bool cyf_nccl_is_capturing(const cyf_nccl *nccl) {
  (void)nccl;
  return false;
}
#endif
