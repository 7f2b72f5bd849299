/* SPDX-License-Identifier: MIT */
/* What the files of cuda_compare share: the same arrays on two devices, calls on both, and their comparison. Not for
 * other tests. */
#ifndef CYF_TESTS_CUDA_COMPARE_FRAME_H
#define CYF_TESTS_CUDA_COMPARE_FRAME_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_compare.h"
#include "support.h"

enum { ARRAYS_MAX = 64 };

/* The same array on both devices: [0] the CPU's, [1] the other's. */
typedef struct both {
  void *on[2];
  int64_t count;
  size_t size;
} both;

typedef struct compare {
  cyf_device *device[2];
  compare_report *report;
  test_random random;
  both arrays[ARRAYS_MAX];
  int n_arrays;
  double product_tolerance; /* for results of matrix products in the device's precision */
  double draw_tolerance;    /* for drawn counts: a mean that differs in its last bit may change a draw by 1 */
  const char *shape;
} compare;

static inline void note(compare *c, const char *slot, double error, double tolerance) {
  compare_report *r = c->report;
  int k = 0;
  while (k < r->n_slots && strcmp(r->slots[k].name, slot) != 0) ++k;
  if (k == r->n_slots) r->slots[r->n_slots++] = (compare_slot){slot, 0.0, tolerance, 0};
  compare_slot *s = &r->slots[k];
  ++s->n_checks;
  if (!(error <= s->error)) s->error = error;
  if (tolerance > s->tolerance) s->tolerance = tolerance;
  if (error <= tolerance) return;
  ++r->n_failed;
  printf("FAILED %s at %s: error %g, tolerance %g\n", slot, c->shape, error, tolerance);
}

static inline void check_call(compare *c, const char *call, cyf_status status) {
  if (status == CYF_OK) return;
  ++c->report->n_failed;
  printf("FAILED %s at %s: %s\n", call, c->shape, cyf_status_message());
  cyf_status_clear();
}

/* Makes one call on both devices; in `call`, `d` is the device and `s` the index of its arrays in `both`. */
#define ON_BOTH(c, call)                  \
  for (int s = 0; s < 2; ++s) {           \
    cyf_device *d = (c)->device[s];       \
    check_call((c), #call, d->ops->call); \
  }
#define F(x) ((float *)(x).on[s])
#define D(x) ((double *)(x).on[s])
#define I(x) ((int32_t *)(x).on[s])
#define L(x) ((int64_t *)(x).on[s])

static inline both put(compare *c, const void *host, int64_t count, size_t size) {
  both x = {.count = count, .size = size};
  for (int s = 0; s < 2; ++s) {
    cyf_device *d = c->device[s];
    check_call(c, "alloc", d->ops->alloc(d, (size_t)count * size, &x.on[s]));
    check_call(c, "upload", d->ops->upload(d, x.on[s], host, (size_t)count * size));
  }
  return c->arrays[c->n_arrays++] = x;
}

static inline both normals(compare *c, int64_t count, double sd) {
  float *host = test_normals(&c->random, count, sd);
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

static inline both positives(compare *c, int64_t count, double low, double high) {
  float *host = TEST_NEW(float, count);
  for (int64_t k = 0; k < count; ++k) host[k] = (float)test_uniform(&c->random, low, high);
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

static inline both doubles(compare *c, int64_t count) {
  double *host = TEST_NEW(double, count);
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

/* Uniform in [low, high). */
static inline both integers(compare *c, int64_t count, int32_t low, int32_t high) {
  int32_t *host = TEST_NEW(int32_t, count);
  for (int64_t k = 0; k < count; ++k) host[k] = (int32_t)floor(test_uniform(&c->random, low, high));
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

static inline both positions(compare *c, int64_t count) {
  int64_t *host = TEST_NEW(int64_t, count);
  for (int64_t k = 0; k < count; ++k) host[k] = (int64_t)(test_random_bits(&c->random) >> 20);
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

static inline void release(compare *c) {
  for (int k = 0; k < c->n_arrays; ++k) {
    for (int s = 0; s < 2; ++s) c->device[s]->ops->free(c->device[s], c->arrays[k].on[s]);
  }
  c->n_arrays = 0;
}

static inline void *fetch(compare *c, const both *x, int s) {
  cyf_device *d = c->device[s];
  void *host = test_alloc(x->count, x->size);
  check_call(c, "download", d->ops->download(d, host, x->on[s], (size_t)x->count * x->size));
  check_call(c, "synchronize", d->ops->synchronize(d));
  return host;
}

/* Compares by max|a - b| over the larger of max|b| and `size`. It is infinite where only one of the two has a NaN. */
static inline void same_of_size(compare *c, const char *slot, both x, double size, double tolerance) {
  void *a = fetch(c, &x, 1), *b = fetch(c, &x, 0);
  double difference = 0.0, largest = size;
  for (int64_t k = 0; k < x.count; ++k) {
    const double va = x.size == 4 ? ((float *)a)[k] : ((double *)a)[k];
    const double vb = x.size == 4 ? ((float *)b)[k] : ((double *)b)[k];
    if (isnan(va) != isnan(vb)) difference = INFINITY;
    if (fabs(va - vb) > difference) difference = fabs(va - vb);
    if (fabs(vb) > largest) largest = fabs(vb);
  }
  note(c, slot, largest > 0.0 ? difference / largest : difference, tolerance);
  free(a);
  free(b);
}

static inline void same(compare *c, const char *slot, both x, double tolerance) {
  same_of_size(c, slot, x, 0.0, tolerance);
}

/* Compares a matrix product in the device's precision, each of whose elements sums `terms` products of standard
 * normals. Where there are few elements, all may happen to be small, since terms cancel. So the error is taken relative
 * to the largest element, but at least to sqrt(terms), the usual size of one. */
static inline void same_product(compare *c, const char *slot, both x, int64_t terms) {
  same_of_size(c, slot, x, sqrt((double)terms), c->product_tolerance);
}

static inline void equal(compare *c, const char *slot, both x) {
  void *a = fetch(c, &x, 1), *b = fetch(c, &x, 0);
  note(c, slot, memcmp(a, b, (size_t)x.count * x.size) == 0 ? 0.0 : 1.0, 0.0);
  free(a);
  free(b);
}

static inline void same_scalar(compare *c, const char *slot, const double value[2], double tolerance) {
  for (int s = 0; s < 2; ++s) check_call(c, "synchronize", c->device[s]->ops->synchronize(c->device[s]));
  const double difference = fabs(value[1] - value[0]);
  note(c, slot, value[0] != 0.0 ? difference / fabs(value[0]) : difference, tolerance);
}

static inline void equal_integer(compare *c, const char *slot, const int64_t value[2]) {
  for (int s = 0; s < 2; ++s) check_call(c, "synchronize", c->device[s]->ops->synchronize(c->device[s]));
  note(c, slot, value[0] == value[1] ? 0.0 : 1.0, 0.0);
}

/* ---- groups of slots, at n cells and k columns ---- */

/* cuda_compare_layers.c */
void compare_memory(compare *c, int64_t n, int64_t k);
void compare_linear(compare *c, int64_t n, int64_t in, int64_t out);
void compare_batch_norm(compare *c, int64_t n, int64_t k, cyf_activation act);
void compare_rows(compare *c, int64_t n, int64_t k);
/* cuda_compare_elements.c */
void compare_elements(compare *c, int64_t n, int64_t k);
void compare_random(compare *c, int64_t n, int64_t k);
void compare_labels(compare *c, int64_t n, int64_t classes);
void compare_diffusion(compare *c, int64_t n, int64_t k);
void compare_optimizer(compare *c, int64_t count);
/* cuda_compare_genes.c */
void compare_gene_linear(compare *c, int64_t n, int64_t genes, int64_t out);
void compare_gene_mse(compare *c, int64_t n, int64_t genes, int64_t hidden);
void compare_gene_nb(compare *c, int64_t n, int64_t genes, int64_t hidden);
void compare_counts(compare *c, int64_t n, int64_t genes);
void compare_expand(compare *c, int64_t n, int64_t genes, cyf_count_type type);
void compare_sparse(compare *c, int64_t n, int64_t k);

#endif
