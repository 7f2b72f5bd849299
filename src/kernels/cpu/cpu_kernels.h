/* SPDX-License-Identifier: MIT */
/** @file
 * The CPU backend's functions, one a slot of struct cyf_ops (documented there), and what its files share. Internal. */
#ifndef CYF_KERNELS_CPU_CPU_KERNELS_H
#define CYF_KERNELS_CPU_CPU_KERNELS_H

#include <omp.h>

#include "kernels/backend.h"

extern const cyf_ops cyf_cpu_ops;

/** Threads for one operation: those of the device, one inside a parallel region. */
static inline int cyf_cpu_threads(const cyf_device *device) {
  return omp_in_parallel() ? 1 : device->n_threads;
}

/** The same where starting threads would cost more than they save: fewer than about `work` element operations. */
static inline int cyf_cpu_threads_for(const cyf_device *device, int64_t work) {
  enum { LEAST_WORK = 1 << 15 };
  return work < LEAST_WORK ? 1 : cyf_cpu_threads(device);
}

static inline int64_t cyf_cpu_min(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* ---- sums whose value does not depend on the number of threads ------------------------------------------------- */

/** An array of `count` elements is cut into at most this many chunks, by `count` alone; chunk sums add in order. */
enum { CYF_CPU_SUM_CHUNKS = 128 };
static inline int64_t cyf_cpu_chunk_size(int64_t count) {
  enum { LEAST = 4096 };
  const int64_t even = (count + CYF_CPU_SUM_CHUNKS - 1) / CYF_CPU_SUM_CHUNKS;
  return even < LEAST ? LEAST : (even + 15) / 16 * 16;
}

/** Columns of a matrix are summed in tiles of this many: one task each. */
enum { CYF_CPU_COLUMN_TILE = 32 };

/** sums[c] (+)= column sums of x[n,c], accumulated in double and added to in float. */
void cyf_cpu_add_column_sums(const cyf_device *device, int64_t n, int64_t c, const float *x, double factor,
                             float *sums);

/* ---- matrix products (row-major float32, leading dimensions = widths) -------------------------------------------- */

/** c[m,n] = alpha a[m,k] b[n,k]' + beta c. */
void cyf_cpu_gemm_nt(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c);
/** c[m,n] = alpha a[m,k] b[k,n] + beta c. */
void cyf_cpu_gemm_nn(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c);
/** c[m,n] = alpha a[k,m]' b[k,n] + beta c. */
void cyf_cpu_gemm_tn(const cyf_device *device, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                     const float *b, float beta, float *c);
/** c[n,n] = a[k,n]' a, both triangles. */
void cyf_cpu_gram(const cyf_device *device, int64_t k, int64_t n, const float *a, float *c);

/** @{ */
/** Every row of y[n,c] = bias (NULL: zero), or += bias. */
void cyf_cpu_fill_rows(const cyf_device *device, int64_t n, int64_t c, const float *bias, float *y);
void cyf_cpu_add_bias(const cyf_device *device, int64_t n, int64_t c, const float *bias, float *y);
/** @} */

/* ---- sparse products (cpu_sparse.c) --------------------------------------------------------------------------------
 */

/** y[n,out] += X W for X [n,genes] sparse, W [genes,out]. */
cyf_status cyf_cpu_sparse_product(const cyf_device *device, const cyf_csr *x, int64_t out, const float *w, float *y);
/** d_w[genes,out] += alpha X' d_y; d_x_sum[genes] (NULL: skipped) += alpha column sums of X. */
cyf_status cyf_cpu_sparse_transposed_product(const cyf_device *device, const cyf_csr *x, int64_t out, double alpha,
                                             const float *d_y, float *d_w, float *d_x_sum);

/* ---- the slots
 * ------------------------------------------------------------------------------------------------------- */

cyf_status cyf_cpu_alloc(cyf_device *d, size_t bytes, void **ret_memory); /**< device and host memory */
void cyf_cpu_free(cyf_device *d, void *memory);
size_t cyf_cpu_free_bytes(cyf_device *d);
cyf_status cyf_cpu_copy(cyf_device *d, void *to, const void *from, size_t bytes); /**< all four directions */
cyf_status cyf_cpu_zero(cyf_device *d, void *memory, size_t bytes);
cyf_status cyf_cpu_synchronize(cyf_device *d);
cyf_status cyf_cpu_event_create(cyf_device *d, cyf_event **ret_event);
void cyf_cpu_event_destroy(cyf_device *d, cyf_event *event);
cyf_status cyf_cpu_event_mark(cyf_device *d, cyf_queue queue, cyf_event *event); /**< record and await */
cyf_status cyf_cpu_event_synchronize(cyf_device *d, cyf_event *event);
cyf_status cyf_cpu_graph_begin(cyf_device *d, cyf_graph **graph);
cyf_status cyf_cpu_graph_end(cyf_device *d, cyf_graph **graph, bool launch);
void cyf_cpu_graph_destroy(cyf_device *d, cyf_graph *graph);
cyf_status cyf_cpu_csr_expand(cyf_device *d, const cyf_compact *x, int64_t n, const int64_t *row, const int64_t *indptr,
                              int64_t nnz, int32_t *indices, float *values, float *counts);
cyf_status cyf_cpu_sparse_count(cyf_device *d, int64_t n, int64_t c, const float *x, int64_t *indptr,
                                int64_t *ret_n_not_finite);
cyf_status cyf_cpu_sparse_fill(cyf_device *d, int64_t n, int64_t c, const float *x, const int64_t *indptr,
                               int32_t *indices, float *values);
cyf_status cyf_cpu_linear_forward(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *x, const float *w,
                                  const float *bias, bool accumulate, float *y);
cyf_status cyf_cpu_linear_input_grad(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *d_y,
                                     const float *w, bool accumulate, float *d_x);
cyf_status cyf_cpu_linear_weight_grad(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *x,
                                      const float *d_y, float *d_w, float *d_bias);
cyf_status cyf_cpu_gene_linear_forward(cyf_device *d, const cyf_csr *x, int64_t out, const float *w_gene_major,
                                       const float *bias, float *y);
cyf_status cyf_cpu_gene_linear_weight_grad(cyf_device *d, const cyf_csr *x, int64_t out, const float *d_y,
                                           float *d_w_gene_major, float *d_bias);
cyf_status cyf_cpu_gene_mse(cyf_device *d, cyf_gene_mode mode, const cyf_csr *target, int64_t hidden, const float *h,
                            const float *w, const float *bias, double scale, double *ret_sum_squared, float *d_h,
                            float *d_w, float *d_bias);
cyf_status cyf_cpu_gene_nb(cyf_device *d, const cyf_csr *counts, const float *size, int64_t hidden, const float *h,
                           const float *w, const float *bias, const float *log_theta, double scale, double *ret_sum_nll,
                           float *d_h, float *d_w, float *d_bias, float *d_log_theta);
cyf_status cyf_cpu_csr_counts(cyf_device *d, const cyf_csr *cells, const float *total, double target_sum,
                              float *counts);
cyf_status cyf_cpu_gene_decode(cyf_device *d, int64_t n, int64_t hidden, int64_t genes, const float *h, const float *w,
                               const float *bias, float *y);

cyf_status cyf_cpu_batch_norm_sums(cyf_device *d, int64_t n, int64_t c, const float *x, double *sums);
cyf_status cyf_cpu_batch_norm_finish(cyf_device *d, int64_t c, double n_total, const double *sums, double momentum,
                                     float *mean, float *inv_std, float *running_mean, float *running_var);
cyf_status cyf_cpu_batch_norm_running(cyf_device *d, int64_t c, const float *running_mean, const float *running_var,
                                      float *mean, float *inv_std);
cyf_status cyf_cpu_batch_norm_forward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *mean,
                                      const float *inv_std, const float *gamma, const float *beta, cyf_activation act,
                                      const float *slope, float *y);
cyf_status cyf_cpu_batch_norm_backward_sums(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                            const float *mean, const float *inv_std, const float *gamma,
                                            const float *beta, cyf_activation act, const float *slope, double *sums,
                                            float *d_slope);
cyf_status cyf_cpu_batch_norm_backward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                       const float *mean, const float *inv_std, const float *gamma, const float *beta,
                                       cyf_activation act, const float *slope, const double *sums, double n_total,
                                       float *d_x);
cyf_status cyf_cpu_batch_norm_param_grad(cyf_device *d, int64_t c, const double *sums, float *d_gamma, float *d_beta);
cyf_status cyf_cpu_layer_norm_silu_forward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *gamma,
                                           const float *beta, float *y, float *mean, float *inv_std);
cyf_status cyf_cpu_layer_norm_silu_backward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                            const float *gamma, const float *beta, const float *mean,
                                            const float *inv_std, float *d_x, float *d_gamma, float *d_beta);

cyf_status cyf_cpu_silu_forward(cyf_device *d, int64_t count, const float *x, float *y);
cyf_status cyf_cpu_silu_backward(cyf_device *d, int64_t count, const float *x, const float *d_y, bool accumulate,
                                 float *d_x);
cyf_status cyf_cpu_add_rows(cyf_device *d, int64_t n, int64_t c, const float *table, const int32_t *row, float *y);
cyf_status cyf_cpu_sum_rows(cyf_device *d, int64_t n, int64_t c, const float *d_y, const int32_t *row, int64_t n_rows,
                            float *d_table);
cyf_status cyf_cpu_axpy(cyf_device *d, int64_t count, double alpha, const float *x, float *y);
cyf_status cyf_cpu_scale(cyf_device *d, int64_t count, double alpha, float *y);
cyf_status cyf_cpu_l2_normalize_forward(cyf_device *d, int64_t n, int64_t c, const float *x, float *y, float *norm);
cyf_status cyf_cpu_l2_normalize_backward(cyf_device *d, int64_t n, int64_t c, const float *y, const float *norm,
                                         const float *d_y, float *d_x);

cyf_status cyf_cpu_dropout(cyf_device *d, int64_t n, int64_t c, const float *x, double rate, cyf_rng_key key,
                           uint32_t step, const int64_t *position, float *y);
cyf_status cyf_cpu_fill_normal(cyf_device *d, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                               const int64_t *position, int64_t first_position, float *out);
cyf_status cyf_cpu_fill_timesteps(cyf_device *d, int64_t n, cyf_rng_key key, uint32_t step, const int64_t *position,
                                  int32_t least, int32_t bound, int32_t *out);

cyf_status cyf_cpu_squared_error(cyf_device *d, int64_t count, const float *prediction, const float *target,
                                 double scale, double *ret_sum, float *d_prediction);
cyf_status cyf_cpu_cross_entropy(cyf_device *d, int64_t n, int64_t classes, const float *logits, const int32_t *label,
                                 const float *class_weight, double scale, double *ret_sum_loss, double *ret_sum_weight,
                                 int64_t *ret_n_correct, int64_t *ret_n_labelled, float *d_logits);
cyf_status cyf_cpu_log_prob_grad(cyf_device *d, int64_t n, int64_t classes, const float *logits, const int32_t *label,
                                 const float *w, float *d_logits);

cyf_status cyf_cpu_library_nll(cyf_device *d, int64_t n, const float *head, const float *total, double scale,
                               double *ret_sum_nll, float *d_head);
cyf_status cyf_cpu_library_size(cyf_device *d, int64_t n, const float *head, const float *normal, float *size);
cyf_status cyf_cpu_softmax_rows(cyf_device *d, int64_t n, int64_t c, const float *size, float *y);
cyf_status cyf_cpu_nb_draw(cyf_device *d, int64_t n, int64_t c, const float *mean, const float *log_theta,
                           cyf_rng_key key, const int64_t *position, int64_t first_position, float *counts);

cyf_status cyf_cpu_q_sample(cyf_device *d, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                            const int64_t *position, const float *x0, const int32_t *t, const float *signal,
                            const float *noise_level, float *eps, float *x_t);
cyf_status cyf_cpu_ddpm_step(cyf_device *d, int64_t count, const cyf_reverse_step *s, const float *x, const float *eps,
                             const float *guidance, const float *noise, float *x_prev);
cyf_status cyf_cpu_ddim_step(cyf_device *d, int64_t count, const cyf_reverse_step *s, const float *x, const float *eps,
                             const float *guidance, const float *noise, float *x_prev);
cyf_status cyf_cpu_multistep_step(cyf_device *d, int64_t count, const cyf_multistep *s, const float *x,
                                  const float *eps, const float *guidance, float *x0_before, float *x_prev);
cyf_status cyf_cpu_free_guidance(cyf_device *d, int64_t n, int64_t c, const float *base, const float *conditioned,
                                 const float *weight, float *eps);
cyf_status cyf_cpu_time_embedding(cyf_device *d, int64_t n_rows, int64_t width, const int32_t *t, float *out);

cyf_status cyf_cpu_square_sum(cyf_device *d, int64_t count, const float *x, double *sum);
cyf_status cyf_cpu_adamw(cyf_device *d, int64_t count, const cyf_adamw *settings, float *parameter, float *gradient,
                         float *first_moment, float *second_moment, float *ema, double ema_decay);

#endif
