/* SPDX-License-Identifier: MIT */
#include "sample/transfer.h"

#include "kernels/backend.h"
#include "sample/guides.h"

/* As many as ddim takes from noise: the way there and the way back are one equation only where steps are small. */
static const char DEFAULT_METHOD[] = "ddim", DEFAULT_STEPS[] = "50";
enum { N_DEFAULT_STEPS = 50 };

cyf_reverse cyf_transfer_reverse(const cyf_reverse *asked, const cyf_settings *settings) {
  cyf_reverse reverse = *asked;
  if (reverse.method == NULL) reverse.method = DEFAULT_METHOD;
  if (reverse.steps == NULL) reverse.steps = settings->diffusion.timesteps > N_DEFAULT_STEPS ? DEFAULT_STEPS : "all";
  return reverse;
}

/* Takes x[n, width] from latents as diffused to the last step of the schedule, under the cells' own labels. */
static cyf_status add_noise(const cyf_transfer *t, const cyf_generator *g, int thread, int64_t first, int64_t n,
                            float *x) {
  cyf_guide guides[CYF_GUIDES_MAX];
  int n_guides = 0;
  CYF_TRY(cyf_make_guides(g->model, &t->own, g->mode, g->scratch[thread], first, n, guides, &n_guides));
  return cyf_sampler_invert(&g->config, g->model->denoiser, n_guides, guides, g->scratch[thread], first, n, x);
}

/* Takes x[n, width] back from there, under the new labels. */
static cyf_status denoise(const cyf_generator *g, int thread, int64_t first, int64_t n, float *x) {
  cyf_guide guides[CYF_GUIDES_MAX];
  int n_guides = 0;
  CYF_TRY(cyf_make_guides(g->model, &g->conditions, g->mode, g->scratch[thread], first, n, guides, &n_guides));
  return cyf_generator_reverse(g, thread, first, n, n_guides, guides, x);
}

static cyf_status run_block(const cyf_transfer *t, const cyf_generator *g, int thread, cyf_cell_block *block) {
  const cyf_ops *ops = g->device->ops;
  const int64_t n = block->n_cells, first = block->index * cyf_sampler_block(g->device), count = n * g->width;
  float *x = NULL;
  CYF_TRY(cyf_scratch_floats(g->scratch[thread], count, &x));
  CYF_TRY(ops->upload(g->device, x, t->start.latent + first * g->width, sizeof(float) * (size_t)count));
  CYF_TRY(ops->scale(g->device, count, g->model->latent_scale, x));
  CYF_TRY(add_noise(t, g, thread, first, n, x));
  CYF_TRY(denoise(g, thread, first, n, x));
  int64_t position[CYF_SAMPLER_BLOCK_MAX];
  for (int64_t i = 0; i < n; i++) position[i] = first + i;
  return cyf_generator_finish(g, thread, x, position, block);
}

cyf_status cyf_transfer_block(const cyf_transfer *transfer, const cyf_generator *generator, int thread,
                              cyf_cell_block *block) {
  const size_t mark = cyf_scratch_mark(generator->scratch[thread]);
  const cyf_status status = run_block(transfer, generator, thread, block);
  cyf_scratch_release(generator->scratch[thread], mark);
  return status;
}

void cyf_transfer_destroy(cyf_transfer *transfer) {
  cyf_start_cells_destroy(&transfer->start);
  cyf_transfer_labels_destroy(&transfer->labels);
  cyf_conditions_destroy(&transfer->own);
}
