/* SPDX-License-Identifier: MIT */
/* The table of the CUDA backend. */
#include "kernels/cuda/cuda_internal.h"
#include "kernels/cuda/cuda_slots.h"

#define CYF_CUDA_SLOT(slot) .slot = cyf_cuda_##slot,
const cyf_ops cyf_cuda_ops = {.name = "cuda", CYF_SLOTS(CYF_CUDA_SLOT)};
#undef CYF_CUDA_SLOT
