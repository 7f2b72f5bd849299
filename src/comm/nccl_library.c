/* SPDX-License-Identifier: MIT */
#if CYF_HAVE_NCCL
#include "comm/nccl_library.h"

#include <dlfcn.h>
#include <pthread.h>

#include "comm/comm.h"
#include "comm/nccl_plane.h"

static const char *const LIBRARY = "libnccl.so.2";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cyf_nccl_library table;
static bool is_loaded;

static cyf_status load(void) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return CYF_FAIL(CYF_ERR_DEVICE, "NCCL cannot be loaded: %s", dlerror());
#define FIND(name)                                                                               \
  do {                                                                                           \
    *(void **)&table.name = dlsym(library, "nccl" #name);                                        \
    if (table.name == NULL) return CYF_FAIL(CYF_ERR_DEVICE, "%s has no nccl%s", LIBRARY, #name); \
  } while (0)
  FIND(GetVersion);
  FIND(GetUniqueId);
  FIND(CommInitRankConfig);
  FIND(CommGetAsyncError);
  FIND(CommFinalize);
  FIND(CommDestroy);
  FIND(CommAbort);
  FIND(AllReduce);
  FIND(GetErrorString);
  FIND(GetLastError);
#undef FIND
  is_loaded = true;
  return CYF_OK;
}

cyf_status cyf_nccl_library_load(const cyf_nccl_library **ret_library) {
  *ret_library = NULL;
  pthread_mutex_lock(&lock);
  const cyf_status status = is_loaded ? CYF_OK : load();
  pthread_mutex_unlock(&lock);
  if (status == CYF_OK) *ret_library = &table;
  return status;
}
#endif
