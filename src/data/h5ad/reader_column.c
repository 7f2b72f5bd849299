/* SPDX-License-Identifier: MIT */
/* Columns of obs and var: their kinds and encodings. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"
#include "data/hdf5/hdf5_types.h"

static cyf_column_kind kind_of_dataset(hid_t dataset) {
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  cyf_column_kind kind =
      type >= 0 && H5Sget_simple_extent_ndims(space) == 1 ? cyf_h5ad_kind_of_type(type) : CYF_COLUMN_UNREADABLE;
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&type);
  return kind;
}

static cyf_column_kind kind_of_field(hid_t dataset, const char *field) {
  hid_t type = H5Dget_type(dataset);
  const int place = H5Tget_class(type) == H5T_COMPOUND ? H5Tget_member_index(type, field) : -1;
  hid_t member = place < 0 ? H5I_INVALID_HID : H5Tget_member_type(type, (unsigned)place);
  const cyf_column_kind kind = member < 0 ? CYF_COLUMN_UNREADABLE : cyf_h5ad_kind_of_type(member);
  cyf_h5_close_id(&member);
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

static cyf_status is_categorical(const cyf_h5ad *file, hid_t group, bool *ret_is) {
  CYF_TRY(cyf_h5_is_dataset(group, "codes", file->path, ret_is));
  return *ret_is ? cyf_h5_exists(group, "categories", file->path, ret_is) : CYF_OK;
}

static cyf_status is_categorical_group(const cyf_h5ad *file, hid_t parent, const char *name, bool *ret_is) {
  hid_t group = H5Gopen2(parent, name, H5P_DEFAULT);
  *ret_is = false;
  const cyf_status status = group < 0 ? CYF_OK : is_categorical(file, group, ret_is);
  cyf_h5_close_id(&group);
  return status;
}

/* values and mask, both arrays */
static cyf_status is_nullable(const cyf_h5ad *file, hid_t group, bool *ret_is) {
  CYF_TRY(cyf_h5_is_dataset(group, "values", file->path, ret_is));
  return *ret_is ? cyf_h5_is_dataset(group, "mask", file->path, ret_is) : CYF_OK;
}

static cyf_status kind_of_object(const cyf_h5ad *file, hid_t object, bool is_dataset, cyf_column_kind *ret_kind) {
  bool is = false;
  if (is_dataset) {
    CYF_TRY(cyf_h5_has_attribute(object, "categories", file->path, &is));
    *ret_kind = is ? CYF_COLUMN_CATEGORICAL : kind_of_dataset(object);
    return CYF_OK;
  }
  CYF_TRY(is_categorical(file, object, &is));
  if (is) {
    *ret_kind = CYF_COLUMN_CATEGORICAL;
    return CYF_OK;
  }
  CYF_TRY(is_nullable(file, object, &is));
  if (!is) return CYF_OK;
  hid_t values = H5Dopen2(object, "values", H5P_DEFAULT);
  *ret_kind = kind_of_dataset(values);
  cyf_h5_close_id(&values);
  return CYF_OK;
}

static cyf_status find_kind(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *column,
                            cyf_column_kind *ret_kind) {
  char path[CYF_H5_REASON_SIZE];
  bool has = false;
  H5I_type_t type = H5I_BADID;
  if (frame->compound) {
    *ret_kind = kind_of_field(frame->object, column);
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

/* Why a dataset or group is no column. */
static void object_fault(const cyf_h5ad *file, hid_t object, bool is_dataset, char text[CYF_H5_REASON_SIZE]) {
  char *encoding = NULL;
  char type_text[CYF_H5_TYPE_TEXT_SIZE];
  if (is_dataset) {
    hid_t type = H5Dget_type(object), space = H5Dget_space(object);
    const int n_dims = H5Sget_simple_extent_ndims(space);
    if (n_dims == 1)
      snprintf(text, CYF_H5_REASON_SIZE, "%s", cyf_h5_type_text(type, type_text));
    else
      snprintf(text, CYF_H5_REASON_SIZE, "%s in %d dimensions", cyf_h5_type_text(type, type_text), n_dims);
    cyf_h5_close_id(&space);
    cyf_h5_close_id(&type);
    return;
  }
  if (cyf_h5_read_text_attribute(object, "encoding-type", file->path, &encoding) != CYF_OK) cyf_status_clear();
  snprintf(text, CYF_H5_REASON_SIZE, "a group of encoding %s", encoding ? encoding : "unknown");
  cyf_free(encoding);
}

const char *cyf_h5ad_column_fault(const cyf_h5ad *file, const cyf_h5ad_frame *frame, const char *column,
                                  char text[CYF_H5_REASON_SIZE]) {
  char type_text[CYF_H5_TYPE_TEXT_SIZE];
  cyf_column_kind kind = CYF_COLUMN_UNREADABLE;
  if (find_kind(file, frame, column, &kind) != CYF_OK) { /* HDF5 cannot open it, and the message says why */
    const char *message = cyf_status_message();
    const size_t length = strlen(file->path);
    const bool names_path = strncmp(message, file->path, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    snprintf(text, CYF_H5_REASON_SIZE, "%s", names_path ? message + length + 2 : message);
    cyf_status_clear();
    return text;
  }
  if (frame->compound) {
    hid_t type = H5Dget_type(frame->object);
    const int place = H5Tget_member_index(type, column);
    hid_t member = place < 0 ? H5I_INVALID_HID : H5Tget_member_type(type, (unsigned)place);
    snprintf(text, CYF_H5_REASON_SIZE, "%s", member < 0 ? "not there" : cyf_h5_type_text(member, type_text));
    cyf_h5_close_id(&member);
    cyf_h5_close_id(&type);
    return text;
  }
  H5I_type_t type = H5I_BADID;
  bool nullable = false;
  if (cyf_h5_object_type(frame->object, column, file->path, &type) != CYF_OK) cyf_status_clear();
  if (type != H5I_DATASET && type != H5I_GROUP) {
    snprintf(text, CYF_H5_REASON_SIZE, "not there");
    return text;
  }
  hid_t object = H5Oopen(frame->object, column, H5P_DEFAULT);
  if (type == H5I_GROUP && cyf_h5_is_dataset(object, "values", file->path, &nullable) != CYF_OK) cyf_status_clear();
  hid_t values = nullable ? H5Dopen2(object, "values", H5P_DEFAULT) : H5I_INVALID_HID;
  object_fault(file, values >= 0 ? values : object, values >= 0 || type == H5I_DATASET, text);
  cyf_h5_close_id(&values);
  cyf_h5_close_id(&object);
  return text;
}

void cyf_h5ad_column_destroy(cyf_column *column) {
  cyf_h5_free_strings(&column->text, column->n);
  cyf_h5_free_strings(&column->category, column->n_categories);
  cyf_free(column->integer);
  cyf_free(column->real);
  cyf_free(column->missing);
  *column = (cyf_column){0};
}

/* A one-dimensional dataset, or a field of one. n < 0: whatever its length. */
static cyf_status read_plain(const cyf_h5ad *file, hid_t dataset, const char *field, int64_t n, const char *name,
                             cyf_column *column) {
  int n_dims = 0;
  int64_t shape[4] = {0};
  CYF_TRY(cyf_h5_extent(dataset, file->path, name, &n_dims, shape));
  if (n_dims != 1 || (n >= 0 && shape[0] != n)) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: column '%s' is not one string, number or Boolean for each of %lld rows",
                    file->path, name, (long long)n);
  }
  return cyf_h5ad_read_values(file, dataset, field, shape[0], name, column);
}

/* Turns a column of integers into a categorical one whose categories are the elements of `categories`. */
static cyf_status make_categorical(const cyf_h5ad *file, const cyf_column *categories, const char *name,
                                   cyf_column *column) {
  if (column->kind != CYF_COLUMN_INTEGER || column->is_unsigned)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: the codes of '%s' are not integers below 2^63", file->path, name);
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
  if (mask.kind != CYF_COLUMN_BOOLEAN && mask.kind != CYF_COLUMN_INTEGER) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: the mask of '%s' is not Boolean", file->path, name);
    goto cleanup;
  }
  if (!column->missing) CYF_TRY_CLEANUP(CYF_NEW(&column->missing, column->n)); /* an enumeration may have NA besides */
  for (int64_t i = 0; i < column->n; i++)
    column->missing[i] = column->missing[i] || mask.integer[i] != 0 || (mask.missing && mask.missing[i]);
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
  bool referenced = false, categorical = false;
  H5I_type_t type = H5I_BADID;
  CYF_TRY(cyf_h5_object_type(frame->object, name, file->path, &type));
  if (type == H5I_DATASET) {
    hid_t dataset = H5Dopen2(frame->object, name, H5P_DEFAULT);
    cyf_status status = cyf_h5_has_attribute(dataset, "categories", file->path, &referenced);
    if (status == CYF_OK)
      status = referenced ? read_referenced(file, dataset, frame->n_rows, name, column)
                          : read_plain(file, dataset, NULL, frame->n_rows, name, column);
    cyf_h5_close_id(&dataset);
    return status;
  }
  if (type == H5I_GROUP) CYF_TRY(is_categorical_group(file, frame->object, name, &categorical));
  if (categorical) return read_categorical_group(file, frame->object, name, frame->n_rows, column);
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
