/* SPDX-License-Identifier: MIT */
/** @file
 * What a machine reaches at best: rates of plain reads of an atlas, and of a device's matrix products and copies. No
 * function here is collective. */
#ifndef CYF_BENCH_BENCH_H
#define CYF_BENCH_BENCH_H

#include <stdint.h>

#include "base/status.h"
#include "data/atlas/atlas.h"
#include "kernels/device.h"

/** Drops the shards from this machine's page cache, so that the next read comes from the disk. Errors: CYF_ERR_INPUT,
 * CYF_ERR_IO. */
cyf_status cyf_bench_drop_cache(const cyf_atlas *atlas);
/** Reads every size-th shard from shard `rank` on, 4 MiB at a time, as `dd bs=4M` does; gives the bytes and the time.
 * Errors: CYF_ERR_INPUT, CYF_ERR_MEMORY. */
cyf_status cyf_bench_read(const cyf_atlas *atlas, int rank, int size, int64_t *ret_bytes, double *ret_seconds);

/** Measures the rates that the device reaches. *ret_flops_per_s: multiplications and additions a second, in a product
 * of two square matrices. *ret_copy_bytes_per_s: bytes a second, read and written, in a copy of one. Matrices are
 * 16,384 wide on a GPU and 1,024 on the CPU. Takes some tenths of a second. Errors: CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_bench_device(cyf_device *device, double *ret_flops_per_s, double *ret_copy_bytes_per_s);

#endif
