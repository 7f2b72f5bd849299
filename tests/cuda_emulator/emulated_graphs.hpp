/* SPDX-License-Identifier: MIT */
/* Shared by the emulator's C++ files. */
#ifndef CYF_EMULATED_GRAPHS_HPP
#define CYF_EMULATED_GRAPHS_HPP

#include <cuda_runtime_api.h>

#include <functional>

/* Work on a stream: put behind what waits there already, or into the graph that the stream is captured into.
 * arguments[bytes]: what the work takes, to tell whether it is another's. */
void emulator_perform(cudaStream_t stream, const void *what, const std::function<void()> &work, const void *arguments,
                      size_t bytes);
/* Behind what waits in the stream; it runs when something waits for it (emulated_streams.cpp). */
void emulator_enqueue(cudaStream_t stream, std::function<void()> work);
/* The next of the emulator's random numbers. */
uint64_t emulator_draw();

#endif
