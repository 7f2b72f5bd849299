/* SPDX-License-Identifier: MIT */
/** @file
 * What the files of the stages, and those who run stages, have in common. */
#ifndef CYF_TRAIN_STAGE_COMMON_H
#define CYF_TRAIN_STAGE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/atlas/atlas.h"
#include "data/loader/loader.h"
#include "model/denoiser.h"
#include "train/stages.h"

/** Where a stage's settings lie: of a section of cyf_settings. */
#define CYF_STAGE_SETTINGS(section) offsetof(cyf_settings, section.stage)
/** A stage's settings among those of the run. */
const cyf_stage_settings *cyf_stage_settings_of(const cyf_stage_type *type, const cyf_settings *settings);

enum { CYF_STAGE_STEM_MAX = 32 };
/** Stem of its checkpoints: "denoiser", "classifier-0". */
void cyf_stage_stem(const cyf_stage_type *type, int64_t attribute, char ret_stem[CYF_STAGE_STEM_MAX]);
/** Removes all its checkpoints, the best validated one included. Not collective. Errors: CYF_ERR_IO. */
cyf_status cyf_stage_remove_checkpoints(const char *directory, const char *stem);
/** Whether resuming finds it finished with its steps; false where nothing is resumed. The same on every rank.
 * Collective. Errors: CYF_ERR_CONFIG on another identity, CYF_ERR_INPUT when damaged. */
cyf_status cyf_stage_is_complete(const cyf_stage_environment *environment, const cyf_stage_type *type,
                                 int64_t attribute, bool *ret_complete);
/** Loads the finished stage's weights. Not collective. Errors: as cyf_checkpoint_load_final. */
cyf_status cyf_stage_load(const cyf_stage_environment *environment, const cyf_stage_type *type, int64_t attribute,
                          cyf_parameters *parameters);
/** Runs the loop over `stage`, of which name, file_stem, settings and identity are filled in here. Collective. Errors:
 * those of cyf_loop_run. */
cyf_status cyf_stage_train(const cyf_stage_environment *environment, const cyf_stage_type *type, int64_t attribute,
                           cyf_stage *stage);

/** Classes of the attribute that have cells. */
int64_t cyf_n_classes(const cyf_attribute *attribute);
/** The atlas' attribute of that name. Errors: CYF_ERR_USAGE where there is none (nearest name, those there are) or
 * where it has fewer than two classes. */
cyf_status cyf_find_classifiable(const cyf_atlas *atlas, const char *name, int64_t *ret_attribute);
/** The denoiser's shape, with the classes of its conditions, and which of the atlas's attributes these are
 * (ret_attribute[CYF_DENOISER_CONDITIONS_MAX]; NULL: not wanted). Errors: CYF_ERR_CONFIG for a condition that the atlas
 * lacks. */
cyf_status cyf_stage_denoiser_config(const cyf_settings *settings, const cyf_atlas *atlas,
                                     cyf_denoiser_config *ret_config, int64_t *ret_attribute);

/** An identity begins with what all stages depend on: the atlas, the stream, the latents' width. */
cyf_identity cyf_stage_identity_begin(const cyf_stage_environment *environment, const cyf_stage_type *type);
/** What noised latents depend on. */
void cyf_stage_identity_add_diffusion(const cyf_stage_environment *environment, cyf_identity *identity);
/** Widths as "[512, 512, 256]". */
void cyf_stage_identity_add_widths(const char *key, const cyf_config_ints *widths, cyf_identity *identity);

/** Loader options of a stage. */
cyf_loader_options cyf_stage_loader_options(const cyf_stage_environment *environment, const cyf_stage_settings *stage,
                                            cyf_split split);

/** The finished autoencoder, for inference, and its checksum. Not collective. Errors: CYF_ERR_USAGE when it is not
 * finished, CYF_ERR_CONFIG when it was trained with other settings or on another atlas. In stage_autoencoder.c. */
cyf_status cyf_load_autoencoder(const cyf_stage_environment *environment, cyf_autoencoder **ret_model,
                                uint64_t *ret_checksum);

#endif
