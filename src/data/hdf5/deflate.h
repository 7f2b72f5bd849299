/* SPDX-License-Identifier: MIT */
/** @file
 * HDF5's shuffle and deflate filters on whole chunks (zlib streams by libdeflate). */
#ifndef CYF_DATA_HDF5_DEFLATE_H
#define CYF_DATA_HDF5_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cyf_deflater cyf_deflater;

/** level: 0 to 9, as zlib's. One thread at a time may use a deflater. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_deflater_create(int level, cyf_deflater **ret_deflater);
void cyf_deflater_destroy(cyf_deflater **deflater); /**< NULL-safe */
/** Most bytes that n bytes can become. */
size_t cyf_deflate_bound(cyf_deflater *deflater, size_t n);
/** Deflates n_from bytes into to[cyf_deflate_bound] and returns how many they have become. */
size_t cyf_deflate(cyf_deflater *deflater, const void *from, size_t n_from, void *to);

/** Inflates a zlib stream that must give exactly n_to bytes. False where it does not, or is damaged, or there is no
 * memory. Thread-safe. */
bool cyf_inflate(const void *from, size_t n_from, void *to, size_t n_to);

/** @{ */
/** Byte j of element i goes to j * n + i, n elements of `width` bytes; and back. The two do not overlap. */
void cyf_shuffle_bytes(const uint8_t *from, int64_t n, size_t width, uint8_t *to);
void cyf_unshuffle_bytes(const uint8_t *from, int64_t n, size_t width, uint8_t *to);
/** @} */

#endif
