#include <stdio.h>

#include "train/stages.h"

void cyf_classifier_stem(int64_t attribute, char stem[CYF_STAGE_STEM_MAX]) {
  snprintf(stem, CYF_STAGE_STEM_MAX, "classifier-%lld", (long long)attribute);
}

cyf_stream_identity cyf_stage_identity(const cyf_stage_environment *environment, const cyf_stage_settings *stage,
                                       uint64_t autoencoder_checksum) {
  const cyf_settings *settings = environment->loop.settings;
  return (cyf_stream_identity){.atlas_fingerprint = environment->atlas->fingerprint,
                               .seed = settings->seed,
                               .lanes = settings->data.lanes,
                               .batch_cells = stage->batch_cells,
                               .accumulate = stage->accumulate,
                               .block_cells = settings->data.block_cells,
                               .window_blocks = settings->data.window_blocks,
                               .validation = settings->data.validation,
                               .autoencoder_checksum = autoencoder_checksum};
}

cyf_loader_options cyf_stage_loader_options(const cyf_stage_environment *environment, const cyf_stage_settings *stage,
                                            cyf_split split) {
  const cyf_settings *settings = environment->loop.settings;
  return (cyf_loader_options){.batch_cells = stage->batch_cells,
                              .n_lanes = settings->data.lanes,
                              .block_cells = settings->data.block_cells,
                              .window_blocks = settings->data.window_blocks,
                              .prefetch_batches = settings->data.prefetch_batches,
                              .validation = settings->data.validation,
                              .split = split,
                              .shuffle = split == CYF_SPLIT_TRAIN,
                              .seed = (uint64_t)settings->seed,
                              .io = (cyf_loader_io)settings->data.io};
}
