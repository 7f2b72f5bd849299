/* SPDX-License-Identifier: MIT */
#include "sample/path.h"

#include <math.h>
#include <string.h>

#include "kernels/backend.h"
#include "sample/guidance.h"
#include "sample/guides.h"

/* The share of the start cells' signal power that is left unless something else is asked for. */
static const double DEFAULT_KEEP = 0.1;

/* Between two classes their gradients cancel in part, so that a path needs stronger guidance than cells of one class do
 * (benchmarks/results/interpolate.md). */
static const double DEFAULT_PATH_GUIDANCE = 5;
/* With guidance that strong, the few long steps that are enough for cells of one class lead to wrong cells. */
static const char DEFAULT_PATH_METHOD[] = "ddpm", DEFAULT_PATH_STEPS[] = "100";
enum { N_DEFAULT_PATH_STEPS = 100 };

void cyf_path_choose_start(cyf_path *path, const cyf_model *model, int64_t t_init, double keep) {
  path->noise = cyf_start_cells_noise(&path->start, model, t_init, keep > 0 ? keep : DEFAULT_KEEP);
}

cyf_status cyf_path_choose_weight(cyf_path *path, const cyf_model *model, const cyf_texts *guidance) {
  const int64_t attribute = path->classes.attribute;
  cyf_guidance said = {0};
  CYF_TRY(cyf_guidance_make(model, guidance, false, &said));
  const bool is_said = said.has_common || !isnan(said.of[attribute]);
  path->weight = is_said ? cyf_guidance_of(&said, attribute, -1) : DEFAULT_PATH_GUIDANCE;
  cyf_guidance_destroy(&said);
  return CYF_OK;
}

cyf_reverse cyf_path_reverse(const cyf_reverse *asked, const cyf_settings *settings) {
  cyf_reverse reverse = *asked;
  if (strcmp(settings->sample.steps, "auto") != 0) return reverse;
  if (reverse.method == NULL) reverse.method = DEFAULT_PATH_METHOD;
  if (reverse.steps == NULL)
    reverse.steps = settings->diffusion.timesteps > N_DEFAULT_PATH_STEPS ? DEFAULT_PATH_STEPS : "all";
  return reverse;
}

/* Leads start cells [cell, cell + n) to one point and leaves their latents in x[n, width]. `first` is the first one's
 * place in the output. */
static cyf_status run_point(const cyf_path *path, const cyf_generator *g, int thread, int64_t first, int64_t cell,
                            int64_t n, float *x) {
  cyf_device *device = g->device;
  cyf_scratch *scratch = g->scratch[thread];
  const int64_t width = g->width, point = first / path->start.n;
  cyf_guide guides[CYF_GUIDES_MAX];
  int n_guides = 0;
  CYF_TRY(device->ops->upload(device, x, path->start.latent + cell * width, sizeof(float) * (size_t)(n * width)));
  CYF_TRY(device->ops->scale(device, n * width, g->model->latent_scale, x));
  CYF_TRY(cyf_sampler_start_from(device, g->schedule, g->config.seed, width, scratch, cell, n, x));
  CYF_TRY(cyf_make_guides(g->model, &g->conditions, g->mode, scratch, first, n, guides, &n_guides));
  if (path->weight > 0)
    CYF_TRY(cyf_class_path_guide(&path->classes, g->model, scratch, point, n, path->weight, &guides[n_guides++]));
  return cyf_generator_reverse(g, thread, cell, n, n_guides, guides, x);
}

/* Makes the cells of a block, point by point: the number of start cells need not be a multiple of a block's size. */
static cyf_status run_block(const cyf_path *path, const cyf_generator *g, int thread, cyf_cell_block *block) {
  cyf_scratch *scratch = g->scratch[thread];
  const int64_t first = block->index * cyf_sampler_block(g->device);
  float *x = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, block->n_cells * g->width, &x));
  for (int64_t done = 0, n; done < block->n_cells; done += n) {
    const int64_t cell = (first + done) % path->start.n, left = block->n_cells - done;
    n = path->start.n - cell < left ? path->start.n - cell : left;
    const size_t mark = cyf_scratch_mark(scratch);
    const cyf_status status = run_point(path, g, thread, first + done, cell, n, x + done * g->width);
    cyf_scratch_release(scratch, mark);
    CYF_TRY(status);
  }
  int64_t position[CYF_SAMPLER_BLOCK_MAX];
  for (int64_t i = 0; i < block->n_cells; i++) position[i] = (first + i) % path->start.n;
  return cyf_generator_finish(g, thread, x, position, block);
}

cyf_status cyf_path_block(const cyf_path *path, const cyf_generator *generator, int thread, cyf_cell_block *block) {
  const size_t mark = cyf_scratch_mark(generator->scratch[thread]);
  const cyf_status status = run_block(path, generator, thread, block);
  cyf_scratch_release(generator->scratch[thread], mark);
  return status;
}

void cyf_path_destroy(cyf_path *path) {
  cyf_start_cells_destroy(&path->start);
  cyf_class_path_destroy(&path->classes);
}
