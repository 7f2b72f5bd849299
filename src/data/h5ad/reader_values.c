/* SPDX-License-Identifier: MIT */
/* The elements of a column, exactly, for every type of HDF5's that holds texts, numbers, bits or an enumeration. */
#include <math.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"
#include "data/hdf5/hdf5_types.h"

/* The type of a dataset's elements, or of one field; closed by the caller. */
static hid_t element_type(hid_t dataset, const char *field) {
  hid_t type = H5Dget_type(dataset);
  if (!field) return type;
  int member = H5Tget_class(type) == H5T_COMPOUND ? H5Tget_member_index(type, field) : -1;
  hid_t member_type = member < 0 ? H5I_INVALID_HID : H5Tget_member_type(type, (unsigned)member);
  cyf_h5_close_id(&type);
  return member_type;
}

static cyf_column_kind kind_of_enumeration(hid_t type) {
  cyf_h5_members members = {0};
  cyf_column_kind kind = CYF_COLUMN_UNREADABLE;
  if (cyf_h5_members_read(type, "", "", &members) == CYF_OK)
    kind = members.is_boolean ? CYF_COLUMN_BOOLEAN : CYF_COLUMN_CATEGORICAL;
  else
    cyf_status_clear();
  cyf_h5_members_destroy(&members);
  return kind;
}

cyf_column_kind cyf_h5ad_kind_of_type(hid_t type) {
  switch (cyf_h5_element_of(type)) {
    case CYF_H5_TEXT:
      return CYF_COLUMN_TEXT;
    case CYF_H5_INTEGER:
    case CYF_H5_UNSIGNED:
    case CYF_H5_BITS:
      return CYF_COLUMN_INTEGER;
    case CYF_H5_HALF:
    case CYF_H5_SINGLE:
    case CYF_H5_DOUBLE:
    case CYF_H5_LONG_DOUBLE:
      return CYF_COLUMN_REAL;
    case CYF_H5_ENUMERATION:
      return kind_of_enumeration(type);
    default:
      return CYF_COLUMN_UNREADABLE;
  }
}

/* Reads elements as `memory_type`, alone in a compound type of one field where a field is named. */
static cyf_status read_as(const cyf_h5ad *file, hid_t dataset, const char *field, hid_t memory_type, size_t size,
                          int64_t n, const char *name, void *values) {
  if (!field) return cyf_h5_read_range(dataset, memory_type, size, 0, n, -1, file->path, name, values);
  hid_t compound = H5Tcreate(H5T_COMPOUND, size);
  H5Tinsert(compound, field, 0, memory_type);
  cyf_status status = cyf_h5_read_range(dataset, compound, size, 0, n, -1, file->path, name, values);
  cyf_h5_close_id(&compound);
  return status;
}

static cyf_status read_integers(const cyf_h5ad *file, hid_t dataset, const char *field, cyf_h5_element element,
                                int64_t n, const char *name, cyf_column *column) {
  const hid_t memory = element == CYF_H5_BITS       ? H5T_NATIVE_B64
                       : element == CYF_H5_UNSIGNED ? H5T_NATIVE_UINT64
                                                    : H5T_NATIVE_INT64;
  CYF_TRY(CYF_NEW(&column->integer, n));
  CYF_TRY(read_as(file, dataset, field, memory, sizeof(int64_t), n, name, column->integer));
  for (int64_t i = 0; i < n && element != CYF_H5_INTEGER; i++)
    column->is_unsigned = column->is_unsigned || column->integer[i] < 0;
  return CYF_OK;
}

/* Reals wider than float64, which must be float64's all the same. */
static cyf_status read_long(const cyf_h5ad *file, hid_t dataset, const char *field, int64_t n, const char *name,
                            double *ret_real) {
  long double *wide = NULL;
  CYF_TRY(CYF_NEW(&wide, n));
  cyf_status status = read_as(file, dataset, field, H5T_NATIVE_LDOUBLE, sizeof(long double), n, name, wide);
  for (int64_t i = 0; i < n && status == CYF_OK; i++) {
    ret_real[i] = (double)wide[i];
    if ((long double)ret_real[i] != wide[i] && !isnan(ret_real[i]))
      status = CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' holds %.21Lg in row %lld, which has more digits than float64",
                        file->path, name, wide[i], (long long)i);
  }
  cyf_free(wide);
  return status;
}

static cyf_status read_reals(const cyf_h5ad *file, hid_t dataset, const char *field, cyf_h5_element element, int64_t n,
                             const char *name, cyf_column *column) {
  column->precision = element == CYF_H5_HALF     ? CYF_REAL_HALF
                      : element == CYF_H5_SINGLE ? CYF_REAL_SINGLE
                                                 : CYF_REAL_DOUBLE;
  CYF_TRY(CYF_NEW(&column->real, n));
  if (element == CYF_H5_LONG_DOUBLE) return read_long(file, dataset, field, n, name, column->real);
  return read_as(file, dataset, field, H5T_NATIVE_DOUBLE, sizeof(double), n, name, column->real);
}

/* Values of an enumeration, in place, to places of its members. */
static cyf_status to_members(const cyf_h5ad *file, const cyf_h5_members *members, const char *name,
                             cyf_column *column) {
  for (int64_t i = 0; i < column->n; i++) {
    const int64_t value = column->integer[i];
    column->integer[i] = cyf_h5_members_find(members, value);
    if (column->integer[i] >= 0) continue;
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: '%s' is an enumeration whose row %lld has the value %lld, which none of its members has",
                    file->path, name, (long long)i, (long long)value);
  }
  return CYF_OK;
}

static cyf_status to_booleans(const cyf_h5_members *members, cyf_column *column) {
  if (members->na >= 0) CYF_TRY(CYF_NEW(&column->missing, column->n));
  for (int64_t i = 0; i < column->n; i++) {
    if (column->missing) column->missing[i] = column->integer[i] == members->na;
    column->integer[i] = column->integer[i] == members->yes;
  }
  return CYF_OK;
}

static cyf_status read_enumeration(const cyf_h5ad *file, hid_t dataset, const char *field, hid_t type, int64_t n,
                                   const char *name, cyf_column *column) {
  cyf_h5_members members = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5_members_read(type, file->path, name, &members));
  CYF_TRY_CLEANUP(CYF_NEW(&column->integer, n));
  /* numbers, not the enumeration itself: HDF5 would turn a value that no member has into -1 */
  CYF_TRY_CLEANUP(read_as(file, dataset, field, members.is_unsigned ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64,
                          sizeof(int64_t), n, name, column->integer));
  CYF_TRY_CLEANUP(to_members(file, &members, name, column));
  if (members.is_boolean) {
    status = to_booleans(&members, column);
    goto cleanup;
  }
  column->category = members.name; /* theirs no more */
  column->n_categories = members.n;
  members.name = NULL;
cleanup:
  cyf_h5_members_destroy(&members);
  return status;
}

cyf_status cyf_h5ad_read_values(const cyf_h5ad *file, hid_t dataset, const char *field, int64_t n, const char *name,
                                cyf_column *column) {
  char text[CYF_H5_TYPE_TEXT_SIZE];
  hid_t type = element_type(dataset, field);
  const cyf_h5_element element = cyf_h5_element_of(type);
  cyf_status status = CYF_OK;
  column->n = n;
  column->kind = cyf_h5ad_kind_of_type(type);
  if (column->kind == CYF_COLUMN_UNREADABLE) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: column '%s' holds %s, which cannot be read", file->path, name,
                      cyf_h5_type_text(type, text));
  } else if (column->kind == CYF_COLUMN_TEXT) {
    status = CYF_NEW(&column->text, n);
    if (status == CYF_OK) status = cyf_h5_read_strings(dataset, field, 0, n, file->path, name, column->text);
  } else if (element == CYF_H5_ENUMERATION) {
    status = read_enumeration(file, dataset, field, type, n, name, column);
  } else if (column->kind == CYF_COLUMN_REAL) {
    status = read_reals(file, dataset, field, element, n, name, column);
  } else {
    status = read_integers(file, dataset, field, element, n, name, column);
  }
  cyf_h5_close_id(&type);
  return status;
}
