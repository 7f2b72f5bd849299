/* SPDX-License-Identifier: MIT */
/** @file
 * Training that goes on from one of our own models (train --init, the setting `init`): which settings it holds, how an
 * atlas meets it, and which weights are taken over. No function here is collective. */
#ifndef CYF_TRAIN_START_MODEL_H
#define CYF_TRAIN_START_MODEL_H

#include "data/atlas/atlas.h"
#include "model/classifier.h"
#include "model/denoiser.h"
#include "saved/model_file.h"
#include "train/run_settings.h"

/** The model that training starts from, in host memory. Zeroed: none. */
typedef struct cyf_start_model {
  cyf_device *device; /**< a CPU device, which the model lies on */
  cyf_model *model;   /**< NULL: none */
} cyf_start_model;

/** Reads the model file; nothing where `path` is "", or where it is open already. Errors: those of cyf_model_load. */
cyf_status cyf_start_model_open(const char *path, cyf_start_model *start);
/** Frees the model and zeroes the struct. NULL-safe. */
void cyf_start_model_close(cyf_start_model *start);

/** Puts what a model holds into a new run's settings: widths, likelihood, diffusion, and the denoiser's conditions
 * where none are stated. `said` is what was said of the settings, on top of the defaults; other values of what is held
 * are refused. Replaces *settings. Errors: CYF_ERR_CONFIG naming the setting and both values. */
cyf_status cyf_start_model_settings(const cyf_model *model, const cyf_settings_said *said, cyf_settings *settings);

/** Checks that an atlas can follow a model: genes in common, values of its kind and scale. Errors: CYF_ERR_INPUT naming
 * both. */
cyf_status cyf_start_model_check(const cyf_model *model, const cyf_atlas *atlas);
/** The model at `path`, opened where it is not yet, is checked with the atlas and meets it. Its classes that the atlas
 * lacks are appended to those of the atlas in memory, with no cells. Logs, by gene and by label, what is kept, new and
 * left out. Nothing where `path` is "". Errors: those of opening and checking. */
cyf_status cyf_start_model_meet(const char *path, cyf_atlas *atlas, cyf_start_model *start);
/** Fills the attributes of `to`, a model of this atlas, without classifiers. Classes that only `model` has (NULL: there
 * is none) keep its number of cells: they were learnt from these, and can be asked for. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_start_model_attributes(const cyf_model *model, const cyf_atlas *atlas, cyf_model *to);

/** @{ */
/** start_weights.c: takes over a model's weights and running statistics into an initialised one of `atlas`, matched by
 * name: genes, classes, and the denoiser's conditions. What is new keeps its initial values. In a model of counts, the
 * initial shares of new genes (counts_start.h) are brought to the level of the old ones' biases. A part that the model
 * lacks is left as it was. `conditions`: of the new denoiser. Errors: CYF_ERR_INPUT (a tensor of another shape),
 * CYF_ERR_MEMORY. */
cyf_status cyf_start_autoencoder(const cyf_model *model, const cyf_atlas *atlas, cyf_autoencoder *autoencoder);
cyf_status cyf_start_denoiser(const cyf_model *model, const cyf_atlas *atlas, const cyf_config_texts *conditions,
                              cyf_denoiser *denoiser);
cyf_status cyf_start_classifier(const cyf_model *model, const cyf_attribute *attribute, cyf_classifier *classifier);
/** @} */

#endif
