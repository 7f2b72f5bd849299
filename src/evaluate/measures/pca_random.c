/* SPDX-License-Identifier: MIT */
/* Randomised principal components (Halko, Martinsson & Tropp, SIAM Review 53, 2011). */
#include <cblas.h>
#include <math.h>

#include "base/memory.h"
#include "base/rng.h"
#include "evaluate/measures/lapack.h"
#include "evaluate/measures/pca.h"

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

/* From basis [n, width] (orthonormal, about the range of the centred cells X) and image = X' basis [n_genes, width]:
 * with the eigenvectors W of image' image, image W / s are right singular vectors of basis basis' X. */
static cyf_status rotate_to_components(int64_t n_cells, int64_t width, const double *image, double *gram,
                                       double *vectors, double *values, cyf_pca *pca) {
  int w = (int)width, n_genes = (int)pca->n_genes;
  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, w, n_genes, 1.0, image, w, 0.0, gram, w);
  CYF_TRY(cyf_symmetric_leading(width, gram, pca->n_components, values, vectors));
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

cyf_status cyf_pca_fit_randomised(const cyf_rows *cells, uint64_t seed, cyf_pca *pca) {
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
