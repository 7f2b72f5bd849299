/* The table of the CUDA backend. */
#include "kernels/cuda/cuda_internal.h"

const cyf_ops cyf_cuda_ops = {
    .name = "cuda",
    .alloc = cyf_cuda_alloc,
    .free = cyf_cuda_free,
    .upload = cyf_cuda_upload,
    .download = cyf_cuda_download,
    .copy = cyf_cuda_copy,
    .zero = cyf_cuda_zero,
    .synchronize = cyf_cuda_synchronize,
};
