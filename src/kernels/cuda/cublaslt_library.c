/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/cublaslt_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define LIBRARY \
  "libcublasLt.so." TEXT(CUBLAS_VER_MAJOR) /* of the headers: the interface is stable within a major version */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cyf_cublaslt library;
static bool loaded;

static cyf_status find(void *handle, const char *name, void *ret_function) {
  void *function = dlsym(handle, name);
  if (!function) return CYF_FAIL(CYF_ERR_DEVICE, "%s has no %s", LIBRARY, name);
  *(void **)ret_function = function;
  return CYF_OK;
}

static cyf_status load(void) {
  void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!handle) handle = dlopen(CYF_CUDA_LIBRARY_DIR "/" LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    return CYF_FAIL(CYF_ERR_DEVICE, "%s cannot be loaded (%s); add its folder to LD_LIBRARY_PATH, or use --device cpu",
                    LIBRARY, dlerror());
  }
  CYF_TRY(find(handle, "cublasLtCreate", &library.create));
  CYF_TRY(find(handle, "cublasLtDestroy", &library.destroy));
  CYF_TRY(find(handle, "cublasLtMatmulDescCreate", &library.desc_create));
  CYF_TRY(find(handle, "cublasLtMatmulDescDestroy", &library.desc_destroy));
  CYF_TRY(find(handle, "cublasLtMatmulDescSetAttribute", &library.desc_set));
  CYF_TRY(find(handle, "cublasLtMatrixLayoutCreate", &library.layout_create));
  CYF_TRY(find(handle, "cublasLtMatrixLayoutDestroy", &library.layout_destroy));
  CYF_TRY(find(handle, "cublasLtMatmulPreferenceCreate", &library.preference_create));
  CYF_TRY(find(handle, "cublasLtMatmulPreferenceDestroy", &library.preference_destroy));
  CYF_TRY(find(handle, "cublasLtMatmulPreferenceSetAttribute", &library.preference_set));
  CYF_TRY(find(handle, "cublasLtMatmulAlgoGetHeuristic", &library.heuristic));
  CYF_TRY(find(handle, "cublasLtMatmul", &library.matmul));
  return find(handle, "cublasLtGetStatusString", &library.status_string);
}

cyf_status cyf_cublaslt_load(const cyf_cublaslt **ret_library) {
  pthread_mutex_lock(&lock);
  const cyf_status status = loaded ? CYF_OK : load();
  loaded = status == CYF_OK;
  pthread_mutex_unlock(&lock);
  *ret_library = &library;
  return status;
}
