/* SPDX-License-Identifier: MIT */
/* Waiting for peers: never longer than the time-out, and without taking the core from ranks that still compute. */
#include <sched.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "comm/comm_internal.h"

/* At first a wait calls MPI all the time, for the latency of short messages. Then it offers its core to others at each
 * call. At last, when a peer is evidently late, it sleeps between calls: a 64th of the time waited so far, at most 1
 * ms. */
static const double spin_s = 50e-6, yield_control_s = 5e-3, yield_bulk_s = 0.2, sleep_most_s = 1e-3;

/* Requests left under way by a failure usually end soon after, when a late peer arrives, or never. */
static const double finish_left_s = 10.0;

void cyf_comm_back_off(double waited_s, cyf_comm_wait_kind kind) {
  if (waited_s < spin_s) return;
  if (waited_s < (kind == CYF_COMM_WAIT_BULK ? yield_bulk_s : yield_control_s)) {
    sched_yield();
    return;
  }
  const double pause_s = waited_s / 64 < sleep_most_s ? waited_s / 64 : sleep_most_s;
  const struct timespec pause = {.tv_nsec = (long)(1e9 * pause_s)};
  nanosleep(&pause, NULL);
}

cyf_status cyf_comm_check(const cyf_comm *comm) {
  if (!comm->is_broken) return CYF_OK;
  return CYF_FAIL(CYF_ERR_COMM, "rank %d: an earlier failure left the ranks out of step", comm->rank);
}

static void mark_broken(cyf_comm *comm) {
  comm->is_broken = true;
  comm->failure_agreed = false;
}

cyf_status cyf_comm_mpi_status(cyf_comm *comm, int mpi_code, const char *what) {
  if (mpi_code == MPI_SUCCESS) return CYF_OK;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(mpi_code, text, &length);
  mark_broken(comm);
  return CYF_FAIL(CYF_ERR_COMM, "rank %d: MPI failed in %s: %s", comm->rank, what, text);
}

cyf_status cyf_comm_timed_out(cyf_comm *comm, const char *what) {
  mark_broken(comm);
  return CYF_FAIL(CYF_ERR_COMM,
                  "rank %d: a peer rank did not answer within %g s in %s; it failed or hangs (raise --timeout if it is "
                  "only slow)",
                  comm->rank, comm->timeout_s, what);
}

/* One look at all requests. Testall says only that some request failed; the reason stands in that one's status. */
static int test_all(int n_requests, MPI_Request *requests, int *ret_done) {
  MPI_Status statuses[CYF_COMM_WINDOW];
  const int code = MPI_Testall(n_requests, requests, ret_done, statuses);
  if (code != MPI_ERR_IN_STATUS) return code;
  for (int i = 0; i < n_requests; ++i) {
    if (statuses[i].MPI_ERROR != MPI_SUCCESS && statuses[i].MPI_ERROR != MPI_ERR_PENDING) return statuses[i].MPI_ERROR;
  }
  return code;
}

/* Tests until all requests have ended; *ret_done is 0 when the time ran out. Returns MPI's code. */
static int test_until(int n_requests, MPI_Request *requests, double timeout_s, cyf_comm_wait_kind kind, int *ret_done) {
  int code = test_all(n_requests, requests, ret_done);
  if (code != MPI_SUCCESS || *ret_done) return code;
  const double start_s = cyf_clock_s();
  for (;;) {
    const double waited_s = cyf_clock_s() - start_s;
    cyf_comm_back_off(waited_s, kind);
    code = test_all(n_requests, requests, ret_done);
    if (code != MPI_SUCCESS || *ret_done || waited_s >= timeout_s) return code;
  }
}

static cyf_status wait_failed(cyf_comm *comm, int mpi_code, int n_requests, MPI_Request *requests, void **staging,
                              const char *what) {
  for (int i = 0; i < n_requests; ++i) {
    comm->left_requests[i] = requests[i];
    requests[i] = MPI_REQUEST_NULL;
  }
  if (staging) {
    comm->left_staging = *staging;
    *staging = NULL;
  }
  return mpi_code != MPI_SUCCESS ? cyf_comm_mpi_status(comm, mpi_code, what) : cyf_comm_timed_out(comm, what);
}

cyf_status cyf_comm_wait(cyf_comm *comm, int n_requests, MPI_Request *requests, void **staging, cyf_comm_wait_kind kind,
                         const char *what) {
  int done = 0;
  const int code = test_until(n_requests, requests, comm->timeout_s, kind, &done);
  if (code == MPI_SUCCESS && done) return CYF_OK;
  return wait_failed(comm, code, n_requests, requests, staging, what);
}

bool cyf_comm_finish_left(cyf_comm *comm) {
  int done = 0;
  const int code = test_until(CYF_COMM_WINDOW, comm->left_requests, finish_left_s, CYF_COMM_WAIT_CONTROL, &done);
  return code == MPI_SUCCESS && done;
}
