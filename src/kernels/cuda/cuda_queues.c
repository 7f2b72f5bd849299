/* SPDX-License-Identifier: MIT */
/* The copy queue, events, and graphs. A step's work is recorded each time, and its arguments replace those in the graph
 * of the time before. That costs the host a fraction of launching the kernels, and the GPU sees no gaps between them.
 */
#include "base/memory.h"
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/cuda_slots.h"

struct cyf_event {
  cudaEvent_t event;
};

struct cyf_graph {
  cudaGraphExec_t executable; /* NULL until the second pass */
  bool recording;
};

static cudaStream_t stream_of(const cyf_cuda_device *d, cyf_queue queue) {
  return queue == CYF_QUEUE_COPY ? d->copies : d->stream;
}

cyf_status cyf_cuda_upload_async(cyf_device *device, void *device_memory, const void *host, size_t bytes) {
  if (bytes == 0) return CYF_OK;
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return cyf_cuda_leave(
      d,
      cyf_cuda_check(cudaMemcpyAsync(device_memory, host, bytes, cudaMemcpyHostToDevice, d->copies), "upload_async"));
}

cyf_status cyf_cuda_event_create(cyf_device *device, cyf_event **ret_event) {
  CYF_TRY(CYF_NEW(ret_event, 1));
  cyf_cuda_device *d = cyf_cuda_enter(device);
  const cudaError_t error = cudaEventCreateWithFlags(&(*ret_event)->event, cudaEventDisableTiming);
  if (error != cudaSuccess) cyf_free(*ret_event);
  return cyf_cuda_leave(d, cyf_cuda_check(error, "cudaEventCreateWithFlags"));
}

void cyf_cuda_event_destroy(cyf_device *device, cyf_event *event) {
  if (!event) return;
  cyf_cuda_device *d = cyf_cuda_enter(device);
  (void)cudaEventDestroy(event->event);
  (void)cyf_cuda_leave(d, CYF_OK);
  cyf_free(event);
}

cyf_status cyf_cuda_event_record(cyf_device *device, cyf_queue queue, cyf_event *event) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return cyf_cuda_leave(d, cyf_cuda_check(cudaEventRecord(event->event, stream_of(d, queue)), "cudaEventRecord"));
}

cyf_status cyf_cuda_event_await(cyf_device *device, cyf_queue queue, cyf_event *event) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return cyf_cuda_leave(
      d, cyf_cuda_check(cudaStreamWaitEvent(stream_of(d, queue), event->event, 0), "cudaStreamWaitEvent"));
}

cyf_status cyf_cuda_event_synchronize(cyf_device *device, cyf_event *event) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  return cyf_cuda_leave(d, cyf_cuda_check(cudaEventSynchronize(event->event), "cudaEventSynchronize"));
}

cyf_status cyf_cuda_graph_begin(cyf_device *device, cyf_graph **graph) {
  cyf_cuda_device *d = cyf_cuda_enter(device);
  if (!d->graphs) return cyf_cuda_leave(d, CYF_OK);
  if (!*graph) return cyf_cuda_leave(d, CYF_NEW(graph, 1)); /* the first pass runs as it is */
  cyf_status status = cyf_cuda_staging_make_room(d);
  if (status == CYF_OK) {
    const cudaError_t error = cudaStreamBeginCapture(d->stream, cudaStreamCaptureModeRelaxed);
    status = cyf_cuda_check(error, "cudaStreamBeginCapture");
  }
  if (status != CYF_OK) return cyf_cuda_leave(d, status);
  d->recording = *graph;
  (*graph)->recording = true;
  return CYF_OK; /* the device stays locked: what another thread did would be recorded too */
}

/* Replaces the arguments where the operations are those of the time before; builds the graph anew where not. */
static cyf_status put_in_place(cyf_graph *graph, cudaGraph_t recorded) {
  if (graph->executable) {
    cudaGraphExecUpdateResultInfo result;
    if (cudaGraphExecUpdate(graph->executable, recorded, &result) == cudaSuccess) return CYF_OK;
    (void)cudaGetLastError();
    (void)cudaGraphExecDestroy(graph->executable);
    graph->executable = NULL;
  }
  return cyf_cuda_check(cudaGraphInstantiate(&graph->executable, recorded, 0), "cudaGraphInstantiate");
}

static cyf_status finish(cyf_cuda_device *d, cyf_graph *graph, bool launch) {
  cudaGraph_t recorded = NULL;
  const cudaError_t error = cudaStreamEndCapture(d->stream, &recorded);
  graph->recording = false;
  d->recording = NULL;
  if (!launch) {
    (void)cudaGetLastError();
    if (recorded) (void)cudaGraphDestroy(recorded);
    return CYF_OK;
  }
  CYF_TRY(cyf_cuda_check(error, "cudaStreamEndCapture"));
  cyf_status status = put_in_place(graph, recorded);
  if (status == CYF_OK) status = cyf_cuda_check(cudaGraphLaunch(graph->executable, d->stream), "cudaGraphLaunch");
  (void)cudaGraphDestroy(recorded);
  return status;
}

cyf_status cyf_cuda_graph_end(cyf_device *device, cyf_graph **graph, bool launch) {
  if (!*graph || !(*graph)->recording) return CYF_OK;
  cyf_cuda_device *d = (cyf_cuda_device *)device; /* taken by graph_begin */
  return cyf_cuda_leave(d, finish(d, *graph, launch));
}

void cyf_cuda_graph_destroy(cyf_device *device, cyf_graph *graph) {
  if (!graph) return;
  cyf_cuda_device *d = cyf_cuda_enter(device);
  (void)cudaStreamSynchronize(d->stream); /* it may be running */
  if (graph->executable) (void)cudaGraphExecDestroy(graph->executable);
  (void)cyf_cuda_leave(d, CYF_OK);
  cyf_free(graph);
}
