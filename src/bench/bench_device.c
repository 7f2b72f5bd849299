/* SPDX-License-Identifier: MIT */
/* The rates that a device reaches at best, with which those of training steps are compared. */
#include "base/clock.h"
#include "bench/bench.h"
#include "kernels/backend.h"

/* Square matrices [n, n] on the device. */
typedef struct product {
  int64_t n;
  float *x, *w, *y;
} product;

static cyf_status multiply(cyf_device *d, const product *p) {
  return d->ops->linear_forward(d, p->n, p->n, p->n, p->x, p->w, NULL, false, p->y);
}

static cyf_status copy(cyf_device *d, const product *p) {
  return d->ops->copy(d, p->y, p->x, sizeof(float) * (size_t)(p->n * p->n));
}

static cyf_status time_call(cyf_device *d, cyf_status (*call)(cyf_device *, const product *), const product *p,
                            double *ret_s) {
  int64_t n = 1;
  for (*ret_s = 0;; n *= 2) { /* until it lasts for a tenth of a second */
    const double start_s = cyf_clock_s();
    for (int64_t i = 0; i < n; i++) CYF_TRY(call(d, p));
    CYF_TRY(d->ops->synchronize(d));
    const double seconds = cyf_clock_s() - start_s;
    *ret_s = seconds / (double)n;
    if (seconds > 0.1 && n > 1) return CYF_OK;
  }
}

cyf_status cyf_bench_device(cyf_device *d, double *ret_flops_per_s, double *ret_copy_bytes_per_s) {
  /* So large that rounding the operands to bfloat16, which the call does as well, is a small part of it. */
  product p = {.n = d->host_memory ? 1024 : 16384};
  const size_t bytes = sizeof(float) * (size_t)(p.n * p.n);
  const double side = (double)p.n;
  double seconds = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(d->ops->alloc(d, bytes, (void **)&p.x));
  CYF_TRY_CLEANUP(d->ops->alloc(d, bytes, (void **)&p.w));
  CYF_TRY_CLEANUP(d->ops->alloc(d, bytes, (void **)&p.y));
  CYF_TRY_CLEANUP(d->ops->fill_normal(d, p.n, p.n, cyf_rng_key_make(1, CYF_RNG_NOISE), 0, NULL, 0, p.x));
  CYF_TRY_CLEANUP(d->ops->fill_normal(d, p.n, p.n, cyf_rng_key_make(2, CYF_RNG_NOISE), 0, NULL, 0, p.w));
  CYF_TRY_CLEANUP(time_call(d, multiply, &p, &seconds));
  *ret_flops_per_s = 2 * side * side * side / seconds;
  CYF_TRY_CLEANUP(time_call(d, copy, &p, &seconds));
  *ret_copy_bytes_per_s = 2 * (double)bytes / seconds; /* read and written */
cleanup:
  d->ops->free(d, p.x);
  d->ops->free(d, p.w);
  d->ops->free(d, p.y);
  return status;
}
