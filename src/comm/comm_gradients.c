/* SPDX-License-Identifier: MIT */
/* Sums of gradients in host memory: a ring all-reduce (Patarasuk & Yuan 2009) over one bucket.
 *
 * The bucket is cut into one segment a rank. In size - 1 steps every segment travels once around the ring, and each
 * rank adds its values. In size - 1 more steps the sums travel on to everyone. A rank sends 2 (size - 1) / size of the
 * bucket, the least that is possible. Each sum is formed by one rank, so all ranks hold the same bits. Its order is
 * fixed, so the same number of ranks gives the same bits again. On shared memory this is several times faster than
 * MPI_Iallreduce of Open MPI 4.1, which is slow for large messages (benchmarks/README.md). */
#include "base/memory.h"
#include "comm/comm_internal.h"

/* A bucket that is being summed. */
typedef struct ring {
  cyf_comm *comm;
  float *values;
  int64_t count;
  void *received; /* staging for one segment; the communicator takes it over when a wait fails */
} ring;

static int64_t segment_begin(const ring *r, int64_t segment) {
  return segment * r->count / r->comm->size;
}

static int wrap(const ring *r, int segment) {
  return (segment + 2 * r->comm->size) % r->comm->size;
}

/* Cancels the receive: after a failure the peer's message may never come, and destroy would wait for it. */
static void give_up_receiving(cyf_comm *comm) {
  int done = comm->left_requests[0] == MPI_REQUEST_NULL;
  if (!done) {
    MPI_Cancel(&comm->left_requests[0]);
    MPI_Test(&comm->left_requests[0], &done, MPI_STATUS_IGNORE);
  }
  if (done) cyf_free(comm->left_staging); /* nothing else uses it */
}

/* Sends one segment to the next rank while another comes from the one before, to `into`. */
static cyf_status exchange(ring *r, int send, int receive, float *into) {
  const char *what = "a sum of gradients";
  cyf_comm *comm = r->comm;
  int next = wrap(r, comm->rank + 1), previous = wrap(r, comm->rank - 1);
  int64_t send_begin = segment_begin(r, send), receive_begin = segment_begin(r, receive);
  int n_send = (int)(segment_begin(r, send + 1) - send_begin),
      n_receive = (int)(segment_begin(r, receive + 1) - receive_begin);
  MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
  int code = MPI_Irecv(into, n_receive, MPI_FLOAT, previous, CYF_COMM_TAG_GRADIENTS, comm->mpi, &requests[0]);
  if (code == MPI_SUCCESS)
    code = MPI_Isend(r->values + send_begin, n_send, MPI_FLOAT, next, CYF_COMM_TAG_GRADIENTS, comm->mpi, &requests[1]);
  if (code != MPI_SUCCESS) {
    cyf_status status = cyf_comm_mpi_status(comm, code, what);
    (void)cyf_comm_wait(comm, 2, requests, &r->received, CYF_COMM_WAIT_BULK, what); /* the first message is kept */
    return status;
  }
  cyf_status status = cyf_comm_wait(comm, 2, requests, &r->received, CYF_COMM_WAIT_BULK, what);
  if (status != CYF_OK) give_up_receiving(comm);
  return status;
}

static void add_segment(ring *r, int segment) {
  int64_t begin = segment_begin(r, segment), n = segment_begin(r, segment + 1) - begin;
  float *restrict sum = r->values + begin;
  const float *restrict received = r->received;
  for (int64_t i = 0; i < n; i++) sum[i] = received[i] + sum[i];
}

static cyf_status sum_bucket(ring *r) {
  int rank = r->comm->rank, size = r->comm->size;
  for (int step = 0; step < size - 1; step++) {
    int arriving = wrap(r, rank - step - 1);
    CYF_TRY(exchange(r, wrap(r, rank - step), arriving, r->received));
    add_segment(r, arriving);
  }
  for (int step = 0; step < size - 1; step++) {
    int arriving = wrap(r, rank - step);
    CYF_TRY(exchange(r, wrap(r, rank + 1 - step), arriving, r->values + segment_begin(r, arriving)));
  }
  return CYF_OK;
}

int64_t cyf_comm_bucket_staging_floats(const cyf_comm *comm, int64_t count) {
  return count / comm->size + 1;
}

cyf_status cyf_comm_sum_bucket(cyf_comm *comm, float *values, int64_t count, void **staging) {
  CYF_TRY(cyf_comm_check(comm));
  if (comm->size == 1) return CYF_OK;
  ring r = {.comm = comm, .values = values, .count = count, .received = *staging};
  const cyf_status status = sum_bucket(&r);
  *staging = r.received;
  return status;
}
