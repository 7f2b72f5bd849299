/* SPDX-License-Identifier: MIT */
/* Choosing cells by their obs columns: --keep and --holdout-where. Each input's columns are read once, by one rank. */
#include "data/prepare/filter.h"

#include <string.h>

#include "base/memory.h"
#include "data/prepare/inputs.h"

static void tally_destroy(const cyf_obs_rules *rules, cyf_rule_tally *tally) {
  for (int64_t c = 0; tally->values && c < rules->columns.n; c++) cyf_names_destroy(&tally->values[c]);
  for (int64_t g = 0; tally->partners && g < rules->n_groups; g++) cyf_names_destroy(&tally->partners[g]);
  cyf_free(tally->n_inputs_with);
  cyf_free(tally->n_matched);
  cyf_free(tally->n_dropped);
  cyf_free(tally->n_chosen);
  cyf_free(tally->values);
  cyf_free(tally->partners);
  cyf_names_destroy(&tally->emptied);
}

static cyf_status tally_make(const cyf_obs_rules *rules, cyf_rule_tally *tally) {
  CYF_TRY(CYF_NEW(&tally->n_inputs_with, rules->columns.n));
  CYF_TRY(CYF_NEW(&tally->n_matched, rules->n_terms));
  CYF_TRY(CYF_NEW(&tally->n_dropped, rules->columns.n));
  CYF_TRY(CYF_NEW(&tally->n_chosen, rules->n_groups));
  CYF_TRY(CYF_NEW(&tally->values, rules->columns.n));
  return CYF_NEW(&tally->partners, rules->n_groups);
}

static void view_destroy(const cyf_obs_rules *rules, cyf_input_view *view) {
  for (int64_t c = 0; view->column && c < rules->columns.n; c++) {
    cyf_label_column_destroy(&view->column[c].labels);
    cyf_free(view->column[c].value);
  }
  for (int64_t t = 0; view->is && t < rules->n_terms; t++) cyf_free(view->is[t]);
  for (int64_t g = 0; view->seen && g < rules->n_groups; g++) cyf_free(view->seen[g]);
  cyf_free(view->column);
  cyf_free(view->is);
  cyf_free(view->seen);
}

/* Reads a column. Values of an atlas label have the names that the label map gives them, those of an obs column their
 * own. */
static cyf_status view_column(const cyf_prepare_job *job, const cyf_prepare_input *input, cyf_h5ad *file,
                              const char *name, cyf_column_view *column) {
  const int64_t label = cyf_prepare_find_label(job, name);
  const char *source = label >= 0 ? input->label_column[label] : cyf_h5ad_has_column(file, name) ? name : NULL;
  column->is_there = source != NULL;
  if (source) CYF_TRY(cyf_h5ad_read_labels(file, source, &column->labels));
  column->n = column->labels.categories.n;
  CYF_TRY(CYF_NEW(&column->value, column->n + 1));
  for (int64_t c = 0; c < column->n; c++) {
    const int32_t merged = label >= 0 ? input->category[label][c] : 0;
    if (merged >= 0)
      column->value[c] = label >= 0 ? job->attribute[label].categories.name[merged] : column->labels.categories.name[c];
  }
  return CYF_OK;
}

/* Whether 1 and 0 can stand for True and False here: not where there are other values beside them. */
static bool has_only_booleans(const cyf_column_view *column) {
  for (int64_t c = 0; c < column->n; c++)
    if (column->value[c] && !cyf_obs_is_boolean(column->value[c])) return false;
  return true;
}

static cyf_status view_make(const cyf_prepare_job *job, const cyf_prepare_input *input, cyf_h5ad *file,
                            cyf_input_view *view) {
  const cyf_obs_rules *rules = &job->rules;
  CYF_TRY(CYF_NEW(&view->column, rules->columns.n));
  CYF_TRY(CYF_NEW(&view->is, rules->n_terms));
  CYF_TRY(CYF_NEW(&view->seen, rules->n_groups));
  for (int64_t c = 0; c < rules->columns.n; c++)
    CYF_TRY(view_column(job, input, file, rules->columns.name[c], &view->column[c]));
  for (int64_t t = 0; t < rules->n_terms; t++) {
    const cyf_column_view *column = &view->column[rules->term[t].column];
    CYF_TRY(CYF_NEW(&view->is[t], column->n + 1));
    const bool digits = has_only_booleans(column);
    for (int64_t c = 0; c <= column->n; c++)
      view->is[t][c] = cyf_obs_term_is(&rules->term[t], column->value[c], digits);
  }
  for (int64_t g = 0; g < rules->n_groups; g++)
    CYF_TRY(CYF_NEW(&view->seen[g], view->column[cyf_obs_rules_last(rules, g)->column].n + 1));
  return CYF_OK;
}

/* The first column whose --keep does not let the cell through, -1 when all do. */
static int64_t dropping_column(const cyf_obs_rules *rules, const bool *hit) {
  for (int64_t c = 0; c < rules->columns.n; c++)
    if (cyf_obs_rules_drop(rules, c, hit)) return c;
  return -1;
}

/* How many terms of a group are met before the first that is not. */
static int64_t count_met(const cyf_obs_rules *rules, int64_t group, const bool *hit) {
  const int64_t start = rules->group_start[group], end = rules->group_start[group + 1];
  int64_t t = start;
  while (t < end && hit[t] != rules->term[t].differs) t++;
  return t - start;
}

/* Returns whether --keep leaves the cell. */
static bool judge_cell(cyf_prepare_job *job, const cyf_input_view *view, int64_t cell, int64_t i, bool *hit,
                       cyf_rule_tally *tally) {
  const cyf_obs_rules *rules = &job->rules;
  for (int64_t t = 0; t < rules->n_terms; t++) {
    hit[t] = view->is[t][cyf_view_value(view, rules->term[t].column, i)];
    tally->n_matched[t] += hit[t];
  }
  const int64_t dropping = dropping_column(rules, hit);
  if (dropping >= 0) {
    cyf_bit_set(job->fates.dropped, cell);
    tally->n_dropped[dropping]++;
    return false;
  }
  for (int64_t g = 0; g < rules->n_groups; g++) {
    const int64_t n_terms = rules->group_start[g + 1] - rules->group_start[g], n_met = count_met(rules, g, hit);
    if (n_met >= n_terms - 1) view->seen[g][cyf_view_value(view, cyf_obs_rules_last(rules, g)->column, i)] = true;
    if (n_met < n_terms) continue;
    cyf_bit_set(job->fates.heldout, cell);
    tally->n_chosen[g]++;
  }
  return true;
}

static cyf_status add_values(const cyf_column_view *column, const bool *chosen, cyf_names *values) {
  for (int64_t c = 0; c < column->n && values->n < CYF_FILTER_VALUES_KEPT; c++)
    if (column->value[c] && (!chosen || chosen[c])) CYF_TRY(cyf_names_add(values, column->value[c], NULL));
  return CYF_OK;
}

static cyf_status judge_input(cyf_prepare_job *job, const cyf_prepare_input *input, cyf_rule_tally *tally) {
  const cyf_obs_rules *rules = &job->rules;
  cyf_h5ad *file = NULL;
  cyf_input_view view = {0};
  bool *hit = NULL; /* [terms] of one cell */
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_open(input->path, job->options->matrix, &file));
  CYF_TRY_CLEANUP(view_make(job, input, file, &view));
  CYF_TRY_CLEANUP(CYF_NEW(&hit, rules->n_terms));
  int64_t n_kept = 0;
  for (int64_t i = 0; i < input->n_cells; i++) n_kept += judge_cell(job, &view, input->first_cell + i, i, hit, tally);
  if (n_kept == 0 && input->n_cells > 0) CYF_TRY_CLEANUP(cyf_filter_note_emptied(job, input, &view, tally));
  for (int64_t c = 0; c < rules->columns.n; c++) {
    tally->n_inputs_with[c] += view.column[c].is_there;
    CYF_TRY_CLEANUP(add_values(&view.column[c], NULL, &tally->values[c]));
  }
  for (int64_t g = 0; g < rules->n_groups; g++)
    CYF_TRY_CLEANUP(add_values(&view.column[cyf_obs_rules_last(rules, g)->column], view.seen[g], &tally->partners[g]));
cleanup:
  cyf_free(hit);
  view_destroy(rules, &view);
  cyf_h5ad_close(&file);
  return status;
}

static cyf_status join_ranks(cyf_prepare_job *job, cyf_rule_tally *tally) {
  const cyf_obs_rules *rules = &job->rules;
  CYF_TRY(cyf_comm_sum_int64(job->comm, job->fates.dropped, job->fates.n_words));
  CYF_TRY(cyf_comm_sum_int64(job->comm, job->fates.heldout, job->fates.n_words));
  CYF_TRY(cyf_comm_sum_int64(job->comm, tally->n_inputs_with, rules->columns.n));
  CYF_TRY(cyf_comm_sum_int64(job->comm, tally->n_matched, rules->n_terms));
  CYF_TRY(cyf_comm_sum_int64(job->comm, tally->n_dropped, rules->columns.n));
  return cyf_comm_sum_int64(job->comm, tally->n_chosen, rules->n_groups);
}

static cyf_status apply_rules(cyf_prepare_job *job) {
  cyf_rule_tally tally = {0};
  cyf_status status = tally_make(&job->rules, &tally);
  for (int64_t i = job->rank; i < job->options->n_inputs && status == CYF_OK; i += job->size) {
    if (i >= job->size) status = cyf_prepare_check_early_signal();
    if (status == CYF_OK) status = judge_input(job, &job->input[i], &tally);
  }
  CYF_TRY_CLEANUP(cyf_comm_agree(job->comm, status));
  CYF_TRY_CLEANUP(join_ranks(job, &tally));
  CYF_TRY_CLEANUP(cyf_filter_check(job, &tally));
  for (int64_t c = 0; c < job->rules.columns.n; c++) job->summary.n_cells_filtered += tally.n_dropped[c];
  CYF_TRY_CLEANUP(cyf_filter_say(job, &tally));
  if (job->summary.n_cells_filtered == job->summary.n_cells_in)
    status = cyf_comm_agree(job->comm, CYF_FAIL(CYF_ERR_INPUT, "no cell meets all that --keep asks for"));
cleanup:
  tally_destroy(&job->rules, &tally);
  return status;
}

cyf_status cyf_prepare_filter_cells(cyf_prepare_job *job) {
  CYF_TRY(cyf_comm_agree(job->comm, cyf_cell_fates_make(job->summary.n_cells_in, &job->fates)));
  if (job->rules.n_terms > 0) CYF_TRY(apply_rules(job));
  CYF_TRY(cyf_prepare_find_duplicates(job));
  const bool any_repeated_dropped =
      job->options->duplicates == CYF_DUPLICATES_DROP && job->summary.n_cells_repeated > 0;
  return job->summary.n_cells_filtered > 0 || any_repeated_dropped ? cyf_prepare_drop_categories(job) : CYF_OK;
}
