/* SPDX-License-Identifier: MIT */
#include "calibrate/strengths.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* Strengths are given in steps of 1/20: finer ones are not known. */
static const double STEPS_A_UNIT = 20;
/* An accuracy this near to the best is as good; more strength would only lead further from the data. */
static const double NEAR = 0.02;

typedef struct sized_class {
  int64_t n, code;
} sized_class;

static int by_size(const void *left, const void *right) {
  const sized_class *a = left, *b = right;
  if (a->n != b->n) return a->n < b->n ? -1 : 1;
  return a->code < b->code ? -1 : a->code > b->code;
}

/* Mean accuracy of classes: right[code] of n[code]. */
static double mean_accuracy(const sized_class *group, int64_t n_group, const int64_t *right, const int64_t *n) {
  double sum = 0;
  for (int64_t i = 0; i < n_group; i++) sum += (double)right[group[i].code] / (double)n[group[i].code];
  return sum / (double)n_group;
}

/* More guidance cannot make a class worse told but by chance, or by leading out of the data: the largest accuracy up
 * to each strength counts. */
static void reached_by(const cyf_told *told, const sized_class *group, int64_t n_group, double *reached) {
  for (int64_t w = 0; w < told->n_strengths; w++) {
    reached[w] = mean_accuracy(group, n_group, told->generated_right + w * told->n_classes, told->generated);
    if (w > 0) reached[w] = fmax(reached[w], reached[w - 1]);
  }
}

static cyf_strength_chosen choose(const cyf_told *told, double wanted, const double *reached) {
  const int64_t last = told->n_strengths - 1;
  const double aim = fmin(wanted, reached[last] - (wanted > reached[last] ? NEAR : 0));
  int64_t w = 0;
  while (w < last && reached[w] < aim) w++;
  double strength = told->strength[w];
  if (w > 0 && reached[w] > reached[w - 1]) {
    const double way = fmax(0, fmin(1, (aim - reached[w - 1]) / (reached[w] - reached[w - 1])));
    strength = told->strength[w - 1] + way * (told->strength[w] - told->strength[w - 1]);
  }
  return (cyf_strength_chosen){.strength = round(strength * STEPS_A_UNIT) / STEPS_A_UNIT,
                               .real_accuracy = wanted,
                               .reached = fmin(reached[w], fmax(aim, reached[0]))};
}

cyf_status cyf_choose_strengths(const cyf_told *told, cyf_strength_chosen *chosen) {
  sized_class *class = NULL;
  double *reached = NULL;
  int64_t n = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&class, told->n_classes));
  CYF_TRY_CLEANUP(CYF_NEW(&reached, told->n_strengths));
  for (int64_t c = 0; c < told->n_classes; c++) {
    chosen[c] = (cyf_strength_chosen){0};
    if (told->n_real[c] > 0) class[n++] = (sized_class){told->n_real[c], c};
  }
  if (n > 0) qsort(class, (size_t)n, sizeof *class, by_size);
  for (int64_t first = 0, end; first < n; first = end) {
    int64_t cells = 0;
    for (end = first; end < n && cells < CYF_CALIBRATE_GROUP_CELLS; end++) cells += class[end].n;
    const int64_t n_group = end - first;
    reached_by(told, class + first, n_group, reached);
    cyf_strength_chosen one =
        choose(told, mean_accuracy(class + first, n_group, told->real_right, told->n_real), reached);
    one.n_group_classes = n_group;
    for (int64_t i = first; i < end; i++) chosen[class[i].code] = one;
  }
cleanup:
  cyf_free(class);
  cyf_free(reached);
  return status;
}
