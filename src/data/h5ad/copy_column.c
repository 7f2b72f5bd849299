/* SPDX-License-Identifier: MIT */
/* Obs columns from one file to another, each as the kind it is. */
#include <math.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"
#include "data/h5ad/writer_internal.h"

static bool any_missing(const cyf_column *column) {
  for (int64_t i = 0; column->missing && i < column->n; i++)
    if (column->missing[i]) return true;
  return false;
}

static cyf_status copy_labels(const cyf_column *column, const char *name, cyf_h5ad_writer *writer) {
  cyf_label_column labels = {0};
  cyf_status status = cyf_h5ad_column_to_labels(column, name, &labels);
  if (status == CYF_OK) status = cyf_h5ad_writer_put_labels(writer, &labels, column->ordered);
  cyf_label_column_destroy(&labels);
  return status;
}

static cyf_status copy_reals(cyf_column *column, const char *name, cyf_h5ad_writer *writer) {
  for (int64_t i = 0; column->missing && i < column->n; i++)
    if (column->missing[i]) column->real[i] = NAN;
  CYF_TRY(cyf_h5ad_writer_claim_column(writer, name, column->n));
  return cyf_h5ad_write_array(writer, writer->obs, name,
                              column->precision == CYF_REAL_DOUBLE ? H5T_IEEE_F64LE : H5T_IEEE_F32LE, H5T_NATIVE_DOUBLE,
                              column->n, -1, column->real);
}

/* Flags as h5py stores them; the memory type is the file's. */
static cyf_status write_flags(const cyf_h5ad_writer *writer, hid_t parent, const char *name, const int8_t *flags,
                              int64_t n) {
  hid_t type = cyf_h5ad_boolean_type();
  const cyf_status status = cyf_h5ad_write_array(writer, parent, name, type, type, n, -1, flags);
  cyf_h5_close_id(&type);
  return status;
}

/* Integers or Booleans under a name of the group. */
static cyf_status write_whole_numbers(const cyf_h5ad_writer *writer, hid_t parent, const char *name,
                                      const cyf_column *column) {
  if (column->kind == CYF_COLUMN_INTEGER && column->is_unsigned)
    return cyf_h5ad_write_array(writer, parent, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, column->n, -1, column->integer);
  if (column->kind == CYF_COLUMN_INTEGER)
    return cyf_h5ad_write_array(writer, parent, name, H5T_STD_I64LE, H5T_NATIVE_INT64, column->n, -1, column->integer);
  int8_t *flags = NULL;
  CYF_TRY(CYF_NEW(&flags, column->n));
  for (int64_t i = 0; i < column->n; i++) flags[i] = column->integer[i] != 0;
  const cyf_status status = write_flags(writer, parent, name, flags, column->n);
  cyf_free(flags);
  return status;
}

/* Integers and Booleans; with a mask they stay nullable, also where nothing is missing, as in the source. */
static cyf_status copy_whole_numbers(const cyf_column *column, const char *name, cyf_h5ad_writer *writer) {
  hid_t group = H5I_INVALID_HID;
  CYF_TRY(cyf_h5ad_writer_claim_column(writer, name, column->n));
  if (!column->missing) return write_whole_numbers(writer, writer->obs, name, column);
  CYF_TRY(cyf_h5_create_group(writer->output, writer->obs, name,
                              column->kind == CYF_COLUMN_INTEGER ? "nullable-integer" : "nullable-boolean", "0.1.0",
                              &group));
  cyf_status status = write_whole_numbers(writer, group, "values", column);
  if (status == CYF_OK) status = write_flags(writer, group, "mask", column->missing, column->n);
  cyf_h5_close_id(&group);
  return status;
}

static cyf_status copy_column(cyf_column *column, const char *name, cyf_h5ad_writer *writer) {
  switch (column->kind) {
    case CYF_COLUMN_REAL:
      return copy_reals(column, name, writer);
    case CYF_COLUMN_INTEGER:
    case CYF_COLUMN_BOOLEAN:
      return copy_whole_numbers(column, name, writer);
    case CYF_COLUMN_TEXT:
      return any_missing(column) ? copy_labels(column, name, writer)
                                 : cyf_h5ad_writer_put_texts(writer, name, column->text, column->n);
    default:
      return copy_labels(column, name, writer);
  }
}

cyf_status cyf_h5ad_copy_column(cyf_h5ad *file, const char *name, cyf_h5ad_writer *writer) {
  cyf_column column = {0};
  cyf_hdf5_lock();
  cyf_status status = cyf_h5ad_column_read(file, &file->obs, name, &column);
  status = cyf_h5_end_reads(file->file, file->path, status);
  if (status == CYF_OK) status = copy_column(&column, name, writer);
  cyf_h5ad_column_destroy(&column);
  return cyf_h5ad_writer_finish_call(writer, status);
}
