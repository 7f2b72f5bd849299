/* SPDX-License-Identifier: MIT */
#include "train/run_added.h"

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "saved/parameters_file.h"

/* *ret_shares: a classifier of one model can guide the other, since both have the same latents, noised the same way. */
static cyf_status shares_latents(cyf_model *a, cyf_model *b, bool *ret_shares) {
  uint64_t ours = 0, theirs = 0;
  CYF_TRY(cyf_parameters_checksum(cyf_autoencoder_parameters(a->autoencoder), &ours));
  CYF_TRY(cyf_parameters_checksum(cyf_autoencoder_parameters(b->autoencoder), &theirs));
  *ret_shares = ours == theirs && a->latent_scale == b->latent_scale &&
                a->settings.diffusion.timesteps == b->settings.diffusion.timesteps &&
                a->settings.diffusion.betas == b->settings.diffusion.betas;
  return CYF_OK;
}

/* *ret_old: NULL where there is none. */
static cyf_status read_old(const char *path, cyf_device *device, cyf_model **ret_old) {
  bool exists = false;
  char *message = NULL;
  *ret_old = NULL;
  CYF_TRY(cyf_file_exists(path, &exists));
  if (!exists) return CYF_OK;
  cyf_status status = cyf_model_load(path, device, ret_old);
  if (status != CYF_ERR_INPUT) return status;
  if (cyf_format(&message,
                 "%s; training would replace it, and with it any classifier that was added to it: move the file away, "
                 "and train makes a new one from the checkpoints",
                 cyf_status_message()) == CYF_OK)
    cyf_status_set(status, message);
  cyf_free(message);
  return status;
}

cyf_status cyf_added_check(const char *path) {
  cyf_model *old = NULL;
  cyf_device *device = NULL;
  CYF_TRY(cyf_device_create_cpu(1, &device));
  const cyf_status status = read_old(path, device, &old);
  cyf_model_destroy(&old);
  cyf_device_destroy(&device);
  return status;
}

cyf_status cyf_added_keep(const char *path, cyf_model *model) {
  cyf_model *old = NULL;
  bool shares = false;
  cyf_status status = CYF_OK;
  CYF_TRY(read_old(path, model->device, &old));
  if (old == NULL) return CYF_OK;
  CYF_TRY_CLEANUP(shares_latents(model, old, &shares));
  for (int64_t i = 0; i < old->n_attributes && shares; i++) {
    cyf_model_attribute *place = NULL, *added = &old->attributes[i];
    if (added->provenance == NULL || cyf_model_has_classifier(model, added->name)) continue;
    CYF_TRY_CLEANUP(cyf_model_make_place(model, added->name, &place));
    *place = *added;
    *added = (cyf_model_attribute){0};
    cyf_info("model.h5 keeps the classifier of %s that was added to it", place->name);
  }
cleanup:
  cyf_model_destroy(&old);
  return status;
}
