/* SPDX-License-Identifier: MIT */
/* Collectives on host values: nonblocking MPI calls, each followed by a wait with the time-out. */
#include <string.h>

#include "base/memory.h"
#include "comm/comm_internal.h"

cyf_status cyf_comm_barrier(cyf_comm *comm) {
  MPI_Request request;
  CYF_TRY(cyf_comm_check(comm));
  CYF_TRY(cyf_comm_mpi_status(comm, MPI_Ibarrier(comm->mpi, &request), "a barrier"));
  return cyf_comm_wait(comm, 1, &request, NULL, CYF_COMM_WAIT_CONTROL, "a barrier");
}

/* All four reductions; elements are 8 bytes. Control values are few, so they always pass through a staging block. */
static cyf_status reduce_all(cyf_comm *comm, void *values, int64_t count, MPI_Datatype type, MPI_Op operation,
                             const char *what) {
  cyf_status status = CYF_OK;
  char *staging = NULL;
  CYF_TRY(cyf_comm_check(comm));
  if (count < 0) return CYF_FAIL(CYF_ERR_INTERNAL, "%s of %lld values", what, (long long)count);
  if (count == 0 || comm->size == 1) return CYF_OK;
  const int64_t n_bytes = 8 * count;
  const int64_t staging_bytes = n_bytes < CYF_COMM_STAGED_BYTES_MAX ? n_bytes : CYF_COMM_STAGED_BYTES_MAX;
  CYF_TRY(CYF_NEW(&staging, staging_bytes));
  for (int64_t offset = 0; offset < n_bytes; offset += staging_bytes) {
    const int64_t left = n_bytes - offset, piece = left < staging_bytes ? left : staging_bytes;
    MPI_Request request;
    memcpy(staging, (char *)values + offset, (size_t)piece);
    CYF_TRY_CLEANUP(cyf_comm_mpi_status(
        comm, MPI_Iallreduce(MPI_IN_PLACE, staging, (int)(piece / 8), type, operation, comm->mpi, &request), what));
    CYF_TRY_CLEANUP(cyf_comm_wait(comm, 1, &request, (void **)&staging, CYF_COMM_WAIT_CONTROL, what));
    memcpy((char *)values + offset, staging, (size_t)piece);
  }
cleanup:
  cyf_free(staging);
  return status;
}

cyf_status cyf_comm_sum_double(cyf_comm *comm, double *values, int64_t count) {
  return reduce_all(comm, values, count, MPI_DOUBLE, MPI_SUM, "a sum over ranks");
}

cyf_status cyf_comm_max_double(cyf_comm *comm, double *values, int64_t count) {
  return reduce_all(comm, values, count, MPI_DOUBLE, MPI_MAX, "a maximum over ranks");
}

cyf_status cyf_comm_sum_int64(cyf_comm *comm, int64_t *values, int64_t count) {
  return reduce_all(comm, values, count, MPI_INT64_T, MPI_SUM, "a sum over ranks");
}

cyf_status cyf_comm_max_int64(cyf_comm *comm, int64_t *values, int64_t count) {
  return reduce_all(comm, values, count, MPI_INT64_T, MPI_MAX, "a maximum over ranks");
}

static cyf_status broadcast_staged(cyf_comm *comm, void *bytes, int64_t n_bytes, int root) {
  cyf_status status = CYF_OK;
  char *staging = NULL;
  MPI_Request request;
  CYF_TRY(CYF_NEW(&staging, n_bytes));
  if (comm->rank == root) memcpy(staging, bytes, (size_t)n_bytes);
  CYF_TRY_CLEANUP(
      cyf_comm_mpi_status(comm, MPI_Ibcast(staging, (int)n_bytes, MPI_BYTE, root, comm->mpi, &request), "a broadcast"));
  CYF_TRY_CLEANUP(cyf_comm_wait(comm, 1, &request, (void **)&staging, CYF_COMM_WAIT_CONTROL, "a broadcast"));
  if (comm->rank != root) memcpy(bytes, staging, (size_t)n_bytes);
cleanup:
  cyf_free(staging);
  return status;
}

cyf_status cyf_comm_broadcast(cyf_comm *comm, void *bytes, int64_t n_bytes, int root) {
  CYF_TRY(cyf_comm_check(comm));
  if (n_bytes < 0 || root < 0 || root >= comm->size)
    return CYF_FAIL(CYF_ERR_INTERNAL, "a broadcast of %lld bytes from rank %d of %d", (long long)n_bytes, root,
                    comm->size);
  if (n_bytes == 0 || comm->size == 1) return CYF_OK;
  if (n_bytes <= CYF_COMM_STAGED_BYTES_MAX) return broadcast_staged(comm, bytes, n_bytes, root);
  for (int64_t offset = 0; offset < n_bytes; offset += CYF_COMM_PIECE_BYTES) {
    MPI_Request request;
    char *piece = (char *)bytes + offset;
    CYF_TRY(cyf_comm_mpi_status(
        comm, MPI_Ibcast(piece, cyf_comm_piece(n_bytes, offset), MPI_BYTE, root, comm->mpi, &request), "a broadcast"));
    CYF_TRY(cyf_comm_wait(comm, 1, &request, NULL, CYF_COMM_WAIT_BULK, "a broadcast"));
  }
  return CYF_OK;
}
