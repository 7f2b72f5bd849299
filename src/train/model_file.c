#include "train/model_file.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "data/tensor_file.h"
#include "train/parameters_file.h"

enum { PATH_MAX_TEXT = 128 };

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

static cyf_status write_attribute(cyf_tensor_file *file, int64_t index, const cyf_model_attribute *attribute) {
  char group[64], path[PATH_MAX_TEXT];
  snprintf(group, sizeof group, "attributes/%lld", (long long)index);
  snprintf(path, sizeof path, "%s/name", group);
  CYF_TRY(cyf_tensor_file_write_text(file, path, attribute->name));
  snprintf(path, sizeof path, "%s/categories", group);
  CYF_TRY(cyf_tensor_file_write_names(file, path, &attribute->categories));
  snprintf(path, sizeof path, "%s/n_cells", group);
  CYF_TRY(cyf_tensor_file_write_ints(file, path, attribute->n_cells, attribute->categories.n));
  snprintf(path, sizeof path, "%s/has_classifier", group);
  CYF_TRY(cyf_tensor_file_write_int(file, path, attribute->classifier != NULL));
  if (attribute->classifier == NULL) return CYF_OK;
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
  CYF_TRY(cyf_tensor_file_write_text(file, "expression", cyf_expression_kind_name(model->kind)));
  CYF_TRY(cyf_tensor_file_write_int(file, "expression_kind", model->kind));
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

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

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
  snprintf(path, sizeof path, "%s/has_classifier", group);
  CYF_TRY(cyf_tensor_file_read_int(file, path, &has_classifier));
  if (!has_classifier) return CYF_OK;
  cyf_classifier_config config = cyf_settings_classifier(&model->settings, attribute->categories.n);
  CYF_TRY(cyf_classifier_create(model->device, &config, 0, &attribute->classifier));
  snprintf(path, sizeof path, "%s/classifier", group);
  return cyf_parameters_read(file, path, cyf_classifier_parameters(attribute->classifier));
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
  int64_t kind = 0;
  CYF_TRY(cyf_tensor_file_read_int(file, "expression_kind", &kind));
  model->kind = (cyf_expression_kind)kind;
  CYF_TRY(cyf_tensor_file_read_names(file, "genes", &model->genes));
  CYF_TRY(cyf_tensor_file_read_real(file, "latent_scale", &model->latent_scale));
  return cyf_tensor_file_read_int(file, "attributes/n", &model->n_attributes);
}

static cyf_status read_denoiser(cyf_tensor_file *file, cyf_model *model) {
  int64_t has_denoiser = 1; /* files from before models could lack one */
  if (cyf_tensor_file_has(file, "has_denoiser")) CYF_TRY(cyf_tensor_file_read_int(file, "has_denoiser", &has_denoiser));
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
  CYF_TRY(cyf_schedule_create((cyf_beta_schedule)settings->diffusion.betas, (int)settings->diffusion.timesteps,
                              &model->schedule));
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
  CYF_TRY_CLEANUP(cyf_tensor_file_open(path, &file));
  CYF_TRY_CLEANUP(read_all(file, model));
  *ret_model = model;
cleanup:
  cyf_tensor_file_close(&file);
  if (status != CYF_OK) cyf_model_destroy(&model);
  return status;
}

void cyf_model_destroy(cyf_model **model) {
  if (model == NULL || *model == NULL) return;
  cyf_model *m = *model;
  if (m->attributes != NULL)
    for (int64_t i = 0; i < m->n_attributes; i++) {
      cyf_free(m->attributes[i].name);
      cyf_names_destroy(&m->attributes[i].categories);
      cyf_free(m->attributes[i].n_cells);
      cyf_classifier_destroy(&m->attributes[i].classifier);
    }
  cyf_free(m->attributes);
  cyf_autoencoder_destroy(&m->autoencoder);
  cyf_denoiser_destroy(&m->denoiser);
  cyf_schedule_destroy(&m->schedule);
  cyf_names_destroy(&m->genes);
  cyf_settings_destroy(&m->settings);
  cyf_free(m->atlas_fingerprint);
  cyf_free(m->created);
  cyf_free(m->command_line);
  cyf_free(m->version);
  cyf_free(*model);
}

/* ---- looking up what a user named ---------------------------------------------------------------------------------
 */

/* "a, b, c" of at most 24 names. */
static cyf_status list_names(int64_t n, const char *const *names, char **ret_text) {
  size_t length = 32;
  int64_t shown = n < 24 ? n : 24;
  for (int64_t i = 0; i < shown; i++) length += strlen(names[i]) + 4;
  CYF_TRY(CYF_NEW(ret_text, length));
  size_t at = 0;
  for (int64_t i = 0; i < shown; i++)
    at += (size_t)snprintf(*ret_text + at, length - at, "%s'%s'", i == 0 ? "" : ", ", names[i]);
  if (shown < n) snprintf(*ret_text + at, length - at, ", ... (%lld in all)", (long long)n);
  return CYF_OK;
}

static cyf_status unknown_name(const char *what, const char *name, int64_t n, const char *const *known) {
  char *list = NULL;
  if (n == 0) return CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; it has none at all", what, name);
  CYF_TRY(list_names(n, known, &list));
  const char *nearest = cyf_nearest_name(name, known, (size_t)n);
  cyf_status status;
  if (nearest != NULL)
    status =
        CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; did you mean '%s'? Known: %s", what, name, nearest, list);
  else
    status = CYF_FAIL(CYF_ERR_USAGE, "the model has no %s '%s'; known: %s", what, name, list);
  cyf_free(list);
  return status;
}

cyf_status cyf_model_find_attribute(const cyf_model *model, const char *name, int64_t *ret_index) {
  for (int64_t i = 0; i < model->n_attributes; i++)
    if (strcmp(model->attributes[i].name, name) == 0) {
      *ret_index = i;
      return CYF_OK;
    }
  const char **names = NULL;
  CYF_TRY(CYF_NEW(&names, model->n_attributes));
  for (int64_t i = 0; i < model->n_attributes; i++) names[i] = model->attributes[i].name;
  cyf_status status = unknown_name("attribute", name, model->n_attributes, names);
  cyf_free(names);
  return status;
}

int cyf_model_condition(const cyf_model *model, const char *attribute) {
  const cyf_config_texts *conditions = &model->settings.denoiser.conditions;
  for (int k = 0; k < conditions->n && model->denoiser != NULL; k++)
    if (strcmp(conditions->value[k], attribute) == 0) return k;
  return -1;
}

cyf_status cyf_model_find_value(const cyf_model_attribute *attribute, const char *value, int64_t *ret_code) {
  *ret_code = cyf_names_find(&attribute->categories, value);
  if (*ret_code >= 0) return CYF_OK;
  return unknown_name(attribute->name, value, attribute->categories.n, (const char *const *)attribute->categories.name);
}
