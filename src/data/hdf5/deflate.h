/* SPDX-License-Identifier: MIT */
/** @file
 * HDF5's shuffle and deflate filters on whole chunks. A deflated chunk is a zlib stream, which libdeflate makes and
 * reads. Not collective. */
#ifndef CYF_DATA_HDF5_DEFLATE_H
#define CYF_DATA_HDF5_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** A compressor, which one thread at a time may use. */
typedef struct cyf_deflater cyf_deflater;

/** Makes a compressor of a level from 0 to 9, as zlib's levels. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_deflater_create(int level, cyf_deflater **ret_deflater);
/** Frees it; NULL-safe, sets NULL. */
void cyf_deflater_destroy(cyf_deflater **deflater);
/** The most bytes that n bytes can become. */
size_t cyf_deflate_bound(cyf_deflater *deflater, size_t n);
/** Deflates n_from bytes into `to`, which has room for cyf_deflate_bound bytes, and returns how many they have become.
 */
size_t cyf_deflate(cyf_deflater *deflater, const void *from, size_t n_from, void *to);

/** Inflates a zlib stream that must give exactly n_to bytes. False where it does not, or is damaged, or there is no
 * memory. Thread-safe. */
bool cyf_inflate(const void *from, size_t n_from, void *to, size_t n_to);

/** @{ */
/** HDF5's shuffle of n elements of `width` bytes, and its reverse: shuffled, byte j of element i stands at j * n + i.
 * `from` and `to` must not overlap. */
void cyf_shuffle_bytes(const uint8_t *from, int64_t n, size_t width, uint8_t *to);
void cyf_unshuffle_bytes(const uint8_t *from, int64_t n, size_t width, uint8_t *to);
/** @} */

#endif
