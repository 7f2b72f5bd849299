/* The gradient plane on host memory. */
#include "comm/comm_internal.h"

cyf_status cyf_comm_sum_gradients(cyf_comm *comm, float *gradients, int64_t count, int64_t bucket_bytes) {
  const char *what = "a sum of gradients";
  CYF_TRY(cyf_comm_check(comm));
  if (count < 0 || bucket_bytes < (int64_t)sizeof(float))
    return CYF_FAIL(CYF_ERR_INTERNAL, "a sum of %lld gradients in buckets of %lld bytes", (long long)count,
                    (long long)bucket_bytes);
  if (comm->size == 1) return CYF_OK;
  const int64_t bytes = bucket_bytes < CYF_COMM_PIECE_BYTES ? bucket_bytes : CYF_COMM_PIECE_BYTES;
  const int64_t bucket = bytes / (int64_t)sizeof(float);
  MPI_Request window[CYF_COMM_WINDOW];
  for (int i = 0; i < CYF_COMM_WINDOW; ++i) window[i] = MPI_REQUEST_NULL;
  int slot = 0;
  for (int64_t first = 0; first < count; first += bucket) {
    const int n = (int)(count - first < bucket ? count - first : bucket);
    /* The oldest bucket under way makes room; every look at it drives the others too. */
    CYF_TRY(cyf_comm_wait_slot(comm, window, slot, what));
    const int code = MPI_Iallreduce(MPI_IN_PLACE, gradients + first, n, MPI_FLOAT, MPI_SUM, comm->mpi, &window[slot]);
    if (code != MPI_SUCCESS) {
      window[slot] = MPI_REQUEST_NULL;
      const cyf_status status = cyf_comm_mpi_status(comm, code, what);
      (void)cyf_comm_wait(comm, CYF_COMM_WINDOW, window, NULL, CYF_COMM_WAIT_BULK, what); /* the message is kept */
      return status;
    }
    slot = (slot + 1) % CYF_COMM_WINDOW;
  }
  return cyf_comm_wait(comm, CYF_COMM_WINDOW, window, NULL, CYF_COMM_WAIT_BULK, what);
}
