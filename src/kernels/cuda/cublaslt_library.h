/* SPDX-License-Identifier: MIT */
/** @file
 * cuBLASLt, loaded when a GPU is first used: half a gigabyte that a run without one should neither need nor read.
 * Internal. */
#ifndef CYF_KERNELS_CUDA_CUBLASLT_LIBRARY_H
#define CYF_KERNELS_CUDA_CUBLASLT_LIBRARY_H

#include <cublasLt.h>

#include "base/status.h"

typedef struct cyf_cublaslt {
  __typeof__(cublasLtCreate) *create;
  __typeof__(cublasLtDestroy) *destroy;
  __typeof__(cublasLtMatmulDescCreate) *desc_create;
  __typeof__(cublasLtMatmulDescDestroy) *desc_destroy;
  __typeof__(cublasLtMatmulDescSetAttribute) *desc_set;
  __typeof__(cublasLtMatrixLayoutCreate) *layout_create;
  __typeof__(cublasLtMatrixLayoutDestroy) *layout_destroy;
  __typeof__(cublasLtMatmulPreferenceCreate) *preference_create;
  __typeof__(cublasLtMatmulPreferenceDestroy) *preference_destroy;
  __typeof__(cublasLtMatmulPreferenceSetAttribute) *preference_set;
  __typeof__(cublasLtMatmulAlgoGetHeuristic) *heuristic;
  __typeof__(cublasLtMatmul) *matmul;
  __typeof__(cublasLtGetStatusString) *status_string;
} cyf_cublaslt;

/** The library's functions; the first call loads it from where the system finds shared libraries (LD_LIBRARY_PATH) or
 * from the toolkit that cytoforge was built with. It stays loaded. Thread-safe. Errors: CYF_ERR_DEVICE. */
cyf_status cyf_cublaslt_load(const cyf_cublaslt **ret_library);

#endif
