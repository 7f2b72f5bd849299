/* SPDX-License-Identifier: MIT */
/* The .h5ad reader: life of a file, names, columns, obsm. */
#include "data/h5ad/reader.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/h5ad/other_format.h"
#include "data/h5ad/reader_internal.h"
#include "data/hdf5/hdf5_types.h"
#include "data/tables/gene_list.h"

static void close_file(cyf_h5ad **file) {
  cyf_h5ad *f = *file;
  if (!f) return;
  cyf_h5ad_frame_close(&f->obs);
  cyf_h5ad_frame_close(&f->var);
  cyf_h5_close_id(&f->values);
  cyf_h5_close_id(&f->indices);
  cyf_h5_close_id(&f->file);
  cyf_free(f->path);
  cyf_free(f->matrix);
  cyf_free(f->indptr);
  cyf_free(f->row_start);
  cyf_free(f->row_genes);
  cyf_free(f->row_values);
  cyf_free(f->scratch_genes);
  cyf_free(f->scratch_values);
  cyf_free(*file);
}

/* Where the matrix' genes are named. */
static const char *var_path(const cyf_h5ad *file) {
  if (strcmp(file->matrix, "raw/X") == 0) return "raw/var";
  return strcmp(file->matrix, "raw.X") == 0 ? "raw.var" : "var";
}

static cyf_status open_file(const char *path, const char *matrix, cyf_h5ad **ret_file) {
  cyf_status status = CYF_OK;
  cyf_h5ad *file = NULL;
  CYF_TRY(CYF_NEW(&file, 1));
  file->file = file->values = file->indices = file->obs.object = file->var.object = H5I_INVALID_HID;
  CYF_TRY_CLEANUP(cyf_strdup(path, &file->path));
  CYF_TRY_CLEANUP(cyf_other_format_check(path));
  CYF_TRY_CLEANUP(cyf_h5ad_look_first(path));
  CYF_TRY_CLEANUP(cyf_h5_open_file(path, &file->file));
  CYF_TRY_CLEANUP(cyf_h5ad_matrix_open(file, matrix ? matrix : "X"));
  CYF_TRY_CLEANUP(cyf_h5ad_frame_open(file, "obs", file->n_cells, &file->obs));
  CYF_TRY_CLEANUP(cyf_h5ad_frame_open(file, var_path(file), file->n_genes, &file->var));
cleanup:
  if (file->file >= 0) status = cyf_h5_end_reads(file->file, path, status);
  if (status == CYF_OK) {
    *ret_file = file;
  } else {
    close_file(&file);
  }
  return status;
}

cyf_status cyf_h5ad_open(const char *path, const char *matrix, cyf_h5ad **ret_file) {
  *ret_file = NULL;
  cyf_hdf5_lock();
  cyf_status status = open_file(path, matrix, ret_file);
  cyf_hdf5_unlock();
  return status;
}

void cyf_h5ad_close(cyf_h5ad **file) {
  if (!file || !*file) return;
  cyf_hdf5_lock();
  close_file(file);
  cyf_hdf5_unlock();
}

const char *cyf_h5ad_path(const cyf_h5ad *file) {
  return file->path;
}
int64_t cyf_h5ad_n_cells(const cyf_h5ad *file) {
  return file->n_cells;
}
int64_t cyf_h5ad_n_genes(const cyf_h5ad *file) {
  return file->n_genes;
}
int64_t cyf_h5ad_n_repeating_rows(const cyf_h5ad *file) {
  return file->n_repeating_rows;
}
int64_t cyf_h5ad_nnz(const cyf_h5ad *file) {
  return file->layout == CYF_LAYOUT_DENSE ? -1 : file->nnz;
}

const char *cyf_h5ad_layout(const cyf_h5ad *file) {
  if (file->layout == CYF_LAYOUT_DENSE) return "dense";
  return file->layout == CYF_LAYOUT_CSR ? "csr" : "csc";
}

cyf_status cyf_h5ad_read_rows(cyf_h5ad *file, int64_t first, int64_t n, cyf_csr_buffer *rows) {
  if (first < 0 || n < 0 || first > file->n_cells - n || rows->n_genes != file->n_genes) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: rows %lld to %lld of %lld asked for, with %lld genes of %lld", file->path,
                    (long long)first, (long long)(first + n), (long long)file->n_cells, (long long)rows->n_genes,
                    (long long)file->n_genes);
  }
  cyf_hdf5_lock();
  cyf_status status = cyf_h5ad_rows(file, first, n, rows);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  return status;
}

/* Names of all genes, without the versions of Ensembl ids: of a column where one is named, of the index otherwise and
 * where the column has no value. */
static cyf_status gene_names(const cyf_h5ad *file, const char *column, char **names, int64_t *ret_n_missing) {
  cyf_status status = CYF_OK;
  cyf_column values = {0};
  *ret_n_missing = 0;
  if (column) {
    CYF_TRY(cyf_h5ad_column_read(file, &file->var, column, &values));
    for (int64_t i = 0; i < file->n_genes; i++) {
      CYF_TRY_CLEANUP(cyf_h5ad_column_text(&values, i, &names[i]));
      if (names[i]) continue;
      CYF_TRY_CLEANUP(cyf_h5ad_frame_names(file, &file->var, i, 1, &names[i]));
      ++*ret_n_missing;
    }
  } else {
    CYF_TRY(cyf_h5ad_frame_names(file, &file->var, 0, file->n_genes, names));
  }
  for (int64_t i = 0; i < file->n_genes; i++) cyf_gene_tidy(names[i]);
cleanup:
  cyf_h5ad_column_destroy(&values);
  return status;
}

static void say_renamed(const cyf_h5ad *file, char *const *raw, const cyf_names *genes, int64_t n_renamed) {
  for (int64_t i = 0; i < genes->n; i++) {
    if (strcmp(raw[i], genes->name[i]) == 0) continue;
    cyf_warn(
        "%s: %lld gene names occur a second time or more, such as '%s'; the first keeps the name, later ones are "
        "other genes ('%s')",
        file->path, (long long)n_renamed, raw[i], genes->name[i]);
    return;
  }
}

static cyf_status read_genes(const cyf_h5ad *file, const char *column, cyf_names *ret_genes) {
  cyf_status status = CYF_OK;
  char **names = NULL;
  int64_t n_missing = 0, n_renamed = 0;
  CYF_TRY(CYF_NEW(&names, file->n_genes));
  CYF_TRY_CLEANUP(gene_names(file, column, names, &n_missing));
  if (n_missing > 0)
    cyf_warn("%s: %lld genes have no '%s'; they keep their name in the index", file->path, (long long)n_missing,
             column);
  CYF_TRY_CLEANUP(cyf_names_add_unique(ret_genes, names, file->n_genes, &n_renamed));
  if (n_renamed > 0) say_renamed(file, names, ret_genes, n_renamed);
cleanup:
  cyf_h5_free_strings(&names, file->n_genes);
  return status;
}

cyf_status cyf_h5ad_read_genes(cyf_h5ad *file, const char *column, cyf_names *ret_genes) {
  *ret_genes = (cyf_names){0};
  cyf_hdf5_lock();
  cyf_status status = read_genes(file, column, ret_genes);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_names_destroy(ret_genes);
  return status;
}

cyf_status cyf_h5ad_list_gene_names(cyf_h5ad *file, const char *column, cyf_names *ret_names) {
  cyf_status status = CYF_OK;
  char **names = NULL;
  int64_t n_missing = 0;
  *ret_names = (cyf_names){0};
  CYF_TRY(CYF_NEW(&names, file->n_genes));
  cyf_hdf5_lock();
  status = gene_names(file, column, names, &n_missing);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  for (int64_t i = 0; i < file->n_genes && status == CYF_OK; i++) status = cyf_names_add(ret_names, names[i], NULL);
  cyf_h5_free_strings(&names, file->n_genes);
  if (status != CYF_OK) cyf_names_destroy(ret_names);
  return status;
}

static bool has_column(const cyf_h5ad_frame *frame, const char *column) {
  return (frame->index && strcmp(frame->index, column) == 0) || cyf_names_find(&frame->columns, column) >= 0;
}

bool cyf_h5ad_has_column(const cyf_h5ad *file, const char *column) {
  return has_column(&file->obs, column);
}

bool cyf_h5ad_has_gene_column(const cyf_h5ad *file, const char *column) {
  return has_column(&file->var, column);
}

static cyf_status list_columns(const cyf_h5ad *file, const cyf_h5ad_frame *frame, cyf_names *ret_columns) {
  *ret_columns = (cyf_names){0};
  cyf_status status = CYF_OK;
  cyf_hdf5_lock();
  for (int64_t i = 0; i < frame->columns.n && status == CYF_OK; i++) {
    const char *column = frame->columns.name[i];
    cyf_column_kind kind = CYF_COLUMN_UNREADABLE;
    status = cyf_h5ad_column_kind(file, frame, column, &kind);
    if (status == CYF_OK && kind != CYF_COLUMN_UNREADABLE) status = cyf_names_add(ret_columns, column, NULL);
  }
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_names_destroy(ret_columns);
  return status;
}

cyf_status cyf_h5ad_list_columns(cyf_h5ad *file, cyf_names *ret_columns) {
  return list_columns(file, &file->obs, ret_columns);
}

cyf_status cyf_h5ad_list_unreadable(cyf_h5ad *file, cyf_names *ret_columns) {
  *ret_columns = (cyf_names){0};
  cyf_status status = CYF_OK;
  cyf_hdf5_lock();
  for (int64_t i = 0; i < file->obs.columns.n && status == CYF_OK; i++) {
    const char *column = file->obs.columns.name[i];
    char *line = NULL, fault[CYF_H5_REASON_SIZE];
    cyf_column_kind kind = CYF_COLUMN_UNREADABLE;
    status = cyf_h5ad_column_kind(file, &file->obs, column, &kind);
    if (status != CYF_OK || kind != CYF_COLUMN_UNREADABLE) continue;
    status = cyf_format(&line, "'%s' (%s)", column, cyf_h5ad_column_fault(file, &file->obs, column, fault));
    if (status == CYF_OK) status = cyf_names_add(ret_columns, line, NULL);
    cyf_free(line);
  }
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_names_destroy(ret_columns);
  return status;
}

cyf_status cyf_h5ad_list_gene_columns(cyf_h5ad *file, cyf_names *ret_columns) {
  return list_columns(file, &file->var, ret_columns);
}

static cyf_status read_obsm(const cyf_h5ad *file, const char *name, int64_t *ret_width, float **ret_values) {
  cyf_status status = CYF_OK;
  char *path = NULL;
  char text[CYF_H5_TYPE_TEXT_SIZE];
  hid_t dataset = H5I_INVALID_HID, type = H5I_INVALID_HID;
  int n_dims = 0;
  int64_t shape[4] = {0};
  bool is_dataset = false;
  CYF_TRY_CLEANUP(cyf_format(&path, "obsm/%s", name));
  CYF_TRY_CLEANUP(cyf_h5_is_dataset(file->file, path, file->path, &is_dataset));
  if (!is_dataset) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: there is no array %s", file->path, path);
    goto cleanup;
  }
  dataset = H5Dopen2(file->file, path, H5P_DEFAULT);
  CYF_TRY_CLEANUP(cyf_h5_extent(dataset, file->path, path, &n_dims, shape));
  if (n_dims != 2 || shape[0] != file->n_cells) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s is not a table of %lld rows, one a cell", file->path, path,
                      (long long)file->n_cells);
    goto cleanup;
  }
  type = H5Dget_type(dataset);
  if (H5Tget_class(type) != H5T_INTEGER && H5Tget_class(type) != H5T_FLOAT) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s holds %s, not numbers", file->path, path, cyf_h5_type_text(type, text));
    goto cleanup;
  }
  CYF_TRY_CLEANUP(cyf_alloc((size_t)shape[0], (size_t)shape[1] * sizeof(float), (void **)ret_values));
  CYF_TRY_CLEANUP(cyf_h5_read_range(dataset, H5T_NATIVE_FLOAT, sizeof(float), 0, shape[0], shape[1], file->path, path,
                                    *ret_values));
  *ret_width = shape[1];
cleanup:
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&dataset);
  cyf_free(path);
  return status;
}

cyf_status cyf_h5ad_read_obsm(cyf_h5ad *file, const char *name, int64_t *ret_width, float **ret_values) {
  *ret_values = NULL;
  *ret_width = 0;
  cyf_hdf5_lock();
  cyf_status status = read_obsm(file, name, ret_width, ret_values);
  status = cyf_h5_end_reads(file->file, file->path, status);
  if (status != CYF_OK) cyf_free(*ret_values);
  cyf_hdf5_unlock();
  return status;
}
