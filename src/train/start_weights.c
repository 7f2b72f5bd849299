/* SPDX-License-Identifier: MIT */
/* Weights of a trained model taken over into a new one, tensor by tensor. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "kernels/backend.h"
#include "train/start_model.h"

/* How a tensor of the new model is found in the old one. */
typedef struct place {
  char old_name[CYF_TENSOR_NAME_MAX]; /* "": it is new */
  int axis;                           /* along which `match` goes: 0 rows, 1 columns, -1: the shapes are one */
  const int64_t *match;               /* [new length of that axis] the old index; -1: it is new */
} place;

/* One model's parameters taken over; old ones lie in host memory. */
typedef struct transfer {
  const char *path; /* of the old model */
  const cyf_parameters *from;
  cyf_parameters *to;
  /* Fills in where a tensor of the new model stands in the old one; old_name is the tensor's on entry, axis -1. */
  void (*find)(const void *context, const cyf_named_tensor *tensor, place *ret_place);
  const void *context;
} transfer;

/* Copies matched entries between arrays in PyTorch's order. */
static void copy_entries(const place *p, const cyf_named_tensor *tensor, const cyf_named_tensor *old, const float *from,
                         float *to) {
  const int64_t rows = tensor->n_dims > 0 ? tensor->shape[0] : 1, columns = tensor->n_dims > 1 ? tensor->shape[1] : 1;
  const int64_t old_columns = old->n_dims > 1 ? old->shape[1] : 1;
  for (int64_t r = 0; r < rows; r++) {
    const int64_t old_r = p->axis == 0 ? p->match[r] : r;
    for (int64_t c = 0; c < columns && old_r >= 0; c++) {
      const int64_t old_c = p->axis == 1 ? p->match[c] : c;
      if (old_c >= 0) to[r * columns + c] = from[old_r * old_columns + old_c];
    }
  }
}

static bool fits(const place *p, const cyf_named_tensor *tensor, const cyf_named_tensor *old) {
  if (tensor->n_dims != old->n_dims) return false;
  for (int d = 0; d < tensor->n_dims; d++)
    if (d != p->axis && tensor->shape[d] != old->shape[d]) return false;
  return true;
}

static cyf_status take_tensor(const transfer *t, const cyf_layout *old_layout, const float *old_flat,
                              const cyf_named_tensor *tensor, float *flat) {
  place p = {.axis = -1};
  float *from = NULL, *to = NULL;
  snprintf(p.old_name, sizeof p.old_name, "%s", tensor->name);
  if (t->find != NULL) t->find(t->context, tensor, &p);
  if (p.old_name[0] == '\0') return CYF_OK;
  const cyf_named_tensor *old = cyf_layout_find(old_layout, p.old_name);
  if (old == NULL || !fits(&p, tensor, old))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: its tensor %s is not of the new model's shape", t->path, p.old_name);
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&from, old->count));
  CYF_TRY_CLEANUP(CYF_NEW(&to, tensor->count));
  cyf_tensor_to_torch_order(old, old_flat, from);
  cyf_tensor_to_torch_order(tensor, flat, to);
  copy_entries(&p, tensor, old, from, to);
  cyf_tensor_from_torch_order(tensor, to, flat);
cleanup:
  cyf_free(from);
  cyf_free(to);
  return status;
}

/* Takes over one flat array. `finish`, where given, gets the new array as it was and as it is. */
static cyf_status take_array(const transfer *t, const cyf_layout *old_layout, const float *old_flat,
                             const cyf_layout *layout, float *values,
                             void (*finish)(const void *context, const float *before, float *flat)) {
  cyf_device *device = t->to->device;
  const size_t bytes = sizeof(float) * (size_t)layout->total;
  float *flat = NULL, *before = NULL;
  cyf_status status = CYF_OK;
  if (layout->total == 0) return CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&flat, layout->total));
  CYF_TRY_CLEANUP(CYF_NEW(&before, layout->total));
  CYF_TRY_CLEANUP(device->ops->download(device, flat, values, bytes));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
  memcpy(before, flat, bytes);
  for (int64_t i = 0; i < layout->n_tensors; i++)
    CYF_TRY_CLEANUP(take_tensor(t, old_layout, old_flat, &layout->tensors[i], flat));
  if (finish != NULL) finish(t->context, before, flat);
  CYF_TRY_CLEANUP(device->ops->upload(device, values, flat, bytes));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
cleanup:
  cyf_free(flat);
  cyf_free(before);
  return status;
}

static cyf_status take_over(const transfer *t, void (*finish)(const void *context, const float *before, float *flat)) {
  CYF_TRY(take_array(t, &t->from->layout, t->from->value, &t->to->layout, t->to->value, finish));
  return take_array(t, &t->from->buffer_layout, t->from->buffer, &t->to->buffer_layout, t->to->buffer, NULL);
}

/* The place of each new name among the old ones, and `n_behind` entries that follow the names in both. */
static cyf_status match_names(const cyf_names *names, const cyf_names *old, int64_t n_behind, int64_t **ret_match) {
  CYF_TRY(CYF_NEW(ret_match, names->n + n_behind));
  for (int64_t i = 0; i < names->n; i++) (*ret_match)[i] = cyf_names_find(old, names->name[i]);
  for (int64_t i = 0; i < n_behind; i++) (*ret_match)[names->n + i] = old->n + i;
  return CYF_OK;
}

/* ---- the autoencoder ---- */

typedef struct genes {
  int64_t *match; /* [n_genes] */
  int64_t n_genes;
  char last_weight[64], last_bias[64];
  const cyf_named_tensor *bias; /* of the last layer; NULL: no model of counts */
} genes;

static void find_gene_tensor(const void *context, const cyf_named_tensor *tensor, place *p) {
  const genes *g = context;
  const bool is_first = strcmp(tensor->name, "encoder.network.0.1.weight") == 0;
  const bool is_last = strcmp(tensor->name, g->last_weight) == 0 || strcmp(tensor->name, g->last_bias) == 0;
  if (!is_first && !is_last && strncmp(tensor->name, "dispersion.", 11) != 0) return;
  p->axis = is_first ? 1 : 0;
  p->match = g->match;
}

/* A softmax takes the biases of all genes together, and those of the old model may have moved by a common amount since
 * they were log shares. That amount, averaged over the counts, is added to the log shares of new genes. */
static void level_new_genes(const void *context, const float *before, float *flat) {
  const genes *g = context;
  double moved = 0, weight = 0;
  if (g->bias == NULL) return;
  before += g->bias->offset;
  flat += g->bias->offset;
  for (int64_t i = 0; i < g->n_genes; i++) {
    if (g->match[i] < 0) continue;
    const double share = exp((double)before[i]);
    moved += share * ((double)flat[i] - (double)before[i]);
    weight += share;
  }
  for (int64_t i = 0; i < g->n_genes && weight > 0; i++)
    if (g->match[i] < 0) flat[i] += (float)(moved / weight);
}

cyf_status cyf_start_autoencoder(const cyf_model *model, const cyf_atlas *atlas, cyf_autoencoder *autoencoder) {
  const cyf_autoencoder_config *config = cyf_autoencoder_get_config(autoencoder);
  genes g = {.n_genes = config->n_genes};
  const transfer t = {.path = model->path,
                      .from = cyf_autoencoder_parameters(model->autoencoder),
                      .to = cyf_autoencoder_parameters(autoencoder),
                      .find = find_gene_tensor,
                      .context = &g};
  snprintf(g.last_weight, sizeof g.last_weight, "decoder.network.%d.weight", config->n_hidden);
  snprintf(g.last_bias, sizeof g.last_bias, "decoder.network.%d.bias", config->n_hidden);
  if (config->likelihood == CYF_LIKELIHOOD_NB) g.bias = cyf_layout_find(&t.to->layout, g.last_bias);
  cyf_status status = match_names(&atlas->genes, &model->genes, 0, &g.match);
  if (status == CYF_OK) status = take_over(&t, level_new_genes);
  cyf_free(g.match);
  return status;
}

/* ---- the denoiser ---- */

typedef struct conditions {
  int old[CYF_DENOISER_CONDITIONS_MAX]; /* of each condition, its place in the old denoiser; -1: it is new */
  int64_t *match[CYF_DENOISER_CONDITIONS_MAX];
} conditions;

/* layers.I.label_layer.K.weight: a table of condition K, a row a class and one for cells without a label. */
static void find_label_table(const void *context, const cyf_named_tensor *tensor, place *p) {
  static const char marker[] = ".label_layer.";
  const conditions *c = context;
  const char *at = strstr(tensor->name, marker);
  int condition = 0;
  if (at == NULL || sscanf(at + strlen(marker), "%d.", &condition) != 1) return;
  p->axis = 0;
  p->match = c->match[condition];
  if (c->old[condition] < 0)
    p->old_name[0] = '\0';
  else
    snprintf(p->old_name, sizeof p->old_name, "%.*s%s%d.weight", (int)(at - tensor->name), tensor->name, marker,
             c->old[condition]);
}

cyf_status cyf_start_denoiser(const cyf_model *model, const cyf_atlas *atlas, const cyf_config_texts *names,
                              cyf_denoiser *denoiser) {
  conditions c = {.old = {0}};
  cyf_status status = CYF_OK;
  if (model->denoiser == NULL) return CYF_OK;
  const transfer t = {.path = model->path,
                      .from = cyf_denoiser_parameters(model->denoiser),
                      .to = cyf_denoiser_parameters(denoiser),
                      .find = find_label_table,
                      .context = &c};
  for (int k = 0; k < names->n; k++) {
    const int64_t here = cyf_atlas_find_attribute(atlas, names->value[k]);
    const int64_t there = cyf_model_attribute_index(model, names->value[k]);
    c.old[k] = cyf_model_condition(model, names->value[k]);
    if (c.old[k] >= 0)
      CYF_TRY_CLEANUP(
          match_names(&atlas->attributes[here].categories, &model->attributes[there].categories, 1, &c.match[k]));
  }
  status = take_over(&t, NULL);
cleanup:
  for (int k = 0; k < CYF_DENOISER_CONDITIONS_MAX; k++) cyf_free(c.match[k]);
  return status;
}

/* ---- a classifier ---- */

static void find_class_tensor(const void *context, const cyf_named_tensor *tensor, place *p) {
  if (strcmp(tensor->name, "out.weight") != 0 && strcmp(tensor->name, "out.bias") != 0) return;
  p->axis = 0;
  p->match = context;
}

cyf_status cyf_start_classifier(const cyf_model *model, const cyf_attribute *attribute, cyf_classifier *classifier) {
  const int64_t at = cyf_model_attribute_index(model, attribute->name);
  int64_t *match = NULL;
  if (at < 0 || model->attributes[at].classifier == NULL) return CYF_OK;
  const int64_t *has = cyf_classifier_get_config(model->attributes[at].classifier)->hidden;
  if (memcmp(has, cyf_classifier_get_config(classifier)->hidden, 3 * sizeof *has) != 0) {
    cyf_warn("the classifier of %s in %s has widths of its own: this one starts anew", attribute->name, model->path);
    return CYF_OK;
  }
  CYF_TRY(match_names(&attribute->categories, &model->attributes[at].categories, 0, &match));
  const transfer t = {.path = model->path,
                      .from = cyf_classifier_parameters(model->attributes[at].classifier),
                      .to = cyf_classifier_parameters(classifier),
                      .find = find_class_tensor,
                      .context = match};
  const cyf_status status = take_over(&t, NULL);
  cyf_free(match);
  return status;
}
