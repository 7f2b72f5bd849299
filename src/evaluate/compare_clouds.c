/* SPDX-License-Identifier: MIT */
/* The measures of CYF_PROTOCOL_GENERATION. */
#include <math.h>

#include "base/memory.h"
#include "evaluate/compared.h"
#include "evaluate/measures/clouds.h"

static void count_detected(const cyf_rows *rows, double *detected) {
  for (int64_t i = 0; i < rows->n_cells; i++)
    for (int64_t k = 0; k < rows->row[i].nnz; k++) detected[i] += rows->row[i].value[k] > 0;
}

static cyf_status compare_detected(const cyf_rows *a, const cyf_rows *b, double *ret_wasserstein, double *ret_ks) {
  double *detected = NULL;
  CYF_TRY(CYF_NEW(&detected, a->n_cells + b->n_cells));
  count_detected(a, detected);
  count_detected(b, detected + a->n_cells);
  cyf_samples_compare(a->n_cells, detected, b->n_cells, detected + a->n_cells, ret_wasserstein, ret_ks);
  cyf_free(detected);
  return CYF_OK;
}

cyf_status cyf_compare_clouds(const cyf_compared *c, const double *ceiling_points, cyf_evaluation *e) {
  const cyf_rows *real = &c->real.rows, *synthetic = &c->synthetic.rows, *ceiling = &c->ceiling.rows;
  cyf_clouds value, best = {NAN, NAN, NAN, NAN};
  CYF_TRY(cyf_clouds_compare(real->n_cells, synthetic->n_cells, e->n_components, e->joint.points, &value));
  CYF_TRY(compare_detected(real, synthetic, &e->detected_wasserstein.value, &e->detected_ks.value));
  if (ceiling_points != NULL) {
    CYF_TRY(cyf_clouds_compare(real->n_cells, ceiling->n_cells, e->n_components_ceiling, ceiling_points, &best));
    CYF_TRY(compare_detected(real, ceiling, &e->detected_wasserstein.ceiling, &e->detected_ks.ceiling));
  }
  e->energy = (cyf_score){value.energy, best.energy};
  e->nearest_accuracy = (cyf_score){value.nearest_accuracy, best.nearest_accuracy};
  e->precision = (cyf_score){value.precision, best.precision};
  e->recall = (cyf_score){value.recall, best.recall};
  return CYF_OK;
}
