/* SPDX-License-Identifier: MIT */
/* Gene space: sparse batches against matrices with one row a gene. */
#include "cuda_compare_frame.h"
#include "kernels/math/normalisation.h"

/* A batch on both devices, or some of its rows, whose indptr[0] is not zero. */
typedef struct batch {
  cyf_csr_buffer buffer;
  cyf_csr on[2];
} batch;

static batch make_batch(compare *c, int64_t n, int64_t genes, double density, double value_max, int counts) {
  batch b = {.buffer = test_sparse(&c->random, n + 2, genes, density, value_max, counts)};
  const cyf_csr all = cyf_csr_view(&b.buffer);
  const both indptr = put(c, all.indptr, n + 3, sizeof *all.indptr);
  const both indices = put(c, all.indices, all.indptr[n + 2], sizeof *all.indices);
  const both values = put(c, all.values, all.indptr[n + 2], sizeof *all.values);
  for (int s = 0; s < 2; ++s) {
    const cyf_csr on_device = {n + 2, genes, L(indptr), I(indices), F(values), 0};
    b.on[s] = cyf_csr_rows(&on_device, 2, n);
  }
  return b;
}

void compare_gene_linear(compare *c, int64_t n, int64_t genes, int64_t out) {
  batch b = make_batch(c, n, genes, 0.2, 5, 0);
  const both w = normals(c, genes * out, 1), bias = normals(c, out, 1), y = normals(c, n * out, 1);
  const both d_y = normals(c, n * out, 1), d_w = normals(c, genes * out, 1), d_bias = normals(c, out, 1);
  for (int with_bias = 0; with_bias < 2; ++with_bias) {
    ON_BOTH(c, gene_linear_forward(d, &b.on[s], out, F(w), with_bias ? F(bias) : NULL, F(y)));
    same_product(c, "gene_linear_forward", y, 1);
    ON_BOTH(c, gene_linear_weight_grad(d, &b.on[s], out, F(d_y), F(d_w), F(d_bias)));
    same_product(c, "gene_linear_weight_grad", d_w, 1);
    same(c, "gene_linear_weight_grad", d_bias, 1e-5);
  }
  cyf_csr_buffer_destroy(&b.buffer);
  release(c);
}

void compare_gene_mse(compare *c, int64_t n, int64_t genes, int64_t hidden) {
  batch b = make_batch(c, n, genes, 0.3, 4, 0);
  const both h = normals(c, n * hidden, 1 / sqrt((double)hidden)), w = normals(c, genes * hidden, 1);
  const both bias = normals(c, genes, 1), d_h = normals(c, n * hidden, 1), d_w = normals(c, genes * hidden, 1);
  const both d_bias = normals(c, genes, 1);
  /* The Gram form first: the gradients that it adds to are then the same to the last bit. */
  static const cyf_gene_mode modes[] = {CYF_GENE_GRAM, CYF_GENE_DENSE, CYF_GENE_AUTO};
  for (int k = 0; k < 3; ++k) {
    const cyf_gene_mode mode = modes[k];
    const double tolerance = mode == CYF_GENE_GRAM ? 2e-5 : c->product_tolerance;
    double value[2] = {-1, -1};
    ON_BOTH(c, gene_mse(d, mode, &b.on[s], hidden, F(h), F(w), F(bias), 0.37, &value[s], NULL, NULL, NULL));
    same_scalar(c, "gene_mse", value, tolerance);
    ON_BOTH(c, gene_mse(d, mode, &b.on[s], hidden, F(h), F(w), F(bias), 0.37, &value[s], F(d_h), F(d_w), F(d_bias)));
    same_scalar(c, "gene_mse", value, tolerance);
    same(c, "gene_mse", d_h, tolerance);
    same(c, "gene_mse", d_w, tolerance);
    same(c, "gene_mse", d_bias, tolerance);
  }
  cyf_csr_buffer_destroy(&b.buffer);
  release(c);
}

void compare_gene_nb(compare *c, int64_t n, int64_t genes, int64_t hidden) {
  batch b = make_batch(c, n, genes, 0.3, 40, 1);
  const both h = normals(c, n * hidden, 1 / sqrt((double)hidden)), w = normals(c, genes * hidden, 1);
  const both bias = normals(c, genes, 1), d_h = normals(c, n * hidden, 1), d_w = normals(c, genes * hidden, 1);
  const both d_bias = normals(c, genes, 1), log_theta = normals(c, genes, 2), size = positives(c, n, 0.2, 3);
  const both d_log_theta = normals(c, genes, 1);
  double value[2] = {-1, -1};
  ON_BOTH(c, gene_nb(d, &b.on[s], F(size), hidden, F(h), F(w), F(bias), F(log_theta), 0.37, &value[s], NULL, NULL, NULL,
                     NULL));
  same_scalar(c, "gene_nb", value, c->product_tolerance);
  ON_BOTH(c, gene_nb(d, &b.on[s], F(size), hidden, F(h), F(w), F(bias), F(log_theta), 0.37, &value[s], F(d_h), F(d_w),
                     F(d_bias), F(d_log_theta)));
  same_scalar(c, "gene_nb", value, c->product_tolerance);
  same(c, "gene_nb", d_h, c->product_tolerance);
  same(c, "gene_nb", d_w, c->product_tolerance);
  same(c, "gene_nb", d_bias, c->product_tolerance);
  same(c, "gene_nb", d_log_theta, c->product_tolerance);
  cyf_csr_buffer_destroy(&b.buffer);
  release(c);
}

void compare_counts(compare *c, int64_t n, int64_t genes) {
  batch b = make_batch(c, n, genes, 0.3, 5, 0);
  const int64_t entries = cyf_csr_view(&b.buffer).indptr[n + 2];
  const cyf_rng_key key = cyf_rng_key_make(17, CYF_RNG_NOISE);
  const both total = positives(c, n, 500, 5000), counts = normals(c, entries, 1), head = normals(c, 2 * n, 2);
  const both d_head = normals(c, 2 * n, 1), z = normals(c, n, 1), size = normals(c, n, 1);
  const both y = normals(c, n * genes, 3), log_theta = normals(c, genes, 2), at = positions(c, n);
  double value[2] = {-1, -1};
  ON_BOTH(c, csr_counts(d, &b.on[s], F(total), CYF_NORMALISED_TOTAL, F(counts)));
  equal(c, "csr_counts", counts);
  ON_BOTH(c, library_nll(d, n, F(head), F(total), 0.4, &value[s], NULL));
  same_scalar(c, "library_nll", value, 1e-5);
  ON_BOTH(c, library_nll(d, n, F(head), F(total), 0.4, &value[s], F(d_head)));
  same_scalar(c, "library_nll", value, 1e-5);
  same(c, "library_nll", d_head, 1e-5);
  for (int given = 0; given < 2; ++given) {
    ON_BOTH(c, library_size(d, n, F(head), given ? F(z) : NULL, F(size)));
    same(c, "library_size", size, 1e-5);
    ON_BOTH(c, softmax_rows(d, n, genes, given ? F(total) : NULL, F(y)));
    same(c, "softmax_rows", y, 1e-5);
  }
  for (int given = 0; given < 2; ++given) {
    ON_BOTH(c, nb_draw(d, n, genes, F(y), F(log_theta), key, given ? L(at) : NULL, ((int64_t)1 << 33) + 7, F(y)));
    same(c, "nb_draw", y, c->draw_tolerance);
  }
  cyf_csr_buffer_destroy(&b.buffer);
  release(c);
}

/* Compares the expansion of compact cells with this type of count: of all rows in order, and of chosen rows. */
void compare_expand(compare *c, int64_t n, int64_t genes, cyf_count_type type) {
  cyf_csr_buffer buffer = test_sparse(&c->random, n, genes, 0.3, 200, 1);
  const cyf_csr x = cyf_csr_view(&buffer);
  const int64_t nnz = x.indptr[n];
  const cyf_index_type index_type = type == CYF_COUNT_UINT16 ? CYF_INDEX_UINT16 : CYF_INDEX_UINT32;
  void *counts = test_alloc(nnz, cyf_count_bytes(type)), *genes_of = test_alloc(nnz, cyf_index_bytes(index_type));
  for (int64_t k = 0; k < nnz; ++k) {
    if (type == CYF_COUNT_UINT8) ((uint8_t *)counts)[k] = (uint8_t)x.values[k];
    if (type == CYF_COUNT_UINT16) ((uint16_t *)counts)[k] = (uint16_t)x.values[k];
    if (type == CYF_COUNT_UINT32) ((uint32_t *)counts)[k] = (uint32_t)x.values[k];
    if (type == CYF_COUNT_FLOAT32) ((float *)counts)[k] = x.values[k];
    if (index_type == CYF_INDEX_UINT16) ((uint16_t *)genes_of)[k] = (uint16_t)x.indices[k];
    if (index_type == CYF_INDEX_UINT32) ((uint32_t *)genes_of)[k] = (uint32_t)x.indices[k];
  }
  int64_t *chosen = TEST_NEW(int64_t, n), *starts = TEST_NEW(int64_t, n + 1);
  for (int64_t i = 0; i < n; ++i) {
    chosen[i] = n - 1 - i;
    starts[i + 1] = starts[i] + x.indptr[chosen[i] + 1] - x.indptr[chosen[i]];
  }
  const both indptr = put(c, x.indptr, n + 1, sizeof *x.indptr), row = put(c, chosen, n, sizeof *chosen);
  const both start = put(c, starts, n + 1, sizeof *starts), factor = positives(c, n, 0.1, 3);
  const both stored = put(c, counts, nnz, cyf_count_bytes(type));
  const both stored_genes = put(c, genes_of, nnz, cyf_index_bytes(index_type)), indices = integers(c, nnz, 0, 3);
  const both values = normals(c, nnz, 1), raw = normals(c, nnz, 1);
  for (int some = 0; some < 2; ++some) {
    for (int s = 0; s < 2; ++s) {
      cyf_device *d = c->device[s];
      const cyf_compact compact = {n,
                                   genes,
                                   type,
                                   index_type,
                                   L(indptr),
                                   stored_genes.on[s],
                                   stored.on[s],
                                   type == CYF_COUNT_FLOAT32 ? NULL : F(factor)};
      check_call(c, "csr_expand",
                 d->ops->csr_expand(d, &compact, n, some ? L(row) : NULL, some ? L(start) : NULL, nnz, I(indices),
                                    F(values), some ? F(raw) : NULL));
    }
    equal(c, "csr_expand", indices);
    same(c, "csr_expand", values, 1e-6);
  }
  equal(c, "csr_expand", raw);
  void *all[] = {counts, genes_of, chosen, starts};
  for (size_t k = 0; k < sizeof all / sizeof *all; ++k) free(all[k]);
  cyf_csr_buffer_destroy(&buffer);
  release(c);
}

void compare_sparse(compare *c, int64_t n, int64_t k) {
  float *host = test_normals(&c->random, n * k, 1);
  if (n * k > 3) host[2] = NAN;
  const both x = put(c, host, n * k, sizeof *host), indptr = positions(c, n + 1);
  const both indices = integers(c, n * k, 0, 1), values = normals(c, n * k, 0);
  int64_t odd[2] = {-1, -1};
  ON_BOTH(c, sparse_count(d, n, k, F(x), L(indptr), &odd[s]));
  equal_integer(c, "sparse_count", odd);
  equal(c, "sparse_count", indptr);
  ON_BOTH(c, sparse_fill(d, n, k, F(x), L(indptr), I(indices), F(values)));
  equal(c, "sparse_fill", indices);
  equal(c, "sparse_fill", values);
  free(host);
  release(c);
}
