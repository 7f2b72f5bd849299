/* SPDX-License-Identifier: MIT */
/* Every rank's bytes to every other. In each step a rank sends to one rank and receives from another, so that a wait
 * watches two messages; empty ones are not sent. */
#include <string.h>

#include "base/memory.h"
#include "comm/comm_internal.h"

/* The bytes sent, then those received, in one block: all that MPI may touch until the exchange has ended. After a
 * time-out the communicator takes the block over. */
typedef struct exchange_block {
  char *memory;
  char *in; /* within memory */
} exchange_block;

/* What each rank will send to this one. */
static cyf_status exchange_counts(cyf_comm *comm, const int64_t *n_bytes, int64_t *ret_n_bytes) {
  const char *what = "an exchange of counts";
  cyf_status status = CYF_OK;
  int64_t *staging = NULL;
  MPI_Request request;
  CYF_TRY(CYF_NEW(&staging, 2 * (int64_t)comm->size));
  memcpy(staging, n_bytes, (size_t)comm->size * sizeof *n_bytes);
  CYF_TRY_CLEANUP(cyf_comm_mpi_status(
      comm, MPI_Ialltoall(staging, 1, MPI_INT64_T, staging + comm->size, 1, MPI_INT64_T, comm->mpi, &request), what));
  CYF_TRY_CLEANUP(cyf_comm_wait(comm, 1, &request, (void **)&staging, CYF_COMM_WAIT_CONTROL, what));
  memcpy(ret_n_bytes, staging + comm->size, (size_t)comm->size * sizeof *ret_n_bytes);
cleanup:
  cyf_free(staging);
  return status;
}

static cyf_status make_block(const cyf_comm *comm, const void *bytes, const int64_t *n_out, const int64_t *n_in,
                             exchange_block *block) {
  int64_t total_out = 0, total_in = 0;
  for (int r = 0; r < comm->size; ++r) {
    total_out += n_out[r];
    total_in += n_in[r];
  }
  if (total_out > CYF_COMM_PIECE_BYTES || total_in > CYF_COMM_PIECE_BYTES)
    return CYF_FAIL(CYF_ERR_INTERNAL, "an exchange of %lld and %lld bytes; exchange fewer at a time",
                    (long long)total_out, (long long)total_in);
  CYF_TRY(cyf_alloc((size_t)(total_out + total_in), 1, (void **)&block->memory));
  block->in = block->memory + total_out;
  if (total_out > 0) memcpy(block->memory, bytes, (size_t)total_out);
  return CYF_OK;
}

/* One step: to the rank `step` places on and from the one as far back. Empty messages are left out. */
static cyf_status exchange_step(cyf_comm *comm, const int64_t *n_out, const int64_t *n_in, int step,
                                exchange_block *block) {
  const char *what = "an exchange between all ranks";
  const int to = (comm->rank + step) % comm->size, from = (comm->rank - step + comm->size) % comm->size;
  char *out = block->memory, *in = block->in;
  MPI_Request requests[2];
  int n_requests = 0;
  for (int r = 0; r < to; ++r) out += n_out[r];
  for (int r = 0; r < from; ++r) in += n_in[r];
  if (step == 0) {
    if (n_out[to] > 0) memcpy(in, out, (size_t)n_out[to]);
    return CYF_OK;
  }
  if (n_in[from] > 0)
    CYF_TRY(cyf_comm_mpi_status(
        comm, MPI_Irecv(in, (int)n_in[from], MPI_BYTE, from, CYF_COMM_TAG_EXCHANGE, comm->mpi, &requests[n_requests++]),
        what));
  if (n_out[to] > 0)
    CYF_TRY(cyf_comm_mpi_status(
        comm, MPI_Isend(out, (int)n_out[to], MPI_BYTE, to, CYF_COMM_TAG_EXCHANGE, comm->mpi, &requests[n_requests++]),
        what));
  return n_requests == 0 ? CYF_OK
                         : cyf_comm_wait(comm, n_requests, requests, (void **)&block->memory, CYF_COMM_WAIT_BULK, what);
}

cyf_status cyf_comm_exchange(cyf_comm *comm, const void *bytes, const int64_t *n_bytes, void **ret_bytes,
                             int64_t *ret_n_bytes) {
  cyf_status status = CYF_OK;
  exchange_block block = {0};
  char *arrived = NULL;
  int64_t total_in = 0;
  *ret_bytes = NULL;
  CYF_TRY(cyf_comm_check(comm));
  CYF_TRY(exchange_counts(comm, n_bytes, ret_n_bytes));
  for (int r = 0; r < comm->size; ++r) total_in += ret_n_bytes[r];
  /* Memory may be short on one rank only; the others must not be left waiting. */
  status = make_block(comm, bytes, n_bytes, ret_n_bytes, &block);
  if (status == CYF_OK) status = cyf_alloc((size_t)total_in, 1, (void **)&arrived);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  for (int step = 0; step < comm->size; ++step)
    CYF_TRY_CLEANUP(exchange_step(comm, n_bytes, ret_n_bytes, step, &block));
  memcpy(arrived, block.in, (size_t)total_in);
  *ret_bytes = arrived;
  arrived = NULL;
cleanup:
  cyf_free(block.memory);
  cyf_free(arrived);
  return status;
}
