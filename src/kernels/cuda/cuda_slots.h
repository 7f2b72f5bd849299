/* SPDX-License-Identifier: MIT */
/** @file
 * The CUDA backend's kernels, one function a slot of struct cyf_ops (documented there). Internal. */
#ifndef CYF_KERNELS_CUDA_CUDA_SLOTS_H
#define CYF_KERNELS_CUDA_CUDA_SLOTS_H

#include "kernels/cuda/cuda_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

cyf_status cyf_cuda_csr_expand(cyf_device *d, const cyf_compact *x, int64_t n, const int64_t *row,
                               const int64_t *indptr, int64_t nnz, int32_t *indices, float *values, float *counts);
cyf_status cyf_cuda_sparse_count(cyf_device *d, int64_t n, int64_t c, const float *x, int64_t *indptr,
                                 int64_t *ret_n_not_finite);
cyf_status cyf_cuda_sparse_fill(cyf_device *d, int64_t n, int64_t c, const float *x, const int64_t *indptr,
                                int32_t *indices, float *values);
cyf_status cyf_cuda_linear_forward(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *x, const float *w,
                                   const float *bias, bool accumulate, float *y);
cyf_status cyf_cuda_linear_input_grad(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *d_y,
                                      const float *w, bool accumulate, float *d_x);
cyf_status cyf_cuda_linear_weight_grad(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *x,
                                       const float *d_y, float *d_w, float *d_bias);
cyf_status cyf_cuda_gene_linear_forward(cyf_device *d, const cyf_csr *x, int64_t out, const float *w_gene_major,
                                        const float *bias, float *y);
cyf_status cyf_cuda_gene_linear_weight_grad(cyf_device *d, const cyf_csr *x, int64_t out, const float *d_y,
                                            float *d_w_gene_major, float *d_bias);
cyf_status cyf_cuda_gene_mse(cyf_device *d, cyf_gene_mode mode, const cyf_csr *target, int64_t hidden, const float *h,
                             const float *w, const float *bias, double scale, double *ret_sum_squared, float *d_h,
                             float *d_w, float *d_bias);
cyf_status cyf_cuda_gene_nb(cyf_device *d, const cyf_csr *counts, const float *size, int64_t hidden, const float *h,
                            const float *w, const float *bias, const float *log_theta, double scale,
                            double *ret_sum_nll, float *d_h, float *d_w, float *d_bias, float *d_log_theta);
cyf_status cyf_cuda_gene_decode(cyf_device *d, int64_t n, int64_t hidden, int64_t genes, const float *h, const float *w,
                                const float *bias, float *y);

cyf_status cyf_cuda_batch_norm_sums(cyf_device *d, int64_t n, int64_t c, const float *x, double *sums);
cyf_status cyf_cuda_batch_norm_finish(cyf_device *d, int64_t c, double n_total, const double *sums, double momentum,
                                      float *mean, float *inv_std, float *running_mean, float *running_var);
cyf_status cyf_cuda_batch_norm_running(cyf_device *d, int64_t c, const float *running_mean, const float *running_var,
                                       float *mean, float *inv_std);
cyf_status cyf_cuda_batch_norm_forward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *mean,
                                       const float *inv_std, const float *gamma, const float *beta, cyf_activation act,
                                       const float *slope, float *y);
cyf_status cyf_cuda_batch_norm_backward_sums(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                             const float *mean, const float *inv_std, const float *gamma,
                                             const float *beta, cyf_activation act, const float *slope, double *sums,
                                             float *d_slope);
cyf_status cyf_cuda_batch_norm_backward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                        const float *mean, const float *inv_std, const float *gamma, const float *beta,
                                        cyf_activation act, const float *slope, const double *sums, double n_total,
                                        float *d_x);
cyf_status cyf_cuda_batch_norm_param_grad(cyf_device *d, int64_t c, const double *sums, float *d_gamma, float *d_beta);
cyf_status cyf_cuda_layer_norm_silu_forward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *gamma,
                                            const float *beta, float *y, float *mean, float *inv_std);
cyf_status cyf_cuda_layer_norm_silu_backward(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                             const float *gamma, const float *beta, const float *mean,
                                             const float *inv_std, float *d_x, float *d_gamma, float *d_beta);

cyf_status cyf_cuda_silu_forward(cyf_device *d, int64_t count, const float *x, float *y);
cyf_status cyf_cuda_silu_backward(cyf_device *d, int64_t count, const float *x, const float *d_y, bool accumulate,
                                  float *d_x);
cyf_status cyf_cuda_add_rows(cyf_device *d, int64_t n, int64_t c, const float *table, const int32_t *row, float *y);
cyf_status cyf_cuda_sum_rows(cyf_device *d, int64_t n, int64_t c, const float *d_y, const int32_t *row, int64_t n_rows,
                             float *d_table);
cyf_status cyf_cuda_axpy(cyf_device *d, int64_t count, double alpha, const float *x, float *y);
cyf_status cyf_cuda_scale(cyf_device *d, int64_t count, double alpha, float *y);
cyf_status cyf_cuda_l2_normalize_forward(cyf_device *d, int64_t n, int64_t c, const float *x, float *y, float *norm);
cyf_status cyf_cuda_l2_normalize_backward(cyf_device *d, int64_t n, int64_t c, const float *y, const float *norm,
                                          const float *d_y, float *d_x);

cyf_status cyf_cuda_dropout(cyf_device *d, int64_t n, int64_t c, const float *x, double rate, cyf_rng_key key,
                            uint32_t step, const int64_t *position, float *y);
cyf_status cyf_cuda_fill_normal(cyf_device *d, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                                const int64_t *position, int64_t first_position, float *out);
cyf_status cyf_cuda_fill_timesteps(cyf_device *d, int64_t n, cyf_rng_key key, uint32_t step, const int64_t *position,
                                   int32_t least, int32_t bound, int32_t *out);

cyf_status cyf_cuda_squared_error(cyf_device *d, int64_t count, const float *prediction, const float *target,
                                  double scale, double *ret_sum, float *d_prediction);
cyf_status cyf_cuda_cross_entropy(cyf_device *d, int64_t n, int64_t classes, const float *logits, const int32_t *label,
                                  const float *class_weight, double scale, double *ret_sum_loss, double *ret_sum_weight,
                                  int64_t *ret_n_correct, int64_t *ret_n_labelled, float *d_logits);
cyf_status cyf_cuda_log_prob_grad(cyf_device *d, int64_t n, int64_t classes, const float *logits, const int32_t *label,
                                  const float *w, float *d_logits);

cyf_status cyf_cuda_q_sample(cyf_device *d, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                             const int64_t *position, const float *x0, const int32_t *t, const float *signal,
                             const float *noise_level, float *eps, float *x_t);
cyf_status cyf_cuda_ddpm_step(cyf_device *d, int64_t count, const cyf_reverse_step *s, const float *x, const float *eps,
                              const float *guidance, const float *noise, float *x_prev);
cyf_status cyf_cuda_ddim_step(cyf_device *d, int64_t count, const cyf_reverse_step *s, const float *x, const float *eps,
                              const float *guidance, const float *noise, float *x_prev);
cyf_status cyf_cuda_multistep_step(cyf_device *d, int64_t count, const cyf_multistep *s, const float *x,
                                   const float *eps, const float *guidance, float *x0_before, float *x_prev);
cyf_status cyf_cuda_free_guidance(cyf_device *d, int64_t n, int64_t c, const float *base, const float *conditioned,
                                  const float *weight, float *eps);
cyf_status cyf_cuda_time_embedding(cyf_device *d, int64_t n_rows, int64_t width, const int32_t *t, float *out);

cyf_status cyf_cuda_square_sum(cyf_device *d, int64_t count, const float *x, double *sum);
cyf_status cyf_cuda_adamw(cyf_device *d, int64_t count, const cyf_adamw *settings, float *parameter, float *gradient,
                          float *first_moment, float *second_moment, float *ema, double ema_decay);
cyf_status cyf_cuda_csr_counts(cyf_device *d, const cyf_csr *cells, const float *total, double target_sum,
                               float *counts);
cyf_status cyf_cuda_library_nll(cyf_device *d, int64_t n, const float *head, const float *total, double scale,
                                double *ret_sum_nll, float *d_head);
cyf_status cyf_cuda_library_size(cyf_device *d, int64_t n, const float *head, const float *normal, float *size);
cyf_status cyf_cuda_softmax_rows(cyf_device *d, int64_t n, int64_t c, const float *size, float *y);
cyf_status cyf_cuda_nb_draw(cyf_device *d, int64_t n, int64_t c, const float *mean, const float *log_theta,
                            cyf_rng_key key, const int64_t *position, int64_t first_position, float *counts);

#ifdef __cplusplus
}
#endif

#endif
