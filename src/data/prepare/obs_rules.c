/* SPDX-License-Identifier: MIT */
#include "data/prepare/obs_rules.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"

/* Copies [begin, end) of a text without the spaces around it. */
static cyf_status copy_trimmed(const char *begin, const char *end, char **ret_name) {
  while (begin < end && *begin == ' ') begin++;
  while (begin < end && end[-1] == ' ') end--;
  return cyf_format(ret_name, "%.*s", (int)(end - begin), begin);
}

/* Parses the term in [begin, end) of a text and adds it. */
static cyf_status add_term(const char *option, const char *text, const char *begin, const char *end, int64_t group,
                           cyf_obs_rules *rules) {
  const char *equals = memchr(begin, '=', (size_t)(end - begin));
  char *column = NULL;
  CYF_TRY(cyf_realloc((void **)&rules->term, (size_t)rules->n_terms + 1, sizeof *rules->term));
  cyf_obs_term *term = &rules->term[rules->n_terms];
  *term = (cyf_obs_term){.group = group, .differs = equals && equals > begin && equals[-1] == '!'};
  if (equals) CYF_TRY(copy_trimmed(begin, equals - term->differs, &column));
  if (!column || column[0] == '\0') {
    cyf_free(column);
    return CYF_FAIL(CYF_ERR_USAGE, "prepare: %s wants COLUMN=VALUE or COLUMN!=VALUE, not '%s'", option, text);
  }
  cyf_status status = cyf_names_add(&rules->columns, column, &term->column);
  cyf_free(column);
  CYF_TRY(status);
  rules->n_terms++;
  return cyf_format(&term->value, "%.*s", (int)(end - equals - 1), equals + 1);
}

/* Where the term that begins here ends: at a comma that a term follows, or at the end of the text. */
static const char *term_end(const char *begin) {
  const char *comma = strchr(begin, ',');
  while (comma) {
    const char *next = comma + 1;
    if (next[strcspn(next, ",=")] == '=') return comma;
    comma = strchr(next, ',');
  }
  return begin + strlen(begin);
}

static cyf_status parse(const char *const *keep, int64_t n_keep, const char *const *holdout_where,
                        int64_t n_holdout_where, cyf_obs_rules *rules) {
  for (int64_t i = 0; i < n_keep; i++)
    CYF_TRY(add_term("--keep", keep[i], keep[i], keep[i] + strlen(keep[i]), CYF_GROUP_KEEP, rules));
  rules->n_keep_terms = rules->n_terms;
  rules->n_groups = n_holdout_where;
  CYF_TRY(CYF_NEW(&rules->group_start, n_holdout_where + 1));
  rules->group_start[0] = rules->n_terms;
  for (int64_t g = 0; g < n_holdout_where; g++) {
    const char *text = holdout_where[g], *begin = text;
    for (;;) {
      const char *end = term_end(begin);
      CYF_TRY(add_term("--holdout-where", text, begin, end, g, rules));
      if (*end == '\0') break;
      begin = end + 1;
    }
    rules->group_start[g + 1] = rules->n_terms;
  }
  return CYF_OK;
}

cyf_status cyf_obs_rules_parse(const char *const *keep, int64_t n_keep, const char *const *holdout_where,
                               int64_t n_holdout_where, cyf_obs_rules *ret_rules) {
  *ret_rules = (cyf_obs_rules){0};
  const cyf_status status = parse(keep, n_keep, holdout_where, n_holdout_where, ret_rules);
  if (status != CYF_OK) cyf_obs_rules_destroy(ret_rules);
  return status;
}

void cyf_obs_rules_destroy(cyf_obs_rules *rules) {
  if (!rules) return;
  for (int64_t t = 0; t < rules->n_terms; t++) cyf_free(rules->term[t].value);
  cyf_free(rules->term);
  cyf_free(rules->group_start);
  cyf_names_destroy(&rules->columns);
  *rules = (cyf_obs_rules){0};
}

const cyf_obs_term *cyf_obs_rules_last(const cyf_obs_rules *rules, int64_t group) {
  return &rules->term[rules->group_start[group + 1] - 1];
}

bool cyf_obs_rules_drop(const cyf_obs_rules *rules, int64_t column, const bool *hit) {
  bool any_wanted = false, any_met = false;
  for (int64_t t = 0; t < rules->n_keep_terms; t++) {
    if (rules->term[t].column != column) continue;
    if (rules->term[t].differs && hit[t]) return true;
    any_wanted = any_wanted || !rules->term[t].differs;
    any_met = any_met || (!rules->term[t].differs && hit[t]);
  }
  return any_wanted && !any_met;
}

/* 1 for True, 0 for False in any case of letters and, with `digits`, as 1 and 0; -1 for any other text. */
static int truth(const char *text, bool digits) {
  if (strcasecmp(text, "true") == 0 || (digits && strcmp(text, "1") == 0)) return 1;
  return strcasecmp(text, "false") == 0 || (digits && strcmp(text, "0") == 0) ? 0 : -1;
}

bool cyf_obs_is_boolean(const char *value) {
  return truth(value, true) >= 0;
}

bool cyf_obs_term_is(const cyf_obs_term *term, const char *value, bool digits) {
  if (!value || value[0] == '\0') return term->value[0] == '\0';
  if (strcmp(term->value, value) == 0) return true;
  const int wanted = truth(term->value, false);
  return wanted >= 0 && truth(value, digits) == wanted;
}
