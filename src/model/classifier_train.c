/* SPDX-License-Identifier: MIT */
/* The classifier's training step. */
#include "base/memory.h"
#include "model/classifier.h"
#include "model/classifier_internal.h"

typedef struct step_state {
  cyf_train_context context;
  const cyf_dropout_stream *dropout;
  int64_t n;
  cyf_time_rows rows;
  cyf_time_state time;
  cyf_batch_norm_saved saved[CYF_CLASSIFIER_BLOCKS];
  float *y[CYF_CLASSIFIER_BLOCKS]; /* outputs of the blocks, after dropout */
} step_state;

/* Dropout of block `block` in place; forward and backward are the same call. Each block of each step has a counter of
 * its own, so that no two of them share a mask. */
static cyf_status drop(const cyf_classifier *m, const step_state *step, int block, float *y) {
  cyf_device *d = m->parameters.device;
  const cyf_dropout_stream *stream = step->dropout;
  if (stream == NULL || m->config.dropout == 0.0 || step->n == 0) return CYF_OK;
  return d->ops->dropout(d, step->n, m->blocks[block].fc.out, y, m->config.dropout, stream->key,
                         stream->step * CYF_CLASSIFIER_BLOCKS + (uint32_t)block, stream->position, y);
}

static cyf_status forward(const cyf_classifier *m, const float *x_t, step_state *step, float *logits) {
  cyf_scratch *scratch = m->scratch;
  const int64_t n = step->n;
  const float *x = x_t;
  CYF_TRY(cyf_time_path_forward(&m->parameters, &m->time_path, &step->rows, scratch, &step->time));
  for (int i = 0; i < CYF_CLASSIFIER_BLOCKS; i++) {
    const int64_t count = n * m->blocks[i].fc.out;
    float *z = NULL;
    CYF_TRY(cyf_scratch_floats(scratch, count, &z));
    CYF_TRY(cyf_scratch_floats(scratch, count, &step->y[i]));
    CYF_TRY(cyf_classifier_block_linear(m, i, &step->rows, &step->time, scratch, n, x, z));
    CYF_TRY(cyf_batch_norm_train_forward(&m->parameters, &m->blocks[i].norm, &step->context, n, z, step->y[i],
                                         &step->saved[i]));
    CYF_TRY(drop(m, step, i, step->y[i]));
    x = step->y[i];
  }
  return cyf_linear_forward(&m->parameters, &m->out, n, x, false, logits);
}

static cyf_status backward(const cyf_classifier *m, const float *x_t, const step_state *step, const float *d_logits) {
  cyf_device *d = m->parameters.device;
  cyf_scratch *scratch = m->scratch;
  const int64_t n = step->n, active_count = step->rows.n_rows * m->time_path.width;
  float *d_y = NULL, *d_active = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, active_count, &d_active));
  CYF_TRY(d->ops->zero(d, d_active, (size_t)active_count * sizeof(float)));
  CYF_TRY(cyf_scratch_floats(scratch, n * m->out.in, &d_y));
  CYF_TRY(cyf_linear_backward(&m->parameters, &m->out, n, step->y[CYF_CLASSIFIER_BLOCKS - 1], d_logits, false, d_y));
  for (int i = CYF_CLASSIFIER_BLOCKS - 1; i >= 0; i--) {
    const cyf_classifier_block *block = &m->blocks[i];
    float *d_x = NULL;
    CYF_TRY(drop(m, step, i, d_y));
    if (i >= CYF_CLASSIFIER_TIMED_BLOCKS) CYF_TRY(cyf_linear_ready(&m->parameters, &block->time)); /* unused: zero */
    CYF_TRY(cyf_batch_norm_train_backward(&m->parameters, &block->norm, &step->context, n, &step->saved[i], d_y));
    if (i < CYF_CLASSIFIER_TIMED_BLOCKS) {
      CYF_TRY(cyf_time_add_backward(&m->parameters, &block->time, &step->rows, &step->time, scratch, n, d_y, d_active));
    }
    if (i > 0) CYF_TRY(cyf_scratch_floats(scratch, n * block->fc.in, &d_x));
    CYF_TRY(cyf_linear_backward(&m->parameters, &block->fc, n, i > 0 ? step->y[i - 1] : x_t, d_y, false, d_x));
    d_y = d_x;
  }
  return cyf_time_path_backward(&m->parameters, &m->time_path, &step->rows, scratch, &step->time, d_active);
}

static cyf_status train_step(cyf_classifier *m, const float *x_t, const int32_t *t_host, const int32_t *label,
                             const float *class_weight, double weight_global, step_state *step,
                             cyf_loss_sums *ret_result) {
  cyf_device *d = m->parameters.device;
  const int64_t count = step->n * m->config.n_classes;
  float *logits = NULL, *d_logits = NULL;
  CYF_TRY(cyf_time_rows_find(d, m->scratch, step->n, t_host, &step->rows));
  CYF_TRY(cyf_scratch_floats(m->scratch, count, &logits));
  CYF_TRY(cyf_scratch_floats(m->scratch, count, &d_logits));
  CYF_TRY(forward(m, x_t, step, logits));
  if (step->n > 0) {
    CYF_TRY(d->ops->cross_entropy(d, step->n, m->config.n_classes, logits, label, class_weight, 1.0 / weight_global,
                                  &ret_result->loss, &ret_result->weight, &ret_result->n_correct,
                                  &ret_result->n_labelled, d_logits));
  }
  return backward(m, x_t, step, d_logits);
}

cyf_status cyf_classifier_train_step(cyf_classifier *classifier, int64_t n, const float *x_t, const int32_t *t_host,
                                     const int32_t *label, const float *class_weight, int64_t n_global,
                                     double weight_global, const cyf_dropout_stream *dropout,
                                     const cyf_reducer *reducer, cyf_loss_sums *ret_result) {
  cyf_classifier *m = classifier;
  *ret_result = (cyf_loss_sums){0};
  if (m->parameters.gradient == NULL) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "this classifier was created for inference: it has no gradients");
  }
  if (n_global < 1 || n_global < n || !(weight_global > 0.0)) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "a global batch of %lld cells, %lld of them here, of total weight %g",
                    (long long)n_global, (long long)n, weight_global);
  }
  step_state step = {.context = {.scratch = m->scratch, .reducer = reducer, .n_global = n_global, .one = m->one},
                     .dropout = dropout,
                     .n = n};
  const size_t mark = cyf_scratch_mark(m->scratch);
  const cyf_status status = train_step(m, x_t, t_host, label, class_weight, weight_global, &step, ret_result);
  cyf_scratch_release(m->scratch, mark);
  return status;
}
