/* SPDX-License-Identifier: MIT */
#include "train/start_model.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "saved/model_scale.h"

cyf_status cyf_start_model_open(const char *path, cyf_start_model *start) {
  if (path[0] == '\0' || start->model != NULL) return CYF_OK;
  CYF_TRY(cyf_device_create_cpu(1, &start->device));
  return cyf_model_load(path, start->device, &start->model);
}

void cyf_start_model_close(cyf_start_model *start) {
  if (start == NULL) return;
  cyf_model_destroy(&start->model);
  cyf_device_destroy(&start->device);
}

/* ---- settings ---- */

/* What the weights and the latents' noise depend on. */
static const char *const held[] = {"autoencoder.hidden",    "autoencoder.latent",    "autoencoder.likelihood",
                                   "diffusion.timesteps",   "diffusion.betas",       "diffusion.latent_scale",
                                   "diffusion.unit_length", "diffusion.guide_below", "denoiser.hidden",
                                   "classifier.hidden"};
enum { N_HELD = sizeof held / sizeof *held };

static const cyf_config_field *field_of(const char *key) {
  const cyf_config_schema *schema = cyf_settings_schema();
  const cyf_config_field *field = schema->fields;
  while (strcmp(field->path, key) != 0) field++; /* every key here is in the table */
  return field;
}

/* Through YAML, in which the text of any value is one. */
static cyf_status take_value(const char *key, const cyf_model *from, cyf_settings *to) {
  const char *dot = strchr(key, '.'); /* every key here is in a section */
  char *value = NULL, *text = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_config_value_text(field_of(key), &from->settings, &value));
  CYF_TRY_CLEANUP(cyf_format(&text, "%.*s:\n  %s: %s\n", (int)(dot - key), key, dot + 1, value));
  status = cyf_config_read_text(cyf_settings_schema(), from->path, text, to);
cleanup:
  cyf_free(value);
  cyf_free(text);
  return status;
}

static cyf_status check_value(const cyf_model *model, const char *key, const cyf_settings *settings) {
  char *has = NULL, *says = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_config_value_text(field_of(key), &model->settings, &has));
  CYF_TRY_CLEANUP(cyf_config_value_text(field_of(key), settings, &says));
  if (strcmp(has, says) != 0)
    status = CYF_FAIL(CYF_ERR_CONFIG,
                      "%s is %s in the model %s that training starts from, and this command says %s; leave it out", key,
                      has, model->path, says);
cleanup:
  cyf_free(has);
  cyf_free(says);
  return status;
}

cyf_status cyf_start_model_settings(const cyf_model *model, const cyf_settings_said *said, cyf_settings *settings) {
  const cyf_config_schema *schema = cyf_settings_schema();
  cyf_settings made = {0};
  CYF_TRY(cyf_config_defaults(schema, &made));
  cyf_status status = CYF_OK;
  for (int i = 0; i < N_HELD; i++) CYF_TRY_CLEANUP(take_value(held[i], model, &made));
  CYF_TRY_CLEANUP(take_value("denoiser.conditions", model, &made));
  if (said->config != NULL) CYF_TRY_CLEANUP(cyf_config_read(schema, said->config, &made));
  for (int64_t i = 0; i < said->n_overrides; i++) CYF_TRY_CLEANUP(cyf_config_set(schema, said->overrides[i], &made));
  for (int i = 0; i < N_HELD; i++) CYF_TRY_CLEANUP(check_value(model, held[i], &made));
  if (made.autoencoder.init[0] != '\0')
    status = CYF_FAIL(CYF_ERR_CONFIG, "autoencoder.init and init both name what training starts from; leave one out");
  if (status == CYF_OK) status = cyf_settings_check(&made);
cleanup:
  if (status != CYF_OK) {
    cyf_settings_destroy(&made);
    return status;
  }
  cyf_settings_destroy(settings);
  *settings = made;
  return CYF_OK;
}

/* ---- the atlas ---- */

static int64_t n_common(const cyf_names *a, const cyf_names *b) {
  int64_t n = 0;
  for (int64_t i = 0; i < a->n; i++) n += cyf_names_find(b, a->name[i]) >= 0;
  return n;
}

cyf_status cyf_start_model_check(const cyf_model *model, const cyf_atlas *atlas) {
  char ours[CYF_SCALE_TEXT_SIZE], theirs[CYF_SCALE_TEXT_SIZE];
  const bool takes_counts = model->settings.autoencoder.likelihood == CYF_LIKELIHOOD_NB;
  if (takes_counts && atlas->kind != CYF_EXPRESSION_COUNTS)
    return CYF_FAIL(CYF_ERR_INPUT, "the model %s takes raw counts, and the atlas %s holds %s", model->path,
                    atlas->directory, cyf_expression_kind_name(atlas->kind));
  if (!takes_counts && model->target != atlas->target && !cyf_targets_agree(model->target, atlas->target))
    return CYF_FAIL(CYF_ERR_INPUT, "the model %s takes %s, and the atlas %s holds %s: training cannot go on from it",
                    model->path, cyf_scale_text(model->target, theirs), atlas->directory,
                    cyf_scale_text(atlas->target, ours));
  if (n_common(&atlas->genes, &model->genes) > 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT,
                  "none of the genes of the atlas %s ('%s', ...) is among those of the model %s ('%s', ...)",
                  atlas->directory, atlas->genes.name[0], model->path, model->genes.name[0]);
}

static cyf_status join_attribute(const cyf_model_attribute *of_model, cyf_attribute *attribute) {
  const int64_t n_here = attribute->categories.n, n_kept = n_common(&attribute->categories, &of_model->categories);
  for (int64_t c = 0; c < of_model->categories.n; c++)
    CYF_TRY(cyf_names_add(&attribute->categories, of_model->categories.name[c], NULL));
  const int64_t n = attribute->categories.n;
  CYF_TRY(cyf_realloc((void **)&attribute->n_cells, (size_t)n, sizeof *attribute->n_cells));
  for (int64_t c = n_here; c < n; c++) attribute->n_cells[c] = 0;
  attribute->n_added = n - n_here;
  cyf_info(
      "label %s: %lld classes are the model's, %lld are new, %lld are the model's alone and are kept without cells "
      "here",
      attribute->name, (long long)n_kept, (long long)(n_here - n_kept), (long long)attribute->n_added);
  return CYF_OK;
}

static cyf_status join(const cyf_model *model, cyf_atlas *atlas) {
  const int64_t n_genes = n_common(&atlas->genes, &model->genes);
  cyf_info(
      "training starts from %s: %lld of %lld genes are the model's and keep their weights, %lld are new; %lld of its "
      "%lld are left out",
      model->path, (long long)n_genes, (long long)atlas->n_genes, (long long)(atlas->n_genes - n_genes),
      (long long)(model->genes.n - n_genes), (long long)model->genes.n);
  for (int64_t i = 0; i < atlas->n_attributes; i++) {
    const int64_t at = cyf_model_attribute_index(model, atlas->attributes[i].name);
    if (at >= 0)
      CYF_TRY(join_attribute(&model->attributes[at], &atlas->attributes[i]));
    else
      cyf_info("label %s is new", atlas->attributes[i].name);
  }
  for (int64_t i = 0; i < model->n_attributes; i++)
    if (cyf_atlas_find_attribute(atlas, model->attributes[i].name) < 0)
      cyf_warn("the model's label %s is no column of the atlas %s, and is left out", model->attributes[i].name,
               atlas->directory);
  return CYF_OK;
}

cyf_status cyf_start_model_meet(const char *path, cyf_atlas *atlas, cyf_start_model *start) {
  if (path[0] == '\0') return CYF_OK;
  CYF_TRY(cyf_start_model_open(path, start));
  CYF_TRY(cyf_start_model_check(start->model, atlas));
  return join(start->model, atlas);
}

static void count_appended(const cyf_model *model, const cyf_attribute *attribute, int64_t *n_cells) {
  const cyf_names *categories = &attribute->categories;
  const cyf_model_attribute *old = &model->attributes[cyf_model_attribute_index(model, attribute->name)];
  for (int64_t c = categories->n - attribute->n_added; c < categories->n; c++)
    n_cells[c] = old->n_cells[cyf_names_find(&old->categories, categories->name[c])];
}

cyf_status cyf_start_model_attributes(const cyf_model *model, const cyf_atlas *atlas, cyf_model *to_model) {
  CYF_TRY(CYF_NEW(&to_model->attributes, atlas->n_attributes));
  to_model->n_attributes = atlas->n_attributes;
  for (int64_t i = 0; i < atlas->n_attributes; i++) {
    const cyf_attribute *from = &atlas->attributes[i];
    cyf_model_attribute *to = &to_model->attributes[i];
    CYF_TRY(cyf_strdup(from->name, &to->name));
    CYF_TRY(cyf_names_copy(&from->categories, &to->categories));
    CYF_TRY(CYF_NEW(&to->n_cells, from->categories.n));
    memcpy(to->n_cells, from->n_cells, sizeof(int64_t) * (size_t)from->categories.n);
    if (from->n_added > 0) count_appended(model, from, to->n_cells);
  }
  return CYF_OK;
}
