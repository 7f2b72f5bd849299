/* SPDX-License-Identifier: MIT */
/** @file
 * Which range of the flat gradient is summed over ranks next.
 *
 * The gradient [count] is cut into buckets from its start; the last one may be shorter. Buckets are summed from the
 * last to the first, since a backward pass finishes the last layers first. The order is fixed, so all ranks sum the
 * same bucket at the same time, whatever became ready first on each. Nothing here communicates: gradient_plane.h asks
 * which bucket is next and sums it. Not collective. */
#ifndef CYF_COMM_BUCKETS_H
#define CYF_COMM_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** The buckets of one gradient, and how far its sum has come. */
typedef struct cyf_buckets {
  int64_t count;    /**< floats of the gradient */
  int64_t bucket;   /**< floats of a bucket, but for the last */
  int64_t n;        /**< buckets */
  int64_t *missing; /**< [n] floats that are not final yet */
  int64_t n_given;  /**< buckets that cyf_buckets_next has given out, from the last on */
} cyf_buckets;

/** Cuts a gradient of count >= 0 floats into buckets of at most bucket_bytes, which is at least one float. Nothing is
 * ready at first. Errors: CYF_ERR_INTERNAL, CYF_ERR_MEMORY. */
cyf_status cyf_buckets_create(int64_t count, int64_t bucket_bytes, cyf_buckets *ret_buckets);
/** Frees what the struct holds and zeroes it; the struct itself is the caller's. NULL-safe. */
void cyf_buckets_destroy(cyf_buckets *buckets);
/** To be called before each sum: nothing is ready and nothing was given out. */
void cyf_buckets_reset(cyf_buckets *buckets);
/** Says that the elements [first, first + n) are final; each element once between two resets. Errors: CYF_ERR_INTERNAL
 * for a range outside the gradient or elements that were ready before. */
cyf_status cyf_buckets_ready(cyf_buckets *buckets, int64_t first, int64_t n);
/** Says that all other elements are final too: the backward pass has ended. */
void cyf_buckets_all_ready(cyf_buckets *buckets);
/** Gives out the next bucket in order, [*ret_first, *ret_first + *ret_n). False when it is not ready yet or when there
 * is none left. */
bool cyf_buckets_next(cyf_buckets *buckets, int64_t *ret_first, int64_t *ret_n);

#endif
