/* SPDX-License-Identifier: MIT */
/* Rows of cells out of CSR, CSC and dense matrices. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"

/* Entries of one read: many enough that HDF5's cost of a call does not show, few beside the memory of a machine. */
enum { PIECE_VALUES = 1 << 20 };

static cyf_status reserve_scratch(cyf_h5ad *file, int64_t n) {
  if (n < PIECE_VALUES) n = PIECE_VALUES;
  if (n <= file->scratch_capacity) return CYF_OK;
  CYF_TRY(cyf_realloc((void **)&file->scratch_genes, (size_t)n, sizeof(*file->scratch_genes)));
  CYF_TRY(cyf_realloc((void **)&file->scratch_values, (size_t)n, sizeof(*file->scratch_values)));
  file->scratch_capacity = n;
  return CYF_OK;
}

/* The message for a value that cannot be: with the names of cell and gene where they can be read. */
static cyf_status bad_value(const cyf_h5ad *file, int64_t cell, int64_t gene, float value) {
  char *cell_name = NULL, *gene_name = NULL;
  if (cyf_h5ad_frame_names(file, &file->obs, cell, 1, &cell_name) != CYF_OK) cyf_status_clear();
  if (cyf_h5ad_frame_names(file, &file->var, gene, 1, &gene_name) != CYF_OK) cyf_status_clear();
  const char *hint = value < 0 ? "scaled or centred values cannot be used; take counts, as from raw/X or a layer"
                               : "every value must be a finite number that fits float32";
  cyf_status status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s holds %g at cell %lld (%s), gene %lld (%s): %s", file->path,
                               file->matrix, (double)value, (long long)cell, cell_name ? cell_name : "?",
                               (long long)gene, gene_name ? gene_name : "?", hint);
  cyf_free(cell_name);
  cyf_free(gene_name);
  return status;
}

static cyf_status bad_index(const cyf_h5ad *file, const char *axis, int64_t major, int64_t index, int64_t n) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: %s/indices is damaged: index %lld in %s %lld is out of the range 0 to %lld",
                  file->path, file->matrix, (long long)index, axis, (long long)major, (long long)n - 1);
}

typedef struct entry {
  int32_t gene;
  int32_t place; /* as stored: sums of duplicates keep one order */
  float value;
} entry;

static int compare_entries(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->gene != y->gene) return x->gene < y->gene ? -1 : 1;
  return x->place < y->place ? -1 : 1;
}

static cyf_status sort_row(int64_t n, int32_t *genes, float *values) {
  entry *entries = NULL;
  CYF_TRY(CYF_NEW(&entries, n));
  for (int64_t i = 0; i < n; i++) entries[i] = (entry){genes[i], (int32_t)i, values[i]};
  qsort(entries, (size_t)n, sizeof(*entries), compare_entries);
  for (int64_t i = 0; i < n; i++) {
    genes[i] = entries[i].gene;
    values[i] = entries[i].value;
  }
  cyf_free(entries);
  return CYF_OK;
}

/* Checks, sorts, sums and compacts one row in place, and appends it. */
static cyf_status emit_row(cyf_h5ad *file, int64_t cell, int64_t n, int32_t *genes, float *values,
                           cyf_csr_buffer *rows) {
  bool ascending = true;
  for (int64_t i = 0; i < n; i++) {
    if (genes[i] < 0 || genes[i] >= file->n_genes) return bad_index(file, "cell", cell, genes[i], file->n_genes);
    if (!(values[i] >= 0 && values[i] < INFINITY) && !file->takes_any)
      return bad_value(file, cell, genes[i], values[i]);
    if (i > 0 && genes[i] <= genes[i - 1]) ascending = false;
  }
  if (!ascending) CYF_TRY(sort_row(n, genes, values));
  bool repeats = false;
  int64_t kept = 0;
  for (int64_t i = 0, next; i < n; i = next) {
    double sum = 0;
    for (next = i; next < n && genes[next] == genes[i]; next++) sum += (double)values[next];
    repeats = repeats || next > i + 1;
    if ((float)sum == 0) continue;
    genes[kept] = genes[i];
    values[kept++] = (float)sum;
  }
  file->n_repeating_rows += repeats;
  return cyf_csr_buffer_append(rows, kept, genes, values);
}

/* Stored indices [first, first + n). HDF5 clamps what does not fit int32, which leaves it out of range all the same. */
static cyf_status read_indices(cyf_h5ad *file, int64_t first, int64_t n, int32_t *indices) {
  bool done = false;
  if (file->indices_bits)
    CYF_TRY(cyf_h5ad_packed_read(file->indices, file->indices_bits, first, n, indices, NULL, &done));
  if (file->indices_form.type != CYF_NUMBER_OTHER)
    CYF_TRY(cyf_h5ad_deflated_read(file->indices, &file->indices_form, first, n, indices, NULL, &done));
  if (done) return CYF_OK;
  return cyf_h5_read_range(file->indices, H5T_NATIVE_INT32, sizeof(int32_t), first, n, -1, file->path, "indices",
                           indices);
}

/* Stored entries [first, first + n). */
static cyf_status read_entries(cyf_h5ad *file, int64_t first, int64_t n, int32_t *indices, float *values) {
  bool done = false;
  CYF_TRY(read_indices(file, first, n, indices));
  if (file->values_bits) CYF_TRY(cyf_h5ad_packed_read(file->values, file->values_bits, first, n, NULL, values, &done));
  if (file->values_form.type != CYF_NUMBER_OTHER)
    CYF_TRY(cyf_h5ad_deflated_read(file->values, &file->values_form, first, n, NULL, values, &done));
  if (!done)
    CYF_TRY(cyf_h5_read_range(file->values, H5T_NATIVE_FLOAT, sizeof(float), first, n, -1, file->path, "data", values));
  return file->values_bits ? CYF_OK : cyf_h5ad_check_exact(file, first, n, -1, values);
}

/* One past the last of the rows (CSC: columns) from `first` on that are read at once: at least one row, and no more
 * than PIECE_VALUES entries where several fit. */
static int64_t piece_end(const int64_t *indptr, int64_t first, int64_t end) {
  int64_t last = first + 1;
  while (last < end && indptr[last + 1] - indptr[first] <= PIECE_VALUES) last++;
  return last;
}

/* True when the row is as it should be, so that nothing needs to be done to it: genes ascend, values are above 0 and
 * finite. Without branches, so that it runs at memory speed. */
static bool is_clean(int64_t n_genes, int64_t n, const int32_t *genes, const float *values) {
  int bad = 0;
  for (int64_t i = 0; i < n; i++) bad |= !(values[i] > 0) | !(values[i] < INFINITY);
  for (int64_t i = 1; i < n; i++) bad |= genes[i] <= genes[i - 1];
  return !bad && (n == 0 || (genes[0] >= 0 && genes[n - 1] < n_genes));
}

/* Reads cells [from, to) straight into `rows`. Where a row has to be sorted, summed or refused, *ret_clean is false;
 * the entries then lie behind the end of `rows`, whose rows are those of before. */
static cyf_status read_clean(cyf_h5ad *file, int64_t from, int64_t to, cyf_csr_buffer *rows, bool *ret_clean) {
  const int64_t *indptr = file->indptr;
  const int64_t n = indptr[to] - indptr[from], n_cells = rows->n_cells, used = rows->indptr ? rows->indptr[n_cells] : 0;
  if (used + n > rows->nnz_capacity)
    CYF_TRY(cyf_csr_buffer_reserve(rows, n_cells + to - from, (used + n) + (used + n) / 4));
  CYF_TRY(cyf_csr_buffer_reserve(rows, n_cells + to - from, used + n));
  CYF_TRY(read_entries(file, indptr[from], n, rows->indices + used, rows->values + used));
  *ret_clean = true;
  for (int64_t cell = from; cell < to && *ret_clean; cell++) {
    const int64_t at = used + indptr[cell] - indptr[from];
    *ret_clean = is_clean(file->n_genes, indptr[cell + 1] - indptr[cell], rows->indices + at, rows->values + at);
    rows->indptr[rows->n_cells + 1] = at + indptr[cell + 1] - indptr[cell];
    rows->n_cells++;
  }
  if (!*ret_clean) rows->n_cells = n_cells;
  return CYF_OK;
}

static cyf_status read_csr(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows) {
  const int64_t *indptr = file->indptr;
  for (int64_t from = first, to; from < first + n; from = to) {
    bool clean = false;
    to = piece_end(indptr, from, first + n);
    CYF_TRY(read_clean(file, from, to, rows, &clean));
    if (clean) continue;
    const int64_t n_entries = indptr[to] - indptr[from], used = rows->indptr[rows->n_cells];
    CYF_TRY(reserve_scratch(file, n_entries));
    memcpy(file->scratch_genes, rows->indices + used, (size_t)n_entries * sizeof(int32_t));
    memcpy(file->scratch_values, rows->values + used, (size_t)n_entries * sizeof(float));
    for (int64_t cell = from; cell < to; cell++) {
      int64_t at = indptr[cell] - indptr[from];
      CYF_TRY(emit_row(file, cell, indptr[cell + 1] - indptr[cell], file->scratch_genes + at, file->scratch_values + at,
                       rows));
    }
  }
  return CYF_OK;
}

/* First pass over CSC: row_start[cell + 1] is the number of entries of the cell, then their running sum. */
static cyf_status count_rows(cyf_h5ad *file) {
  for (int64_t from = 0, to; from < file->n_genes; from = to) {
    to = piece_end(file->indptr, from, file->n_genes);
    int64_t first = file->indptr[from], n = file->indptr[to] - first;
    CYF_TRY(reserve_scratch(file, n));
    CYF_TRY(read_indices(file, first, n, file->scratch_genes));
    for (int64_t i = 0; i < n; i++) {
      int32_t cell = file->scratch_genes[i];
      if (cell < 0 || cell >= file->n_cells) return bad_index(file, "entry", first + i, cell, file->n_cells);
      file->row_start[cell + 1]++;
    }
  }
  for (int64_t cell = 0; cell < file->n_cells; cell++) file->row_start[cell + 1] += file->row_start[cell];
  return CYF_OK;
}

/* Second pass: places the entries gene by gene, so that genes ascend within a row. */
static cyf_status place_entries(cyf_h5ad *file, int64_t *next) {
  memcpy(next, file->row_start, (size_t)file->n_cells * sizeof(*next));
  for (int64_t from = 0, to; from < file->n_genes; from = to) {
    to = piece_end(file->indptr, from, file->n_genes);
    int64_t first = file->indptr[from];
    CYF_TRY(reserve_scratch(file, file->indptr[to] - first));
    CYF_TRY(read_entries(file, first, file->indptr[to] - first, file->scratch_genes, file->scratch_values));
    for (int64_t gene = from; gene < to; gene++) {
      for (int64_t i = file->indptr[gene] - first; i < file->indptr[gene + 1] - first; i++) {
        int64_t at = next[file->scratch_genes[i]]++;
        file->row_genes[at] = (int32_t)gene;
        file->row_values[at] = file->scratch_values[i];
      }
    }
  }
  return CYF_OK;
}

static cyf_status transpose(cyf_h5ad *file) {
  cyf_status status = CYF_OK;
  int64_t *next = NULL;
  if (file->n_cells > INT32_MAX)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: %s is CSC with too many cells; store it as CSR", file->path, file->matrix);
  CYF_TRY_CLEANUP(CYF_NEW(&next, file->n_cells));
  CYF_TRY_CLEANUP(CYF_NEW(&file->row_start, file->n_cells + 1));
  CYF_TRY_CLEANUP(CYF_NEW(&file->row_genes, file->nnz));
  CYF_TRY_CLEANUP(CYF_NEW(&file->row_values, file->nnz));
  CYF_TRY_CLEANUP(count_rows(file));
  CYF_TRY_CLEANUP(place_entries(file, next));
cleanup:
  if (status != CYF_OK) cyf_free(file->row_start); /* NULL says that the transpose is still to be made */
  cyf_free(next);
  return status;
}

static cyf_status read_csc(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows) {
  if (!file->row_start) {
    cyf_free(file->row_genes);
    cyf_free(file->row_values);
    CYF_TRY(transpose(file));
  }
  for (int64_t cell = first; cell < first + n; cell++) {
    int64_t at = file->row_start[cell], count = file->row_start[cell + 1] - at;
    CYF_TRY(reserve_scratch(file, count));
    memcpy(file->scratch_genes, file->row_genes + at, (size_t)count * sizeof(int32_t));
    memcpy(file->scratch_values, file->row_values + at, (size_t)count * sizeof(float));
    CYF_TRY(emit_row(file, cell, count, file->scratch_genes, file->scratch_values, rows));
  }
  return CYF_OK;
}

static cyf_status read_dense(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows) {
  int64_t width = file->n_genes, step = width ? PIECE_VALUES / width : n;
  if (step < 1) step = 1;
  CYF_TRY(reserve_scratch(file, width));
  for (int64_t from = first; from < first + n; from += step) {
    int64_t now = first + n - from < step ? first + n - from : step;
    CYF_TRY(cyf_h5_read_range(file->values, H5T_NATIVE_FLOAT, sizeof(float), from, now, width, file->path, file->matrix,
                              file->scratch_values));
    CYF_TRY(cyf_h5ad_check_exact(file, from, now, width, file->scratch_values));
    for (int64_t cell = 0; cell < now; cell++) {
      float *values = file->scratch_values + cell * width;
      int64_t kept = 0;
      for (int64_t gene = 0; gene < width; gene++) {
        float value = values[gene];
        if (value == 0) continue;
        if (!(value > 0 && value < INFINITY) && !file->takes_any) return bad_value(file, from + cell, gene, value);
        file->scratch_genes[kept] = (int32_t)gene;
        values[kept++] = value; /* overwrites only what has been looked at */
      }
      CYF_TRY(cyf_csr_buffer_append(rows, kept, file->scratch_genes, values));
    }
  }
  return CYF_OK;
}

cyf_status cyf_h5ad_rows(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows) {
  switch (file->layout) {
    case CYF_LAYOUT_CSR:
      return read_csr(file, first, n, rows);
    case CYF_LAYOUT_CSC:
      return read_csc(file, first, n, rows);
    default:
      return read_dense(file, first, n, rows);
  }
}
