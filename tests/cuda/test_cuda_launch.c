/* SPDX-License-Identifier: MIT */
/* Launch shapes and strip sizes, also where counts exceed 32 bits. */
#include "kernels/cuda/cuda_launch.h"
#include "support.h"

static const int64_t genes = 28231, cells = 16384;

/* What CUDA takes of any device: 2^31 - 1 blocks along x, 65,535 along y, 1,024 threads. */
static void check_limits(cyf_launch shape) {
  assert_true(shape.grid_x >= 1 && shape.grid_x <= 0x7FFFFFFFu);
  assert_true(shape.grid_y >= 1 && shape.grid_y <= 65535);
  assert_true(shape.block >= 32 && shape.block <= 1024 && shape.block % 32 == 0);
}

static void shapes_keep_within_a_grid(void **state) {
  (void)state;
  const int64_t counts[] = {0, 1, 31, 32, 255, 256, 257, 65535, 65536, genes, cells * genes, (int64_t)1 << 40};
  enum { N = sizeof counts / sizeof *counts };
  for (int i = 0; i < N; ++i) {
    check_limits(cyf_launch_elements(counts[i]));
    check_limits(cyf_launch_warps(counts[i]));
    check_limits(cyf_launch_blocks(counts[i]));
    check_limits(cyf_launch_total(counts[i]));
    for (int j = 1; j < 10; ++j) {
      check_limits(cyf_launch_rows(counts[i], counts[j]));
      check_limits(cyf_launch_column_sums(counts[i], counts[j]));
    }
  }
}

static void small_work_takes_few_blocks(void **state) {
  (void)state;
  assert_int_equal(cyf_launch_elements(1000).grid_x, 1);
  assert_int_equal(cyf_launch_elements(1025).grid_x, 2);
  assert_int_equal(cyf_launch_rows(8, 128).grid_x, 1);
  assert_int_equal(cyf_launch_rows(9, 129).grid_x, 2);
  assert_int_equal(cyf_launch_rows(9, 129).grid_y, 2);
  assert_int_equal(cyf_launch_warps(9).grid_x, 2);
  assert_int_equal(cyf_launch_elements(cells * genes).grid_x, CYF_ELEMENT_BLOCKS);
}

/* Every column is covered by threads, every row by the strides. */
static void grids_cover_their_matrix(void **state) {
  (void)state;
  for (int64_t c = 1; c < 2000; c += 61) {
    const cyf_launch rows = cyf_launch_rows(cells, c), sums = cyf_launch_column_sums(cells, c);
    assert_true((int64_t)rows.grid_x * rows.block >= c && (int64_t)(rows.grid_x - 1) * rows.block < c);
    assert_true((int64_t)sums.grid_x * 32 >= c && (int64_t)(sums.grid_x - 1) * 32 < c);
  }
  for (int64_t n = 1; n < 100000; n = n * 3 + 1) {
    const int64_t chunks = cyf_sum_chunks(n);
    assert_true(chunks >= 1 && chunks <= CYF_SUM_CHUNKS && chunks <= n);
  }
}

static void strips_make_up_a_whole_batch(void **state) {
  (void)state;
  const int64_t stride = cyf_strip_stride(genes);
  assert_int_equal(stride, 28288);
  assert_int_equal(stride % CYF_STRIDE_UNIT, 0);
  /* bfloat16: the whole batch is 927 MB and fits; float32: 1.85 GB does not. */
  assert_int_equal(cyf_strip_cells(cells, stride * 2, CYF_STRIP_BYTES), cells);
  const int64_t strip = cyf_strip_cells(cells, stride * 4, CYF_STRIP_BYTES);
  assert_int_equal(strip % 128, 0);
  assert_true(strip < cells && strip * stride * 4 <= CYF_STRIP_BYTES && (strip + 128) * stride * 4 > CYF_STRIP_BYTES);
  /* A float32 and a bfloat16 copy of 16,384 x 28,231 exceed 2^31 bytes: the product must not wrap. */
  assert_true(cells * stride * 6 > INT32_MAX);
  const int64_t both = cyf_strip_cells(cells, stride * 6, CYF_STRIP_BYTES);
  assert_true(both >= 128 && both * stride * 6 <= CYF_STRIP_BYTES);
  assert_int_equal(cyf_strip_cells(5, stride * 4, 1), 5);
  assert_int_equal(cyf_strip_cells(1000, stride * 4, 1), 128);
  assert_int_equal(cyf_strip_cells(0, 0, 1), 0);
  assert_int_equal(cyf_ceil_div(((int64_t)1 << 40) + 1, 256), ((int64_t)1 << 32) + 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shapes_keep_within_a_grid),
      cmocka_unit_test(small_work_takes_few_blocks),
      cmocka_unit_test(grids_cover_their_matrix),
      cmocka_unit_test(strips_make_up_a_whole_batch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
