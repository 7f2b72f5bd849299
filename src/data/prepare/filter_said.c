/* SPDX-License-Identifier: MIT */
/* What is said of --keep and --holdout-where: columns and values that are not there, and inputs left without cells. */
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/filter.h"
#include "data/prepare/inputs.h"

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
  char list[CYF_FILTER_LIST_BYTES];
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
  char list[CYF_FILTER_LIST_BYTES];
  const char *nearest = cyf_nearest_name(term->value, (const char *const *)values->name, (size_t)values->n);
  return CYF_FAIL(CYF_ERR_INPUT, "%s %s%s%s: no cell has this value%s%s%s%s; the values are: %s", option_of(term),
                  job->rules.columns.name[term->column], term->differs ? "!=" : "=", term->value,
                  nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "",
                  strchr(term->value, ',') ? "; for alternatives repeat the option" : "",
                  cyf_list_names(values->n, (const char *const *)values->name, list, sizeof list));
}

static cyf_status no_such_group(const cyf_prepare_job *job, int64_t group, const cyf_names *partners) {
  const cyf_obs_term *last = cyf_obs_rules_last(&job->rules, group);
  char list[CYF_FILTER_LIST_BYTES];
  return CYF_FAIL(CYF_ERR_INPUT,
                  "--holdout-where %s: no cell%s meets all of it; where the rest is met, the values of %s are: %s",
                  job->options->holdout_where[group], job->options->n_keep > 0 ? " that --keep leaves" : "",
                  job->rules.columns.name[last->column],
                  cyf_list_names(partners->n, (const char *const *)partners->name, list, sizeof list));
}

cyf_status cyf_filter_check(const cyf_prepare_job *job, const cyf_rule_tally *tally) {
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

static void say_numbers(const cyf_prepare_job *job, const cyf_rule_tally *tally) {
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

/* The texts 'a' or 'b' of the column's terms that a cell has to have one of; of those that it must not have where there
 * are none. */
static cyf_status list_terms(const cyf_obs_rules *rules, int64_t column, bool *ret_wanted, char **ret_text) {
  cyf_status status = CYF_OK;
  *ret_wanted = false;
  for (int64_t t = 0; t < rules->n_keep_terms; t++)
    *ret_wanted = *ret_wanted || (rules->term[t].column == column && !rules->term[t].differs);
  CYF_TRY(cyf_strdup("", ret_text));
  for (int64_t t = 0; t < rules->n_keep_terms && status == CYF_OK; t++) {
    const cyf_obs_term *term = &rules->term[t];
    if (term->column != column || term->differs == *ret_wanted) continue;
    char *longer = NULL;
    status =
        cyf_format(&longer, "%s%s%s", *ret_text, **ret_text ? " or " : "", term->value[0] ? term->value : "(no value)");
    cyf_free(*ret_text);
    *ret_text = longer;
  }
  return status;
}

/* The values of a column that the input's cells have. */
static cyf_status list_values(const cyf_prepare_input *input, const cyf_input_view *view, int64_t column,
                              char list[CYF_FILTER_LIST_BYTES]) {
  const cyf_column_view *c = &view->column[column];
  cyf_names there = {0};
  cyf_status status = CYF_OK;
  for (int64_t i = 0; i < input->n_cells && there.n < CYF_FILTER_VALUES_KEPT && status == CYF_OK; i++) {
    const char *value = c->value[cyf_view_value(view, column, i)];
    if (value) status = cyf_names_add(&there, value, NULL);
  }
  if (status == CYF_OK) cyf_list_names(there.n, (const char *const *)there.name, list, CYF_FILTER_LIST_BYTES);
  if (status == CYF_OK && there.n == 0)
    snprintf(list, CYF_FILTER_LIST_BYTES, c->is_there ? "no value" : "no column of that name");
  cyf_names_destroy(&there);
  return status;
}

/* The first column whose --keep alone leaves nothing of the input, -1 where only all of them together do. */
static cyf_status find_emptying(const cyf_prepare_job *job, const cyf_prepare_input *input, const cyf_input_view *view,
                                int64_t *ret_column) {
  const cyf_obs_rules *rules = &job->rules;
  bool *hit = NULL;
  CYF_TRY(CYF_NEW(&hit, rules->n_terms));
  *ret_column = -1;
  for (int64_t c = 0; c < rules->columns.n && *ret_column < 0; c++) {
    bool all = true;
    for (int64_t i = 0; i < input->n_cells && all; i++) {
      for (int64_t t = 0; t < rules->n_keep_terms; t++)
        hit[t] = view->is[t][cyf_view_value(view, rules->term[t].column, i)];
      all = cyf_obs_rules_drop(rules, c, hit);
    }
    if (all) *ret_column = c;
  }
  cyf_free(hit);
  return CYF_OK;
}

cyf_status cyf_filter_note_emptied(const cyf_prepare_job *job, const cyf_prepare_input *input,
                                   const cyf_input_view *view, cyf_rule_tally *tally) {
  char list[CYF_FILTER_LIST_BYTES];
  char *text = NULL, *terms = NULL;
  int64_t column = -1;
  bool wanted = false;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(find_emptying(job, input, view, &column));
  if (column < 0) {
    CYF_TRY_CLEANUP(cyf_format(&text, "%s: no cell meets all that --keep asks for", input->path));
  } else {
    const char *name = job->rules.columns.name[column];
    CYF_TRY_CLEANUP(list_terms(&job->rules, column, &wanted, &terms));
    CYF_TRY_CLEANUP(list_values(input, view, column, list));
    CYF_TRY_CLEANUP(cyf_format(&text,
                               wanted ? "%s: no cell has %s %s; it has: %s; --keep leaves nothing of this input"
                                      : "%s: no cell has another %s than %s; it has: %s; --keep leaves nothing of this "
                                        "input",
                               input->path, name, terms, list));
  }
  CYF_TRY_CLEANUP(cyf_names_add(&tally->emptied, text, NULL));
cleanup:
  cyf_free(terms);
  cyf_free(text);
  return status;
}

cyf_status cyf_filter_say(const cyf_prepare_job *job, const cyf_rule_tally *tally) {
  enum { MOST_SAID = 20 };
  cyf_names emptied = {0};
  say_numbers(job, tally);
  CYF_TRY(cyf_comm_agree(job->comm, gather_names(job->comm, &tally->emptied, &emptied)));
  for (int64_t i = 0; i < emptied.n && i < MOST_SAID; i++) cyf_warn("%s", emptied.name[i]);
  if (emptied.n > MOST_SAID) cyf_warn("--keep leaves nothing of %lld more inputs", (long long)(emptied.n - MOST_SAID));
  cyf_names_destroy(&emptied);
  return CYF_OK;
}
