/* SPDX-License-Identifier: MIT */
/* Gene space by dense strips of cells: the first layer's products, and the losses of the last layer.
 *
 * On tensor cores the dense product with 28,231 genes is cheaper than gathering the 5 % of entries that are not zero.
 * For 8,192 cells and 1,024 outputs it takes 0.5 TFLOP, below a millisecond in bfloat16. A gather would move 50 GB
 * through the second-level cache. */
#include "kernels/cuda/cuda_gene.cuh"
#include "kernels/math/negative_binomial.h"

static bool is_bf16(const cyf_cuda_device *d) {
  return d->precision == CYF_PRECISION_BF16;
}
static bool is_tf32(const cyf_cuda_device *d) {
  return d->precision == CYF_PRECISION_TF32;
}
static int64_t operand_bytes(const cyf_cuda_device *d) {
  return is_bf16(d) ? (int64_t)sizeof(uint16_t) : (int64_t)sizeof(float);
}

/* ---- first layer ---- */

static cyf_status linear_forward(cyf_cuda_device *d, const cyf_csr *x, int64_t out, const float *w, const float *bias,
                                 float *y) {
  const int64_t n = x->n_cells, stride = cyf_strip_stride(x->n_genes), row_bytes = stride * operand_bytes(d);
  const int64_t strip = cyf_strip_cells(n, row_bytes, d->strip_bytes);
  cyf_cuda_operand w_operand;
  void *memory;
  if (n == 0) return CYF_OK;
  CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), x->n_genes, out, w, &w_operand));
  CYF_TRY(cyf_scratch_bytes(d->scratch, (size_t)(strip * row_bytes), &memory));
  for (int64_t first = 0; first < n; first += strip) {
    const int64_t cells = cyf_least(strip, n - first);
    const cyf_cuda_operand rows = cyf_cuda_dense_rows(d, x, first, cells, stride, is_bf16(d), memory);
    const cyf_cuda_product product = {cells,
                                      out,
                                      x->n_genes,
                                      rows,
                                      w_operand,
                                      1.0f,
                                      0.0f,
                                      y + first * out,
                                      out,
                                      bias,
                                      bias ? CYF_EPILOGUE_BIAS : CYF_EPILOGUE_NONE,
                                      is_tf32(d)};
    CYF_TRY(cyf_cuda_multiply(d, &product));
  }
  return CYF_OK;
}
cyf_status cyf_cuda_gene_linear_forward(cyf_device *device, const cyf_csr *x, int64_t out, const float *w_gene_major,
                                        const float *bias, float *y) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  return cyf_cuda_end(&op, linear_forward(op.d, x, out, w_gene_major, bias, y), "gene_linear_forward");
}

static cyf_status linear_weight_grad(cyf_cuda_device *d, const cyf_csr *x, int64_t out, const float *d_y, float *d_w,
                                     float *d_bias) {
  const int64_t n = x->n_cells, stride = cyf_strip_stride(x->n_genes), row_bytes = stride * operand_bytes(d);
  const int64_t strip = cyf_strip_cells(n, row_bytes, d->strip_bytes);
  void *memory;
  if (n == 0) return CYF_OK;
  CYF_TRY(cyf_scratch_bytes(d->scratch, (size_t)(strip * row_bytes), &memory));
  for (int64_t first = 0; first < n; first += strip) {
    const int64_t cells = cyf_least(strip, n - first);
    const size_t mark = cyf_scratch_mark(d->scratch);
    const cyf_cuda_operand rows = cyf_cuda_dense_rows(d, x, first, cells, stride, is_bf16(d), memory);
    cyf_cuda_operand gradient;
    CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), cells, out, d_y + first * out, &gradient));
    CYF_TRY(
        cyf_cuda_plain_product(d, x->n_genes, out, cells, 1.0, cyf_transposed(rows), gradient, 1.0, is_tf32(d), d_w));
    cyf_scratch_release(d->scratch, mark);
  }
  return d_bias ? cyf_add_column_sums(d, n, out, d_y, out, 1.0, d_bias) : CYF_OK;
}
cyf_status cyf_cuda_gene_linear_weight_grad(cyf_device *device, const cyf_csr *x, int64_t out, const float *d_y,
                                            float *d_w_gene_major, float *d_bias) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  return cyf_cuda_end(&op, linear_weight_grad(op.d, x, out, d_y, d_w_gene_major, d_bias), "gene_linear_weight_grad");
}

/* ---- losses ---- */

/* What one call of gene_mse or gene_nb works on. */
typedef struct gene_loss {
  const cyf_csr *target;
  int64_t hidden;
  const float *h, *w, *bias;
  const float *size, *theta; /* negative binomial; NULL: squared error */
  double factor;             /* of the gradients that the row kernels write */
  float *d_h, *d_w, *d_bias, *d_log_theta;
} gene_loss;

/* Replaces Y by Y - X and sums its squares, one block a row; residual (NULL: the strip itself) is the same in the
 * operands' type. Memory traffic is the least possible: Y is read once and the residual is written once. */
template <typename T>
__global__ void mse_rows(cyf_csr x, int64_t first, int64_t n, int64_t stride, float *y, T *residual, double *cell_sum) {
  for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
    float *row = y + i * stride;
    const int64_t end = x.indptr[first + i + 1];
    for (int64_t k = x.indptr[first + i] + threadIdx.x; k < end; k += CYF_BLOCK) row[x.indices[k]] -= x.values[k];
    __syncthreads();
    double sum = 0.0;
    for (int64_t j = threadIdx.x; j < x.n_genes; j += CYF_BLOCK) {
      sum += (double)row[j] * (double)row[j];
      if (residual) cyf_store(residual + i * stride + j, row[j]);
    }
    sum = cyf_block_sum(sum);
    if (threadIdx.x == 0) cell_sum[first + i] = sum;
  }
}

struct nb_rows_args {
  cyf_csr x;
  int64_t first, n, stride;
  const float *size, *theta, *y;
  float *by_log_theta; /* [strip] or NULL */
  double *cell_sum;
};

/* Takes every gene as if its count were zero, then corrects those with positive counts. The second pass needs Y again,
 * so the gradient goes to a strip of its own. Memory traffic is the least possible: Y is read once, and one or two
 * gradients are written once. */
template <typename T>
__global__ void nb_rows(nb_rows_args a, T *by_log_mu) {
  for (int64_t i = blockIdx.x; i < a.n; i += gridDim.x) {
    const float *y = a.y + i * a.stride, size = a.size[a.first + i];
    T *gradient = by_log_mu + i * a.stride;
    float *by_log_theta = a.by_log_theta ? a.by_log_theta + i * a.stride : NULL;
    double sum = 0.0;
    for (int64_t j = threadIdx.x; j < a.x.n_genes; j += CYF_BLOCK) {
      float nll, d_log_mu, d_log_theta;
      cyf_nb_zero(size * cyf_expf(y[j]), a.theta[j], &nll, &d_log_mu, &d_log_theta);
      sum += (double)nll;
      cyf_store(gradient + j, d_log_mu);
      if (by_log_theta) by_log_theta[j] = d_log_theta;
    }
    __syncthreads();
    const int64_t end = a.x.indptr[a.first + i + 1];
    for (int64_t k = a.x.indptr[a.first + i] + threadIdx.x; k < end; k += CYF_BLOCK) {
      const int64_t j = a.x.indices[k];
      const double count = a.x.values[k], mu = size * exp((double)y[j]);
      float zero_nll, zero_log_mu, zero_log_theta;
      double nll, d_log_mu, d_log_theta;
      if (count == 0.0) continue; /* a stored zero */
      cyf_nb_zero(size * cyf_expf(y[j]), a.theta[j], &zero_nll, &zero_log_mu, &zero_log_theta);
      cyf_nb_positive(count, mu, a.theta[j], &nll, &d_log_mu, &d_log_theta);
      sum += nll;
      cyf_store(gradient + j, zero_log_mu + (float)d_log_mu); /* made anew: bfloat16 would round twice */
      if (by_log_theta) by_log_theta[j] = zero_log_theta + (float)d_log_theta;
    }
    sum = cyf_block_sum(sum);
    if (threadIdx.x == 0) a.cell_sum[a.first + i] = sum;
  }
}

/* Buffers that are used for all strips. */
typedef struct loss_buffers {
  int64_t stride, strip;
  cyf_cuda_operand w;
  float *y, *by_log_theta;
  void *gradient; /* of the loss by Y, in the operands' type; the strip of Y itself where that can be */
  double *cell_sum;
} loss_buffers;

static cyf_status take_buffers(cyf_cuda_device *d, const gene_loss *l, loss_buffers *b) {
  const int64_t n = l->target->n_cells;
  const bool own_gradient = is_bf16(d) || l->theta;
  b->stride = cyf_strip_stride(l->target->n_genes);
  const int64_t row_bytes =
      b->stride * ((int64_t)sizeof(float) * (l->d_log_theta ? 2 : 1) + (own_gradient ? operand_bytes(d) : 0));
  b->strip = cyf_strip_cells(n, row_bytes, d->strip_bytes);
  CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), l->target->n_genes, l->hidden, l->w, &b->w));
  CYF_TRY(cyf_cuda_floats(d, b->strip * b->stride, &b->y));
  if (l->d_log_theta) CYF_TRY(cyf_cuda_floats(d, b->strip * b->stride, &b->by_log_theta));
  b->gradient = b->y;
  if (own_gradient) {
    CYF_TRY(cyf_scratch_bytes(d->scratch, (size_t)(b->strip * b->stride * operand_bytes(d)), &b->gradient));
  }
  return cyf_cuda_doubles(d, n, &b->cell_sum);
}

static void launch_rows(const cyf_cuda_device *d, const gene_loss *l, const loss_buffers *b, int64_t first, int64_t n) {
  const cyf_launch shape = cyf_launch_blocks(n);
  const bool wanted = l->d_h || l->d_w || l->d_bias;
  if (l->theta) {
    const nb_rows_args a = {*l->target, first, n, b->stride, l->size, l->theta, b->y, b->by_log_theta, b->cell_sum};
    if (is_bf16(d)) {
      CYF_LAUNCH(nb_rows<uint16_t>, shape, d->stream, a, (uint16_t *)b->gradient);
    } else {
      CYF_LAUNCH(nb_rows<float>, shape, d->stream, a, (float *)b->gradient);
    }
  } else {
    uint16_t *copy = is_bf16(d) && wanted ? (uint16_t *)b->gradient : NULL;
    CYF_LAUNCH(mse_rows<uint16_t>, shape, d->stream, *l->target, first, n, b->stride, b->y, copy, b->cell_sum);
  }
}

static cyf_status strip_gradients(cyf_cuda_device *d, const gene_loss *l, const loss_buffers *b,
                                  const cyf_cuda_operand &h, int64_t first, int64_t n) {
  const int64_t genes = l->target->n_genes, hidden = l->hidden;
  const cyf_cuda_operand gradient = {b->gradient, b->stride, is_bf16(d), false};
  if (l->d_h) {
    CYF_TRY(cyf_cuda_plain_product(d, n, hidden, genes, l->factor, gradient, b->w, 0.0, is_tf32(d),
                                   l->d_h + first * hidden));
  }
  if (l->d_w) {
    CYF_TRY(
        cyf_cuda_plain_product(d, genes, hidden, n, l->factor, cyf_transposed(gradient), h, 1.0, is_tf32(d), l->d_w));
  }
  if (l->d_bias && is_bf16(d)) {
    CYF_TRY(cyf_add_column_sums(d, n, genes, (const uint16_t *)b->gradient, b->stride, l->factor, l->d_bias));
  } else if (l->d_bias) {
    CYF_TRY(cyf_add_column_sums(d, n, genes, (const float *)b->gradient, b->stride, l->factor, l->d_bias));
  }
  if (!l->d_log_theta) return CYF_OK;
  return cyf_add_column_sums(d, n, genes, (const float *)b->by_log_theta, b->stride, l->factor, l->d_log_theta);
}

static cyf_status run_loss(cyf_cuda_device *d, const gene_loss *l, double *ret_sum) {
  const int64_t n = l->target->n_cells, genes = l->target->n_genes;
  loss_buffers b = {};
  void *slot;
  CYF_TRY(cyf_cuda_scalar(d, ret_sum, &slot));
  if (n > 0) CYF_TRY(take_buffers(d, l, &b));
  for (int64_t first = 0; first < n; first += b.strip) {
    const int64_t cells = cyf_least(b.strip, n - first);
    const size_t mark = cyf_scratch_mark(d->scratch);
    cyf_cuda_operand h;
    CYF_TRY(cyf_cuda_operand_of(d, is_bf16(d), cells, l->hidden, l->h + first * l->hidden, &h));
    const cyf_cuda_product output = {cells, genes, l->hidden, h,       cyf_transposed(b.w), 1.0f,
                                     0.0f,  b.y,   b.stride,  l->bias, CYF_EPILOGUE_BIAS,   is_tf32(d)};
    CYF_TRY(cyf_cuda_multiply(d, &output));
    launch_rows(d, l, &b, first, cells);
    CYF_TRY(strip_gradients(d, l, &b, h, first, cells));
    cyf_scratch_release(d->scratch, mark);
  }
  const cyf_from_doubles f = {b.cell_sum};
  const cyf_to_double finish = {(double *)slot};
  return cyf_launch_sum(d, n, f, finish);
}

/* AUTO is the dense form. On tensor cores it is the faster one. In float32 it is slower (for 8,192 cells, 28,231 genes
 * and 1,024 hidden units an estimated 28 ms against some 20). But it needs no look at the residual, for which the host
 * would have to wait. */
cyf_status cyf_cuda_gene_mse(cyf_device *device, cyf_gene_mode mode, const cyf_csr *target, int64_t hidden,
                             const float *h, const float *w, const float *bias, double scale, double *ret_sum_squared,
                             float *d_h, float *d_w, float *d_bias) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  const bool some = d_h || d_w || d_bias, all = d_h && d_w && d_bias;
  if (mode == CYF_GENE_GRAM && some == all) {
    return cyf_cuda_end(
        &op, cyf_cuda_gram_mse(op.d, target, hidden, h, w, bias, scale, ret_sum_squared, d_h, d_w, d_bias), "gene_mse");
  }
  const gene_loss loss = {target, hidden, h, w, bias, NULL, NULL, 2.0 * scale, d_h, d_w, d_bias, NULL};
  return cyf_cuda_end(&op, run_loss(op.d, &loss, ret_sum_squared), "gene_mse");
}

struct exponential {
  const float *x;
  float *to;
  __device__ void operator()(int64_t k) const { to[k] = expf(x[k]); }
};
cyf_status cyf_cuda_gene_nb(cyf_device *device, const cyf_csr *counts, const float *size, int64_t hidden,
                            const float *h, const float *w, const float *bias, const float *log_theta, double scale,
                            double *ret_sum_nll, float *d_h, float *d_w, float *d_bias, float *d_log_theta) {
  const cyf_cuda_op op = cyf_cuda_begin(device);
  float *theta;
  cyf_status status = cyf_cuda_floats(op.d, counts->n_genes, &theta);
  if (status == CYF_OK) {
    const exponential f = {log_theta, theta};
    const gene_loss loss = {counts, hidden, h, w, bias, size, theta, scale, d_h, d_w, d_bias, d_log_theta};
    cyf_launch_each_element(op.d, counts->n_genes, f);
    status = run_loss(op.d, &loss, ret_sum_nll);
  }
  return cyf_cuda_end(&op, status, "gene_nb");
}
