/* SPDX-License-Identifier: MIT */
#include "saved/published.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/tables/gene_list.h"
#include "kernels/backend.h"
#include "saved/exported.h"

/* The largest width that the configuration allows as well (saved/settings.c). */
enum { WIDTH_MAX = 65536, NAME_BYTES = 128, SHAPE_BYTES = 96 };

/* ---- files ---- */

cyf_status cyf_published_open(const char *path, const char *prefix, cyf_published *ret_published) {
  cyf_weights_file **file = &ret_published->part[0].file;
  *ret_published = (cyf_published){.n_parts = 1, .part[0].prefix = ""};
  CYF_TRY(cyf_weights_open(path, "", file));
  const char *module = cyf_published_module(ret_published);
  if (module == NULL || strcmp(module, CYF_EXPORTED_WHOLE) != 0) return CYF_OK;
  cyf_weights_close(file);
  return cyf_weights_open(path, prefix, file);
}

const char *cyf_published_model(const cyf_published *published) {
  return cyf_weights_metadata(published->part[0].file, CYF_EXPORTED_MODEL);
}
const char *cyf_published_module(const cyf_published *published) {
  return cyf_weights_metadata(published->part[0].file, CYF_EXPORTED_MODULE);
}
const char *cyf_published_path(const cyf_published *published) {
  return cyf_weights_path(published->part[0].file);
}

cyf_status cyf_published_open_scimilarity(const char *directory, cyf_published *ret_published) {
  static const char *const files[] = {"encoder.ckpt", "decoder.ckpt"}, *const prefixes[] = {"encoder.", "decoder."};
  *ret_published = (cyf_published){.n_parts = 2};
  cyf_status status = CYF_OK;
  for (int i = 0; i < 2 && status == CYF_OK; i++) {
    char *path = NULL;
    ret_published->part[i].prefix = prefixes[i];
    status = cyf_path_join(directory, files[i], &path);
    if (status == CYF_OK) status = cyf_weights_open(path, "", &ret_published->part[i].file);
    cyf_free(path);
  }
  if (status != CYF_OK) cyf_published_close(ret_published);
  return status;
}

cyf_status cyf_published_scimilarity_genes(const char *directory, cyf_names *ret_genes) {
  char *path = NULL;
  CYF_TRY(cyf_path_join(directory, "gene_order.tsv", &path));
  const cyf_status status = cyf_gene_list_read(path, ret_genes);
  cyf_free(path);
  return status;
}

void cyf_published_close(cyf_published *published) {
  if (published == NULL) return;
  for (int i = 0; i < published->n_parts; i++) cyf_weights_close(&published->part[i].file);
  memset(published, 0, sizeof *published);
}

/* Finds the file, and the place in it, of the tensor that the model calls `name`; false when there is none. */
static bool find(const cyf_published *p, const char *name, cyf_weights_file **ret_file, int64_t *ret_index) {
  for (int i = 0; i < p->n_parts; i++) {
    const size_t n = strlen(p->part[i].prefix);
    if (strncmp(name, p->part[i].prefix, n) != 0) continue;
    *ret_index = cyf_weights_find(p->part[i].file, name + n);
    *ret_file = p->part[i].file;
    if (*ret_index >= 0) return true;
  }
  return false;
}

/* ---- shapes ---- */

void cyf_widths_text(int n, const int64_t *widths, char *text, size_t size) {
  size_t at = (size_t)snprintf(text, size, "[");
  for (int i = 0; i < n && at < size; i++)
    at += (size_t)snprintf(text + at, size - at, "%s%" PRId64, i > 0 ? ", " : "", widths[i]);
  if (at < size) snprintf(text + at, size - at, "]");
}

/* Gives rows and columns, each at least 1, of the weight matrix of that name; false when there is no such matrix. A
 * layer's width is held against WIDTH_MAX later (check_widths). */
__attribute__((format(printf, 4, 5))) static bool matrix(const cyf_published *p, int64_t *ret_rows,
                                                         int64_t *ret_columns, const char *format, ...) {
  char name[NAME_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  cyf_weights_file *file = NULL;
  int64_t index = 0;
  if (!find(p, name, &file, &index)) return false;
  const cyf_torch_tensor *tensor = cyf_weights_tensor(file, index);
  if (tensor->n_dims != 2 || tensor->count == 0) return false;
  *ret_rows = tensor->shape[0];
  *ret_columns = tensor->shape[1];
  return true;
}

static cyf_status no_such_model(const cyf_published *p, const char *what, const char *tensor) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s is no %s: it has no matrix %s (it begins with tensor %s)",
                  cyf_weights_path(p->part[0].file), what, tensor, cyf_weights_tensor(p->part[0].file, 0)->name);
}

static cyf_status check_widths(const cyf_published *p, int n, const int64_t *widths) {
  for (int i = 0; i < n; i++)
    if (widths[i] > WIDTH_MAX)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: a layer of width %lld; widths to %d are possible",
                      cyf_weights_path(p->part[0].file), (long long)widths[i], WIDTH_MAX);
  return CYF_OK;
}

static cyf_status check_tensor(const cyf_published *p, const cyf_named_tensor *wanted) {
  cyf_weights_file *file = NULL;
  int64_t index = 0;
  if (!find(p, wanted->name, &file, &index))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: tensor %s is missing",
                    cyf_weights_path(p->part[p->n_parts > 1 && wanted->name[0] == 'd'].file), wanted->name);
  const cyf_torch_tensor *tensor = cyf_weights_tensor(file, index);
  bool same = tensor->n_dims == wanted->n_dims;
  for (int d = 0; d < wanted->n_dims && same; d++) same = tensor->shape[d] == wanted->shape[d];
  if (same) return CYF_OK;
  char has[SHAPE_BYTES], needs[SHAPE_BYTES];
  cyf_widths_text(tensor->n_dims, tensor->shape, has, sizeof has);
  cyf_widths_text(wanted->n_dims, wanted->shape, needs, sizeof needs);
  return CYF_FAIL(CYF_ERR_INPUT, "%s: tensor %s has shape %s; beside the other layers it should have %s",
                  cyf_weights_path(file), wanted->name, has, needs);
}

/* Checks that every tensor of the layouts is in the files, and that the files hold no other. */
static cyf_status check_all(const cyf_published *p, const char *what, const cyf_parameters *layouts) {
  const cyf_layout *both[] = {&layouts->layout, &layouts->buffer_layout};
  for (int k = 0; k < 2; k++)
    for (int64_t i = 0; i < both[k]->n_tensors; i++) CYF_TRY(check_tensor(p, &both[k]->tensors[i]));
  for (int i = 0; i < p->n_parts; i++)
    for (int64_t k = 0; k < cyf_weights_n_tensors(p->part[i].file); k++) {
      const char *name = cyf_weights_tensor(p->part[i].file, k)->name;
      char full[CYF_TENSOR_NAME_MAX];
      const int n = snprintf(full, sizeof full, "%s%s", p->part[i].prefix, name);
      const bool known = n < (int)sizeof full && (cyf_layout_find(both[0], full) || cyf_layout_find(both[1], full));
      if (!known)
        return CYF_FAIL(CYF_ERR_INPUT, "%s: tensor %s belongs to no %s", cyf_weights_path(p->part[i].file), name, what);
    }
  return CYF_OK;
}

static cyf_status check_layouts(const cyf_published *p, const char *what, cyf_status made, cyf_parameters *layouts) {
  CYF_TRY(made);
  const cyf_status status = check_all(p, what, layouts);
  cyf_parameters_destroy(layouts);
  return status;
}

cyf_status cyf_published_autoencoder(const cyf_published *published, cyf_autoencoder_config *ret_config) {
  cyf_autoencoder_config c = {0};
  cyf_parameters layouts = {0};
  cyf_weights_file *file = NULL;
  int64_t rows = 0, columns = 0, index = 0;
  while (c.n_hidden < CYF_HIDDEN_MAX && matrix(published, &rows, &columns, "encoder.network.%d.1.weight", c.n_hidden)) {
    if (c.n_hidden == 0) c.n_genes = columns;
    c.hidden[c.n_hidden++] = rows;
  }
  if (c.n_hidden == 0)
    return no_such_model(published, "autoencoder of scDiffusion or SCimilarity", "encoder.network.0.1.weight");
  if (!matrix(published, &c.latent, &columns, "encoder.network.%d.weight", c.n_hidden)) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "encoder.network.%d.weight", c.n_hidden);
    return no_such_model(published, "whole autoencoder", name);
  }
  CYF_TRY(check_widths(published, c.n_hidden, c.hidden));
  CYF_TRY(check_widths(published, 1, &c.latent));
  if (find(published, "dispersion.log_theta", &file, &index)) c.likelihood = CYF_LIKELIHOOD_NB;
  *ret_config = c;
  return check_layouts(published, "autoencoder", cyf_autoencoder_layouts(&c, &layouts), &layouts);
}

cyf_status cyf_published_denoiser(const cyf_published *published, cyf_denoiser_config *ret_config) {
  cyf_denoiser_config c = {0};
  cyf_parameters layouts = {0};
  int64_t rows = 0, columns = 0;
  while (c.n_hidden < CYF_HIDDEN_MAX && matrix(published, &rows, &columns, "layers.%d.fc.weight", c.n_hidden)) {
    if (c.n_hidden == 0) c.latent = columns;
    c.hidden[c.n_hidden++] = rows;
  }
  if (c.n_hidden == 0) return no_such_model(published, "denoiser of scDiffusion", "layers.0.fc.weight");
  CYF_TRY(check_widths(published, c.n_hidden, c.hidden));
  CYF_TRY(check_widths(published, 1, &c.latent));
  while (c.n_conditions < CYF_DENOISER_CONDITIONS_MAX &&
         matrix(published, &rows, &columns, "layers.0.label_layer.%d.weight", c.n_conditions))
    c.n_classes[c.n_conditions++] = rows - 1; /* the last row is for cells without a label */
  *ret_config = c;
  return check_layouts(published, "denoiser", cyf_denoiser_layouts(&c, &layouts), &layouts);
}

cyf_status cyf_published_classifier(const cyf_published *published, cyf_classifier_config *ret_config) {
  cyf_classifier_config c = {.dropout = 0.1};
  cyf_parameters layouts = {0};
  int64_t columns = 0;
  for (int i = 0; i < 3; i++) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "fc%d.weight", i + 1);
    if (!matrix(published, &c.hidden[i], &columns, "%s", name))
      return no_such_model(published, "classifier of scDiffusion", name);
    if (i == 0) c.latent = columns;
  }
  if (!matrix(published, &c.n_classes, &columns, "out.weight"))
    return no_such_model(published, "classifier of scDiffusion", "out.weight");
  CYF_TRY(check_widths(published, 3, c.hidden));
  CYF_TRY(check_widths(published, 1, &c.latent));
  *ret_config = c;
  return check_layouts(published, "classifier", cyf_classifier_layouts(&c, &layouts), &layouts);
}

/* ---- numbers ---- */

cyf_status cyf_published_read(const cyf_published *published, const cyf_named_tensor *tensor, float *values) {
  cyf_weights_file *file = NULL;
  int64_t index = 0;
  if (!find(published, tensor->name, &file, &index) || cyf_weights_tensor(file, index)->count != tensor->count)
    return CYF_FAIL(CYF_ERR_INTERNAL, "tensor %s was not checked", tensor->name);
  CYF_TRY(cyf_weights_read_floats(file, index, values));
  for (int64_t i = 0; i < tensor->count; i++)
    if (!isfinite(values[i]))
      return CYF_FAIL(CYF_ERR_INPUT,
                      "%s: tensor %s holds %g; was it saved from a run that diverged, or is it too large for float32?",
                      cyf_weights_path(file), tensor->name, (double)values[i]);
  return CYF_OK;
}

static cyf_status load_layout(const cyf_published *published, const cyf_layout *layout, cyf_device *device, float *to) {
  float *host = NULL, *values = NULL;
  int64_t largest = 0;
  cyf_status status;
  for (int64_t i = 0; i < layout->n_tensors; i++)
    if (layout->tensors[i].count > largest) largest = layout->tensors[i].count;
  if (layout->total == 0) return CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&host, layout->total));
  CYF_TRY_CLEANUP(CYF_NEW(&values, largest));
  for (int64_t i = 0; i < layout->n_tensors; i++) {
    CYF_TRY_CLEANUP(cyf_published_read(published, &layout->tensors[i], values));
    cyf_tensor_from_torch_order(&layout->tensors[i], values, host);
  }
  CYF_TRY_CLEANUP(device->ops->upload(device, to, host, sizeof(float) * (size_t)layout->total));
  CYF_TRY_CLEANUP(device->ops->synchronize(device));
cleanup:
  cyf_free(host);
  cyf_free(values);
  return status;
}

cyf_status cyf_published_load(const cyf_published *published, cyf_parameters *parameters) {
  CYF_TRY(load_layout(published, &parameters->layout, parameters->device, parameters->value));
  return load_layout(published, &parameters->buffer_layout, parameters->device, parameters->buffer);
}
