/* SPDX-License-Identifier: MIT */
#include "model/autoencoder.h"

#include <stdio.h>

#include "base/memory.h"
#include "model/autoencoder_internal.h"

/* Log dispersions learn so many times as fast as weights. They have to move by units and weights by hundredths, while
 * AdamW moves either by about its learning rate in a step. */
static const double DISPERSION_RATE = 20;

static cyf_status check_config(const cyf_autoencoder_config *config) {
  if (config->n_genes < 1 || config->n_genes > INT32_MAX) {
    return CYF_FAIL(CYF_ERR_CONFIG, "autoencoder: %lld genes; it takes 1 to 2^31-1", (long long)config->n_genes);
  }
  if (config->latent < 1) {
    return CYF_FAIL(CYF_ERR_CONFIG, "autoencoder: latent width %lld; it must be at least 1", (long long)config->latent);
  }
  if (config->n_hidden < 1 || config->n_hidden > CYF_HIDDEN_MAX) {
    return CYF_FAIL(CYF_ERR_CONFIG, "autoencoder: %d hidden layers; 1 to %d are possible", config->n_hidden,
                    CYF_HIDDEN_MAX);
  }
  for (int i = 0; i < config->n_hidden; i++) {
    if (config->hidden[i] >= 1) continue;
    return CYF_FAIL(CYF_ERR_CONFIG, "autoencoder: hidden width %lld; widths must be at least 1",
                    (long long)config->hidden[i]);
  }
  return CYF_OK;
}

/* PyTorch's numbering: encoder blocks and all decoder blocks but the first open with a dropout at index 0. */
static cyf_status declare_coder(cyf_parameters *parameters, const char *half, int n_hidden, const int64_t *widths,
                                cyf_coder *coder) {
  const bool is_encoder = half[0] == 'e';
  char linear[CYF_LAYER_NAME_MAX], norm[CYF_LAYER_NAME_MAX], slope[CYF_LAYER_NAME_MAX];
  for (int i = 0; i < n_hidden; i++) {
    const int start = is_encoder || i > 0 ? 1 : 0;
    const cyf_tensor_kind kind = is_encoder && i == 0 ? CYF_TENSOR_TRANSPOSED : CYF_TENSOR_PLAIN;
    snprintf(linear, sizeof(linear), "%s.network.%d.%d", half, i, start);
    snprintf(norm, sizeof(norm), "%s.network.%d.%d", half, i, start + 1);
    snprintf(slope, sizeof(slope), "%s.network.%d.%d", half, i, start + 2);
    CYF_TRY(cyf_linear_declare(parameters, linear, kind, widths[i], widths[i + 1], &coder->linear[i]));
    CYF_TRY(cyf_batch_norm_declare(parameters, norm, slope, widths[i + 1], &coder->norm[i]));
  }
  snprintf(linear, sizeof(linear), "%s.network.%d", half, n_hidden);
  return cyf_linear_declare(parameters, linear, CYF_TENSOR_PLAIN, widths[n_hidden], widths[n_hidden + 1],
                            &coder->linear[n_hidden]);
}

static cyf_status declare(cyf_autoencoder *a) {
  const cyf_autoencoder_config *config = &a->config;
  const int n_hidden = config->n_hidden;
  int64_t widths[CYF_HIDDEN_MAX + 2];
  widths[0] = config->n_genes;
  for (int i = 0; i < n_hidden; i++) widths[i + 1] = config->hidden[i];
  widths[n_hidden + 1] = config->latent;
  CYF_TRY(declare_coder(&a->parameters, "encoder", n_hidden, widths, &a->encoder));
  int64_t mirrored[CYF_HIDDEN_MAX + 2];
  for (int i = 0; i < n_hidden + 2; i++) mirrored[i] = widths[n_hidden + 1 - i];
  CYF_TRY(declare_coder(&a->parameters, "decoder", n_hidden, mirrored, &a->decoder));
  if (config->likelihood != CYF_LIKELIHOOD_NB) return CYF_OK;
  cyf_parameters *p = &a->parameters;
  CYF_TRY(cyf_linear_declare(p, "library", CYF_TENSOR_PLAIN, config->hidden[0], 2, &a->library));
  CYF_TRY(cyf_layout_add(&p->layout, "dispersion.log_theta", CYF_TENSOR_PLAIN, 1, config->n_genes, 0, &a->log_theta));
  p->fast = (cyf_fast_range){.first = a->log_theta, .count = p->layout.total - a->log_theta, .rate = DISPERSION_RATE};
  return CYF_OK;
}

cyf_status cyf_autoencoder_layouts(const cyf_autoencoder_config *config, cyf_parameters *ret_parameters) {
  cyf_autoencoder shape = {.config = *config};
  CYF_TRY(check_config(config));
  const cyf_status status = declare(&shape);
  *ret_parameters = shape.parameters;
  if (status != CYF_OK) cyf_parameters_destroy(ret_parameters);
  return status;
}

cyf_status cyf_autoencoder_create(cyf_device *device, const cyf_autoencoder_config *config, int with_gradient,
                                  cyf_autoencoder **ret_autoencoder) {
  cyf_autoencoder *a = NULL;
  const float one = 1.0f;
  cyf_status status = CYF_OK;
  *ret_autoencoder = NULL;
  CYF_TRY(check_config(config));
  CYF_TRY(CYF_NEW(&a, 1));
  a->config = *config;
  CYF_TRY_CLEANUP(declare(a));
  CYF_TRY_CLEANUP(cyf_parameters_allocate(&a->parameters, device, with_gradient));
  CYF_TRY_CLEANUP(cyf_scratch_create(device, &a->scratch));
  CYF_TRY_CLEANUP(device->ops->alloc(device, sizeof(one), (void **)&a->one));
  CYF_TRY_CLEANUP(device->ops->upload(device, a->one, &one, sizeof(one)));
  *ret_autoencoder = a;
  a = NULL;
cleanup:
  cyf_autoencoder_destroy(&a);
  return status;
}

void cyf_autoencoder_destroy(cyf_autoencoder **autoencoder) {
  if (autoencoder == NULL || *autoencoder == NULL) return;
  cyf_autoencoder *a = *autoencoder;
  if (a->one != NULL) a->parameters.device->ops->free(a->parameters.device, a->one);
  cyf_scratch_destroy(&a->scratch);
  cyf_parameters_destroy(&a->parameters);
  cyf_free(*autoencoder);
}

cyf_status cyf_autoencoder_init(cyf_autoencoder *autoencoder, uint64_t seed) {
  const cyf_coder *const halves[2] = {&autoencoder->encoder, &autoencoder->decoder};
  const int n_hidden = autoencoder->config.n_hidden;
  for (int half = 0; half < 2; half++) {
    for (int i = 0; i <= n_hidden; i++) {
      CYF_TRY(cyf_linear_init(&autoencoder->parameters, &halves[half]->linear[i], seed));
    }
    for (int i = 0; i < n_hidden; i++) {
      CYF_TRY(cyf_batch_norm_init(&autoencoder->parameters, &halves[half]->norm[i]));
    }
  }
  if (autoencoder->config.likelihood != CYF_LIKELIHOOD_NB) return CYF_OK;
  return cyf_linear_init(&autoencoder->parameters, &autoencoder->library, seed);
}

cyf_parameters *cyf_autoencoder_parameters(cyf_autoencoder *autoencoder) {
  return &autoencoder->parameters;
}

const cyf_autoencoder_config *cyf_autoencoder_get_config(const cyf_autoencoder *autoencoder) {
  return &autoencoder->config;
}
