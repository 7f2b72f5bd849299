/* SPDX-License-Identifier: MIT */
/* The stage that writes the latents which the finished autoencoder gives. Parts that are done are kept, so it costs
 * little to run it before every stage that reads latents. */
#include "train/encode.h"
#include "train/stage_common.h"

static cyf_status run(cyf_stage_environment *environment, int64_t attribute) {
  (void)attribute;
  uint64_t *checksum = &environment->autoencoder_checksum;
  cyf_comm *comm = environment->loop.comm;
  cyf_autoencoder *model = NULL;
  cyf_status status = cyf_load_autoencoder(environment, &model, checksum);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  const cyf_rescaling rescaling = cyf_encode_own_rescaling(environment->atlas);
  status = cyf_encode_parts(comm, environment->device, environment->atlas, &rescaling, model, *checksum,
                            environment->loop.settings->latents.type, environment->latents_directory);
cleanup:
  cyf_autoencoder_destroy(&model);
  return status;
}

const cyf_stage_type cyf_stage_encode = {.name = "encode", .run = run};
