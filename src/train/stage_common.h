/* SPDX-License-Identifier: MIT */
/** @file
 * What the files of the stages, and those who run stages, have in common. */
#ifndef CYF_TRAIN_STAGE_COMMON_H
#define CYF_TRAIN_STAGE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/atlas/atlas.h"
#include "data/latents/latent_loader.h"
#include "data/loader/loader.h"
#include "model/denoiser.h"
#include "train/stages.h"

/** Where a stage's settings lie in cyf_settings, given its section there: for cyf_stage_type's settings_offset. */
#define CYF_STAGE_SETTINGS(section) offsetof(cyf_settings, section.stage)
/** A stage's settings among those of the run. */
const cyf_stage_settings *cyf_stage_settings_of(const cyf_stage_type *type, const cyf_settings *settings);

/** Bytes of a stem with its final zero. */
enum { CYF_STAGE_STEM_MAX = 32 };
/** Writes the stem (beginning of the names) of a stage's checkpoints: "denoiser", "classifier-0". */
void cyf_stage_stem(const cyf_stage_type *type, int64_t attribute, char ret_stem[CYF_STAGE_STEM_MAX]);
/** Removes all checkpoints of a stage, the best validated one included. Not collective. Errors: CYF_ERR_IO. */
cyf_status cyf_stage_remove_checkpoints(const char *directory, const char *stem);
/** *ret_complete: the run is resumed, and an earlier one has finished the stage with all its steps. The same on every
 * rank. Collective. Errors: CYF_ERR_CONFIG on another identity, CYF_ERR_INPUT when damaged. */
cyf_status cyf_stage_is_complete(const cyf_stage_environment *environment, const cyf_stage_type *type,
                                 int64_t attribute, bool *ret_complete);
/** Loads the finished stage's weights. Not collective. Errors: as cyf_checkpoint_load_final. */
cyf_status cyf_stage_load(const cyf_stage_environment *environment, const cyf_stage_type *type, int64_t attribute,
                          cyf_parameters *parameters);
/** Fills in the name, file_stem, settings and identity of `stage`, and trains it (cyf_loop_run). Collective. Errors:
 * those of cyf_loop_run. */
cyf_status cyf_stage_train(const cyf_stage_environment *environment, const cyf_stage_type *type, int64_t attribute,
                           cyf_stage *stage);

/** The number of the attribute's classes that have cells. */
int64_t cyf_n_classes(const cyf_attribute *attribute);
/** Finds the atlas' attribute of that name, to train a classifier for it. Not collective. Errors: CYF_ERR_USAGE where
 * there is none, naming the nearest and those there are, or where it has fewer than two classes. */
cyf_status cyf_find_classifiable(const cyf_atlas *atlas, const char *name, int64_t *ret_attribute);
/** Gives the denoiser's shape, with the classes of its conditions. ret_attribute[CYF_DENOISER_CONDITIONS_MAX] gets
 * their places among the atlas' attributes; NULL: not wanted. Not collective. Errors: CYF_ERR_CONFIG for a condition
 * that the atlas lacks. */
cyf_status cyf_stage_denoiser_config(const cyf_settings *settings, const cyf_atlas *atlas,
                                     cyf_denoiser_config *ret_config, int64_t *ret_attribute);

/** The beginning of a stage's identity, with what all stages depend on: the atlas, the stream, the latents' width. */
cyf_identity cyf_stage_identity_begin(const cyf_stage_environment *environment, const cyf_stage_type *type);
/** Adds what noised latents depend on: the autoencoder's weights and the settings of the diffusion. */
void cyf_stage_identity_add_diffusion(const cyf_stage_environment *environment, cyf_identity *identity);
/** Adds widths as "[512, 512, 256]". */
void cyf_stage_identity_add_widths(const char *key, const cyf_config_ints *widths, cyf_identity *identity);

/** The options of a loader for a stage's batches, by the run's settings. split: cells to learn from, or to validate
 * with. */
cyf_loader_options cyf_stage_loader_options(const cyf_stage_environment *environment, const cyf_stage_settings *stage,
                                            cyf_split split);

/** Opens a loader of the stored latents (cyf_latent_loader_create), in place of *loader, which may be NULL. What was
 * read of one file by several loaders and stages is of one state of that file. Collective. Errors: those of
 * cyf_latent_loader_create; CYF_ERR_INPUT naming a file that has changed since it was first read. */
cyf_status cyf_stage_open_latents(const cyf_stage_environment *environment, const cyf_loader_options *options,
                                  int64_t label_attribute, cyf_cursor start, cyf_latent_loader **loader);

/** Loads the finished autoencoder for inference and gives the checksum of its weights. The caller frees it with
 * cyf_autoencoder_destroy. Stands in stage_autoencoder.c. Not collective. Errors: CYF_ERR_USAGE when it is not
 * finished, CYF_ERR_CONFIG when it was trained with other settings or on another atlas. */
cyf_status cyf_load_autoencoder(const cyf_stage_environment *environment, cyf_autoencoder **ret_model,
                                uint64_t *ret_checksum);

#endif
