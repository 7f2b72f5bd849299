/* SPDX-License-Identifier: MIT */
#include "saved/import.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tables/gene_list.h"
#include "data/tables/label_list.h"
#include "saved/published.h"

enum { WIDTHS_BYTES = 256 };

/* What is being imported: opened files and their shapes, before any model is made. */
typedef struct import {
  const cyf_import_options *options;
  cyf_device *device;
  cyf_published autoencoder, denoiser, *classifier; /* [options->n_classifiers] */
  cyf_autoencoder_config autoencoder_config;
  cyf_denoiser_config denoiser_config;
  cyf_classifier_config *classifier_config;
  cyf_names genes, *labels; /* [options->n_classifiers] */
} import;

static cyf_status read_autoencoder(import *m) {
  const cyf_import_options *o = m->options;
  const char *name = o->scimilarity != NULL ? o->scimilarity : o->autoencoder;
  const cyf_autoencoder_config *c = &m->autoencoder_config;
  CYF_TRY(o->scimilarity != NULL ? cyf_published_open_scimilarity(o->scimilarity, &m->autoencoder)
                                 : cyf_published_open(o->autoencoder, &m->autoencoder));
  CYF_TRY(cyf_published_autoencoder(&m->autoencoder, &m->autoencoder_config));
  char widths[WIDTHS_BYTES];
  cyf_widths_text(c->n_hidden, c->hidden, widths, sizeof widths);
  cyf_info("autoencoder %s: %lld genes, hidden %s, latent %lld", name, (long long)c->n_genes, widths,
           (long long)c->latent);
  if (o->genes == NULL && o->scimilarity == NULL)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "import: --genes LIST is needed: the checkpoint does not name its %lld genes (one a line, in the "
                    "order of training)",
                    (long long)c->n_genes);
  CYF_TRY(o->genes != NULL ? cyf_gene_list_read(o->genes, &m->genes)
                           : cyf_published_scimilarity_genes(o->scimilarity, &m->genes));
  if (m->genes.n != c->n_genes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s lists %lld genes, but the autoencoder %s takes %lld",
                    o->genes != NULL ? o->genes : "gene_order.tsv", (long long)m->genes.n, name, (long long)c->n_genes);
  return CYF_OK;
}

static cyf_status check_latent(const import *m, const char *path, int64_t latent) {
  if (latent == m->autoencoder_config.latent) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s works on %lld latent coordinates, but the autoencoder has %lld", path,
                  (long long)latent, (long long)m->autoencoder_config.latent);
}

static cyf_status read_denoiser(import *m) {
  const char *path = m->options->denoiser;
  if (path == NULL) {
    cyf_info("no denoiser: the model will encode and decode, not sample");
    return CYF_OK;
  }
  CYF_TRY(cyf_published_open(path, &m->denoiser));
  CYF_TRY(cyf_published_denoiser(&m->denoiser, &m->denoiser_config));
  char widths[WIDTHS_BYTES];
  cyf_widths_text(m->denoiser_config.n_hidden, m->denoiser_config.hidden, widths, sizeof widths);
  cyf_info("denoiser %s: hidden %s, latent %lld", path, widths, (long long)m->denoiser_config.latent);
  return check_latent(m, path, m->denoiser_config.latent);
}

static cyf_status read_classifier(import *m, int64_t k) {
  const cyf_import_classifier *from = &m->options->classifiers[k];
  cyf_classifier_config *c = &m->classifier_config[k];
  CYF_TRY(cyf_published_open(from->weights, &m->classifier[k]));
  CYF_TRY(cyf_published_classifier(&m->classifier[k], c));
  CYF_TRY(cyf_label_list_read(from->labels, &m->labels[k]));
  char widths[WIDTHS_BYTES], first[WIDTHS_BYTES];
  cyf_widths_text(3, c->hidden, widths, sizeof widths);
  cyf_widths_text(3, m->classifier_config[0].hidden, first, sizeof first);
  cyf_info("classifier of '%s' %s: hidden %s, %lld classes", from->attribute, from->weights, widths,
           (long long)c->n_classes);
  CYF_TRY(check_latent(m, from->weights, c->latent));
  if (m->labels[k].n != c->n_classes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s lists %lld labels, but %s tells %lld classes apart", from->labels,
                    (long long)m->labels[k].n, from->weights, (long long)c->n_classes);
  if (strcmp(widths, first) != 0)
    return CYF_FAIL(CYF_ERR_INPUT, "%s has hidden widths %s and %s has %s; the classifiers of a model share theirs",
                    from->weights, widths, m->options->classifiers[0].weights, first);
  for (int64_t i = 0; i < k; i++)
    if (strcmp(m->options->classifiers[i].attribute, from->attribute) == 0)
      return CYF_FAIL(CYF_ERR_USAGE, "import: two classifiers for '%s'", from->attribute);
  return CYF_OK;
}

/* The published settings (configs/paper.yaml) with the shapes that the weights have. */
static cyf_status make_settings(const import *m, cyf_settings *ret_settings) {
  enum { N_MAX = 8 };
  char widths[WIDTHS_BYTES], *text[N_MAX] = {0};
  int n = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "diffusion.latent_scale=1"));
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "diffusion.unit_length=false"));
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "diffusion.guide_below=500"));
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "sample.method=ddpm"));
  cyf_widths_text(m->autoencoder_config.n_hidden, m->autoencoder_config.hidden, widths, sizeof widths);
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "autoencoder.hidden=%s", widths));
  CYF_TRY_CLEANUP(cyf_format(&text[n++], "autoencoder.latent=%lld", (long long)m->autoencoder_config.latent));
  if (m->options->denoiser != NULL) {
    cyf_widths_text(m->denoiser_config.n_hidden, m->denoiser_config.hidden, widths, sizeof widths);
    CYF_TRY_CLEANUP(cyf_format(&text[n++], "denoiser.hidden=%s", widths));
  }
  if (m->options->n_classifiers > 0) {
    cyf_widths_text(3, m->classifier_config[0].hidden, widths, sizeof widths);
    CYF_TRY_CLEANUP(cyf_format(&text[n++], "classifier.hidden=%s", widths));
  }
  CYF_TRY_CLEANUP(cyf_settings_load(NULL, n, (const char *const *)text, ret_settings));
cleanup:
  for (int i = 0; i < N_MAX; i++) cyf_free(text[i]);
  return status;
}

static cyf_status fill_attribute(const import *m, int64_t k, cyf_model_attribute *to) {
  CYF_TRY(cyf_strdup(m->options->classifiers[k].attribute, &to->name));
  CYF_TRY(cyf_names_copy(&m->labels[k], &to->categories));
  CYF_TRY(CYF_NEW(&to->n_cells, to->categories.n)); /* zero: a state dict does not tell */
  CYF_TRY(cyf_classifier_create(m->device, &m->classifier_config[k], 0, &to->classifier));
  return cyf_published_load(&m->classifier[k], cyf_classifier_parameters(to->classifier));
}

static cyf_status fill_model(const import *m, cyf_model *model) {
  const cyf_import_options *o = m->options;
  char now[32];
  cyf_clock_utc(now, sizeof now);
  model->device = m->device;
  model->kind = CYF_EXPRESSION_LOG_NORMALIZED;
  CYF_TRY(make_settings(m, &model->settings));
  model->latent_scale = cyf_settings_latent_scale(&model->settings);
  CYF_TRY(cyf_strdup("imported", &model->atlas_fingerprint));
  CYF_TRY(cyf_strdup(now, &model->created));
  CYF_TRY(cyf_strdup(o->command_line != NULL ? o->command_line : "", &model->command_line));
  CYF_TRY(cyf_strdup(CYF_VERSION, &model->version));
  CYF_TRY(cyf_names_copy(&m->genes, &model->genes));
  CYF_TRY(cyf_autoencoder_create(m->device, &m->autoencoder_config, 0, &model->autoencoder));
  CYF_TRY(cyf_published_load(&m->autoencoder, cyf_autoencoder_parameters(model->autoencoder)));
  if (o->denoiser != NULL) {
    CYF_TRY(cyf_denoiser_create(m->device, &m->denoiser_config, 0, &model->denoiser));
    CYF_TRY(cyf_published_load(&m->denoiser, cyf_denoiser_parameters(model->denoiser)));
  }
  CYF_TRY(CYF_NEW(&model->attributes, o->n_classifiers));
  model->n_attributes = o->n_classifiers;
  for (int64_t k = 0; k < o->n_classifiers; k++) CYF_TRY(fill_attribute(m, k, &model->attributes[k]));
  return CYF_OK;
}

static cyf_status read_all(import *m) {
  const int64_t n = m->options->n_classifiers;
  CYF_TRY(CYF_NEW(&m->classifier, n));
  CYF_TRY(CYF_NEW(&m->classifier_config, n));
  CYF_TRY(CYF_NEW(&m->labels, n));
  CYF_TRY(read_autoencoder(m));
  CYF_TRY(read_denoiser(m));
  for (int64_t k = 0; k < n; k++) CYF_TRY(read_classifier(m, k));
  return CYF_OK;
}

static void close_import(import *m) {
  cyf_published_close(&m->autoencoder);
  cyf_published_close(&m->denoiser);
  for (int64_t k = 0; k < m->options->n_classifiers; k++) {
    if (m->classifier != NULL) cyf_published_close(&m->classifier[k]);
    if (m->labels != NULL) cyf_names_destroy(&m->labels[k]);
  }
  cyf_free(m->classifier);
  cyf_free(m->classifier_config);
  cyf_free(m->labels);
  cyf_names_destroy(&m->genes);
}

cyf_status cyf_model_import(const cyf_import_options *options, cyf_device *device, cyf_model **ret_model) {
import m = {.options = options, .device = device };
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
