/* SPDX-License-Identifier: MIT */
/* The operations of the fenced device: the CPU's, once each argument is where it should be. */
#include "fence.h"

/* Within an operation: fails unless `pointer` is `count` elements of device memory. MAY also accepts NULL. */
#define IN(pointer, count) \
  if (status == CYF_OK) status = fence_check_device(f, slot, #pointer, pointer, sizeof *(pointer) * (size_t)(count))
#define MAY(pointer, count) \
  if (pointer) IN(pointer, count)
#define SPARSE(x) \
  if (status == CYF_OK) status = fence_check_csr(f, slot, x)
#define UNPACK(...) __VA_ARGS__
/* Defines a slot of the table, by its parameters behind d, the arguments of the CPU's operation behind the device, and
 * the checks. */
#define OPERATION(name, parameters, arguments, checks)                          \
  cyf_status fenced_##name(cyf_device *d, UNPACK parameters) {                  \
    fence *f = (fence *)d;                                                      \
    const char *slot = #name;                                                   \
    cyf_status status = CYF_OK;                                                 \
    fence_enter(f);                                                             \
    checks;                                                                     \
    if (status == CYF_OK) status = f->cpu->ops->name(f->cpu, UNPACK arguments); \
    fence_leave(f);                                                             \
    return status;                                                              \
  }
/* As OPERATION, for one that returns scalars: it puts them into local variables, which `late_scalars` then keeps. */
#define OPERATION_WITH_SCALARS(name, parameters, locals, arguments, checks, late_scalars) \
  cyf_status fenced_##name(cyf_device *d, UNPACK parameters) {                            \
    fence *f = (fence *)d;                                                                \
    const char *slot = #name;                                                             \
    cyf_status status = CYF_OK;                                                           \
    locals;                                                                               \
    fence_enter(f);                                                                       \
    checks;                                                                               \
    if (status == CYF_OK) status = f->cpu->ops->name(f->cpu, UNPACK arguments);           \
    fence_leave(f);                                                                       \
    late_scalars;                                                                         \
    return status;                                                                        \
  }
#define SCALAR(to, local)                                                                       \
  if (status == CYF_OK && (to)) {                                                               \
    status = fence_check_host(f, slot, #to, to);                                                \
    if (status == CYF_OK) status = fence_postpone(f, LATE_SCALAR, to, &(local), sizeof(local)); \
  }

/* clang-format off */
OPERATION(copy, (void *to, const void *from, size_t bytes), (to, from, bytes),
          IN((char *)to, bytes); IN((const char *)from, bytes))
OPERATION(zero, (void *memory, size_t bytes), (memory, bytes), IN((char *)memory, bytes))
OPERATION(csr_expand, (const cyf_compact *x, int64_t n, const int64_t *row, const int64_t *indptr, int64_t nnz, int32_t *indices,
                       float *values, float *counts), (x, n, row, indptr, nnz, indices, values, counts),
          IN(x->indptr, x->n_cells + 1); MAY(x->factor, x->n_cells); MAY(row, n); MAY(indptr, n + 1);
          const int64_t stored = status == CYF_OK ? x->indptr[x->n_cells] : 0;
          IN((const char *)x->indices, (size_t)stored * cyf_index_bytes(x->index_type));
          IN((const char *)x->counts, (size_t)stored * cyf_count_bytes(x->count_type));
          IN(indices, nnz); MAY(values, nnz); MAY(counts, nnz))
OPERATION_WITH_SCALARS(sparse_count, (int64_t n, int64_t c, const float *x, int64_t *indptr, int64_t *ret_n), int64_t n_odd = 0,
                       (n, c, x, indptr, &n_odd), IN(x, n * c); IN(indptr, n + 1), SCALAR(ret_n, n_odd))
OPERATION(sparse_fill, (int64_t n, int64_t c, const float *x, const int64_t *indptr, int32_t *indices, float *values),
          (n, c, x, indptr, indices, values), IN(x, n * c); IN(indptr, n + 1);
          const int64_t nnz = status == CYF_OK ? indptr[n] : 0; IN(indices, nnz); IN(values, nnz))
OPERATION(linear_forward, (int64_t n, int64_t in, int64_t out, const float *x, const float *w, const float *bias, bool accumulate, float *y),
          (n, in, out, x, w, bias, accumulate, y), IN(x, n * in); IN(w, out * in); MAY(bias, out); IN(y, n * out))
OPERATION(linear_input_grad, (int64_t n, int64_t in, int64_t out, const float *d_y, const float *w, bool accumulate, float *d_x),
          (n, in, out, d_y, w, accumulate, d_x), IN(d_y, n * out); IN(w, out * in); IN(d_x, n * in))
OPERATION(linear_weight_grad, (int64_t n, int64_t in, int64_t out, const float *x, const float *d_y, float *d_w, float *d_bias),
          (n, in, out, x, d_y, d_w, d_bias), IN(x, n * in); IN(d_y, n * out); IN(d_w, out * in); MAY(d_bias, out))
OPERATION(gene_linear_forward, (const cyf_csr *x, int64_t out, const float *w, const float *bias, float *y), (x, out, w, bias, y),
          SPARSE(x); IN(w, x->n_genes * out); IN(bias, out); IN(y, x->n_cells * out))
OPERATION(gene_linear_weight_grad, (const cyf_csr *x, int64_t out, const float *d_y, float *d_w, float *d_bias), (x, out, d_y, d_w, d_bias),
          SPARSE(x); IN(d_y, x->n_cells * out); IN(d_w, x->n_genes * out); IN(d_bias, out))
OPERATION_WITH_SCALARS(gene_mse, (cyf_gene_mode mode, const cyf_csr *x, int64_t hidden, const float *h, const float *w, const float *bias,
                                  double scale, double *ret_sum, float *d_h, float *d_w, float *d_bias), double sum = 0,
                       (mode, x, hidden, h, w, bias, scale, &sum, d_h, d_w, d_bias),
                       SPARSE(x); IN(h, x->n_cells * hidden); IN(w, x->n_genes * hidden); IN(bias, x->n_genes);
                       MAY(d_h, x->n_cells * hidden); MAY(d_w, x->n_genes * hidden); MAY(d_bias, x->n_genes), SCALAR(ret_sum, sum))
OPERATION_WITH_SCALARS(gene_nb, (const cyf_csr *x, const float *size, int64_t hidden, const float *h, const float *w, const float *bias,
                                 const float *log_theta, double scale, double *ret_sum, float *d_h, float *d_w, float *d_bias, float *d_log_theta),
                       double sum = 0, (x, size, hidden, h, w, bias, log_theta, scale, &sum, d_h, d_w, d_bias, d_log_theta),
                       SPARSE(x); IN(size, x->n_cells); IN(h, x->n_cells * hidden); IN(w, x->n_genes * hidden); IN(bias, x->n_genes);
                       IN(log_theta, x->n_genes); MAY(d_h, x->n_cells * hidden); MAY(d_w, x->n_genes * hidden); MAY(d_bias, x->n_genes);
                       MAY(d_log_theta, x->n_genes), SCALAR(ret_sum, sum))
OPERATION(csr_counts, (const cyf_csr *x, const float *total, double target_sum, float *counts), (x, total, target_sum, counts),
          SPARSE(x); IN(total, x->n_cells); const int64_t nnz = status == CYF_OK ? x->indptr[x->n_cells] : 0; IN(counts, nnz))
OPERATION(gene_decode, (int64_t n, int64_t hidden, int64_t genes, const float *h, const float *w, const float *bias, float *y),
          (n, hidden, genes, h, w, bias, y), IN(h, n * hidden); IN(w, genes * hidden); IN(bias, genes); IN(y, n * genes))
OPERATION(batch_norm_sums, (int64_t n, int64_t c, const float *x, double *sums), (n, c, x, sums), IN(x, n * c); IN(sums, 2 * c))
OPERATION(batch_norm_finish, (int64_t c, double n_total, const double *sums, double momentum, float *mean, float *inv_std, float *running_mean,
                              float *running_var), (c, n_total, sums, momentum, mean, inv_std, running_mean, running_var),
          IN(sums, 2 * c); IN(mean, c); IN(inv_std, c); MAY(running_mean, c); MAY(running_var, c))
OPERATION(batch_norm_running, (int64_t c, const float *running_mean, const float *running_var, float *mean, float *inv_std),
          (c, running_mean, running_var, mean, inv_std), IN(running_mean, c); IN(running_var, c); IN(mean, c); IN(inv_std, c))
OPERATION(batch_norm_forward, (int64_t n, int64_t c, const float *x, const float *mean, const float *inv_std, const float *gamma,
                               const float *beta, cyf_activation act, const float *slope, float *y),
          (n, c, x, mean, inv_std, gamma, beta, act, slope, y),
          IN(x, n * c); IN(mean, c); IN(inv_std, c); IN(gamma, c); IN(beta, c); MAY(slope, 1); IN(y, n * c))
OPERATION(batch_norm_backward_sums, (int64_t n, int64_t c, const float *x, const float *d_y, const float *mean, const float *inv_std,
                                     const float *gamma, const float *beta, cyf_activation act, const float *slope, double *sums, float *d_slope),
          (n, c, x, d_y, mean, inv_std, gamma, beta, act, slope, sums, d_slope),
          IN(x, n * c); IN(d_y, n * c); IN(mean, c); IN(inv_std, c); IN(gamma, c); IN(beta, c); MAY(slope, 1); IN(sums, 2 * c); MAY(d_slope, 1))
OPERATION(batch_norm_backward, (int64_t n, int64_t c, const float *x, const float *d_y, const float *mean, const float *inv_std,
                                const float *gamma, const float *beta, cyf_activation act, const float *slope, const double *sums,
                                double n_total, float *d_x), (n, c, x, d_y, mean, inv_std, gamma, beta, act, slope, sums, n_total, d_x),
          IN(x, n * c); IN(d_y, n * c); IN(mean, c); IN(inv_std, c); IN(gamma, c); IN(beta, c); MAY(slope, 1); MAY(sums, 2 * c); IN(d_x, n * c))
OPERATION(batch_norm_param_grad, (int64_t c, const double *sums, float *d_gamma, float *d_beta), (c, sums, d_gamma, d_beta),
          IN(sums, 2 * c); IN(d_gamma, c); IN(d_beta, c))
OPERATION(layer_norm_silu_forward, (int64_t n, int64_t c, const float *x, const float *gamma, const float *beta, float *y, float *mean,
                                    float *inv_std), (n, c, x, gamma, beta, y, mean, inv_std),
          IN(x, n * c); IN(gamma, c); IN(beta, c); IN(y, n * c); MAY(mean, n); MAY(inv_std, n))
OPERATION(layer_norm_silu_backward, (int64_t n, int64_t c, const float *x, const float *d_y, const float *gamma, const float *beta,
                                     const float *mean, const float *inv_std, float *d_x, float *d_gamma, float *d_beta),
          (n, c, x, d_y, gamma, beta, mean, inv_std, d_x, d_gamma, d_beta),
          IN(x, n * c); IN(d_y, n * c); IN(gamma, c); IN(beta, c); IN(mean, n); IN(inv_std, n); IN(d_x, n * c); MAY(d_gamma, c); MAY(d_beta, c))
OPERATION(silu_forward, (int64_t count, const float *x, float *y), (count, x, y), IN(x, count); IN(y, count))
OPERATION(silu_backward, (int64_t count, const float *x, const float *d_y, bool accumulate, float *d_x), (count, x, d_y, accumulate, d_x),
          IN(x, count); IN(d_y, count); IN(d_x, count))
OPERATION(add_rows, (int64_t n, int64_t c, const float *table, const int32_t *row, float *y), (n, c, table, row, y),
          IN(table, c); MAY(row, n); IN(y, n * c))
OPERATION(sum_rows, (int64_t n, int64_t c, const float *d_y, const int32_t *row, int64_t n_rows, float *d_table),
          (n, c, d_y, row, n_rows, d_table), IN(d_y, n * c); MAY(row, n); IN(d_table, n_rows * c))
OPERATION(axpy, (int64_t count, double alpha, const float *x, float *y), (count, alpha, x, y), IN(x, count); IN(y, count))
OPERATION(scale, (int64_t count, double alpha, float *y), (count, alpha, y), IN(y, count))
OPERATION(l2_normalize_forward, (int64_t n, int64_t c, const float *x, float *y, float *norm), (n, c, x, y, norm),
          IN(x, n * c); IN(y, n * c); MAY(norm, n))
OPERATION(l2_normalize_backward, (int64_t n, int64_t c, const float *y, const float *norm, const float *d_y, float *d_x),
          (n, c, y, norm, d_y, d_x), IN(y, n * c); IN(norm, n); IN(d_y, n * c); IN(d_x, n * c))
OPERATION(note_not_finite, (int64_t n, int64_t c, const float *x, int32_t age, int32_t *found), (n, c, x, age, found),
          IN(x, n * c); IN(found, n))
OPERATION(dropout, (int64_t n, int64_t c, const float *x, double rate, cyf_rng_key key, uint32_t step, const int64_t *position, float *y),
          (n, c, x, rate, key, step, position, y), IN(x, n * c); MAY(position, n); IN(y, n * c))
OPERATION(fill_normal, (int64_t n, int64_t c, cyf_rng_key key, uint32_t step, const int64_t *position, int64_t first, float *out),
          (n, c, key, step, position, first, out), MAY(position, n); IN(out, n * c))
OPERATION(fill_timesteps, (int64_t n, cyf_rng_key key, uint32_t step, const int64_t *position, int32_t least, int32_t bound, int32_t *out),
          (n, key, step, position, least, bound, out), MAY(position, n); IN(out, n))
OPERATION_WITH_SCALARS(squared_error, (int64_t count, const float *prediction, const float *target, double scale, double *ret_sum,
                                       float *d_prediction), double sum = 0, (count, prediction, target, scale, &sum, d_prediction),
                       IN(prediction, count); IN(target, count); MAY(d_prediction, count), SCALAR(ret_sum, sum))
OPERATION_WITH_SCALARS(cross_entropy, (int64_t n, int64_t classes, const float *logits, const int32_t *label, const float *class_weight,
                                       double scale, double *ret_loss, double *ret_weight, int64_t *ret_correct, int64_t *ret_labelled,
                                       float *d_logits), double loss = 0; double weight = 0; int64_t correct = 0; int64_t labelled = 0,
                       (n, classes, logits, label, class_weight, scale, &loss, &weight, &correct, &labelled, d_logits),
                       IN(logits, n * classes); IN(label, n); MAY(class_weight, classes); MAY(d_logits, n * classes),
                       SCALAR(ret_loss, loss) SCALAR(ret_weight, weight) SCALAR(ret_correct, correct) SCALAR(ret_labelled, labelled))
OPERATION(log_prob_grad, (int64_t n, int64_t classes, const float *logits, const int32_t *label, const float *w, float *d_logits),
          (n, classes, logits, label, w, d_logits), IN(logits, n * classes); IN(label, n); IN(w, n); IN(d_logits, n * classes))
OPERATION_WITH_SCALARS(library_nll, (int64_t n, const float *head, const float *total, double scale, double *ret_sum, float *d_head),
                       double sum = 0, (n, head, total, scale, &sum, d_head), IN(head, 2 * n); IN(total, n); MAY(d_head, 2 * n), SCALAR(ret_sum, sum))
OPERATION(library_size, (int64_t n, const float *head, const float *normal, float *size), (n, head, normal, size),
          IN(head, 2 * n); MAY(normal, n); IN(size, n))
OPERATION(softmax_rows, (int64_t n, int64_t c, const float *size, float *y), (n, c, size, y), MAY(size, n); IN(y, n * c))
OPERATION(nb_draw, (int64_t n, int64_t c, const float *mean, const float *log_theta, cyf_rng_key key, const int64_t *position, int64_t first,
                    float *counts), (n, c, mean, log_theta, key, position, first, counts),
          IN(mean, n * c); IN(log_theta, c); MAY(position, n); IN(counts, n * c))
OPERATION(q_sample, (int64_t n, int64_t c, cyf_rng_key key, uint32_t step, const int64_t *position, const float *x0, const int32_t *t,
                     const float *signal, const float *noise_level, float *eps, float *x_t),
          (n, c, key, step, position, x0, t, signal, noise_level, eps, x_t),
          MAY(position, n); IN(x0, n * c); IN(t, n); IN(signal, 1); IN(noise_level, 1); IN(eps, n * c); IN(x_t, n * c))
OPERATION(ddpm_step, (int64_t count, const cyf_reverse_step *s, const float *x, const float *eps, const float *guidance, const float *noise,
                      float *x_prev), (count, s, x, eps, guidance, noise, x_prev),
          IN(x, count); IN(eps, count); MAY(guidance, count); MAY(noise, count); IN(x_prev, count))
OPERATION(ddim_step, (int64_t count, const cyf_reverse_step *s, const float *x, const float *eps, const float *guidance, const float *noise,
                      float *x_prev), (count, s, x, eps, guidance, noise, x_prev),
          IN(x, count); IN(eps, count); MAY(guidance, count); MAY(noise, count); IN(x_prev, count))
OPERATION(multistep_step, (int64_t count, const cyf_multistep *s, const float *x, const float *eps, const float *guidance, float *before,
                           float *x_prev), (count, s, x, eps, guidance, before, x_prev),
          IN(x, count); IN(eps, count); MAY(guidance, count); IN(before, count); IN(x_prev, count))
OPERATION(free_guidance, (int64_t n, int64_t c, const float *base, const float *conditioned, const float *weight, float *eps),
          (n, c, base, conditioned, weight, eps), IN(base, n * c); IN(conditioned, n * c); IN(weight, n); IN(eps, n * c))
OPERATION(time_embedding, (int64_t n_rows, int64_t width, const int32_t *t, float *out), (n_rows, width, t, out),
          IN(t, n_rows); IN(out, n_rows * width))
OPERATION(square_sum, (int64_t count, const float *x, double *sum), (count, x, sum), IN(x, count); IN(sum, 1))
OPERATION(adamw, (int64_t count, const cyf_adamw *s, float *parameter, float *gradient, float *first, float *second, float *ema, double decay),
          (count, s, parameter, gradient, first, second, ema, decay),
          MAY(s->square_sum, 1); IN(parameter, count); IN(gradient, count); IN(first, count); IN(second, count); MAY(ema, count))
/* clang-format on */
