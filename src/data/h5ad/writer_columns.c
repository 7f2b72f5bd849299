/* SPDX-License-Identifier: MIT */
/* Obs columns of whole numbers and of strings. */
#include "data/h5ad/writer_internal.h"

static cyf_status add_integers(cyf_h5ad_writer *writer, const char *name, const int64_t *values, int64_t n_cells) {
  CYF_TRY(cyf_h5ad_writer_claim_column(writer, name, n_cells));
  return cyf_h5ad_write_array(writer, writer->obs, name, H5T_STD_I64LE, H5T_NATIVE_INT64, n_cells, -1, values);
}

cyf_status cyf_h5ad_writer_add_integers(cyf_h5ad_writer *writer, const char *name, const int64_t *values,
                                        int64_t n_cells) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, add_integers(writer, name, values, n_cells));
}

cyf_status cyf_h5ad_writer_put_texts(cyf_h5ad_writer *writer, const char *name, char *const *values, int64_t n_cells) {
  hid_t dataset = H5I_INVALID_HID;
  CYF_TRY(cyf_h5ad_writer_claim_column(writer, name, n_cells));
  CYF_TRY(cyf_h5_write_strings(writer->output, writer->obs, name, values, n_cells, &dataset));
  const cyf_status status = cyf_h5ad_write_encoding(writer->output, dataset, "string-array", "0.2.0");
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_h5ad_writer_add_texts(cyf_h5ad_writer *writer, const char *name, char *const *values, int64_t n_cells) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, cyf_h5ad_writer_put_texts(writer, name, values, n_cells));
}
