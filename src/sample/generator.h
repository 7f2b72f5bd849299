/* SPDX-License-Identifier: MIT */
/** @file
 * From a model to cells: all that sampling holds. Load the model, open, make one block of cells after another, close.
 */
#ifndef CYF_SAMPLE_GENERATOR_H
#define CYF_SAMPLE_GENERATOR_H

#include "sample/blocks.h"
#include "sample/choice.h"
#include "sample/conditions.h"
#include "sample/decode.h"
#include "sample/reverse.h"

/** Zero-initialise before use. Members are for reading, but for a model and conditions that a caller made by itself. */
typedef struct cyf_generator {
  cyf_device *device;        /**< not owned */
  cyf_model *model;          /**< owned */
  cyf_conditions conditions; /**< what the cells are to be; owned */
  cyf_guidance_mode mode;    /**< what guides towards them */
  cyf_schedule *schedule;    /**< respaced; owned */
  cyf_sampler_config config; /**< over that schedule; the threads' graphs are not in it */
  cyf_decoding decoding;
  bool is_latents_only;  /**< blocks have latents and no expression */
  int64_t width;         /**< of a latent */
  int n_threads;         /**< that may make blocks at the same time: the device's */
  cyf_scratch **scratch; /**< [n_threads] */
  cyf_graph **graph;     /**< [n_threads] a step of the reverse process, once it was captured */
} cyf_generator;

typedef struct cyf_generator_asked {
  const char *command;                    /**< in messages: "sample" */
  const cyf_conditions_asked *conditions; /**< NULL: those that the generator has */
  cyf_guidance_mode mode;
  cyf_reverse reverse;
  int t_last;           /**< timestep that the reverse process starts at; -1: the model's last */
  const char *output;   /**< what cells hold (cyf_decoding_make); NULL: as the model was trained */
  bool is_latents_only; /**< `output` is then not looked at */
} cyf_generator_asked;

/** The model of a generator. Not collective. Errors: those of cyf_model_load, CYF_ERR_INPUT where it has no denoiser.
 */
cyf_status cyf_generator_load(const char *path, cyf_device *device, cyf_generator *generator);
/** The rest. The generator has device and model; asked's texts are read here and not kept. Not collective. Errors:
 * CYF_ERR_USAGE and CYF_ERR_INPUT for what cannot be done with this model (conditions, guides, method, steps, output),
 * before any cell is made. */
cyf_status cyf_generator_open(cyf_generator *generator, const cyf_generator_asked *asked);
void cyf_generator_close(cyf_generator *generator); /**< zeroed or closed already: nothing */

/** What cyf_run_blocks needs to make n_cells; the caller adds `context`, `compute` and `emit`. */
cyf_block_job cyf_generator_job(const cyf_generator *generator, const char *name, int64_t n_cells);
/** Cells [block->index * cyf_sampler_block(device), + block->n_cells) under their conditions into the block, whose
 * latent has room and whose rows are cleared. The same whatever thread, rank and other blocks there are. Thread-safe
 * for different `thread`, 0 <= thread < n_threads. Not collective. Errors: CYF_ERR_NUMERIC (a cell is not finite). */
cyf_status cyf_generator_block(const cyf_generator *generator, int thread, cyf_cell_block *block);

/* ---- for files that make blocks in another way ---- */

/** The reverse process over n cells of global indices [first, first + n). x[n, width] (device) on entry: x at the
 * schedule's last step. On return: what the decoder takes, which is of the encoder's scale, and of unit length where
 * the model's latents are. Waits for the device. */
cyf_status cyf_generator_reverse(const cyf_generator *generator, int thread, int64_t first, int64_t n, int n_guides,
                                 const cyf_guide *guides, float *x);
/** x[block->n_cells, width] (device), as that leaves it, to the block's latents and, decoded, its rows. position
 * [n_cells] (host): what drawn counts are numbered by. */
cyf_status cyf_generator_finish(const cyf_generator *generator, int thread, const float *x, const int64_t *position,
                                cyf_cell_block *block);

#endif
