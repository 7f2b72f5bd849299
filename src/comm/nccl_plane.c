/* SPDX-License-Identifier: MIT */
/* Sums over ranks by NCCL. Calls do not block the host (ncclConfig_t, blocking 0): while one is under way, its state is
 * polled until the ranks' time-out. A thread watches what is queued on a stream, since the host may itself be waiting
 * for that stream and then polls nothing. */
#if CYF_HAVE_NCCL
#include "comm/nccl_plane.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "comm/comm.h"
#include "comm/comm_internal.h"
#include "comm/nccl_library.h"
#include "kernels/cuda/cuda_device.h"

enum { N_PENDING = 256, GRADIENTS = 0, STATISTICS = 1, N_COMMUNICATORS = 2 };

static const double WATCH_EVERY_S = 0.02, FINISH_S = 10.0;

/* A sum that was queued: done when the event is reached. */
typedef struct pending {
  cudaEvent_t event;
  double since_s;
  const char *what;
} pending;

struct cyf_nccl {
  const cyf_nccl_library *library;
  cyf_comm *comm;
  int ordinal; /* of the GPU, for the watch's thread */
  cudaStream_t device_stream, sum_stream;
  cudaEvent_t ready, summed; /* the device's work so far; the buckets so far */
  ncclComm_t communicator[N_COMMUNICATORS];
  pthread_t thread;
  bool watched;
  pthread_mutex_t calls; /* a communicator takes one call at a time, asking for its state included */
  pthread_mutex_t lock;  /* of what follows */
  bool stop;
  pending queue[N_PENDING]; /* a ring: n_queued from first on */
  int first, n_queued;
};

bool cyf_nccl_is_here(void) {
  const cyf_nccl_library *library = NULL;
  const bool is_here = cyf_nccl_library_load(&library) == CYF_OK;
  if (!is_here) cyf_warn("%s; gradients are summed by MPI", cyf_status_message());
  if (!is_here) cyf_status_clear();
  return is_here;
}

void cyf_nccl_version(char *text, size_t size) {
  const cyf_nccl_library *library = NULL;
  int version = 0;
  if (cyf_nccl_library_load(&library) != CYF_OK || library->GetVersion(&version) != ncclSuccess) {
    cyf_status_clear();
    snprintf(text, size, "built with %d.%d.%d, not found here", NCCL_MAJOR, NCCL_MINOR, NCCL_PATCH);
    return;
  }
  snprintf(text, size, "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
}

static cyf_status cuda_status(cyf_nccl *n, cudaError_t error, const char *what) {
  if (error == cudaSuccess) return CYF_OK;
  return CYF_FAIL(CYF_ERR_DEVICE, "rank %d: CUDA failed in %s: %s", n->comm->rank, what, cudaGetErrorString(error));
}

static cyf_status nccl_failed(cyf_nccl *n, ncclResult_t result, const char *what) {
  n->comm->is_broken = true;
  n->comm->failure_agreed = false;
  return CYF_FAIL(CYF_ERR_COMM, "rank %d: NCCL failed in %s: %s (%s)", n->comm->rank, what,
                  n->library->GetErrorString(result), n->library->GetLastError(NULL));
}

/* Waits until the call that gave `result` has ended on the host's side; the sum itself may still be queued. */
static cyf_status settle(cyf_nccl *n, int which, ncclResult_t result, double timeout_s, const char *what) {
  const double start_s = cyf_clock_s();
  while (result == ncclInProgress) {
    const double waited_s = cyf_clock_s() - start_s;
    if (waited_s > timeout_s) return cyf_comm_timed_out(n->comm, what);
    cyf_comm_back_off(waited_s, CYF_COMM_WAIT_BULK);
    pthread_mutex_lock(&n->calls);
    const ncclResult_t asked = n->library->CommGetAsyncError(n->communicator[which], &result);
    pthread_mutex_unlock(&n->calls);
    if (asked != ncclSuccess) result = asked;
  }
  return result == ncclSuccess ? CYF_OK : nccl_failed(n, result, what);
}

/* ---- the watch ---- */

static void end_all_ranks(cyf_nccl *n, const char *what, const char *why) {
  cyf_print(stderr, "cytoforge: error on rank %d: NCCL: %s in %s\n", n->comm->rank, why, what);
  fflush(stderr);
  for (int i = 0; i < N_COMMUNICATORS; i++)
    if (n->communicator[i] != NULL) n->library->CommAbort(n->communicator[i]);
  cyf_comm_abort(n->comm, CYF_ERR_COMM);
}

static void watch_errors(cyf_nccl *n) {
  if (pthread_mutex_trylock(&n->calls) != 0) return; /* the host is in a call and hears of errors itself */
  for (int i = 0; i < N_COMMUNICATORS; i++) {
    ncclResult_t error = ncclSuccess;
    if (n->library->CommGetAsyncError(n->communicator[i], &error) != ncclSuccess) continue;
    if (error != ncclSuccess && error != ncclInProgress)
      end_all_ranks(n, "a sum over ranks", n->library->GetErrorString(error));
  }
  pthread_mutex_unlock(&n->calls);
}

/* Takes sums that are done out of the queue. The caller holds the lock. */
static void retire(cyf_nccl *n) {
  while (n->n_queued > 0) {
    const cudaError_t state = cudaEventQuery(n->queue[n->first].event);
    if (state == cudaErrorNotReady) return;
    if (state != cudaSuccess) end_all_ranks(n, n->queue[n->first].what, cudaGetErrorString(state));
    n->first = (n->first + 1) % N_PENDING;
    n->n_queued--;
  }
}

static void watch_time(cyf_nccl *n) {
  char why[160];
  retire(n);
  if (n->n_queued == 0 || cyf_clock_s() - n->queue[n->first].since_s <= n->comm->timeout_s) return;
  snprintf(why, sizeof why, "a peer rank did not answer within %g s (raise --timeout if it is only slow)",
           n->comm->timeout_s);
  end_all_ranks(n, n->queue[n->first].what, why);
}

static void *watch(void *context) {
  cyf_nccl *n = context;
  const struct timespec pause = {.tv_nsec = (long)(1e9 * WATCH_EVERY_S)};
  /* A graph may be captured by another thread meanwhile: asking for events must not end the capture. */
  enum cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  cudaSetDevice(n->ordinal);
  cudaThreadExchangeStreamCaptureMode(&mode);
  for (bool stop = false; !stop;) {
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&n->lock);
    stop = n->stop;
    if (!stop) {
      watch_errors(n);
      watch_time(n);
    }
    pthread_mutex_unlock(&n->lock);
  }
  return NULL;
}

/* Has the thread watch what `stream` holds now. */
static cyf_status watch_stream(cyf_nccl *n, cudaStream_t stream, const char *what) {
  pthread_mutex_lock(&n->lock);
  retire(n);
  while (n->n_queued == N_PENDING) { /* the host is far ahead of the device */
    pthread_mutex_unlock(&n->lock);
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    pthread_mutex_lock(&n->lock);
    retire(n);
  }
  pending *entry = &n->queue[(n->first + n->n_queued) % N_PENDING];
  const cyf_status status = cuda_status(n, cudaEventRecord(entry->event, stream), what);
  entry->since_s = cyf_clock_s();
  entry->what = what;
  if (status == CYF_OK) n->n_queued++;
  pthread_mutex_unlock(&n->lock);
  return status;
}

/* ---- creation ---- */

static cyf_status make_streams(cyf_nccl *n, cyf_device *device) {
  const char *what = "making a stream of sums";
  int least = 0, greatest = 0;
  n->device_stream = cyf_cuda_stream(device);
  CYF_TRY(cuda_status(n, cudaGetDevice(&n->ordinal), what));
  CYF_TRY(cuda_status(n, cudaDeviceGetStreamPriorityRange(&least, &greatest), what));
  CYF_TRY(cuda_status(n, cudaStreamCreateWithPriority(&n->sum_stream, cudaStreamNonBlocking, greatest), what));
  CYF_TRY(cuda_status(n, cudaEventCreateWithFlags(&n->ready, cudaEventDisableTiming), what));
  CYF_TRY(cuda_status(n, cudaEventCreateWithFlags(&n->summed, cudaEventDisableTiming), what));
  for (int i = 0; i < N_PENDING; i++)
    CYF_TRY(cuda_status(n, cudaEventCreateWithFlags(&n->queue[i].event, cudaEventDisableTiming), what));
  return CYF_OK;
}

/* Makes the communicators' ids, on rank 0 only; the caller sends them to all. */
static cyf_status make_ids(cyf_nccl *n, ncclUniqueId ids[N_COMMUNICATORS]) {
  for (int i = 0; i < N_COMMUNICATORS && n->comm->rank == 0; i++) {
    const ncclResult_t result = n->library->GetUniqueId(&ids[i]);
    if (result != ncclSuccess)
      return CYF_FAIL(CYF_ERR_DEVICE, "NCCL cannot start: %s", n->library->GetErrorString(result));
  }
  return CYF_OK;
}

static cyf_status connect_ranks(cyf_nccl *n, const ncclUniqueId ids[N_COMMUNICATORS]) {
  for (int i = 0; i < N_COMMUNICATORS; i++) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const ncclResult_t result =
        n->library->CommInitRankConfig(&n->communicator[i], n->comm->size, ids[i], n->comm->rank, &config);
    CYF_TRY(settle(n, i, result, n->comm->timeout_s, "the start of NCCL"));
  }
  return CYF_OK;
}

cyf_status cyf_nccl_create(cyf_comm *comm, cyf_device *device, cyf_nccl **ret_nccl) {
  cyf_status status;
  cyf_nccl *n = NULL;
  ncclUniqueId ids[N_COMMUNICATORS] = {0};
  *ret_nccl = NULL;
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&n, 1)));
  n->comm = comm;
  pthread_mutex_init(&n->calls, NULL);
  pthread_mutex_init(&n->lock, NULL);
  status = cyf_nccl_library_load(&n->library);
  if (status == CYF_OK) status = make_streams(n, device);
  if (status == CYF_OK) status = make_ids(n, ids);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(cyf_comm_broadcast(comm, ids, sizeof ids, 0));
  CYF_TRY_CLEANUP(connect_ranks(n, ids));
  if (pthread_create(&n->thread, NULL, watch, n) != 0)
    status = CYF_FAIL(CYF_ERR_MEMORY, "the watch of NCCL's sums cannot be started");
  n->watched = status == CYF_OK;
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  *ret_nccl = n;
  return CYF_OK;
cleanup:
  cyf_nccl_destroy(&n);
  return status;
}

/* ---- the end ---- */

/* Waits for what is queued, for some seconds at most. */
static bool drain(cyf_nccl *n) {
  const double start_s = cyf_clock_s();
  for (bool busy = true; busy;) {
    pthread_mutex_lock(&n->lock);
    retire(n);
    busy = n->n_queued > 0;
    pthread_mutex_unlock(&n->lock);
    if (busy && cyf_clock_s() - start_s > FINISH_S) return false;
    if (busy) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  return true;
}

static void close_communicator(cyf_nccl *n, int which, bool in_step) {
  ncclComm_t communicator = n->communicator[which];
  if (communicator == NULL) return;
  const bool finished =
      in_step && settle(n, which, n->library->CommFinalize(communicator), FINISH_S, "the end of NCCL") == CYF_OK;
  if (finished)
    n->library->CommDestroy(communicator);
  else
    n->library->CommAbort(communicator);
}

void cyf_nccl_destroy(cyf_nccl **nccl) {
  if (nccl == NULL || *nccl == NULL) return;
  cyf_nccl *n = *nccl;
  *nccl = NULL;
  const bool in_step = !n->comm->is_broken && drain(n);
  if (n->watched) {
    pthread_mutex_lock(&n->lock);
    n->stop = true;
    pthread_mutex_unlock(&n->lock);
    pthread_join(n->thread, NULL);
  }
  for (int i = 0; i < N_COMMUNICATORS; i++) close_communicator(n, i, in_step);
  for (int i = 0; i < N_PENDING; i++)
    if (n->queue[i].event != NULL) cudaEventDestroy(n->queue[i].event);
  if (n->ready != NULL) cudaEventDestroy(n->ready);
  if (n->summed != NULL) cudaEventDestroy(n->summed);
  if (n->sum_stream != NULL) cudaStreamDestroy(n->sum_stream);
  pthread_mutex_destroy(&n->calls);
  pthread_mutex_destroy(&n->lock);
  cyf_free(n);
}

/* ---- sums ---- */

/* values[count] in place, on a stream; returns when it is queued there. */
static cyf_status all_reduce(cyf_nccl *n, int which, void *values, int64_t count, ncclDataType_t type,
                             cudaStream_t stream, const char *what) {
  pthread_mutex_lock(&n->calls);
  const ncclResult_t result =
      n->library->AllReduce(values, values, (size_t)count, type, ncclSum, n->communicator[which], stream);
  pthread_mutex_unlock(&n->calls);
  return settle(n, which, result, n->comm->timeout_s, what);
}

cyf_status cyf_nccl_sum_bucket(cyf_nccl *n, float *values, int64_t count) {
  const char *what = "a sum of gradients";
  CYF_TRY(cyf_comm_check(n->comm));
  CYF_TRY(cuda_status(n, cudaEventRecord(n->ready, n->device_stream), what));
  CYF_TRY(cuda_status(n, cudaStreamWaitEvent(n->sum_stream, n->ready, 0), what));
  return all_reduce(n, GRADIENTS, values, count, ncclFloat32, n->sum_stream, what);
}

cyf_status cyf_nccl_join(cyf_nccl *n) {
  const char *what = "a sum of gradients";
  CYF_TRY(watch_stream(n, n->sum_stream, what));
  CYF_TRY(cuda_status(n, cudaEventRecord(n->summed, n->sum_stream), what));
  return cuda_status(n, cudaStreamWaitEvent(n->device_stream, n->summed, 0), what);
}

cyf_status cyf_nccl_sum_doubles(cyf_nccl *n, double *values, int64_t count) {
  const char *what = "a sum of batch statistics";
  CYF_TRY(cyf_comm_check(n->comm));
  CYF_TRY(all_reduce(n, STATISTICS, values, count, ncclFloat64, n->device_stream, what));
  return watch_stream(n, n->device_stream, what);
}

bool cyf_nccl_is_capturing(const cyf_nccl *n) {
  enum cudaStreamCaptureStatus state = cudaStreamCaptureStatusNone;
  return cudaStreamIsCapturing(n->device_stream, &state) == cudaSuccess && state != cudaStreamCaptureStatusNone;
}
#endif
