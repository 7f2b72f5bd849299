/* SPDX-License-Identifier: MIT */
#include "train/fine_tune.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "kernels/backend.h"
#include "saved/published.h"

typedef struct start {
  const char *directory;
  cyf_published published;
  cyf_autoencoder_config from, to;
  cyf_names genes; /* of the directory */
  int64_t *match;  /* [to.n_genes] place in `genes`, -1: none */
} start;

static cyf_status check_shape(const start *s) {
  char has[256], wanted[256];
  cyf_widths_text(s->from.n_hidden, s->from.hidden, has, sizeof has);
  cyf_widths_text(s->to.n_hidden, s->to.hidden, wanted, sizeof wanted);
  if (strcmp(has, wanted) != 0 || s->from.latent != s->to.latent)
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "autoencoder.init: %s has hidden widths %s and latent %lld, the configuration %s and %lld; set "
                    "autoencoder.hidden and autoencoder.latent to the former",
                    s->directory, has, (long long)s->from.latent, wanted, (long long)s->to.latent);
  if (s->genes.n != s->from.n_genes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: gene_order.tsv lists %lld genes, but the encoder takes %lld", s->directory,
                    (long long)s->genes.n, (long long)s->from.n_genes);
  return CYF_OK;
}

static cyf_status match_genes(start *s, const cyf_names *genes) {
  int64_t n_matched = 0;
  CYF_TRY(CYF_NEW(&s->match, genes->n));
  for (int64_t g = 0; g < genes->n; g++) {
    s->match[g] = cyf_names_find(&s->genes, genes->name[g]);
    n_matched += s->match[g] >= 0;
  }
  if (n_matched == 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "autoencoder.init: none of the atlas' genes ('%s', ...) is among those of %s ('%s', ...); are "
                    "both symbols of one species?",
                    genes->name[0], s->directory, s->genes.name[0]);
  cyf_info("autoencoder starts from %s: %lld of %lld genes are among its %lld and keep their weights, %lld are new",
           s->directory, (long long)n_matched, (long long)genes->n, (long long)s->genes.n,
           (long long)(genes->n - n_matched));
  return CYF_OK;
}

/* Copies matched genes between matrices in PyTorch's order: of [rows, genes] the columns, of [genes, rows] the rows. */
static void copy_genes(const start *s, bool genes_are_rows, int64_t rows, const float *from, float *to) {
  for (int64_t g = 0; g < s->to.n_genes; g++) {
    const int64_t old = s->match[g];
    if (old < 0) continue;
    for (int64_t r = 0; r < rows; r++) {
      if (genes_are_rows)
        to[g * rows + r] = from[old * rows + r];
      else
        to[r * s->to.n_genes + g] = from[r * s->from.n_genes + old];
    }
  }
}

/* Takes over one tensor, into the flat host buffer. A model of counts keeps its own last layer, whose output is log
 * shares and not expression. It also keeps the tensors that published files lack. */
static cyf_status take_tensor(const start *s, const cyf_named_tensor *tensor, float *flat) {
  char last_weight[64], last_bias[64];
  snprintf(last_weight, sizeof last_weight, "decoder.network.%d.weight", s->to.n_hidden);
  snprintf(last_bias, sizeof last_bias, "decoder.network.%d.bias", s->to.n_hidden);
  const bool last = strcmp(tensor->name, last_weight) == 0 || strcmp(tensor->name, last_bias) == 0;
  const bool own = last || strncmp(tensor->name, "library.", 8) == 0 || strncmp(tensor->name, "dispersion.", 11) == 0;
  if (own && s->to.likelihood == CYF_LIKELIHOOD_NB) return CYF_OK;
  const bool first = strcmp(tensor->name, "encoder.network.0.1.weight") == 0;
  const bool by_gene = first || last;
  cyf_named_tensor old = *tensor; /* as it is in the directory's files */
  if (by_gene) {
    old.shape[first ? 1 : 0] = s->from.n_genes;
    old.count = tensor->count / s->to.n_genes * s->from.n_genes;
  }
  float *from = NULL, *to = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&from, old.count));
  CYF_TRY_CLEANUP(CYF_NEW(&to, tensor->count));
  CYF_TRY_CLEANUP(cyf_published_read(&s->published, &old, from));
  if (by_gene) {
    cyf_tensor_to_torch_order(tensor, flat, to);
    copy_genes(s, !first, tensor->count / s->to.n_genes, from, to);
  }
  cyf_tensor_from_torch_order(tensor, by_gene ? to : from, flat);
cleanup:
  cyf_free(from);
  cyf_free(to);
  return status;
}

static cyf_status take_layout(const start *s, const cyf_layout *layout, cyf_device *device, float *values) {
  const size_t bytes = sizeof(float) * (size_t)layout->total;
  float *flat = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&flat, layout->total));
  CYF_TRY_CLEANUP(device->ops->download(device, flat, values, bytes));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
  for (int64_t i = 0; i < layout->n_tensors; i++) CYF_TRY_CLEANUP(take_tensor(s, &layout->tensors[i], flat));
  CYF_TRY_CLEANUP(device->ops->upload(device, values, flat, bytes));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
cleanup:
  cyf_free(flat);
  return status;
}

cyf_status cyf_autoencoder_start_from(cyf_autoencoder *autoencoder, const char *directory, const cyf_names *genes) {
  start s = {.directory = directory, .to = *cyf_autoencoder_get_config(autoencoder)};
  cyf_parameters *p = cyf_autoencoder_parameters(autoencoder);
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_published_open_scimilarity(directory, &s.published));
  CYF_TRY_CLEANUP(cyf_published_autoencoder(&s.published, &s.from));
  CYF_TRY_CLEANUP(cyf_published_scimilarity_genes(directory, &s.genes));
  CYF_TRY_CLEANUP(check_shape(&s));
  CYF_TRY_CLEANUP(match_genes(&s, genes));
  CYF_TRY_CLEANUP(take_layout(&s, &p->layout, p->device, p->value));
  CYF_TRY_CLEANUP(take_layout(&s, &p->buffer_layout, p->device, p->buffer));
cleanup:
  cyf_published_close(&s.published);
  cyf_names_destroy(&s.genes);
  cyf_free(s.match);
  return status;
}
