/* SPDX-License-Identifier: MIT */
/* The CPU device: its creation and the table of its operations. */
#include <cblas.h>
#include <sched.h>

#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/cpu/cpu_kernels.h"

int cyf_cpus_allowed(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

void cyf_set_threads(int n) {
  omp_set_num_threads(n);
  openblas_set_num_threads(n);
}

cyf_status cyf_device_create_cpu(int n_threads, cyf_device **ret_device) {
  cyf_device *device;
  *ret_device = NULL;
  CYF_TRY(CYF_NEW(&device, 1));
  device->ops = &cyf_cpu_ops;
  device->host_memory = true;
  device->n_threads = n_threads > 0 ? n_threads : cyf_cpus_allowed();
  cyf_set_threads(device->n_threads);
  *ret_device = device;
  return CYF_OK;
}

void cyf_device_destroy(cyf_device **device) {
  if (!device || !*device) return;
  if ((*device)->destroy_backend) (*device)->destroy_backend(*device);
  cyf_free(*device);
}

const char *cyf_blas_version(void) {
  return openblas_get_config();
}

const char *cyf_blas_core(void) {
  return openblas_get_corename();
}

#define CYF_CPU_SLOT(slot) .slot = cyf_cpu_##slot,
const cyf_ops cyf_cpu_ops = {.name = "cpu", CYF_SLOTS(CYF_CPU_SLOT)};
#undef CYF_CPU_SLOT
