/* SPDX-License-Identifier: MIT */
/** @file
 * libnccl.so.2, loaded when it is first needed, so that the program starts on machines without it. For the files of
 * comm only. Not collective. */
#ifndef CYF_COMM_NCCL_LIBRARY_H
#define CYF_COMM_NCCL_LIBRARY_H

#include <nccl.h>

#include "base/status.h"

/** What is used of NCCL; each member is the function of that name with "nccl" before it. */
typedef struct cyf_nccl_library {
  ncclResult_t (*GetVersion)(int *version);
  ncclResult_t (*GetUniqueId)(ncclUniqueId *id);
  ncclResult_t (*CommInitRankConfig)(ncclComm_t *comm, int n_ranks, ncclUniqueId id, int rank, ncclConfig_t *config);
  ncclResult_t (*CommGetAsyncError)(ncclComm_t comm, ncclResult_t *error);
  ncclResult_t (*CommFinalize)(ncclComm_t comm);
  ncclResult_t (*CommDestroy)(ncclComm_t comm);
  ncclResult_t (*CommAbort)(ncclComm_t comm);
  ncclResult_t (*AllReduce)(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t operation,
                            ncclComm_t comm, cudaStream_t stream);
  const char *(*GetErrorString)(ncclResult_t result);
  const char *(*GetLastError)(ncclComm_t comm);
} cyf_nccl_library;

/** Loads the library once in the process. Errors: CYF_ERR_DEVICE with the loader's reason. */
cyf_status cyf_nccl_library_load(const cyf_nccl_library **ret_library);

#endif
