/* SPDX-License-Identifier: MIT */
/* Products of a sparse batch with a dense matrix. For one row of the sparse matrix, a tile of output columns stays in
 * registers while rows of the dense matrix are scaled and added to it. The loops around it keep those dense rows in the
 * second-level cache for many cells. */
#include <string.h>

#include "base/memory.h"
#include "kernels/cpu/cpu_kernels.h"

/* A vector register of floats, read from and written to any float address. */
#ifdef __AVX512F__
enum { VECTOR_FLOATS = 16 };
#else
enum { VECTOR_FLOATS = 8 };
#endif
typedef float vector __attribute__((vector_size(VECTOR_FLOATS * sizeof(float)), aligned(sizeof(float)), may_alias));

enum {
  TILE_VECTORS = 8, /* accumulators: with the scaled value and the row's operand they fit 16 registers */
  TILE = TILE_VECTORS * VECTOR_FLOATS,
  GENE_BLOCK = 512,     /* rows of W that stay in the second-level cache: 512 x 128 floats are 256 KiB */
  CELL_GROUP = 512,     /* the same for rows of y */
  GRADIENT_CELLS = 1024 /* and of d_y in the weight gradient */
};

/* Entries of one row of the sparse side; entry k belongs to row index[k] - first_index of the dense side. */
typedef struct entries {
  int64_t n;
  const int32_t *index;
  const float *value;
  int64_t first_index;
} entries;

/* out[0:columns] += alpha * sum_k value[k] * matrix[row k, 0:columns], columns = n_vectors * VECTOR_FLOATS. */
static inline __attribute__((always_inline)) void gather(const entries *e, const float *matrix, int64_t stride,
                                                         float alpha, float *out, const int n_vectors) {
  vector sum[TILE_VECTORS];
#pragma GCC unroll 8
  for (int j = 0; j < n_vectors; ++j) sum[j] = (vector){0};
  for (int64_t k = 0; k < e->n; ++k) {
    const float *row = matrix + (e->index[k] - e->first_index) * stride;
    const float x = e->value[k];
#pragma GCC unroll 8
    for (int j = 0; j < n_vectors; ++j) sum[j] += x * *(const vector *)(row + j * VECTOR_FLOATS);
  }
#pragma GCC unroll 8
  for (int j = 0; j < n_vectors; ++j) {
    vector *to = (vector *)(out + j * VECTOR_FLOATS);
    *to += alpha * sum[j];
  }
}

/* The same for fewer columns than a vector holds. */
static void gather_narrow(const entries *e, const float *matrix, int64_t stride, float alpha, float *out,
                          int64_t columns) {
  float sum[VECTOR_FLOATS] = {0};
  for (int64_t k = 0; k < e->n; ++k) {
    const float *row = matrix + (e->index[k] - e->first_index) * stride;
    for (int64_t j = 0; j < columns; ++j) sum[j] += e->value[k] * row[j];
  }
  for (int64_t j = 0; j < columns; ++j) out[j] += alpha * sum[j];
}

/* The same for any number of columns up to TILE. */
static void gather_tile(const entries *e, const float *matrix, int64_t stride, float alpha, float *out,
                        int64_t columns) {
  if (e->n == 0) return;
  if (columns == TILE) {
    gather(e, matrix, stride, alpha, out, TILE_VECTORS);
    return;
  }
  int64_t done = 0;
  for (; columns - done >= 4 * VECTOR_FLOATS; done += 4 * VECTOR_FLOATS)
    gather(e, matrix + done, stride, alpha, out + done, 4);
  for (; columns - done >= VECTOR_FLOATS; done += VECTOR_FLOATS) gather(e, matrix + done, stride, alpha, out + done, 1);
  if (done < columns) gather_narrow(e, matrix + done, stride, alpha, out + done, columns - done);
}

/* Rows of `from`, `stride` floats apart, next to each other, TILE apart. A tile of columns of a matrix whose rows are a
 * multiple of 4 KiB falls into few sets of the caches; packed, it fills them evenly. */
static void pack(int64_t rows, int64_t columns, const float *from, int64_t stride, float *to) {
  for (int64_t i = 0; i < rows; ++i) memcpy(to + i * TILE, from + i * stride, (size_t)columns * sizeof *to);
}

/* starts[cell * (n_blocks + 1) + b]: the first entry of the cell (from the row's beginning) with gene >= b *
 * GENE_BLOCK. */
static void find_block_starts(const cyf_device *device, const cyf_csr *x, int64_t n_blocks, int32_t *starts) {
#pragma omp parallel for schedule(static) num_threads(cyf_cpu_threads_for(device, x->indptr[x->n_cells] - x->indptr[0]))
  for (int64_t cell = 0; cell < x->n_cells; ++cell) {
    const int32_t *genes = x->indices + x->indptr[cell];
    const int32_t nnz = (int32_t)(x->indptr[cell + 1] - x->indptr[cell]);
    int32_t *start = starts + cell * (n_blocks + 1);
    int32_t k = 0;
    for (int64_t block = 0; block < n_blocks; ++block) {
      while (k < nnz && genes[k] < block * GENE_BLOCK) ++k;
      start[block] = k;
    }
    start[n_blocks] = nnz;
  }
}

/* One thread's part of a product: a tile of columns of y for cells [first, last), gene block after gene block. */
typedef struct product_task {
  const cyf_csr *x;
  int64_t out, n_blocks;
  const float *w;
  const int32_t *starts;
  int64_t first, last, column, columns;
  bool packs; /* rows of W are used often enough to copy them once */
} product_task;

static void run_product_task(const product_task *t, float *w_tile, float *y_tile, float *y) {
  const cyf_csr *x = t->x;
  memset(y_tile, 0, (size_t)(t->last - t->first) * TILE * sizeof *y_tile);
  for (int64_t block = 0; block < t->n_blocks; ++block) {
    const int64_t gene = block * GENE_BLOCK, genes = cyf_cpu_min(GENE_BLOCK, x->n_genes - gene);
    const float *rows = t->w + gene * t->out + t->column;
    if (t->packs) pack(genes, t->columns, rows, t->out, w_tile);
    for (int64_t cell = t->first; cell < t->last; ++cell) {
      const int32_t *start = t->starts + cell * (t->n_blocks + 1) + block;
      const int64_t k = x->indptr[cell] + start[0];
      const entries e = {start[1] - start[0], x->indices + k, x->values + k, gene};
      gather_tile(&e, t->packs ? w_tile : rows, t->packs ? TILE : t->out, 1.0f, y_tile + (cell - t->first) * TILE,
                  t->columns);
    }
  }
  for (int64_t cell = t->first; cell < t->last; ++cell) {
    const float *from = y_tile + (cell - t->first) * TILE;
    float *to = y + cell * t->out + t->column;
#pragma omp simd
    for (int64_t j = 0; j < t->columns; ++j) to[j] += from[j];
  }
}

cyf_status cyf_cpu_sparse_product(const cyf_device *device, const cyf_csr *x, int64_t out, const float *w, float *y) {
  enum { TILES_FLOATS = (GENE_BLOCK + CELL_GROUP) * TILE };
  const int64_t n = x->n_cells, nnz = x->indptr[n] - x->indptr[0];
  if (nnz == 0 || out == 0) return CYF_OK;
  const int threads = cyf_cpu_threads(device);
  const int64_t n_blocks = (x->n_genes + GENE_BLOCK - 1) / GENE_BLOCK, n_tiles = (out + TILE - 1) / TILE;
  /* Cells are split further only where tasks are too few for the threads: each split reads W once more. */
  int64_t n_groups = (n + CELL_GROUP - 1) / CELL_GROUP;
  if (n_groups * n_tiles < threads) n_groups = cyf_cpu_min(n, (threads + n_tiles - 1) / n_tiles);
  const bool packs = nnz / n_groups >= 4 * x->n_genes;
  int32_t *starts = NULL;
  float *tiles = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&starts, n * (n_blocks + 1)));
  CYF_TRY_CLEANUP(CYF_NEW(&tiles, (int64_t)threads * TILES_FLOATS));
  find_block_starts(device, x, n_blocks, starts);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t task = 0; task < n_groups * n_tiles; ++task) {
    const int64_t group = task / n_tiles, column = task % n_tiles * TILE;
    const product_task t = {x,
                            out,
                            n_blocks,
                            w,
                            starts,
                            group * n / n_groups,
                            (group + 1) * n / n_groups,
                            column,
                            cyf_cpu_min(TILE, out - column),
                            packs};
    float *w_tile = tiles + (threads > 1 ? omp_get_thread_num() : 0) * TILES_FLOATS;
    run_product_task(&t, w_tile, w_tile + GENE_BLOCK * TILE, y);
  }
cleanup:
  cyf_free(starts);
  cyf_free(tiles);
  return status;
}

/* A batch by gene: gene g's cells (from the block's first) and values are [start[g], start[g + 1]). */
typedef struct transposed {
  int64_t *start; /* [genes + 1] */
  int32_t *cell;
  float *value;
} transposed;

/* First entry of a row with gene >= bound. */
static int64_t lower_bound(const int32_t *genes, int64_t begin, int64_t end, int64_t bound) {
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    if (genes[middle] < bound) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

/* Counting sort of genes [gene0, gene1). `next` [genes + 1] is scratch: first counts, then cursors. */
static void transpose_range(const cyf_csr *x, int64_t gene0, int64_t gene1, int64_t *next, const transposed *t) {
  int64_t before = 0; /* entries of all genes below gene0 */
  for (int64_t g = gene0; g < gene1; ++g) next[g] = 0;
  for (int64_t cell = 0; cell < x->n_cells; ++cell) {
    int64_t k = lower_bound(x->indices, x->indptr[cell], x->indptr[cell + 1], gene0);
    before += k - x->indptr[cell];
    for (; k < x->indptr[cell + 1] && x->indices[k] < gene1; ++k) ++next[x->indices[k]];
  }
  for (int64_t g = gene0; g < gene1; ++g) {
    const int64_t count = next[g];
    next[g] = t->start[g] = before;
    before += count;
  }
  for (int64_t cell = 0; cell < x->n_cells; ++cell) {
    int64_t k = lower_bound(x->indices, x->indptr[cell], x->indptr[cell + 1], gene0);
    for (; k < x->indptr[cell + 1] && x->indices[k] < gene1; ++k) {
      const int64_t to = next[x->indices[k]]++;
      t->cell[to] = (int32_t)cell;
      t->value[to] = x->values[k];
    }
  }
}

/* Every thread sorts a range of genes of its own; the result is the same for any number. */
static void transpose_batch(const cyf_csr *x, int threads, int64_t *next, transposed *t) {
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int range = 0; range < threads; ++range) {
    transpose_range(x, range * x->n_genes / threads, (range + 1) * x->n_genes / threads, next, t);
  }
  t->start[x->n_genes] = x->indptr[x->n_cells] - x->indptr[0];
}

/* d_y [cells, out] as [tiles][cells][TILE]. */
static void pack_gradient(int64_t cells, int64_t out, const float *d_y, float *packed, int threads) {
  const int64_t n_tiles = (out + TILE - 1) / TILE;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t tile = 0; tile < n_tiles; ++tile) {
    pack(cells, cyf_cpu_min(TILE, out - tile * TILE), d_y + tile * TILE, out, packed + tile * cells * TILE);
  }
}

static void add_to_genes(const transposed *t, int64_t genes, int64_t cells, int64_t out, float alpha,
                         const float *packed, float *d_w, int threads) {
  enum { GENES_PER_TASK = 256, GENES_AHEAD = 4, LINE_FLOATS = 16 };
  const int64_t n_tiles = (out + TILE - 1) / TILE, n_chunks = (genes + GENES_PER_TASK - 1) / GENES_PER_TASK;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
  for (int64_t task = 0; task < n_tiles * n_chunks; ++task) {
    const int64_t tile = task / n_chunks, column = tile * TILE, columns = cyf_cpu_min(TILE, out - column);
    const int64_t first = task % n_chunks * GENES_PER_TASK, last = cyf_cpu_min(genes, first + GENES_PER_TASK);
    for (int64_t g = first; g < last; ++g) {
      const int64_t begin = t->start[g];
      const entries e = {t->start[g + 1] - begin, t->cell + begin, t->value + begin, 0};
      /* The rows of d_w lie pages apart, where the hardware does not prefetch. */
      for (int64_t j = 0; g + GENES_AHEAD < last && j < columns; j += LINE_FLOATS) {
        __builtin_prefetch(d_w + (g + GENES_AHEAD) * out + column + j, 1);
      }
      gather_tile(&e, packed + tile * cells * TILE, TILE, alpha, d_w + g * out + column, columns);
    }
  }
}

static void add_gene_sums(const transposed *t, int64_t genes, double alpha, float *sums) {
  for (int64_t g = 0; g < genes; ++g) {
    double sum = 0.0;
    for (int64_t k = t->start[g]; k < t->start[g + 1]; ++k) sum += t->value[k];
    sums[g] += (float)(alpha * sum);
  }
}

cyf_status cyf_cpu_sparse_transposed_product(const cyf_device *device, const cyf_csr *x, int64_t out, double alpha,
                                             const float *d_y, float *d_w, float *d_x_sum) {
  const int threads = cyf_cpu_threads(device);
  transposed t = {0};
  int64_t *next = NULL;
  float *packed = NULL;
  const int64_t padded = (out + TILE - 1) / TILE * TILE;
  cyf_status status = CYF_OK;
  for (int64_t first = 0; first < x->n_cells; first += GRADIENT_CELLS) {
    const cyf_csr block = cyf_csr_rows(x, first, cyf_cpu_min(GRADIENT_CELLS, x->n_cells - first));
    const int64_t nnz = block.indptr[block.n_cells] - block.indptr[0];
    if (nnz == 0) continue;
    if (!next) {
      CYF_TRY_CLEANUP(CYF_NEW(&next, x->n_genes));
      CYF_TRY_CLEANUP(CYF_NEW(&t.start, x->n_genes + 1));
      CYF_TRY_CLEANUP(CYF_NEW(&packed, cyf_cpu_min(GRADIENT_CELLS, x->n_cells) * padded));
    }
    CYF_TRY_CLEANUP(CYF_NEW(&t.cell, nnz));
    CYF_TRY_CLEANUP(CYF_NEW(&t.value, nnz));
    transpose_batch(&block, threads, next, &t);
    pack_gradient(block.n_cells, out, d_y + first * out, packed, threads);
    add_to_genes(&t, x->n_genes, block.n_cells, out, (float)alpha, packed, d_w, threads);
    if (d_x_sum) add_gene_sums(&t, x->n_genes, alpha, d_x_sum);
    cyf_free(t.cell);
    cyf_free(t.value);
  }
cleanup:
  cyf_free(next);
  cyf_free(packed);
  cyf_free(t.start);
  cyf_free(t.cell);
  cyf_free(t.value);
  return status;
}

/* ---- the first layer: a sparse batch of cells times a gene-major matrix ---- */

cyf_status cyf_cpu_gene_linear_forward(cyf_device *d, const cyf_csr *x, int64_t out, const float *w_gene_major,
                                       const float *bias, float *y) {
  cyf_cpu_fill_rows(d, x->n_cells, out, bias, y);
  return cyf_cpu_sparse_product(d, x, out, w_gene_major, y);
}

cyf_status cyf_cpu_gene_linear_weight_grad(cyf_device *d, const cyf_csr *x, int64_t out, const float *d_y,
                                           float *d_w_gene_major, float *d_bias) {
  CYF_TRY(cyf_cpu_sparse_transposed_product(d, x, out, 1.0, d_y, d_w_gene_major, NULL));
  if (d_bias) cyf_cpu_add_column_sums(d, x->n_cells, out, d_y, 1.0, d_bias);
  return CYF_OK;
}
