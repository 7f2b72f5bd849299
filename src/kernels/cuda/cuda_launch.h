/* SPDX-License-Identifier: MIT */
/** @file
 * Launch shapes and buffer sizes of the kernels: plain arithmetic on the host, so that it is tested without a GPU
 * (tests/cuda/test_cuda_launch.c). They depend on the sizes alone, never on the GPU, and so does the order of every
 * sum. Counts are 64-bit; what does not fit a grid is covered by strides. Internal. */
#ifndef CYF_KERNELS_CUDA_CUDA_LAUNCH_H
#define CYF_KERNELS_CUDA_CUDA_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct cyf_launch {
  unsigned grid_x, grid_y, block;
} cyf_launch;

enum {
  CYF_BLOCK = 256,            /**< threads of most kernels */
  CYF_WARPS = CYF_BLOCK / 32, /**< rows a block takes where a warp takes a row */
  CYF_ELEMENT_BLOCKS = 4096,  /**< enough to fill any GPU several times over */
  CYF_COLUMN_BLOCK = 128,     /**< columns of a block where a thread takes a column */
  CYF_SUM_COLUMNS = 32,       /**< columns of a block of column sums: a warp reads 128 bytes of a row */
  CYF_SUM_CHUNKS = 64,        /**< row ranges that sum on their own, at most */
  CYF_TOTAL_BLOCKS = 256,     /**< partial sums of a total over all elements */
  CYF_GRID_Y_MAX = 65535,
  CYF_STRIDE_UNIT = 64 /**< rows of dense strips start at multiples of this many elements */
};
/** A dense strip of [cells, genes] takes at most this much memory in all its copies. */
#define CYF_STRIP_BYTES ((int64_t)1 << 30)

static inline int64_t cyf_ceil_div(int64_t a, int64_t b) {
  return a / b + (a % b != 0);
}
static inline int64_t cyf_least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/** One thread for about 4 elements; where the grid would exceed CYF_ELEMENT_BLOCKS, threads take more by a stride. */
static inline cyf_launch cyf_launch_elements(int64_t count) {
  const int64_t blocks = cyf_least(cyf_ceil_div(count, 4 * CYF_BLOCK), CYF_ELEMENT_BLOCKS);
  const cyf_launch shape = {(unsigned)(blocks > 0 ? blocks : 1), 1, CYF_BLOCK};
  return shape;
}

/** One thread for a column; rows go along y by a stride, with 8 rows a thread until the grid is full. */
static inline cyf_launch cyf_launch_rows(int64_t n, int64_t c) {
  const int64_t y = cyf_least(cyf_ceil_div(n, 8), CYF_GRID_Y_MAX);
  const cyf_launch shape = {(unsigned)cyf_ceil_div(c, CYF_COLUMN_BLOCK), (unsigned)(y > 0 ? y : 1), CYF_COLUMN_BLOCK};
  return shape;
}

/** One warp for a row; more rows by a stride. */
static inline cyf_launch cyf_launch_warps(int64_t n) {
  const int64_t blocks = cyf_least(cyf_ceil_div(n, CYF_WARPS), 1 << 20);
  const cyf_launch shape = {(unsigned)(blocks > 0 ? blocks : 1), 1, CYF_BLOCK};
  return shape;
}

/** One block for a row; more rows by a stride. */
static inline cyf_launch cyf_launch_blocks(int64_t n) {
  const int64_t blocks = cyf_least(n, 1 << 20);
  const cyf_launch shape = {(unsigned)(blocks > 0 ? blocks : 1), 1, CYF_BLOCK};
  return shape;
}

/** Row ranges of column sums over n rows: at least 64 rows each, so that partial sums stay far below the input. */
static inline int64_t cyf_sum_chunks(int64_t n) {
  const int64_t chunks = cyf_least(cyf_ceil_div(n, 64), CYF_SUM_CHUNKS);
  return chunks > 0 ? chunks : 1;
}
static inline cyf_launch cyf_launch_column_sums(int64_t n, int64_t c) {
  const cyf_launch shape = {(unsigned)cyf_ceil_div(c, CYF_SUM_COLUMNS), (unsigned)cyf_sum_chunks(n), CYF_BLOCK};
  return shape;
}

/** Blocks of a total over `count` elements: at least 4,096 elements each. */
static inline cyf_launch cyf_launch_total(int64_t count) {
  const int64_t blocks = cyf_least(cyf_ceil_div(count, 4096), CYF_TOTAL_BLOCKS);
  const cyf_launch shape = {(unsigned)(blocks > 0 ? blocks : 1), 1, CYF_BLOCK};
  return shape;
}

/** Elements from row to row of a dense strip of `columns`: whole 128-byte lines also as bfloat16, which tensor cores
 * want. */
static inline int64_t cyf_strip_stride(int64_t columns) {
  return cyf_ceil_div(columns, CYF_STRIDE_UNIT) * CYF_STRIDE_UNIT;
}

/** Cells of a strip whose rows take bytes_per_cell, at most limit_bytes: all n if they fit, else a multiple of 128 (the
 * tiles of matrix products), at least 128. */
static inline int64_t cyf_strip_cells(int64_t n, int64_t bytes_per_cell, int64_t limit_bytes) {
  const int64_t fit = limit_bytes / (bytes_per_cell > 0 ? bytes_per_cell : 1);
  const int64_t cells = fit / 128 * 128;
  if (n <= fit) return n;
  return cyf_least(n, cells > 128 ? cells : 128);
}

#endif
