/* SPDX-License-Identifier: MIT */
/* A GPU and an NCCL for tests of the gradient plane on ranks without a GPU. Memory is the host's; sums are MPI's.
 *
 * Streams are queues, whose operations run when a test lets the device go on. It then takes an operation of each queue
 * in turn, and begins with another queue every few times. So what streams and events do not order does happen in
 * another order. Include this in one file only: it defines the functions of CUDA's runtime that the plane calls, and
 * the loader of NCCL. */
#ifndef CYF_TESTS_FAKE_NCCL_H
#define CYF_TESTS_FAKE_NCCL_H

#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "comm/nccl_library.h"
#include "kernels/cuda/cuda_device.h"

typedef enum fake_kind { FAKE_KERNEL, FAKE_RECORD, FAKE_WAIT, FAKE_SUM } fake_kind;

struct CUevent_st {
  long recorded, reached;
};

struct ncclComm {
  MPI_Comm mpi;
  int n_in_progress; /* how often the next questions for its state are answered "in progress" */
  ncclResult_t error;
  atomic_int n_inside; /* threads that are in a call */
};

typedef struct fake_operation {
  fake_kind kind;
  void (*kernel)(void *argument);
  void *argument;
  cudaEvent_t event;
  long mark;
  float *values;
  size_t count;
  MPI_Datatype type;
  ncclComm_t comm;
  bool started;
  MPI_Request request;
} fake_operation;

enum { FAKE_QUEUE = 4096, FAKE_STREAMS = 4 };
struct CUstream_st {
  fake_operation queue[FAKE_QUEUE];
  int first, end;
  bool in_use, capturing;
};

static struct CUstream_st fake_streams[FAKE_STREAMS]; /* the first is the device's */
static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static int fake_turn;              /* which stream the device looks at first */
static int fake_n_sums;            /* sums that were queued */
static int fake_n_aborted;         /* communicators */
static atomic_int fake_n_overlaps; /* calls on a communicator while another thread was in one, which NCCL cannot take */
static ncclComm_t fake_newest;

static inline fake_operation *fake_push(cudaStream_t s, fake_kind kind) {
  if (s->end == FAKE_QUEUE) abort();
  fake_operation *o = &s->queue[s->end++];
  *o = (fake_operation){.kind = kind};
  return o;
}

/* The front operation of a stream, if it can run now. */
static inline bool fake_step(cudaStream_t s) {
  if (s->first == s->end) return false;
  fake_operation *o = &s->queue[s->first];
  int done = 1;
  if (o->kind == FAKE_KERNEL) o->kernel(o->argument);
  if (o->kind == FAKE_RECORD) o->event->reached = o->mark;
  if (o->kind == FAKE_WAIT) done = o->event->reached >= o->mark;
  if (o->kind == FAKE_SUM) {
    if (!o->started)
      MPI_Iallreduce(MPI_IN_PLACE, o->values, (int)o->count, o->type, MPI_SUM, o->comm->mpi, &o->request);
    o->started = true;
    MPI_Test(&o->request, &done, MPI_STATUS_IGNORE);
  }
  s->first += done;
  if (s->first == s->end) s->first = s->end = 0;
  return done != 0;
}

static inline void fake_pump(void) {
  fake_turn++;
  for (int i = 0; i < FAKE_STREAMS; i++) fake_step(&fake_streams[(fake_turn / 3 + i) % FAKE_STREAMS]);
}

/* ---- for tests ---- */

static inline void fake_launch(void (*kernel)(void *argument), void *argument) {
  pthread_mutex_lock(&fake_lock);
  fake_operation *o = fake_push(&fake_streams[0], FAKE_KERNEL);
  o->kernel = kernel;
  o->argument = argument;
  pthread_mutex_unlock(&fake_lock);
}

/* Returns when the device's stream is empty, however long that takes, as cudaStreamSynchronize does. */
static inline void fake_synchronize(void) {
  for (bool busy = true; busy;) {
    pthread_mutex_lock(&fake_lock);
    fake_pump();
    busy = fake_streams[0].first != fake_streams[0].end;
    pthread_mutex_unlock(&fake_lock);
  }
}

/* ---- CUDA's runtime ---- */

void *cyf_cuda_stream(cyf_device *device) {
  (void)device;
  fake_streams[0].in_use = true;
  return &fake_streams[0];
}
cudaError_t cudaGetDevice(int *device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}
const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "a fake error";
}
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) {
  *mode = cudaStreamCaptureModeGlobal;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *state) {
  *state = stream->capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  (void)flags, (void)priority;
  for (int i = 1; i < FAKE_STREAMS; i++)
    if (!fake_streams[i].in_use) {
      fake_streams[i].in_use = true;
      *stream = &fake_streams[i];
      return cudaSuccess;
    }
  return cudaErrorMemoryAllocation;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  stream->in_use = false;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  (void)flags;
  *event = calloc(1, sizeof **event);
  return *event != NULL ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  free(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  pthread_mutex_lock(&fake_lock);
  fake_operation *o = fake_push(stream, FAKE_RECORD);
  o->event = event;
  o->mark = ++event->recorded;
  pthread_mutex_unlock(&fake_lock);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  pthread_mutex_lock(&fake_lock);
  fake_pump();
  const bool reached = event->reached == event->recorded;
  pthread_mutex_unlock(&fake_lock);
  return reached ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  (void)flags;
  pthread_mutex_lock(&fake_lock);
  fake_operation *o = fake_push(stream, FAKE_WAIT);
  o->event = event;
  o->mark = event->recorded;
  pthread_mutex_unlock(&fake_lock);
  return cudaSuccess;
}

/* ---- NCCL ---- */

static inline ncclResult_t fake_version(int *version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
static inline ncclResult_t fake_unique_id(ncclUniqueId *id) {
  static int n;
  memset(id, 0, sizeof *id);
  id->internal[0] = (char)++n;
  return ncclSuccess;
}
/* Ranks are those of MPI. An id that did not reach a rank is noticed. */
static inline ncclResult_t fake_init(ncclComm_t *comm, int n_ranks, ncclUniqueId id, int rank, ncclConfig_t *config) {
  int own[2], size, least[2];
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  own[0] = id.internal[0];
  own[1] = -own[0];
  MPI_Allreduce(own, least, 2, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (n_ranks != size || rank < 0 || config->blocking != 0 || own[0] == 0 || least[0] != -least[1])
    return ncclInvalidArgument;
  *comm = fake_newest = calloc(1, sizeof **comm);
  MPI_Comm_dup(MPI_COMM_WORLD, &(*comm)->mpi);
  (*comm)->n_in_progress = 3;
  return ncclInProgress;
}
/* Stays in a call for long enough that another thread may come into one too. */
static inline void fake_enter(ncclComm_t comm) {
  if (atomic_fetch_add(&comm->n_inside, 1) != 0) atomic_fetch_add(&fake_n_overlaps, 1);
  nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}
static inline void fake_leave(ncclComm_t comm) {
  atomic_fetch_sub(&comm->n_inside, 1);
}
static inline ncclResult_t fake_async_error(ncclComm_t comm, ncclResult_t *error) {
  fake_enter(comm);
  pthread_mutex_lock(&fake_lock);
  *error = comm->error;
  if (comm->n_in_progress > 0) {
    comm->n_in_progress--;
    *error = ncclInProgress;
  }
  pthread_mutex_unlock(&fake_lock);
  fake_leave(comm);
  return ncclSuccess;
}
static inline ncclResult_t fake_all_reduce(const void *from, void *to, size_t count, ncclDataType_t type,
                                           ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  if (from != to || operation != ncclSum || comm->n_in_progress > 0) return ncclInvalidUsage;
  fake_enter(comm);
  pthread_mutex_lock(&fake_lock);
  fake_operation *o = fake_push(stream, FAKE_SUM);
  o->values = to;
  o->count = count;
  o->type = type == ncclFloat64 ? MPI_DOUBLE : MPI_FLOAT;
  o->comm = comm;
  fake_n_sums++;
  comm->n_in_progress = 2;
  pthread_mutex_unlock(&fake_lock);
  fake_leave(comm);
  return ncclInProgress;
}
static inline ncclResult_t fake_finalize(ncclComm_t comm) {
  comm->n_in_progress = 1;
  return ncclInProgress;
}
static inline ncclResult_t fake_destroy(ncclComm_t comm) {
  MPI_Comm_free(&comm->mpi);
  free(comm);
  return ncclSuccess;
}
static inline ncclResult_t fake_abort(ncclComm_t comm) {
  (void)comm;
  fake_n_aborted++;
  return ncclSuccess;
}
static inline const char *fake_error_string(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited or there was a network error" : "another error";
}
static inline const char *fake_last_error(ncclComm_t comm) {
  (void)comm;
  return "none";
}

cyf_status cyf_nccl_library_load(const cyf_nccl_library **ret_library) {
  static const cyf_nccl_library fake = {.GetVersion = fake_version,
                                        .GetUniqueId = fake_unique_id,
                                        .CommInitRankConfig = fake_init,
                                        .CommGetAsyncError = fake_async_error,
                                        .CommFinalize = fake_finalize,
                                        .CommDestroy = fake_destroy,
                                        .CommAbort = fake_abort,
                                        .AllReduce = fake_all_reduce,
                                        .GetErrorString = fake_error_string,
                                        .GetLastError = fake_last_error};
  *ret_library = &fake;
  return CYF_OK;
}

#endif
