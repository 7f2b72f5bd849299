/* SPDX-License-Identifier: MIT */
#include "saved/model_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tensors/tensor_file.h"
#include "kernels/math/normalisation.h"
#include "saved/parameters_file.h"

enum { PATH_MAX_TEXT = 128 };

/* ---- writing ---- */

/* Strengths are multiples of 0.01, which whole numbers keep exactly. */
static cyf_status write_guidance(cyf_tensor_file *file, const char *group, const cyf_model_attribute *attribute) {
  char path[PATH_MAX_TEXT];
  int64_t *hundredths = NULL;
  if (attribute->guidance == NULL) return CYF_OK;
  CYF_TRY(CYF_NEW(&hundredths, attribute->categories.n));
  for (int64_t c = 0; c < attribute->categories.n; c++) hundredths[c] = llround(attribute->guidance[c] * 100);
  snprintf(path, sizeof path, "%s/guidance_hundredths", group);
  const cyf_status status = cyf_tensor_file_write_ints(file, path, hundredths, attribute->categories.n);
  cyf_free(hundredths);
  return status;
}

static cyf_status write_attribute(cyf_tensor_file *file, int64_t index, const cyf_model_attribute *attribute) {
  char group[64], path[PATH_MAX_TEXT];
  snprintf(group, sizeof group, "attributes/%lld", (long long)index);
  snprintf(path, sizeof path, "%s/name", group);
  CYF_TRY(cyf_tensor_file_write_text(file, path, attribute->name));
  snprintf(path, sizeof path, "%s/categories", group);
  CYF_TRY(cyf_tensor_file_write_names(file, path, &attribute->categories));
  snprintf(path, sizeof path, "%s/n_cells", group);
  CYF_TRY(cyf_tensor_file_write_ints(file, path, attribute->n_cells, attribute->categories.n));
  CYF_TRY(write_guidance(file, group, attribute));
  snprintf(path, sizeof path, "%s/has_classifier", group);
  CYF_TRY(cyf_tensor_file_write_int(file, path, attribute->classifier != NULL));
  if (attribute->classifier == NULL) return CYF_OK;
  snprintf(path, sizeof path, "%s/hidden", group);
  CYF_TRY(cyf_tensor_file_write_ints(file, path, cyf_classifier_get_config(attribute->classifier)->hidden, 3));
  if (attribute->provenance != NULL) {
    snprintf(path, sizeof path, "%s/provenance", group);
    CYF_TRY(cyf_tensor_file_write_text(file, path, attribute->provenance));
  }
  snprintf(path, sizeof path, "%s/classifier", group);
  return cyf_parameters_write(file, path, cyf_classifier_parameters(attribute->classifier), NULL);
}

static cyf_status write_header(cyf_tensor_file *file, const cyf_model *model) {
  char *config = NULL;
  CYF_TRY(cyf_tensor_file_write_text(file, "kind", "model"));
  CYF_TRY(cyf_config_to_text(cyf_settings_schema(), &model->settings, &config));
  cyf_status status = cyf_tensor_file_write_text(file, "config", config);
  cyf_free(config);
  CYF_TRY(status);
  CYF_TRY(cyf_tensor_file_write_text(file, "provenance/atlas", model->atlas_fingerprint));
  CYF_TRY(cyf_tensor_file_write_text(file, "provenance/created", model->created));
  CYF_TRY(cyf_tensor_file_write_text(file, "provenance/command_line", model->command_line));
  CYF_TRY(cyf_tensor_file_write_text(file, "provenance/version", model->version));
  if (model->runs != NULL) CYF_TRY(cyf_tensor_file_write_text(file, "provenance/runs", model->runs));
  CYF_TRY(cyf_tensor_file_write_text(file, "expression", cyf_expression_kind_name(model->kind)));
  CYF_TRY(cyf_tensor_file_write_int(file, "expression_kind", model->kind));
  CYF_TRY(cyf_tensor_file_write_real(file, "expression_target", model->target));
  CYF_TRY(cyf_tensor_file_write_names(file, "genes", &model->genes));
  CYF_TRY(cyf_tensor_file_write_real(file, "latent_scale", model->latent_scale));
  return cyf_tensor_file_write_int(file, "attributes/n", model->n_attributes);
}

static cyf_status write_all(cyf_tensor_file *file, const cyf_model *model) {
  CYF_TRY(write_header(file, model));
  CYF_TRY(cyf_parameters_write(file, "autoencoder", cyf_autoencoder_parameters(model->autoencoder), NULL));
  CYF_TRY(cyf_tensor_file_write_int(file, "has_denoiser", model->denoiser != NULL));
  if (model->denoiser != NULL)
    CYF_TRY(cyf_parameters_write(file, "denoiser", cyf_denoiser_parameters(model->denoiser), NULL));
  for (int64_t i = 0; i < model->n_attributes; i++) CYF_TRY(write_attribute(file, i, &model->attributes[i]));
  return CYF_OK;
}

cyf_status cyf_model_save(const cyf_model *model, const char *path) {
  cyf_tensor_file *file = NULL;
  CYF_TRY(cyf_tensor_file_create(path, &file));
  cyf_status status;
  CYF_TRY_CLEANUP(write_all(file, model));
  status = cyf_tensor_file_commit(&file);
cleanup:
  cyf_tensor_file_close(&file);
  return status;
}

static cyf_status lock_path(const char *path, char **ret_lock_path) {
  char *target = NULL;
  CYF_TRY(cyf_output_target(path, &target));
  const cyf_status status = cyf_format(ret_lock_path, "%s.lock", target);
  cyf_free(target);
  return status;
}

cyf_status cyf_model_lock(const char *path, const char *command, double wait_s, int *ret_lock) {
  char *at = NULL;
  *ret_lock = -1;
  CYF_TRY(lock_path(path, &at));
  const cyf_status status = cyf_lock_take(at, path, command, wait_s, ret_lock);
  cyf_free(at);
  return status;
}

void cyf_model_unlock(const char *path, int *lock) {
  char *at = NULL;
  if (*lock < 0 || lock_path(path, &at) != CYF_OK) return;
  cyf_lock_release(at, lock);
  cyf_free(at);
}

/* ---- reading ---- */

/* A classifier that was added later has widths of its own in the file. Without them it has those of the settings, as in
 * files from before classifiers could be added. */
static cyf_status read_hidden(cyf_tensor_file *file, const char *group, cyf_classifier_config *config) {
  char path[PATH_MAX_TEXT];
  int64_t *hidden = NULL, n = 0;
  bool has = false;
  snprintf(path, sizeof path, "%s/hidden", group);
  CYF_TRY(cyf_tensor_file_has(file, path, &has));
  if (!has) return CYF_OK;
  CYF_TRY(cyf_tensor_file_read_ints(file, path, &hidden, &n));
  bool fits = n == 3;
  if (fits) memcpy(config->hidden, hidden, sizeof config->hidden);
  cyf_free(hidden);
  if (fits) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: %s has %lld widths, not three", cyf_tensor_file_path(file), path, (long long)n);
}

cyf_status cyf_model_set_guidance(int64_t n, const int64_t *hundredths, const char *source,
                                  cyf_model_attribute *attribute) {
  enum { MOST = 100, HUNDREDTHS = 100 };
  bool fits = n == attribute->categories.n;
  for (int64_t c = 0; c < n && fits; c++) fits = hundredths[c] >= 0 && hundredths[c] <= MOST * HUNDREDTHS;
  if (!fits)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: attribute '%s' has no strength of guidance from 0 to 100 for each category",
                    source, attribute->name);
  CYF_TRY(CYF_NEW(&attribute->guidance, n));
  for (int64_t c = 0; c < n; c++) attribute->guidance[c] = (double)hundredths[c] / HUNDREDTHS;
  return CYF_OK;
}

/* Models that were not calibrated, as those from before there was a calibration, have none. */
static cyf_status read_guidance(cyf_tensor_file *file, const char *group, cyf_model_attribute *attribute) {
  char path[PATH_MAX_TEXT];
  int64_t *hundredths = NULL, n = 0;
  bool has = false;
  snprintf(path, sizeof path, "%s/guidance_hundredths", group);
  CYF_TRY(cyf_tensor_file_has(file, path, &has));
  if (!has) return CYF_OK;
  CYF_TRY(cyf_tensor_file_read_ints(file, path, &hundredths, &n));
  const cyf_status status = cyf_model_set_guidance(n, hundredths, cyf_tensor_file_path(file), attribute);
  cyf_free(hundredths);
  return status;
}

static cyf_status read_attribute(cyf_tensor_file *file, int64_t index, cyf_model *model) {
  cyf_model_attribute *attribute = &model->attributes[index];
  char group[64], path[PATH_MAX_TEXT];
  int64_t n = 0, has_classifier = 0;
  snprintf(group, sizeof group, "attributes/%lld", (long long)index);
  snprintf(path, sizeof path, "%s/name", group);
  CYF_TRY(cyf_tensor_file_read_text(file, path, &attribute->name));
  snprintf(path, sizeof path, "%s/categories", group);
  CYF_TRY(cyf_tensor_file_read_names(file, path, &attribute->categories));
  snprintf(path, sizeof path, "%s/n_cells", group);
  CYF_TRY(cyf_tensor_file_read_ints(file, path, &attribute->n_cells, &n));
  if (n != attribute->categories.n)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: attribute '%s' has %lld categories and %lld counts", cyf_tensor_file_path(file),
                    attribute->name, (long long)attribute->categories.n, (long long)n);
  CYF_TRY(read_guidance(file, group, attribute));
  snprintf(path, sizeof path, "%s/has_classifier", group);
  CYF_TRY(cyf_tensor_file_read_int(file, path, &has_classifier));
  if (!has_classifier) return CYF_OK;
  cyf_classifier_config config = cyf_settings_classifier(&model->settings, attribute->categories.n);
  CYF_TRY(read_hidden(file, group, &config));
  snprintf(path, sizeof path, "%s/provenance", group);
  bool has_provenance = false;
  CYF_TRY(cyf_tensor_file_has(file, path, &has_provenance));
  if (has_provenance) CYF_TRY(cyf_tensor_file_read_text(file, path, &attribute->provenance));
  CYF_TRY(cyf_classifier_create(model->device, &config, 0, &attribute->classifier));
  snprintf(path, sizeof path, "%s/classifier", group);
  return cyf_parameters_read(file, path, cyf_classifier_parameters(attribute->classifier));
}

/* Files of 0.1 have no target, and mean the one number of then. */
static cyf_status read_scale(cyf_tensor_file *file, cyf_model *model) {
  const char *path = cyf_tensor_file_path(file);
  int64_t kind = 0;
  CYF_TRY(cyf_tensor_file_read_int(file, "expression_kind", &kind));
  if (kind < 0 || kind >= CYF_EXPRESSION_KINDS)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: expression_kind %lld is unknown", path, (long long)kind);
  model->kind = (cyf_expression_kind)kind;
  model->target = CYF_NORMALISED_TOTAL;
  bool has_target = false;
  CYF_TRY(cyf_tensor_file_has(file, "expression_target", &has_target));
  if (!has_target) {
    if (!cyf_expression_is_counted(model->kind))
      cyf_info("%s: says nothing of the target of its logarithms, which was " CYF_NORMALISED_TOTAL_TEXT
               " when it was made",
               path);
    return CYF_OK;
  }
  CYF_TRY(cyf_tensor_file_read_real(file, "expression_target", &model->target));
  if (model->target >= 0 && isfinite(model->target)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: expression_target %g is no number of 0 or more", path, model->target);
}

static cyf_status read_header(cyf_tensor_file *file, cyf_model *model) {
  const char *path = cyf_tensor_file_path(file);
  char *text = NULL;
  CYF_TRY(cyf_tensor_file_read_text(file, "kind", &text));
  bool is_model = strcmp(text, "model") == 0;
  cyf_status status = is_model ? CYF_OK : CYF_FAIL(CYF_ERR_INPUT, "%s is a cytoforge %s, not a model", path, text);
  cyf_free(text);
  CYF_TRY(status);
  CYF_TRY(cyf_tensor_file_read_text(file, "config", &text));
  status = cyf_settings_load_text(path, text, &model->settings);
  cyf_free(text);
  CYF_TRY(status);
  CYF_TRY(cyf_tensor_file_read_text(file, "provenance/atlas", &model->atlas_fingerprint));
  CYF_TRY(cyf_tensor_file_read_text(file, "provenance/created", &model->created));
  CYF_TRY(cyf_tensor_file_read_text(file, "provenance/command_line", &model->command_line));
  CYF_TRY(cyf_tensor_file_read_text(file, "provenance/version", &model->version));
  bool has_runs = false;
  CYF_TRY(cyf_tensor_file_has(file, "provenance/runs", &has_runs));
  if (has_runs) CYF_TRY(cyf_tensor_file_read_text(file, "provenance/runs", &model->runs));
  CYF_TRY(read_scale(file, model));
  CYF_TRY(cyf_tensor_file_read_names(file, "genes", &model->genes));
  CYF_TRY(cyf_tensor_file_read_real(file, "latent_scale", &model->latent_scale));
  if (!(model->latent_scale > 0 && isfinite(model->latent_scale)))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: latent_scale %g is no number above 0", path, model->latent_scale);
  return cyf_tensor_file_read_int(file, "attributes/n", &model->n_attributes);
}

static cyf_status read_denoiser(cyf_tensor_file *file, cyf_model *model) {
  int64_t has_denoiser = 1; /* for files from before models could lack one, which do not say */
  bool says = false;
  CYF_TRY(cyf_tensor_file_has(file, "has_denoiser", &says));
  if (says) CYF_TRY(cyf_tensor_file_read_int(file, "has_denoiser", &has_denoiser));
  if (!has_denoiser) return CYF_OK;
  const cyf_config_texts *conditions = &model->settings.denoiser.conditions;
  int64_t n_classes[CYF_DENOISER_CONDITIONS_MAX] = {0};
  for (int k = 0; k < conditions->n; k++) {
    int64_t attribute = 0;
    CYF_TRY(cyf_model_find_attribute(model, conditions->value[k], &attribute));
    n_classes[k] = model->attributes[attribute].categories.n;
  }
  cyf_denoiser_config config = cyf_settings_denoiser(&model->settings, n_classes);
  CYF_TRY(cyf_denoiser_create(model->device, &config, 0, &model->denoiser));
  return cyf_parameters_read(file, "denoiser", cyf_denoiser_parameters(model->denoiser));
}

static cyf_status read_all(cyf_tensor_file *file, cyf_model *model) {
  CYF_TRY(read_header(file, model));
  const cyf_settings *settings = &model->settings;
  cyf_autoencoder_config autoencoder = cyf_settings_autoencoder(settings, model->genes.n);
  CYF_TRY(cyf_autoencoder_create(model->device, &autoencoder, 0, &model->autoencoder));
  CYF_TRY(cyf_parameters_read(file, "autoencoder", cyf_autoencoder_parameters(model->autoencoder)));
  CYF_TRY(cyf_schedule_create(settings->diffusion.betas, (int)settings->diffusion.timesteps, &model->schedule));
  CYF_TRY(CYF_NEW(&model->attributes, model->n_attributes));
  for (int64_t i = 0; i < model->n_attributes; i++) CYF_TRY(read_attribute(file, i, model));
  return read_denoiser(file, model);
}

cyf_status cyf_model_load(const char *path, cyf_device *device, cyf_model **ret_model) {
  *ret_model = NULL;
  cyf_tensor_file *file = NULL;
  cyf_model *model = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&model, 1));
  model->device = device;
  CYF_TRY_CLEANUP(cyf_strdup(path, &model->path));
  CYF_TRY_CLEANUP(cyf_tensor_file_open(path, &file));
  CYF_TRY_CLEANUP(read_all(file, model));
  *ret_model = model;
cleanup:
  cyf_tensor_file_close(&file);
  if (status != CYF_OK) cyf_model_destroy(&model);
  return status;
}

void cyf_model_attribute_destroy(cyf_model_attribute *attribute) {
  cyf_free(attribute->name);
  cyf_names_destroy(&attribute->categories);
  cyf_free(attribute->n_cells);
  cyf_free(attribute->guidance);
  cyf_free(attribute->provenance);
  cyf_classifier_destroy(&attribute->classifier);
}

cyf_status cyf_model_make_place(cyf_model *model, const char *name, cyf_model_attribute **ret_place) {
  int64_t at = cyf_model_attribute_index(model, name);
  if (at < 0) {
    CYF_TRY(cyf_realloc((void **)&model->attributes, (size_t)model->n_attributes + 1, sizeof *model->attributes));
    at = model->n_attributes++;
  }
  *ret_place = &model->attributes[at];
  cyf_model_attribute_destroy(*ret_place);
  **ret_place = (cyf_model_attribute){0};
  return CYF_OK;
}

void cyf_model_destroy(cyf_model **model) {
  if (model == NULL || *model == NULL) return;
  cyf_model *m = *model;
  if (m->attributes != NULL)
    for (int64_t i = 0; i < m->n_attributes; i++) cyf_model_attribute_destroy(&m->attributes[i]);
  cyf_free(m->attributes);
  cyf_autoencoder_destroy(&m->autoencoder);
  cyf_denoiser_destroy(&m->denoiser);
  cyf_schedule_destroy(&m->schedule);
  cyf_names_destroy(&m->genes);
  cyf_settings_destroy(&m->settings);
  cyf_free(m->path);
  cyf_free(m->atlas_fingerprint);
  cyf_free(m->created);
  cyf_free(m->command_line);
  cyf_free(m->version);
  cyf_free(m->runs);
  cyf_free(*model);
}
