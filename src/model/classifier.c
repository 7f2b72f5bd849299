/* SPDX-License-Identifier: MIT */
#include "model/classifier.h"

#include <stdio.h>

#include "base/memory.h"
#include "model/classifier_internal.h"

static cyf_status check_config(const cyf_classifier_config *config) {
  if (config->latent < 1) {
    return CYF_FAIL(CYF_ERR_CONFIG, "classifier: latent width %lld; it must be at least 1", (long long)config->latent);
  }
  if (config->n_classes < 2 || config->n_classes > INT32_MAX) {
    return CYF_FAIL(CYF_ERR_CONFIG, "classifier: %lld classes; it needs at least 2", (long long)config->n_classes);
  }
  for (int i = 0; i < CYF_CLASSIFIER_BLOCKS; i++) {
    if (config->hidden[i] >= 1) continue;
    return CYF_FAIL(CYF_ERR_CONFIG, "classifier: hidden width %lld; widths must be at least 1",
                    (long long)config->hidden[i]);
  }
  if (config->hidden[0] < 2) return CYF_FAIL(CYF_ERR_CONFIG, "classifier: the first hidden width must be at least 2");
  if (!(config->dropout >= 0.0 && config->dropout < 1.0)) {
    return CYF_FAIL(CYF_ERR_CONFIG, "classifier: dropout %g; it must be in [0, 1)", config->dropout);
  }
  return CYF_OK;
}

static cyf_status declare(cyf_classifier *m) {
  const cyf_classifier_config *config = &m->config;
  cyf_parameters *p = &m->parameters;
  char name[CYF_LAYER_NAME_MAX];
  CYF_TRY(cyf_time_path_declare(p, "time_embed", config->hidden[0], &m->time_path));
  for (int i = 0; i < CYF_CLASSIFIER_BLOCKS; i++) {
    cyf_classifier_block *block = &m->blocks[i];
    const int64_t in = i == 0 ? config->latent : config->hidden[i - 1], out = config->hidden[i];
    snprintf(name, sizeof(name), "fc%d", i + 1);
    CYF_TRY(cyf_linear_declare(p, name, CYF_TENSOR_PLAIN, in, out, &block->fc));
    snprintf(name, sizeof(name), "emb_layers%d.1", i + 1);
    CYF_TRY(cyf_linear_declare(p, name, CYF_TENSOR_PLAIN, config->hidden[0], out, &block->time));
    snprintf(name, sizeof(name), "norm%d", i + 1);
    CYF_TRY(cyf_batch_norm_declare(p, name, NULL, out, &block->norm));
  }
  return cyf_linear_declare(p, "out", CYF_TENSOR_PLAIN, config->hidden[CYF_CLASSIFIER_BLOCKS - 1], config->n_classes,
                            &m->out);
}

cyf_status cyf_classifier_layouts(const cyf_classifier_config *config, cyf_parameters *ret_parameters) {
  cyf_classifier shape = {.config = *config};
  CYF_TRY(check_config(config));
  const cyf_status status = declare(&shape);
  *ret_parameters = shape.parameters;
  if (status != CYF_OK) cyf_parameters_destroy(ret_parameters);
  return status;
}

cyf_status cyf_classifier_create(cyf_device *device, const cyf_classifier_config *config, int with_gradient,
                                 cyf_classifier **ret_classifier) {
  cyf_classifier *m = NULL;
  const float one = 1.0f;
  cyf_status status = CYF_OK;
  *ret_classifier = NULL;
  CYF_TRY(check_config(config));
  CYF_TRY(CYF_NEW(&m, 1));
  m->config = *config;
  CYF_TRY_CLEANUP(declare(m));
  CYF_TRY_CLEANUP(cyf_parameters_allocate(&m->parameters, device, with_gradient));
  CYF_TRY_CLEANUP(cyf_scratch_create(device, &m->scratch));
  CYF_TRY_CLEANUP(device->ops->alloc(device, sizeof(one), (void **)&m->one));
  CYF_TRY_CLEANUP(device->ops->upload(device, m->one, &one, sizeof(one)));
  *ret_classifier = m;
  m = NULL;
cleanup:
  cyf_classifier_destroy(&m);
  return status;
}

void cyf_classifier_destroy(cyf_classifier **classifier) {
  if (classifier == NULL || *classifier == NULL) return;
  cyf_classifier *m = *classifier;
  if (m->one != NULL) m->parameters.device->ops->free(m->parameters.device, m->one);
  cyf_scratch_destroy(&m->scratch);
  cyf_parameters_destroy(&m->parameters);
  cyf_free(*classifier);
}

cyf_status cyf_classifier_init(cyf_classifier *classifier, uint64_t seed) {
  cyf_parameters *p = &classifier->parameters;
  CYF_TRY(cyf_time_path_init(p, &classifier->time_path, seed));
  for (int i = 0; i < CYF_CLASSIFIER_BLOCKS; i++) {
    const cyf_classifier_block *block = &classifier->blocks[i];
    CYF_TRY(cyf_linear_init(p, &block->fc, seed));
    CYF_TRY(cyf_linear_init(p, &block->time, seed));
    CYF_TRY(cyf_batch_norm_init(p, &block->norm));
  }
  return cyf_linear_init(p, &classifier->out, seed);
}

cyf_parameters *cyf_classifier_parameters(cyf_classifier *classifier) {
  return &classifier->parameters;
}

const cyf_classifier_config *cyf_classifier_get_config(const cyf_classifier *classifier) {
  return &classifier->config;
}

cyf_status cyf_classifier_block_linear(const cyf_classifier *classifier, int block, const cyf_time_rows *rows,
                                       const cyf_time_state *time, cyf_scratch *scratch, int64_t n, const float *x,
                                       float *z) {
  const cyf_classifier_block *b = &classifier->blocks[block];
  CYF_TRY(cyf_linear_forward(&classifier->parameters, &b->fc, n, x, false, z));
  if (block >= CYF_CLASSIFIER_TIMED_BLOCKS) return CYF_OK;
  return cyf_time_add(&classifier->parameters, &b->time, rows, time, scratch, n, z);
}
