/* SPDX-License-Identifier: MIT */
#include "saved/import.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tables/gene_list.h"
#include "data/tables/label_list.h"
#include "kernels/math/normalisation.h"
#include "saved/import_internal.h"

/* Reads the gene list that was given, or SCimilarity's; without either the files describe their genes. */
static cyf_status read_genes(import *m) {
  const cyf_import_options *o = m->options;
  const int64_t n_genes = m->autoencoder_config.n_genes;
  const char *name = o->genes != NULL ? o->genes : "gene_order.tsv";
  if (o->genes != NULL)
    CYF_TRY(cyf_gene_list_read(o->genes, &m->genes));
  else if (o->scimilarity != NULL)
    CYF_TRY(cyf_published_scimilarity_genes(o->scimilarity, &m->genes));
  else if (m->described)
    return CYF_OK;
  else
    return CYF_FAIL(CYF_ERR_USAGE,
                    "import: --genes LIST is needed: the checkpoint does not name its %lld genes (one a line, in the "
                    "order of training)",
                    (long long)n_genes);
  if (m->genes.n == n_genes) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s lists %lld genes, but the autoencoder %s takes %lld", name, (long long)m->genes.n,
                  cyf_published_path(&m->autoencoder), (long long)n_genes);
}

static cyf_status read_autoencoder(import *m) {
  const cyf_import_options *o = m->options;
  const cyf_autoencoder_config *c = &m->autoencoder_config;
  CYF_TRY(o->scimilarity != NULL ? cyf_published_open_scimilarity(o->scimilarity, &m->autoencoder)
                                 : cyf_published_open(m->autoencoder_path, "autoencoder.", &m->autoencoder));
  CYF_TRY(cyf_published_autoencoder(&m->autoencoder, &m->autoencoder_config));
  char widths[CYF_IMPORT_WIDTHS_BYTES];
  cyf_widths_text(c->n_hidden, c->hidden, widths, sizeof widths);
  cyf_info("autoencoder %s: %lld genes, hidden %s, latent %lld%s",
           o->scimilarity != NULL ? o->scimilarity : m->autoencoder_path, (long long)c->n_genes, widths,
           (long long)c->latent, c->likelihood == CYF_LIKELIHOOD_NB ? ", decodes to counts" : "");
  return read_genes(m);
}

static cyf_status check_latent(const import *m, const char *path, int64_t latent) {
  if (latent == m->autoencoder_config.latent) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s works on %lld latent coordinates, but the autoencoder has %lld", path,
                  (long long)latent, (long long)m->autoencoder_config.latent);
}

static cyf_status read_denoiser(import *m) {
  const char *path = m->denoiser_path;
  if (path == NULL) {
    cyf_info("no denoiser: the model will encode and decode, not sample");
    return CYF_OK;
  }
  CYF_TRY(cyf_published_open(path, "denoiser.", &m->denoiser));
  CYF_TRY(cyf_published_denoiser(&m->denoiser, &m->denoiser_config));
  char widths[CYF_IMPORT_WIDTHS_BYTES];
  cyf_widths_text(m->denoiser_config.n_hidden, m->denoiser_config.hidden, widths, sizeof widths);
  cyf_info("denoiser %s: hidden %s, latent %lld", path, widths, (long long)m->denoiser_config.latent);
  return check_latent(m, path, m->denoiser_config.latent);
}

static cyf_status read_classifier(import *m, int64_t k) {
  const cyf_import_classifier *from = &m->from[k];
  cyf_classifier_config *c = &m->classifier_config[k];
  char prefix[CYF_EXPORTED_NAME_BYTES] = "", widths[CYF_IMPORT_WIDTHS_BYTES];
  for (int64_t i = 0; i < k; i++)
    if (strcmp(m->from[i].attribute, from->attribute) == 0)
      return CYF_FAIL(CYF_ERR_USAGE, "import: two classifiers for '%s'", from->attribute);
  const int64_t at = m->described ? cyf_model_attribute_index(m->exported.model, from->attribute) : -1;
  if (at >= 0) snprintf(prefix, sizeof prefix, CYF_EXPORTED_CLASSIFIER_PREFIX, (long long)at);
  CYF_TRY(cyf_published_open(from->weights, prefix, &m->classifier[k]));
  CYF_TRY(cyf_published_classifier(&m->classifier[k], c));
  cyf_widths_text(3, c->hidden, widths, sizeof widths);
  cyf_info("classifier of '%s' %s: hidden %s, %lld classes", from->attribute, from->weights, widths,
           (long long)c->n_classes);
  CYF_TRY(check_latent(m, from->weights, c->latent));
  if (from->labels == NULL && cyf_published_model(&m->classifier[k]) != NULL) return CYF_OK;
  if (from->labels == NULL)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "import: --classifier wants ATTR=F,LABELS.txt: %s does not name the %lld classes of '%s'",
                    from->weights, (long long)c->n_classes, from->attribute);
  CYF_TRY(cyf_label_list_read(from->labels, &m->labels[k]));
  if (m->labels[k].n == c->n_classes) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s lists %lld labels, but %s tells %lld classes apart", from->labels,
                  (long long)m->labels[k].n, from->weights, (long long)c->n_classes);
}

/* What only holds where no file describes its model. */
static cyf_status check_published(const import *m) {
  char widths[CYF_IMPORT_WIDTHS_BYTES], first[CYF_IMPORT_WIDTHS_BYTES];
  for (int64_t k = 1; k < m->n_classifiers; k++) {
    cyf_widths_text(3, m->classifier_config[k].hidden, widths, sizeof widths);
    cyf_widths_text(3, m->classifier_config[0].hidden, first, sizeof first);
    if (strcmp(widths, first) != 0)
      return CYF_FAIL(CYF_ERR_INPUT, "%s has hidden widths %s and %s has %s; the classifiers of a model share theirs",
                      m->from[k].weights, widths, m->from[0].weights, first);
  }
  if (m->denoiser_path == NULL) return CYF_OK;
  if (m->denoiser_config.n_conditions > 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s is a denoiser with %d conditions, and nothing in the file names them; import the file that "
                    "cytoforge exported",
                    m->denoiser_path, m->denoiser_config.n_conditions);
  cyf_warn(
      "%s carries no settings: the published ones are taken (1000 linear steps, latents neither scaled nor normalised, "
      "guidance below t = 500). With any others its cells would be wrong; a model of cytoforge comes back whole from "
      "the files that this version's export writes",
      m->denoiser_path);
  return CYF_OK;
}

/* The published settings (configs/paper.yaml) with the shapes that the weights have. */
static cyf_status make_settings(const import *m, cyf_settings *ret_settings) {
  enum { N_MAX = 9 };
  char widths[CYF_IMPORT_WIDTHS_BYTES], *text[N_MAX] = {0};
  int n = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "diffusion.latent_scale=1"));
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "diffusion.unit_length=false"));
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "diffusion.guide_below=500"));
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "sample.method=ddpm"));
  CYF_TRY_CLEANUP(
      cyf_format(&text[n++], "autoencoder.likelihood=%s", cyf_likelihood_words[m->autoencoder_config.likelihood]));
  cyf_widths_text(m->autoencoder_config.n_hidden, m->autoencoder_config.hidden, widths, sizeof widths);
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "autoencoder.hidden=%s", widths));
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "autoencoder.latent=%lld", (long long)m->autoencoder_config.latent));
  if (m->denoiser_path != NULL) {
    cyf_widths_text(m->denoiser_config.n_hidden, m->denoiser_config.hidden, widths, sizeof widths);
    CYF_TRY_CLEANUP(cyf_format(&text[n++], "denoiser.hidden=%s", widths));
  }
  if (m->n_classifiers > 0) {
    cyf_widths_text(3, m->classifier_config[0].hidden, widths, sizeof widths);
    CYF_TRY_CLEANUP(cyf_format(&text[n++], "classifier.hidden=%s", widths));
  }
  CYF_TRY_CLEANUP(cyf_settings_load_fixed(n, (const char *const *)text, ret_settings));
cleanup:
  for (int i = 0; i < N_MAX; i++) cyf_free(text[i]);
  return status;
}

static cyf_status fill_published_attribute(const import *m, int64_t k, cyf_model_attribute *to) {
  CYF_TRY(cyf_strdup(m->from[k].attribute, &to->name));
  CYF_TRY(cyf_names_copy(&m->labels[k], &to->categories));
  CYF_TRY(CYF_NEW(&to->n_cells, to->categories.n)); /* zero: a state dict does not tell */
  return cyf_import_classifier_weights(m, k, &m->classifier_config[k], to);
}

static cyf_status fill_published(const import *m, cyf_model *model) {
  CYF_TRY(check_published(m));
  const bool counts = m->autoencoder_config.likelihood == CYF_LIKELIHOOD_NB;
  model->kind = counts ? CYF_EXPRESSION_COUNTS : CYF_EXPRESSION_LOG_NORMALIZED;
  model->target = CYF_NORMALISED_TOTAL; /* of the published models */
  CYF_TRY(make_settings(m, &model->settings));
  model->latent_scale = cyf_settings_latent_scale(&model->settings);
  CYF_TRY(cyf_strdup("imported", &model->atlas_fingerprint));
  CYF_TRY(cyf_names_copy(&m->genes, &model->genes));
  CYF_TRY(cyf_import_weights(m, &m->autoencoder_config, &m->denoiser_config, model));
  CYF_TRY(CYF_NEW(&model->attributes, m->n_classifiers));
  model->n_attributes = m->n_classifiers;
  for (int64_t k = 0; k < m->n_classifiers; k++) CYF_TRY(fill_published_attribute(m, k, &model->attributes[k]));
  return CYF_OK;
}

/* ---- both kinds ---- */

static cyf_status read_all(import *m) {
  CYF_TRY(m->options->folder != NULL ? cyf_import_find_folder(m) : cyf_import_find_description(m));
  CYF_TRY(CYF_NEW(&m->classifier, m->n_classifiers));
  CYF_TRY(CYF_NEW(&m->classifier_config, m->n_classifiers));
  CYF_TRY(CYF_NEW(&m->labels, m->n_classifiers));
  CYF_TRY(read_autoencoder(m));
  CYF_TRY(read_denoiser(m));
  for (int64_t k = 0; k < m->n_classifiers; k++) CYF_TRY(read_classifier(m, k));
  return CYF_OK;
}

static cyf_status fill_model(import *m, cyf_model *model) {
  char now[32];
  cyf_clock_utc(now, sizeof now);
  model->device = m->device;
  CYF_TRY(m->described ? cyf_import_fill_described(m, model) : fill_published(m, model));
  CYF_TRY(cyf_strdup(now, &model->created));
  CYF_TRY(cyf_strdup(m->options->command_line != NULL ? m->options->command_line : "", &model->command_line));
  return cyf_strdup(CYF_VERSION, &model->version);
}

static void close_import(import *m) {
  cyf_published_close(&m->autoencoder);
  cyf_published_close(&m->denoiser);
  for (int64_t k = 0; k < m->n_classifiers; k++) {
    if (m->classifier != NULL) cyf_published_close(&m->classifier[k]);
    if (m->labels != NULL) cyf_names_destroy(&m->labels[k]);
  }
  cyf_free(m->classifier);
  cyf_free(m->classifier_config);
  cyf_free(m->labels);
  cyf_names_destroy(&m->genes);
  cyf_import_forget_description(m);
}

cyf_status cyf_model_import(const cyf_import_options *options, cyf_device *device, cyf_model **ret_model) {
import m = {.options = options, .device = device, .autoencoder_path = options->autoencoder, .denoiser_path = options->denoiser, .from = options->classifiers, .n_classifiers = options->n_classifiers };
  cyf_model *model = NULL;
  cyf_status status;
  *ret_model = NULL;
  CYF_TRY_CLEANUP(read_all(&m));
  CYF_TRY_CLEANUP(CYF_NEW(&model, 1));
  CYF_TRY_CLEANUP(fill_model(&m, model));
  *ret_model = model;
cleanup:
  close_import(&m);
  if (status != CYF_OK) cyf_model_destroy(&model);
  return status;
}
