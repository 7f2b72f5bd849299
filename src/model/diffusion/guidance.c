/* SPDX-License-Identifier: MIT */
/* What guides the reverse process: gradients of classifiers, and the denoiser's own conditions. */
#include <string.h>

#include "base/memory.h"
#include "model/diffusion/sampler_internal.h"

/* ---- classifiers ---- */

/* The one row of step i's timestep. */
static cyf_time_rows time_of(const sampler_run *run, int i) {
  return (cyf_time_rows){.n_rows = 1, .t = run->timestep + i, .row = NULL};
}

cyf_status cyf_sampler_sum_gradients(const sampler_run *run, int i, const float *x, const float **ret_guidance) {
  cyf_device *d = run->device;
  const cyf_time_rows time = time_of(run, i);
  *ret_guidance = NULL;
  if (run->config->schedule->timestep[i] >= run->config->guide_below) return CYF_OK;
  for (int k = 0; k < run->n_guides; k++) {
    const cyf_guide *guide = &run->guides[k];
    if (guide->classifier == NULL) continue;
    if (*ret_guidance == NULL) {
      CYF_TRY(d->ops->zero(d, run->guidance, (size_t)(run->n * run->latent) * sizeof(float)));
      *ret_guidance = run->guidance;
    }
    CYF_TRY(cyf_classifier_guidance_rows(guide->classifier, run->scratch, run->n, x, &time, guide->n_terms,
                                         guide->label, guide->weight, run->guidance));
  }
  return CYF_OK;
}

/* ---- the denoiser's conditions ---- */

/* labels[n] of a term, -1 where its weight is 0. */
static cyf_status download_term(const sampler_run *run, const cyf_guide *guide, int term, int32_t *label) {
  cyf_device *d = run->device;
  float *weight = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&weight, run->n));
  CYF_TRY_CLEANUP(d->ops->download(d, label, guide->label + term * run->n, (size_t)run->n * sizeof(int32_t)));
  CYF_TRY_CLEANUP(d->ops->download(d, weight, guide->weight + term * run->n, (size_t)run->n * sizeof(float)));
  CYF_TRY_CLEANUP(d->ops->synchronize(d));
  for (int64_t i = 0; i < run->n; i++) {
    if (weight[i] == 0.0f) label[i] = -1;
  }
cleanup:
  cyf_free(weight);
  return status;
}

/* Labels of the copies of the cells that the denoiser evaluates. Copy 0 has none. A term's copy has the term's label
 * and those of its base: the copy of the last guide before it that has one term. */
static cyf_status fill_free_labels(sampler_run *run) {
  const int n_conditions = cyf_denoiser_get_config(run->denoiser)->n_conditions;
  const int64_t n_rows = (1 + run->n_free) * run->n;
  int copy = 1, base = 0;
  for (int64_t i = 0; i < n_conditions * n_rows; i++) run->free_label[i] = -1;
  for (int k = 0; k < run->n_guides; k++) {
    const cyf_guide *guide = &run->guides[k];
    if (guide->classifier != NULL) continue;
    for (int term = 0; term < guide->n_terms; term++, copy++) {
      run->free_base[copy] = base;
      for (int c = 0; c < n_conditions; c++) {
        const int32_t *from = run->free_label + c * n_rows + base * run->n;
        memcpy(run->free_label + c * n_rows + copy * run->n, from, (size_t)run->n * sizeof(int32_t));
      }
      CYF_TRY(download_term(run, guide, term, run->free_label + guide->condition * n_rows + copy * run->n));
    }
    if (guide->n_terms == 1) base = copy - 1;
  }
  return CYF_OK;
}

cyf_status cyf_sampler_prepare_free(sampler_run *run) {
  for (int k = 0; k < run->n_guides; k++) {
    if (run->guides[k].classifier == NULL) run->n_free += run->guides[k].n_terms;
  }
  if (run->n_free == 0) return CYF_OK;
  if (run->n_free > CYF_GUIDES_MAX) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "%d terms of classifier-free guidance; at most %d are possible", run->n_free,
                    CYF_GUIDES_MAX);
  }
  const int64_t n_rows = (1 + run->n_free) * run->n;
  CYF_TRY(cyf_scratch_floats(run->scratch, n_rows * run->latent, &run->free_x));
  CYF_TRY(cyf_scratch_floats(run->scratch, n_rows * run->latent, &run->free_eps));
  CYF_TRY(CYF_NEW(&run->free_label, n_rows * cyf_denoiser_get_config(run->denoiser)->n_conditions));
  return fill_free_labels(run);
}

cyf_status cyf_sampler_predict(const sampler_run *run, int i, const float *x) {
  cyf_device *d = run->device;
  const int64_t count = run->n * run->latent;
  const size_t bytes = (size_t)count * sizeof(float);
  cyf_denoiser_rows rows = run->rows;
  rows.time = time_of(run, i);
  if (run->n_free == 0) return cyf_denoiser_eval_rows(run->denoiser, run->scratch, run->n, x, &rows, run->eps);
  for (int copy = 0; copy <= run->n_free; copy++) CYF_TRY(d->ops->copy(d, run->free_x + copy * count, x, bytes));
  CYF_TRY(cyf_denoiser_eval_rows(run->denoiser, run->scratch, (1 + run->n_free) * run->n, run->free_x, &rows,
                                 run->free_eps));
  CYF_TRY(d->ops->copy(d, run->eps, run->free_eps, bytes));
  int copy = 1;
  for (int k = 0; k < run->n_guides; k++) {
    const cyf_guide *guide = &run->guides[k];
    for (int term = 0; guide->classifier == NULL && term < guide->n_terms; term++, copy++) {
      const float *base = run->free_eps + run->free_base[copy] * count;
      CYF_TRY(d->ops->free_guidance(d, run->n, run->latent, base, run->free_eps + copy * count,
                                    guide->weight + term * run->n, run->eps));
    }
  }
  if (run->square == NULL) return CYF_OK;
  CYF_TRY(d->ops->copy(d, run->guidance, run->eps, bytes));
  CYF_TRY(d->ops->axpy(d, count, -1.0, run->free_eps, run->guidance));
  return d->ops->square_sum(d, count, run->guidance, run->square + run->config->schedule->n + i);
}
