/* SPDX-License-Identifier: MIT */
/* The denoiser's forward pass, for training and for inference. */
#include "base/memory.h"
#include "model/denoiser.h"
#include "model/denoiser_internal.h"

/* saved->z[n, norm->width] -> saved->y = silu(norm(z)); without `keep` in place. */
static cyf_status normalize(const cyf_denoiser *m, const cyf_layer_norm *norm, cyf_scratch *scratch, bool keep,
                            int64_t n, cyf_denoiser_saved *saved) {
  cyf_device *d = m->parameters.device;
  const float *gamma = m->parameters.value + norm->gamma, *beta = m->parameters.value + norm->beta;
  saved->y = saved->z;
  if (keep) {
    CYF_TRY(cyf_scratch_floats(scratch, n * norm->width, &saved->y));
    CYF_TRY(cyf_scratch_floats(scratch, n, &saved->mean));
    CYF_TRY(cyf_scratch_floats(scratch, n, &saved->inv_std));
  }
  return d->ops->layer_norm_silu_forward(d, n, norm->width, saved->z, gamma, beta, saved->y, saved->mean,
                                         saved->inv_std);
}

static cyf_status block_forward(const cyf_denoiser *m, const cyf_denoiser_block *block, cyf_scratch *scratch, bool keep,
                                int64_t n, const float *x, const cyf_denoiser_state *state, cyf_denoiser_saved *saved) {
  CYF_TRY(cyf_scratch_floats(scratch, n * block->fc.out, &saved->z));
  CYF_TRY(cyf_linear_forward(&m->parameters, &block->fc, n, x, false, saved->z));
  CYF_TRY(cyf_time_add(&m->parameters, &block->time, &state->rows.time, &state->time, scratch, n, saved->z));
  CYF_TRY(cyf_denoiser_labels_add(m, block, state, n, saved->z));
  return normalize(m, &block->norm, scratch, keep, n, saved);
}

cyf_status cyf_denoiser_forward(const cyf_denoiser *denoiser, cyf_scratch *scratch, bool keep, int64_t n,
                                const float *x_t, cyf_denoiser_state *state, float *out) {
  const cyf_denoiser *m = denoiser;
  cyf_device *d = m->parameters.device;
  const int last = m->config.n_hidden - 1;
  const float *x = x_t;
  CYF_TRY(cyf_time_path_forward(&m->parameters, &m->time_path, &state->rows.time, scratch, &state->time));
  for (int i = 0; i <= last; i++) {
    CYF_TRY(block_forward(m, &m->down[i], scratch, keep, n, x, state, &state->down[i]));
    x = state->down[i].y;
  }
  for (int i = 0; i < last; i++) {
    CYF_TRY(block_forward(m, &m->up[i], scratch, keep, n, x, state, &state->up[i]));
    CYF_TRY(d->ops->axpy(d, n * m->up[i].fc.out, 1.0, state->down[last - 1 - i].y, state->up[i].y));
    x = state->up[i].y;
  }
  CYF_TRY(cyf_scratch_floats(scratch, n * m->out1.out, &state->out1.z));
  CYF_TRY(cyf_linear_forward(&m->parameters, &m->out1, n, x, false, state->out1.z));
  CYF_TRY(normalize(m, &m->norm_out, scratch, keep, n, &state->out1));
  return cyf_linear_forward(&m->parameters, &m->out2, n, state->out1.y, false, out);
}

cyf_status cyf_denoiser_eval_rows(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const float *x_t,
                                  const cyf_denoiser_rows *rows, float *out) {
  if (n == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(scratch);
  cyf_denoiser_state state = {.rows = *rows};
  const cyf_status status = cyf_denoiser_forward(denoiser, scratch, false, n, x_t, &state, out);
  cyf_scratch_release(scratch, mark);
  return status;
}

cyf_status cyf_denoiser_eval_many(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const float *x_t,
                                  const int32_t *t_host, const int32_t *label_host, float *out) {
  if (n == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(scratch);
  cyf_denoiser_rows rows = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_denoiser_rows_find(denoiser, scratch, n, t_host, label_host, &rows));
  CYF_TRY_CLEANUP(cyf_denoiser_eval_rows(denoiser, scratch, n, x_t, &rows, out));
cleanup:
  cyf_scratch_release(scratch, mark);
  return status;
}
