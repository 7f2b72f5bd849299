/* SPDX-License-Identifier: MIT */
/** @file
 * The CUDA backend's functions, one a slot of struct cyf_ops (backend.h, where they are described). Internal. */
#ifndef CYF_KERNELS_CUDA_CUDA_SLOTS_H
#define CYF_KERNELS_CUDA_CUDA_SLOTS_H

#include "kernels/cuda/cuda_internal.h"
#include "kernels/slots.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CYF_CUDA_SLOT(name) CYF_DECLARE_SLOT(cyf_cuda_##name, name);
CYF_SLOTS(CYF_CUDA_SLOT)
#undef CYF_CUDA_SLOT

#ifdef __cplusplus
}
#endif

#endif
