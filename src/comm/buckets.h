/* SPDX-License-Identifier: MIT */
/** @file
 * The bucket scheduler of the gradient plane: which piece of the flat gradient is summed next.
 *
 * The gradient [count] is cut into buckets from its start; the last one may be shorter. Buckets are summed from the
 * last to the first, the order in which a backward pass finishes layers that are laid out in forward order. The order
 * is fixed, so all ranks sum the same bucket at the same time whatever became ready first on each. No communication
 * here: the planes (gradient_plane.h) ask what is next. Functions are not collective. */
#ifndef CYF_COMM_BUCKETS_H
#define CYF_COMM_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cyf_buckets {
  int64_t count;    /**< floats of the gradient */
  int64_t bucket;   /**< floats of a bucket, but for the last */
  int64_t n;        /**< buckets */
  int64_t *missing; /**< [n] floats that are not final yet */
  int64_t n_given;  /**< buckets that cyf_buckets_next has given out, from the last on */
} cyf_buckets;

/** count >= 0; bucket_bytes of at least one float. Nothing is ready. Errors: CYF_ERR_INTERNAL, CYF_ERR_MEMORY. */
cyf_status cyf_buckets_create(int64_t count, int64_t bucket_bytes, cyf_buckets *ret_buckets);
void cyf_buckets_destroy(cyf_buckets *buckets); /**< NULL-safe; zeroes the struct */
/** Nothing is ready and nothing given out: before each sum. */
void cyf_buckets_reset(cyf_buckets *buckets);
/** The elements [first, first + n) are final. Each element once between two resets. Errors: CYF_ERR_INTERNAL for a
 * range outside the gradient or elements that were ready before. */
cyf_status cyf_buckets_ready(cyf_buckets *buckets, int64_t first, int64_t n);
/** All that is not ready yet is: the end of the backward pass. */
void cyf_buckets_all_ready(cyf_buckets *buckets);
/** The next bucket in order, if all of it is ready: [*ret_first, *ret_first + *ret_n), and true. */
bool cyf_buckets_next(cyf_buckets *buckets, int64_t *ret_first, int64_t *ret_n);

#endif
