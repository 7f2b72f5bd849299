/* SPDX-License-Identifier: MIT */
/* obs and row bounds of a file whose number of cells is known ahead. They are written as the cells come, for files of
 * so many cells that memory should not hold all their names. */
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/writer_internal.h"

void cyf_h5ad_stream_destroy(cyf_h5ad_writer *writer) {
  cyf_obs_stream *stream = &writer->stream;
  for (int64_t i = 0; stream->codes && i < stream->n_columns; i++) cyf_h5_close_id(&stream->codes[i]);
  cyf_free(stream->codes);
  cyf_free(stream->n_categories);
  if (!stream->on) return;
  cyf_h5_close_id(&stream->names);
  cyf_h5_close_id(&stream->indptr);
}

static cyf_status create_datasets(cyf_h5ad_writer *writer, const cyf_label_column *columns) {
  cyf_obs_stream *stream = &writer->stream;
  const int64_t n_bounds = stream->n_cells + 1, zero = 0;
  hid_t type = cyf_h5_text_type();
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(
      cyf_h5_create_dataset(writer->output, writer->obs, "_index", type, 1, &stream->n_cells, &stream->names));
  CYF_TRY_CLEANUP(cyf_h5ad_write_encoding(writer->output, stream->names, "string-array", "0.2.0"));
  CYF_TRY_CLEANUP(cyf_h5_create_dataset(writer->output, writer->matrix, "indptr", cyf_h5ad_indptr_type(stream->nnz), 1,
                                        &n_bounds, &stream->indptr));
  CYF_TRY_CLEANUP(
      cyf_h5_write_range(writer->output, stream->indptr, H5T_NATIVE_INT64, sizeof(zero), 0, 1, -1, "X/indptr", &zero));
  for (int64_t i = 0; i < stream->n_columns; i++) {
    CYF_TRY_CLEANUP(cyf_h5ad_writer_claim_column(writer, columns[i].attribute, stream->n_cells));
    CYF_TRY_CLEANUP(cyf_h5ad_create_labels(writer, &columns[i], stream->n_cells, false, &stream->codes[i]));
    stream->n_categories[i] = columns[i].categories.n;
  }
cleanup:
  cyf_h5_close_id(&type);
  return status;
}

static cyf_status stream_obs(cyf_h5ad_writer *writer, int64_t n_cells, int64_t nnz, const cyf_label_column *columns,
                             int64_t n_columns) {
  cyf_obs_stream *stream = &writer->stream;
  if (stream->on || writer->n_cells > 0 || writer->cell_names_written || writer->options.format == CYF_MATRIX_DENSE)
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: obs is streamed from the first cell of a sparse file on, or not at all",
                    cyf_h5_output_path(writer->output));
  CYF_TRY(CYF_NEW(&stream->codes, n_columns));
  stream->n_columns = n_columns;
  for (int64_t i = 0; i < n_columns; i++) stream->codes[i] = H5I_INVALID_HID;
  CYF_TRY(CYF_NEW(&stream->n_categories, n_columns));
  stream->names = stream->indptr = H5I_INVALID_HID;
  stream->on = true;
  stream->n_cells = n_cells;
  stream->nnz = nnz;
  writer->cell_names_written = true;
  return create_datasets(writer, columns);
}

cyf_status cyf_h5ad_writer_stream_obs(cyf_h5ad_writer *writer, int64_t n_cells, int64_t nnz,
                                      const cyf_label_column *columns, int64_t n_columns) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, stream_obs(writer, n_cells, nnz, columns, n_columns));
}

static cyf_status append_obs(cyf_h5ad_writer *writer, const char *const *names, const int32_t *const *codes,
                             int64_t n) {
  cyf_obs_stream *stream = &writer->stream;
  const char *path = cyf_h5_output_path(writer->output);
  if (!stream->on || n > stream->n_cells - stream->n_obs)
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: obs of more cells than were announced", path);
  for (int64_t c = 0; c < stream->n_columns; c++)
    for (int64_t i = 0; i < n; i++)
      if (codes[c][i] < -1 || codes[c][i] >= stream->n_categories[c])
        return CYF_FAIL(CYF_ERR_INTERNAL, "%s: code %d of cell %lld has no category", path, codes[c][i],
                        (long long)(stream->n_obs + i));
  hid_t type = cyf_h5_text_type();
  cyf_status status = cyf_h5_write_range(writer->output, stream->names, type, sizeof(char *), stream->n_obs, n, -1,
                                         "obs/_index", names);
  cyf_h5_close_id(&type);
  for (int64_t c = 0; c < stream->n_columns && status == CYF_OK; c++)
    status = cyf_h5_write_range(writer->output, stream->codes[c], H5T_NATIVE_INT32, sizeof(int32_t), stream->n_obs, n,
                                -1, "codes", codes[c]);
  stream->n_obs += n;
  return status;
}

cyf_status cyf_h5ad_writer_append_obs(cyf_h5ad_writer *writer, const char *const *names, const int32_t *const *codes,
                                      int64_t n) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, append_obs(writer, names, codes, n));
}

cyf_status cyf_h5ad_stream_bounds(cyf_h5ad_writer *writer, int64_t n, const int64_t *ends) {
  const cyf_obs_stream *stream = &writer->stream;
  if (n > stream->n_cells - writer->n_cells || (n > 0 && ends[n - 1] > stream->nnz))
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: more cells or values than were announced",
                    cyf_h5_output_path(writer->output));
  return cyf_h5_write_range(writer->output, stream->indptr, H5T_NATIVE_INT64, sizeof(*ends), writer->n_cells + 1, n, -1,
                            "X/indptr", ends);
}

cyf_status cyf_h5ad_stream_finish(cyf_h5ad_writer *writer) {
  const cyf_obs_stream *stream = &writer->stream;
  if (writer->n_cells == stream->n_cells && stream->n_obs == stream->n_cells && writer->nnz == stream->nnz)
    return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "%s: %lld cells, obs of %lld and %lld values for the %lld and %lld announced",
                  cyf_h5_output_path(writer->output), (long long)writer->n_cells, (long long)stream->n_obs,
                  (long long)writer->nnz, (long long)stream->n_cells, (long long)stream->nnz);
}
