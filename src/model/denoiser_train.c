/* SPDX-License-Identifier: MIT */
/* The denoiser's training step. */
#include "base/memory.h"
#include "model/denoiser.h"
#include "model/denoiser_internal.h"

/* d_y[n, width] -> d_z[n, width] through LayerNorm and SiLU, adding the norm's gradients. d_z may be d_y. */
static cyf_status normalize_backward(const cyf_denoiser *m, const cyf_layer_norm *norm, int64_t n,
                                     const cyf_denoiser_saved *saved, const float *d_y, float *d_z) {
  cyf_device *d = m->parameters.device;
  const float *value = m->parameters.value;
  float *gradient = m->parameters.gradient;
  CYF_TRY(d->ops->layer_norm_silu_backward(d, n, norm->width, saved->z, d_y, value + norm->gamma, value + norm->beta,
                                           saved->mean, saved->inv_std, d_z, gradient + norm->gamma,
                                           gradient + norm->beta));
  return cyf_layer_norm_ready(&m->parameters, norm);
}

/* One block: d_y[n, out] is left as it is, d_x[n, in] (+)= its input's gradient (NULL: not wanted), d_active += the
 * gradient of the timesteps' embedding. */
static cyf_status block_backward(const cyf_denoiser *m, const cyf_denoiser_block *block,
                                 const cyf_denoiser_state *state, int64_t n, const cyf_denoiser_saved *saved,
                                 const float *x, const float *d_y, bool accumulate, float *d_x, float *d_active) {
  cyf_scratch *scratch = m->scratch;
  const size_t mark = cyf_scratch_mark(scratch);
  float *d_z = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * block->fc.out, &d_z));
  CYF_TRY(normalize_backward(m, &block->norm, n, saved, d_y, d_z));
  CYF_TRY(
      cyf_time_add_backward(&m->parameters, &block->time, &state->rows.time, &state->time, scratch, n, d_z, d_active));
  CYF_TRY(cyf_denoiser_labels_backward(m, block, state, scratch, n, d_z));
  CYF_TRY(cyf_linear_backward(&m->parameters, &block->fc, n, x, d_z, accumulate, d_x));
  cyf_scratch_release(scratch, mark);
  return CYF_OK;
}

/* All blocks, from d_up, the gradient of the last `up` block's output. The output of a `down` block goes into the next
 * block and into the sum of an `up` block. So its gradient starts as that sum's, and the next block adds its own. */
static cyf_status blocks_backward(const cyf_denoiser *m, const cyf_denoiser_state *state, int64_t n, const float *x_t,
                                  float *d_up, float *d_active) {
  const int last = m->config.n_hidden - 1;
  float *d_down[CYF_HIDDEN_MAX] = {NULL};
  float *d_y = d_up;
  for (int i = last - 1; i >= 0; i--) {
    const float *x = i > 0 ? state->up[i - 1].y : state->down[last].y;
    float *d_x = NULL;
    d_down[last - 1 - i] = d_y;
    CYF_TRY(cyf_scratch_floats(m->scratch, n * m->up[i].fc.in, &d_x));
    CYF_TRY(block_backward(m, &m->up[i], state, n, &state->up[i], x, d_y, false, d_x, d_active));
    d_y = d_x;
  }
  d_down[last] = d_y;
  for (int i = last; i > 0; i--) {
    CYF_TRY(block_backward(m, &m->down[i], state, n, &state->down[i], state->down[i - 1].y, d_down[i], true,
                           d_down[i - 1], d_active));
  }
  return block_backward(m, &m->down[0], state, n, &state->down[0], x_t, d_down[0], false, NULL, d_active);
}

static cyf_status backward(const cyf_denoiser *m, const cyf_denoiser_state *state, int64_t n, const float *x_t,
                           const float *d_out) {
  cyf_device *d = m->parameters.device;
  const int64_t active_count = state->rows.time.n_rows * m->time_path.width;
  const int last = m->config.n_hidden - 1;
  float *d_wide = NULL, *d_up = NULL, *d_active = NULL;
  CYF_TRY(cyf_scratch_floats(m->scratch, n * m->out2.in, &d_wide));
  CYF_TRY(cyf_scratch_floats(m->scratch, n * m->out1.in, &d_up));
  CYF_TRY(cyf_scratch_floats(m->scratch, active_count, &d_active));
  CYF_TRY(d->ops->zero(d, d_active, (size_t)active_count * sizeof(float)));
  CYF_TRY(cyf_linear_backward(&m->parameters, &m->out2, n, state->out1.y, d_out, false, d_wide));
  CYF_TRY(normalize_backward(m, &m->norm_out, n, &state->out1, d_wide, d_wide));
  CYF_TRY(cyf_linear_backward(&m->parameters, &m->out1, n, state->up[last - 1].y, d_wide, false, d_up));
  CYF_TRY(blocks_backward(m, state, n, x_t, d_up, d_active));
  return cyf_time_path_backward(&m->parameters, &m->time_path, &state->rows.time, m->scratch, &state->time, d_active);
}

static cyf_status train(cyf_denoiser *m, int64_t n, const float *x_t, const cyf_denoiser_rows *rows, const float *eps,
                        int64_t n_global, double *ret_sum_squared) {
  cyf_device *d = m->parameters.device;
  const int64_t count = n * m->config.latent;
  const double scale = 1.0 / ((double)n_global * (double)m->config.latent);
  cyf_denoiser_state state = {.rows = *rows};
  float *out = NULL, *d_out = NULL;
  CYF_TRY(cyf_scratch_floats(m->scratch, count, &out));
  CYF_TRY(cyf_scratch_floats(m->scratch, count, &d_out));
  CYF_TRY(cyf_denoiser_forward(m, m->scratch, true, n, x_t, &state, out));
  CYF_TRY(d->ops->squared_error(d, count, out, eps, scale, ret_sum_squared, d_out));
  return backward(m, &state, n, x_t, d_out);
}

cyf_status cyf_denoiser_train_rows(cyf_denoiser *denoiser, int64_t n, const float *x_t, const cyf_denoiser_rows *rows,
                                   const float *eps, int64_t n_global, double *ret_sum_squared) {
  *ret_sum_squared = 0.0;
  if (denoiser->parameters.gradient == NULL) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "this denoiser was created for inference: it has no gradients");
  }
  if (n_global < 1 || n_global < n) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "a global batch of %lld cells with %lld of them here", (long long)n_global,
                    (long long)n);
  }
  if (n == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(denoiser->scratch);
  const cyf_status status = train(denoiser, n, x_t, rows, eps, n_global, ret_sum_squared);
  cyf_scratch_release(denoiser->scratch, mark);
  return status;
}
