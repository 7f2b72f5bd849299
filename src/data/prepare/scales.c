/* SPDX-License-Identifier: MIT */
/* What the values of each input are, and one scale for all. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/inputs.h"
#include "kernels/math/normalisation.h"

enum { JUDGED_CELLS_MOST = 2000, SAID_MOST = 20 };
static const double beyond_doubt = 1.01; /* a sum so far above a target is of another */

#define WAYS_OUT \
  "prepare them apart, take counts of each (--matrix raw/X or layers/NAME), or state what all are (--values)"

static cyf_status judge(const cyf_prepare_job *job, cyf_prepare_input *input) {
  cyf_h5ad *file = NULL;
  CYF_TRY(cyf_h5ad_open(input->path, job->options->matrix, &file));
  const cyf_status status = cyf_h5ad_judge_values(file, JUDGED_CELLS_MOST, &input->values);
  cyf_h5ad_close(&file);
  return status;
}

/* Each rank's judgements go to all: of each input, every rank but one adds zeros. */
static cyf_status share_judgements(cyf_prepare_job *job) {
  enum { WORDS = sizeof(cyf_values) / sizeof(int64_t) };
  _Static_assert(sizeof(cyf_values) % sizeof(int64_t) == 0, "judgements travel as 64-bit words");
  const int64_t n = job->options->n_inputs;
  int64_t *words = NULL;
  cyf_status status = cyf_comm_agree(job->comm, CYF_NEW(&words, n * WORDS));
  for (int64_t i = 0; i < n && status == CYF_OK; i++)
    memcpy(words + i * WORDS, &job->input[i].values, sizeof(cyf_values));
  if (status == CYF_OK) status = cyf_comm_sum_int64(job->comm, words, n * WORDS);
  for (int64_t i = 0; i < n && status == CYF_OK; i++)
    memcpy(&job->input[i].values, words + i * WORDS, sizeof(cyf_values));
  cyf_free(words);
  return status;
}

/* What is of no use fails whatever is stated; what is stated comes before what the values tell. */
static cyf_status settle(const cyf_prepare_job *job, cyf_prepare_input *input) {
  cyf_values stated;
  if (job->options->values && cyf_values_can_be_stated(&input->values)) {
    CYF_TRY(cyf_values_parse(job->options->values, &stated));
    cyf_values_state(input->path, &stated, &input->values);
  }
  return cyf_values_settle(input->path, job->options->matrix, &input->values);
}

static bool is_counted(const cyf_values *values) {
  return values->kind == CYF_VALUES_COUNTS || values->kind == CYF_VALUES_FRACTIONS;
}
static bool is_log(const cyf_values *values) {
  return values->kind == CYF_VALUES_LOG1P || values->kind == CYF_VALUES_LOG2;
}

static cyf_status refuse_two(const cyf_prepare_input *a, const cyf_prepare_input *b, const char *why) {
  char one[CYF_VALUES_TEXT_SIZE], two[CYF_VALUES_TEXT_SIZE];
  return CYF_FAIL(CYF_ERR_INPUT, "the values of %s are %s, and those of %s are %s; %s: " WAYS_OUT, a->path,
                  cyf_values_text(&a->values, one), b->path, cyf_values_text(&b->values, two), why);
}

/* ---- counts ---- */

static cyf_status choose_counts(cyf_prepare_job *job) {
  const bool keeps = job->options->fractions && strcmp(job->options->fractions, "keep") == 0;
  bool any_fractions = false;
  for (int64_t i = 0; i < job->options->n_inputs; i++) {
    const cyf_prepare_input *input = &job->input[i];
    any_fractions = any_fractions || input->values.n_odd > 0 || input->values.kind == CYF_VALUES_FRACTIONS;
    if (input->values.kind == CYF_VALUES_FRACTIONS && !job->options->values)
      cyf_warn(
          "%s: values are fractional counts, not whole numbers and no logarithms of these; they are %s (--fractions)",
          input->path, keeps ? "kept as they are" : "rounded up or down at random");
  }
  job->kind = keeps && any_fractions ? CYF_EXPRESSION_FRACTIONAL : CYF_EXPRESSION_COUNTS;
  job->target = CYF_NORMALISED_TOTAL;
  return CYF_OK;
}

/* ---- logarithms ---- */

/* Inputs of one kind or another; NULL: there is none. */
typedef struct log_inputs {
  const cyf_prepare_input *known, *other, *unknown, *more_unknown, *log1p, *log2, *plain, *linear;
} log_inputs;

static void sort_inputs(const cyf_prepare_job *job, log_inputs *of) {
  for (int64_t i = 0; i < job->options->n_inputs; i++) {
    const cyf_prepare_input *input = &job->input[i];
    const cyf_values *values = &input->values;
    if (values->kind == CYF_VALUES_LINEAR) {
      if (!of->linear) of->linear = input;
      continue;
    }
    if (values->kind == CYF_VALUES_LOG2 && !of->log2) of->log2 = input;
    if (values->kind == CYF_VALUES_LOG1P && !of->log1p) of->log1p = input;
    if (values->is_plain_log) {
      if (!of->plain) of->plain = input;
    } else if (values->target > 0) {
      if (!of->known)
        of->known = input;
      else if (!of->other && !cyf_targets_agree(of->known->values.target, values->target))
        of->other = input;
    } else if (!of->unknown) {
      of->unknown = input;
    } else if (!of->more_unknown) {
      of->more_unknown = input;
    }
  }
}

/* Whether some input of unknown target cannot have the known one. */
static const cyf_prepare_input *find_beyond(const cyf_prepare_job *job, double target) {
  for (int64_t i = 0; i < job->options->n_inputs; i++) {
    const cyf_values *values = &job->input[i].values;
    if (is_log(values) && values->target == 0 && values->most > beyond_doubt * target) return &job->input[i];
  }
  return NULL;
}

/* Logarithms whose target is unknown cannot be brought to another one; whether they are on one scale with others is
 * told by what is known of them. */
static cyf_status check_unknown(const cyf_prepare_job *job, const log_inputs *of) {
  const cyf_prepare_input *beyond = of->known ? find_beyond(job, of->known->values.target) : NULL;
  const cyf_prepare_input *second = of->known ? of->known : of->linear ? of->linear : of->more_unknown;
  char one[CYF_VALUES_TEXT_SIZE], two[CYF_VALUES_TEXT_SIZE];
  static const char why[] = "where a target is unknown, scales cannot be brought to one exactly";
  if (of->log1p && of->log2) return refuse_two(of->log1p, of->log2, why);
  if (of->other) return refuse_two(of->unknown, of->other, why);
  if (beyond)
    return refuse_two(of->known, beyond, "a cell of the latter adds up to more than the target of the former");
  if (second)
    cyf_warn(
        "%s is %s and %s is %s: whether they are on one scale cannot be told, since the values of a cell do not add up "
        "to one number where genes were left out; they are taken for it",
        of->unknown->path, cyf_values_text(&of->unknown->values, one), second->path,
        cyf_values_text(&second->values, two));
  return CYF_OK;
}

static cyf_status choose_logarithms(cyf_prepare_job *job) {
  log_inputs of = {0};
  sort_inputs(job, &of);
  const cyf_prepare_input *normalised = of.known ? of.known : of.unknown ? of.unknown : of.linear;
  if (of.plain && normalised) return refuse_two(of.plain, normalised, "the former were never normalised");
  if (of.plain && of.log1p && of.log2) return refuse_two(of.log1p, of.log2, "their bases differ");
  if (of.plain)
    cyf_warn("%s: values are logarithms of counts that were not normalised: cells differ by their totals",
             of.plain->path);
  if (of.unknown) CYF_TRY(check_unknown(job, &of));
  job->kind = CYF_EXPRESSION_LOG_NORMALIZED;
  job->target = of.plain || of.unknown ? 0 : of.known && !of.other ? of.known->values.target : CYF_NORMALISED_TOTAL;
  return CYF_OK;
}

/* Says what becomes of each input whose values change. */
static void say_rescaled(const cyf_prepare_job *job, const cyf_prepare_input *input) {
  char text[CYF_VALUES_TEXT_SIZE];
  cyf_values_text(&input->values, text);
  if (input->values.kind == CYF_VALUES_LINEAR)
    cyf_warn("%s: values are %s, and no counts; they are brought to log1p, target %.10g", input->path, text,
             input->rescaling.target);
  else if (job->target > 0)
    cyf_info("%s: values are %s; they are brought to log1p, target %.10g", input->path, text, job->target);
  else
    cyf_info("%s: values are %s; they are brought to log1p", input->path, text);
}

static void set_rescaling(cyf_prepare_job *job) {
  for (int64_t i = 0; i < job->options->n_inputs; i++) {
    cyf_prepare_input *input = &job->input[i];
    input->rescaling = (cyf_rescaling){.factor = 1, .ratio = 1};
    if (cyf_expression_is_counted(job->kind)) continue;
    const bool needs_target = input->values.kind == CYF_VALUES_LINEAR && job->target == 0;
    input->rescaling = cyf_values_rescaling(&input->values, needs_target ? CYF_NORMALISED_TOTAL : job->target);
    if (!cyf_rescaling_is_none(&input->rescaling)) say_rescaled(job, input);
  }
}

static cyf_status choose_scale(cyf_prepare_job *job) {
  const cyf_prepare_input *counted = NULL, *other = NULL;
  for (int64_t i = 0; i < job->options->n_inputs; i++) {
    const cyf_prepare_input *input = &job->input[i];
    if (is_counted(&input->values))
      counted = counted ? counted : input;
    else
      other = other ? other : input;
  }
  if (counted && other) return refuse_two(counted, other, "an atlas needs one kind of values");
  CYF_TRY(counted ? choose_counts(job) : choose_logarithms(job));
  set_rescaling(job);
  return CYF_OK;
}

static void say_scale(const cyf_prepare_job *job) {
  char text[CYF_VALUES_TEXT_SIZE];
  const cyf_values atlas = {.kind = CYF_VALUES_LOG1P, .target = job->target};
  cyf_info("values are %s", job->kind == CYF_EXPRESSION_LOG_NORMALIZED ? cyf_values_text(&atlas, text)
                                                                       : cyf_expression_kind_name(job->kind));
}

static cyf_status check_options(const cyf_prepare_options *options) {
  cyf_values stated;
  if (options->values) CYF_TRY(cyf_values_parse(options->values, &stated));
  if (options->fractions && strcmp(options->fractions, "round") != 0 && strcmp(options->fractions, "keep") != 0)
    return CYF_FAIL(CYF_ERR_USAGE, "--fractions is round or keep, not '%s'", options->fractions);
  return CYF_OK;
}

cyf_status cyf_prepare_detect_kind(cyf_prepare_job *job) {
  const int64_t n = job->options->n_inputs;
  cyf_status status = check_options(job->options);
  job->rounding_key = cyf_rng_key_make(job->options->seed, CYF_RNG_FRACTION);
  for (int64_t i = job->rank; i < n && status == CYF_OK; i += job->size) status = judge(job, &job->input[i]);
  CYF_TRY(cyf_comm_agree(job->comm, status));
  CYF_TRY(share_judgements(job));
  for (int64_t i = 0; i < n && status == CYF_OK; i++) status = settle(job, &job->input[i]);
  if (status == CYF_OK) status = choose_scale(job);
  CYF_TRY(cyf_comm_agree(job->comm, status));
  say_scale(job);
  return CYF_OK;
}
