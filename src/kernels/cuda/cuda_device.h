/* SPDX-License-Identifier: MIT */
/** @file
 * GPUs as devices. A plain C header without CUDA's own: in a build without CUDA the same functions say so
 * (kernels/device_cuda_absent.c). None is collective. */
#ifndef CYF_KERNELS_CUDA_CUDA_DEVICE_H
#define CYF_KERNELS_CUDA_CUDA_DEVICE_H

#include "kernels/device.h"

/** How many CUDA devices this process can use; 0 with a reason ("no CUDA driver", "built without CUDA", ...) in
 * *ret_reason (static text; "" where there are devices; ret_reason may be NULL). Never fails, never needs a driver. */
int cyf_cuda_device_count(const char **ret_reason);

/** The device `ordinal` with matrix products in `precision`; n_threads <= 0: as many host threads as the CPU mask
 * allows. It may be used from several threads, one operation at a time. Errors: CYF_ERR_DEVICE where there is no such
 * GPU, it is older than sm_80, or cuBLASLt cannot be loaded; CYF_ERR_MEMORY. */
cyf_status cyf_device_create_cuda(int ordinal, int n_threads, cyf_precision precision, cyf_device **ret_device);

/** @{ */
/** Of a device made by the function above: its name, its memory in bytes, and the stream that all its work goes to (a
 * cudaStream_t), for NCCL. All are the device's own. */
const char *cyf_cuda_device_name(const cyf_device *device);
size_t cyf_cuda_device_bytes(const cyf_device *device);
void *cyf_cuda_stream(cyf_device *device);
/** @} */

#endif
