/* SPDX-License-Identifier: MIT */
/** @file
 * The generator of cells: everything that sampling keeps in memory. Use: zero it, load the model, open it, make one
 * block of cells after another, close it. No function here is collective. */
#ifndef CYF_SAMPLE_GENERATOR_H
#define CYF_SAMPLE_GENERATOR_H

#include "sample/blocks.h"
#include "sample/choice.h"
#include "sample/conditions.h"
#include "sample/decode.h"
#include "sample/reverse.h"

/** How strongly guidance has acted on the cells of one thread. */
typedef struct cyf_guided {
  double *square;  /**< [steps] as cyf_sampler_config has it; owned */
  int64_t n_cells; /**< that were guided */
} cyf_guided;

/** A generator. Zero-initialise it before use. Callers read members; they may set `device` with `model`, and
 * `conditions`, before cyf_generator_open. */
typedef struct cyf_generator {
  cyf_device *device;        /**< not owned */
  cyf_model *model;          /**< owned */
  cyf_conditions conditions; /**< labels that the cells are to have; owned */
  cyf_guidance_mode mode;    /**< what pulls cells towards these labels */
  cyf_schedule *schedule;    /**< of the timesteps that are taken; owned */
  cyf_sampler_config config; /**< of the reverse process over that schedule, but for the threads' graphs */
  cyf_decoding decoding;     /**< from latents to expression */
  bool is_latents_only;      /**< blocks have latents and no expression */
  int64_t width;             /**< of a latent */
  int n_threads;             /**< that may make blocks at the same time: the device's */
  cyf_scratch **scratch;     /**< [n_threads] owned */
  cyf_guided *guided;        /**< [n_threads] owned */
  cyf_graph **graph;         /**< [n_threads] a recorded step of the reverse process; NULL before the first; owned */
} cyf_generator;

/** What the user asks of a generator. Nothing is owned. */
typedef struct cyf_generator_asked {
  const char *command;                    /**< stands first in messages: "sample" */
  const cyf_conditions_asked *conditions; /**< NULL: generator->conditions, as the caller has set them */
  cyf_guidance_mode mode;
  cyf_reverse reverse;
  int t_last;           /**< timestep that the reverse process starts at; -1: the model's last, pure noise */
  const char *output;   /**< what X holds (cyf_decoding_make); NULL: what the model was trained on */
  bool is_latents_only; /**< no expression is decoded; `output` is not looked at */
} cyf_generator_asked;

/** Loads the model of a generator. Errors: those of cyf_model_load, CYF_ERR_INPUT where it has no denoiser. */
cyf_status cyf_generator_load(const char *path, cyf_device *device, cyf_generator *generator);
/** Makes the generator ready to make cells; its device and model are set. What cannot be done with this model fails
 * here, before any cell is made. Texts of `asked` are not kept. Close it also after a failure. Errors: CYF_ERR_USAGE
 * and CYF_ERR_INPUT (conditions, guides, method, steps, output), CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_generator_open(cyf_generator *generator, const cyf_generator_asked *asked);
/** Frees what the generator holds, the model included. Does nothing to one that is zeroed or closed already. */
void cyf_generator_close(cyf_generator *generator);

/** What cyf_run_blocks (sample/blocks.h) needs to make n_cells; the caller adds `context`, `compute` and `emit`. */
cyf_block_job cyf_generator_job(const cyf_generator *generator, const char *name, int64_t n_cells);
/** Makes the block's cells under their conditions: block->n_cells of them, the first with global index block->index *
 * cyf_sampler_block(device). The block has room for its latents and no rows. A cell is the same whatever thread and
 * rank makes it and whatever other blocks there are. Thread-safe for different `thread`, 0 <= thread < n_threads.
 * Errors: CYF_ERR_NUMERIC (a cell is not finite), CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_generator_block(const cyf_generator *generator, int thread, cyf_cell_block *block);

/** Warns, once, where guidance has been stronger at some step than the noise that the denoiser was trained to predict:
 * that leads out of what the model has learnt. Fails where it left nothing of that noise. Called after the cells are
 * made and before their file gets its name. Collective. Errors: CYF_ERR_NUMERIC, CYF_ERR_COMM, CYF_ERR_MEMORY. */
cyf_status cyf_generator_judge_guidance(cyf_comm *comm, const cyf_generator *generator);

/* ---- for files that make blocks in another way ---- */

/** Runs the reverse process on x[n, width] (device), the noised latents of cells with global indices [first, first + n)
 * at the schedule's last timestep. On return x holds latents as the decoder takes them: at the encoder's scale, and of
 * unit length where the settings say so (diffusion.unit_length). Waits for the device. Errors: CYF_ERR_NUMERIC,
 * CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_generator_reverse(const cyf_generator *generator, int thread, int64_t first, int64_t n, int n_guides,
                                 const cyf_guide *guides, float *x);
/** Puts x[block->n_cells, width] (device), as cyf_generator_reverse leaves it, into the block: as its latents and,
 * decoded, as its rows. position[n_cells] (host): numbers that key each cell's drawn counts. Errors: CYF_ERR_NUMERIC
 * naming a cell whose latent is not finite, and those of cyf_decode_rows. */
cyf_status cyf_generator_finish(const cyf_generator *generator, int thread, const float *x, const int64_t *position,
                                cyf_cell_block *block);

#endif
