/* SPDX-License-Identifier: MIT */
/* Loading a file's cells for comparison. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "evaluate/evaluate.h"
#include "evaluate/measures/rows.h"
#include "kernels/finite.h"
#include "kernels/math/normalisation.h"

/* Rows read at once, and the largest gap between chosen rows that are still read by one call. Reading a few rows too
 * many is cheaper than another call, as a compressed chunk holds many rows anyway. */
enum { PIECE_ROWS = 512, PIECE_GAP = 16, JUDGED_CELLS = 1000 };

/* An entry whose gene is being renumbered from the file's order to ours. */
typedef struct moved_entry {
  int32_t index;
  float value;
} moved_entry;

/* How columns of the file become ours, and memory for one row. */
typedef struct row_mover {
  int32_t *gene_of_column; /* [file genes] our gene, -1 for none; NULL: the same genes in the same order */
  moved_entry *entry;      /* [file genes] */
  int32_t *index;          /* [file genes] */
  float *value;            /* [file genes] */
} row_mover;

cyf_load_options cyf_load_defaults(void) {
  return (cyf_load_options){.max_cells = 5000};
}

static int compare_entries(const void *a, const void *b) {
  const moved_entry *x = a, *y = b;
  return (x->index > y->index) - (x->index < y->index);
}

static void mover_destroy(row_mover *mover) {
  cyf_free(mover->gene_of_column);
  cyf_free(mover->entry);
  cyf_free(mover->index);
  cyf_free(mover->value);
}

/* Where each of the file's genes goes. Errors: CYF_ERR_INPUT when wanted genes are not in the file. */
static cyf_status mover_create(const char *path, const cyf_names *file_genes, const cyf_names *wanted,
                               row_mover *mover) {
  const char *first_missing = NULL;
  int64_t n_missing = 0;
  bool same = file_genes->n == wanted->n;
  CYF_TRY(CYF_NEW(&mover->gene_of_column, file_genes->n));
  CYF_TRY(CYF_NEW(&mover->entry, file_genes->n));
  CYF_TRY(CYF_NEW(&mover->index, file_genes->n));
  CYF_TRY(CYF_NEW(&mover->value, file_genes->n));
  for (int64_t column = 0; column < file_genes->n; column++) mover->gene_of_column[column] = -1;
  for (int64_t gene = 0; gene < wanted->n; gene++) {
    int64_t column = cyf_names_find(file_genes, wanted->name[gene]);
    if (column < 0) {
      if (n_missing++ == 0) first_missing = wanted->name[gene];
    } else {
      mover->gene_of_column[column] = (int32_t)gene;
      same = same && column == gene;
    }
  }
  if (n_missing > 0) {
    return CYF_FAIL(
        CYF_ERR_INPUT,
        "%s: lacks %lld of the %lld genes compared, the first is '%s'; every set needs all genes of the real "
        "cells, and this one has %lld, such as '%s' (another var column may hold the names: --gene-column)",
        path, (long long)n_missing, (long long)wanted->n, first_missing, (long long)file_genes->n,
        file_genes->n > 0 ? file_genes->name[0] : "");
  }
  if (same) cyf_free(mover->gene_of_column);
  return CYF_OK;
}

static cyf_status append_row(const row_mover *mover, int64_t nnz, const int32_t *index, const float *value,
                             cyf_csr_buffer *matrix) {
  if (!mover->gene_of_column) return cyf_csr_buffer_append(matrix, nnz, index, value);
  int64_t n = 0;
  bool ascending = true;
  for (int64_t p = 0; p < nnz; p++) {
    int32_t gene = mover->gene_of_column[index[p]];
    if (gene < 0) continue;
    ascending = ascending && (n == 0 || mover->entry[n - 1].index < gene);
    mover->entry[n++] = (moved_entry){gene, value[p]};
  }
  if (!ascending) qsort(mover->entry, (size_t)n, sizeof(moved_entry), compare_entries);
  for (int64_t p = 0; p < n; p++) {
    mover->index[p] = mover->entry[p].index;
    mover->value[p] = mover->entry[p].value;
  }
  return cyf_csr_buffer_append(matrix, n, mover->index, mover->value);
}

/* Reads the chosen rows (ascending) in pieces of neighbouring rows. */
static cyf_status read_chosen(cyf_h5ad *file, const row_mover *mover, const int64_t *chosen, int64_t n_chosen,
                              cyf_csr_buffer *matrix) {
  cyf_status status = CYF_OK;
  cyf_csr_buffer piece = {0};
  for (int64_t at = 0, next; at < n_chosen; at = next) {
    int64_t first = chosen[at];
    for (next = at + 1;
         next < n_chosen && chosen[next] - first < PIECE_ROWS && chosen[next] - chosen[next - 1] <= PIECE_GAP;) {
      next++;
    }
    cyf_csr_buffer_clear(&piece, cyf_h5ad_n_genes(file));
    CYF_TRY_CLEANUP(cyf_h5ad_read_rows(file, first, chosen[next - 1] - first + 1, &piece));
    for (int64_t i = at; i < next; i++) {
      int64_t begin = piece.indptr[chosen[i] - first];
      CYF_TRY_CLEANUP(append_row(mover, piece.indptr[chosen[i] - first + 1] - begin, piece.indices + begin,
                                 piece.values + begin, matrix));
    }
  }
cleanup:
  cyf_csr_buffer_destroy(&piece);
  return status;
}

/* The label column's codes of the chosen cells; a column that is not there leaves a note. */
static cyf_status read_labels(cyf_h5ad *file, const char *label, const int64_t *chosen, int64_t n_chosen,
                              cyf_cell_set *set) {
  cyf_status status = CYF_OK;
  cyf_names columns = {0};
  char list[CYF_NAMES_LIST_BYTES];
  if (!label) return cyf_strdup("no label column was asked for", &set->label_note);
  CYF_TRY_CLEANUP(cyf_h5ad_list_columns(file, &columns));
  if (cyf_names_find(&columns, label) < 0) {
    CYF_TRY_CLEANUP(cyf_format(&set->label_note, "%s has no obs column '%s'; it has: %s", cyf_h5ad_path(file), label,
                               cyf_list_names(columns.n, (const char *const *)columns.name, list, sizeof list)));
    goto cleanup;
  }
  CYF_TRY_CLEANUP(cyf_h5ad_read_labels(file, label, &set->labels));
  for (int64_t i = 0; i < n_chosen; i++) set->labels.code[i] = set->labels.code[chosen[i]]; /* chosen[i] >= i */
  set->labels.n_cells = n_chosen;
  set->has_labels = true;
cleanup:
  cyf_names_destroy(&columns);
  return status;
}

static cyf_status state(const char *text, cyf_cell_set *set) {
  cyf_values stated;
  CYF_TRY(cyf_values_parse(text, &stated));
  if (cyf_values_can_be_stated(&set->values)) cyf_values_state(set->path, &stated, &set->values);
  return CYF_OK;
}

static cyf_status load_opened(cyf_h5ad *file, const cyf_load_options *options, const cyf_names *genes,
                              cyf_cell_set *set) {
  cyf_status status = CYF_OK;
  row_mover mover = {0};
  cyf_names file_genes = {0};
  int64_t *chosen = NULL;
  char text[CYF_VALUES_TEXT_SIZE];
  set->n_cells_in_file = cyf_h5ad_n_cells(file);
  int64_t n = set->n_cells_in_file;
  if (n < 1) return CYF_FAIL(CYF_ERR_INPUT, "%s: has no cells", cyf_h5ad_path(file));
  if (options->max_cells > 0 && n > options->max_cells) n = options->max_cells;
  CYF_TRY_CLEANUP(cyf_h5ad_judge_values(file, JUDGED_CELLS, &set->values));
  if (set->values.kind == CYF_VALUES_UNKNOWN && options->values) CYF_TRY_CLEANUP(state(options->values, set));
  CYF_TRY_CLEANUP(cyf_values_settle(set->path, options->matrix, &set->values));
  CYF_TRY_CLEANUP(cyf_h5ad_read_genes(file, options->gene_column, &file_genes));
  CYF_TRY_CLEANUP(cyf_names_copy(genes ? genes : &file_genes, &set->genes));
  if (genes) CYF_TRY_CLEANUP(mover_create(cyf_h5ad_path(file), &file_genes, genes, &mover));
  CYF_TRY_CLEANUP(cyf_choose(options->seed, CYF_USE_LOAD, set->n_cells_in_file, n, &chosen));
  cyf_csr_buffer_clear(&set->matrix, set->genes.n);
  CYF_TRY_CLEANUP(read_chosen(file, &mover, chosen, n, &set->matrix));
  const cyf_rescaling rescaling = cyf_values_rescaling(&set->values, CYF_NORMALISED_TOTAL);
  cyf_rescale(&rescaling, set->matrix.n_cells, set->matrix.indptr, set->matrix.values);
  CYF_TRY_CLEANUP(
      cyf_csr_check_finite(set->matrix.n_cells, set->matrix.indptr, set->matrix.values, cyf_h5ad_path(file), 0));
  CYF_TRY_CLEANUP(read_labels(file, options->label, chosen, n, set));
  cyf_info("%s: %lld of %lld cells x %lld genes, %s", set->path, (long long)n, (long long)set->n_cells_in_file,
           (long long)set->genes.n, cyf_values_text(&set->values, text));
cleanup:
  mover_destroy(&mover);
  cyf_names_destroy(&file_genes);
  cyf_free(chosen);
  return status;
}

cyf_status cyf_cell_set_load(const char *path, const cyf_load_options *options, const cyf_names *genes,
                             cyf_cell_set *ret_set) {
  cyf_h5ad *file = NULL;
  *ret_set = (cyf_cell_set){0};
  cyf_status status = cyf_strdup(path, &ret_set->path);
  if (status == CYF_OK) status = cyf_h5ad_open(path, options->matrix, &file);
  if (status == CYF_OK) status = load_opened(file, options, genes, ret_set);
  cyf_h5ad_close(&file);
  if (status != CYF_OK) cyf_cell_set_destroy(ret_set);
  return status;
}

void cyf_cell_set_destroy(cyf_cell_set *set) {
  if (!set) return;
  cyf_free(set->path);
  cyf_names_destroy(&set->genes);
  cyf_csr_buffer_destroy(&set->matrix);
  cyf_label_column_destroy(&set->labels);
  cyf_free(set->label_note);
  *set = (cyf_cell_set){0};
}

cyf_cells cyf_cell_set_view(const cyf_cell_set *set) {
  return (cyf_cells){.name = set->path,
                     .matrix = cyf_csr_view(&set->matrix),
                     .labels = set->has_labels ? &set->labels : NULL,
                     .label_note = set->label_note,
                     .n_cells_in_file = set->n_cells_in_file};
}
