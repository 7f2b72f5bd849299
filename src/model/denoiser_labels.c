/* SPDX-License-Identifier: MIT */
/* How labels enter the denoiser: each block has a table for each condition and adds the row that the cell's label
 * chooses. A table is a Linear layer of the one-hot label without its bias, which the block has already. Its last row
 * is for cells without a label. */
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "model/denoiser_internal.h"

static void table_name(const char *block, int condition, char name[CYF_TENSOR_NAME_MAX]) {
  snprintf(name, CYF_TENSOR_NAME_MAX, "%s.label_layer.%d.weight", block, condition);
}

cyf_status cyf_denoiser_labels_declare(cyf_parameters *parameters, const cyf_denoiser_config *config, const char *block,
                                       int64_t width, int64_t table[CYF_DENOISER_CONDITIONS_MAX]) {
  char name[CYF_TENSOR_NAME_MAX];
  for (int k = 0; k < config->n_conditions; k++) {
    table_name(block, k, name);
    CYF_TRY(cyf_layout_add(&parameters->layout, name, CYF_TENSOR_PLAIN, 2, config->n_classes[k] + 1, width, &table[k]));
  }
  return CYF_OK;
}

cyf_status cyf_denoiser_labels_init(cyf_parameters *parameters, const cyf_denoiser_config *config, const char *block,
                                    uint64_t seed) {
  char name[CYF_TENSOR_NAME_MAX];
  for (int k = 0; k < config->n_conditions; k++) {
    table_name(block, k, name);
    CYF_TRY(cyf_parameters_init_uniform(parameters, name, 1.0 / sqrt((double)config->n_classes[k] + 1.0), seed));
  }
  return CYF_OK;
}

/* row[n]: which row of one condition's table each cell takes. */
static cyf_status rows_of(const cyf_denoiser_config *config, int condition, int64_t n, const int32_t *label,
                          int32_t *row) {
  const int32_t n_classes = (int32_t)config->n_classes[condition];
  for (int64_t i = 0; i < n; i++) {
    const int32_t code = label != NULL ? label[i] : -1;
    if (code < -1 || code >= n_classes) {
      return CYF_FAIL(CYF_ERR_INTERNAL, "label %d for condition %d of the denoiser, which has %d classes", (int)code,
                      condition, (int)n_classes);
    }
    row[i] = code < 0 ? n_classes : code;
  }
  return CYF_OK;
}

cyf_status cyf_denoiser_rows_find_labels(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n,
                                         const int32_t *label_host, cyf_denoiser_rows *ret_rows) {
  cyf_device *d = denoiser->parameters.device;
  const cyf_denoiser_config *config = &denoiser->config;
  int32_t *host = NULL;
  cyf_status status = CYF_OK;
  if (config->n_conditions == 0) return CYF_OK;
  CYF_TRY(CYF_NEW(&host, n));
  for (int k = 0; k < config->n_conditions; k++) {
    int32_t *row = NULL;
    CYF_TRY_CLEANUP(rows_of(config, k, n, label_host != NULL ? label_host + k * n : NULL, host));
    CYF_TRY_CLEANUP(cyf_scratch_int32(scratch, n, &row));
    CYF_TRY_CLEANUP(d->ops->upload(d, row, host, (size_t)n * sizeof(int32_t)));
    ret_rows->label[k] = row;
  }
cleanup:
  cyf_free(host);
  return status;
}

cyf_status cyf_denoiser_rows_find(const cyf_denoiser *denoiser, cyf_scratch *scratch, int64_t n, const int32_t *t_host,
                                  const int32_t *label_host, cyf_denoiser_rows *ret_rows) {
  CYF_TRY(cyf_time_rows_find(denoiser->parameters.device, scratch, n, t_host, &ret_rows->time));
  return cyf_denoiser_rows_find_labels(denoiser, scratch, n, label_host, ret_rows);
}

cyf_status cyf_denoiser_labels_add(const cyf_denoiser *denoiser, const cyf_denoiser_block *block,
                                   const cyf_denoiser_state *state, int64_t n, float *y) {
  cyf_device *d = denoiser->parameters.device;
  for (int k = 0; k < denoiser->config.n_conditions; k++) {
    const float *table = denoiser->parameters.value + block->table[k];
    CYF_TRY(d->ops->add_rows(d, n, block->fc.out, table, state->rows.label[k], y));
  }
  return CYF_OK;
}

cyf_status cyf_denoiser_labels_backward(const cyf_denoiser *denoiser, const cyf_denoiser_block *block,
                                        const cyf_denoiser_state *state, cyf_scratch *scratch, int64_t n,
                                        const float *d_y) {
  cyf_device *d = denoiser->parameters.device;
  for (int k = 0; k < denoiser->config.n_conditions; k++) {
    const int64_t n_rows = denoiser->config.n_classes[k] + 1, count = n_rows * block->fc.out;
    const size_t mark = cyf_scratch_mark(scratch);
    float *d_table = NULL;
    CYF_TRY(cyf_scratch_floats(scratch, count, &d_table));
    CYF_TRY(d->ops->sum_rows(d, n, block->fc.out, d_y, state->rows.label[k], n_rows, d_table));
    CYF_TRY(d->ops->axpy(d, count, 1.0, d_table, denoiser->parameters.gradient + block->table[k]));
    CYF_TRY(cyf_parameters_ready(&denoiser->parameters, block->table[k], count));
    cyf_scratch_release(scratch, mark);
  }
  return CYF_OK;
}
