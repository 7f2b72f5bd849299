/* SPDX-License-Identifier: MIT */
/* What the tests share: reproducible random data, the error measure, naive references in double, finite differences. */
#ifndef CYF_TESTS_SUPPORT_H
#define CYF_TESTS_SUPPORT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "kernels/csr.h"

/* Fails unless value <= bound (false for NaN too), printing both. */
#define TEST_AT_MOST(value, bound)                                                                       \
  do {                                                                                                   \
    const double test_value_ = (value), test_bound_ = (bound);                                           \
    if (!(test_value_ <= test_bound_)) fail_msg("%s = %g exceeds %g", #value, test_value_, test_bound_); \
  } while (0)

/* ---- random data (splitmix64: independent of the code under test) ---- */

typedef struct test_random {
  uint64_t state;
} test_random;

static inline uint64_t test_random_bits(test_random *random) {
  uint64_t z = (random->state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Uniform in [low, high). */
static inline double test_uniform(test_random *random, double low, double high) {
  return low + (high - low) * ((double)(test_random_bits(random) >> 11) * 0x1p-53);
}

static inline double test_normal(test_random *random) {
  const double u = test_uniform(random, 1e-300, 1.0);
  return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * test_uniform(random, 0.0, 1.0));
}

/* malloc that never returns NULL (also for 0 elements); free() it. */
static inline void *test_alloc(int64_t count, size_t size) {
  void *memory = calloc((size_t)(count > 0 ? count : 1), size);
  assert_non_null(memory);
  return memory;
}
#define TEST_NEW(type, count) ((type *)test_alloc((count), sizeof(type)))

/* `count` normals times sd; free() it. */
static inline float *test_normals(test_random *random, int64_t count, double sd) {
  float *values = TEST_NEW(float, count);
  for (int64_t i = 0; i < count; ++i) values[i] = (float)(sd * test_normal(random));
  return values;
}

static inline double *test_to_double(const float *values, int64_t count) {
  double *copy = TEST_NEW(double, count);
  for (int64_t i = 0; i < count; ++i) copy[i] = values[i];
  return copy;
}

static inline float *test_copy(const float *values, int64_t count) {
  float *copy = TEST_NEW(float, count);
  for (int64_t i = 0; i < count; ++i) copy[i] = values[i];
  return copy;
}

/* A random sparse batch: each entry present with probability `density`, value uniform in (0, value_max) or, with
 * `counts`, an integer from 1 to value_max. Every 4th cell and every 5th gene are empty. */
static inline cyf_csr_buffer test_sparse(test_random *random, int64_t n_cells, int64_t n_genes, double density,
                                         double value_max, int counts) {
  cyf_csr_buffer buffer = {0};
  int32_t *genes = TEST_NEW(int32_t, n_genes);
  float *values = TEST_NEW(float, n_genes);
  cyf_csr_buffer_clear(&buffer, n_genes);
  for (int64_t cell = 0; cell < n_cells; ++cell) {
    int64_t nnz = 0;
    for (int64_t g = 0; g < n_genes; ++g) {
      if (cell % 4 == 3 || g % 5 == 4 || test_uniform(random, 0.0, 1.0) >= density) continue;
      const double value = test_uniform(random, 0.0, value_max);
      genes[nnz] = (int32_t)g;
      values[nnz++] = (float)(counts ? ceil(value) : value);
    }
    assert_ok(cyf_csr_buffer_append(&buffer, nnz, genes, values));
  }
  free(genes);
  free(values);
  return buffer;
}

/* The batch as a dense [n_cells, n_genes] array; free() it. */
static inline double *test_dense(const cyf_csr *x) {
  double *dense = TEST_NEW(double, x->n_cells * x->n_genes);
  for (int64_t i = 0; i < x->n_cells; ++i) {
    for (int64_t k = x->indptr[i]; k < x->indptr[i + 1]; ++k) dense[i * x->n_genes + x->indices[k]] = x->values[k];
  }
  return dense;
}

/* ---- comparison ---- */

/* max|a - b| / max|b|; max|a - b| where b is all zero; NaN where any value is. */
static inline double test_error(const float *a, const double *b, int64_t count) {
  double difference = 0.0, largest = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    const double d = fabs((double)a[i] - b[i]);
    if (isnan(d)) return NAN;
    if (d > difference) difference = d;
    if (fabs(b[i]) > largest) largest = fabs(b[i]);
  }
  return largest > 0.0 ? difference / largest : difference;
}

/* max|a - b|; NaN where any value is. */
static inline double test_difference(const float *a, const double *b, int64_t count) {
  double difference = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    const double d = fabs((double)a[i] - b[i]);
    if (isnan(d)) return NAN;
    if (d > difference) difference = d;
  }
  return difference;
}

static inline double test_relative(double a, double b) {
  return fabs(a - b) / (fabs(b) > 0.0 ? fabs(b) : 1.0);
}

/* ---- naive references ---- */

/* c[m,n] = op(a) op(b), op transposing where asked: a is [m,k] or, transposed, [k,m]; b is [k,n] or [n,k]. */
static inline void test_matmul(int64_t m, int64_t n, int64_t k, const double *a, int transpose_a, const double *b,
                               int transpose_b, double *c) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0.0;
      for (int64_t l = 0; l < k; ++l) {
        sum += (transpose_a ? a[l * m + i] : a[i * k + l]) * (transpose_b ? b[j * k + l] : b[l * n + j]);
      }
      c[i * n + j] = sum;
    }
  }
}

/* gradient[i] = d f / d variables[i] by central differences; f reads `variables` through its context. */
static inline void test_gradient(double (*f)(void *context), void *context, double *variables, int64_t count,
                                 double *gradient) {
  for (int64_t i = 0; i < count; ++i) {
    const double saved = variables[i], h = 1e-5 * (1.0 + fabs(saved));
    variables[i] = saved + h;
    const double above = f(context);
    variables[i] = saved - h;
    const double below = f(context);
    variables[i] = saved;
    gradient[i] = (above - below) / (2.0 * h);
  }
}

#endif
