/* SPDX-License-Identifier: MIT */
#include "comm/buckets.h"

#include "base/memory.h"

static int64_t size_of(const cyf_buckets *b, int64_t index) {
  const int64_t first = index * b->bucket;
  return b->count - first < b->bucket ? b->count - first : b->bucket;
}

cyf_status cyf_buckets_create(int64_t count, int64_t bucket_bytes, cyf_buckets *ret_buckets) {
  *ret_buckets = (cyf_buckets){0};
  if (count < 0 || bucket_bytes < (int64_t)sizeof(float))
    return CYF_FAIL(CYF_ERR_INTERNAL, "a sum of %lld gradients in buckets of %lld bytes", (long long)count,
                    (long long)bucket_bytes);
  cyf_buckets b = {.count = count, .bucket = bucket_bytes / (int64_t)sizeof(float)};
  b.n = (count + b.bucket - 1) / b.bucket;
  CYF_TRY(CYF_NEW(&b.missing, b.n));
  cyf_buckets_reset(&b);
  *ret_buckets = b;
  return CYF_OK;
}

void cyf_buckets_destroy(cyf_buckets *buckets) {
  if (buckets == NULL) return;
  cyf_free(buckets->missing);
  *buckets = (cyf_buckets){0};
}

void cyf_buckets_reset(cyf_buckets *b) {
  for (int64_t i = 0; i < b->n; i++) b->missing[i] = size_of(b, i);
  b->n_given = 0;
}

cyf_status cyf_buckets_ready(cyf_buckets *b, int64_t first, int64_t n) {
  if (first < 0 || n < 0 || n > b->count - first)
    return CYF_FAIL(CYF_ERR_INTERNAL, "gradients %lld to %lld are ready, of %lld", (long long)first,
                    (long long)(first + n), (long long)b->count);
  while (n > 0) {
    const int64_t index = first / b->bucket, left = index * b->bucket + size_of(b, index) - first;
    const int64_t piece = n < left ? n : left;
    if (piece > b->missing[index])
      return CYF_FAIL(CYF_ERR_INTERNAL, "gradients %lld to %lld are ready a second time", (long long)first,
                      (long long)(first + piece));
    b->missing[index] -= piece;
    first += piece;
    n -= piece;
  }
  return CYF_OK;
}

void cyf_buckets_all_ready(cyf_buckets *b) {
  for (int64_t i = 0; i < b->n; i++) b->missing[i] = 0;
}

bool cyf_buckets_next(cyf_buckets *b, int64_t *ret_first, int64_t *ret_n) {
  const int64_t index = b->n - 1 - b->n_given;
  if (index < 0 || b->missing[index] > 0) return false;
  *ret_first = index * b->bucket;
  *ret_n = size_of(b, index);
  b->n_given++;
  return true;
}
