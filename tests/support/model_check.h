/* SPDX-License-Identifier: MIT */
/* What the tests of the models share: gradients against finite differences, ranks played by threads, small random
 * inputs. */
#ifndef CYF_TESTS_MODEL_CHECK_H
#define CYF_TESTS_MODEL_CHECK_H

#include <pthread.h>

#include "base/rng.h"
#include "golden.h"
#include "kernels/csr.h"

/* ---- random inputs ---- */

/* A batch of log-normalised cells with about `density` of the genes expressed, the same for the same seed. */
static inline void random_cells(uint64_t seed, int64_t n_cells, int64_t n_genes, double density,
                                cyf_csr_buffer *cells) {
  int32_t *indices = NULL;
  float *values = NULL;
  assert_ok(CYF_NEW(&indices, n_genes));
  assert_ok(CYF_NEW(&values, n_genes));
  cyf_csr_buffer_clear(cells, n_genes);
  for (int64_t i = 0; i < n_cells; i++) {
    cyf_rng_stream stream;
    int64_t nnz = 0;
    cyf_rng_stream_init(&stream, cyf_rng_key_make(seed, CYF_RNG_SYNTH), 0, (uint64_t)i);
    for (int64_t g = 0; g < n_genes; g++) {
      if (cyf_rng_next_unit(&stream) >= density) continue;
      indices[nnz] = (int32_t)g;
      values[nnz++] = (float)(0.5 + 3.0 * cyf_rng_next_unit(&stream));
    }
    assert_ok(cyf_csr_buffer_append(cells, nnz, indices, values));
  }
  cyf_free(values);
  cyf_free(indices);
}

/* count standard normals on the device. */
static inline float *random_normals(cyf_device *device, uint64_t seed, int64_t n, int64_t width) {
  float *memory = to_device(device, NULL, n * width);
  assert_ok(device->ops->fill_normal(device, n, width, cyf_rng_key_make(seed, CYF_RNG_SYNTH), 1, NULL, 0, memory));
  return memory;
}

/* ---- finite differences ---- */

typedef double loss_fn(void *context);

static inline double loss_at(cyf_parameters *p, const cyf_named_tensor *tensor, const float *start,
                             const double *direction, double distance, loss_fn *loss, void *context) {
  float *moved = NULL;
  assert_ok(CYF_NEW(&moved, tensor->count));
  for (int64_t e = 0; e < tensor->count; e++) moved[e] = (float)((double)start[e] + distance * direction[e]);
  const size_t bytes = (size_t)tensor->count * sizeof(float);
  assert_ok(p->device->ops->upload(p->device, p->value + tensor->offset, moved, bytes));
  cyf_free(moved);
  return loss(context);
}

/* Checks `gradient`, a host copy of the flat gradient, against finite differences, tensor by tensor.
 *
 * The derivative of the loss is taken along a direction between the gradient's and a random one, by a fourth-order
 * central difference. The step changes the loss by about `change` of itself. That is large beside the rounding of
 * float32 in a loss summed in double, and small enough that few cells cross a kink. The error relative to the
 * gradient's norm must be below `tolerance`. Where the gradient is zero (norm below 1e-6) the loss must not change
 * either. */
static inline void check_finite_differences(cyf_parameters *p, const float *gradient, double change, double tolerance,
                                            loss_fn *loss, void *context) {
  const double start_loss = fabs(loss(context));
  double worst = 0.0;
  for (int64_t i = 0; i < p->layout.n_tensors; i++) {
    const cyf_named_tensor *tensor = &p->layout.tensors[i];
    const float *g = gradient + tensor->offset;
    double norm = 0.0, slope = 0.0, random_norm = 0.0, *direction = NULL;
    cyf_rng_stream stream;
    assert_ok(CYF_NEW(&direction, tensor->count));
    cyf_rng_stream_init(&stream, cyf_rng_key_make(7, CYF_RNG_SYNTH), 2, (uint64_t)i);
    for (int64_t e = 0; e < tensor->count; e++) {
      norm += (double)g[e] * (double)g[e];
      direction[e] = cyf_rng_next_normal(&stream);
      random_norm += direction[e] * direction[e];
    }
    norm = sqrt(norm);
    random_norm = sqrt(random_norm);
    const bool is_null = norm < 1e-6;
    for (int64_t e = 0; e < tensor->count; e++) {
      direction[e] = 0.5 * direction[e] / random_norm + (is_null ? 0.0 : (double)g[e] / norm);
      slope += direction[e] * (double)g[e];
    }
    float *start = to_host(p->device, p->value + tensor->offset, tensor->count);
    const double h = is_null ? 1e-2 : fmin(change * start_loss / norm, 2e-2);
    const double near = loss_at(p, tensor, start, direction, h, loss, context) -
                        loss_at(p, tensor, start, direction, -h, loss, context);
    const double far = loss_at(p, tensor, start, direction, 2 * h, loss, context) -
                       loss_at(p, tensor, start, direction, -2 * h, loss, context);
    const double expected = (8.0 * near - far) / (12.0 * h);
    loss_at(p, tensor, start, direction, 0.0, loss, context);
    const double error = fabs(slope - expected) / (is_null ? start_loss : norm);
    worst = fmax(worst, error);
    if (!(error < tolerance)) {
      fail_msg("%s: derivative %.6g, by differences %.6g (gradient norm %.3g)", tensor->name, slope, expected, norm);
    }
    cyf_free(start);
    cyf_free(direction);
  }
  print_message("  finite differences: largest error %.2g\n", worst);
}

/* ---- ranks played by threads ---- */

enum { THREAD_RANKS = 2, THREAD_SUM_MAX = 4096 };

/* A sum over THREAD_RANKS threads that call in step, as MPI_Allreduce would. */
typedef struct thread_sum {
  pthread_barrier_t barrier;
  double values[THREAD_RANKS][THREAD_SUM_MAX];
} thread_sum;

typedef struct thread_rank {
  thread_sum *shared;
  int rank;
  int n_calls;
} thread_rank;

static inline cyf_status thread_rank_sum(void *context, double *values, int64_t count) {
  thread_rank *self = context;
  if (count > THREAD_SUM_MAX) return CYF_FAIL(CYF_ERR_INTERNAL, "%lld values to sum", (long long)count);
  memcpy(self->shared->values[self->rank], values, (size_t)count * sizeof(double));
  self->n_calls++;
  pthread_barrier_wait(&self->shared->barrier);
  for (int64_t i = 0; i < count; i++) {
    values[i] = 0.0;
    for (int rank = 0; rank < THREAD_RANKS; rank++) values[i] += self->shared->values[rank][i];
  }
  pthread_barrier_wait(&self->shared->barrier);
  return CYF_OK;
}

/* Runs work(contexts[rank]) on one thread a rank and waits; contexts record their own status. */
static inline void run_as_ranks(void *(*work)(void *), void *contexts[THREAD_RANKS]) {
  pthread_t threads[THREAD_RANKS];
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    assert_int_equal(pthread_create(&threads[rank], NULL, work, contexts[rank]), 0);
  }
  for (int rank = 0; rank < THREAD_RANKS; rank++) assert_int_equal(pthread_join(threads[rank], NULL), 0);
}

/* max|a - b| / max|b| of two device arrays. */
static inline double device_error(cyf_device *device, const float *a, const float *b, int64_t count) {
  float *a_host = to_host(device, a, count), *b_host = to_host(device, b, count);
  double *b_double = NULL;
  assert_ok(CYF_NEW(&b_double, count));
  for (int64_t i = 0; i < count; i++) b_double[i] = (double)b_host[i];
  const double error = relative_error(a_host, b_double, count);
  cyf_free(b_double);
  cyf_free(b_host);
  cyf_free(a_host);
  return error;
}

#endif
