/* SPDX-License-Identifier: MIT */
/* What a file holds beside one matrix: its matrices' names, obs and var alone, and what cytoforge wrote of X. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/other_format.h"
#include "data/h5ad/reader_internal.h"

static herr_t add_layer(hid_t group, const char *name, const H5L_info_t *info, void *names) {
  (void)group;
  (void)info;
  char *path = NULL;
  cyf_status status = cyf_format(&path, "layers/%s", name);
  if (status == CYF_OK) status = cyf_names_add(names, path, NULL);
  cyf_free(path);
  return status == CYF_OK ? 0 : -1;
}

static cyf_status list_matrices(hid_t file, const char *path, cyf_names *ret_matrices) {
  bool x = false, raw = false, old_raw = false;
  H5I_type_t layers = H5I_BADID;
  CYF_TRY(cyf_h5_exists(file, "X", path, &x));
  CYF_TRY(cyf_h5_exists(file, "raw/X", path, &raw));
  CYF_TRY(cyf_h5_exists(file, "raw.X", path, &old_raw));
  if (x) CYF_TRY(cyf_names_add(ret_matrices, "X", NULL));
  if (raw || old_raw) CYF_TRY(cyf_names_add(ret_matrices, "raw/X", NULL));
  CYF_TRY(cyf_h5_object_type(file, "layers", path, &layers));
  if (layers != H5I_GROUP) return CYF_OK;
  if (H5Literate_by_name(file, "layers", H5_INDEX_NAME, H5_ITER_INC, NULL, add_layer, ret_matrices, H5P_DEFAULT) < 0)
    return cyf_h5_cannot_read(file, path, "layers");
  return CYF_OK;
}

cyf_status cyf_h5ad_list_matrices(const char *path, cyf_names *ret_matrices) {
  hid_t file = H5I_INVALID_HID;
  *ret_matrices = (cyf_names){0};
  CYF_TRY(cyf_h5ad_look_first(path));
  cyf_hdf5_lock();
  cyf_status status = cyf_h5_open_file(path, &file);
  if (status == CYF_OK) status = cyf_h5_end_reads(file, path, list_matrices(file, path, ret_matrices));
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_names_destroy(ret_matrices);
  return status;
}

/* obs and var of this file open as ones of a matrix of their size, which is not read. */
static cyf_status open_tables(const char *path, cyf_h5ad *file) {
  CYF_TRY(cyf_strdup(path, &file->path));
  CYF_TRY(cyf_strdup("X", &file->matrix));
  file->layout = CYF_LAYOUT_DENSE;
  CYF_TRY(cyf_other_format_check(path));
  CYF_TRY(cyf_h5ad_look_first(path));
  CYF_TRY(cyf_h5_open_file(path, &file->file));
  CYF_TRY(cyf_h5ad_check_layout(file));
  CYF_TRY(cyf_h5ad_frame_open(file, "obs", -1, &file->obs));
  CYF_TRY(cyf_h5ad_frame_open(file, "var", -1, &file->var));
  file->n_cells = file->obs.n_rows;
  file->n_genes = file->var.n_rows;
  return CYF_OK;
}

cyf_status cyf_h5ad_open_tables(const char *path, cyf_h5ad **ret_file) {
  cyf_h5ad *file = NULL;
  *ret_file = NULL;
  CYF_TRY(CYF_NEW(&file, 1));
  file->file = file->values = file->indices = file->obs.object = file->var.object = H5I_INVALID_HID;
  cyf_hdf5_lock();
  cyf_status status = open_tables(path, file);
  if (file->file >= 0) status = cyf_h5_end_reads(file->file, path, status);
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_h5ad_close(&file);
  *ret_file = file;
  return status;
}

const char *cyf_h5ad_matrix(const cyf_h5ad *file) {
  return strcmp(file->matrix, "raw.X") == 0 ? "raw/X" : file->matrix;
}

static cyf_status read_real(const cyf_h5ad *file, const char *path, double *ret_real) {
  H5I_type_t kind = H5I_BADID;
  CYF_TRY(cyf_h5_object_type(file->file, path, file->path, &kind));
  if (kind != H5I_DATASET) return CYF_OK;
  hid_t dataset = H5Dopen2(file->file, path, H5P_DEFAULT), space = H5Dget_space(dataset), type = H5Dget_type(dataset);
  cyf_status status = CYF_OK;
  if (H5Sget_simple_extent_npoints(space) != 1 || H5Tget_class(type) != H5T_FLOAT)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s is not one number", file->path, path);
  else if (H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, ret_real) < 0)
    status = cyf_h5_cannot_read(dataset, file->path, path);
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status read_expression(const cyf_h5ad *file, char **ret_word, double *ret_target) {
  static const char word_path[] = "uns/cytoforge/expression";
  H5I_type_t type = H5I_BADID;
  CYF_TRY(cyf_h5_object_type(file->file, word_path, file->path, &type));
  if (type != H5I_DATASET) return CYF_OK;
  hid_t dataset = H5Dopen2(file->file, word_path, H5P_DEFAULT);
  cyf_status status = cyf_h5_read_text(dataset, file->path, word_path, ret_word);
  cyf_h5_close_id(&dataset);
  if (status == CYF_OK) status = read_real(file, "uns/cytoforge/target", ret_target);
  return status;
}

cyf_status cyf_h5ad_read_expression(cyf_h5ad *file, char **ret_word, double *ret_target) {
  *ret_word = NULL;
  *ret_target = 0;
  if (strcmp(file->matrix, "X") != 0) return CYF_OK;
  cyf_hdf5_lock();
  const cyf_status status = read_expression(file, ret_word, ret_target);
  cyf_hdf5_unlock();
  if (status != CYF_OK) cyf_free(*ret_word);
  return status;
}

double cyf_h5ad_roundoff(cyf_h5ad *file) {
  enum { MANTISSA_BITS = 23 /* values are read as float32 */ };
  size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, bits = MANTISSA_BITS;
  cyf_hdf5_lock();
  hid_t type = H5Dget_type(file->values);
  if (H5Tget_class(type) != H5T_FLOAT || H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &bits) < 0 ||
      bits > MANTISSA_BITS)
    bits = MANTISSA_BITS;
  cyf_h5_close_id(&type);
  cyf_hdf5_unlock();
  return ldexp(1, -1 - (int)bits);
}
