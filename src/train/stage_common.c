/* SPDX-License-Identifier: MIT */
#include "train/stage_common.h"

#include <stdio.h>

#include "base/config/config.h"
#include "base/memory.h"
#include "base/names.h"
#include "model/diffusion/schedule.h"
#include "saved/model_file.h"
#include "train/cell_feed.h"

const cyf_stage_settings *cyf_stage_settings_of(const cyf_stage_type *type, const cyf_settings *settings) {
  return (const cyf_stage_settings *)((const char *)settings + type->settings_offset);
}

void cyf_stage_stem(const cyf_stage_type *type, int64_t attribute, char ret_stem[CYF_STAGE_STEM_MAX]) {
  if (attribute == CYF_NO_COLUMN)
    snprintf(ret_stem, CYF_STAGE_STEM_MAX, "%s", type->name);
  else
    snprintf(ret_stem, CYF_STAGE_STEM_MAX, "%s-%lld", type->name, (long long)attribute);
}

cyf_status cyf_stage_remove_checkpoints(const char *directory, const char *stem) {
  char *best = NULL;
  CYF_TRY(cyf_checkpoint_remove(directory, stem));
  CYF_TRY(cyf_format(&best, "%s-best", stem));
  const cyf_status status = cyf_checkpoint_remove(directory, best);
  cyf_free(best);
  return status;
}

cyf_status cyf_stage_is_complete(const cyf_stage_environment *environment, const cyf_stage_type *type,
                                 int64_t attribute, bool *ret_complete) {
  const cyf_loop_environment *loop = &environment->loop;
  char stem[CYF_STAGE_STEM_MAX];
  *ret_complete = false;
  if (!loop->resume) return CYF_OK;
  cyf_stage_stem(type, attribute, stem);
  const cyf_identity identity = type->identity(environment, attribute);
  const int64_t steps = cyf_stage_settings_of(type, loop->settings)->steps;
  CYF_TRY(cyf_comm_agree(loop->comm,
                         cyf_checkpoint_is_complete(loop->checkpoint_directory, stem, &identity, steps, ret_complete)));
  int64_t complete = *ret_complete;
  CYF_TRY(cyf_comm_broadcast(loop->comm, &complete, sizeof complete, 0));
  *ret_complete = complete != 0;
  return CYF_OK;
}

cyf_status cyf_stage_load(const cyf_stage_environment *environment, const cyf_stage_type *type, int64_t attribute,
                          cyf_parameters *parameters) {
  char stem[CYF_STAGE_STEM_MAX];
  const cyf_identity identity = type->identity(environment, attribute);
  cyf_stage_stem(type, attribute, stem);
  return cyf_checkpoint_load_final(environment->loop.checkpoint_directory, stem, &identity, parameters);
}

cyf_status cyf_stage_train(const cyf_stage_environment *environment, const cyf_stage_type *type, int64_t attribute,
                           cyf_stage *stage) {
  char stem[CYF_STAGE_STEM_MAX], *name = NULL;
  cyf_status status;
  if (attribute == CYF_NO_COLUMN)
    status = cyf_strdup(type->name, &name);
  else
    status = cyf_format(&name, "%s:%s", type->name, environment->atlas->attributes[attribute].name);
  CYF_TRY_CLEANUP(cyf_comm_agree(environment->loop.comm, status));
  cyf_stage_stem(type, attribute, stem);
  stage->name = name;
  stage->file_stem = stem;
  stage->settings = cyf_stage_settings_of(type, environment->loop.settings);
  stage->identity = type->identity(environment, attribute);
  status = cyf_loop_run(&environment->loop, stage);
cleanup:
  cyf_free(name);
  return status;
}

int64_t cyf_n_classes(const cyf_attribute *attribute) {
  int64_t n = 0;
  for (int64_t c = 0; c < attribute->categories.n; c++) n += attribute->n_cells[c] > 0;
  return n;
}

/* Gives the names of the atlas' label columns as an array, to be freed with cyf_free; the names stay the atlas'. */
static cyf_status attribute_names(const cyf_atlas *atlas, const char ***ret_names) {
  CYF_TRY(CYF_NEW(ret_names, atlas->n_attributes));
  for (int64_t i = 0; i < atlas->n_attributes; i++) (*ret_names)[i] = atlas->attributes[i].name;
  return CYF_OK;
}

static cyf_status unknown_attribute(const cyf_atlas *atlas, const char *name) {
  const char **names = NULL;
  char known[CYF_NAMES_LIST_BYTES], *hint = NULL;
  if (atlas->n_attributes == 0)
    return CYF_FAIL(CYF_ERR_USAGE, "the atlas %s has no label column '%s'; it has none (prepare it with --label)",
                    atlas->directory, name);
  cyf_status status;
  CYF_TRY_CLEANUP(attribute_names(atlas, &names));
  const char *nearest = cyf_nearest_name(name, names, (size_t)atlas->n_attributes);
  cyf_list_names(atlas->n_attributes, names, known, sizeof known);
  if (nearest != NULL) CYF_TRY_CLEANUP(cyf_format(&hint, "did you mean '%s'? It has", nearest));
  status = CYF_FAIL(CYF_ERR_USAGE, "the atlas %s has no label column '%s'; %s: %s", atlas->directory, name,
                    hint != NULL ? hint : "it has", known);
cleanup:
  cyf_free(names);
  cyf_free(hint);
  return status;
}

cyf_status cyf_find_classifiable(const cyf_atlas *atlas, const char *name, int64_t *ret_attribute) {
  *ret_attribute = cyf_atlas_find_attribute(atlas, name);
  if (*ret_attribute < 0) return unknown_attribute(atlas, name);
  if (cyf_n_classes(&atlas->attributes[*ret_attribute]) < 2)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "label column '%s' has fewer than two classes, so there is nothing to classify; a value that all "
                    "cells have can be asked for without a classifier",
                    name);
  return CYF_OK;
}

void cyf_stage_identity_add_widths(const char *key, const cyf_config_ints *widths, cyf_identity *identity) {
  char text[CYF_IDENTITY_TEXT_MAX] = "";
  int at = 0;
  for (int i = 0; i < widths->n && at < CYF_IDENTITY_TEXT_MAX; i++)
    at += snprintf(text + at, (size_t)(CYF_IDENTITY_TEXT_MAX - at), "%s%lld", i == 0 ? "[" : ", ",
                   (long long)widths->value[i]);
  if (at < CYF_IDENTITY_TEXT_MAX) snprintf(text + at, (size_t)(CYF_IDENTITY_TEXT_MAX - at), "]");
  cyf_identity_add(identity, true, key, "%s", text);
}

cyf_identity cyf_stage_identity_begin(const cyf_stage_environment *environment, const cyf_stage_type *type) {
  const cyf_settings *settings = environment->loop.settings;
  const cyf_stage_settings *stage = cyf_stage_settings_of(type, settings);
  cyf_identity made = {0}, *identity = &made;
  cyf_settings_describe_precision(settings, environment->device, identity->computed_in);
  cyf_identity_add(identity, true, "atlas", "%s", environment->atlas->fingerprint);
  cyf_identity_add(identity, true, "autoencoder.latent", "%lld", (long long)settings->autoencoder.latent);
  if (environment->init != NULL)
    cyf_identity_add(identity, false, "init", "made %s of atlas %s", environment->init->created,
                     environment->init->atlas_fingerprint);
  cyf_identity_add(identity, false, "seed", "%lld", (long long)settings->seed);
  cyf_identity_add(identity, false, "data.lanes", "%lld", (long long)settings->data.lanes);
  cyf_identity_add(identity, false, "data.block_cells", "%lld", (long long)settings->data.block_cells);
  cyf_identity_add(identity, false, "data.window_blocks", "%lld", (long long)settings->data.window_blocks);
  cyf_identity_add(identity, false, "data.validation", "%.17g", settings->data.validation);
  cyf_identity_add(identity, false, "data.balance", "%d", settings->data.balance);
  cyf_identity_add(identity, false, "data.balance_label", "%s", settings->data.balance_label);
  cyf_identity_add(identity, false, "batch_cells", "%lld", (long long)stage->batch_cells);
  cyf_identity_add(identity, false, "accumulate", "%lld", (long long)stage->accumulate);
  return made;
}

static cyf_status no_such_column(const cyf_atlas *atlas, const char *name) {
  const char **names = NULL;
  char known[CYF_NAMES_LIST_BYTES] = "none (prepare it with --label)";
  CYF_TRY(attribute_names(atlas, &names));
  if (atlas->n_attributes > 0) cyf_list_names(atlas->n_attributes, names, known, sizeof known);
  cyf_free(names);
  return CYF_FAIL(CYF_ERR_CONFIG,
                  "denoiser.conditions names '%s', which is no label column of the atlas %s; it has: %s", name,
                  atlas->directory, known);
}

cyf_status cyf_stage_denoiser_config(const cyf_settings *settings, const cyf_atlas *atlas,
                                     cyf_denoiser_config *ret_config, int64_t *ret_attribute) {
  int64_t n_classes[CYF_DENOISER_CONDITIONS_MAX] = {0};
  for (int k = 0; k < settings->denoiser.conditions.n; k++) {
    const char *name = settings->denoiser.conditions.value[k];
    const int64_t index = cyf_atlas_find_attribute(atlas, name);
    if (index < 0) return no_such_column(atlas, name);
    n_classes[k] = atlas->attributes[index].categories.n;
    if (ret_attribute != NULL) ret_attribute[k] = index;
  }
  *ret_config = cyf_settings_denoiser(settings, n_classes);
  return CYF_OK;
}

void cyf_stage_identity_add_diffusion(const cyf_stage_environment *environment, cyf_identity *identity) {
  const cyf_settings *settings = environment->loop.settings;
  cyf_identity_add(identity, true, "autoencoder weights", "%016llx",
                   (unsigned long long)environment->autoencoder_checksum);
  cyf_identity_add(identity, true, "diffusion.timesteps", "%lld", (long long)settings->diffusion.timesteps);
  cyf_identity_add(identity, true, "diffusion.betas", "%s", cyf_beta_schedule_words[settings->diffusion.betas]);
  cyf_identity_add(identity, true, "diffusion.latent_scale", "%s", settings->diffusion.latent_scale);
}

cyf_loader_options cyf_stage_loader_options(const cyf_stage_environment *environment, const cyf_stage_settings *stage,
                                            cyf_split split) {
  const cyf_settings *settings = environment->loop.settings;
  return (cyf_loader_options){.batch_cells = stage->batch_cells,
                              .n_lanes = settings->data.lanes,
                              .block_cells = settings->data.block_cells,
                              .window_blocks = settings->data.window_blocks,
                              .prefetch_batches = settings->data.prefetch_batches,
                              .decode_threads = (int)settings->data.decode_threads,
                              .residency = settings->data.residency,
                              .form = cyf_cell_feed_form(environment->device),
                              .device = environment->device,
                              .sampling = split == CYF_SPLIT_TRAIN ? settings->data.balance : CYF_SAMPLING_PLAIN,
                              .balance_label = settings->data.balance_label,
                              .validation = settings->data.validation,
                              .split = split,
                              .shuffle = split == CYF_SPLIT_TRAIN,
                              .seed = (uint64_t)settings->seed,
                              .io = settings->data.io};
}

cyf_status cyf_stage_open_latents(const cyf_stage_environment *environment, const cyf_loader_options *options,
                                  int64_t label_attribute, cyf_cursor start, cyf_latent_loader **loader) {
  static const char *const parts[] = {".h5ad", NULL};
  cyf_comm *comm = environment->loop.comm;
  const bool is_root = cyf_comm_rank(comm) == 0;
  cyf_latent_loader_destroy(loader);
  cyf_status status =
      is_root ? cyf_inputs_add_folder(environment->latent_parts, environment->latents_directory, parts) : CYF_OK;
  CYF_TRY(cyf_comm_agree(comm, status));
  CYF_TRY(cyf_latent_loader_create(comm, environment->atlas, environment->latents_directory,
                                   environment->autoencoder_checksum, options, label_attribute, start, loader));
  return cyf_comm_agree(comm, is_root ? cyf_inputs_check(environment->latent_parts) : CYF_OK);
}
