/* SPDX-License-Identifier: MIT */
/* Blocks of threads as fibers. A thread runs until it ends or meets a barrier; the next is drawn at random from those
 * that may run. When none may, a warp goes on if all its threads wait for an exchange. Else the block goes on if all
 * threads that are left wait at __syncthreads. Else threads wait for each other for ever, and the program ends with a
 * message. */
#include <cuda_runtime.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <vector>

#include "emulated_graphs.hpp"

uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

enum state { NEW, READY, AT_BLOCK, AT_WARP, DONE };
enum { THREADS_MAX = 1024, STACK_BYTES = 64 << 10, SHARED_BYTES = 256 << 10 };

struct fiber {
  ucontext_t context; /* where it starts */
  jmp_buf place;      /* where it waits */
  bool started;
  char *stack;
};
struct shared_array {
  const void *place;
  size_t offset, bytes;
};

state states[THREADS_MAX];
uint64_t exchanged[THREADS_MAX];
fiber *fiber_of[THREADS_MAX]; /* the fiber that a started thread is on */
std::vector<fiber *> idle;
std::vector<shared_array> arrays;
alignas(256) char shared_memory[SHARED_BYTES];
size_t shared_used;
ucontext_t scheduler_context;
jmp_buf scheduler;
const std::function<void()> *kernel_now;
unsigned thread_now, n_threads;
uint64_t random_state = 1;
int64_t n_launches;

/* To the scheduler and, when it calls run again, back. Jumps cost a fraction of swapcontext, which asks the system for
 * the signal mask. */
void leave(fiber *f) {
  if (_setjmp(f->place) == 0) _longjmp(scheduler, 1);
}

/* A fiber runs one thread after another: it is given back to `idle` by the scheduler when its thread is done. */
void fiber_main() {
  for (;;) {
    (*kernel_now)();
    states[thread_now] = DONE;
    leave(fiber_of[thread_now]);
  }
}

fiber *take_fiber() {
  if (!idle.empty()) {
    fiber *f = idle.back();
    idle.pop_back();
    return f;
  }
  fiber *f = new fiber();
  f->stack = static_cast<char *>(malloc(STACK_BYTES));
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->stack;
  f->context.uc_stack.ss_size = STACK_BYTES;
  f->context.uc_link = nullptr;
  makecontext(&f->context, fiber_main, 0);
  return f;
}

void enter(fiber *f) {
  if (_setjmp(scheduler) != 0) return;
  if (f->started) _longjmp(f->place, 1);
  f->started = true;
  swapcontext(&scheduler_context, &f->context);
}

void run(unsigned thread) {
  if (states[thread] == NEW) fiber_of[thread] = take_fiber();
  states[thread] = READY;
  thread_now = thread;
  threadIdx = {thread, 0, 0};
  enter(fiber_of[thread]);
  if (states[thread] == DONE) idle.push_back(fiber_of[thread]);
}

void wait(state what) {
  const unsigned me = thread_now;
  states[me] = what;
  leave(fiber_of[me]);
}

/* Lets those threads go on whose barrier is complete; false: there are none. */
bool release() {
  bool any = false, all_at_block = true, some_left = false;
  for (unsigned warp = 0; warp < n_threads; warp += 32) {
    const unsigned end = warp + 32 < n_threads ? warp + 32 : n_threads;
    bool together = end - warp == 32;
    for (unsigned t = warp; t < end; ++t) together = together && states[t] == AT_WARP;
    for (unsigned t = warp; together && t < end; ++t) states[t] = READY;
    any = any || together;
  }
  if (any) return true;
  for (unsigned t = 0; t < n_threads; ++t) {
    some_left = some_left || states[t] != DONE;
    all_at_block = all_at_block && (states[t] == AT_BLOCK || states[t] == DONE);
  }
  for (unsigned t = 0; all_at_block && t < n_threads; ++t) {
    if (states[t] == AT_BLOCK) states[t] = READY;
  }
  return some_left && all_at_block;
}

void run_block() {
  unsigned order[THREADS_MAX];
  for (unsigned t = 0; t < n_threads; ++t) states[t] = NEW;
  memset(shared_memory, 0xFF, shared_used);
  for (;;) {
    unsigned n = 0;
    for (unsigned t = 0; t < n_threads; ++t) {
      if (states[t] == NEW || states[t] == READY) order[n++] = t;
    }
    for (unsigned k = 0; k < n; ++k) {
      const unsigned other = k + static_cast<unsigned>(emulator_draw() % (n - k)), t = order[other];
      order[other] = order[k];
      run(t);
    }
    if (n > 0) continue;
    if (release()) continue;
    for (unsigned t = 0; t < n_threads; ++t) {
      if (states[t] == DONE) continue;
      fprintf(stderr, "cuda emulator: thread %u of block (%u, %u) waits at a barrier that others do not reach\n", t,
              blockIdx.x, blockIdx.y);
      abort();
    }
    return;
  }
}

}  // namespace

uint64_t emulator_draw() {
  uint64_t z = (random_state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static void run_kernel(unsigned grid_x, unsigned grid_y, unsigned block, const std::function<void()> &kernel) {
  ++n_launches;
  kernel_now = &kernel;
  n_threads = block;
  blockDim = {block, 1, 1};
  gridDim = {grid_x, grid_y, 1};
  for (unsigned y = 0; y < grid_y; ++y) {
    for (unsigned x = 0; x < grid_x; ++x) {
      blockIdx = {x, y, 0};
      run_block();
    }
  }
}

void emulator_launch(cudaStream_t stream, const void *what, unsigned grid_x, unsigned grid_y, unsigned block,
                     const std::function<void()> &kernel, const void *arguments, size_t bytes) {
  if (block == 0 || block > THREADS_MAX || grid_x == 0 || grid_y == 0 || grid_y > 65535 || grid_x > 0x7FFFFFFFu) {
    fprintf(stderr, "cuda emulator: a launch of %u x %u blocks of %u threads\n", grid_x, grid_y, block);
    abort();
  }
  emulator_perform(
      stream, what, [=]() { run_kernel(grid_x, grid_y, block, kernel); }, arguments, bytes);
}

void *emulator_shared(const void *place, size_t bytes) {
  for (const shared_array &a : arrays) {
    if (a.place == place) return shared_memory + a.offset;
  }
  const size_t room = (bytes + 255) / 256 * 256;
  if (shared_used + room > SHARED_BYTES) {
    fprintf(stderr, "cuda emulator: out of shared memory\n");
    abort();
  }
  arrays.push_back({place, shared_used, bytes});
  memset(shared_memory + shared_used, 0xFF, room);
  shared_used += room;
  return shared_memory + shared_used - room;
}

void __syncthreads(void) {
  const unsigned me = thread_now;
  wait(AT_BLOCK);
  threadIdx = {me, 0, 0};
}

uint64_t emulator_exchange(uint64_t value, int from) {
  const unsigned me = thread_now;
  exchanged[me] = value;
  wait(AT_WARP);
  const uint64_t got = exchanged[me / 32 * 32 + static_cast<unsigned>(from)];
  wait(AT_WARP); /* all have read */
  threadIdx = {me, 0, 0};
  return got;
}

extern "C" void emulator_seed(uint64_t seed) {
  random_state = seed;
}

extern "C" int64_t emulator_launches(void) {
  emulator_finish();
  return n_launches;
}
