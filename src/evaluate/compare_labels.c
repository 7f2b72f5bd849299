/* SPDX-License-Identifier: MIT */
/* Everything by label: which classes there are, then accuracy, means, MMD and markers of each. */
#include <math.h>

#include "base/memory.h"
#include "evaluate/measures/label_accuracy.h"

void cyf_label_scores_destroy(cyf_label_scores *scores) {
  if (!scores) return;
  for (int64_t c = 0; c < scores->n_classes; c++) cyf_free(scores->classes[c].name);
  cyf_free(scores->classes);
  cyf_free(scores->note);
  cyf_free(scores->attribute);
  *scores = (cyf_label_scores){0};
}

/* Makes a class of each category that a training cell has. */
static cyf_status list_classes(const cyf_part *train, cyf_label_scores *scores) {
  cyf_status status = CYF_OK;
  const cyf_label_column *labels = train->cells->labels;
  const cyf_score none = {NAN, NAN};
  int64_t *count = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&count, labels->categories.n));
  CYF_TRY_CLEANUP(CYF_NEW(&scores->classes, labels->categories.n));
  for (int64_t i = 0; i < train->rows.n_cells; i++) {
    if (labels->code[train->cell[i]] >= 0) count[labels->code[train->cell[i]]]++;
  }
  for (int64_t category = 0; category < labels->categories.n; category++) {
    if (count[category] == 0) continue;
    cyf_class_score *class = &scores->classes[scores->n_classes];
    *class =
        (cyf_class_score){.accuracy = none, .mean_spearman = none, .mean_pearson = none, .mmd = none, .markers = none};
    CYF_TRY_CLEANUP(cyf_strdup(labels->categories.name[category], &class->name));
    scores->n_classes++;
  }
cleanup:
  cyf_free(count);
  return status;
}

/* Numbers a part's cells by class, matching labels by name. */
static cyf_status number_cells(const cyf_part *part, const cyf_label_scores *scores, cyf_class_codes *ret_codes) {
  cyf_status status = CYF_OK;
  const cyf_label_column *labels = part->cells->labels;
  int32_t *class_of_category = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&class_of_category, labels->categories.n));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_codes->code, part->rows.n_cells));
  for (int64_t category = 0; category < labels->categories.n; category++) class_of_category[category] = -1;
  for (int64_t c = 0; c < scores->n_classes; c++) {
    int64_t category = cyf_names_find(&labels->categories, scores->classes[c].name);
    if (category >= 0) class_of_category[category] = (int32_t)c;
  }
  for (int64_t i = 0; i < part->rows.n_cells; i++) {
    int32_t category = labels->code[part->cell[i]];
    ret_codes->code[i] = category >= 0 ? class_of_category[category] : -1;
    ret_codes->n += ret_codes->code[i] >= 0;
    ret_codes->n_unknown += category >= 0 && ret_codes->code[i] < 0;
  }
cleanup:
  cyf_free(class_of_category);
  return status;
}

static const char *shown_name(const cyf_cells *cells) {
  return cells->name ? cells->name : "a set";
}

/* Sets the note where a set has no labels. */
static cyf_status note_missing(const cyf_compared *c, cyf_label_scores *scores) {
  const cyf_cells *sets[3] = {c->real.cells, c->synthetic.cells, c->train.cells};
  if (!c->train.cells) return cyf_strdup("no training cells were given", &scores->note);
  for (int s = 0; s < 3; s++) {
    if (sets[s]->labels) continue;
    if (sets[s]->label_note) return cyf_strdup(sets[s]->label_note, &scores->note);
    return cyf_format(&scores->note, "%s has no labels", shown_name(sets[s]));
  }
  return CYF_OK;
}

static cyf_status name_classes(const cyf_compared *c, cyf_label_scores *scores) {
  const cyf_label_column *labels = c->train.cells->labels;
  CYF_TRY(cyf_strdup(labels->attribute ? labels->attribute : "label", &scores->attribute));
  CYF_TRY(list_classes(&c->train, scores));
  if (scores->n_classes >= 2) return CYF_OK;
  return cyf_format(&scores->note, "%s: '%s' has %lld class%s among the training cells, two are needed",
                    shown_name(c->train.cells), scores->attribute, (long long)scores->n_classes,
                    scores->n_classes == 1 ? "" : "es");
}

/* Labels that share no name cannot be compared. */
static cyf_status need_common(const cyf_part *part, const cyf_class_codes *codes, const cyf_label_scores *scores,
                              const cyf_part *train) {
  char there[CYF_NAMES_LIST_BYTES], possible[CYF_NAMES_LIST_BYTES];
  const cyf_names *asked = &part->cells->labels->categories, *known = &train->cells->labels->categories;
  if (codes->n > 0 || codes->n_unknown == 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: no '%s' in common with %s; there: %s; possible: %s", shown_name(part->cells),
                  scores->attribute, shown_name(train->cells),
                  cyf_list_names(asked->n, (const char *const *)asked->name, there, sizeof there),
                  cyf_list_names(known->n, (const char *const *)known->name, possible, sizeof possible));
}

cyf_status cyf_compare_labels(const cyf_compared *c, const cyf_train_space *space, const double *ceiling_points,
                              cyf_evaluation *e) {
  cyf_status status = CYF_OK;
  cyf_label_scores *scores = &e->labels;
  const cyf_part *parts[4] = {&c->train, &c->real, &c->synthetic, &c->ceiling};
  cyf_class_codes codes[4] = {{0}};
  CYF_TRY_CLEANUP(note_missing(c, scores));
  if (scores->note) goto cleanup;
  CYF_TRY_CLEANUP(name_classes(c, scores));
  if (scores->note) goto cleanup;
  for (int s = 0; s < (c->kind == CYF_CEILING_NONE ? 3 : 4); s++) {
    CYF_TRY_CLEANUP(number_cells(parts[s], scores, &codes[s]));
    CYF_TRY_CLEANUP(need_common(parts[s], &codes[s], scores, &c->train));
  }
  scores->n_train = codes[0].n;
  scores->n_real = codes[1].n;
  scores->n_synthetic = codes[2].n;
  scores->n_unknown_real = codes[1].n_unknown;
  scores->n_unknown_synthetic = codes[2].n_unknown;
  CYF_TRY_CLEANUP(cyf_label_accuracy(c, space, codes, &e->options, scores));
  CYF_TRY_CLEANUP(cyf_class_comparisons(c, codes + 1, ceiling_points, e));
  scores->available = true;
  e->joint.class_of_real = codes[1].code;
  e->joint.class_of_synthetic = codes[2].code;
  codes[1].code = codes[2].code = NULL;
cleanup:
  for (int s = 0; s < 4; s++) cyf_free(codes[s].code);
  return status;
}
