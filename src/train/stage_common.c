/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/config/config.h"
#include "base/memory.h"
#include "base/names.h"
#include "model/diffusion/schedule.h"
#include "saved/model_file.h"
#include "train/cell_feed.h"
#include "train/stages.h"

void cyf_classifier_stem(int64_t attribute, char stem[CYF_STAGE_STEM_MAX]) {
  snprintf(stem, CYF_STAGE_STEM_MAX, "classifier-%lld", (long long)attribute);
}

int64_t cyf_n_classes(const cyf_attribute *attribute) {
  int64_t n = 0;
  for (int64_t c = 0; c < attribute->categories.n; c++) n += attribute->n_cells[c] > 0;
  return n;
}

/* The names of the atlas' label columns as an array that borrows them; freed with cyf_free. */
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
    return CYF_FAIL(CYF_ERR_USAGE, "label column '%s' has fewer than two classes; there is nothing to classify", name);
  return CYF_OK;
}

/* "[512, 512, 256]" */
static void list_widths(const cyf_config_ints *widths, char text[CYF_IDENTITY_TEXT_MAX]) {
  int at = 0;
  for (int i = 0; i < widths->n && at < CYF_IDENTITY_TEXT_MAX; i++)
    at += snprintf(text + at, (size_t)(CYF_IDENTITY_TEXT_MAX - at), "%s%lld", i == 0 ? "[" : ", ",
                   (long long)widths->value[i]);
  if (at < CYF_IDENTITY_TEXT_MAX) snprintf(text + at, (size_t)(CYF_IDENTITY_TEXT_MAX - at), "]");
}

static void add_common(const cyf_stage_environment *environment, const cyf_stage_settings *stage,
                       cyf_identity *identity) {
  const cyf_settings *settings = environment->loop.settings;
  cyf_settings_describe_precision(settings, environment->device, identity->computed_in);
  cyf_identity_add(identity, true, "atlas", "%s", environment->atlas->fingerprint);
  cyf_identity_add(identity, true, "autoencoder.latent", "%lld", (long long)settings->autoencoder.latent);
  cyf_identity_add(identity, false, "seed", "%lld", (long long)settings->seed);
  cyf_identity_add(identity, false, "data.lanes", "%lld", (long long)settings->data.lanes);
  cyf_identity_add(identity, false, "data.block_cells", "%lld", (long long)settings->data.block_cells);
  cyf_identity_add(identity, false, "data.window_blocks", "%lld", (long long)settings->data.window_blocks);
  cyf_identity_add(identity, false, "data.validation", "%.17g", settings->data.validation);
  cyf_identity_add(identity, false, "data.balance", "%d", settings->data.balance);
  cyf_identity_add(identity, false, "data.balance_label", "%s", settings->data.balance_label);
  cyf_identity_add(identity, false, "batch_cells", "%lld", (long long)stage->batch_cells);
  cyf_identity_add(identity, false, "accumulate", "%lld", (long long)stage->accumulate);
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

/* "cell_type, donor", "none" */
static void list_conditions(const cyf_config_texts *conditions, char text[CYF_IDENTITY_TEXT_MAX]) {
  int at = snprintf(text, CYF_IDENTITY_TEXT_MAX, "%s", conditions->n == 0 ? "none" : "");
  for (int i = 0; i < conditions->n && at < CYF_IDENTITY_TEXT_MAX; i++)
    at += snprintf(text + at, (size_t)(CYF_IDENTITY_TEXT_MAX - at), "%s%s", i == 0 ? "" : ", ", conditions->value[i]);
}

/* What noised latents depend on. */
static void add_diffusion(const cyf_stage_environment *environment, uint64_t autoencoder_checksum,
                          cyf_identity *identity) {
  const cyf_settings *settings = environment->loop.settings;
  cyf_identity_add(identity, true, "autoencoder weights", "%016llx", (unsigned long long)autoencoder_checksum);
  cyf_identity_add(identity, true, "diffusion.timesteps", "%lld", (long long)settings->diffusion.timesteps);
  cyf_identity_add(identity, true, "diffusion.betas", "%s",
                   settings->diffusion.betas == CYF_BETAS_COSINE ? "cosine" : "linear");
  cyf_identity_add(identity, true, "diffusion.latent_scale", "%s", settings->diffusion.latent_scale);
}

cyf_identity cyf_autoencoder_identity(const cyf_stage_environment *environment) {
  cyf_identity identity = {0};
  char widths[CYF_IDENTITY_TEXT_MAX] = "";
  add_common(environment, &environment->loop.settings->autoencoder.stage, &identity);
  list_widths(&environment->loop.settings->autoencoder.hidden, widths);
  cyf_identity_add(&identity, true, "autoencoder.hidden", "%s", widths);
  const bool counts = environment->loop.settings->autoencoder.likelihood == CYF_LIKELIHOOD_NB;
  cyf_identity_add(&identity, true, "autoencoder.likelihood", "%s", counts ? "nb" : "mse");
  identity.item[identity.n - 1].absent = "mse";
  cyf_identity_add(&identity, false, "autoencoder.init", "%s", environment->loop.settings->autoencoder.init);
  return identity;
}

cyf_identity cyf_denoiser_identity(const cyf_stage_environment *environment, uint64_t autoencoder_checksum) {
  cyf_identity identity = {0};
  char widths[CYF_IDENTITY_TEXT_MAX] = "";
  add_common(environment, &environment->loop.settings->denoiser.stage, &identity);
  add_diffusion(environment, autoencoder_checksum, &identity);
  list_widths(&environment->loop.settings->denoiser.hidden, widths);
  cyf_identity_add(&identity, true, "denoiser.hidden", "%s", widths);
  const cyf_settings *settings = environment->loop.settings;
  char conditions[CYF_IDENTITY_TEXT_MAX] = "";
  list_conditions(&settings->denoiser.conditions, conditions);
  cyf_identity_add(&identity, true, "denoiser.conditions", "%s", conditions);
  if (settings->denoiser.conditions.n > 0)
    cyf_identity_add(&identity, false, "denoiser.label_dropout", "%.17g", settings->denoiser.label_dropout);
  return identity;
}

cyf_identity cyf_classifier_identity(const cyf_stage_environment *environment, uint64_t autoencoder_checksum,
                                     int64_t attribute) {
  cyf_identity identity = {0};
  const cyf_settings *settings = environment->loop.settings;
  char widths[CYF_IDENTITY_TEXT_MAX] = "";
  add_common(environment, &settings->classifier.stage, &identity);
  add_diffusion(environment, autoencoder_checksum, &identity);
  list_widths(&settings->classifier.hidden, widths);
  cyf_identity_add(&identity, true, "classifier.hidden", "%s", widths);
  cyf_identity_add(&identity, true, "label column", "%s", environment->atlas->attributes[attribute].name);
  cyf_identity_add(&identity, true, "diffusion.guide_below", "%lld", (long long)settings->diffusion.guide_below);
  cyf_identity_add(&identity, false, "classifier.dropout", "%.17g", settings->classifier.dropout);
  cyf_identity_add(&identity, false, "classifier.balance", "%d", settings->classifier.balance);
  return identity;
}

cyf_loader_options cyf_stage_loader_options(const cyf_stage_environment *environment, const cyf_stage_settings *stage,
                                            cyf_split split) {
  const cyf_settings *settings = environment->loop.settings;
  return (cyf_loader_options){
      .batch_cells = stage->batch_cells,
      .n_lanes = settings->data.lanes,
      .block_cells = settings->data.block_cells,
      .window_blocks = settings->data.window_blocks,
      .prefetch_batches = settings->data.prefetch_batches,
      .decode_threads = (int)settings->data.decode_threads,
      .residency = (cyf_residency)settings->data.residency,
      .form = cyf_cell_feed_form(environment->device),
      .device = environment->device,
      .sampling = split == CYF_SPLIT_TRAIN ? (cyf_sampling)settings->data.balance : CYF_SAMPLING_PLAIN,
      .balance_label = settings->data.balance_label,
      .validation = settings->data.validation,
      .split = split,
      .shuffle = split == CYF_SPLIT_TRAIN,
      .seed = (uint64_t)settings->seed,
      .io = (cyf_loader_io)settings->data.io};
}
