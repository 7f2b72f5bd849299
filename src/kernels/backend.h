/* SPDX-License-Identifier: MIT */
/** @file
 * The operation table: every numerical operation of cytoforge, once per backend.
 *
 * - Arrays are float32, row-major, in the device's memory; `n` counts cells (rows). Weight matrices are [out, in] as in
 *   PyTorch unless said. Sums that decide a value (losses, batch statistics) are double.
 * - "accumulate" adds to the output instead of replacing it. Gradient outputs named d_x are dLoss/dx.
 * - A call is queued behind the earlier ones (in the work queue) and may return before it is done. Structs passed by
 *   pointer (cyf_csr, cyf_adamw, ...) are read before it returns; the arrays they name are not.
 * - Scalars marked ret_ are host pointers. A backend may delay writing them until synchronize(), so they must live
 *   until then.
 * - Functions own nothing they are given. They return CYF_ERR_MEMORY or CYF_ERR_INTERNAL (a library or the GPU failed)
 *   only. Not collective.
 * - Thread-safe for distinct outputs. Inside an OpenMP parallel region each call runs on one thread. Its result then
 *   does not depend on n_threads.
 *
 * Formulas stand in kernels/math/. */
#ifndef CYF_KERNELS_BACKEND_H
#define CYF_KERNELS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"
#include "kernels/csr.h"
#include "kernels/device.h"

/** What follows a normalisation: nothing, PReLU with one slope, or SiLU (kernels/math/activation.h). */
typedef enum cyf_activation { CYF_IDENTITY, CYF_PRELU, CYF_SILU } cyf_activation;

/** How gene_mse computes: by Gram matrices or with the dense output. On the CPU, AUTO takes what its cost formula says
 * is cheaper. Where the residual is small, it takes the dense way: there gradients by Gram matrices would be off by
 * more than 1e-4 of the largest. On a GPU, AUTO is always the dense way. */
typedef enum cyf_gene_mode { CYF_GENE_AUTO, CYF_GENE_GRAM, CYF_GENE_DENSE } cyf_gene_mode;

/** AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019), in PyTorch's order of operations. */
typedef struct cyf_adamw {
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  int64_t step;          /**< 1 for the first update */
  double gradient_scale; /**< multiplies the gradient first; 1 for none */
  /** Clipping on the device, so that the host need not wait for the norm. square_sum (device scalar; NULL: no clipping
   * and no check) is the gradient's sum of squares: norm = sqrt(*square_sum) * gradient_scale. Where norm exceeds
   * clip_norm (0: never), the gradient is also scaled by clip_norm / norm. Where norm is not finite,
   * nothing changes, and the gradient stays to tell which tensor's it is. */
  const double *square_sum;
  double clip_norm;
} cyf_adamw;

/** The queues of a device: one of its operations, and one of transfers that go on beside them. On a device whose memory
 * is the host's there is nothing to overlap, and a call is done when it returns. */
typedef enum cyf_queue { CYF_QUEUE_WORK, CYF_QUEUE_COPY } cyf_queue;
typedef struct cyf_event cyf_event; /**< a place in a queue; the backend's own */
typedef struct cyf_graph cyf_graph; /**< a sequence of operations that is launched as one; the backend's own */

/** Host arrays up to this size are uploaded without waiting for earlier work (struct cyf_ops, upload). */
enum { CYF_UPLOAD_STAGED_BYTES = 1 << 20 };

/** One reverse step t -> previous, coefficients of the respaced schedule (double from model/diffusion/schedule.h).
 * x0 = sqrt_recip_alpha_bar * x - sqrt_recip_m1_alpha_bar * eps, clipped to [-1, 1] if clip.
 *
 * DDPM (Ho et al. 2020, eq. 7); noise is NULL at the last step:
 *     mean = mean_coef_x0 * x0 + mean_coef_xt * x + variance * guidance
 *     x_prev = mean + exp(0.5 * log_variance) * noise
 *
 * DDIM (Song et al. 2021, eq. 12; guidance per Dhariwal & Nichol 2021, alg. 2). x0 is taken from the new eps; where
 * it is clipped, eps is recomputed from it:
 *     eps -= sqrt(1 - alpha_bar) * guidance
 *     x_prev = sqrt(alpha_bar_prev) * x0 + sqrt(1 - alpha_bar_prev - sigma^2) * eps + sigma * noise */
typedef struct cyf_reverse_step {
  double alpha_bar, alpha_bar_prev;
  double sqrt_recip_alpha_bar, sqrt_recip_m1_alpha_bar;
  double mean_coef_x0, mean_coef_xt, variance, log_variance;
  double sigma;
  bool clip;
} cyf_reverse_step;

/** One step s -> t of DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, alg. 2), coefficients in double from
 * model/diffusion/multistep.h. eps -= sqrt_one_minus_alpha_bar * guidance; x0 as above, clipped if clip;
 * x_prev = coef_x * x + coef_x0 * x0 + coef_x0_before * (x0 of the step before). */
typedef struct cyf_multistep {
  double sqrt_one_minus_alpha_bar, sqrt_recip_alpha_bar, sqrt_recip_m1_alpha_bar;
  double coef_x, coef_x0, coef_x0_before; /**< the last is 0 where a step is of first order */
  bool clip;
} cyf_multistep;

struct cyf_ops {
  const char *name; /**< "cpu" or "cuda" */

  /* ---- memory ---- */
  cyf_status (*alloc)(cyf_device *d, size_t bytes, void **ret_memory); /**< zeroed, 64-byte aligned; for either queue */
  void (*free)(cyf_device *d, void *memory); /**< takes effect after all calls made so far in either queue; NULL-safe */
  /** Bytes that allocations could still take; 0: no limit known (the host's own memory). */
  size_t (*free_bytes)(cyf_device *d);
  /** Host memory that the device can read by itself (page-locked with CUDA): zeroed, 64-byte aligned. */
  cyf_status (*alloc_host)(cyf_device *d, size_t bytes, void **ret_memory);
  void (*free_host)(cyf_device *d, void *memory); /**< NULL-safe */
  /** Host to device, in the work queue. `host` is any memory and has been read when the call returns. Up to
   * CYF_UPLOAD_STAGED_BYTES the call does not wait for earlier work, as a backend first copies them to page-locked
   * memory of its own; more may wait. */
  cyf_status (*upload)(cyf_device *d, void *device_memory, const void *host, size_t bytes);
  /** Device to host, in the work queue. `host` has been written when a later synchronize() returns. For memory of
   * alloc_host this also holds once event_synchronize has returned for an event recorded in the work queue after the
   * call. Until then `host` must live and stay untouched. The call never waits if `host` is memory of alloc_host, and
   * may wait otherwise. */
  cyf_status (*download)(cyf_device *d, void *host, const void *device_memory, size_t bytes);
  cyf_status (*copy)(cyf_device *d, void *to, const void *from, size_t bytes); /**< device to device */
  cyf_status (*zero)(cyf_device *d, void *memory, size_t bytes);
  /** Waits until all earlier calls of both queues are done and all ret_ scalars are written. */
  cyf_status (*synchronize)(cyf_device *d);

  /* ---- transfers beside the work ---- */
  /** Host to device, in the copy queue. `host` is memory of alloc_host. Until an event recorded later in the copy queue
   * is reached, `host` must not change and device_memory must not be used. */
  cyf_status (*upload_async)(cyf_device *d, void *device_memory, const void *host, size_t bytes);
  /** Makes an event, which counts as reached until it is recorded. Thread-safe; only one thread at a time may use an
   * event. */
  cyf_status (*event_create)(cyf_device *d, cyf_event **ret_event);
  void (*event_destroy)(cyf_device *d, cyf_event *event); /**< NULL-safe; only once the event is reached */
  /** The event is reached when all calls made so far in this queue are done. It may be recorded again and again. */
  cyf_status (*event_record)(cyf_device *d, cyf_queue queue, cyf_event *event);
  /** Calls made from now on in this queue start once the event, as last recorded, is reached. The host does not wait.
   */
  cyf_status (*event_await)(cyf_device *d, cyf_queue queue, cyf_event *event);
  /** The host waits until the event is reached. ret_ scalars are not written by this. */
  cyf_status (*event_synchronize)(cyf_device *d, cyf_event *event);

  /* ---- graphs ---- */
  /** Operations between graph_begin and graph_end are recorded, and graph_end launches them as one graph. This saves
   * the gaps between small kernels.
   *
   * The operations are called as usual every time, with their present arguments. *graph (NULL at first; the caller
   * keeps and destroys it) is the graph of the time before. Where only arguments differ (step numbers, coefficients,
   * addresses), a backend replaces these in it; where operations or shapes differ, it builds the graph anew. So nothing
   * that an operation needs has to live in device memory for the sake of the graph. The first pass (*graph NULL) runs
   * without being recorded and warms up libraries and scratch.
   *
   * Allowed in between: operations of the work queue from the sections below, copy, zero, and alloc (a scratch may
   * grow). Not allowed: free, upload, download, events, synchronize and a second graph. ret_ scalars are written as
   * ever. The device belongs to the calling thread until graph_end; others wait.
   *
   * A backend may also run the operations directly; the CUDA backend does so with CYTOFORGE_GRAPHS=0 in the
   * environment. launch false: an operation failed, and what was recorded is dropped. */
  cyf_status (*graph_begin)(cyf_device *d, cyf_graph **graph);
  cyf_status (*graph_end)(cyf_device *d, cyf_graph **graph, bool launch);
  void (*graph_destroy)(cyf_device *d, cyf_graph *graph); /**< NULL-safe */

  /* ---- cells as they are stored ---- */
  /** Turns rows of a compact matrix into the sparse rows that the operations on gene space take. Output row i < n is
   * x's row row[i] (row NULL: row i). It lies at [indptr[i], indptr[i + 1]) of the outputs (indptr NULL: x->indptr,
   * only with row NULL). indices: gene indices. values (NULL: not wanted): log1p(count * factor of the cell), or the
   * stored number where x->factor is NULL. counts (NULL: not wanted): the stored number. nnz: entries written in all.
   * The CPU's results are bit for bit what the loader makes on the host. */
  cyf_status (*csr_expand)(cyf_device *d, const cyf_compact *x, int64_t n, const int64_t *row, const int64_t *indptr,
                           int64_t nnz, int32_t *indices, float *values, float *counts);
  /** The positive entries of x[n,c] as sparse rows, in two calls; in between the caller allocates the outputs.
   * sparse_count writes indptr[n + 1], from 0, and in *ret_n_not_finite how many entries are NaN or infinite.
   * sparse_fill writes indices, ascending in a row, and values. */
  cyf_status (*sparse_count)(cyf_device *d, int64_t n, int64_t c, const float *x, int64_t *indptr,
                             int64_t *ret_n_not_finite);
  cyf_status (*sparse_fill)(cyf_device *d, int64_t n, int64_t c, const float *x, const int64_t *indptr,
                            int32_t *indices, float *values);

  /* ---- dense linear layers ---- */
  /** y[n,out] (+)= x[n,in] W[out,in]' + bias[out] (bias NULL: none). */
  cyf_status (*linear_forward)(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *x, const float *w,
                               const float *bias, bool accumulate, float *y);
  /** d_x[n,in] (+)= d_y[n,out] W[out,in]. */
  cyf_status (*linear_input_grad)(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *d_y, const float *w,
                                  bool accumulate, float *d_x);
  /** d_w[out,in] += d_y' x; d_bias[out] += column sums of d_y (d_bias NULL: skipped). Always accumulates. */
  cyf_status (*linear_weight_grad)(cyf_device *d, int64_t n, int64_t in, int64_t out, const float *x, const float *d_y,
                                   float *d_w, float *d_bias);

  /* ---- gene space: a sparse batch against matrices with one row a gene ---- */
  /** y[n,out] = X W + bias, X sparse [n,genes], W gene-major [genes,out] (the transpose of PyTorch's weight). */
  cyf_status (*gene_linear_forward)(cyf_device *d, const cyf_csr *x, int64_t out, const float *w_gene_major,
                                    const float *bias, float *y);
  /** d_w[genes,out] += X' d_y; d_bias[out] += column sums of d_y. */
  cyf_status (*gene_linear_weight_grad)(cyf_device *d, const cyf_csr *x, int64_t out, const float *d_y,
                                        float *d_w_gene_major, float *d_bias);
  /** The last linear layer and its squared error against a sparse target X [n,genes] at once, with Y = h[n,hidden]
   * W[genes,hidden]' + bias[genes]. *ret_sum_squared = sum over cells and genes of (Y - X)^2 (double). Gradients of
   * scale * that sum: d_h[n,hidden] is replaced; d_w[genes,hidden], d_bias[genes] are added to. d_h, d_w, d_bias all
   * NULL: the value only. Sums are double. The Gram form multiplies in float32 whatever the device's precision, since
   * it subtracts large terms. */
  cyf_status (*gene_mse)(cyf_device *d, cyf_gene_mode mode, const cyf_csr *target, int64_t hidden, const float *h,
                         const float *w, const float *bias, double scale, double *ret_sum_squared, float *d_h,
                         float *d_w, float *d_bias);
  /** The same for a negative binomial over raw counts: mean = size[n] * exp(Y) (size: counts a cell), inverse
   * dispersion theta[gene] = exp(log_theta[gene]). *ret_sum_nll = - sum log NB(x; mean, theta), double. Gradients of
   * scale * that sum as above, and d_log_theta[genes] added to. */
  cyf_status (*gene_nb)(cyf_device *d, const cyf_csr *counts, const float *size, int64_t hidden, const float *h,
                        const float *w, const float *bias, const float *log_theta, double scale, double *ret_sum_nll,
                        float *d_h, float *d_w, float *d_bias, float *d_log_theta);
  /** Recovers counts from log-normalised values: counts[k] = round((exp(value[k]) - 1) total / target_sum) for entry k,
   * with total[n] the cells' sums. Exact for counts below 2^16. */
  cyf_status (*csr_counts)(cyf_device *d, const cyf_csr *cells, const float *total, double target_sum, float *counts);
  /** y[n,genes] = max(0, h[n,hidden] W[genes,hidden]' + bias[genes]), dense: decoding, for few cells at a time. NaN
   * stays NaN. */
  cyf_status (*gene_decode)(cyf_device *d, int64_t n, int64_t hidden, int64_t genes, const float *h, const float *w,
                            const float *bias, float *y);

  /* ---- batch norm + activation (eps 1e-5) ---- */
  /** sums[0:c] = column sums of x[n,c], sums[c:2c] = column sums of x^2; double, replaced. */
  cyf_status (*batch_norm_sums)(cyf_device *d, int64_t n, int64_t c, const float *x, double *sums);
  /** From sums over n_total cells: mean[c], inv_std[c] (biased variance + 1e-5), and, if running_mean is not NULL,
   * running statistics += momentum * (new - old), the running variance unbiased (n/(n-1)). */
  cyf_status (*batch_norm_finish)(cyf_device *d, int64_t c, double n_total, const double *sums, double momentum,
                                  float *mean, float *inv_std, float *running_mean, float *running_var);
  /** mean/inv_std[c] from running statistics, for inference. */
  cyf_status (*batch_norm_running)(cyf_device *d, int64_t c, const float *running_mean, const float *running_var,
                                   float *mean, float *inv_std);
  /** y[n,c] = act(gamma * (x - mean) * inv_std + beta); slope: PReLU's one slope (device scalar), else NULL. y may be
   * x.
   */
  cyf_status (*batch_norm_forward)(cyf_device *d, int64_t n, int64_t c, const float *x, const float *mean,
                                   const float *inv_std, const float *gamma, const float *beta, cyf_activation act,
                                   const float *slope, float *y);
  /** With z = gamma*xhat+beta, d_z = act'(z) d_y: sums[0:c] = column sums of d_z, sums[c:2c] = of d_z*xhat (double,
   * replaced); *d_slope (device scalar, NULL unless PReLU) += sum d_y * z where z <= 0. */
  cyf_status (*batch_norm_backward_sums)(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                         const float *mean, const float *inv_std, const float *gamma, const float *beta,
                                         cyf_activation act, const float *slope, double *sums, float *d_slope);
  /** d_x = gamma*inv_std*(d_z - sums_z/n_total - xhat*sums_zx/n_total). sums NULL: statistics were constants
   * (inference). d_x may be d_y. */
  cyf_status (*batch_norm_backward)(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                    const float *mean, const float *inv_std, const float *gamma, const float *beta,
                                    cyf_activation act, const float *slope, const double *sums, double n_total,
                                    float *d_x);
  /** d_gamma[c] += sums[c:2c], d_beta[c] += sums[0:c]. The sums are those of this rank's cells only, since gradients
   * are summed over ranks later. */
  cyf_status (*batch_norm_param_grad)(cyf_device *d, int64_t c, const double *sums, float *d_gamma, float *d_beta);

  /* ---- layer norm + SiLU (eps 1e-5) ---- */
  /** y[n,c] = silu(gamma*(x-mean_row)*inv_std_row+beta); mean, inv_std [n] are kept for the backward pass (NULL: not).
   * y may be x only if there is no backward pass. */
  cyf_status (*layer_norm_silu_forward)(cyf_device *d, int64_t n, int64_t c, const float *x, const float *gamma,
                                        const float *beta, float *y, float *mean, float *inv_std);
  /** d_x[n,c] replaced (may be d_y); d_gamma[c], d_beta[c] += (NULL, NULL: skipped). */
  cyf_status (*layer_norm_silu_backward)(cyf_device *d, int64_t n, int64_t c, const float *x, const float *d_y,
                                         const float *gamma, const float *beta, const float *mean, const float *inv_std,
                                         float *d_x, float *d_gamma, float *d_beta);

  /* ---- small things ---- */
  /** y = silu(x); d_x (+)= silu'(x) d_y. `count` elements. */
  cyf_status (*silu_forward)(cyf_device *d, int64_t count, const float *x, float *y);
  cyf_status (*silu_backward)(cyf_device *d, int64_t count, const float *x, const float *d_y, bool accumulate,
                              float *d_x);
  /** y[i,:] += table[row[i],:], table [n_rows,c]; row NULL: row 0 for every cell. */
  cyf_status (*add_rows)(cyf_device *d, int64_t n, int64_t c, const float *table, const int32_t *row, float *y);
  /** d_table[n_rows,c] = for each row the sum of d_y over the cells with that row (replaced). */
  cyf_status (*sum_rows)(cyf_device *d, int64_t n, int64_t c, const float *d_y, const int32_t *row, int64_t n_rows,
                         float *d_table);
  /** y += alpha * x. */
  cyf_status (*axpy)(cyf_device *d, int64_t count, double alpha, const float *x, float *y);
  /** y *= alpha. */
  cyf_status (*scale)(cyf_device *d, int64_t count, double alpha, float *y);
  /** Scales rows to unit L2 norm; a norm below 1e-12 counts as that (torch.nn.functional.normalize). A row whose norm
   * is beyond float32 becomes NaN. norm[n]: the norms (NULL: not wanted). y may be x. */
  cyf_status (*l2_normalize_forward)(cyf_device *d, int64_t n, int64_t c, const float *x, float *y, float *norm);
  /** Notes the rows of x[n,c] that have a NaN or an infinity: found[i] (device, [n]) becomes 1 where it was 0 and row i
   * is such a row. Where it was not 0, it grows by `age`, whatever the row is now. So with one call of age 1 a step,
   * found[i] counts the steps since the row was first found, that one included. */
  cyf_status (*note_not_finite)(cyf_device *d, int64_t n, int64_t c, const float *x, int32_t age, int32_t *found);
  /** d_x from the normalised y, norm and d_y; d_x may be d_y. */
  cyf_status (*l2_normalize_backward)(cyf_device *d, int64_t n, int64_t c, const float *y, const float *norm,
                                      const float *d_y, float *d_x);
  /** y = x * mask / (1 - rate); the mask of element j of cell i is word j%4 of Philox block j/4 at position[i]
   * (position NULL: i). Forward and backward are the same call. y may be x. */
  cyf_status (*dropout)(cyf_device *d, int64_t n, int64_t c, const float *x, double rate, cyf_rng_key key,
                        uint32_t step, const int64_t *position, float *y);

  /* ---- random numbers (integer-equal in every backend) ---- */
  /** Standard normals: elements 4b..4b+3 of cell i are Box-Muller of words (0,1) and (2,3) of Philox block b at
   * (step, position[i]); position NULL: first_position + i. */
  cyf_status (*fill_normal)(cyf_device *d, int64_t n, int64_t c, cyf_rng_key key, uint32_t step,
                            const int64_t *position, int64_t first_position, float *out);
  /** Uniform integers in [least, bound): word 0 of block 0 at (step, position[i]). */
  cyf_status (*fill_timesteps)(cyf_device *d, int64_t n, cyf_rng_key key, uint32_t step, const int64_t *position,
                               int32_t least, int32_t bound, int32_t *out);

  /* ---- losses ---- */
  /** *ret_sum = sum (prediction - target)^2 (double); d_prediction (may be NULL) = 2 * scale * (prediction - target).
   */
  cyf_status (*squared_error)(cyf_device *d, int64_t count, const float *prediction, const float *target, double scale,
                              double *ret_sum, float *d_prediction);
  /** Softmax cross-entropy. label[n], -1: skipped (zero gradient). class_weight[classes] or NULL (ones).
   * *ret_sum_loss = sum weight*(-log p(label)), *ret_sum_weight = sum of weights of labelled cells, *ret_n_correct =
   * number of labelled cells whose argmax is the label, *ret_n_labelled; any may be NULL. d_logits (may be NULL) =
   * scale * weight * (p - onehot). */
  cyf_status (*cross_entropy)(cyf_device *d, int64_t n, int64_t classes, const float *logits, const int32_t *label,
                              const float *class_weight, double scale, double *ret_sum_loss, double *ret_sum_weight,
                              int64_t *ret_n_correct, int64_t *ret_n_labelled, float *d_logits);
  /** d_logits[n,classes] += w[i] * (onehot(label[i]) - softmax(logits)): the gradient of sum_i w[i] log p(label[i]);
   * label -1: nothing. */
  cyf_status (*log_prob_grad)(cyf_device *d, int64_t n, int64_t classes, const float *logits, const int32_t *label,
                              const float *w, float *d_logits);

  /* ---- counts ---- */
  /** A cell's total count as log-normal: head[n,2] = mean and log standard deviation of log total
   * (kernels/math/library.h). *ret_sum_nll = - sum log p(total[i]), double; cells with total 0 are skipped. d_head[n,2]
   * (may be NULL) = scale * its gradient, replaced. */
  cyf_status (*library_nll)(cyf_device *d, int64_t n, const float *head, const float *total, double scale,
                            double *ret_sum_nll, float *d_head);
  /** size[n] = exp(mean + deviation * normal[i]); normal NULL: the median, exp(mean). */
  cyf_status (*library_size)(cyf_device *d, int64_t n, const float *head, const float *normal, float *size);
  /** y[i,:] = size[i] * softmax(y[i,:]), in place on y[n,c]; size NULL: ones. */
  cyf_status (*softmax_rows)(cyf_device *d, int64_t n, int64_t c, const float *size, float *y);
  /** Draws counts[n,c] from the negative binomial of mean[n,c] and theta[j] = exp(log_theta[j]) by inversion. Element j
   * of cell i takes 53 bits of Philox block j/2 at (piece, position[i]); position NULL: first_position + i. The pieces,
   * counted from 0, are those of cyf_nb_draw (kernels/math/negative_binomial.h). NaN where the mean is not finite.
   * counts may be mean. */
  cyf_status (*nb_draw)(cyf_device *d, int64_t n, int64_t c, const float *mean, const float *log_theta, cyf_rng_key key,
                        const int64_t *position, int64_t first_position, float *counts);

  /* ---- diffusion ---- */
  /** Draws from q(x_t | x_0) (Ho et al. 2020, eq. 4): eps[n,c] are the normals that fill_normal makes of key, step and
   * position (NULL: i), and x_t[i,:] = signal[t[i]] * x0[i,:] + noise_level[t[i]] * eps[i,:]; tables of T floats. */
  cyf_status (*q_sample)(cyf_device *d, int64_t n, int64_t c, cyf_rng_key key, uint32_t step, const int64_t *position,
                         const float *x0, const int32_t *t, const float *signal, const float *noise_level, float *eps,
                         float *x_t);
  /** One reverse step over `count` elements; guidance and noise may be NULL. x_prev may be x. */
  cyf_status (*ddpm_step)(cyf_device *d, int64_t count, const cyf_reverse_step *s, const float *x, const float *eps,
                          const float *guidance, const float *noise, float *x_prev);
  cyf_status (*ddim_step)(cyf_device *d, int64_t count, const cyf_reverse_step *s, const float *x, const float *eps,
                          const float *guidance, const float *noise, float *x_prev);
  /** One DPM-Solver++(2M) step over `count` elements; guidance may be NULL. x0_before[count]: the predicted x_0 of the
   * step before on entry (finite, whatever its coefficient), this step's on return. x_prev may be x. */
  cyf_status (*multistep_step)(cyf_device *d, int64_t count, const cyf_multistep *s, const float *x, const float *eps,
                               const float *guidance, float *x0_before, float *x_prev);
  /** Classifier-free guidance (Ho & Salimans 2021): eps[i,:] += weight[i] * (conditioned[i,:] - base[i,:]), all [n,c].
   */
  cyf_status (*free_guidance)(cyf_device *d, int64_t n, int64_t c, const float *base, const float *conditioned,
                              const float *weight, float *eps);
  /** Sinusoidal embedding of timesteps, [n_rows, width] = [cos(t f_j), sin(t f_j)], f_j = 10000^(-j/(width/2)); an odd
   * last column is 0. */
  cyf_status (*time_embedding)(cyf_device *d, int64_t n_rows, int64_t width, const int32_t *t, float *out);

  /* ---- optimiser ---- */
  /** *sum (device scalar, replaced) = sum of squares of x[count]; adamw clips by it and checks that it is finite. */
  cyf_status (*square_sum)(cyf_device *d, int64_t count, const float *x, double *sum);
  /** AdamW over flat arrays; ema (may be NULL) <- decay*ema + (1-decay)*parameter afterwards; the gradient is set to
   * zero. */
  cyf_status (*adamw)(cyf_device *d, int64_t count, const cyf_adamw *settings, float *parameter, float *gradient,
                      float *first_moment, float *second_moment, float *ema, double ema_decay);
};

#endif
