/* SPDX-License-Identifier: MIT */
/** @file
 * How a timestep enters a model: sinusoid, Linear, SiLU, Linear, and then SiLU before each block's own Linear. This
 * depends on t alone, so it is computed for the distinct timesteps of a batch ("rows"), not for its cells. Not
 * collective. */
#ifndef CYF_MODEL_TIME_PATH_H
#define CYF_MODEL_TIME_PATH_H

#include <stdint.h>

#include "model/layers.h"

/** The two Linear layers that all blocks share. */
typedef struct cyf_time_path {
  int64_t width;
  cyf_linear first, second; /**< PREFIX.0 and PREFIX.2, both [width, width] */
} cyf_time_path;

/** The distinct timesteps of a batch, ascending, and which of them each cell has. Up to device->row_unit - 1 rows of
 * timestep 0 that no cell has may follow: they change no value and no gradient. */
typedef struct cyf_time_rows {
  int64_t n_rows;
  const int32_t *t;   /**< [n_rows] device */
  const int32_t *row; /**< [n cells] device; NULL: row 0 for every cell */
} cyf_time_rows;

/** Intermediate values [n_rows, width], in scratch. */
typedef struct cyf_time_state {
  float *sinusoid, *before_silu, *hidden, *embedding, *active; /**< active = silu(embedding) */
} cyf_time_state;

/** @{ */
/** Declares and initialises the tensors of the two Linear layers. */
cyf_status cyf_time_path_declare(cyf_parameters *parameters, const char *prefix, int64_t width,
                                 cyf_time_path *ret_path);
cyf_status cyf_time_path_init(cyf_parameters *parameters, const cyf_time_path *path, uint64_t seed);
/** @} */

/** Finds the distinct timesteps of n cells and uploads them into scratch; t_host[n] on the host, n may be 0. Errors:
 * CYF_ERR_INTERNAL for a negative timestep. */
cyf_status cyf_time_rows_find(cyf_device *device, cyf_scratch *scratch, int64_t n, const int32_t *t_host,
                              cyf_time_rows *ret_rows);

/** Computes the embedding of every row; *ret_state keeps all steps, [n_rows, width] each, in scratch. */
cyf_status cyf_time_path_forward(const cyf_parameters *parameters, const cyf_time_path *path, const cyf_time_rows *rows,
                                 cyf_scratch *scratch, cyf_time_state *ret_state);
/** d_active[n_rows, width]: dLoss/d(active) on entry, overwritten. Adds the gradients of both layers. */
cyf_status cyf_time_path_backward(const cyf_parameters *parameters, const cyf_time_path *path,
                                  const cyf_time_rows *rows, cyf_scratch *scratch, const cyf_time_state *state,
                                  float *d_active);

/** y[n, linear->out] += linear(active)[row of the cell]: what a block adds for the timestep. */
cyf_status cyf_time_add(const cyf_parameters *parameters, const cyf_linear *linear, const cyf_time_rows *rows,
                        const cyf_time_state *state, cyf_scratch *scratch, int64_t n, float *y);
/** From d_y[n, linear->out]: adds the gradients of `linear` and adds to d_active[n_rows, width]. */
cyf_status cyf_time_add_backward(const cyf_parameters *parameters, const cyf_linear *linear, const cyf_time_rows *rows,
                                 const cyf_time_state *state, cyf_scratch *scratch, int64_t n, const float *d_y,
                                 float *d_active);

#endif
