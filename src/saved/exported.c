/* SPDX-License-Identifier: MIT */
/* The text is one JSON object. Its keys are those that write_all writes; read_model reads what a model is made of. */
#include "saved/exported.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_read.h"
#include "base/memory.h"
#include "kernels/math/normalisation.h"
#include "saved/parameters_file.h"

/* Raised when a reader of the former version would get other cells. */
enum { VERSION = 1, NUMBER_BYTES = 32 };

/* ---- writing ---- */

static void write_names(cyf_json *json, const char *key, const cyf_names *names) {
  cyf_json_array_begin(json, key);
  for (int64_t i = 0; i < names->n; i++) cyf_json_text(json, NULL, names->name[i]);
  cyf_json_array_end(json);
}

static void write_attribute(cyf_json *json, const cyf_model_attribute *attribute) {
  cyf_json_object_begin(json, NULL);
  cyf_json_text(json, "name", attribute->name);
  write_names(json, "categories", &attribute->categories);
  cyf_json_array_begin(json, "n_cells");
  for (int64_t i = 0; i < attribute->categories.n; i++) cyf_json_int(json, NULL, attribute->n_cells[i]);
  cyf_json_array_end(json);
  if (attribute->guidance != NULL) {
    cyf_json_array_begin(json, "guidance_hundredths");
    for (int64_t i = 0; i < attribute->categories.n; i++)
      cyf_json_int(json, NULL, llround(attribute->guidance[i] * 100));
    cyf_json_array_end(json);
  }
  cyf_json_bool(json, "classifier", attribute->classifier != NULL);
  if (attribute->provenance != NULL) cyf_json_text(json, "provenance", attribute->provenance);
  cyf_json_object_end(json);
}

/* The settings' text has all that import reads; what follows it serves readers that have no YAML parser. */
static void write_settings(cyf_json *json, const cyf_settings *s, const char *config) {
  cyf_json_text(json, "config", config);
  cyf_json_text(json, "likelihood", cyf_likelihood_words[s->autoencoder.likelihood]);
  cyf_json_int(json, "timesteps", s->diffusion.timesteps);
  cyf_json_text(json, "betas", cyf_beta_schedule_words[s->diffusion.betas]);
  cyf_json_bool(json, "unit_length", s->diffusion.unit_length);
  cyf_json_array_begin(json, "conditions");
  for (int i = 0; i < s->denoiser.conditions.n; i++) cyf_json_text(json, NULL, s->denoiser.conditions.value[i]);
  cyf_json_array_end(json);
}

static void write_all(FILE *stream, const cyf_model *model, const char *config, uint64_t autoencoder_sum) {
  cyf_json json;
  char number[NUMBER_BYTES];
  cyf_json_init(&json, stream, false);
  cyf_json_object_begin(&json, NULL);
  cyf_json_int(&json, "version", VERSION);
  write_settings(&json, &model->settings, config);
  snprintf(number, sizeof number, "%.17g", model->latent_scale); /* as text: all its digits */
  cyf_json_text(&json, "latent_scale", number);
  cyf_json_text(&json, "expression", cyf_expression_kind_name(model->kind));
  snprintf(number, sizeof number, "%.17g", model->target);
  cyf_json_text(&json, "target", number); /* 0: unknown */
  cyf_json_text(&json, "atlas", model->atlas_fingerprint);
  snprintf(number, sizeof number, "%016" PRIx64, autoencoder_sum);
  cyf_json_text(&json, "autoencoder", number);
  cyf_json_bool(&json, "denoiser", model->denoiser != NULL);
  write_names(&json, "genes", &model->genes);
  cyf_json_array_begin(&json, "attributes");
  for (int64_t i = 0; i < model->n_attributes; i++) write_attribute(&json, &model->attributes[i]);
  cyf_json_array_end(&json);
  cyf_json_object_end(&json);
}

static cyf_status check_names(const char *what, const cyf_names *meant, const cyf_names *carried) {
  for (int64_t i = 0; i < meant->n; i++)
    if (strcmp(meant->name[i], carried->name[i]) != 0)
      return CYF_FAIL(CYF_ERR_INPUT, "export: %s '%s' is not UTF-8, which JSON needs", what, meant->name[i]);
  return CYF_OK;
}

/* What is read back is what was meant: a name that is not UTF-8 would change on its way. */
static cyf_status check_text(const cyf_model *model, const char *text) {
  cyf_exported back = {0};
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_exported_read("export", text, &back));
  CYF_TRY_CLEANUP(check_names("gene", &model->genes, &back.model->genes));
  for (int64_t i = 0; i < model->n_attributes; i++) {
    const cyf_model_attribute *meant = &model->attributes[i], *carried = &back.model->attributes[i];
    CYF_TRY_CLEANUP(check_names("label", &meant->categories, &carried->categories));
    if (strcmp(meant->name, carried->name) != 0)
      CYF_TRY_CLEANUP(CYF_FAIL(CYF_ERR_INPUT, "export: label column '%s' is not UTF-8, which JSON needs", meant->name));
  }
cleanup:
  cyf_exported_destroy(&back);
  return status;
}

cyf_status cyf_exported_text(const cyf_model *model, char **ret_text) {
  char *config = NULL, *text = NULL;
  size_t size = 0;
  uint64_t sum = 0;
  FILE *stream = NULL;
  cyf_status status;
  *ret_text = NULL;
  CYF_TRY_CLEANUP(cyf_config_to_text(cyf_settings_schema(), &model->settings, &config));
  CYF_TRY_CLEANUP(cyf_parameters_checksum(cyf_autoencoder_parameters(model->autoencoder), &sum));
  stream = open_memstream(&text, &size);
  if (stream != NULL) write_all(stream, model, config, sum);
  if (stream == NULL || fclose(stream) != 0)
    CYF_TRY_CLEANUP(CYF_FAIL(CYF_ERR_MEMORY, "export: no memory for the model's description"));
  CYF_TRY_CLEANUP(check_text(model, text));
  CYF_TRY_CLEANUP(cyf_strdup(text, ret_text));
cleanup:
  cyf_free(config);
  free(text);
  return status;
}

/* ---- reading ---- */

typedef struct reader {
  const char *name;
  cyf_json_document document;
} reader;

static cyf_status lacks(const reader *r, const char *key) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: the description of its model lacks '%s', or has it damaged", r->name, key);
}

static cyf_status text_of(const reader *r, int64_t object, const char *key, const char **ret_text) {
  *ret_text = cyf_json_text_of(&r->document, cyf_json_get(&r->document, object, key));
  return *ret_text != NULL ? CYF_OK : lacks(r, key);
}

static cyf_status copy_of(const reader *r, int64_t object, const char *key, char **ret_copy) {
  const char *text = NULL;
  CYF_TRY(text_of(r, object, key, &text));
  return cyf_strdup(text, ret_copy);
}

static cyf_status bool_of(const reader *r, int64_t object, const char *key, bool *ret_value) {
  const int64_t at = cyf_json_get(&r->document, object, key);
  const cyf_json_kind kind = at >= 0 ? r->document.value[at].kind : CYF_JSON_NULL;
  *ret_value = kind == CYF_JSON_TRUE;
  return kind == CYF_JSON_TRUE || kind == CYF_JSON_FALSE ? CYF_OK : lacks(r, key);
}

static cyf_status array_of(const reader *r, int64_t object, const char *key, int64_t *ret_array) {
  *ret_array = cyf_json_get(&r->document, object, key);
  const bool there = *ret_array >= 0 && r->document.value[*ret_array].kind == CYF_JSON_ARRAY;
  return there ? CYF_OK : lacks(r, key);
}

static cyf_status names_of(const reader *r, int64_t object, const char *key, cyf_names *names) {
  const cyf_json_value *value = r->document.value;
  int64_t array = 0;
  CYF_TRY(array_of(r, object, key, &array));
  for (int64_t i = value[array].first; i >= 0; i = value[i].next) {
    const char *name = cyf_json_text_of(&r->document, i);
    if (name == NULL) return lacks(r, key);
    CYF_TRY(cyf_names_add(names, name, NULL));
  }
  if (names->n == value[array].count) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: the description of its model has a name twice among its '%s'", r->name, key);
}

/* *ret_numbers [number of the array's values], freed with cyf_free also after an error. */
static cyf_status ints_of(const reader *r, int64_t at, const char *key, int64_t **ret_numbers, int64_t *ret_n) {
  const cyf_json_value *value = r->document.value;
  int64_t array = 0, n = 0;
  CYF_TRY(array_of(r, at, key, &array));
  *ret_n = value[array].count;
  CYF_TRY(CYF_NEW(ret_numbers, *ret_n));
  for (int64_t i = value[array].first; i >= 0; i = value[i].next)
    if (!cyf_json_int_of(&r->document, i, &(*ret_numbers)[n++])) return lacks(r, key);
  return CYF_OK;
}

static cyf_status read_guidance(const reader *r, int64_t at, cyf_model_attribute *to) {
  int64_t *hundredths = NULL, n = 0;
  if (cyf_json_get(&r->document, at, "guidance_hundredths") < 0) return CYF_OK;
  cyf_status status = ints_of(r, at, "guidance_hundredths", &hundredths, &n);
  if (status == CYF_OK) status = cyf_model_set_guidance(n, hundredths, r->name, to);
  cyf_free(hundredths);
  return status;
}

static cyf_status read_attribute(const reader *r, int64_t at, cyf_model_attribute *to, bool *ret_classifier) {
  int64_t n = 0;
  CYF_TRY(copy_of(r, at, "name", &to->name));
  CYF_TRY(names_of(r, at, "categories", &to->categories));
  CYF_TRY(ints_of(r, at, "n_cells", &to->n_cells, &n));
  if (n != to->categories.n) return lacks(r, "n_cells");
  CYF_TRY(read_guidance(r, at, to));
  CYF_TRY(bool_of(r, at, "classifier", ret_classifier));
  return cyf_json_get(&r->document, at, "provenance") >= 0 ? copy_of(r, at, "provenance", &to->provenance) : CYF_OK;
}

static cyf_status read_attributes(const reader *r, cyf_exported *e) {
  const cyf_json_value *value = r->document.value;
  cyf_model *model = e->model;
  int64_t array = 0;
  CYF_TRY(array_of(r, 0, "attributes", &array));
  CYF_TRY(CYF_NEW(&model->attributes, value[array].count));
  CYF_TRY(CYF_NEW(&e->has_classifier, value[array].count));
  for (int64_t i = value[array].first; i >= 0; i = value[i].next) {
    const int64_t k = model->n_attributes++;
    CYF_TRY(read_attribute(r, i, &model->attributes[k], &e->has_classifier[k]));
    if (cyf_model_attribute_index(model, model->attributes[k].name) != k) return lacks(r, "attributes");
  }
  return CYF_OK;
}

static cyf_status read_kind(const reader *r, cyf_model *model) {
  const char *word = NULL;
  char *end = NULL;
  CYF_TRY(text_of(r, 0, "expression", &word));
  if (!cyf_expression_kind_find(word, &model->kind))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: its model's expression is '%s', which is not known", r->name, word);
  model->target = CYF_NORMALISED_TOTAL; /* where the description says nothing */
  if (cyf_json_get(&r->document, 0, "target") < 0) return CYF_OK;
  CYF_TRY(text_of(r, 0, "target", &word));
  model->target = strtod(word, &end);
  return end != word && *end == '\0' && isfinite(model->target) && model->target >= 0 ? CYF_OK : lacks(r, "target");
}

static cyf_status read_model(const reader *r, cyf_exported *e) {
  cyf_model *model = e->model;
  const char *text = NULL;
  char *end = NULL;
  int64_t version = 0;
  if (!cyf_json_int_of(&r->document, cyf_json_get(&r->document, 0, "version"), &version)) return lacks(r, "version");
  if (version != VERSION)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: exported by a later cytoforge (version %lld of its description; this one reads %d)", r->name,
                    (long long)version, VERSION);
  CYF_TRY(text_of(r, 0, "config", &text));
  CYF_TRY(cyf_settings_load_text(r->name, text, &model->settings));
  CYF_TRY(text_of(r, 0, "latent_scale", &text));
  model->latent_scale = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(model->latent_scale) || model->latent_scale <= 0)
    return lacks(r, "latent_scale");
  CYF_TRY(text_of(r, 0, "autoencoder", &text));
  e->autoencoder_sum = strtoull(text, &end, 16);
  if (end == text || *end != '\0') return lacks(r, "autoencoder");
  CYF_TRY(read_kind(r, model));
  CYF_TRY(copy_of(r, 0, "atlas", &model->atlas_fingerprint));
  CYF_TRY(bool_of(r, 0, "denoiser", &e->has_denoiser));
  CYF_TRY(names_of(r, 0, "genes", &model->genes));
  return read_attributes(r, e);
}

cyf_status cyf_exported_read(const char *name, const char *text, cyf_exported *ret_exported) {
  reader r = {.name = name};
  cyf_status status;
  *ret_exported = (cyf_exported){0};
  CYF_TRY_CLEANUP(cyf_json_parse(name, text, strlen(text), &r.document));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_exported->model, 1));
  CYF_TRY_CLEANUP(read_model(&r, ret_exported));
cleanup:
  cyf_json_document_destroy(&r.document);
  if (status != CYF_OK) cyf_exported_destroy(ret_exported);
  return status;
}

void cyf_exported_destroy(cyf_exported *exported) {
  if (exported == NULL) return;
  cyf_model_destroy(&exported->model);
  cyf_free(exported->has_classifier);
  *exported = (cyf_exported){0};
}
