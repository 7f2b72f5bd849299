/* SPDX-License-Identifier: MIT */
/** @file
 * The LAPACK routines that OpenBLAS carries and evaluate calls, in gfortran's calling convention (hidden string lengths
 * last). Column-major. */
#ifndef CYF_EVALUATE_MEASURES_LAPACK_H
#define CYF_EVALUATE_MEASURES_LAPACK_H

#include <stddef.h>

/** Selected eigenvalues and eigenvectors of a real symmetric matrix. */
void dsyevr_(const char *jobz, const char *range, const char *uplo, const int *n, double *a, const int *lda,
             const double *vl, const double *vu, const int *il, const int *iu, const double *abstol, int *m, double *w,
             double *z, const int *ldz, int *isuppz, double *work, const int *lwork, int *iwork, const int *liwork,
             int *info, size_t jobz_length, size_t range_length, size_t uplo_length);

/** Solves a system with a symmetric positive definite matrix, for several right-hand sides. */
void dposv_(const char *uplo, const int *n, const int *n_sides, double *a, const int *lda, double *b, const int *ldb,
            int *info, size_t uplo_length);

/** @{ */
/** LQ factorisation, and the rows of its Q. */
void dgelqf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork,
             int *info);
void dorglq_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau, double *work,
             const int *lwork, int *info);
/** @} */

#endif
