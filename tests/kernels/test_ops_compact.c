/* SPDX-License-Identifier: MIT */
/* Compact cells made ready for the models, dense rows made sparse, clipping within AdamW, and the calls that the CPU
 * has nothing to do in. */
#include <string.h>

#include "kernels/backend.h"
#include "kernels/device.h"
#include "kernels/math/normalisation.h"
#include "support.h"

static cyf_device *device;

static int set_up(void **state) {
  (void)state;
  return cyf_device_create_cpu(2, &device) != CYF_OK;
}

static int tear_down(void **state) {
  (void)state;
  cyf_device_destroy(&device);
  return 0;
}

/* A batch of counts in every compact form. */
typedef struct compact_case {
  cyf_csr_buffer counts;
  cyf_compact x;
  void *stored_counts, *stored_indices;
  float *factor;
} compact_case;

static compact_case make_case(uint64_t seed, int64_t n_cells, int64_t n_genes, cyf_count_type count_type,
                              cyf_index_type index_type) {
  test_random random = {seed};
  compact_case c = {0};
  const double largest = count_type == CYF_COUNT_UINT8 ? 255 : count_type == CYF_COUNT_UINT16 ? 65535 : 3e6;
  c.counts = test_sparse(&random, n_cells, n_genes, 0.3, largest, 1);
  const int64_t nnz = c.counts.indptr[n_cells];
  c.stored_counts = test_alloc(nnz, cyf_count_bytes(count_type));
  c.stored_indices = test_alloc(nnz, cyf_index_bytes(index_type));
  c.factor = TEST_NEW(float, n_cells);
  for (int64_t k = 0; k < nnz; ++k) {
    const float count = c.counts.values[k];
    if (count_type == CYF_COUNT_UINT8) ((uint8_t *)c.stored_counts)[k] = (uint8_t)count;
    if (count_type == CYF_COUNT_UINT16) ((uint16_t *)c.stored_counts)[k] = (uint16_t)count;
    if (count_type == CYF_COUNT_UINT32) ((uint32_t *)c.stored_counts)[k] = (uint32_t)count;
    if (count_type == CYF_COUNT_FLOAT32) ((float *)c.stored_counts)[k] = count;
    if (index_type == CYF_INDEX_UINT16) ((uint16_t *)c.stored_indices)[k] = (uint16_t)c.counts.indices[k];
    if (index_type == CYF_INDEX_UINT32) ((uint32_t *)c.stored_indices)[k] = (uint32_t)c.counts.indices[k];
  }
  for (int64_t i = 0; i < n_cells; ++i) {
    double total = 0;
    for (int64_t k = c.counts.indptr[i]; k < c.counts.indptr[i + 1]; ++k) total += c.counts.values[k];
    c.factor[i] = (float)(CYF_NORMALISED_TOTAL / (total > 0 ? total : 1));
  }
  c.x = (cyf_compact){.n_cells = n_cells,
                      .n_genes = n_genes,
                      .count_type = count_type,
                      .index_type = index_type,
                      .indptr = c.counts.indptr,
                      .indices = c.stored_indices,
                      .counts = c.stored_counts,
                      .factor = c.factor};
  return c;
}

static void free_case(compact_case *c) {
  cyf_csr_buffer_destroy(&c->counts);
  free(c->stored_counts);
  free(c->stored_indices);
  free(c->factor);
}

/* Every stored form gives the bits of cyf_csr_log_normalize on floats, whole and by a list of rows. */
static void expanded_cells_are_those_normalised_on_the_host(void **state) {
  (void)state;
  for (int type = CYF_COUNT_UINT8; type <= CYF_COUNT_FLOAT32; ++type) {
    for (int index = CYF_INDEX_UINT16; index <= CYF_INDEX_UINT32; ++index) {
      const int64_t n = 203, genes = 400;
      compact_case c = make_case(11 + (uint64_t)type, n, genes, (cyf_count_type)type, (cyf_index_type)index);
      const int64_t *indptr = c.counts.indptr, nnz = indptr[n];
      int32_t *indices = TEST_NEW(int32_t, nnz);
      float *values = TEST_NEW(float, nnz), *counts = TEST_NEW(float, nnz), *expected = test_copy(c.counts.values, nnz);
      cyf_csr_log_normalize(n, indptr, expected, CYF_NORMALISED_TOTAL);
      assert_ok(device->ops->csr_expand(device, &c.x, n, NULL, NULL, nnz, indices, values, counts));
      assert_memory_equal(indices, c.counts.indices, (size_t)nnz * sizeof *indices);
      assert_memory_equal(counts, c.counts.values, (size_t)nnz * sizeof *counts);
      assert_memory_equal(values, expected, (size_t)nnz * sizeof *values);
      /* Rows backwards, the first of them twice, after a gap. */
      int64_t *row = TEST_NEW(int64_t, n + 1), *to = TEST_NEW(int64_t, n + 2);
      for (int64_t i = 0; i <= n; ++i) row[i] = i == 0 ? n - 1 : n - i;
      to[0] = 5;
      for (int64_t i = 0; i <= n; ++i) to[i + 1] = to[i] + indptr[row[i] + 1] - indptr[row[i]];
      const int64_t room = to[n + 1];
      int32_t *row_indices = TEST_NEW(int32_t, room);
      float *row_values = TEST_NEW(float, room);
      assert_ok(device->ops->csr_expand(device, &c.x, n + 1, row, to, room - 5, row_indices, row_values, NULL));
      for (int64_t i = 0; i <= n; ++i) {
        const int64_t at = indptr[row[i]], count = indptr[row[i] + 1] - at;
        assert_memory_equal(row_indices + to[i], indices + at, (size_t)count * sizeof *indices);
        assert_memory_equal(row_values + to[i], values + at, (size_t)count * sizeof *values);
      }
      /* Without factors the stored numbers are the values. */
      c.x.factor = NULL;
      assert_ok(device->ops->csr_expand(device, &c.x, n, NULL, NULL, nnz, indices, values, NULL));
      assert_memory_equal(values, c.counts.values, (size_t)nnz * sizeof *values);
      void *all[] = {indices, values, counts, expected, row, to, row_indices, row_values};
      for (size_t k = 0; k < sizeof all / sizeof *all; ++k) free(all[k]);
      free_case(&c);
    }
  }
}

static void dense_rows_become_sparse(void **state) {
  (void)state;
  const int64_t n = 37, c = 1001;
  test_random random = {3};
  float *x = test_normals(&random, n * c, 1);
  for (int64_t j = 0; j < c; ++j) x[5 * c + j] = -1; /* an empty row */
  x[7] = 0.0f;
  int64_t *indptr = TEST_NEW(int64_t, n + 1), n_not_finite = -1;
  assert_ok(device->ops->sparse_count(device, n, c, x, indptr, &n_not_finite));
  assert_int_equal(n_not_finite, 0);
  int32_t *indices = TEST_NEW(int32_t, indptr[n]);
  float *values = TEST_NEW(float, indptr[n]);
  assert_ok(device->ops->sparse_fill(device, n, c, x, indptr, indices, values));
  int64_t at = 0;
  for (int64_t i = 0; i < n; ++i) {
    assert_int_equal(indptr[i], at);
    for (int64_t j = 0; j < c; ++j) {
      if (!(x[i * c + j] > 0)) continue;
      assert_int_equal(indices[at], j);
      assert_true(values[at++] == x[i * c + j]);
    }
  }
  assert_int_equal(indptr[n], at);
  x[1] = NAN;
  x[20 * c] = INFINITY;
  x[n * c - 1] = -INFINITY;
  assert_ok(device->ops->sparse_count(device, n, c, x, indptr, &n_not_finite));
  assert_int_equal(n_not_finite, 3);
  free(x);
  free(indptr);
  free(indices);
  free(values);
}

/* Clipping by a norm in device memory is the same bits as by a scale computed from it, and a norm that is not finite
 * leaves everything. */
static void adamw_clips_by_a_device_norm(void **state) {
  (void)state;
  enum { COUNT = 1003, ARRAYS = 5 };
  const double clip_norms[] = {0, 1e9, 0.5};
  for (int k = 0; k < 4; ++k) {
    test_random random = {9};
    float *a[ARRAYS], *b[ARRAYS]; /* parameter, gradient, moments, average */
    for (int i = 0; i < ARRAYS; ++i) {
      a[i] = test_normals(&random, COUNT, 0.3);
      for (int j = 0; i == 3 && j < COUNT; ++j) a[i][j] = fabsf(a[i][j]);
      if (k == 3 && i == 1) a[i][17] = INFINITY;
      b[i] = test_copy(a[i], COUNT);
    }
    cyf_adamw s = {.learning_rate = 1e-2,
                   .beta1 = 0.9,
                   .beta2 = 0.999,
                   .epsilon = 1e-8,
                   .weight_decay = 0.1,
                   .step = 3,
                   .gradient_scale = 0.25};
    double square_sum = 0;
    assert_ok(device->ops->square_sum(device, COUNT, a[1], &square_sum));
    cyf_adamw clipped = s;
    clipped.square_sum = &square_sum;
    clipped.clip_norm = k < 3 ? clip_norms[k] : 0.5;
    assert_ok(device->ops->adamw(device, COUNT, &clipped, a[0], a[1], a[2], a[3], a[4], 0.9));
    const double norm = sqrt(square_sum) * s.gradient_scale;
    if (k == 2) {
      assert_true(norm > clip_norms[k]);
      s.gradient_scale *= clip_norms[k] / norm;
    }
    if (k < 3) assert_ok(device->ops->adamw(device, COUNT, &s, b[0], b[1], b[2], b[3], b[4], 0.9));
    for (int i = 0; i < ARRAYS; ++i) {
      assert_memory_equal(a[i], b[i], COUNT * sizeof(float));
      free(a[i]);
      free(b[i]);
    }
  }
}

/* What the CPU device promises of its queues: a call is done when it returns. */
static void transfers_are_done_at_once(void **state) {
  (void)state;
  const cyf_ops *ops = device->ops;
  void *memory = NULL, *host = NULL;
  cyf_event *event = NULL;
  cyf_graph *graph = NULL;
  assert_true(device->host_memory);
  assert_int_equal(ops->free_bytes(device), 0);
  assert_ok(ops->alloc(device, 16, &memory));
  assert_ok(ops->alloc_host(device, 16, &host));
  assert_ok(ops->event_create(device, &event));
  assert_ok(ops->event_synchronize(device, event)); /* a new one counts as reached */
  memcpy(host, "0123456789abcdef", 16);
  assert_ok(ops->upload_async(device, memory, host, 16));
  assert_ok(ops->event_record(device, CYF_QUEUE_COPY, event));
  assert_ok(ops->event_await(device, CYF_QUEUE_WORK, event));
  assert_ok(ops->event_synchronize(device, event));
  assert_memory_equal(memory, host, 16);
  for (int pass = 0; pass < 3; ++pass) {
    assert_ok(ops->graph_begin(device, &graph));
    assert_ok(ops->zero(device, memory, 8));
    assert_ok(ops->graph_end(device, &graph, true));
  }
  assert_ok(ops->download(device, host, memory, 16));
  assert_ok(ops->synchronize(device));
  assert_memory_equal(host, "\0\0\0\0\0\0\0\00089abcdef", 16);
  ops->graph_destroy(device, graph);
  ops->event_destroy(device, event);
  ops->event_destroy(device, NULL);
  ops->free_host(device, host);
  ops->free_host(device, NULL);
  ops->free(device, memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(expanded_cells_are_those_normalised_on_the_host),
      cmocka_unit_test(dense_rows_become_sparse),
      cmocka_unit_test(adamw_clips_by_a_device_norm),
      cmocka_unit_test(transfers_are_done_at_once),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
