/* SPDX-License-Identifier: MIT */
#include "model/time_path.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

cyf_status cyf_time_path_declare(cyf_parameters *parameters, const char *prefix, int64_t width,
                                 cyf_time_path *ret_path) {
  char name[CYF_LAYER_NAME_MAX];
  ret_path->width = width;
  snprintf(name, sizeof(name), "%s.0", prefix);
  CYF_TRY(cyf_linear_declare(parameters, name, CYF_TENSOR_PLAIN, width, width, &ret_path->first));
  snprintf(name, sizeof(name), "%s.2", prefix);
  return cyf_linear_declare(parameters, name, CYF_TENSOR_PLAIN, width, width, &ret_path->second);
}

cyf_status cyf_time_path_init(cyf_parameters *parameters, const cyf_time_path *path, uint64_t seed) {
  CYF_TRY(cyf_linear_init(parameters, &path->first, seed));
  return cyf_linear_init(parameters, &path->second, seed);
}

/* ---- rows ---- */

/* Timesteps are small, so a table over [0, largest t] finds the distinct ones in ascending order without sorting.
 * row_of_t[largest + 1] is zeroed on entry; distinct and row have room for n. */
static int64_t number_rows(int64_t n, const int32_t *t, int32_t largest, int32_t *row_of_t, int32_t *distinct,
                           int32_t *row) {
  int32_t n_rows = 0;
  for (int64_t i = 0; i < n; i++) row_of_t[t[i]] = 1;
  for (int32_t value = 0; value <= largest; value++) {
    if (row_of_t[value] == 0) continue;
    distinct[n_rows] = value;
    row_of_t[value] = n_rows++;
  }
  for (int64_t i = 0; i < n; i++) row[i] = row_of_t[t[i]];
  return n_rows;
}

static int64_t padded(const cyf_device *device, int64_t n_rows) {
  const int64_t unit = device->row_unit > 1 ? device->row_unit : 1;
  return (n_rows + unit - 1) / unit * unit;
}

cyf_status cyf_time_rows_find(cyf_device *device, cyf_scratch *scratch, int64_t n, const int32_t *t_host,
                              cyf_time_rows *ret_rows) {
  *ret_rows = (cyf_time_rows){0};
  int32_t largest = 0;
  for (int64_t i = 0; i < n; i++) {
    if (t_host[i] < 0) return CYF_FAIL(CYF_ERR_INTERNAL, "timestep %d of a batch is negative", (int)t_host[i]);
    if (t_host[i] > largest) largest = t_host[i];
  }
  int32_t *row_of_t = NULL, *distinct = NULL, *row = NULL, *t_device = NULL, *row_device = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&row_of_t, (int64_t)largest + 1));
  CYF_TRY_CLEANUP(CYF_NEW(&distinct, padded(device, n))); /* zeros behind the rows of cells */
  CYF_TRY_CLEANUP(CYF_NEW(&row, n));
  const int64_t n_rows = padded(device, number_rows(n, t_host, largest, row_of_t, distinct, row));
  CYF_TRY_CLEANUP(cyf_scratch_int32(scratch, n_rows, &t_device));
  CYF_TRY_CLEANUP(cyf_scratch_int32(scratch, n, &row_device));
  CYF_TRY_CLEANUP(device->ops->upload(device, t_device, distinct, (size_t)n_rows * sizeof(int32_t)));
  CYF_TRY_CLEANUP(device->ops->upload(device, row_device, row, (size_t)n * sizeof(int32_t)));
  *ret_rows = (cyf_time_rows){.n_rows = n_rows, .t = t_device, .row = row_device};
cleanup:
  cyf_free(row);
  cyf_free(distinct);
  cyf_free(row_of_t);
  return status;
}

/* ---- the path ---- */

cyf_status cyf_time_path_forward(const cyf_parameters *parameters, const cyf_time_path *path, const cyf_time_rows *rows,
                                 cyf_scratch *scratch, cyf_time_state *ret_state) {
  cyf_device *d = parameters->device;
  cyf_time_state *s = ret_state;
  const int64_t n = rows->n_rows, count = n * path->width;
  CYF_TRY(cyf_scratch_floats(scratch, count, &s->sinusoid));
  CYF_TRY(cyf_scratch_floats(scratch, count, &s->before_silu));
  CYF_TRY(cyf_scratch_floats(scratch, count, &s->hidden));
  CYF_TRY(cyf_scratch_floats(scratch, count, &s->embedding));
  CYF_TRY(cyf_scratch_floats(scratch, count, &s->active));
  if (n == 0) return CYF_OK;
  CYF_TRY(d->ops->time_embedding(d, n, path->width, rows->t, s->sinusoid));
  CYF_TRY(cyf_linear_forward(parameters, &path->first, n, s->sinusoid, false, s->before_silu));
  CYF_TRY(d->ops->silu_forward(d, count, s->before_silu, s->hidden));
  CYF_TRY(cyf_linear_forward(parameters, &path->second, n, s->hidden, false, s->embedding));
  return d->ops->silu_forward(d, count, s->embedding, s->active);
}

cyf_status cyf_time_path_backward(const cyf_parameters *parameters, const cyf_time_path *path,
                                  const cyf_time_rows *rows, cyf_scratch *scratch, const cyf_time_state *state,
                                  float *d_active) {
  cyf_device *d = parameters->device;
  const int64_t n = rows->n_rows, count = n * path->width;
  float *d_embedding = NULL, *d_hidden = NULL;
  if (n == 0) {
    CYF_TRY(cyf_linear_ready(parameters, &path->second));
    return cyf_linear_ready(parameters, &path->first);
  }
  CYF_TRY(cyf_scratch_floats(scratch, count, &d_embedding));
  CYF_TRY(cyf_scratch_floats(scratch, count, &d_hidden));
  CYF_TRY(d->ops->silu_backward(d, count, state->embedding, d_active, false, d_embedding));
  CYF_TRY(cyf_linear_backward(parameters, &path->second, n, state->hidden, d_embedding, false, d_hidden));
  /* d_active is no longer needed; it takes the gradient before the first SiLU. */
  CYF_TRY(d->ops->silu_backward(d, count, state->before_silu, d_hidden, false, d_active));
  return cyf_linear_backward(parameters, &path->first, n, state->sinusoid, d_active, false, NULL);
}

cyf_status cyf_time_add(const cyf_parameters *parameters, const cyf_linear *linear, const cyf_time_rows *rows,
                        const cyf_time_state *state, cyf_scratch *scratch, int64_t n, float *y) {
  cyf_device *d = parameters->device;
  const size_t mark = cyf_scratch_mark(scratch);
  float *table = NULL;
  if (n == 0) return CYF_OK;
  CYF_TRY(cyf_scratch_floats(scratch, rows->n_rows * linear->out, &table));
  CYF_TRY(cyf_linear_forward(parameters, linear, rows->n_rows, state->active, false, table));
  CYF_TRY(d->ops->add_rows(d, n, linear->out, table, rows->row, y));
  cyf_scratch_release(scratch, mark);
  return CYF_OK;
}

cyf_status cyf_time_add_backward(const cyf_parameters *parameters, const cyf_linear *linear, const cyf_time_rows *rows,
                                 const cyf_time_state *state, cyf_scratch *scratch, int64_t n, const float *d_y,
                                 float *d_active) {
  cyf_device *d = parameters->device;
  const size_t mark = cyf_scratch_mark(scratch);
  float *d_table = NULL;
  if (n == 0) return cyf_linear_ready(parameters, linear);
  CYF_TRY(cyf_scratch_floats(scratch, rows->n_rows * linear->out, &d_table));
  CYF_TRY(d->ops->sum_rows(d, n, linear->out, d_y, rows->row, rows->n_rows, d_table));
  CYF_TRY(cyf_linear_backward(parameters, linear, rows->n_rows, state->active, d_table, true, d_active));
  cyf_scratch_release(scratch, mark);
  return CYF_OK;
}
