/* SPDX-License-Identifier: MIT */
/* The classifier at inference: logits, and the gradient that guides sampling. Running statistics, no dropout. */
#include "base/memory.h"
#include "model/classifier.h"
#include "model/classifier_internal.h"

/* logits[n, classes]; saved: what the gradient needs (NULL: nothing is kept, norms run in place). */
static cyf_status forward(const cyf_classifier *m, cyf_scratch *scratch, const cyf_time_rows *rows, int64_t n,
                          const float *x_t, cyf_batch_norm_saved *saved, float *logits) {
  cyf_time_state time;
  const float *x = x_t;
  CYF_TRY(cyf_time_path_forward(&m->parameters, &m->time_path, rows, scratch, &time));
  for (int i = 0; i < CYF_CLASSIFIER_BLOCKS; i++) {
    const int64_t count = n * m->blocks[i].fc.out;
    float *z = NULL, *y = NULL;
    CYF_TRY(cyf_scratch_floats(scratch, count, &z));
    CYF_TRY(cyf_classifier_block_linear(m, i, rows, &time, scratch, n, x, z));
    y = z;
    if (saved != NULL) CYF_TRY(cyf_scratch_floats(scratch, count, &y));
    CYF_TRY(cyf_batch_norm_eval_forward(&m->parameters, &m->blocks[i].norm, scratch, n, z, y,
                                        saved != NULL ? &saved[i] : NULL));
    x = y;
  }
  return cyf_linear_forward(&m->parameters, &m->out, n, x, false, logits);
}

cyf_status cyf_classifier_logits(const cyf_classifier *classifier, cyf_scratch *scratch, int64_t n, const float *x_t,
                                 const int32_t *t_host, float *logits) {
  if (n == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(scratch);
  cyf_time_rows rows;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_time_rows_find(classifier->parameters.device, scratch, n, t_host, &rows));
  CYF_TRY_CLEANUP(forward(classifier, scratch, &rows, n, x_t, NULL, logits));
cleanup:
  cyf_scratch_release(scratch, mark);
  return status;
}

/* From d_logits[n, classes] back to the input; gradient[n, latent] is added to. */
static cyf_status backward_to_input(const cyf_classifier *m, cyf_scratch *scratch, int64_t n,
                                    const cyf_batch_norm_saved *saved, const float *d_logits, float *gradient) {
  float *d_y = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * m->out.in, &d_y));
  CYF_TRY(cyf_linear_input_grad(&m->parameters, &m->out, n, d_logits, false, d_y));
  for (int i = CYF_CLASSIFIER_BLOCKS - 1; i >= 0; i--) {
    const cyf_classifier_block *block = &m->blocks[i];
    float *d_x = gradient;
    CYF_TRY(cyf_batch_norm_eval_backward(&m->parameters, &block->norm, n, &saved[i], d_y));
    if (i > 0) CYF_TRY(cyf_scratch_floats(scratch, n * block->fc.in, &d_x));
    CYF_TRY(cyf_linear_input_grad(&m->parameters, &block->fc, n, d_y, i == 0, d_x));
    d_y = d_x;
  }
  return CYF_OK;
}

static cyf_status guidance(const cyf_classifier *m, cyf_scratch *scratch, int64_t n, const float *x_t,
                           const cyf_time_rows *rows, int n_terms, const int32_t *label, const float *weight,
                           float *gradient) {
  cyf_device *d = m->parameters.device;
  const int64_t classes = m->config.n_classes, count = n * classes;
  cyf_batch_norm_saved saved[CYF_CLASSIFIER_BLOCKS];
  float *logits = NULL, *d_logits = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, count, &logits));
  CYF_TRY(cyf_scratch_floats(scratch, count, &d_logits));
  CYF_TRY(forward(m, scratch, rows, n, x_t, saved, logits));
  CYF_TRY(d->ops->zero(d, d_logits, (size_t)count * sizeof(float)));
  for (int k = 0; k < n_terms; k++) {
    CYF_TRY(d->ops->log_prob_grad(d, n, classes, logits, label + k * n, weight + k * n, d_logits));
  }
  return backward_to_input(m, scratch, n, saved, d_logits, gradient);
}

cyf_status cyf_classifier_guidance_rows(const cyf_classifier *classifier, cyf_scratch *scratch, int64_t n,
                                        const float *x_t, const cyf_time_rows *rows, int n_terms, const int32_t *label,
                                        const float *weight, float *gradient) {
  if (n == 0 || n_terms == 0) return CYF_OK;
  const size_t mark = cyf_scratch_mark(scratch);
  const cyf_status status = guidance(classifier, scratch, n, x_t, rows, n_terms, label, weight, gradient);
  cyf_scratch_release(scratch, mark);
  return status;
}
