/* SPDX-License-Identifier: MIT */
/* Statements of what values are, what follows from them, and bringing them to one scale. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/h5ad/values.h"

enum { ADVICE_CELLS = 200 };

/* Logarithms of what a sequencer counts stay below this (e^25 is 7e10); values on a linear scale soon exceed it. */
static const double least_linear = 25;

static const char *const expression_names[] = {
    [CYF_EXPRESSION_COUNTS] = "counts",
    [CYF_EXPRESSION_LOG_NORMALIZED] = "log-normalised",
    [CYF_EXPRESSION_FRACTIONAL] = "fractional counts",
};
_Static_assert(sizeof(expression_names) / sizeof(*expression_names) == CYF_EXPRESSION_KINDS, "a name for each kind");

const char *cyf_expression_kind_name(cyf_expression_kind kind) {
  return (unsigned)kind < CYF_EXPRESSION_KINDS ? expression_names[kind] : "unknown";
}

bool cyf_expression_kind_find(const char *name, cyf_expression_kind *ret_kind) {
  for (int k = 0; k < CYF_EXPRESSION_KINDS; k++) {
    if (strcmp(name, expression_names[k]) != 0) continue;
    *ret_kind = (cyf_expression_kind)k;
    return true;
  }
  return false;
}

static const char *target_text(double target, char text[40]) {
  if (target > 0)
    snprintf(text, 40, "target %.10g", target);
  else
    snprintf(text, 40, "target unknown");
  return text;
}

const char *cyf_values_text(const cyf_values *values, char text[CYF_VALUES_TEXT_SIZE]) {
  const size_t size = CYF_VALUES_TEXT_SIZE;
  const char *base = values->kind == CYF_VALUES_LOG2 ? "log2" : "log1p";
  char target[40];
  target_text(values->target, target);
  switch (values->kind) {
    case CYF_VALUES_COUNTS:
      snprintf(text, size, "counts");
      break;
    case CYF_VALUES_FRACTIONS:
      snprintf(text, size, "fractional counts");
      break;
    case CYF_VALUES_LOG1P:
    case CYF_VALUES_LOG2:
      if (values->is_plain_log)
        snprintf(text, size, "logarithms of counts that were not normalised (%s)", base);
      else
        snprintf(text, size, "log-normalised (%s, %s)", base, target);
      break;
    case CYF_VALUES_LINEAR:
      snprintf(text, size, "%s (%s)", values->target == 1 ? "proportions" : "normalised, not logged", target);
      break;
    case CYF_VALUES_SCALED:
      snprintf(text, size, "scaled (it has negative values)");
      break;
    default:
      snprintf(text, size, values->n_not_finite > 0 ? "not finite in places (NaN or infinity)" : "unknown");
      break;
  }
  return text;
}

cyf_status cyf_values_parse(const char *text, cyf_values *ret_values) {
  static const struct {
    const char *word;
    cyf_value_kind kind;
    bool has_target;
  } words[] = {{"counts", CYF_VALUES_COUNTS, false},
               {"fractional-counts", CYF_VALUES_FRACTIONS, false},
               {"log1p", CYF_VALUES_LOG1P, true},
               {"log2", CYF_VALUES_LOG2, true}};
  const size_t length = strcspn(text, ":");
  *ret_values = (cyf_values){0};
  for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
    if (strlen(words[i].word) != length || strncmp(text, words[i].word, length) != 0) continue;
    ret_values->kind = words[i].kind;
    if (text[length] == '\0') return CYF_OK;
    if (!words[i].has_target) break;
    char *end = NULL;
    ret_values->target = strtod(text + length + 1, &end);
    if (end != text + length + 1 && *end == '\0' && ret_values->target > 0 && isfinite(ret_values->target))
      return CYF_OK;
    return CYF_FAIL(CYF_ERR_USAGE, "--values %s: the target is a number above 0, what a cell's values add up to", text);
  }
  return CYF_FAIL(CYF_ERR_USAGE, "--values is counts, fractional-counts, log1p[:TARGET] or log2[:TARGET], not '%s'",
                  text);
}

bool cyf_values_can_be_stated(const cyf_values *judged) {
  return judged->kind != CYF_VALUES_SCALED && judged->n_not_finite == 0;
}

void cyf_values_state(const char *path, const cyf_values *stated, cyf_values *judged) {
  char says[CYF_VALUES_TEXT_SIZE], seems[CYF_VALUES_TEXT_SIZE];
  const bool same_kind = stated->kind == judged->kind;
  const bool other_target =
      same_kind && stated->target > 0 && judged->target > 0 && !cyf_targets_agree(stated->target, judged->target);
  if ((!same_kind && judged->kind != CYF_VALUES_UNKNOWN) || other_target)
    cyf_warn("%s: --values says %s; by the values themselves it is %s", path, cyf_values_text(stated, says),
             cyf_values_text(judged, seems));
  judged->target = stated->target > 0 ? stated->target : same_kind ? judged->target : 0;
  judged->is_plain_log = judged->is_plain_log && same_kind;
  judged->kind = stated->kind;
}

/* ---- advice ---- */

bool cyf_values_are_usable(const cyf_values *values) {
  if (values->kind == CYF_VALUES_SCALED || values->n_not_finite > 0) return false;
  return values->kind != CYF_VALUES_UNKNOWN || values->largest < least_linear;
}

/* Adds to the advice what one matrix holds, if it is of use. */
static void add_matrix(FILE *stream, const char *path, const char *matrix, bool *any) {
  cyf_h5ad *file = NULL;
  cyf_values values = {0};
  char text[CYF_VALUES_TEXT_SIZE];
  cyf_status status = cyf_h5ad_open(path, matrix, &file);
  if (status == CYF_OK) status = cyf_h5ad_judge_values(file, ADVICE_CELLS, &values);
  cyf_h5ad_close(&file);
  if (status != CYF_OK) cyf_status_clear();
  if (status != CYF_OK || !cyf_values_are_usable(&values)) return;
  fprintf(stream, "%s%s holds %s (--matrix %s)", *any ? ", " : "", matrix, cyf_values_text(&values, text), matrix);
  *any = true;
}

cyf_status cyf_values_advice(const char *path, const char *matrix, char **ret_advice) {
  cyf_names matrices = {0};
  char *text = NULL;
  size_t size = 0;
  bool any = false;
  *ret_advice = NULL;
  FILE *stream = open_memstream(&text, &size);
  if (!stream) return CYF_FAIL(CYF_ERR_MEMORY, "no memory for a message");
  cyf_status status = cyf_h5ad_list_matrices(path, &matrices);
  for (int64_t m = 0; m < matrices.n && status == CYF_OK; m++)
    if (strcmp(matrices.name[m], matrix) != 0) add_matrix(stream, path, matrices.name[m], &any);
  if (!any) fputs("no other matrix of the file can be used", stream);
  if (fclose(stream) != 0) status = CYF_FAIL(CYF_ERR_MEMORY, "no memory for a message");
  if (status == CYF_OK) status = cyf_strdup(text, ret_advice);
  free(text); /* from open_memstream */
  cyf_names_destroy(&matrices);
  return status;
}

static cyf_status refuse(const char *path, const char *matrix, const cyf_values *values) {
  char *advice = NULL;
  CYF_TRY(cyf_values_advice(path, matrix, &advice));
  cyf_status status;
  if (values->kind == CYF_VALUES_SCALED)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s has negative values: what is scaled or centred cannot be used; %s", path,
                      matrix, advice);
  else
    status = CYF_FAIL(CYF_ERR_INPUT,
                      "%s: %s holds neither counts nor log-normalised values, as far as they tell (the largest is "
                      "%g); --values says what they are; %s",
                      path, matrix, values->largest, advice);
  cyf_free(advice);
  return status;
}

/* Reads the cell as any other, which says what is wrong with which value. */
static cyf_status read_cell(const char *path, const char *matrix, int64_t cell) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  CYF_TRY(cyf_h5ad_open(path, matrix, &file));
  cyf_csr_buffer_clear(&rows, cyf_h5ad_n_genes(file));
  const cyf_status status = cyf_h5ad_read_rows(file, cell, 1, &rows);
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
  return status;
}

cyf_status cyf_values_settle(const char *path, const char *matrix, cyf_values *values) {
  if (!matrix) matrix = "X";
  if (values->n_not_finite > 0) return read_cell(path, matrix, values->not_finite_cell);
  if (!cyf_values_are_usable(values)) return refuse(path, matrix, values);
  if (values->kind != CYF_VALUES_UNKNOWN) return CYF_OK;
  cyf_warn(
      "%s: what the values of %s are is unknown: undone as logarithms or not, those of a cell are no multiples of one "
      "unit. They are taken for log-normalised since none reaches %g; --values says otherwise",
      path, matrix, least_linear);
  values->kind = CYF_VALUES_LOG1P;
  values->target = 0;
  return CYF_OK;
}

/* ---- rescaling ---- */

bool cyf_targets_agree(double a, double b) {
  return fabs(a - b) <= 1e-5 * fmax(a, b);
}

cyf_rescaling cyf_values_rescaling(const cyf_values *values, double target) {
  cyf_rescaling r = {.factor = 1, .ratio = 1, .target = target};
  switch (values->kind) {
    case CYF_VALUES_COUNTS:
    case CYF_VALUES_FRACTIONS:
    case CYF_VALUES_LINEAR:
      r.normalise = true;
      return r;
    case CYF_VALUES_LOG2:
      r.factor = M_LN2;
      break;
    default:
      break;
  }
  if (target > 0 && values->is_plain_log) r.undo = r.normalise = true;
  if (target > 0 && values->target > 0 && !cyf_targets_agree(target, values->target)) r.ratio = target / values->target;
  return r;
}

bool cyf_rescaling_is_none(const cyf_rescaling *rescaling) {
  return !rescaling->normalise && rescaling->factor == 1 && rescaling->ratio == 1;
}

void cyf_rescale(const cyf_rescaling *rescaling, int64_t n_cells, const int64_t *indptr, float *values) {
  if (cyf_rescaling_is_none(rescaling)) return;
  for (int64_t e = indptr[0]; rescaling->undo && e < indptr[n_cells]; e++)
    values[e] = (float)expm1((double)values[e] * rescaling->factor);
  if (rescaling->normalise) {
    cyf_csr_log_normalize(n_cells, indptr, values, rescaling->target);
    return;
  }
  for (int64_t e = indptr[0]; e < indptr[n_cells]; e++) {
    const double log = (double)values[e] * rescaling->factor;
    values[e] = (float)(rescaling->ratio == 1 ? log : log1p(expm1(log) * rescaling->ratio));
  }
}
