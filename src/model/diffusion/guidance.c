/* What guides the reverse process: gradients of classifiers, and the denoiser's own conditions. */
#include "base/memory.h"
#include "model/diffusion/sampler_internal.h"

/* ---- classifiers ------------------------------------------------------------------------------------------------- */

cyf_status cyf_sampler_sum_gradients(const sampler_run *run, int32_t t, const float *x, const float **ret_guidance) {
  cyf_device *d = run->device;
  *ret_guidance = NULL;
  if (t >= run->config->guide_below) return CYF_OK;
  for (int k = 0; k < run->n_guides; k++) {
    const cyf_guide *guide = &run->guides[k];
    if (guide->classifier == NULL) continue;
    if (*ret_guidance == NULL) {
      CYF_TRY(d->ops->zero(d, run->guidance, (size_t)(run->n * run->latent) * sizeof(float)));
      *ret_guidance = run->guidance;
    }
    CYF_TRY(cyf_classifier_guidance(guide->classifier, run->scratch, run->n, x, t, guide->n_terms, guide->label,
                                    guide->weight, run->guidance));
  }
  return CYF_OK;
}

/* ---- the denoiser's conditions -------------------------------------------------------------------------------------
 */

/* Copy 1 + k of the cells carries term k's labels for its condition and none for the others. */
static cyf_status fill_free_labels(const sampler_run *run) {
  cyf_device *d = run->device;
  const int64_t n_rows = (1 + run->n_free) * run->n;
  const int64_t count = n_rows * cyf_denoiser_get_config(run->denoiser)->n_conditions;
  int copy = 1;
  for (int64_t i = 0; i < count; i++) run->free_label[i] = -1;
  for (int k = 0; k < run->n_guides; k++) {
    const cyf_guide *guide = &run->guides[k];
    for (int term = 0; guide->classifier == NULL && term < guide->n_terms; term++, copy++) {
      int32_t *to = run->free_label + guide->condition * n_rows + copy * run->n;
      CYF_TRY(d->ops->download(d, to, guide->label + term * run->n, (size_t)run->n * sizeof(int32_t)));
    }
  }
  return d->ops->synchronize(d);
}

cyf_status cyf_sampler_prepare_free(sampler_run *run) {
  for (int k = 0; k < run->n_guides; k++) {
    if (run->guides[k].classifier == NULL) run->n_free += run->guides[k].n_terms;
  }
  if (run->n_free == 0) return CYF_OK;
  const int64_t n_rows = (1 + run->n_free) * run->n;
  CYF_TRY(cyf_scratch_floats(run->scratch, n_rows * run->latent, &run->free_x));
  CYF_TRY(cyf_scratch_floats(run->scratch, n_rows * run->latent, &run->free_eps));
  CYF_TRY(CYF_NEW(&run->free_label, n_rows * cyf_denoiser_get_config(run->denoiser)->n_conditions));
  return fill_free_labels(run);
}

cyf_status cyf_sampler_predict(const sampler_run *run, int32_t t, const float *x) {
  cyf_device *d = run->device;
  const int64_t count = run->n * run->latent;
  const size_t bytes = (size_t)count * sizeof(float);
  if (run->n_free == 0) return cyf_denoiser_eval(run->denoiser, run->scratch, run->n, x, t, NULL, run->eps);
  for (int copy = 0; copy <= run->n_free; copy++) CYF_TRY(d->ops->copy(d, run->free_x + copy * count, x, bytes));
  CYF_TRY(cyf_denoiser_eval(run->denoiser, run->scratch, (1 + run->n_free) * run->n, run->free_x, t, run->free_label,
                            run->free_eps));
  CYF_TRY(d->ops->copy(d, run->eps, run->free_eps, bytes));
  int copy = 1;
  for (int k = 0; k < run->n_guides; k++) {
    const cyf_guide *guide = &run->guides[k];
    for (int term = 0; guide->classifier == NULL && term < guide->n_terms; term++, copy++) {
      CYF_TRY(d->ops->free_guidance(d, run->n, run->latent, run->free_eps, run->free_eps + copy * count,
                                    guide->weight + term * run->n, run->eps));
    }
  }
  return CYF_OK;
}
