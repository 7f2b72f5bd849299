/* SPDX-License-Identifier: MIT */
/* Capture and graphs. A captured operation does nothing until its graph is launched, and then works with the arguments
 * that it was recorded with. A graph's arguments can be exchanged by those of another recording if that has the same
 * operations in the same order. */
#include "emulated_graphs.hpp"

#include <stdlib.h>
#include <string.h>

#include <memory>
#include <set>
#include <vector>

namespace {
struct node {
  const void *what;
  std::function<void()> work;
  std::vector<char> arguments;
};
cudaStream_t captured; /* the stream that is captured; one at a time */
emulated_graph *recording;
emulator_graph_counts counts;
int64_t frozen = -1; /* a node that is not exchanged */
std::set<int64_t> exchanged;
}  // namespace

struct emulated_graph {
  std::vector<node> nodes;
};

void emulator_perform(cudaStream_t stream, const void *what, const std::function<void()> &work, const void *arguments,
                      size_t bytes) {
  if (captured && stream == captured) {
    const char *from = static_cast<const char *>(arguments);
    recording->nodes.push_back({what, work, std::vector<char>(from, from + bytes)});
  } else {
    emulator_enqueue(stream, work);
  }
}

extern "C" {

void emulator_submit(cudaStream_t stream, const void *what, void (*run)(const void *), const void *argument,
                     size_t bytes) {
  const char *from = static_cast<const char *>(argument);
  const auto kept = std::make_shared<std::vector<char>>(from, from + bytes);
  emulator_perform(
      stream, what, [=]() { run(kept->data()); }, argument, bytes);
}

int emulator_is_capturing(cudaStream_t stream) {
  return captured && (!stream || stream == captured);
}
emulator_graph_counts emulator_graphs(void) {
  return counts;
}
void emulator_freeze_node(int64_t node) {
  frozen = node;
}
int64_t emulator_next_exchanged(int64_t node) {
  const auto next = exchanged.lower_bound(node);
  return next == exchanged.end() ? -1 : *next;
}
void emulator_forget_exchanged(void) {
  exchanged.clear();
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, int *status) {
  *status = emulator_is_capturing(stream) ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, int mode) {
  if (captured || !stream || mode != cudaStreamCaptureModeRelaxed) return cudaErrorInvalidValue;
  captured = stream;
  recording = new emulated_graph();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  if (!captured || stream != captured) return cudaErrorInvalidValue;
  captured = nullptr;
  *graph = recording;
  recording = nullptr;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags) {
  if (flags != 0) return cudaErrorInvalidValue;
  ++counts.instantiated;
  *executable = new emulated_graph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info) {
  bool same = executable->nodes.size() == graph->nodes.size();
  for (size_t k = 0; same && k < graph->nodes.size(); ++k) {
    same = executable->nodes[k].what == graph->nodes[k].what;
  }
  info->result = same ? 0 : 1;
  if (!same) return cudaErrorGraphExecUpdateFailure;
  ++counts.updated;
  for (size_t k = 0; k < graph->nodes.size(); ++k) {
    const int64_t number = static_cast<int64_t>(k);
    if (executable->nodes[k].arguments != graph->nodes[k].arguments) exchanged.insert(number);
    if (number != frozen) executable->nodes[k] = graph->nodes[k];
  }
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (emulator_is_capturing(stream)) return cudaErrorInvalidValue;
  ++counts.launched;
  counts.n_nodes = static_cast<int64_t>(executable->nodes.size());
  for (const node &n : executable->nodes) emulator_enqueue(stream, n.work); /* as it is now: it may change meanwhile */
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

}  // extern "C"
