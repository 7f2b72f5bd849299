/* SPDX-License-Identifier: MIT */
/* Messages between two ranks. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "comm/comm_internal.h"

static cyf_status check_peer(const cyf_comm *comm, int64_t n_bytes, int peer, const char *what) {
  CYF_TRY(cyf_comm_check(comm));
  if (n_bytes >= 0 && peer >= 0 && peer < comm->size && peer != comm->rank) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "%s of %lld bytes between rank %d and rank %d of %d", what, (long long)n_bytes,
                  comm->rank, peer, comm->size);
}

static cyf_status send_piece(cyf_comm *comm, const char *bytes, int n_bytes, int to, int tag) {
  cyf_status status = CYF_OK;
  char *staging = NULL;
  MPI_Request request;
  const bool staged = n_bytes <= CYF_COMM_STAGED_BYTES_MAX;
  const char *what = "sending a message";
  if (staged) {
    CYF_TRY(CYF_NEW(&staging, n_bytes));
    if (n_bytes > 0) memcpy(staging, bytes, (size_t)n_bytes);
  }
  const int code = MPI_Isend(staged ? staging : bytes, n_bytes, MPI_BYTE, to, tag, comm->mpi, &request);
  CYF_TRY_CLEANUP(cyf_comm_mpi_status(comm, code, what));
  CYF_TRY_CLEANUP(
      cyf_comm_wait(comm, 1, &request, (void **)&staging, staged ? CYF_COMM_WAIT_CONTROL : CYF_COMM_WAIT_BULK, what));
cleanup:
  cyf_free(staging);
  return status;
}

cyf_status cyf_comm_send_tagged(cyf_comm *comm, const void *bytes, int64_t n_bytes, int to, int tag) {
  int64_t offset = 0;
  CYF_TRY(check_peer(comm, n_bytes, to, "a send"));
  do { /* also an empty message is one */
    const int piece = cyf_comm_piece(n_bytes, offset);
    CYF_TRY(send_piece(comm, (const char *)bytes + offset, piece, to, tag));
    offset += piece;
  } while (offset < n_bytes);
  return CYF_OK;
}

/* Waits until a message is there, and only then names a buffer: after a time-out MPI holds no pointer of ours. */
static cyf_status await_message(cyf_comm *comm, int from, int tag, MPI_Message *ret_message, int *ret_bytes) {
  const char *what = "receiving a message";
  const double start_s = cyf_clock_s();
  for (;;) {
    MPI_Status envelope;
    int there = 0;
    const double waited_s = cyf_clock_s() - start_s;
    CYF_TRY(cyf_comm_mpi_status(comm, MPI_Improbe(from, tag, comm->mpi, &there, ret_message, &envelope), what));
    if (there) return cyf_comm_mpi_status(comm, MPI_Get_count(&envelope, MPI_BYTE, ret_bytes), what);
    if (waited_s >= comm->timeout_s) return cyf_comm_timed_out(comm, what);
    cyf_comm_back_off(waited_s, CYF_COMM_WAIT_CONTROL);
  }
}

static cyf_status receive_piece(cyf_comm *comm, char *bytes, int n_bytes, int from, int tag) {
  const char *what = "receiving a message";
  MPI_Message message;
  MPI_Request request;
  int n_sent = 0;
  CYF_TRY(await_message(comm, from, tag, &message, &n_sent));
  if (n_sent != n_bytes) {
    /* The message stays unreceived, so nothing sensible can follow on this communicator. */
    comm->is_broken = true;
    return CYF_FAIL(CYF_ERR_INTERNAL, "rank %d expected %d bytes from rank %d under tag %d, which sent %d", comm->rank,
                    n_bytes, from, tag, n_sent);
  }
  CYF_TRY(cyf_comm_mpi_status(comm, MPI_Imrecv(bytes, n_bytes, MPI_BYTE, &message, &request), what));
  return cyf_comm_wait(comm, 1, &request, NULL, CYF_COMM_WAIT_BULK, what);
}

cyf_status cyf_comm_receive_tagged(cyf_comm *comm, void *bytes, int64_t n_bytes, int from, int tag) {
  int64_t offset = 0;
  CYF_TRY(check_peer(comm, n_bytes, from, "a receive"));
  do {
    const int piece = cyf_comm_piece(n_bytes, offset);
    CYF_TRY(receive_piece(comm, (char *)bytes + offset, piece, from, tag));
    offset += piece;
  } while (offset < n_bytes);
  return CYF_OK;
}

static cyf_status check_tag(int tag) {
  if (tag >= 0 && tag <= CYF_COMM_TAG_USER_MAX) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "message tag %d is not in 0..%d", tag, (int)CYF_COMM_TAG_USER_MAX);
}

cyf_status cyf_comm_send(cyf_comm *comm, const void *bytes, int64_t n_bytes, int to, int tag) {
  CYF_TRY(check_tag(tag));
  return cyf_comm_send_tagged(comm, bytes, n_bytes, to, tag);
}

cyf_status cyf_comm_receive(cyf_comm *comm, void *bytes, int64_t n_bytes, int from, int tag) {
  CYF_TRY(check_tag(tag));
  return cyf_comm_receive_tagged(comm, bytes, n_bytes, from, tag);
}
