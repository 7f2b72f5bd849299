/* SPDX-License-Identifier: MIT */
/* Opening obs and var: anndata's encodings dataframe 0.1.0 and 0.2.0, and the compound datasets that came before. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"

void cyf_h5ad_frame_close(cyf_h5ad_frame *frame) {
  cyf_h5_close_id(&frame->object);
  cyf_free(frame->name);
  cyf_free(frame->index);
  cyf_names_destroy(&frame->columns);
  frame->object = H5I_INVALID_HID;
}

static herr_t add_child(hid_t group, const char *name, const H5L_info_t *info, void *names) {
  (void)group;
  (void)info;
  if (strcmp(name, "__categories") == 0) return 0;
  return cyf_names_add(names, name, NULL) == CYF_OK ? 0 : -1;
}

/* Column names of a group: those of its attribute column-order, or of the objects in it where it has none. */
static cyf_status group_columns(const cyf_h5ad *file, cyf_h5ad_frame *frame) {
  cyf_status status = CYF_OK;
  char **order = NULL;
  int64_t n = 0;
  bool ordered = false;
  CYF_TRY(cyf_h5_has_attribute(frame->object, "column-order", file->path, &ordered));
  if (ordered) {
    CYF_TRY(cyf_h5_read_texts_attribute(frame->object, "column-order", file->path, &order, &n));
    for (int64_t i = 0; i < n && status == CYF_OK; i++) status = cyf_names_add(&frame->columns, order[i], NULL);
    cyf_h5_free_strings(&order, n);
    return status;
  }
  cyf_names all = {0};
  if (H5Literate(frame->object, H5_INDEX_NAME, H5_ITER_INC, NULL, add_child, &all) < 0) {
    status = cyf_h5_cannot_read(frame->object, file->path, frame->name);
  }
  for (int64_t i = 0; i < all.n && status == CYF_OK; i++) {
    if (frame->index && strcmp(all.name[i], frame->index) == 0) continue;
    status = cyf_names_add(&frame->columns, all.name[i], NULL);
  }
  cyf_names_destroy(&all);
  return status;
}

/* Rows of the dataset at `path`, or of the "values" or "codes" of a group there; -1: there are none. */
static cyf_status rows_at(const cyf_h5ad *file, hid_t parent, const char *path, int64_t *ret_n) {
  static const char *const parts[] = {"values", "codes"};
  hsize_t dims[H5S_MAX_RANK] = {0};
  char part[CYF_H5_REASON_SIZE];
  H5I_type_t type = H5I_BADID;
  *ret_n = -1;
  CYF_TRY(cyf_h5_object_type(parent, path, file->path, &type));
  for (int i = 0; type == H5I_GROUP && i < 2; i++) {
    if (snprintf(part, sizeof(part), "%s/%s", path, parts[i]) >= (int)sizeof(part)) continue;
    CYF_TRY(rows_at(file, parent, part, ret_n));
    if (*ret_n >= 0) return CYF_OK;
  }
  if (type != H5I_DATASET) return CYF_OK;
  hid_t dataset = H5Dopen2(parent, path, H5P_DEFAULT), space = H5Dget_space(dataset);
  cyf_status status = CYF_OK;
  if (space < 0)
    status = cyf_h5_cannot_read(dataset, file->path, path);
  else if (H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_dims(space, dims, NULL) == 1)
    *ret_n = (int64_t)dims[0];
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&dataset);
  return status;
}

/* Of a frame that no matrix gives a size: the rows of its index, or of a column. */
static cyf_status count_rows(const cyf_h5ad *file, cyf_h5ad_frame *frame) {
  int64_t n = -1;
  if (frame->index) CYF_TRY(rows_at(file, frame->object, frame->index, &n));
  for (int64_t c = 0; c < frame->columns.n && n < 0; c++)
    CYF_TRY(rows_at(file, frame->object, frame->columns.name[c], &n));
  frame->n_rows = n < 0 ? 0 : n;
  return CYF_OK;
}

/* The index where no attribute names it. */
static cyf_status find_index(const cyf_h5ad *file, cyf_h5ad_frame *frame) {
  static const char *const names[] = {"_index", "index"};
  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
    bool exists = false;
    CYF_TRY(cyf_h5_exists(frame->object, names[i], file->path, &exists));
    if (exists) return cyf_strdup(names[i], &frame->index);
  }
  return CYF_OK;
}

static cyf_status open_group(const cyf_h5ad *file, cyf_h5ad_frame *frame) {
  cyf_status status = CYF_OK;
  hid_t index = H5I_INVALID_HID;
  H5I_type_t type = H5I_BADID;
  int n_dims = 0;
  int64_t shape[4] = {0};
  CYF_TRY(cyf_h5_read_text_attribute(frame->object, "_index", file->path, &frame->index));
  if (!frame->index) CYF_TRY(find_index(file, frame));
  CYF_TRY(group_columns(file, frame));
  if (frame->n_rows < 0) CYF_TRY(count_rows(file, frame));
  if (!frame->index) return CYF_OK;
  CYF_TRY(cyf_h5_object_type(frame->object, frame->index, file->path, &type));
  if (type == H5I_BADID) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: %s names '%s' as its index, which is missing", file->path, frame->name,
                    frame->index);
  }
  if (type != H5I_DATASET) return CYF_OK; /* its length is checked when it is read */
  index = H5Dopen2(frame->object, frame->index, H5P_DEFAULT);
  CYF_TRY_CLEANUP(cyf_h5_extent(index, file->path, frame->name, &n_dims, shape));
  if (n_dims != 1 || shape[0] != frame->n_rows) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s has %lld rows where the matrix has %lld", file->path, frame->name,
                      (long long)shape[0], (long long)frame->n_rows);
  }
cleanup:
  cyf_h5_close_id(&index);
  return status;
}

static cyf_status open_compound(const cyf_h5ad *file, cyf_h5ad_frame *frame) {
  cyf_status status = CYF_OK;
  hid_t type = H5Dget_type(frame->object);
  int n_dims = 0;
  int64_t shape[4] = {0};
  frame->compound = true;
  CYF_TRY_CLEANUP(cyf_h5_extent(frame->object, file->path, frame->name, &n_dims, shape));
  if (frame->n_rows < 0 && n_dims == 1) frame->n_rows = shape[0];
  if (H5Tget_class(type) != H5T_COMPOUND || n_dims != 1 || shape[0] != frame->n_rows) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s is not a table of %lld rows, as the matrix has", file->path, frame->name,
                      (long long)frame->n_rows);
    goto cleanup;
  }
  for (int i = 0; i < H5Tget_nmembers(type); i++) {
    char *member = H5Tget_member_name(type, (unsigned)i);
    status = i == 0 ? cyf_strdup(member, &frame->index) : cyf_names_add(&frame->columns, member, NULL);
    H5free_memory(member);
    CYF_TRY_CLEANUP(status);
  }
cleanup:
  cyf_h5_close_id(&type);
  return status;
}

cyf_status cyf_h5ad_frame_open(const cyf_h5ad *file, const char *path, int64_t n_rows, cyf_h5ad_frame *ret_frame) {
  *ret_frame = (cyf_h5ad_frame){.object = H5I_INVALID_HID, .n_rows = n_rows};
  CYF_TRY(cyf_strdup(path, &ret_frame->name));
  H5I_type_t type = H5I_BADID;
  CYF_TRY(cyf_h5_object_type(file->file, path, file->path, &type));
  if (type == H5I_BADID) {
    if (n_rows < 0) ret_frame->n_rows = 0;
    return CYF_OK;
  }
  ret_frame->object = H5Oopen(file->file, path, H5P_DEFAULT);
  return type == H5I_GROUP ? open_group(file, ret_frame) : open_compound(file, ret_frame);
}
