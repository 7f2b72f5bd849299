/* SPDX-License-Identifier: MIT */
/* What identifies cells: ranges of the obs index or of another column. */
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"

/* A column that is not stored as strings is read whole, whatever its kind. Identifiers mostly are strings. */
static cyf_status texts_of_column(const cyf_h5ad *file, const char *name, int64_t first, int64_t n, char **ret_ids) {
  cyf_column column = {0};
  CYF_TRY(cyf_h5ad_column_read(file, &file->obs, name, &column));
  cyf_status status = CYF_OK;
  for (int64_t i = 0; i < n && status == CYF_OK; i++) {
    status = cyf_h5ad_column_text(&column, first + i, &ret_ids[i]);
    if (status == CYF_OK && !ret_ids[i])
      status = CYF_FAIL(CYF_ERR_INPUT, "%s: cell %lld has no value in '%s', which is to identify it", file->path,
                        (long long)(first + i), name);
  }
  cyf_h5ad_column_destroy(&column);
  return status;
}

static cyf_status read_ids(const cyf_h5ad *file, const char *column, int64_t first, int64_t n, char **ret_ids) {
  const cyf_h5ad_frame *obs = &file->obs;
  if (!column || (obs->index && strcmp(column, obs->index) == 0))
    return cyf_h5ad_frame_names(file, obs, first, n, ret_ids);
  bool is_dataset = false;
  cyf_column_kind kind = CYF_COLUMN_UNREADABLE;
  if (!obs->compound && obs->object >= 0) CYF_TRY(cyf_h5_is_dataset(obs->object, column, file->path, &is_dataset));
  if (is_dataset) CYF_TRY(cyf_h5ad_column_kind(file, obs, column, &kind));
  if (kind != CYF_COLUMN_TEXT) return texts_of_column(file, column, first, n, ret_ids);
  int n_dims = 0;
  int64_t shape[4] = {0};
  hid_t dataset = H5Dopen2(obs->object, column, H5P_DEFAULT);
  cyf_status status = cyf_h5_extent(dataset, file->path, column, &n_dims, shape);
  if (status == CYF_OK && shape[0] != file->n_cells)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: column '%s' has %lld rows for %lld cells", file->path, column,
                      (long long)shape[0], (long long)file->n_cells);
  if (status == CYF_OK) status = cyf_h5_read_strings(dataset, NULL, first, n, file->path, column, ret_ids);
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_h5ad_read_ids(cyf_h5ad *file, const char *column, int64_t first, int64_t n, char **ret_ids) {
  memset(ret_ids, 0, (size_t)n * sizeof(*ret_ids));
  cyf_hdf5_lock();
  cyf_status status = read_ids(file, column, first, n, ret_ids);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  for (int64_t i = 0; i < n && status != CYF_OK; i++) cyf_free(ret_ids[i]);
  return status;
}

cyf_status cyf_h5ad_read_cell_names(cyf_h5ad *file, char ***ret_names) {
  *ret_names = NULL;
  CYF_TRY(CYF_NEW(ret_names, file->n_cells));
  const cyf_status status = cyf_h5ad_read_ids(file, NULL, 0, file->n_cells, *ret_names);
  if (status != CYF_OK) cyf_free(*ret_names);
  return status;
}
