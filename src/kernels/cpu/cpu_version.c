/* SPDX-License-Identifier: MIT */
#include "kernels/cpu/cpu_version.h"

#include <cblas.h>

const char *cyf_blas_version(void) {
  return openblas_get_config();
}

const char *cyf_blas_core(void) {
  return openblas_get_corename();
}
