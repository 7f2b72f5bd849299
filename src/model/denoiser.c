/* SPDX-License-Identifier: MIT */
#include "model/denoiser.h"

#include <stdio.h>

#include "base/memory.h"
#include "model/denoiser_internal.h"

static cyf_status check_config(const cyf_denoiser_config *config) {
  if (config->latent < 1) {
    return CYF_FAIL(CYF_ERR_CONFIG, "denoiser: latent width %lld; it must be at least 1", (long long)config->latent);
  }
  if (config->n_hidden < 2 || config->n_hidden > CYF_HIDDEN_MAX) {
    return CYF_FAIL(CYF_ERR_CONFIG, "denoiser: %d hidden layers; 2 to %d are possible", config->n_hidden,
                    CYF_HIDDEN_MAX);
  }
  for (int i = 0; i < config->n_hidden; i++) {
    if (config->hidden[i] >= 1) continue;
    return CYF_FAIL(CYF_ERR_CONFIG, "denoiser: hidden width %lld; widths must be at least 1",
                    (long long)config->hidden[i]);
  }
  if (config->n_conditions < 0 || config->n_conditions > CYF_DENOISER_CONDITIONS_MAX) {
    return CYF_FAIL(CYF_ERR_CONFIG, "denoiser: %d conditions; at most %d are possible", config->n_conditions,
                    CYF_DENOISER_CONDITIONS_MAX);
  }
  if (config->hidden[0] < 2) return CYF_FAIL(CYF_ERR_CONFIG, "denoiser: the first hidden width must be at least 2");
  return CYF_OK;
}

static cyf_status declare_block(cyf_parameters *parameters, const cyf_denoiser_config *config, const char *list,
                                int index, int64_t in, int64_t out, cyf_denoiser_block *block) {
  char name[CYF_LAYER_NAME_MAX];
  snprintf(name, sizeof(name), "%s.%d.fc", list, index);
  CYF_TRY(cyf_linear_declare(parameters, name, CYF_TENSOR_PLAIN, in, out, &block->fc));
  snprintf(name, sizeof(name), "%s.%d.norm", list, index);
  CYF_TRY(cyf_layer_norm_declare(parameters, name, out, &block->norm));
  snprintf(name, sizeof(name), "%s.%d.emb_layer.1", list, index);
  CYF_TRY(cyf_linear_declare(parameters, name, CYF_TENSOR_PLAIN, config->hidden[0], out, &block->time));
  snprintf(name, sizeof(name), "%s.%d", list, index);
  return cyf_denoiser_labels_declare(parameters, config, name, out, block->table);
}

static cyf_status declare(cyf_denoiser *m) {
  const cyf_denoiser_config *config = &m->config;
  const int64_t *hidden = config->hidden;
  const int last = config->n_hidden - 1;
  cyf_parameters *p = &m->parameters;
  CYF_TRY(cyf_time_path_declare(p, "time_embedding.time_embed", hidden[0], &m->time_path));
  for (int i = 0; i <= last; i++) {
    const int64_t in = i == 0 ? config->latent : hidden[i - 1];
    CYF_TRY(declare_block(p, config, "layers", i, in, hidden[i], &m->down[i]));
  }
  for (int i = 0; i < last; i++) {
    CYF_TRY(declare_block(p, config, "reverse_layers", i, hidden[last - i], hidden[last - i - 1], &m->up[i]));
  }
  CYF_TRY(cyf_linear_declare(p, "out1", CYF_TENSOR_PLAIN, hidden[0], 2 * hidden[1], &m->out1));
  CYF_TRY(cyf_layer_norm_declare(p, "norm_out", 2 * hidden[1], &m->norm_out));
  return cyf_linear_declare(p, "out2", CYF_TENSOR_PLAIN, 2 * hidden[1], config->latent, &m->out2);
}

cyf_status cyf_denoiser_layouts(const cyf_denoiser_config *config, cyf_parameters *ret_parameters) {
  cyf_denoiser shape = {.config = *config};
  CYF_TRY(check_config(config));
  const cyf_status status = declare(&shape);
  *ret_parameters = shape.parameters;
  if (status != CYF_OK) cyf_parameters_destroy(ret_parameters);
  return status;
}

cyf_status cyf_denoiser_create(cyf_device *device, const cyf_denoiser_config *config, int with_gradient,
                               cyf_denoiser **ret_denoiser) {
  cyf_denoiser *m = NULL;
  cyf_status status = CYF_OK;
  *ret_denoiser = NULL;
  CYF_TRY(check_config(config));
  CYF_TRY(CYF_NEW(&m, 1));
  m->config = *config;
  CYF_TRY_CLEANUP(declare(m));
  CYF_TRY_CLEANUP(cyf_parameters_allocate(&m->parameters, device, with_gradient));
  CYF_TRY_CLEANUP(cyf_scratch_create(device, &m->scratch));
  *ret_denoiser = m;
  m = NULL;
cleanup:
  cyf_denoiser_destroy(&m);
  return status;
}

void cyf_denoiser_destroy(cyf_denoiser **denoiser) {
  if (denoiser == NULL || *denoiser == NULL) return;
  cyf_scratch_destroy(&(*denoiser)->scratch);
  cyf_parameters_destroy(&(*denoiser)->parameters);
  cyf_free(*denoiser);
}

static cyf_status init_block(cyf_parameters *parameters, const cyf_denoiser_config *config, const char *list, int index,
                             const cyf_denoiser_block *block, uint64_t seed) {
  char name[CYF_LAYER_NAME_MAX];
  snprintf(name, sizeof(name), "%s.%d", list, index);
  CYF_TRY(cyf_denoiser_labels_init(parameters, config, name, seed));
  CYF_TRY(cyf_linear_init(parameters, &block->fc, seed));
  CYF_TRY(cyf_linear_init(parameters, &block->time, seed));
  return cyf_layer_norm_init(parameters, &block->norm);
}

cyf_status cyf_denoiser_init(cyf_denoiser *denoiser, uint64_t seed) {
  cyf_parameters *p = &denoiser->parameters;
  const cyf_denoiser_config *config = &denoiser->config;
  const int n_hidden = config->n_hidden;
  CYF_TRY(cyf_time_path_init(p, &denoiser->time_path, seed));
  for (int i = 0; i < n_hidden; i++) CYF_TRY(init_block(p, config, "layers", i, &denoiser->down[i], seed));
  for (int i = 0; i < n_hidden - 1; i++) CYF_TRY(init_block(p, config, "reverse_layers", i, &denoiser->up[i], seed));
  CYF_TRY(cyf_linear_init(p, &denoiser->out1, seed));
  CYF_TRY(cyf_layer_norm_init(p, &denoiser->norm_out));
  return cyf_linear_init(p, &denoiser->out2, seed);
}

cyf_parameters *cyf_denoiser_parameters(cyf_denoiser *denoiser) {
  return &denoiser->parameters;
}

const cyf_denoiser_config *cyf_denoiser_get_config(const cyf_denoiser *denoiser) {
  return &denoiser->config;
}

cyf_device *cyf_denoiser_get_device(const cyf_denoiser *denoiser) {
  return denoiser->parameters.device;
}
