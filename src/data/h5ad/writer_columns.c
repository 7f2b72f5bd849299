/* SPDX-License-Identifier: MIT */
/* Obs columns of a written .h5ad, and what the writer's other files use: encodings, claims, the end of a call. */
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/writer_internal.h"

cyf_status cyf_h5ad_write_encoding(const cyf_h5_output *output, hid_t object, const char *type, const char *version) {
  CYF_TRY(cyf_h5_write_text_attribute(output, object, "encoding-type", type));
  return cyf_h5_write_text_attribute(output, object, "encoding-version", version);
}

cyf_status cyf_h5ad_writer_finish_call(cyf_h5ad_writer *writer, cyf_status status) {
  if (status != CYF_OK) writer->failed = true;
  cyf_hdf5_unlock();
  return status;
}

cyf_status cyf_h5ad_writer_claim_rows(cyf_h5ad_writer *writer, const char *name, int64_t n_cells) {
  if (writer->n_claims == writer->claims_capacity) {
    int64_t capacity = writer->claims_capacity ? 2 * writer->claims_capacity : 8;
    CYF_TRY(cyf_realloc((void **)&writer->claims, (size_t)capacity, sizeof(*writer->claims)));
    writer->claims_capacity = capacity;
  }
  CYF_TRY(cyf_strdup(name, &writer->claims[writer->n_claims].name));
  writer->claims[writer->n_claims++].n_cells = n_cells;
  return CYF_OK;
}

cyf_status cyf_h5ad_writer_claim_column(cyf_h5ad_writer *writer, const char *name, int64_t n_cells) {
  int64_t n_before = writer->columns.n;
  if (name[0] == '\0' || name[0] == '/' || strcmp(name, "_index") == 0 || strcmp(name, ".") == 0) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' cannot be the name of an obs column", cyf_h5_output_path(writer->output),
                    name);
  }
  CYF_TRY(cyf_names_add(&writer->columns, name, NULL));
  if (writer->columns.n == n_before) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: the obs column '%s' is given twice", cyf_h5_output_path(writer->output), name);
  }
  return cyf_h5ad_writer_claim_rows(writer, name, n_cells);
}

hid_t cyf_h5ad_indptr_type(int64_t nnz) {
  /* SciPy slices a matrix only when its pointers and its indices are of one type */
  return nnz <= INT32_MAX ? H5T_STD_I32LE : H5T_STD_I64LE;
}

hid_t cyf_h5ad_boolean_type(void) {
  int8_t no = 0, yes = 1;
  hid_t type = H5Tenum_create(H5T_STD_I8LE);
  H5Tenum_insert(type, "FALSE", &no);
  H5Tenum_insert(type, "TRUE", &yes);
  return type;
}

static cyf_status write_ordered(const cyf_h5ad_writer *writer, hid_t group, bool ordered) {
  const int8_t value = ordered;
  hid_t type = cyf_h5ad_boolean_type();
  cyf_status status = cyf_h5_write_ints_attribute(writer->output, group, "ordered", type, type, &value, -1);
  cyf_h5_close_id(&type);
  return status;
}

static cyf_status create_array(const cyf_h5ad_writer *writer, hid_t parent, const char *name, hid_t type, int n_dims,
                               const int64_t *shape, hid_t *ret_dataset) {
  return writer->options.checksums
             ? cyf_h5_create_checked_dataset(writer->output, parent, name, type, n_dims, shape, ret_dataset)
             : cyf_h5_create_dataset(writer->output, parent, name, type, n_dims, shape, ret_dataset);
}

cyf_status cyf_h5ad_create_labels(const cyf_h5ad_writer *writer, const cyf_label_column *column, int64_t n_cells,
                                  bool ordered, hid_t *ret_codes) {
  cyf_status status = CYF_OK;
  hid_t group = H5I_INVALID_HID, categories = H5I_INVALID_HID;
  const int64_t n_categories = column->categories.n;
  /* the smallest type that anndata (pandas) would take */
  hid_t type = n_categories < INT8_MAX ? H5T_STD_I8LE : n_categories < INT16_MAX ? H5T_STD_I16LE : H5T_STD_I32LE;
  CYF_TRY_CLEANUP(cyf_h5_create_group(writer->output, writer->obs, column->attribute, "categorical", "0.2.0", &group));
  CYF_TRY_CLEANUP(write_ordered(writer, group, ordered));
  CYF_TRY_CLEANUP(
      cyf_h5_write_strings(writer->output, group, "categories", column->categories.name, n_categories, &categories));
  CYF_TRY_CLEANUP(cyf_h5ad_write_encoding(writer->output, categories, "string-array", "0.2.0"));
  CYF_TRY_CLEANUP(create_array(writer, group, "codes", type, 1, &n_cells, ret_codes));
  status = cyf_h5ad_write_encoding(writer->output, *ret_codes, "array", "0.2.0");
cleanup:
  cyf_h5_close_id(&categories);
  cyf_h5_close_id(&group);
  return status;
}

cyf_status cyf_h5ad_writer_put_labels(cyf_h5ad_writer *writer, const cyf_label_column *column, bool ordered) {
  cyf_status status = CYF_OK;
  hid_t codes = H5I_INVALID_HID;
  for (int64_t i = 0; i < column->n_cells; i++) {
    if (column->code[i] < -1 || column->code[i] >= column->categories.n) {
      return CYF_FAIL(CYF_ERR_INTERNAL, "%s: code %d of cell %lld in '%s', which has %lld categories",
                      cyf_h5_output_path(writer->output), column->code[i], (long long)i, column->attribute,
                      (long long)column->categories.n);
    }
  }
  CYF_TRY(cyf_h5ad_writer_claim_column(writer, column->attribute, column->n_cells));
  CYF_TRY_CLEANUP(cyf_h5ad_create_labels(writer, column, column->n_cells, ordered, &codes));
  CYF_TRY_CLEANUP(cyf_h5_write_range(writer->output, codes, H5T_NATIVE_INT32, sizeof(int32_t), 0, column->n_cells, -1,
                                     column->attribute, column->code));
cleanup:
  cyf_h5_close_id(&codes);
  return status;
}

cyf_status cyf_h5ad_writer_add_labels(cyf_h5ad_writer *writer, const cyf_label_column *column) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, cyf_h5ad_writer_put_labels(writer, column, false));
}

cyf_status cyf_h5ad_write_array(const cyf_h5ad_writer *writer, hid_t parent, const char *name, hid_t file_type,
                                hid_t memory_type, int64_t n, int64_t width, const void *values) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  int64_t shape[2] = {n, width};
  CYF_TRY_CLEANUP(create_array(writer, parent, name, file_type, width < 0 ? 1 : 2, shape, &dataset));
  CYF_TRY_CLEANUP(cyf_h5ad_write_encoding(writer->output, dataset, "array", "0.2.0"));
  CYF_TRY_CLEANUP(
      cyf_h5_write_range(writer->output, dataset, memory_type, H5Tget_size(memory_type), 0, n, width, name, values));
cleanup:
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status add_numbers(cyf_h5ad_writer *writer, const char *name, const double *values, int64_t n_cells) {
  CYF_TRY(cyf_h5ad_writer_claim_column(writer, name, n_cells));
  return cyf_h5ad_write_array(writer, writer->obs, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, n_cells, -1, values);
}

cyf_status cyf_h5ad_writer_add_numbers(cyf_h5ad_writer *writer, const char *name, const double *values,
                                       int64_t n_cells) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, add_numbers(writer, name, values, n_cells));
}

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
