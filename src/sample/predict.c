/* SPDX-License-Identifier: MIT */
#include "sample/predict.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/finite.h"
#include "model/classifier.h"

cyf_status cyf_prediction_make(const cyf_model *model, const bool *wanted, int64_t n_cells, bool keeps_probabilities,
                               cyf_prediction *ret_prediction) {
  cyf_prediction *p = ret_prediction;
  *p = (cyf_prediction){.model = model, .n_cells = n_cells};
  CYF_TRY(CYF_NEW(&p->item, model->n_attributes));
  for (int64_t a = 0; a < model->n_attributes; a++) {
    const cyf_classifier *classifier = model->attributes[a].classifier;
    if (classifier == NULL || (wanted != NULL && !wanted[a])) continue;
    cyf_predicted *item = &p->item[p->n++];
    item->attribute = a;
    item->n_classes = cyf_classifier_get_config(classifier)->n_classes;
    p->n_numbers += item->n_classes;
    CYF_TRY(CYF_NEW(&item->code, n_cells));
    CYF_TRY(CYF_NEW(&item->best, n_cells));
    if (keeps_probabilities) CYF_TRY(CYF_NEW(&item->probability, n_cells * item->n_classes));
  }
  return CYF_OK;
}

void cyf_prediction_destroy(cyf_prediction *prediction) {
  if (prediction == NULL) return;
  for (int64_t k = 0; k < prediction->n; k++) {
    cyf_free(prediction->item[k].code);
    cyf_free(prediction->item[k].best);
    cyf_free(prediction->item[k].probability);
  }
  cyf_free(prediction->item);
  *prediction = (cyf_prediction){0};
}

/* Probabilities [n, classes] (host) of x[n, width] (device), latents at the scale that they are diffused at. */
static cyf_status classify(const cyf_prediction *p, const cyf_predicted *item, cyf_scratch *scratch, int64_t n,
                           const float *x, const int32_t *t, float *probability) {
  cyf_device *device = p->model->device;
  const int64_t n_values = n * item->n_classes;
  float *on_device = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n_values, &on_device));
  CYF_TRY(cyf_classifier_logits(p->model->attributes[item->attribute].classifier, scratch, n, x, t, on_device));
  CYF_TRY(device->ops->softmax_rows(device, n, item->n_classes, NULL, on_device));
  CYF_TRY(device->ops->download(device, probability, on_device, sizeof(float) * (size_t)n_values));
  return device->ops->synchronize(device);
}

cyf_status cyf_prediction_block(const cyf_prediction *prediction, cyf_scratch *scratch, cyf_cell_block *block) {
  const cyf_prediction *p = prediction;
  cyf_device *device = p->model->device;
  const int64_t n = block->n_cells, width = p->model->settings.autoencoder.latent;
  const cyf_finite_rows said = {CYF_ERR_NUMERIC, p->model->path, "a probability", CYF_MODEL_NOT_FINITE};
  float *x = NULL, *probability = block->latent + n * width;
  int32_t *t = NULL;
  cyf_status status = CYF_OK;
  if (p->n == 0) return CYF_OK;
  CYF_TRY(cyf_scratch_floats(scratch, n * width, &x));
  CYF_TRY(CYF_NEW(&t, n)); /* timestep 0 */
  CYF_TRY_CLEANUP(device->ops->upload(device, x, block->latent, sizeof(float) * (size_t)(n * width)));
  CYF_TRY_CLEANUP(device->ops->scale(device, n * width, p->model->latent_scale, x));
  for (int64_t k = 0; k < p->n; k++) {
    CYF_TRY_CLEANUP(classify(p, &p->item[k], scratch, n, x, t, probability));
    CYF_TRY_CLEANUP(cyf_rows_check_finite(n, p->item[k].n_classes, probability, 0, &said));
    probability += n * p->item[k].n_classes;
  }
cleanup:
  cyf_free(t);
  return status;
}

static int32_t largest(int64_t n, const float *values) {
  int32_t at = 0;
  for (int32_t c = 1; c < n; c++)
    if (values[c] > values[at]) at = c;
  return at;
}

void cyf_prediction_take(cyf_prediction *prediction, const cyf_cell_block *block) {
  cyf_prediction *p = prediction;
  const int64_t n = block->n_cells;
  const float *probability = block->latent + n * p->model->settings.autoencoder.latent;
  for (int64_t k = 0; k < p->n; k++) {
    cyf_predicted *item = &p->item[k];
    for (int64_t i = 0; i < n; i++) {
      const float *of_cell = probability + i * item->n_classes;
      item->code[p->n_taken + i] = largest(item->n_classes, of_cell);
      item->best[p->n_taken + i] = (double)of_cell[item->code[p->n_taken + i]];
    }
    if (item->probability != NULL)
      memcpy(item->probability + p->n_taken * item->n_classes, probability,
             sizeof(float) * (size_t)(n * item->n_classes));
    probability += n * item->n_classes;
  }
  p->n_taken += n;
}

/* ---- what is written ---- */

cyf_status cyf_predicted_name(const char *attribute, char **ret_name) {
  return cyf_format(ret_name, "predicted_%s", attribute);
}

cyf_status cyf_predicted_write_labels(const cyf_prediction *prediction, const cyf_predicted *predicted,
                                      int64_t n_before, const int32_t *known, cyf_h5ad_writer *writer) {
  const cyf_model_attribute *a = &prediction->model->attributes[predicted->attribute];
  const int64_t n = n_before + prediction->n_cells;
  cyf_label_column column = {.categories = a->categories, .n_cells = n};
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_predicted_name(a->name, &column.attribute));
  CYF_TRY_CLEANUP(CYF_NEW(&column.code, n));
  for (int64_t i = 0; i < n; i++) {
    const int64_t cell = i - n_before;
    column.code[i] = cell < 0 || (known != NULL && known[cell] >= 0) ? -1 : predicted->code[cell];
  }
  status = cyf_h5ad_writer_add_labels(writer, &column);
cleanup:
  cyf_free(column.attribute);
  cyf_free(column.code);
  return status;
}

static cyf_status write_one(const cyf_prediction *p, const cyf_predicted *item, cyf_h5ad_writer *writer) {
  const char *attribute = p->model->attributes[item->attribute].name;
  char *name = NULL;
  CYF_TRY(cyf_predicted_write_labels(p, item, 0, NULL, writer));
  CYF_TRY(cyf_format(&name, "predicted_%s_probability", attribute));
  cyf_status status = cyf_h5ad_writer_add_numbers(writer, name, item->best, p->n_cells);
  cyf_free(name);
  CYF_TRY(status);
  CYF_TRY(cyf_format(&name, "probabilities_%s", attribute));
  status = cyf_h5ad_writer_set_obsm(writer, name, p->n_cells, item->n_classes, item->probability);
  cyf_free(name);
  return status;
}

cyf_status cyf_prediction_write(const cyf_prediction *prediction, cyf_h5ad_writer *writer) {
  for (int64_t k = 0; k < prediction->n; k++) CYF_TRY(write_one(prediction, &prediction->item[k], writer));
  return CYF_OK;
}
