/* SPDX-License-Identifier: MIT */
/* What the values of a matrix are: counts, log-normalised, or neither. */
#include <math.h>

#include "data/h5ad/reader.h"

enum { N_PLACES = 16 };

/* log1p of anything a sequencer counts stays below this (e^25 is 7e10); values on a linear scale soon exceed it. */
static const float LEAST_LINEAR = 25.0f;

typedef struct judgement {
  float largest;
  bool all_integers;
} judgement;

static cyf_status judge_rows(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows, judgement *so_far) {
  cyf_csr_buffer_clear(rows, cyf_h5ad_n_genes(file));
  CYF_TRY(cyf_h5ad_read_rows(file, first, n, rows));
  cyf_csr matrix = cyf_csr_view(rows);
  for (int64_t i = matrix.indptr[0]; i < matrix.indptr[matrix.n_cells]; i++) {
    if (matrix.values[i] > so_far->largest) so_far->largest = matrix.values[i];
    if (matrix.values[i] != rintf(matrix.values[i])) so_far->all_integers = false;
  }
  return CYF_OK;
}

cyf_status cyf_h5ad_detect_kind(cyf_h5ad *file, int64_t max_cells, cyf_expression_kind *ret_kind) {
  enum { ROWS_AT_ONCE = 1024 };
  cyf_status status = CYF_OK;
  cyf_csr_buffer rows = {0};
  judgement found = {.all_integers = true};
  int64_t n_cells = cyf_h5ad_n_cells(file);
  int64_t wanted = max_cells < n_cells ? max_cells : n_cells;
  int64_t n_places = wanted < n_cells ? (wanted < N_PLACES ? wanted : N_PLACES) : 1;
  for (int64_t place = 0; place < n_places; place++) {
    int64_t n = wanted * (place + 1) / n_places - wanted * place / n_places;
    int64_t first = n_places == 1 && wanted == n_cells ? 0 : n_cells / n_places * place;
    for (int64_t done = 0; done < n; done += ROWS_AT_ONCE) {
      int64_t now = n - done < ROWS_AT_ONCE ? n - done : ROWS_AT_ONCE;
      CYF_TRY_CLEANUP(judge_rows(file, first + done, now, &rows, &found));
    }
  }
  *ret_kind = found.all_integers             ? CYF_EXPRESSION_COUNTS
              : found.largest < LEAST_LINEAR ? CYF_EXPRESSION_LOG_NORMALIZED
                                             : CYF_EXPRESSION_OTHER;
cleanup:
  cyf_csr_buffer_destroy(&rows);
  return status;
}

const char *cyf_expression_kind_name(cyf_expression_kind kind) {
  switch (kind) {
    case CYF_EXPRESSION_COUNTS:
      return "counts";
    case CYF_EXPRESSION_LOG_NORMALIZED:
      return "log-normalised";
    default:
      return "other";
  }
}
