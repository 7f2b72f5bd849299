/* SPDX-License-Identifier: MIT */
/* The autoencoder of a finished stage, and the latents it gives. */
#include "saved/parameters_file.h"
#include "train/encode.h"
#include "train/stages.h"

cyf_status cyf_load_autoencoder(const cyf_stage_environment *environment, cyf_autoencoder **ret_model,
                                uint64_t *ret_checksum) {
  const char *checkpoints = environment->loop.checkpoint_directory;
  cyf_autoencoder_config config = cyf_settings_autoencoder(environment->loop.settings, environment->atlas->n_genes);
  cyf_identity identity = cyf_autoencoder_identity(environment);
  if (!cyf_checkpoint_has_final(checkpoints, "autoencoder"))
    return CYF_FAIL(CYF_ERR_USAGE, "there is no finished autoencoder in %s; run --stage autoencoder first",
                    checkpoints);
  CYF_TRY(cyf_autoencoder_create(environment->device, &config, 0, ret_model));
  cyf_parameters *parameters = cyf_autoencoder_parameters(*ret_model);
  cyf_status status = cyf_checkpoint_load_final(checkpoints, "autoencoder", &identity, parameters);
  if (status == CYF_OK) status = cyf_parameters_checksum(parameters, ret_checksum);
  if (status != CYF_OK) cyf_autoencoder_destroy(ret_model);
  return status;
}

cyf_status cyf_encode_atlas(const cyf_stage_environment *environment, uint64_t *ret_checksum) {
  cyf_comm *comm = environment->loop.comm;
  cyf_autoencoder *model = NULL;
  cyf_status status = cyf_load_autoencoder(environment, &model, ret_checksum);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  status = cyf_encode_parts(comm, environment->device, environment->atlas, model, *ret_checksum,
                            (cyf_latent_type)environment->loop.settings->latents.type, environment->latents_directory);
cleanup:
  cyf_autoencoder_destroy(&model);
  return status;
}
