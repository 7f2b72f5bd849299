/* SPDX-License-Identifier: MIT */
/* What the values of a matrix are, from the values. */
#include "data/h5ad/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"

enum {
  N_PLACES = 16,      /* over which the cells that are looked at are spread */
  LEAST_DISTINCT = 5, /* values of a cell that votes */
  MOST_PARTS = 8,     /* a cell's smallest value is up to so many units */
  FEW_VOTERS = 5,
  MOST_DIGITS = 7, /* of a target */
  LEAST_BITS = 8,  /* of evidence that a cell's values are multiples by no chance */
};
static const double least_share = 0.95;                /* of voters that decide */
static const double most_odd = 0.01;                   /* share of values that are no whole numbers among counts */
static const double least_telling = 0.05;              /* share of voters that must be able to tell */
static const double least_whole = 0.2;                 /* share of whole numbers in a cell of fractional counts */
static const double least_resolved = 0.2;              /* units: values that are less certain say nothing */
static const double roundings = 4;                     /* that a value went through on its way */
static const double same_sum = 1e-3, same_unit = 1e-3; /* relative spread of what counts as constant over cells */

typedef enum transform { NONE, EXP, EXP2, N_TRANSFORMS } transform;

/* What a cell's undone values say. Where they are multiples of something within a precision that lets most values be
 * that, they say nothing. */
typedef enum verdict { AGAINST, NOTHING, FITS } verdict;

/* What the cells say. */
typedef struct poll {
  bool knows_precision;
  double roundoff; /* relative, of a stored value */
  double step;     /* of decimals that values were rounded to; 0: none */
  int64_t n_voters, n_fit[N_TRANSFORMS], n_against[N_TRANSFORMS];
  double *unit[N_TRANSFORMS];    /* of those that fit */
  double *fit_sum[N_TRANSFORMS]; /* of undone values of those that fit */
  int64_t n_sums;
  double *sum[N_TRANSFORMS];          /* [n_sums] of all cells, also of those that do not vote */
  int64_t n_cells, n_whole, n_partly; /* cells with values; of these: whole numbers alone; partly whole voters */
  int64_t n_negative;                 /* values below 0 */
  int64_t n_roots, n_squared;         /* roots of whole numbers, of values that are no whole numbers themselves */
  double *x, *y, *tol;                /* of one cell */
} poll;

static double undo(transform t, double x) {
  return t == NONE ? x : expm1(t == EXP ? x : x * M_LN2);
}

/* The uncertainty of an undone value. */
static double uncertainty(const poll *p, transform t, double step, double x, double y) {
  const double slope = t == NONE ? 0 : t == EXP ? (1 + y) * x : (1 + y) * x * M_LN2;
  return roundings * p->roundoff * (y + slope) + step / 2 * (t == NONE ? 1 : t == EXP ? 1 + y : (1 + y) * M_LN2);
}

/* Whether n values, ascending, are multiples of the first over `parts`. All are multiples of `step` whatever they are;
 * 0: of none. */
static verdict are_multiples(const double *y, const double *tol, int64_t n, int parts, double step) {
  const double unit = y[0] / parts, unit_tol = tol[0] / parts;
  double bits = 0;
  for (int64_t i = 0; i < n; i++) {
    const double ratio = y[i] / unit, times = rint(ratio), t = (tol[i] + times * unit_tol) / unit;
    if (t >= least_resolved) continue;
    if (fabs(ratio - times) > t) return AGAINST;
    if (i > 0) bits -= log2(fmax(2 * t, fmin(step / unit, 1)));
  }
  return bits >= LEAST_BITS ? FITS : NOTHING;
}

/* Looks for the unit of which the values are multiples. */
static verdict find_unit(const double *y, const double *tol, int64_t n, double step, double *ret_unit) {
  verdict best = AGAINST;
  if (!(y[0] > 0) || !isfinite(y[n - 1])) return AGAINST;
  for (int parts = 1; parts <= MOST_PARTS && best != FITS; parts++) {
    const verdict now = are_multiples(y, tol, n, parts, step);
    if (now > best) best = now;
    *ret_unit = y[0] / parts;
  }
  return best;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int64_t keep_distinct(double *x, int64_t n) {
  int64_t kept = 0;
  qsort(x, (size_t)n, sizeof(*x), by_size);
  for (int64_t i = 0; i < n; i++)
    if (kept == 0 || x[i] != x[kept - 1]) x[kept++] = x[i];
  return kept;
}

static void add_sums(poll *p, const float *values, int64_t nnz) {
  for (int t = 0; t < N_TRANSFORMS; t++) {
    double sum = 0;
    for (int64_t i = 0; i < nnz; i++) sum += undo(t, (double)values[i]);
    p->sum[t][p->n_sums] = sum;
  }
  p->n_sums++;
}

static verdict undo_and_find(poll *p, transform t, double step, int64_t n, double *ret_unit) {
  for (int64_t i = 0; i < n; i++) {
    p->y[i] = undo(t, p->x[i]);
    p->tol[i] = uncertainty(p, t, step, p->x[i], p->y[i]);
  }
  return find_unit(p->y, p->tol, n, step > 0 ? 0 : p->step, ret_unit);
}

/* One voter, of distinct values x[n], whose sums were added last. */
static void vote(poll *p, int64_t n) {
  for (int t = 0; t < N_TRANSFORMS; t++) {
    double unit = 0;
    verdict says = undo_and_find(p, t, p->step, n, &unit);
    /* 0.5, 1, 2.5: halves of counts look like values that were rounded to one decimal, but are exact */
    if (t == NONE && p->step > 0 && says != FITS && undo_and_find(p, t, 0, n, &unit) == FITS) says = FITS;
    p->n_against[t] += says == AGAINST;
    if (says != FITS) continue;
    p->unit[t][p->n_fit[t]] = unit;
    p->fit_sum[t][p->n_fit[t]++] = p->sum[t][p->n_sums - 1];
  }
  p->n_voters++;
}

/* Notes whether a value that is no whole number is the root of one, where the precision can tell. */
static void note_root(poll *p, double value) {
  const double square = value * value, tol = fmax(1e-6, 2 * p->roundoff) * square;
  if (tol >= least_resolved) return;
  p->n_squared++;
  p->n_roots += fabs(square - rint(square)) <= tol;
}

/* Values may be of fewer digits than their type holds: float16 that became float32, or decimals of a table. */
static void find_precision(poll *p, const float *values, int64_t n) {
  enum { LEAST_MANTISSA = 7, MOST_MANTISSA = 12, MOST_DECIMALS = 4 }; /* bfloat16 to some bits more than float16 */
  uint32_t bits, any = 0;
  for (int64_t i = 0; i < n; i++) {
    memcpy(&bits, &values[i], sizeof(bits));
    any |= bits;
  }
  const int mantissa = 23 - (any ? __builtin_ctz(any) : 0);
  if (mantissa >= LEAST_MANTISSA && mantissa <= MOST_MANTISSA) p->roundoff = fmax(p->roundoff, ldexp(1, -1 - mantissa));
  double power = 1;
  for (int decimals = 1; decimals <= MOST_DECIMALS && p->step == 0; decimals++) {
    power *= 10;
    int64_t i = 0;
    while (i < n && fabs((double)values[i] * power - rint((double)values[i] * power)) <
                        0.001 + 2 * p->roundoff * fabs((double)values[i]) * power)
      i++;
    if (i == n) p->step = 1 / power;
  }
}

/* Takes a cell's values into account. `cell` is its number in the file. */
static void add_cell(poll *p, int64_t cell, const int32_t *genes, const float *values, int64_t nnz, cyf_values *found) {
  int64_t n_whole = 0;
  if (nnz == 0) return;
  bool usable = true;
  for (int64_t i = 0; i < nnz; i++) {
    const float value = values[i];
    if (!isfinite(value)) {
      if (found->n_not_finite++ == 0) found->not_finite_cell = cell;
      usable = false;
      continue;
    }
    p->n_negative += value < 0;
    usable = usable && value >= 0;
    if ((double)value > found->largest) found->largest = (double)value;
    p->x[i] = (double)value;
    if (value == rintf(value)) {
      n_whole++;
      continue;
    }
    note_root(p, (double)value);
    if (found->n_odd++ > 0) continue;
    found->odd_cell = cell;
    found->odd_gene = genes[i];
    found->odd_value = (double)value;
  }
  found->n_values += nnz;
  p->n_cells++;
  p->n_whole += n_whole == nnz;
  if (!usable) return;
  add_sums(p, values, nnz);
  const int64_t n = keep_distinct(p->x, nnz);
  if (n < LEAST_DISTINCT) return;
  p->n_partly += (double)n_whole >= least_whole * (double)nnz;
  vote(p, n);
}

static cyf_status poll_make(poll *p, int64_t n_cells, int64_t width) {
  CYF_TRY(CYF_NEW(&p->x, width));
  CYF_TRY(CYF_NEW(&p->y, width));
  CYF_TRY(CYF_NEW(&p->tol, width));
  for (int t = 0; t < N_TRANSFORMS; t++) {
    CYF_TRY(CYF_NEW(&p->unit[t], n_cells));
    CYF_TRY(CYF_NEW(&p->fit_sum[t], n_cells));
    CYF_TRY(CYF_NEW(&p->sum[t], n_cells));
  }
  return CYF_OK;
}

static void poll_destroy(poll *p) {
  cyf_free(p->x);
  cyf_free(p->y);
  cyf_free(p->tol);
  for (int t = 0; t < N_TRANSFORMS; t++) {
    cyf_free(p->unit[t]);
    cyf_free(p->fit_sum[t]);
    cyf_free(p->sum[t]);
  }
}

static cyf_status add_cells(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows, poll *p,
                            cyf_values *found) {
  enum { ROWS_AT_ONCE = 256 };
  for (int64_t done = 0; done < n; done += ROWS_AT_ONCE) {
    const int64_t now = n - done < ROWS_AT_ONCE ? n - done : ROWS_AT_ONCE;
    cyf_csr_buffer_clear(rows, cyf_h5ad_n_genes(file));
    CYF_TRY(cyf_h5ad_read_rows(file, first + done, now, rows));
    if (!p->knows_precision) find_precision(p, rows->values, rows->indptr[now]);
    p->knows_precision = true;
    for (int64_t i = 0; i < now; i++) {
      const int64_t at = rows->indptr[i];
      add_cell(p, first + done + i, rows->indices + at, rows->values + at, rows->indptr[i + 1] - at, found);
    }
  }
  return CYF_OK;
}

static cyf_status ask_cells(cyf_h5ad *file, int64_t max_cells, poll *p, cyf_values *found) {
  cyf_csr_buffer rows = {0};
  cyf_status status = CYF_OK;
  const int64_t n_cells = cyf_h5ad_n_cells(file), wanted = max_cells < n_cells ? max_cells : n_cells;
  const int64_t n_places = wanted == n_cells ? 1 : wanted < N_PLACES ? wanted : N_PLACES;
  CYF_TRY_CLEANUP(poll_make(p, wanted, cyf_h5ad_n_genes(file)));
  for (int64_t place = 0; place < n_places && status == CYF_OK; place++)
    status = add_cells(file, n_cells / n_places * place, wanted * (place + 1) / n_places - wanted * place / n_places,
                       &rows, p, found);
cleanup:
  cyf_csr_buffer_destroy(&rows);
  return status;
}

/* ---- what follows ---- */

/* The median of numbers, sorted by the call, and the relative spread of all but a twentieth of them. */
static double median(double *numbers, int64_t n, double *ret_spread) {
  qsort(numbers, (size_t)n, sizeof(*numbers), by_size);
  const int64_t aside = n / 40;
  const double middle = numbers[n / 2];
  *ret_spread = middle > 0 ? (numbers[n - 1 - aside] - numbers[aside]) / middle : INFINITY;
  return middle;
}

/* The shortest number within `close` of the sum, relative to it. */
static double round_target(double sum, double close) {
  if (close < 2e-6) close = 2e-6;
  for (int digits = 1; digits <= MOST_DIGITS; digits++) {
    const double step = pow(10, floor(log10(sum)) - (digits - 1)), near = rint(sum / step) * step;
    if (fabs(near - sum) <= close * sum) return near;
  }
  return sum;
}

/* What the undone values of each cell add up to; 0 where that is not one number. Where few cells vote, all are asked.
 * `largest` is the largest value: an exponential makes that much more of a value's uncertainty. */
static double find_target(poll *p, transform t, double largest, double *ret_most) {
  const bool few = p->n_fit[t] < FEW_VOTERS;
  const int64_t n = few ? p->n_sums : p->n_fit[t];
  double spread = 0, *sums = few ? p->sum[t] : p->fit_sum[t];
  const double middle = median(sums, n, &spread), slope = t == NONE || largest < 1 ? 1 : largest;
  const double resolved = fmax(same_sum, roundings * p->roundoff * slope);
  *ret_most = sums[n - 1];
  return n > 1 && spread <= resolved ? round_target(middle, spread / sqrt((double)n)) : 0;
}

/* Whether the cells that fit have one unit in common, or small multiples of it, where a cell lacks the unit itself. */
static bool has_common_unit(poll *p, transform t, double *ret_unit) {
  const int64_t n = p->n_fit[t];
  double spread = 0;
  *ret_unit = median(p->unit[t], n, &spread);
  int64_t n_common = 0;
  for (int64_t i = 0; i < n; i++) {
    const double ratio = p->unit[t][i] / *ret_unit;
    n_common += fabs(ratio - rint(ratio)) <= same_unit * ratio && ratio > 0.5;
  }
  return (double)n_common >= least_share * (double)n;
}

static bool decides(int64_t n, int64_t n_voters) {
  return n_voters > 0 && (double)n >= least_share * (double)n_voters;
}

/* Whether most cells that can tell are multiples by this transform, and these are not a few of all. */
static bool fits(const poll *p, transform t) {
  return decides(p->n_fit[t], p->n_fit[t] + p->n_against[t]) && (double)p->n_fit[t] >= least_telling * p->n_voters;
}

/* The transform that makes multiples of the voters' values. Where precision leaves several, one whose sums are constant
 * comes first. */
static transform find_transform(poll *p, double largest) {
  transform found = N_TRANSFORMS;
  for (int t = 0; t < N_TRANSFORMS; t++) {
    double most = 0;
    if (!fits(p, t)) continue;
    if (find_target(p, t, largest, &most) > 0) return t;
    if (found == N_TRANSFORMS) found = t;
  }
  return found;
}

static void conclude(poll *p, cyf_values *found) {
  static const cyf_value_kind kinds[N_TRANSFORMS] = {CYF_VALUES_LINEAR, CYF_VALUES_LOG1P, CYF_VALUES_LOG2};
  const double n_odd_most = most_odd * (double)found->n_values;
  found->n_voters = p->n_voters;
  if (p->n_negative > 0 || found->n_not_finite > 0) {
    found->kind = p->n_negative > 0 ? CYF_VALUES_SCALED : CYF_VALUES_UNKNOWN;
    return;
  }
  if (found->n_odd == 0 || ((double)p->n_whole >= least_share * (double)p->n_cells &&
                            (double)found->n_odd <= (n_odd_most > 1 ? n_odd_most : 1))) {
    found->kind = CYF_VALUES_COUNTS;
    found->n_voters = found->n_agree = p->n_cells;
    return;
  }
  const bool are_roots = p->n_squared > 0 && (double)p->n_roots >= least_share * (double)p->n_squared;
  const transform t = are_roots ? N_TRANSFORMS : find_transform(p, found->largest);
  if (t == N_TRANSFORMS) {
    const bool partly = decides(p->n_partly, p->n_voters) && !are_roots;
    found->kind = partly ? CYF_VALUES_FRACTIONS : CYF_VALUES_UNKNOWN;
    found->n_agree = partly ? p->n_partly : 0;
    return;
  }
  double unit = 0;
  found->kind = kinds[t];
  found->n_agree = p->n_fit[t];
  found->target = find_target(p, t, found->largest, &found->most);
  const bool common = has_common_unit(p, t, &unit);
  if (t == NONE && common && found->target == 0) found->kind = CYF_VALUES_FRACTIONS;
  found->is_plain_log = t != NONE && common && fabs(unit - 1) <= same_unit;
}

/* What cytoforge wrote into the file of X says what its values, which come of no counts, do not. */
static cyf_status read_own_word(cyf_h5ad *file, cyf_values *found) {
  char *word = NULL;
  double target = 0;
  CYF_TRY(cyf_h5ad_read_expression(file, &word, &target));
  const bool is_log = word && strncmp(word, "log", 3) == 0;
  if (is_log && found->kind == CYF_VALUES_UNKNOWN && found->n_not_finite == 0) found->kind = CYF_VALUES_LOG1P;
  if (is_log && found->kind == CYF_VALUES_LOG1P && found->target == 0) found->target = target;
  cyf_free(word);
  return CYF_OK;
}

cyf_status cyf_h5ad_judge_values(cyf_h5ad *file, int64_t max_cells, cyf_values *ret_values) {
  poll p = {.roundoff = cyf_h5ad_roundoff(file)};
  *ret_values = (cyf_values){0};
  file->takes_any = true;
  cyf_status status = ask_cells(file, max_cells, &p, ret_values);
  file->takes_any = false;
  if (status == CYF_OK) conclude(&p, ret_values);
  if (status == CYF_OK) status = read_own_word(file, ret_values);
  poll_destroy(&p);
  return status;
}
