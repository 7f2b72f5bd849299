/* SPDX-License-Identifier: MIT */
/* Finding and checking X, a layer or raw.X. */
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"
#include "data/hdf5/hdf5_types.h"

enum {
  MOST_GENES = 1 << 27,         /* keeps a row below HDF5's 2 GiB and genes in int32 */
  MOST_CACHE_BYTES = 256 << 20, /* of decompressed chunks a dataset */
  LEAST_CACHE_BYTES = 1 << 20
};

/* Names of the layers for a message, "" when there are none. */
static herr_t add_link_name(hid_t group, const char *name, const H5L_info_t *info, void *text) {
  (void)group;
  (void)info;
  char *list = text;
  size_t used = strlen(list);
  if (used + strlen(name) + 12 < CYF_H5_REASON_SIZE) {
    snprintf(list + used, CYF_H5_REASON_SIZE - used, ", layers/%s", name);
  }
  return 0;
}

static cyf_status no_such_matrix(const cyf_h5ad *file, const char *matrix) {
  char list[CYF_H5_REASON_SIZE] = "";
  bool has_x = false, has_raw = false, has_old_raw = false, is_loom = false;
  H5I_type_t layers = H5I_BADID;
  CYF_TRY(cyf_h5ad_is_loom(file, &is_loom));
  if (is_loom) return cyf_h5ad_refuse_layout(file);
  CYF_TRY(cyf_h5_exists(file->file, "X", file->path, &has_x));
  CYF_TRY(cyf_h5_exists(file->file, "raw/X", file->path, &has_raw));
  CYF_TRY(cyf_h5_exists(file->file, "raw.X", file->path, &has_old_raw));
  CYF_TRY(cyf_h5_object_type(file->file, "layers", file->path, &layers));
  if (has_x) snprintf(list, sizeof(list), ", X");
  if (has_raw || has_old_raw) strcat(list, ", raw/X");
  if (layers == H5I_GROUP) {
    H5Literate_by_name(file->file, "layers", H5_INDEX_NAME, H5_ITER_INC, NULL, add_link_name, list, H5P_DEFAULT);
  }
  if (!list[0]) return cyf_h5ad_refuse_layout(file);
  return CYF_FAIL(CYF_ERR_INPUT, "%s: there is no matrix '%s'; it has: %s", file->path, matrix, list + 2);
}

static cyf_status find_matrix(cyf_h5ad *file, const char *matrix) {
  bool named = strcmp(matrix, "X") == 0 || strcmp(matrix, "raw/X") == 0 || strncmp(matrix, "layers/", 7) == 0;
  if (!named) return CYF_FAIL(CYF_ERR_INPUT, "%s: matrix '%s' is none of X, raw/X and layers/NAME", file->path, matrix);
  bool exists = false, is_loom = false;
  const char *stored = matrix;
  if (strncmp(matrix, "layers/", 7) == 0) CYF_TRY(cyf_h5ad_is_loom(file, &is_loom));
  if (is_loom) return cyf_h5ad_refuse_layout(file);
  CYF_TRY(cyf_h5_exists(file->file, stored, file->path, &exists));
  if (!exists && strcmp(matrix, "raw/X") == 0) {
    stored = "raw.X"; /* before anndata 0.7 */
    CYF_TRY(cyf_h5_exists(file->file, stored, file->path, &exists));
  }
  return exists ? cyf_strdup(stored, &file->matrix) : no_such_matrix(file, matrix);
}

/* Bytes of the dataset's cache of chunks. Consecutive reads share a chunk of a sparse array, or a row of chunks of a
 * dense one; the cache spares reading it twice. */
static size_t cache_bytes(hid_t creation, size_t type_size, int64_t width) {
  hsize_t chunk[2] = {1, 1};
  int n_dims = H5Pget_layout(creation) == H5D_CHUNKED ? H5Pget_chunk(creation, 2, chunk) : 0;
  if (n_dims < 1 || n_dims > 2) return LEAST_CACHE_BYTES;
  double bytes = (double)chunk[0] * (double)type_size;
  if (n_dims == 2) bytes *= (double)chunk[1] * (double)(width / (int64_t)chunk[1] + 1);
  if (bytes < LEAST_CACHE_BYTES) return LEAST_CACHE_BYTES;
  return bytes > MOST_CACHE_BYTES ? MOST_CACHE_BYTES : (size_t)bytes;
}

/* Opens a dataset of the matrix, checks that it holds numbers that we can read, and gives its dimensions. */
static cyf_status open_numbers(const cyf_h5ad *file, const char *path, int n_dims, hid_t *ret_dataset,
                               bool *ret_is_integer, int64_t shape[4]) {
  cyf_status status = CYF_OK;
  char text[CYF_H5_TYPE_TEXT_SIZE];
  hid_t type = H5I_INVALID_HID, creation = H5I_INVALID_HID, access = H5I_INVALID_HID;
  int found_dims = 0;
  bool is_dataset = false;
  CYF_TRY(cyf_h5_is_dataset(file->file, path, file->path, &is_dataset));
  if (!is_dataset) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: %s is missing or not an array", file->path, path);
  }
  hid_t dataset = H5Dopen2(file->file, path, H5P_DEFAULT);
  CYF_TRY_CLEANUP(cyf_h5_extent(dataset, file->path, path, &found_dims, shape));
  type = H5Dget_type(dataset);
  H5T_class_t class = H5Tget_class(type);
  if (found_dims != n_dims) {
    status =
        CYF_FAIL(CYF_ERR_INPUT, "%s: %s has %d dimensions where %d are needed", file->path, path, found_dims, n_dims);
    goto cleanup;
  }
  if (class != H5T_INTEGER && class != H5T_FLOAT && !cyf_h5_is_plain_boolean(type)) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s holds %s, not numbers", file->path, path, cyf_h5_type_text(type, text));
    goto cleanup;
  }
  creation = H5Dget_create_plist(dataset);
  CYF_TRY_CLEANUP(cyf_h5_check_filters(dataset, file->path, path));
  access = H5Pcreate(H5P_DATASET_ACCESS);
  H5Pset_chunk_cache(access, 12421, cache_bytes(creation, H5Tget_size(type), n_dims == 2 ? shape[1] : 0), 0.75);
  cyf_h5_close_id(&dataset);
  *ret_dataset = H5Dopen2(file->file, path, access);
  if (ret_is_integer) *ret_is_integer = class == H5T_INTEGER;
cleanup:
  cyf_h5_close_id(&access);
  cyf_h5_close_id(&creation);
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status take_shape(cyf_h5ad *file, const int64_t shape[2]) {
  if (shape[0] < 0 || shape[1] < 0 || shape[1] > MOST_GENES || shape[0] > INT64_MAX / 64) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: %s has %lld rows and %lld columns; up to %d genes are possible", file->path,
                    file->matrix, (long long)shape[0], (long long)shape[1], (int)MOST_GENES);
  }
  file->n_cells = shape[0];
  file->n_genes = shape[1];
  return CYF_OK;
}

/* Reads and checks the pointers: n_major + 1 of them, from 0 to nnz, never descending, no row longer than its width. */
static cyf_status read_indptr(cyf_h5ad *file, const char *path, int64_t n_major, int64_t n_minor) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  bool is_integer = false;
  int64_t shape[4] = {0};
  CYF_TRY(open_numbers(file, path, 1, &dataset, &is_integer, shape));
  if (shape[0] - 1 != n_major || !is_integer) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s has %lld entries; %lld integers are needed", file->path, path,
                      (long long)shape[0], (long long)n_major + 1);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(CYF_NEW(&file->indptr, n_major + 1));
  CYF_TRY_CLEANUP(cyf_h5_read_range(dataset, H5T_NATIVE_INT64, sizeof(int64_t), 0, n_major + 1, -1, file->path, path,
                                    file->indptr));
  const int64_t *indptr = file->indptr;
  if (indptr[0] != 0 || indptr[n_major] != file->nnz) {
    status = CYF_FAIL(CYF_ERR_INPUT,
                      "%s: %s runs from %lld to %lld; it must run from 0 to %lld, the number of stored values",
                      file->path, path, (long long)indptr[0], (long long)indptr[n_major], (long long)file->nnz);
    goto cleanup;
  }
  for (int64_t i = 0; i < n_major; i++) {
    if (indptr[i + 1] < indptr[i] || indptr[i + 1] > file->nnz || indptr[i + 1] - indptr[i] > n_minor) {
      status = CYF_FAIL(
          CYF_ERR_INPUT, "%s: %s is malformed: entry %lld is %lld after %lld, and at most %lld values fit between",
          file->path, path, (long long)i + 1, (long long)indptr[i + 1], (long long)indptr[i], (long long)n_minor);
      goto cleanup;
    }
  }
cleanup:
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status open_sparse_arrays(cyf_h5ad *file) {
  cyf_status status = CYF_OK;
  char *data = NULL, *indices = NULL, *indptr = NULL;
  bool indices_integer = false;
  int64_t shape[4] = {0};
  CYF_TRY_CLEANUP(cyf_format(&data, "%s/data", file->matrix));
  CYF_TRY_CLEANUP(cyf_format(&indices, "%s/indices", file->matrix));
  CYF_TRY_CLEANUP(cyf_format(&indptr, "%s/indptr", file->matrix));
  CYF_TRY_CLEANUP(open_numbers(file, data, 1, &file->values, NULL, shape));
  file->nnz = shape[0];
  CYF_TRY_CLEANUP(open_numbers(file, indices, 1, &file->indices, &indices_integer, shape));
  if (shape[0] != file->nnz || !indices_integer) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s has %lld entries for %lld values; as many integers are needed", file->path,
                      indices, (long long)shape[0], (long long)file->nnz);
    goto cleanup;
  }
  file->values_bits = cyf_h5ad_packed_bits(file->values);
  file->indices_bits = cyf_h5ad_packed_bits(file->indices);
  cyf_h5ad_deflated_form(file->values, &file->values_form);
  cyf_h5ad_deflated_form(file->indices, &file->indices_form);
  bool csr = file->layout == CYF_LAYOUT_CSR;
  CYF_TRY_CLEANUP(read_indptr(file, indptr, csr ? file->n_cells : file->n_genes, csr ? file->n_genes : file->n_cells));
cleanup:
  cyf_free(data);
  cyf_free(indices);
  cyf_free(indptr);
  return status;
}

static cyf_status open_sparse(cyf_h5ad *file) {
  cyf_status status = CYF_OK;
  char *encoding = NULL;
  int64_t shape[2] = {0}, n = 0;
  hid_t group = H5Gopen2(file->file, file->matrix, H5P_DEFAULT);
  CYF_TRY_CLEANUP(cyf_h5_read_text_attribute(group, "encoding-type", file->path, &encoding));
  if (!encoding)
    CYF_TRY_CLEANUP(cyf_h5_read_text_attribute(group, "h5sparse_format", file->path, &encoding)); /* before 0.7 */
  if (encoding && strncmp(encoding, "csr", 3) == 0) {
    file->layout = CYF_LAYOUT_CSR;
  } else if (encoding && strncmp(encoding, "csc", 3) == 0) {
    file->layout = CYF_LAYOUT_CSC;
  } else {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s has the encoding '%s'; csr_matrix, csc_matrix and arrays can be read",
                      file->path, file->matrix, encoding ? encoding : "none");
    goto cleanup;
  }
  CYF_TRY_CLEANUP(cyf_h5_read_int_attribute(group, "shape", file->path, 2, shape, &n));
  if (n == 0) CYF_TRY_CLEANUP(cyf_h5_read_int_attribute(group, "h5sparse_shape", file->path, 2, shape, &n));
  if (n != 2) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s has no shape attribute of two integers", file->path, file->matrix);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(take_shape(file, shape));
  CYF_TRY_CLEANUP(open_sparse_arrays(file));
cleanup:
  cyf_free(encoding);
  cyf_h5_close_id(&group);
  return status;
}

cyf_status cyf_h5ad_matrix_open(cyf_h5ad *file, const char *matrix) {
  int64_t shape[4] = {0};
  H5I_type_t type = H5I_BADID;
  CYF_TRY(find_matrix(file, matrix));
  CYF_TRY(cyf_h5_object_type(file->file, file->matrix, file->path, &type));
  if (type == H5I_GROUP) return open_sparse(file);
  file->layout = CYF_LAYOUT_DENSE;
  CYF_TRY(open_numbers(file, file->matrix, 2, &file->values, NULL, shape));
  return take_shape(file, shape);
}
