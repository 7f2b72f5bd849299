/* SPDX-License-Identifier: MIT */
/* Bytes of all ranks on one of them. */
#include <string.h>

#include "base/memory.h"
#include "comm/comm_internal.h"

/* Root alone: room for everybody's bytes. */
static cyf_status gather_prepare(const cyf_comm *comm, const int64_t *counts, void **ret_bytes) {
  int64_t total = 0;
  for (int rank = 0; rank < comm->size; ++rank) total += counts[rank];
  return cyf_alloc((size_t)total, 1, ret_bytes);
}

static cyf_status gather_receive(cyf_comm *comm, const void *own_bytes, const int64_t *counts, char *all) {
  for (int rank = 0; rank < comm->size; ++rank) {
    if (rank == comm->rank) {
      if (counts[rank] > 0) memcpy(all, own_bytes, (size_t)counts[rank]);
    } else if (counts[rank] > 0) {
      CYF_TRY(cyf_comm_receive_tagged(comm, all, counts[rank], rank, CYF_COMM_TAG_GATHER));
    }
    all += counts[rank];
  }
  return CYF_OK;
}

cyf_status cyf_comm_gather(cyf_comm *comm, const void *bytes, int64_t n_bytes_local, int root, void **ret_bytes,
                           int64_t **ret_counts) {
  cyf_status status = CYF_OK;
  const bool is_root = comm->rank == root;
  void *all = NULL;
  int64_t *counts = NULL;
  *ret_bytes = NULL;
  *ret_counts = NULL;
  CYF_TRY(cyf_comm_check(comm));
  if (n_bytes_local < 0 || root < 0 || root >= comm->size)
    return CYF_FAIL(CYF_ERR_INTERNAL, "a gather of %lld bytes to rank %d of %d", (long long)n_bytes_local, root,
                    comm->size);
  /* Everybody learns all counts by a sum: one small message instead of a second kind of collective. */
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, CYF_NEW(&counts, comm->size)));
  counts[comm->rank] = n_bytes_local;
  CYF_TRY_CLEANUP(cyf_comm_sum_int64(comm, counts, comm->size));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, is_root ? gather_prepare(comm, counts, &all) : CYF_OK));
  if (is_root) {
    CYF_TRY_CLEANUP(gather_receive(comm, bytes, counts, all));
    *ret_bytes = all;
    *ret_counts = counts;
    all = NULL;
    counts = NULL;
  } else if (n_bytes_local > 0) {
    CYF_TRY_CLEANUP(cyf_comm_send_tagged(comm, bytes, n_bytes_local, root, CYF_COMM_TAG_GATHER));
  }
cleanup:
  cyf_free(all);
  cyf_free(counts);
  return status;
}
