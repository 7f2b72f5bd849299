/* SPDX-License-Identifier: MIT */
/** @file
 * The trained stages and encoding, over an atlas. Each function is collective and leaves its result in RUN/checkpoints
 * (or RUN/latents). */
#ifndef CYF_TRAIN_STAGES_H
#define CYF_TRAIN_STAGES_H

#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "kernels/device.h"
#include "train/loop.h"

/** What all stages of one run share; nothing is owned. */
typedef struct cyf_stage_environment {
  cyf_loop_environment loop;
  const cyf_atlas *atlas;
  cyf_device *device;
  const char *latents_directory;
} cyf_stage_environment;

enum { CYF_STAGE_STEM_MAX = 32 };
/** File stem of an attribute's classifier: "classifier-N", N being the attribute's place in the atlas (its name may
 * hold any character). */
void cyf_classifier_stem(int64_t attribute, char stem[CYF_STAGE_STEM_MAX]);

/** Classes of the attribute that have cells. */
int64_t cyf_n_classes(const cyf_attribute *attribute);
/** The atlas' attribute of that name. Errors: CYF_ERR_USAGE where there is none (nearest name, those there are) or
 * where it has fewer than two classes. */
cyf_status cyf_find_classifiable(const cyf_atlas *atlas, const char *name, int64_t *ret_attribute);

/** Trains the autoencoder on log-normalised cells (mean squared error). */
cyf_status cyf_train_autoencoder(const cyf_stage_environment *environment);
/** The finished autoencoder, for inference, and its checksum. Not collective. Errors: CYF_ERR_USAGE when it is not
 * finished, CYF_ERR_CONFIG when it was trained with other settings or on another atlas. */
cyf_status cyf_load_autoencoder(const cyf_stage_environment *environment, cyf_autoencoder **ret_model,
                                uint64_t *ret_checksum);
/** Encodes every cell of the atlas with the finished autoencoder into RUN/latents (train/encode.h); parts already done
 * are kept. *ret_checksum: of the autoencoder. Errors: CYF_ERR_USAGE when the autoencoder is not finished. */
cyf_status cyf_encode_atlas(const cyf_stage_environment *environment, uint64_t *ret_checksum);
/** Trains the denoiser on the stored latents (Ho et al. 2020, eq. 14: predicts the noise). */
cyf_status cyf_train_denoiser(const cyf_stage_environment *environment, uint64_t autoencoder_checksum);
/** Trains the classifier of noisy latents for the attribute, on cells that carry a label. */
cyf_status cyf_train_classifier(const cyf_stage_environment *environment, uint64_t autoencoder_checksum,
                                int64_t attribute);

/** The denoiser's shape, with the classes of its conditions, and which of the atlas's attributes these are
 * (ret_attribute[CYF_DENOISER_CONDITIONS_MAX]; NULL: not wanted). Errors: CYF_ERR_CONFIG for a condition that the atlas
 * lacks. */
cyf_status cyf_stage_denoiser_config(const cyf_settings *settings, const cyf_atlas *atlas,
                                     cyf_denoiser_config *ret_config, int64_t *ret_attribute);

/** @{ */
/** The identities that the stages' checkpoints carry. attribute: of the classifier. */
cyf_identity cyf_autoencoder_identity(const cyf_stage_environment *environment);
cyf_identity cyf_denoiser_identity(const cyf_stage_environment *environment, uint64_t autoencoder_checksum);
cyf_identity cyf_classifier_identity(const cyf_stage_environment *environment, uint64_t autoencoder_checksum,
                                     int64_t attribute);
/** @} */

/** Loader options of a stage. */
cyf_loader_options cyf_stage_loader_options(const cyf_stage_environment *environment, const cyf_stage_settings *stage,
                                            cyf_split split);

#endif
