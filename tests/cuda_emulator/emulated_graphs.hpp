/* Shared by the emulator's C++ files. */
#ifndef CYF_EMULATED_GRAPHS_HPP
#define CYF_EMULATED_GRAPHS_HPP

#include <cuda_runtime_api.h>

#include <functional>

/* Work on a stream: done at once, or put into the graph that the stream is captured into. arguments[bytes]: what the
 * work takes, to tell whether it is another's. */
void emulator_perform(cudaStream_t stream, const void *what, const std::function<void()> &work, const void *arguments,
                      size_t bytes);

#endif
