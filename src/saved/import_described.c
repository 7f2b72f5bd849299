/* SPDX-License-Identifier: MIT */
/* Files that cytoforge exported: they describe the model that they came from (saved/exported.h). */
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tensors/weights_file.h"
#include "saved/import_internal.h"
#include "saved/parameters_file.h"

/* ---- finding the description ---- */

/* Takes over what a file says of its model; a second file must say the same. */
static cyf_status look_into(import *m, const char *path) {
  cyf_weights_file *file = NULL;
  cyf_status status;
  if (path == NULL) return CYF_OK;
  CYF_TRY_CLEANUP(cyf_weights_open(path, "", &file));
  const char *text = cyf_weights_metadata(file, CYF_EXPORTED_MODEL);
  if (text != NULL && m->description == NULL) {
    CYF_TRY_CLEANUP(cyf_strdup(text, &m->description));
    CYF_TRY_CLEANUP(cyf_strdup(path, &m->description_path));
    CYF_TRY_CLEANUP(cyf_exported_read(path, text, &m->exported));
    m->described = true;
  } else if (text != NULL && strcmp(text, m->description) != 0) {
    status = CYF_FAIL(CYF_ERR_INPUT,
                      "%s and %s were exported from different models; export one model, and import its folder",
                      m->description_path, path);
  }
cleanup:
  cyf_weights_close(&file);
  return status;
}

cyf_status cyf_import_find_description(import *m) {
  CYF_TRY(look_into(m, m->denoiser_path));
  CYF_TRY(look_into(m, m->autoencoder_path));
  for (int64_t k = 0; k < m->n_classifiers; k++) CYF_TRY(look_into(m, m->from[k].weights));
  return CYF_OK;
}

/* DIR/STEM.safetensors, or `whole`, the file of all modules; freed with cyf_free. */
static cyf_status module_path(const import *m, const char *whole, const char *stem, char **ret_path) {
  char name[CYF_EXPORTED_NAME_BYTES + sizeof ".safetensors"];
  if (whole != NULL) return cyf_strdup(whole, ret_path);
  snprintf(name, sizeof name, "%s.safetensors", stem);
  return cyf_path_join(m->options->folder, name, ret_path);
}

/* The file of all modules, where the folder has it; a folder of both formats could hold two models. */
static cyf_status find_whole(const import *m, char **ret_whole) {
  const char *folder = m->options->folder;
  char *whole = NULL, *each = NULL;
  bool is_directory = false, has_whole = false, has_each = false;
  cyf_status status;
  CYF_TRY(cyf_is_directory(folder, &is_directory));
  if (!is_directory) return cyf_strdup(folder, ret_whole);
  CYF_TRY_CLEANUP(module_path(m, NULL, CYF_EXPORTED_WHOLE, &whole));
  CYF_TRY_CLEANUP(module_path(m, NULL, CYF_EXPORTED_AUTOENCODER, &each));
  CYF_TRY_CLEANUP(cyf_file_exists(whole, &has_whole));
  CYF_TRY_CLEANUP(cyf_file_exists(each, &has_each));
  if (has_whole && has_each)
    status = CYF_FAIL(CYF_ERR_INPUT, "both %s and %s are there; move one of the two exports away", whole, each);
  else if (!has_whole && !has_each)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s is no export: neither %s nor %s is there", folder, whole, each);
  else if (has_whole)
    status = cyf_strdup(whole, ret_whole);
cleanup:
  cyf_free(whole);
  cyf_free(each);
  return status;
}

/* Every module that the description tells of becomes one of m's files; which is missing is found when it is opened. */
static cyf_status list_folder(import *m, const char *whole) {
  const cyf_model *model = m->exported.model;
  char stem[CYF_EXPORTED_NAME_BYTES], *path = NULL;
  if (m->exported.has_denoiser) CYF_TRY(module_path(m, whole, CYF_EXPORTED_DENOISER, &m->folder_path[1]));
  m->denoiser_path = m->folder_path[1];
  CYF_TRY(CYF_NEW(&m->folder_classifier, model->n_attributes));
  m->from = m->folder_classifier;
  for (int64_t i = 0; i < model->n_attributes; i++) {
    if (!m->exported.has_classifier[i]) continue;
    snprintf(stem, sizeof stem, CYF_EXPORTED_CLASSIFIER, (long long)i);
    CYF_TRY(module_path(m, whole, stem, &path));
    m->folder_classifier[m->n_classifiers++] = (cyf_import_classifier){model->attributes[i].name, path, NULL};
  }
  return CYF_OK;
}

cyf_status cyf_import_find_folder(import *m) {
  char *whole = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(find_whole(m, &whole));
  CYF_TRY_CLEANUP(module_path(m, whole, CYF_EXPORTED_AUTOENCODER, &m->folder_path[0]));
  m->autoencoder_path = m->folder_path[0];
  CYF_TRY_CLEANUP(look_into(m, m->autoencoder_path));
  if (!m->described)
    CYF_TRY_CLEANUP(CYF_FAIL(CYF_ERR_INPUT,
                             "%s carries no settings (version 0.1.0 wrote none): export the model again, or name its "
                             "files one by one, whose settings will be the published ones",
                             m->autoencoder_path));
  CYF_TRY_CLEANUP(list_folder(m, whole));
  status = cyf_import_find_description(m);
cleanup:
  cyf_free(whole);
  return status;
}

void cyf_import_forget_description(import *m) {
  cyf_exported_destroy(&m->exported);
  cyf_free(m->description);
  cyf_free(m->description_path);
  for (int i = 0; i < 2; i++) cyf_free(m->folder_path[i]);
  if (m->folder_classifier != NULL)
    for (int64_t k = 0; k < m->n_classifiers; k++) {
      char *path = (char *)m->folder_classifier[k].weights;
      cyf_free(path);
    }
  cyf_free(m->folder_classifier);
}

/* ---- the files against the description ---- */

static cyf_status other_shape(const import *m, const char *path, const char *what) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: its %s has another shape than the model that %s describes", path, what,
                  m->description_path);
}

static cyf_status check_autoencoder(const import *m, const cyf_autoencoder_config *wanted) {
  const cyf_autoencoder_config *c = &m->autoencoder_config;
  const bool same = c->n_genes == wanted->n_genes && c->latent == wanted->latent && c->n_hidden == wanted->n_hidden &&
                    memcmp(c->hidden, wanted->hidden, sizeof c->hidden) == 0 && c->likelihood == wanted->likelihood;
  return same ? CYF_OK : other_shape(m, cyf_published_path(&m->autoencoder), "autoencoder");
}

static cyf_status check_denoiser(const import *m, const cyf_denoiser_config *wanted) {
  const cyf_denoiser_config *c = &m->denoiser_config;
  const bool same = c->latent == wanted->latent && c->n_hidden == wanted->n_hidden &&
                    memcmp(c->hidden, wanted->hidden, sizeof c->hidden) == 0 &&
                    c->n_conditions == wanted->n_conditions &&
                    memcmp(c->n_classes, wanted->n_classes, sizeof c->n_classes) == 0;
  return same ? CYF_OK : other_shape(m, m->denoiser_path, "denoiser");
}

/* A list that was given beside the files says what they say. */
static cyf_status check_list(const import *m, const char *what, const char *path, const cyf_names *given,
                             const cyf_names *described) {
  if (given->n == 0) return CYF_OK;
  bool same = given->n == described->n;
  for (int64_t i = 0; same && i < given->n; i++) same = strcmp(given->name[i], described->name[i]) == 0;
  if (same) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s lists other %s than %s names, or in another order", path, what,
                  m->description_path);
}

/* ---- the model ---- */

/* The description's model, without what belongs to it alone, becomes `model`. */
static void take_over(import *m, cyf_model *model) {
  cyf_model *from = m->exported.model;
  cyf_device *device = model->device;
  *model = *from;
  model->device = device;
  *from = (cyf_model){0};
}

/* Widths of a denoiser that has none of the export's settings. */
static cyf_status set_denoiser(const import *m, cyf_model *model) {
  char widths[CYF_IMPORT_WIDTHS_BYTES], *text = NULL;
  cyf_settings changed;
  cyf_widths_text(m->denoiser_config.n_hidden, m->denoiser_config.hidden, widths, sizeof widths);
  CYF_TRY(cyf_format(&text, "denoiser.hidden=%s", widths));
  const char *overrides[] = {text, "denoiser.conditions=[]"};
  const cyf_status status = cyf_settings_copy(&model->settings, 2, overrides, &changed);
  cyf_free(text);
  CYF_TRY(status);
  cyf_settings_destroy(&model->settings);
  model->settings = changed;
  return CYF_OK;
}

static cyf_status denoiser_config(const cyf_model *model, cyf_denoiser_config *ret_config) {
  const cyf_config_texts *conditions = &model->settings.denoiser.conditions;
  int64_t n_classes[CYF_DENOISER_CONDITIONS_MAX] = {0};
  for (int k = 0; k < conditions->n; k++) {
    int64_t attribute = 0;
    CYF_TRY(cyf_model_find_attribute(model, conditions->value[k], &attribute));
    n_classes[k] = model->attributes[attribute].categories.n;
  }
  *ret_config = cyf_settings_denoiser(&model->settings, n_classes);
  return CYF_OK;
}

static cyf_status fill_networks(import *m, cyf_model *model) {
  const cyf_autoencoder_config autoencoder = cyf_settings_autoencoder(&model->settings, model->genes.n);
  cyf_denoiser_config denoiser = {0};
  uint64_t sum = 0;
  CYF_TRY(check_list(m, "genes", m->options->genes != NULL ? m->options->genes : "gene_order.tsv", &m->genes,
                     &model->genes));
  CYF_TRY(check_autoencoder(m, &autoencoder));
  if (m->denoiser_path != NULL && cyf_published_model(&m->denoiser) == NULL) {
    CYF_TRY(set_denoiser(m, model));
    cyf_warn(
        "%s carries no settings: those of %s are taken (latents times %.9g); were they others, its cells would be "
        "wrong",
        m->denoiser_path, m->description_path, model->latent_scale);
  }
  CYF_TRY(denoiser_config(model, &denoiser));
  if (m->denoiser_path != NULL) CYF_TRY(check_denoiser(m, &denoiser));
  CYF_TRY(cyf_import_weights(m, &autoencoder, &denoiser, model));
  CYF_TRY(cyf_parameters_checksum(cyf_autoencoder_parameters(model->autoencoder), &sum));
  if (sum != m->exported.autoencoder_sum)
    cyf_warn("the autoencoder %s is another than the one that %s was exported with: its latents mean other cells",
             cyf_published_path(&m->autoencoder), m->description_path);
  return CYF_OK;
}

/* The k-th file's classifier, of an attribute that the description has. */
static cyf_status fill_described_classifier(const import *m, int64_t k, cyf_model *model) {
  const cyf_import_classifier *from = &m->from[k];
  const char *module = cyf_published_module(&m->classifier[k]);
  char own[CYF_EXPORTED_NAME_BYTES];
  int64_t at = 0;
  CYF_TRY(cyf_model_find_attribute(model, from->attribute, &at));
  cyf_model_attribute *to = &model->attributes[at];
  snprintf(own, sizeof own, CYF_EXPORTED_CLASSIFIER, (long long)at);
  if (module == NULL || (strcmp(module, CYF_EXPORTED_WHOLE) != 0 && strcmp(module, own) != 0))
    return CYF_FAIL(CYF_ERR_INPUT, "%s was exported as %s, but the classifier of '%s' is %s", from->weights,
                    module != NULL ? module : "nothing", from->attribute, own);
  CYF_TRY(check_list(m, "labels", from->labels, &m->labels[k], &to->categories));
  cyf_classifier_config config = cyf_settings_classifier(&model->settings, to->categories.n);
  memcpy(config.hidden, m->classifier_config[k].hidden, sizeof config.hidden);
  if (m->classifier_config[k].n_classes != config.n_classes) return other_shape(m, from->weights, "classifier");
  return cyf_import_classifier_weights(m, k, &config, to);
}

/* One that comes from elsewhere, with labels of its own; it takes the place of what had its attribute's name. */
static cyf_status fill_foreign_classifier(const import *m, int64_t k, cyf_model *model) {
  cyf_model_attribute *to = NULL;
  const int64_t at = cyf_model_attribute_index(model, m->from[k].attribute);
  if (at >= 0) /* codes of the denoiser's conditions and of the cells' counts stay */
    CYF_TRY(check_list(m, "labels", m->from[k].labels, &m->labels[k], &model->attributes[at].categories));
  if (at < 0) {
    CYF_TRY(cyf_model_make_place(model, m->from[k].attribute, &to));
    CYF_TRY(cyf_strdup(m->from[k].attribute, &to->name));
    CYF_TRY(cyf_names_copy(&m->labels[k], &to->categories));
    CYF_TRY(CYF_NEW(&to->n_cells, to->categories.n));
  } else {
    to = &model->attributes[at];
    if (cyf_model_condition(model, to->name) < 0) cyf_free(to->guidance); /* was of the classifier that goes */
  }
  cyf_warn("%s carries no settings: those of %s are taken (latents times %.9g, classifiers below t = %lld)",
           m->from[k].weights, m->description_path, model->latent_scale,
           (long long)model->settings.diffusion.guide_below);
  return cyf_import_classifier_weights(m, k, &m->classifier_config[k], to);
}

static cyf_status fill_classifiers(const import *m, cyf_model *model) {
  const int64_t n_described = model->n_attributes;
  for (int64_t k = 0; k < m->n_classifiers; k++)
    CYF_TRY(cyf_published_model(&m->classifier[k]) != NULL ? fill_described_classifier(m, k, model)
                                                           : fill_foreign_classifier(m, k, model));
  for (int64_t i = 0; i < n_described; i++)
    if (m->exported.has_classifier[i] && model->attributes[i].classifier == NULL)
      cyf_warn("the classifier of '%s' is not among the files: the model will not be guided by it",
               model->attributes[i].name);
  return CYF_OK;
}

/* A file of all modules holds nothing else. */
static cyf_status check_whole(const import *m) {
  const cyf_weights_file *file = m->autoencoder.part[0].file;
  const char *module = cyf_published_module(&m->autoencoder);
  if (m->options->folder == NULL || module == NULL || strcmp(module, CYF_EXPORTED_WHOLE) != 0) return CYF_OK;
  int64_t n = cyf_weights_n_tensors(file);
  if (m->denoiser_path != NULL) n += cyf_weights_n_tensors(m->denoiser.part[0].file);
  for (int64_t k = 0; k < m->n_classifiers; k++) n += cyf_weights_n_tensors(m->classifier[k].part[0].file);
  if (n == cyf_weights_n_tensors_in_all(file)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s holds %lld tensors, of which %lld belong to the model that it describes",
                  m->autoencoder_path, (long long)cyf_weights_n_tensors_in_all(file), (long long)n);
}

cyf_status cyf_import_fill_described(import *m, cyf_model *model) {
  CYF_TRY(check_whole(m));
  take_over(m, model);
  CYF_TRY(fill_networks(m, model));
  return fill_classifiers(m, model);
}
