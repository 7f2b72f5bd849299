/* SPDX-License-Identifier: MIT */
/** @file
 * What a machine reaches: plain reads of an atlas, a device's products and copies. */
#ifndef CYF_BENCH_BENCH_H
#define CYF_BENCH_BENCH_H

#include <stdint.h>

#include "base/status.h"
#include "data/atlas/atlas.h"
#include "kernels/device.h"

/** Drops the shards from the page cache of this machine. Not collective. Errors: CYF_ERR_INPUT, CYF_ERR_IO. */
cyf_status cyf_bench_drop_cache(const cyf_atlas *atlas);
/** Reads every size-th shard from shard `rank` on, in pieces of 4 MiB one after another, as `dd bs=4M` does. Not
 * collective. Errors: CYF_ERR_INPUT. */
cyf_status cyf_bench_read(const cyf_atlas *atlas, int rank, int size, int64_t *ret_bytes, double *ret_seconds);

/** What the device reaches. *ret_flops_per_s: multiplications and additions a second in a product of two square
 * matrices, 8,192 wide on a GPU and 1,024 on the CPU. *ret_copy_bytes_per_s: bytes read and written a second in a copy
 * of such a matrix. Takes some tenths of a second. Not collective. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_bench_device(cyf_device *device, double *ret_flops_per_s, double *ret_copy_bytes_per_s);

#endif
