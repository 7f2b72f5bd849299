/* SPDX-License-Identifier: MIT */
/** @file
 * The checksum that our safetensors files carry under "__metadata__": 16 hexadecimal digits, of the whole file with
 * these digits as zeros. The format has none of its own. */
#ifndef CYF_DATA_TENSORS_SAFETENSORS_SUM_H
#define CYF_DATA_TENSORS_SAFETENSORS_SUM_H

#include <stdint.h>

#include "base/status.h"

#define CYF_SAFETENSORS_SUM "cytoforge_checksum"
#define CYF_SAFETENSORS_NO_SUM "0000000000000000"

/** Place of the digits in a header of n bytes; -1: it has none. */
int64_t cyf_safetensors_find_sum(const char *header, int64_t n);

/** Sums an open file, whose digits begin at byte `digits_at`. Memory: 1 MiB. Not collective. Errors: CYF_ERR_IO. */
cyf_status cyf_safetensors_sum(const char *path, int file, int64_t digits_at, uint64_t *ret_sum);

#endif
