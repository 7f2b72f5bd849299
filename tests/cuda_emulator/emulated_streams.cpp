/* SPDX-License-Identifier: MIT */
/* Streams and events. Work waits in its stream until something asks for it. Then the streams take turns at random,
 * wherever events leave their order open. So what a GPU may do late or early happens late or early here. */
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "emulated_graphs.hpp"

namespace {
/* How often an event was recorded, and up to which recording its stream has come. */
struct progress {
  uint64_t recorded = 0, reached = 0;
};
enum kind { WORK, RECORD, WAIT };
struct entry {
  kind what;
  std::function<void()> work;
  std::shared_ptr<progress> event;
  uint64_t number; /* of the recording that is made or waited for */
};
}  // namespace

struct emulated_stream {
  std::deque<entry> queue;
};
struct emulated_event {
  std::shared_ptr<progress> state = std::make_shared<progress>();
};

namespace {
std::vector<emulated_stream *> streams;

bool may_go_on(const emulated_stream *s) {
  if (s->queue.empty()) return false;
  const entry &first = s->queue.front();
  return first.what != WAIT || first.event->reached >= first.number;
}

/* The first entry of a stream drawn from those that need not wait; false: none. */
bool step() {
  std::vector<emulated_stream *> able;
  for (emulated_stream *s : streams) {
    if (may_go_on(s)) able.push_back(s);
  }
  if (able.empty()) return false;
  emulated_stream *s = able[emulator_draw() % able.size()];
  const entry first = std::move(s->queue.front());
  s->queue.pop_front();
  if (first.what == WORK) first.work();
  if (first.what == RECORD) first.event->reached = std::max(first.event->reached, first.number);
  return true;
}

template <typename F>
void run_until(const F &done) {
  while (!done()) {
    if (step()) continue;
    fprintf(stderr, "cuda emulator: streams wait for each other\n");
    abort();
  }
}
}  // namespace

void emulator_enqueue(cudaStream_t stream, std::function<void()> work) {
  stream->queue.push_back({WORK, std::move(work), nullptr, 0});
}

extern "C" {

void emulator_finish(void) {
  run_until([] { return std::all_of(streams.begin(), streams.end(), [](auto *s) { return s->queue.empty(); }); });
}

int64_t emulator_waiting(void) {
  int64_t n = 0;
  for (const emulated_stream *s : streams) n += static_cast<int64_t>(s->queue.size());
  return n;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  if (flags != cudaStreamNonBlocking) return cudaErrorInvalidValue; /* the others wait for the default stream */
  streams.push_back(*stream = new emulated_stream());
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  (void)priority;
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  run_until([=] { return stream->queue.empty(); });
  streams.erase(std::find(streams.begin(), streams.end(), stream));
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (emulator_is_capturing(stream)) return cudaErrorInvalidValue;
  run_until([=] { return stream->queue.empty(); });
  emulator_check_guards();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  if (flags != 0 || emulator_is_capturing(stream)) return cudaErrorInvalidValue;
  stream->queue.push_back({WAIT, nullptr, event->state, event->state->recorded});
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  (void)flags;
  *event = new emulated_event();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (emulator_is_capturing(stream)) return cudaErrorInvalidValue;
  stream->queue.push_back({RECORD, nullptr, event->state, ++event->state->recorded});
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (emulator_is_capturing(nullptr)) return cudaErrorInvalidValue;
  const progress *p = event->state.get();
  run_until([=] { return p->reached >= p->recorded; });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  step();
  return event->state->reached >= event->state->recorded ? cudaSuccess : cudaErrorNotReady;
}

}  // extern "C"
