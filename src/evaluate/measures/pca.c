/* SPDX-License-Identifier: MIT */
/* Principal components: exact ones from the smaller Gram matrix, or randomised ones. */
#include "evaluate/measures/pca.h"

#include <cblas.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "evaluate/measures/lapack.h"

/* Components whose variance is below this share of the first's are rounding, not data. */
#define RELATIVE_RANK_CUT 1e-12
/* Entries of one dense block that is added to a Gram matrix (32 MiB of doubles). */
enum { BLOCK_ENTRIES = 4 * 1024 * 1024 };

static int64_t min_int64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

void cyf_pca_destroy(cyf_pca *pca) {
  if (!pca) return;
  cyf_free(pca->mean);
  cyf_free(pca->loadings);
  cyf_free(pca->variance);
  *pca = (cyf_pca){0};
}

/* Calls dsyevr with the workspace that it asks for. a is overwritten; values are ascending, vectors in their order. */
static cyf_status eigen_upper_range(int n, double *a, int first, int last, double *values, double *vectors) {
  cyf_status status = CYF_OK;
  double *work = NULL, work_size = 0, unused = 0, tolerance = 0;
  int *iwork = NULL, *support = NULL, iwork_size = 0, info = 0, n_found = 0, query = -1, lwork = 0;
  CYF_TRY_CLEANUP(CYF_NEW(&support, 2 * (last - first + 1)));
  /* The upper triangle in row-major order is the lower one in column-major order. */
  dsyevr_("V", "I", "L", &n, a, &n, &unused, &unused, &first, &last, &tolerance, &n_found, values, vectors, &n, support,
          &work_size, &query, &iwork_size, &query, &info, 1, 1, 1);
  lwork = (int)work_size;
  CYF_TRY_CLEANUP(CYF_NEW(&work, lwork));
  CYF_TRY_CLEANUP(CYF_NEW(&iwork, iwork_size));
  dsyevr_("V", "I", "L", &n, a, &n, &unused, &unused, &first, &last, &tolerance, &n_found, values, vectors, &n, support,
          work, &lwork, iwork, &iwork_size, &info, 1, 1, 1);
  if (info != 0 || n_found != last - first + 1) {
    status = CYF_FAIL(CYF_ERR_NUMERIC, "principal components: LAPACK dsyevr failed on a %d x %d matrix (info %d)", n, n,
                      info);
  }
cleanup:
  cyf_free(work);
  cyf_free(iwork);
  cyf_free(support);
  return status;
}

/* The n_wanted largest eigenvalues of a symmetric matrix [n, n], descending, and their eigenvectors: vectors[j * n + i]
 * is entry i of vector j. Only the upper triangle (row-major) is read, and the matrix is overwritten. */
static cyf_status symmetric_leading(int64_t n, double *matrix, int64_t n_wanted, double *values, double *vectors) {
  if (n > INT_MAX / 32)
    return CYF_FAIL(CYF_ERR_INTERNAL, "a %lld x %lld eigenproblem is too large", (long long)n, (long long)n);
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(matrix[i * n + i])) {
      return CYF_FAIL(CYF_ERR_NUMERIC, "principal components: the expression values are not all finite");
    }
  }
  double *all_values = NULL; /* dsyevr wants room for n whatever the range */
  CYF_TRY(CYF_NEW(&all_values, n));
  cyf_status status = eigen_upper_range((int)n, matrix, (int)(n - n_wanted + 1), (int)n, all_values, vectors);
  for (int64_t j = 0; status == CYF_OK && j < n_wanted; j++) values[j] = all_values[n_wanted - 1 - j];
  cyf_free(all_values);
  if (status != CYF_OK) return status;
  for (int64_t j = 0; j < n_wanted / 2; j++) {
    double *x = vectors + j * n, *y = vectors + (n_wanted - 1 - j) * n;
    for (int64_t i = 0; i < n; i++) {
      double swap = x[i];
      x[i] = y[i];
      y[i] = swap;
    }
  }
  return CYF_OK;
}

/* ---- three ways to the components ---- */

/* In each pca->n_genes, mean and n_components (as wanted) are set. It fills loadings (orthonormal columns) and
 * variance, and lowers n_components to the numerical rank. */

/* Randomised (Halko, Martinsson & Tropp, SIAM Review 53, 2011). */
enum { EXTRA_DIRECTIONS = 30, N_ITERATIONS = 8 };

/* Replaces points [n, width] (row-major, n >= width) by an orthonormal basis of its columns' span. Row-major [n, width]
 * is column-major [width, n], so the basis is the Q of an LQ factorisation in place. */
static cyf_status orthonormalise(int64_t n, int64_t width, double *points) {
  cyf_status status = CYF_OK;
  double *tau = NULL, *work = NULL, work_size[2] = {0};
  int m = (int)width, columns = (int)n, lwork = -1, info = 0;
  CYF_TRY_CLEANUP(CYF_NEW(&tau, width));
  dgelqf_(&m, &columns, points, &m, tau, &work_size[0], &lwork, &info);
  dorglq_(&m, &columns, &m, points, &m, tau, &work_size[1], &lwork, &info);
  lwork = (int)fmax(work_size[0], work_size[1]);
  CYF_TRY_CLEANUP(CYF_NEW(&work, lwork));
  dgelqf_(&m, &columns, points, &m, tau, work, &lwork, &info);
  if (info == 0) dorglq_(&m, &columns, &m, points, &m, tau, work, &lwork, &info);
  if (info != 0) status = CYF_FAIL(CYF_ERR_INTERNAL, "LAPACK dgelqf/dorglq failed (info %d)", info);
cleanup:
  cyf_free(tau);
  cyf_free(work);
  return status;
}

/* Fills [n, width] with standard normals; row i depends on (seed, i). */
static void fill_normal(uint64_t seed, int64_t n, int64_t width, double *values) {
  cyf_rng_key key = cyf_rng_key_make(seed, CYF_RNG_EVALUATE);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; i++) {
    cyf_rng_stream stream;
    cyf_rng_stream_init(&stream, key, CYF_USE_PCA, (uint64_t)i);
    for (int64_t k = 0; k < width; k++) values[i * width + k] = cyf_rng_next_normal(&stream);
  }
}

/* From an orthonormal basis [n, width] of about the range of the centred cells X, and from image = X' basis [n_genes,
 * width]. Let W be the eigenvectors of image' image, and s the square roots of its eigenvalues. Then the columns of
 * image W / s are right singular vectors of basis basis' X, which is about X. */
static cyf_status rotate_to_components(int64_t n_cells, int64_t width, const double *image, double *gram,
                                       double *vectors, double *values, cyf_pca *pca) {
  int w = (int)width, n_genes = (int)pca->n_genes;
  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, w, n_genes, 1.0, image, w, 0.0, gram, w);
  CYF_TRY(symmetric_leading(width, gram, pca->n_components, values, vectors));
  int64_t rank = 0;
  while (rank < pca->n_components && values[rank] > 1e-12 * values[0] && values[rank] > 0.0) rank++;
  pca->n_components = rank;
  if (rank == 0) return CYF_OK;
  for (int64_t j = 0; j < rank; j++) {
    double inverse = 1.0 / sqrt(values[j]);
    for (int64_t k = 0; k < width; k++) vectors[j * width + k] *= inverse;
    pca->variance[j] = values[j] / (double)(n_cells - 1);
  }
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n_genes, (int)rank, w, 1.0, image, w, vectors, w, 0.0,
              pca->loadings, (int)rank);
  return CYF_OK;
}

static cyf_status fit_randomised(const cyf_rows *cells, uint64_t seed, cyf_pca *pca) {
  cyf_status status = CYF_OK;
  int64_t n = cells->n_cells, n_genes = cells->n_genes, smaller = n < n_genes ? n : n_genes;
  int64_t width = pca->n_components + EXTRA_DIRECTIONS < smaller ? pca->n_components + EXTRA_DIRECTIONS : smaller;
  double *basis = NULL, *image = NULL, *gram = NULL, *vectors = NULL, *values = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&basis, n * width));
  CYF_TRY_CLEANUP(CYF_NEW(&image, n_genes * width));
  CYF_TRY_CLEANUP(CYF_NEW(&gram, width * width));
  CYF_TRY_CLEANUP(CYF_NEW(&vectors, width * width));
  CYF_TRY_CLEANUP(CYF_NEW(&values, width));
  fill_normal(seed, n_genes, width, image);
  for (int iteration = 0; iteration <= N_ITERATIONS; iteration++) {
    if (iteration > 0) CYF_TRY_CLEANUP(orthonormalise(n_genes, width, image));
    CYF_TRY_CLEANUP(cyf_rows_times(cells, pca->mean, width, image, basis));
    CYF_TRY_CLEANUP(orthonormalise(n, width, basis));
    CYF_TRY_CLEANUP(cyf_rows_transposed_times(cells, pca->mean, width, basis, image));
  }
  CYF_TRY_CLEANUP(rotate_to_components(n, width, image, gram, vectors, values, pca));
cleanup:
  cyf_free(basis);
  cyf_free(image);
  cyf_free(gram);
  cyf_free(vectors);
  cyf_free(values);
  return status;
}

/* Lowers n_components to those whose variance is more than rounding. */
static void cut_to_rank(cyf_pca *pca) {
  int64_t rank = 0;
  while (rank < pca->n_components && pca->variance[rank] > RELATIVE_RANK_CUT * pca->variance[0] &&
         pca->variance[rank] > DBL_MIN) {
    rank++;
  }
  pca->n_components = rank;
}

/* block [n_rows, width] = genes [first_gene, first_gene + width) of cells [first_cell, ...), centred. */
static void fill_centred_block(const cyf_rows *cells, const double *mean, int64_t first_cell, int64_t n_rows,
                               int64_t first_gene, int64_t width, double *block) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n_rows; i++) {
    const cyf_row *row = &cells->row[first_cell + i];
    double *out = block + i * width;
    for (int64_t k = 0; k < width; k++) out[k] = -mean[first_gene + k];
    for (int64_t p = cyf_row_lower_bound(row, (int32_t)first_gene); p < row->nnz && row->index[p] < first_gene + width;
         p++) {
      out[row->index[p] - first_gene] += (double)row->value[p];
    }
  }
}

static cyf_status fit_cell_gram(const cyf_rows *cells, cyf_pca *pca) {
  cyf_status status = CYF_OK;
  int64_t n = cells->n_cells, n_genes = cells->n_genes;
  int64_t width = min_int64(n_genes, BLOCK_ENTRIES / n > 64 ? BLOCK_ENTRIES / n : 64);
  double *gram = NULL, *block = NULL, *vectors = NULL, *left = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&gram, n * n));
  CYF_TRY_CLEANUP(CYF_NEW(&block, n * width));
  CYF_TRY_CLEANUP(CYF_NEW(&vectors, n * pca->n_components));
  for (int64_t first = 0; first < n_genes; first += width) {
    int64_t count = min_int64(width, n_genes - first);
    fill_centred_block(cells, pca->mean, 0, n, first, count, block);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, (int)n, (int)count, 1.0, block, (int)count, 1.0, gram, (int)n);
  }
  CYF_TRY_CLEANUP(symmetric_leading(n, gram, pca->n_components, pca->variance, vectors));
  cut_to_rank(pca);
  /* Left singular vectors over singular values, so that X' left has unit columns. */
  CYF_TRY_CLEANUP(CYF_NEW(&left, n * pca->n_components));
  for (int64_t j = 0; j < pca->n_components; j++) {
    double inverse = 1.0 / sqrt(pca->variance[j]);
    for (int64_t i = 0; i < n; i++) left[i * pca->n_components + j] = vectors[j * n + i] * inverse;
    pca->variance[j] /= (double)(n - 1);
  }
  CYF_TRY_CLEANUP(cyf_rows_transposed_times(cells, pca->mean, pca->n_components, left, pca->loadings));
cleanup:
  cyf_free(gram);
  cyf_free(block);
  cyf_free(vectors);
  cyf_free(left);
  return status;
}

static cyf_status fit_gene_gram(const cyf_rows *cells, cyf_pca *pca) {
  cyf_status status = CYF_OK;
  int64_t n = cells->n_cells, n_genes = cells->n_genes;
  int64_t height = min_int64(n, BLOCK_ENTRIES / n_genes > 64 ? BLOCK_ENTRIES / n_genes : 64);
  double *gram = NULL, *block = NULL, *vectors = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&gram, n_genes * n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&block, height * n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&vectors, n_genes * pca->n_components));
  for (int64_t first = 0; first < n; first += height) {
    int64_t count = min_int64(height, n - first);
    fill_centred_block(cells, pca->mean, first, count, 0, n_genes, block);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)n_genes, (int)count, 1.0, block, (int)n_genes, 1.0, gram,
                (int)n_genes);
  }
  CYF_TRY_CLEANUP(symmetric_leading(n_genes, gram, pca->n_components, pca->variance, vectors));
  cut_to_rank(pca);
  for (int64_t j = 0; j < pca->n_components; j++) {
    pca->variance[j] /= (double)(n - 1);
    for (int64_t gene = 0; gene < n_genes; gene++)
      pca->loadings[gene * pca->n_components + j] = vectors[j * n_genes + gene];
  }
cleanup:
  cyf_free(gram);
  cyf_free(block);
  cyf_free(vectors);
  return status;
}

/* A component's sign is arbitrary; the largest entry is made positive so that results are comparable. */
static void fix_signs(cyf_pca *pca) {
  for (int64_t j = 0; j < pca->n_components; j++) {
    double largest = 0.0;
    for (int64_t gene = 0; gene < pca->n_genes; gene++) {
      double entry = pca->loadings[gene * pca->n_components + j];
      if (fabs(entry) > fabs(largest)) largest = entry;
    }
    for (int64_t gene = 0; largest < 0.0 && gene < pca->n_genes; gene++) {
      pca->loadings[gene * pca->n_components + j] *= -1.0;
    }
  }
}

cyf_status cyf_pca_fit(const cyf_rows *cells, int64_t n_components, int64_t exact_limit, uint64_t seed,
                       cyf_pca *ret_pca) {
  cyf_status status = CYF_OK;
  cyf_gene_moments moments = {0};
  int64_t n = cells->n_cells, n_genes = cells->n_genes;
  *ret_pca = (cyf_pca){.n_genes = n_genes, .n_components = min_int64(n_components, min_int64(n - 1, n_genes))};
  if (ret_pca->n_components < 0) ret_pca->n_components = 0;
  CYF_TRY_CLEANUP(CYF_NEW(&ret_pca->mean, n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_pca->loadings, n_genes * ret_pca->n_components));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_pca->variance, ret_pca->n_components));
  CYF_TRY_CLEANUP(cyf_gene_moments_create(cells, &moments));
  memcpy(ret_pca->mean, moments.mean, (size_t)n_genes * sizeof(double));
  if (n < 2 || ret_pca->n_components == 0) goto cleanup;
  for (int64_t gene = 0; gene < n_genes; gene++) ret_pca->total_variance += moments.variance[gene];
  if (!isfinite(ret_pca->total_variance)) {
    status = CYF_FAIL(CYF_ERR_NUMERIC, "principal components: the expression values are not all finite");
    goto cleanup;
  }
  ret_pca->randomised = min_int64(n, n_genes) > exact_limit;
  if (ret_pca->total_variance == 0.0) {
    ret_pca->n_components = 0; /* all cells are equal */
  } else if (ret_pca->randomised) {
    CYF_TRY_CLEANUP(fit_randomised(cells, seed, ret_pca));
  } else if (n <= n_genes) {
    CYF_TRY_CLEANUP(fit_cell_gram(cells, ret_pca));
  } else {
    CYF_TRY_CLEANUP(fit_gene_gram(cells, ret_pca));
  }
  fix_signs(ret_pca);
cleanup:
  cyf_gene_moments_destroy(&moments);
  if (status != CYF_OK) cyf_pca_destroy(ret_pca);
  return status;
}

cyf_status cyf_pca_project(const cyf_pca *pca, const cyf_rows *cells, double *scores) {
  if (pca->n_components == 0) return CYF_OK;
  return cyf_rows_times(cells, pca->mean, pca->n_components, pca->loadings, scores);
}
