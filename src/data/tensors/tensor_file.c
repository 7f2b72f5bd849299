/* SPDX-License-Identifier: MIT */
/* Tensor files: creating, opening and closing, tensors of layouts, arrays with checksums. */
#include "data/tensors/tensor_file.h"

#include <math.h>
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/hdf5/hdf5_seal.h"
#include "data/tensors/tensor_file_internal.h"

/* Stored in each file. A file with a larger one is refused. */
enum { FORMAT_VERSION = 1 };
static const char FORMAT_NAME[] = "cytoforge";

cyf_element cyf_element_float32(void) {
  return (cyf_element){H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, sizeof(float), H5T_FLOAT, "float32 numbers"};
}
cyf_element cyf_element_float64(void) {
  return (cyf_element){H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, sizeof(double), H5T_FLOAT, "float64 numbers"};
}
cyf_element cyf_element_int64(void) {
  return (cyf_element){H5T_STD_I64LE, H5T_NATIVE_INT64, sizeof(int64_t), H5T_INTEGER, "integers"};
}

static void close_file(cyf_tensor_file **file) {
  if (!*file) return;
  if ((*file)->output) {
    cyf_h5_output_discard(&(*file)->output); /* this closes the HDF5 file too */
  } else {
    cyf_h5_close_id(&(*file)->file);
  }
  cyf_free((*file)->path);
  cyf_free(*file);
}

static cyf_status create(const char *path, cyf_tensor_file **ret_file) {
  cyf_status status = CYF_OK;
  cyf_tensor_file *file = NULL;
  int64_t version = FORMAT_VERSION;
  CYF_TRY(CYF_NEW(&file, 1));
  file->file = H5I_INVALID_HID;
  CYF_TRY_CLEANUP(cyf_strdup(path, &file->path));
  CYF_TRY_CLEANUP(cyf_h5_output_create_sealed(path, &file->output));
  file->file = cyf_h5_output_file(file->output);
  CYF_TRY_CLEANUP(cyf_h5_write_text_attribute(file->output, file->file, "format", FORMAT_NAME));
  CYF_TRY_CLEANUP(
      cyf_h5_write_ints_attribute(file->output, file->file, "version", H5T_STD_I64LE, H5T_NATIVE_INT64, &version, -1));
  *ret_file = file;
  return CYF_OK;
cleanup:
  close_file(&file);
  return status;
}

cyf_status cyf_tensor_file_create(const char *path, cyf_tensor_file **ret_file) {
  *ret_file = NULL;
  cyf_hdf5_lock();
  cyf_status status = create(path, ret_file);
  cyf_hdf5_unlock();
  return status;
}

static cyf_status check_format(const cyf_tensor_file *file) {
  cyf_status status = CYF_OK;
  char *format = NULL;
  int64_t version = 0, n = 0;
  CYF_TRY(cyf_h5_read_text_attribute(file->file, "format", file->path, &format));
  if (!format || strcmp(format, FORMAT_NAME) != 0) {
    status = CYF_FAIL(CYF_ERR_INPUT,
                      "%s: an HDF5 file, but not one of cytoforge's (no attribute format = \"cytoforge\")", file->path);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(cyf_h5_read_int_attribute(file->file, "version", file->path, 1, &version, &n));
  if (n != 1 || version < 1 || version > FORMAT_VERSION) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: has format version %lld; this cytoforge reads versions 1 to %d", file->path,
                      (long long)version, (int)FORMAT_VERSION);
  }
cleanup:
  cyf_free(format);
  return status;
}

/* Said once, since a run has many such files. */
static void note_unsealed(const char *path) {
  static bool said = false;
  if (!said)
    cyf_info("%s: was written before files carried a checksum over the whole; those of its arrays are compared", path);
  said = true;
}

static cyf_status open_file(const char *path, cyf_tensor_file **ret_file) {
  cyf_status status = CYF_OK;
  cyf_tensor_file *file = NULL;
  bool is_sealed = false;
  CYF_TRY(cyf_h5_seal_verify(path, &is_sealed)); /* before HDF5 looks at it */
  CYF_TRY(CYF_NEW(&file, 1));
  file->file = H5I_INVALID_HID;
  CYF_TRY_CLEANUP(cyf_strdup(path, &file->path));
  CYF_TRY_CLEANUP(cyf_h5_open_file(path, &file->file));
  CYF_TRY_CLEANUP(check_format(file));
  if (!is_sealed) note_unsealed(path);
cleanup:
  if (file->file >= 0) status = cyf_h5_end_reads(file->file, path, status);
  if (status == CYF_OK) {
    *ret_file = file;
  } else {
    close_file(&file);
  }
  return status;
}

cyf_status cyf_tensor_file_open(const char *path, cyf_tensor_file **ret_file) {
  *ret_file = NULL;
  cyf_hdf5_lock();
  cyf_status status = open_file(path, ret_file);
  cyf_hdf5_unlock();
  return status;
}

static cyf_status commit(cyf_tensor_file *file) {
  if (!file->output || file->failed) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: committed %s", file->path,
                    file->output ? "after a failed write" : "while open for reading");
  }
  cyf_status status = cyf_h5_output_commit(&file->output);
  file->file = H5I_INVALID_HID; /* closed with the output */
  return status;
}

cyf_status cyf_tensor_file_commit(cyf_tensor_file **file) {
  cyf_hdf5_lock();
  cyf_status status = commit(*file);
  close_file(file);
  cyf_hdf5_unlock();
  return status;
}

void cyf_tensor_file_close(cyf_tensor_file **file) {
  if (!file || !*file) return;
  cyf_hdf5_lock();
  close_file(file);
  cyf_hdf5_unlock();
}

const char *cyf_tensor_file_path(const cyf_tensor_file *file) {
  return file->path;
}

cyf_status cyf_tensor_file_has(cyf_tensor_file *file, const char *path, bool *ret_has) {
  cyf_hdf5_lock();
  const cyf_status status = cyf_h5_exists(file->file, path, file->path, ret_has);
  cyf_hdf5_unlock();
  return status;
}

cyf_status cyf_tensor_checksum_write(cyf_tensor_file *file, hid_t dataset, const char *path, uint64_t checksum) {
  cyf_status status =
      cyf_h5_write_ints_attribute(file->output, dataset, "checksum", H5T_STD_U64LE, H5T_NATIVE_UINT64, &checksum, -1);
  return status == CYF_OK ? cyf_h5_output_check(file->output, 0, path) : status;
}

cyf_status cyf_tensor_checksum_verify(cyf_tensor_file *file, hid_t dataset, const char *path, uint64_t checksum) {
  uint64_t stored = 0;
  bool has = false;
  CYF_TRY(cyf_h5_has_attribute(dataset, "checksum", file->path, &has));
  hid_t id = has ? H5Aopen(dataset, "checksum", H5P_DEFAULT) : H5I_INVALID_HID;
  hid_t space = id < 0 ? H5I_INVALID_HID : H5Aget_space(id);
  bool have = id >= 0 && H5Sget_simple_extent_npoints(space) == 1 && H5Aread(id, H5T_NATIVE_UINT64, &stored) >= 0;
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&id);
  if (!have) return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' has no checksum; the file is damaged", file->path, path);
  if (stored != checksum) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' is damaged: its checksum is %016llx where %016llx was written", file->path,
                    path, (unsigned long long)checksum, (unsigned long long)stored);
  }
  return CYF_OK;
}

/* Number of elements of a shape. */
static int64_t count_of(int n_dims, const int64_t *shape) {
  int64_t count = 1;
  for (int d = 0; d < n_dims; d++) count *= shape[d];
  return count;
}

cyf_status cyf_tensor_array_write(cyf_tensor_file *file, const char *path, const cyf_element *element, int n_dims,
                                  const int64_t *shape, const void *values) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  if (!file->output) return CYF_FAIL(CYF_ERR_INTERNAL, "%s: is open for reading", file->path);
  size_t bytes = (size_t)count_of(n_dims, shape) * element->size;
  CYF_TRY_CLEANUP(cyf_h5_create_dataset(file->output, file->file, path, element->file_type, n_dims, shape, &dataset));
  if (n_dims == 0) {
    herr_t result = H5Dwrite(dataset, element->memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    CYF_TRY_CLEANUP(cyf_h5_output_check(file->output, result, path));
  } else {
    int64_t width = n_dims == 2 ? shape[1] : -1;
    CYF_TRY_CLEANUP(cyf_h5_write_range(file->output, dataset, element->memory_type, element->size, 0, shape[0], width,
                                       path, values));
  }
  CYF_TRY_CLEANUP(cyf_tensor_checksum_write(file, dataset, path, cyf_checksum(0, values, bytes)));
cleanup:
  if (status != CYF_OK) file->failed = true;
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_tensor_dataset_open(cyf_tensor_file *file, const char *path, hid_t *ret_dataset, int *ret_n_dims,
                                   int64_t shape[4]) {
  bool is_dataset = false;
  *ret_dataset = H5I_INVALID_HID;
  CYF_TRY(cyf_h5_is_dataset(file->file, path, file->path, &is_dataset));
  if (!is_dataset) return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' is missing", file->path, path);
  *ret_dataset = H5Dopen2(file->file, path, H5P_DEFAULT);
  cyf_status status = cyf_h5_extent(*ret_dataset, file->path, path, ret_n_dims, shape);
  if (status != CYF_OK) cyf_h5_close_id(ret_dataset);
  return status;
}

static void shape_text(int n_dims, const int64_t *shape, char text[80]) {
  size_t used = (size_t)snprintf(text, 80, "[");
  for (int d = 0; d < n_dims; d++)
    used += (size_t)snprintf(text + used, 80 - used, "%s%lld", d ? ", " : "", (long long)shape[d]);
  snprintf(text + used, 80 - used, "]");
}

static cyf_status check_array(const cyf_tensor_file *file, hid_t dataset, const char *path, const cyf_element *element,
                              int n_dims, const int64_t *shape, int found_dims, const int64_t *found) {
  char found_text[80], wanted_text[80];
  hid_t type = H5Dget_type(dataset);
  H5T_class_t class = H5Tget_class(type);
  cyf_h5_close_id(&type);
  if (class != element->class)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' does not hold %s", file->path, path, element->name);
  bool same = found_dims == n_dims;
  for (int d = 0; same && d < n_dims; d++) same = found[d] == shape[d];
  if (same) return CYF_OK;
  shape_text(found_dims, found, found_text);
  shape_text(n_dims, shape, wanted_text);
  return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' has the shape %s where %s is needed", file->path, path, found_text,
                  wanted_text);
}

cyf_status cyf_tensor_array_read(cyf_tensor_file *file, const char *path, const cyf_element *element, int n_dims,
                                 const int64_t *shape, void *values) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  int found_dims = 0;
  int64_t found[4] = {0};
  CYF_TRY(cyf_tensor_dataset_open(file, path, &dataset, &found_dims, found));
  CYF_TRY_CLEANUP(check_array(file, dataset, path, element, n_dims, shape, found_dims, found));
  if (n_dims == 0) {
    if (H5Dread(dataset, element->memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
      status = cyf_h5_cannot_read(dataset, file->path, path);
      goto cleanup;
    }
  } else {
    int64_t width = n_dims == 2 ? shape[1] : -1;
    CYF_TRY_CLEANUP(
        cyf_h5_read_range(dataset, element->memory_type, element->size, 0, shape[0], width, file->path, path, values));
  }
  size_t bytes = (size_t)count_of(n_dims, shape) * element->size;
  CYF_TRY_CLEANUP(cyf_tensor_checksum_verify(file, dataset, path, cyf_checksum(0, values, bytes)));
cleanup:
  cyf_h5_close_id(&dataset);
  return status;
}

/* Writes one tensor by way of `scratch`, which has room for its tensor->count numbers. */
static cyf_status write_tensor(cyf_tensor_file *file, const char *path, const cyf_named_tensor *tensor,
                               const float *flat, float *scratch) {
  cyf_tensor_to_torch_order(tensor, flat, scratch);
  if (tensor->kind == CYF_TENSOR_COUNTER) {
    int64_t counter = llrintf(scratch[0]);
    cyf_element element = cyf_element_int64();
    return cyf_tensor_array_write(file, path, &element, 0, NULL, &counter);
  }
  cyf_element element = cyf_element_float32();
  return cyf_tensor_array_write(file, path, &element, tensor->n_dims, tensor->shape, scratch);
}

static cyf_status read_tensor(cyf_tensor_file *file, const char *path, const cyf_named_tensor *tensor, float *flat,
                              float *scratch) {
  if (tensor->kind == CYF_TENSOR_COUNTER) {
    int64_t counter = 0;
    cyf_element element = cyf_element_int64();
    CYF_TRY(cyf_tensor_array_read(file, path, &element, 0, NULL, &counter));
    scratch[0] = (float)counter;
  } else {
    cyf_element element = cyf_element_float32();
    CYF_TRY(cyf_tensor_array_read(file, path, &element, tensor->n_dims, tensor->shape, scratch));
  }
  cyf_tensor_from_torch_order(tensor, scratch, flat);
  return CYF_OK;
}

static int64_t largest_count(const cyf_layout *layout) {
  int64_t largest = 1;
  for (int64_t i = 0; i < layout->n_tensors; i++) {
    if (layout->tensors[i].count > largest) largest = layout->tensors[i].count;
  }
  return largest;
}

static cyf_status write_layout(cyf_tensor_file *file, const char *group, const cyf_layout *layout, const float *flat) {
  cyf_status status = CYF_OK;
  float *scratch = NULL;
  char *path = NULL;
  bool exists = false;
  if (!file->output) return CYF_FAIL(CYF_ERR_INTERNAL, "%s: is open for reading", file->path);
  /* An empty layout leaves an empty group, so that reading it back is as strict as reading any other. */
  CYF_TRY(cyf_h5_exists(file->file, group, file->path, &exists));
  if (!exists) CYF_TRY(cyf_h5_create_group(file->output, file->file, group, NULL, NULL, NULL));
  CYF_TRY(CYF_NEW(&scratch, largest_count(layout)));
  for (int64_t i = 0; i < layout->n_tensors; i++) {
    CYF_TRY_CLEANUP(cyf_format(&path, "%s/%s", group, layout->tensors[i].name));
    CYF_TRY_CLEANUP(write_tensor(file, path, &layout->tensors[i], flat, scratch));
    cyf_free(path);
  }
cleanup:
  if (status != CYF_OK) file->failed = true;
  cyf_free(path);
  cyf_free(scratch);
  return status;
}

cyf_status cyf_tensor_file_write_layout(cyf_tensor_file *file, const char *group, const cyf_layout *layout,
                                        const float *flat) {
  cyf_hdf5_lock();
  cyf_status status = write_layout(file, group, layout, flat);
  cyf_hdf5_unlock();
  return status;
}

/* The search for a dataset of the group that the layout does not have. */
typedef struct extra_search {
  const cyf_layout *layout;
  const char *where;
  cyf_status status;
  char name[CYF_TENSOR_NAME_MAX];
} extra_search;

static herr_t find_extra(hid_t group, const char *name, const H5L_info_t *info, void *context) {
  (void)info;
  extra_search *search = context;
  bool is_dataset = false;
  search->status = cyf_h5_is_dataset(group, name, search->where, &is_dataset);
  if (search->status != CYF_OK) return -1;
  if (!is_dataset || cyf_layout_find(search->layout, name)) return 0;
  snprintf(search->name, sizeof(search->name), "%s", name);
  return 1;
}

static cyf_status read_layout(cyf_tensor_file *file, const char *group, const cyf_layout *layout, float *flat) {
  cyf_status status = CYF_OK;
  float *scratch = NULL;
  char *path = NULL;
  char reason[CYF_H5_REASON_SIZE];
  H5I_type_t type = H5I_BADID;
  extra_search search = {.layout = layout, .where = file->path};
  CYF_TRY(cyf_h5_object_type(file->file, group, file->path, &type));
  if (type != H5I_GROUP) {
    return CYF_FAIL(CYF_ERR_INPUT, "%s: the group '%s' is missing", file->path, group);
  }
  CYF_TRY(CYF_NEW(&scratch, largest_count(layout)));
  for (int64_t i = 0; i < layout->n_tensors; i++) {
    CYF_TRY_CLEANUP(cyf_format(&path, "%s/%s", group, layout->tensors[i].name));
    CYF_TRY_CLEANUP(read_tensor(file, path, &layout->tensors[i], flat, scratch));
    cyf_free(path);
  }
  const herr_t walked =
      H5Literate_by_name(file->file, group, H5_INDEX_NAME, H5_ITER_INC, NULL, find_extra, &search, H5P_DEFAULT);
  if (walked < 0) cyf_h5_reason(reason);
  CYF_TRY_CLEANUP(search.status);
  CYF_TRY_CLEANUP(cyf_h5_check_reads(file->file, file->path));
  if (walked < 0) {
    status = cyf_h5_unreadable(file->path, group, "listed", reason);
  } else if (search.name[0]) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: '%s/%s' belongs to no tensor of this model", file->path, group, search.name);
  }
cleanup:
  cyf_free(path);
  cyf_free(scratch);
  return status;
}

cyf_status cyf_tensor_file_read_layout(cyf_tensor_file *file, const char *group, const cyf_layout *layout,
                                       float *flat) {
  cyf_hdf5_lock();
  cyf_status status = read_layout(file, group, layout, flat);
  status = cyf_h5_end_reads(file->file, file->path, status);
  cyf_hdf5_unlock();
  return status;
}
