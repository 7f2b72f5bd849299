/* SPDX-License-Identifier: MIT */
/* Choosing cells by their obs columns: --keep and --holdout-where. Each input's columns are read once, by one rank. */
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/inputs.h"

/* Limits of what messages need: values remembered of a column, and bytes of the list that the user is shown. */
enum { VALUES_KEPT = 2000, LIST_BYTES = 1024 };

/* What the rules met in the inputs of this rank, later of all ranks. */
typedef struct rule_tally {
  int64_t *n_inputs_with; /* [columns] inputs that have the column */
  int64_t *n_matched;     /* [terms] cells with the term's value */
  int64_t *n_dropped;     /* [columns] cells that --keep of this column was the first to drop */
  int64_t *n_chosen;      /* [groups] cells left by --keep that the group holds out */
  cyf_names *values;      /* [columns] its values in this rank's inputs */
  cyf_names *partners;    /* [groups] values of the last term's column among cells that meet all other terms */
} rule_tally;

/* One column of one input. */
typedef struct column_view {
  bool is_there;
  cyf_label_column labels; /* as read; its code is NULL when the column is not there */
  int64_t n;               /* number of its categories */
  const char **value; /* [n + 1] each category as the rules see it; NULL for none, as the last, of missing values */
} column_view;

/* One input's columns that the rules name, and which of their values the terms mean. */
typedef struct input_view {
  column_view *column; /* [columns] */
  bool **is;           /* [terms][categories + 1] whether this is the term's value */
  bool **seen;         /* [groups][categories + 1] values of the last term's column, as `partners` above */
} input_view;

static void tally_destroy(const cyf_obs_rules *rules, rule_tally *tally) {
  for (int64_t c = 0; tally->values && c < rules->columns.n; c++) cyf_names_destroy(&tally->values[c]);
  for (int64_t g = 0; tally->partners && g < rules->n_groups; g++) cyf_names_destroy(&tally->partners[g]);
  cyf_free(tally->n_inputs_with);
  cyf_free(tally->n_matched);
  cyf_free(tally->n_dropped);
  cyf_free(tally->n_chosen);
  cyf_free(tally->values);
  cyf_free(tally->partners);
}

static cyf_status tally_make(const cyf_obs_rules *rules, rule_tally *tally) {
  CYF_TRY(CYF_NEW(&tally->n_inputs_with, rules->columns.n));
  CYF_TRY(CYF_NEW(&tally->n_matched, rules->n_terms));
  CYF_TRY(CYF_NEW(&tally->n_dropped, rules->columns.n));
  CYF_TRY(CYF_NEW(&tally->n_chosen, rules->n_groups));
  CYF_TRY(CYF_NEW(&tally->values, rules->columns.n));
  return CYF_NEW(&tally->partners, rules->n_groups);
}

static void view_destroy(const cyf_obs_rules *rules, input_view *view) {
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
                              const char *name, column_view *column) {
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

static const cyf_obs_term *last_term(const cyf_obs_rules *rules, int64_t group) {
  return &rules->term[rules->group_start[group + 1] - 1];
}

static cyf_status view_make(const cyf_prepare_job *job, const cyf_prepare_input *input, cyf_h5ad *file,
                            input_view *view) {
  const cyf_obs_rules *rules = &job->rules;
  CYF_TRY(CYF_NEW(&view->column, rules->columns.n));
  CYF_TRY(CYF_NEW(&view->is, rules->n_terms));
  CYF_TRY(CYF_NEW(&view->seen, rules->n_groups));
  for (int64_t c = 0; c < rules->columns.n; c++)
    CYF_TRY(view_column(job, input, file, rules->columns.name[c], &view->column[c]));
  for (int64_t t = 0; t < rules->n_terms; t++) {
    const column_view *column = &view->column[rules->term[t].column];
    CYF_TRY(CYF_NEW(&view->is[t], column->n + 1));
    for (int64_t c = 0; c <= column->n; c++) view->is[t][c] = cyf_obs_term_is(&rules->term[t], column->value[c]);
  }
  for (int64_t g = 0; g < rules->n_groups; g++)
    CYF_TRY(CYF_NEW(&view->seen[g], view->column[last_term(rules, g)->column].n + 1));
  return CYF_OK;
}

/* Index of a cell's value among its column's categories; that of no value comes after the last. */
static int64_t value_of(const input_view *view, int64_t column, int64_t cell) {
  const column_view *c = &view->column[column];
  return !c->labels.code || c->labels.code[cell] < 0 ? c->n : c->labels.code[cell];
}

/* The first column whose --keep does not let the cell through, -1 when all do. */
static int64_t dropping_column(const cyf_obs_rules *rules, const bool *hit) {
  for (int64_t c = 0; c < rules->columns.n; c++) {
    bool any_wanted = false, any_met = false;
    for (int64_t t = 0; t < rules->n_keep_terms; t++) {
      if (rules->term[t].column != c) continue;
      if (rules->term[t].differs && hit[t]) return c;
      any_wanted = any_wanted || !rules->term[t].differs;
      any_met = any_met || (!rules->term[t].differs && hit[t]);
    }
    if (any_wanted && !any_met) return c;
  }
  return -1;
}

/* How many terms of a group are met before the first that is not. */
static int64_t count_met(const cyf_obs_rules *rules, int64_t group, const bool *hit) {
  const int64_t start = rules->group_start[group], end = rules->group_start[group + 1];
  int64_t t = start;
  while (t < end && hit[t] != rules->term[t].differs) t++;
  return t - start;
}

static void judge_cell(cyf_prepare_job *job, const input_view *view, int64_t cell, int64_t i, bool *hit,
                       rule_tally *tally) {
  const cyf_obs_rules *rules = &job->rules;
  for (int64_t t = 0; t < rules->n_terms; t++) {
    hit[t] = view->is[t][value_of(view, rules->term[t].column, i)];
    tally->n_matched[t] += hit[t];
  }
  const int64_t dropping = dropping_column(rules, hit);
  if (dropping >= 0) {
    cyf_bit_set(job->fates.dropped, cell);
    tally->n_dropped[dropping]++;
    return;
  }
  for (int64_t g = 0; g < rules->n_groups; g++) {
    const int64_t n_terms = rules->group_start[g + 1] - rules->group_start[g], n_met = count_met(rules, g, hit);
    if (n_met >= n_terms - 1) view->seen[g][value_of(view, last_term(rules, g)->column, i)] = true;
    if (n_met < n_terms) continue;
    cyf_bit_set(job->fates.heldout, cell);
    tally->n_chosen[g]++;
  }
}

static cyf_status add_values(const column_view *column, const bool *chosen, cyf_names *values) {
  for (int64_t c = 0; c < column->n && values->n < VALUES_KEPT; c++)
    if (column->value[c] && (!chosen || chosen[c])) CYF_TRY(cyf_names_add(values, column->value[c], NULL));
  return CYF_OK;
}

static cyf_status judge_input(cyf_prepare_job *job, const cyf_prepare_input *input, rule_tally *tally) {
  const cyf_obs_rules *rules = &job->rules;
  cyf_h5ad *file = NULL;
  input_view view = {0};
  bool *hit = NULL; /* [terms] of one cell */
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_open(input->path, job->options->matrix, &file));
  CYF_TRY_CLEANUP(view_make(job, input, file, &view));
  CYF_TRY_CLEANUP(CYF_NEW(&hit, rules->n_terms));
  for (int64_t i = 0; i < input->n_cells; i++) judge_cell(job, &view, input->first_cell + i, i, hit, tally);
  for (int64_t c = 0; c < rules->columns.n; c++) {
    tally->n_inputs_with[c] += view.column[c].is_there;
    CYF_TRY_CLEANUP(add_values(&view.column[c], NULL, &tally->values[c]));
  }
  for (int64_t g = 0; g < rules->n_groups; g++)
    CYF_TRY_CLEANUP(add_values(&view.column[last_term(rules, g)->column], view.seen[g], &tally->partners[g]));
cleanup:
  cyf_free(hit);
  view_destroy(rules, &view);
  cyf_h5ad_close(&file);
  return status;
}

static int by_bytes(const void *left, const void *right) {
  return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Gathers the ranks' names as one sorted set on rank 0; it is empty on the others. Collective. */
static cyf_status gather_names(cyf_comm *comm, const cyf_names *names, cyf_names *ret_all) {
  int64_t n_bytes = 0, at = 0, total = 0, *counts = NULL;
  char *bytes = NULL, *all = NULL, **sorted = NULL;
  cyf_status status = CYF_OK;
  for (int64_t i = 0; i < names->n; i++) n_bytes += (int64_t)strlen(names->name[i]) + 1;
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, CYF_NEW(&bytes, n_bytes)));
  for (int64_t i = 0; i < names->n; i++) {
    const size_t length = strlen(names->name[i]) + 1;
    memcpy(bytes + at, names->name[i], length);
    at += (int64_t)length;
  }
  CYF_TRY_CLEANUP(cyf_comm_gather(comm, bytes, n_bytes, 0, (void **)&all, &counts));
  if (!all) goto cleanup;
  for (int r = 0; r < cyf_comm_size(comm); r++) total += counts[r];
  CYF_TRY_CLEANUP(CYF_NEW(&sorted, total));
  int64_t n = 0;
  for (at = 0; at < total; at += (int64_t)strlen(all + at) + 1) sorted[n++] = all + at;
  qsort(sorted, (size_t)n, sizeof *sorted, by_bytes);
  for (int64_t i = 0; i < n; i++) CYF_TRY_CLEANUP(cyf_names_add(ret_all, sorted[i], NULL));
cleanup:
  cyf_free(bytes);
  cyf_free(all);
  cyf_free(counts);
  cyf_free(sorted);
  return status;
}

static const char *option_of(const cyf_obs_term *term) {
  return term->group == CYF_GROUP_KEEP ? "--keep" : "--holdout-where";
}

/* The failure for a column that no input has. Rank 0 reads which columns there are. */
static cyf_status no_such_column(const cyf_prepare_job *job, const cyf_obs_term *term) {
  const char *name = job->rules.columns.name[term->column];
  cyf_h5ad *file = NULL;
  cyf_names columns = {0};
  char list[LIST_BYTES];
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_open(job->input[0].path, job->options->matrix, &file));
  for (int64_t a = 0; a < job->options->n_labels; a++)
    CYF_TRY_CLEANUP(cyf_names_add(&columns, job->attribute[a].name, NULL));
  cyf_names there = {0};
  status = cyf_h5ad_list_columns(file, &there);
  for (int64_t c = 0; c < there.n && status == CYF_OK; c++) status = cyf_names_add(&columns, there.name[c], NULL);
  cyf_names_destroy(&there);
  CYF_TRY_CLEANUP(status);
  const char *nearest = cyf_nearest_name(name, (const char *const *)columns.name, (size_t)columns.n);
  status =
      CYF_FAIL(CYF_ERR_INPUT, "%s %s: no input has an obs column or label of that name%s%s%s; in %s there are: %s",
               option_of(term), name, nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "",
               job->input[0].path, cyf_list_names(columns.n, (const char *const *)columns.name, list, sizeof list));
cleanup:
  cyf_names_destroy(&columns);
  cyf_h5ad_close(&file);
  return status;
}

static cyf_status no_such_value(const cyf_prepare_job *job, const cyf_obs_term *term, const cyf_names *values) {
  char list[LIST_BYTES];
  const char *nearest = cyf_nearest_name(term->value, (const char *const *)values->name, (size_t)values->n);
  return CYF_FAIL(CYF_ERR_INPUT, "%s %s%s%s: no cell has this value%s%s%s%s; the values are: %s", option_of(term),
                  job->rules.columns.name[term->column], term->differs ? "!=" : "=", term->value,
                  nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "",
                  strchr(term->value, ',') ? "; for alternatives repeat the option" : "",
                  cyf_list_names(values->n, (const char *const *)values->name, list, sizeof list));
}

static cyf_status no_such_group(const cyf_prepare_job *job, int64_t group, const cyf_names *partners) {
  const cyf_obs_term *last = last_term(&job->rules, group);
  char list[LIST_BYTES];
  return CYF_FAIL(CYF_ERR_INPUT,
                  "--holdout-where %s: no cell%s meets all of it; where the rest is met, the values of %s are: %s",
                  job->options->holdout_where[group], job->options->n_keep > 0 ? " that --keep leaves" : "",
                  job->rules.columns.name[last->column],
                  cyf_list_names(partners->n, (const char *const *)partners->name, list, sizeof list));
}

/* Fails where a column, a value or a combination of values is in no input. All ranks have the same sums, and so see the
 * same fault. Collective. */
static cyf_status check_rules(const cyf_prepare_job *job, const rule_tally *tally) {
  const cyf_obs_rules *rules = &job->rules;
  const cyf_obs_term *absent = NULL, *unmatched = NULL;
  int64_t unmet = -1;
  for (int64_t t = rules->n_terms - 1; t >= 0; t--) {
    const cyf_obs_term *term = &rules->term[t];
    if (tally->n_inputs_with[term->column] == 0) absent = term;
    if (tally->n_matched[t] == 0 && term->value[0] != '\0') unmatched = term;
  }
  for (int64_t g = rules->n_groups - 1; g >= 0; g--)
    if (tally->n_chosen[g] == 0) unmet = g;
  if (!absent && !unmatched && unmet < 0) return CYF_OK;
  cyf_names possible = {0};
  cyf_status status = CYF_OK;
  if (!absent)
    status =
        gather_names(job->comm, unmatched ? &tally->values[unmatched->column] : &tally->partners[unmet], &possible);
  if (status == CYF_OK && job->rank == 0)
    status = absent      ? no_such_column(job, absent)
             : unmatched ? no_such_value(job, unmatched, &possible)
                         : no_such_group(job, unmet, &possible);
  cyf_names_destroy(&possible);
  return cyf_comm_agree(job->comm, status);
}

static void say_rules(const cyf_prepare_job *job, const rule_tally *tally) {
  const cyf_obs_rules *rules = &job->rules;
  for (int64_t c = 0; c < rules->columns.n; c++) {
    if (tally->n_inputs_with[c] < job->options->n_inputs)
      cyf_warn("%lld of %lld inputs have no obs column %s; their cells count as having no value",
               (long long)(job->options->n_inputs - tally->n_inputs_with[c]), (long long)job->options->n_inputs,
               rules->columns.name[c]);
    bool is_kept_by = false;
    for (int64_t t = 0; t < rules->n_keep_terms; t++) is_kept_by = is_kept_by || rules->term[t].column == c;
    if (is_kept_by)
      cyf_info("--keep %s: %lld of %lld cells dropped", rules->columns.name[c], (long long)tally->n_dropped[c],
               (long long)job->summary.n_cells_in);
  }
  for (int64_t g = 0; g < rules->n_groups; g++)
    cyf_info("--holdout-where %s: %lld cells", job->options->holdout_where[g], (long long)tally->n_chosen[g]);
}

static cyf_status join_ranks(cyf_prepare_job *job, rule_tally *tally) {
  const cyf_obs_rules *rules = &job->rules;
  CYF_TRY(cyf_comm_sum_int64(job->comm, job->fates.dropped, job->fates.n_words));
  CYF_TRY(cyf_comm_sum_int64(job->comm, job->fates.heldout, job->fates.n_words));
  CYF_TRY(cyf_comm_sum_int64(job->comm, tally->n_inputs_with, rules->columns.n));
  CYF_TRY(cyf_comm_sum_int64(job->comm, tally->n_matched, rules->n_terms));
  CYF_TRY(cyf_comm_sum_int64(job->comm, tally->n_dropped, rules->columns.n));
  return cyf_comm_sum_int64(job->comm, tally->n_chosen, rules->n_groups);
}

static cyf_status apply_rules(cyf_prepare_job *job) {
  rule_tally tally = {0};
  cyf_status status = tally_make(&job->rules, &tally);
  for (int64_t i = job->rank; i < job->options->n_inputs && status == CYF_OK; i += job->size) {
    if (i >= job->size) status = cyf_prepare_check_early_signal();
    if (status == CYF_OK) status = judge_input(job, &job->input[i], &tally);
  }
  CYF_TRY_CLEANUP(cyf_comm_agree(job->comm, status));
  CYF_TRY_CLEANUP(join_ranks(job, &tally));
  CYF_TRY_CLEANUP(check_rules(job, &tally));
  for (int64_t c = 0; c < job->rules.columns.n; c++) job->summary.n_cells_filtered += tally.n_dropped[c];
  say_rules(job, &tally);
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
