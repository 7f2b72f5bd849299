/* SPDX-License-Identifier: MIT */
/* The autoencoder's training step: forward and backward over one rank's share of a global batch. */
#include "base/memory.h"
#include "model/autoencoder.h"
#include "model/autoencoder_internal.h"

/* What the encoder or the decoder keeps for its backward pass. */
typedef struct coder_state {
  cyf_batch_norm_saved saved[CYF_HIDDEN_MAX];
  float *hidden[CYF_HIDDEN_MAX]; /* outputs of the blocks */
} coder_state;

typedef struct step_state {
  cyf_train_context context;
  int64_t n;
  coder_state encoder, decoder;
  float *latent, *latent_norm;
} step_state;

/* The blocks of the encoder or the decoder; first[n, norm[0].width] is the output of its first Linear. */
static cyf_status forward_blocks(const cyf_autoencoder *a, const cyf_coder *coder, const step_state *step, float *first,
                                 coder_state *state) {
  const cyf_parameters *p = &a->parameters;
  cyf_scratch *scratch = step->context.scratch;
  float *z = first;
  for (int i = 0; i < a->config.n_hidden; i++) {
    const int64_t count = step->n * coder->norm[i].width;
    if (i > 0) {
      CYF_TRY(cyf_scratch_floats(scratch, count, &z));
      CYF_TRY(cyf_linear_forward(p, &coder->linear[i], step->n, state->hidden[i - 1], false, z));
    }
    CYF_TRY(cyf_scratch_floats(scratch, count, &state->hidden[i]));
    CYF_TRY(cyf_batch_norm_train_forward(p, &coder->norm[i], &step->context, step->n, z, state->hidden[i],
                                         &state->saved[i]));
  }
  return CYF_OK;
}

static cyf_status forward(const cyf_autoencoder *a, const cyf_csr *cells, step_state *step) {
  cyf_device *d = a->parameters.device;
  cyf_scratch *scratch = step->context.scratch;
  const int64_t n = step->n, latent = a->config.latent;
  const int n_hidden = a->config.n_hidden;
  const cyf_linear *to_latent = &a->encoder.linear[n_hidden], *from_latent = &a->decoder.linear[0];
  float *first = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * a->config.hidden[0], &first));
  CYF_TRY(cyf_autoencoder_first_layer(a, cells, first));
  CYF_TRY(forward_blocks(a, &a->encoder, step, first, &step->encoder));

  CYF_TRY(cyf_scratch_floats(scratch, n * latent, &step->latent));
  CYF_TRY(cyf_scratch_floats(scratch, n, &step->latent_norm));
  CYF_TRY(cyf_linear_forward(&a->parameters, to_latent, n, step->encoder.hidden[n_hidden - 1], false, step->latent));
  if (n > 0) CYF_TRY(d->ops->l2_normalize_forward(d, n, latent, step->latent, step->latent, step->latent_norm));

  CYF_TRY(cyf_scratch_floats(scratch, n * from_latent->out, &first));
  CYF_TRY(cyf_linear_forward(&a->parameters, from_latent, n, step->latent, false, first));
  return forward_blocks(a, &a->decoder, step, first, &step->decoder);
}

/* From d_hidden[n, last width], the gradient of the last block's output, to *ret_d_first, that of the first Linear's
 * output. The first Linear itself is left to the caller: the encoder's takes sparse cells, the decoder's latents. */
static cyf_status backward_blocks(const cyf_autoencoder *a, const cyf_coder *coder, const step_state *step,
                                  const coder_state *state, float *d_hidden, float **ret_d_first) {
  const cyf_parameters *p = &a->parameters;
  for (int i = a->config.n_hidden - 1; i >= 0; i--) {
    CYF_TRY(cyf_batch_norm_train_backward(p, &coder->norm[i], &step->context, step->n, &state->saved[i], d_hidden));
    if (i == 0) break;
    float *d_input = NULL;
    CYF_TRY(cyf_scratch_floats(step->context.scratch, step->n * coder->linear[i].in, &d_input));
    CYF_TRY(cyf_linear_backward(p, &coder->linear[i], step->n, state->hidden[i - 1], d_hidden, false, d_input));
    d_hidden = d_input;
  }
  *ret_d_first = d_hidden;
  return CYF_OK;
}

/* From d_hidden[n, hidden[0]], the gradient of the decoder's last hidden layer, back to all parameters before it. */
static cyf_status backward(const cyf_autoencoder *a, const cyf_csr *cells, const step_state *step, float *d_hidden) {
  cyf_device *d = a->parameters.device;
  cyf_scratch *scratch = step->context.scratch;
  const cyf_parameters *p = &a->parameters;
  const int64_t n = step->n, latent = a->config.latent;
  const int n_hidden = a->config.n_hidden;
  const cyf_linear *to_latent = &a->encoder.linear[n_hidden], *from_genes = &a->encoder.linear[0];
  float *d_first = NULL, *d_latent = NULL, *d_encoded = NULL;
  CYF_TRY(backward_blocks(a, &a->decoder, step, &step->decoder, d_hidden, &d_first));
  CYF_TRY(cyf_scratch_floats(scratch, n * latent, &d_latent));
  CYF_TRY(cyf_linear_backward(p, &a->decoder.linear[0], n, step->latent, d_first, false, d_latent));
  if (n > 0) {
    CYF_TRY(d->ops->l2_normalize_backward(d, n, latent, step->latent, step->latent_norm, d_latent, d_latent));
  }
  CYF_TRY(cyf_scratch_floats(scratch, n * to_latent->in, &d_encoded));
  CYF_TRY(cyf_linear_backward(p, to_latent, n, step->encoder.hidden[n_hidden - 1], d_latent, false, d_encoded));
  CYF_TRY(backward_blocks(a, &a->encoder, step, &step->encoder, d_encoded, &d_first));
  if (n > 0)
    CYF_TRY(d->ops->gene_linear_weight_grad(d, cells, from_genes->out, d_first, p->gradient + from_genes->weight,
                                            p->gradient + from_genes->bias));
  return cyf_linear_ready(p, from_genes);
}

static cyf_status train_step(cyf_autoencoder *a, const cyf_csr *cells, const float *total, int64_t n_global,
                             const cyf_reducer *reducer, double ret_term[CYF_LOSS_TERMS]) {
  const int n_hidden = a->config.n_hidden;
  const double scale = 1.0 / ((double)n_global * (double)a->config.n_genes);
  step_state step = {.context = {.scratch = a->scratch, .reducer = reducer, .n_global = n_global, .one = a->one},
                     .n = cells->n_cells};
  float *d_hidden = NULL;
  CYF_TRY(forward(a, cells, &step));
  CYF_TRY(cyf_scratch_floats(a->scratch, step.n * a->config.hidden[0], &d_hidden));
  CYF_TRY(
      cyf_autoencoder_last_layer_loss(a, cells, total, step.decoder.hidden[n_hidden - 1], scale, ret_term, d_hidden));
  CYF_TRY(cyf_linear_ready(&a->parameters, &a->decoder.linear[n_hidden]));
  if (a->config.likelihood == CYF_LIKELIHOOD_NB) {
    CYF_TRY(cyf_parameters_ready(&a->parameters, a->log_theta, a->config.n_genes));
    if (step.n == 0) CYF_TRY(cyf_linear_ready(&a->parameters, &a->library)); /* else its backward pass says so */
  }
  return backward(a, cells, &step, d_hidden);
}

cyf_status cyf_autoencoder_train_step(cyf_autoencoder *autoencoder, const cyf_csr *cells, const float *total,
                                      int64_t n_global, const cyf_reducer *reducer, double ret_term[CYF_LOSS_TERMS]) {
  if (autoencoder->parameters.gradient == NULL) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "this autoencoder was created for inference: it has no gradients");
  }
  if (n_global < 1 || n_global < cells->n_cells) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "a global batch of %lld cells with %lld of them here", (long long)n_global,
                    (long long)cells->n_cells);
  }
  const size_t mark = cyf_scratch_mark(autoencoder->scratch);
  const cyf_status status = train_step(autoencoder, cells, total, n_global, reducer, ret_term);
  cyf_scratch_release(autoencoder->scratch, mark);
  return status;
}
