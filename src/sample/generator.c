/* SPDX-License-Identifier: MIT */
#include "sample/generator.h"

#include <math.h>

#include "base/log.h"
#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/finite.h"
#include "sample/guides.h"

cyf_status cyf_generator_load(const char *path, cyf_device *device, cyf_generator *generator) {
  generator->device = device;
  CYF_TRY(cyf_model_load(path, device, &generator->model));
  if (generator->model->denoiser != NULL) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT,
                  "%s has no denoiser, so it cannot sample (encode and decode work); import it with --denoiser F",
                  path);
}

/* A condition that nothing can guide fails here, before any cell is sampled. */
static cyf_status check_guides(const cyf_generator *g) {
  cyf_guide guide;
  for (int64_t k = 0; k < g->conditions.n; k++)
    if (!g->conditions.item[k].is_of_all)
      CYF_TRY(cyf_choose_guide(g->model, g->conditions.item[k].attribute, g->mode, &guide));
  return CYF_OK;
}

cyf_status cyf_generator_open(cyf_generator *generator, const cyf_generator_asked *asked) {
  cyf_generator *g = generator;
  g->mode = asked->mode;
  g->width = g->model->settings.autoencoder.latent;
  g->n_threads = g->device->n_threads;
  g->is_latents_only = asked->is_latents_only;
  if (asked->conditions != NULL) CYF_TRY(cyf_conditions_make(g->model, asked->conditions, &g->conditions));
  CYF_TRY(check_guides(g));
  CYF_TRY(cyf_reverse_make(asked->command, &asked->reverse, g->model, asked->t_last, &g->schedule, &g->config));
  if (!g->is_latents_only)
    CYF_TRY(cyf_decoding_make(asked->command, g->model, asked->output, asked->reverse.seed, &g->decoding));
  CYF_TRY(CYF_NEW(&g->scratch, g->n_threads));
  CYF_TRY(CYF_NEW(&g->graph, g->n_threads));
  CYF_TRY(CYF_NEW(&g->guided, g->n_threads));
  for (int t = 0; t < g->n_threads; t++) CYF_TRY(CYF_NEW(&g->guided[t].square, g->schedule->n));
  for (int t = 0; t < g->n_threads; t++) CYF_TRY(cyf_scratch_create(g->device, &g->scratch[t]));
  return CYF_OK;
}

void cyf_generator_close(cyf_generator *generator) {
  cyf_generator *g = generator;
  for (int t = 0; g->scratch != NULL && t < g->n_threads; t++) cyf_scratch_destroy(&g->scratch[t]);
  for (int t = 0; g->graph != NULL && t < g->n_threads; t++) g->device->ops->graph_destroy(g->device, g->graph[t]);
  cyf_free(g->scratch);
  cyf_free(g->graph);
  for (int t = 0; g->guided != NULL && t < g->n_threads; t++) cyf_free(g->guided[t].square);
  cyf_free(g->guided);
  cyf_schedule_destroy(&g->schedule);
  cyf_conditions_destroy(&g->conditions);
  cyf_model_destroy(&g->model);
}

cyf_block_job cyf_generator_job(const cyf_generator *generator, const char *name, int64_t n_cells) {
  return (cyf_block_job){.name = name,
                         .n_cells = n_cells,
                         .block_cells = cyf_sampler_block(generator->device),
                         .n_genes = generator->model->genes.n,
                         .width = generator->width,
                         .n_threads = generator->n_threads};
}

/* Brings x[n, width] from the scale that latents are diffused at to the encoder's. */
static cyf_status rescale(const cyf_generator *g, int64_t n, float *x) {
  cyf_device *device = g->device;
  CYF_TRY(device->ops->scale(device, n * g->width, 1 / g->model->latent_scale, x));
  if (!g->model->settings.diffusion.unit_length) return CYF_OK;
  return device->ops->l2_normalize_forward(device, n, g->width, x, x, NULL);
}

cyf_status cyf_generator_reverse(const cyf_generator *generator, int thread, int64_t first, int64_t n, int n_guides,
                                 const cyf_guide *guides, float *x) {
  const cyf_generator *g = generator;
  cyf_sampler_config config = g->config;
  config.graph = &g->graph[thread];
  if (n_guides > 0) {
    config.guided = g->guided[thread].square;
    g->guided[thread].n_cells += n;
  }
  CYF_TRY(cyf_sampler_run(&config, g->model->denoiser, n_guides, guides, g->scratch[thread], first, n, x));
  CYF_TRY(rescale(g, n, x));
  return g->device->ops->synchronize(g->device);
}

cyf_status cyf_generator_finish(const cyf_generator *generator, int thread, const float *x, const int64_t *position,
                                cyf_cell_block *block) {
  cyf_device *device = generator->device;
  const int64_t n = block->n_cells;
  CYF_TRY(device->ops->download(device, block->latent, x, sizeof(float) * (size_t)(n * generator->width)));
  CYF_TRY(device->ops->synchronize(device));
  const cyf_finite_rows said = {CYF_ERR_NUMERIC, generator->model->path, "its latent",
                                generator->conditions.n > 0 ? CYF_GUIDED_NOT_FINITE : CYF_MODEL_NOT_FINITE};
  CYF_TRY(cyf_rows_check_finite(n, generator->width, block->latent, block->index * cyf_sampler_block(device), &said));
  if (!generator->is_latents_only)
    return cyf_decode_rows(&generator->decoding, generator->scratch[thread], n, x, position, &block->rows);
  for (int64_t i = 0; i < n; i++) CYF_TRY(cyf_csr_buffer_append(&block->rows, 0, NULL, NULL));
  return CYF_OK;
}

static cyf_status make_block(const cyf_generator *g, int thread, cyf_cell_block *block) {
  cyf_scratch *scratch = g->scratch[thread];
  const int64_t n = block->n_cells, first = block->index * cyf_sampler_block(g->device);
  cyf_guide guides[CYF_GUIDES_MAX];
  int n_guides = 0;
  float *x = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * g->width, &x));
  CYF_TRY(cyf_sampler_start(g->device, g->config.seed, g->width, first, n, x));
  CYF_TRY(cyf_make_guides(g->model, &g->conditions, g->mode, scratch, first, n, guides, &n_guides));
  CYF_TRY(cyf_generator_reverse(g, thread, first, n, n_guides, guides, x));
  int64_t position[CYF_SAMPLER_BLOCK_MAX];
  for (int64_t i = 0; i < n; i++) position[i] = first + i;
  return cyf_generator_finish(g, thread, x, position, block);
}

cyf_status cyf_generator_block(const cyf_generator *generator, int thread, cyf_cell_block *block) {
  const size_t mark = cyf_scratch_mark(generator->scratch[thread]);
  const cyf_status status = make_block(generator, thread, block);
  cyf_scratch_release(generator->scratch[thread], mark);
  return status;
}

/* float32 has 24 bits: of what is added to something that much larger, nothing is left. */
static const double OVERWHELMING_GUIDANCE = 1 << 24;
/* Of standard normal noise, which the denoiser predicts, the root mean square is 1. docs/running.md has what guidance
 * of weights 1 to 100 reaches. */
static const double STRONGEST_GUIDANCE = 1;

cyf_status cyf_generator_judge_guidance(cyf_comm *comm, const cyf_generator *generator) {
  const cyf_generator *g = generator;
  const int n_steps = g->schedule->n;
  double *square = NULL, largest = 0;
  int at = 0;
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&square, n_steps + 1))); /* and the number of cells */
  for (int t = 0; t < g->n_threads; t++) {
    for (int i = 0; i < n_steps; i++) square[i] += g->guided[t].square[i];
    square[n_steps] += (double)g->guided[t].n_cells;
  }
  const cyf_status status = cyf_comm_sum_double(comm, square, n_steps + 1);
  for (int i = 0; i < n_steps; i++)
    if (square[i] > largest) largest = square[at = i];
  const double strength = sqrt(largest / (square[n_steps] * (double)g->width)); /* NaN where nothing was guided */
  const int timestep = g->schedule->timestep[at];
  cyf_free(square);
  CYF_TRY(status);
  if (strength > OVERWHELMING_GUIDANCE)
    return CYF_FAIL(
        CYF_ERR_NUMERIC,
        "the guidance is too strong (lower its weight): at timestep %d it changes the predicted noise by %.2g "
        "times its size, of which nothing is left in float32",
        timestep, strength);
  if (strength > STRONGEST_GUIDANCE)
    cyf_warn(
        "the guidance is strong: at timestep %d it changes the predicted noise by %.2g times its size, which leads out "
        "of what the model was trained on; lower --guidance",
        timestep, strength);
  return CYF_OK;
}
