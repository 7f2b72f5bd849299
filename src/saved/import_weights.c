/* SPDX-License-Identifier: MIT */
/* Networks of the files' weights, for models that are published and for those that are described. */
#include "saved/import_internal.h"

cyf_status cyf_import_weights(const import *m, const cyf_autoencoder_config *autoencoder,
                              const cyf_denoiser_config *denoiser, cyf_model *model) {
  CYF_TRY(cyf_autoencoder_create(m->device, autoencoder, 0, &model->autoencoder));
  CYF_TRY(cyf_published_load(&m->autoencoder, cyf_autoencoder_parameters(model->autoencoder)));
  if (m->denoiser_path == NULL) return CYF_OK;
  CYF_TRY(cyf_denoiser_create(m->device, denoiser, 0, &model->denoiser));
  return cyf_published_load(&m->denoiser, cyf_denoiser_parameters(model->denoiser));
}

cyf_status cyf_import_classifier_weights(const import *m, int64_t k, const cyf_classifier_config *config,
                                         cyf_model_attribute *to) {
  CYF_TRY(cyf_classifier_create(m->device, config, 0, &to->classifier));
  return cyf_published_load(&m->classifier[k], cyf_classifier_parameters(to->classifier));
}
