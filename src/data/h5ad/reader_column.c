/* SPDX-License-Identifier: MIT */
/* Columns of obs and var: their kinds, their values, and values as text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"

/* The kind of column that elements of this HDF5 type make. */
static cyf_column_kind kind_of_type(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      return CYF_COLUMN_TEXT;
    case H5T_INTEGER:
      return CYF_COLUMN_INTEGER;
    case H5T_FLOAT:
      return CYF_COLUMN_REAL;
    case H5T_ENUM:
      return CYF_COLUMN_BOOLEAN; /* h5py's Booleans */
    default:
      return CYF_COLUMN_UNREADABLE;
  }
}

/* The type of a dataset's elements, or of one field of a compound dataset. */
static hid_t element_type(hid_t dataset, const char *field) {
  hid_t type = H5Dget_type(dataset);
  if (!field) return type;
  int member = H5Tget_member_index(type, field);
  hid_t member_type = member < 0 ? H5I_INVALID_HID : H5Tget_member_type(type, (unsigned)member);
  cyf_h5_close_id(&type);
  return member_type;
}

static cyf_column_kind kind_of_dataset(hid_t dataset, const char *field) {
  hid_t type = element_type(dataset, field), space = H5Dget_space(dataset);
  cyf_column_kind kind =
      type >= 0 && H5Sget_simple_extent_ndims(space) == 1 ? kind_of_type(type) : CYF_COLUMN_UNREADABLE;
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&type);
  return kind;
}

/* uns/NAME_categories, which anndata before 0.7 wrote for a compound column of codes. */
static cyf_status has_uns_categories(const cyf_h5ad *file, const char *column, char path[CYF_H5_REASON_SIZE],
                                     bool *ret_has) {
  *ret_has = false;
  int length = snprintf(path, CYF_H5_REASON_SIZE, "uns/%s_categories", column);
  return length < CYF_H5_REASON_SIZE ? cyf_h5_is_dataset(file->file, path, file->path, ret_has) : CYF_OK;
}

/* Whether a group has an array and something else beside it. */
static cyf_status has_pair(const cyf_h5ad *file, hid_t group, const char *array, const char *other, bool *ret_has) {
  CYF_TRY(cyf_h5_is_dataset(group, array, file->path, ret_has));
  return *ret_has ? cyf_h5_exists(group, other, file->path, ret_has) : CYF_OK;
}

/* values and mask, both arrays */
static cyf_status is_nullable(const cyf_h5ad *file, hid_t group, bool *ret_is) {
  CYF_TRY(cyf_h5_is_dataset(group, "values", file->path, ret_is));
  return *ret_is ? cyf_h5_is_dataset(group, "mask", file->path, ret_is) : CYF_OK;
}

static cyf_status kind_of_object(const cyf_h5ad *file, hid_t object, bool is_dataset, cyf_column_kind *ret_kind) {
  bool has = false;
  if (is_dataset) {
    CYF_TRY(cyf_h5_has_attribute(object, "categories", file->path, &has));
    *ret_kind = has ? CYF_COLUMN_CATEGORICAL : kind_of_dataset(object, NULL);
    return CYF_OK;
  }
  CYF_TRY(has_pair(file, object, "codes", "categories", &has));
  if (has) {
    *ret_kind = CYF_COLUMN_CATEGORICAL;
    return CYF_OK;
  }
  CYF_TRY(is_nullable(file, object, &has));
  if (!has) return CYF_OK;
  hid_t values = H5Dopen2(object, "values", H5P_DEFAULT);
  *ret_kind = kind_of_dataset(values, NULL);
  cyf_h5_close_id(&values);
  return CYF_OK;
}

static cyf_status find_kind(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *column,
                            cyf_column_kind *ret_kind) {
  char path[CYF_H5_REASON_SIZE];
  bool has = false;
  H5I_type_t type = H5I_BADID;
  if (frame->compound) {
    *ret_kind = kind_of_dataset(frame->object, column);
    if (*ret_kind == CYF_COLUMN_INTEGER) CYF_TRY(has_uns_categories(file, column, path, &has));
    if (has) *ret_kind = CYF_COLUMN_CATEGORICAL;
    return CYF_OK;
  }
  CYF_TRY(cyf_h5_object_type(frame->object, column, file->path, &type));
  if (type != H5I_DATASET && type != H5I_GROUP) return CYF_OK;
  hid_t object = H5Oopen(frame->object, column, H5P_DEFAULT);
  const cyf_status status = kind_of_object(file, object, type == H5I_DATASET, ret_kind);
  cyf_h5_close_id(&object);
  return status;
}

cyf_status cyf_h5ad_column_kind(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *column,
                                cyf_column_kind *ret_kind) {
  *ret_kind = CYF_COLUMN_UNREADABLE;
  if (frame->object < 0) return CYF_OK;
  const cyf_status status = find_kind(file, frame, column, ret_kind);
  if (status == CYF_ERR_INPUT) { /* a damaged column is one that cannot be read, where it is not a failed read */
    *ret_kind = CYF_COLUMN_UNREADABLE;
    cyf_status_clear();
  } else {
    CYF_TRY(status);
  }
  return cyf_h5_check_reads(file->file, file->path);
}

void cyf_h5ad_column_destroy(cyf_column *column) {
  cyf_h5_free_strings(&column->text, column->n);
  cyf_h5_free_strings(&column->category, column->n_categories);
  cyf_free(column->integer);
  cyf_free(column->real);
  cyf_free(column->missing);
  *column = (cyf_column){0};
}

/* The number with the fewest digits that read back as itself. It has an exponent where Python's repr gives one. */
static cyf_status number_text(double value, bool is_single, char **ret_text) {
  char digits[40];
  if (!isfinite(value)) return cyf_strdup(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf", ret_text);
  if (value == 0) return cyf_strdup("0", ret_text);
  int precision = 0;
  for (; precision < 17; precision++) {
    snprintf(digits, sizeof(digits), "%.*e", precision, value);
    if (is_single ? strtof(digits, NULL) == (float)value : strtod(digits, NULL) == value) break;
  }
  int exponent = atoi(strchr(digits, 'e') + 1);
  if (exponent < -4 || exponent >= 16) return cyf_strdup(digits, ret_text);
  return cyf_format(ret_text, "%.*f", precision > exponent ? precision - exponent : 0, strtod(digits, NULL));
}

cyf_status cyf_h5ad_column_text(const cyf_column *column, int64_t i, char **ret_text) {
  *ret_text = NULL;
  if (column->missing && column->missing[i]) return CYF_OK;
  switch (column->kind) {
    case CYF_COLUMN_TEXT:
      return cyf_strdup(column->text[i], ret_text);
    case CYF_COLUMN_INTEGER:
      return cyf_format(ret_text, "%lld", (long long)column->integer[i]);
    case CYF_COLUMN_BOOLEAN:
      return cyf_strdup(column->integer[i] ? "True" : "False", ret_text);
    case CYF_COLUMN_REAL:
      return isnan(column->real[i]) ? CYF_OK : number_text(column->real[i], column->is_single, ret_text);
    case CYF_COLUMN_CATEGORICAL:
      return column->integer[i] < 0 ? CYF_OK : cyf_strdup(column->category[column->integer[i]], ret_text);
    default:
      return CYF_FAIL(CYF_ERR_INTERNAL, "a column without a kind");
  }
}

/* Reads numbers as `memory_type`. Where a field is named, HDF5 wants a compound memory type of this one field. */
static cyf_status read_numbers(const cyf_h5ad *file, hid_t dataset, const char *field, hid_t memory_type, size_t size,
                               int64_t n, const char *name, void *values) {
  if (!field) return cyf_h5_read_range(dataset, memory_type, size, 0, n, -1, file->path, name, values);
  hid_t compound = H5Tcreate(H5T_COMPOUND, size);
  H5Tinsert(compound, field, 0, memory_type);
  cyf_status status = cyf_h5_read_range(dataset, compound, size, 0, n, -1, file->path, name, values);
  cyf_h5_close_id(&compound);
  return status;
}

/* Reads a dataset (or field) of strings, numbers or Booleans, of n elements; n < 0: as many as it has. */
static cyf_status read_plain(const cyf_h5ad *file, hid_t dataset, const char *field, int64_t n, const char *name,
                             cyf_column *column) {
  int n_dims = 0;
  int64_t shape[4] = {0};
  CYF_TRY(cyf_h5_extent(dataset, file->path, name, &n_dims, shape));
  column->kind = kind_of_dataset(dataset, field);
  if (column->kind == CYF_COLUMN_UNREADABLE || (n >= 0 && shape[0] != n)) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: column '%s' is not one string, number or Boolean for each of %lld rows",
                    file->path, name, (long long)n);
  }
  column->n = shape[0];
  if (column->kind == CYF_COLUMN_TEXT) {
    CYF_TRY(CYF_NEW(&column->text, column->n));
    return cyf_h5_read_strings(dataset, field, 0, column->n, file->path, name, column->text);
  }
  if (column->kind == CYF_COLUMN_REAL) {
    hid_t type = element_type(dataset, field);
    column->is_single = H5Tget_size(type) <= sizeof(float);
    cyf_h5_close_id(&type);
    CYF_TRY(CYF_NEW(&column->real, column->n));
    return read_numbers(file, dataset, field, H5T_NATIVE_DOUBLE, sizeof(double), column->n, name, column->real);
  }
  CYF_TRY(CYF_NEW(&column->integer, column->n));
  return read_numbers(file, dataset, field, H5T_NATIVE_INT64, sizeof(int64_t), column->n, name, column->integer);
}

/* Turns a column of integers into a categorical one whose categories are the elements of `categories`. */
static cyf_status make_categorical(const cyf_h5ad *file, const cyf_column *categories, const char *name,
                                   cyf_column *column) {
  if (column->kind != CYF_COLUMN_INTEGER)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: the codes of '%s' are not integers", file->path, name);
  for (int64_t i = 0; i < column->n; i++) {
    if (column->integer[i] < -1 || column->integer[i] >= categories->n) {
      return CYF_FAIL(CYF_ERR_INPUT, "%s: code %lld in row %lld of '%s', which has %lld categories", file->path,
                      (long long)column->integer[i], (long long)i, name, (long long)categories->n);
    }
  }
  CYF_TRY(CYF_NEW(&column->category, categories->n));
  column->n_categories = categories->n;
  column->kind = CYF_COLUMN_CATEGORICAL;
  for (int64_t i = 0; i < categories->n; i++) {
    CYF_TRY(cyf_h5ad_column_text(categories, i, &column->category[i]));
    if (!column->category[i])
      return CYF_FAIL(CYF_ERR_INPUT, "%s: category %lld of '%s' is missing", file->path, (long long)i, name);
  }
  return CYF_OK;
}

/* values and mask (1: missing) of a nullable-integer, -boolean or -string-array. */
static cyf_status read_nullable(const cyf_h5ad *file, hid_t group, int64_t n, const char *name, cyf_column *column) {
  cyf_status status = CYF_OK;
  cyf_column mask = {0};
  hid_t values_id = H5Dopen2(group, "values", H5P_DEFAULT), mask_id = H5Dopen2(group, "mask", H5P_DEFAULT);
  CYF_TRY_CLEANUP(read_plain(file, values_id, NULL, n, name, column));
  CYF_TRY_CLEANUP(read_plain(file, mask_id, NULL, column->n, name, &mask));
  if (!mask.integer) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: the mask of '%s' is not Boolean", file->path, name);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(CYF_NEW(&column->missing, column->n));
  for (int64_t i = 0; i < column->n; i++) column->missing[i] = mask.integer[i] != 0;
cleanup:
  cyf_h5ad_column_destroy(&mask);
  cyf_h5_close_id(&mask_id);
  cyf_h5_close_id(&values_id);
  return status;
}

/* Reads the plain or nullable array at `path` below `parent`. */
static cyf_status read_array(const cyf_h5ad *file, hid_t parent, const char *path, int64_t n, const char *name,
                             cyf_column *column) {
  cyf_status status = CYF_OK;
  H5I_type_t type = H5I_BADID;
  bool nullable = false;
  CYF_TRY(cyf_h5_object_type(parent, path, file->path, &type));
  hid_t object = type == H5I_BADID ? H5I_INVALID_HID : H5Oopen(parent, path, H5P_DEFAULT);
  if (type == H5I_GROUP) CYF_TRY_CLEANUP(is_nullable(file, object, &nullable));
  if (type == H5I_DATASET) {
    status = read_plain(file, object, NULL, n, name, column);
  } else if (nullable) {
    status = read_nullable(file, object, n, name, column);
  } else {
    char *encoding = NULL;
    if (object >= 0 && cyf_h5_read_text_attribute(object, "encoding-type", file->path, &encoding) != CYF_OK)
      cyf_status_clear();
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: column '%s' has an encoding that cannot be read (%s)", file->path, name,
                      encoding ? encoding : "unknown");
    cyf_free(encoding);
  }
cleanup:
  cyf_h5_close_id(&object);
  return status;
}

/* Reads codes whose attribute "categories" refers to obs/__categories/NAME (anndata 0.7). */
static cyf_status read_referenced(const cyf_h5ad *file, hid_t dataset, int64_t n, const char *name,
                                  cyf_column *column) {
  cyf_status status = CYF_OK;
  cyf_column categories = {0};
  hobj_ref_t reference = 0;
  hid_t attribute = H5Aopen(dataset, "categories", H5P_DEFAULT), target = H5I_INVALID_HID;
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  if (H5Tequal(type, H5T_STD_REF_OBJ) > 0 && H5Sget_simple_extent_npoints(space) == 1 &&
      H5Aread(attribute, H5T_STD_REF_OBJ, &reference) >= 0) {
    target = H5Rdereference2(dataset, H5P_DEFAULT, H5R_OBJECT, &reference);
  }
  if (target < 0 || H5Iget_type(target) != H5I_DATASET) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: the categories of '%s' cannot be found", file->path, name);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(read_plain(file, dataset, NULL, n, name, column));
  CYF_TRY_CLEANUP(read_plain(file, target, NULL, -1, name, &categories));
  CYF_TRY_CLEANUP(make_categorical(file, &categories, name, column));
cleanup:
  cyf_h5ad_column_destroy(&categories);
  cyf_h5_close_id(&target);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&attribute);
  return status;
}

static cyf_status read_categorical_group(const cyf_h5ad *file, hid_t frame, const char *name, int64_t n,
                                         cyf_column *column) {
  cyf_status status = CYF_OK;
  cyf_column categories = {0};
  hid_t group = H5Gopen2(frame, name, H5P_DEFAULT);
  CYF_TRY_CLEANUP(read_array(file, group, "codes", n, name, column));
  CYF_TRY_CLEANUP(read_array(file, group, "categories", -1, name, &categories));
  int64_t ordered = 0, n_ordered = 0;
  CYF_TRY_CLEANUP(cyf_h5_read_int_attribute(group, "ordered", file->path, 1, &ordered, &n_ordered));
  column->ordered = n_ordered == 1 && ordered != 0;
  CYF_TRY_CLEANUP(make_categorical(file, &categories, name, column));
cleanup:
  cyf_h5ad_column_destroy(&categories);
  cyf_h5_close_id(&group);
  return status;
}

/* Reads a field of the compound dataset. Integers may be codes of uns/NAME_categories, which holds one string or
 * several.
 */
static cyf_status read_field(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *name, cyf_column *column) {
  cyf_status status = CYF_OK;
  char path[CYF_H5_REASON_SIZE];
  cyf_column categories = {0};
  bool coded = false;
  CYF_TRY(read_plain(file, frame->object, name, frame->n_rows, name, column));
  if (column->kind == CYF_COLUMN_INTEGER) CYF_TRY(has_uns_categories(file, name, path, &coded));
  if (!coded) return CYF_OK;
  hid_t dataset = H5Dopen2(file->file, path, H5P_DEFAULT), space = H5Dget_space(dataset);
  if (H5Sget_simple_extent_ndims(space) == 0) {
    CYF_TRY_CLEANUP(CYF_NEW(&categories.text, 1));
    categories.n = 1;
    CYF_TRY_CLEANUP(cyf_h5_read_text(dataset, file->path, path, &categories.text[0]));
  } else {
    CYF_TRY_CLEANUP(read_plain(file, dataset, NULL, -1, path, &categories));
  }
  CYF_TRY_CLEANUP(make_categorical(file, &categories, name, column));
cleanup:
  cyf_h5ad_column_destroy(&categories);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status no_such_column(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *name) {
  char list[1024];
  return CYF_FAIL(CYF_ERR_INPUT, "%s: %s has no column '%s'; it has: %s", file->path, frame->name, name,
                  cyf_list_names(frame->columns.n, (const char *const *)frame->columns.name, list, sizeof list));
}

static cyf_status read_column(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *name, cyf_column *column) {
  if (frame->compound) return read_field(file, frame, name, column);
  bool is_dataset = false, referenced = false;
  cyf_column_kind kind = CYF_COLUMN_UNREADABLE;
  CYF_TRY(cyf_h5_is_dataset(frame->object, name, file->path, &is_dataset));
  if (is_dataset) {
    hid_t dataset = H5Dopen2(frame->object, name, H5P_DEFAULT);
    cyf_status status = cyf_h5_has_attribute(dataset, "categories", file->path, &referenced);
    if (status == CYF_OK)
      status = referenced ? read_referenced(file, dataset, frame->n_rows, name, column)
                          : read_plain(file, dataset, NULL, frame->n_rows, name, column);
    cyf_h5_close_id(&dataset);
    return status;
  }
  CYF_TRY(cyf_h5ad_column_kind(file, frame, name, &kind));
  if (kind == CYF_COLUMN_CATEGORICAL) {
    return read_categorical_group(file, frame->object, name, frame->n_rows, column);
  }
  return read_array(file, frame->object, name, frame->n_rows, name, column);
}

cyf_status cyf_h5ad_column_read(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *column,
                                cyf_column *ret_column) {
  *ret_column = (cyf_column){0};
  bool is_index = frame->index && strcmp(column, frame->index) == 0;
  if (frame->object < 0 || (!is_index && cyf_names_find(&frame->columns, column) < 0))
    return no_such_column(file, frame, column);
  cyf_status status = read_column(file, frame, column, ret_column);
  if (status != CYF_OK) cyf_h5ad_column_destroy(ret_column);
  return status;
}
