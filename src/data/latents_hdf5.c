/* Files of the latent store (latents.h), with Fletcher-32 checksums of the latents that HDF5 verifies as it reads. */
#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/hdf5_util_hdf5.h"
#include "data/latents_internal.h"

enum { CHUNK_BYTES = 1 << 20, FORMAT_VERSION = 2 };

cyf_status cyf_latents_path(const char *directory, int64_t part, char **ret_path) {
  return cyf_format(ret_path, "%s/latents-%05lld.h5", directory, (long long)part);
}

/* IEEE 754 binary16 or binary32, little-endian. The former has no predefined HDF5 type; this is what h5py writes for
 * '<f2'. */
static hid_t make_type(cyf_latent_type type) {
  hid_t made = H5Tcopy(H5T_IEEE_F32LE);
  if (made < 0 || type == CYF_LATENT_FLOAT32) return made;
  if (H5Tset_fields(made, 15, 10, 5, 0, 10) < 0 || H5Tset_size(made, 2) < 0 || H5Tset_ebias(made, 15) < 0)
    cyf_h5_close_id(&made);
  return made;
}

static hid_t make_creation(int64_t n, int64_t width, size_t value_bytes) {
  hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  int64_t rows = CHUNK_BYTES / ((int64_t)value_bytes * width);
  if (rows > n) rows = n;
  if (rows < 1) rows = 1;
  const hsize_t chunk[2] = {(hsize_t)rows, (hsize_t)width};
  if (creation >= 0 && (H5Pset_chunk(creation, 2, chunk) < 0 || H5Pset_fletcher32(creation) < 0 ||
                        H5Pset_obj_track_times(creation, 0) < 0))
    cyf_h5_close_id(&creation);
  return creation;
}

static cyf_status write_attributes(const cyf_h5_output *output, hid_t dataset, const cyf_atlas *atlas, int64_t first,
                                   uint64_t model_checksum, const char *type_name) {
  char checksum[24];
  snprintf(checksum, sizeof(checksum), "%016" PRIx64, model_checksum);
  const int64_t version = FORMAT_VERSION;
  CYF_TRY(cyf_h5_write_text_attribute(output, dataset, "atlas_fingerprint", atlas->fingerprint));
  CYF_TRY(cyf_h5_write_text_attribute(output, dataset, "model_checksum", checksum));
  CYF_TRY(cyf_h5_write_text_attribute(output, dataset, "type", type_name));
  CYF_TRY(cyf_h5_write_ints_attribute(output, dataset, "version", H5T_STD_I64LE, H5T_NATIVE_INT64, &version, -1));
  return cyf_h5_write_ints_attribute(output, dataset, "first_cell", H5T_STD_I64LE, H5T_NATIVE_INT64, &first, -1);
}

/* Numbers of `type` from floats; nearest even. */
static cyf_status pack(cyf_latent_type type, int64_t n, const float *values, void **ret_packed) {
  CYF_TRY(cyf_alloc((size_t)n, cyf_latent_type_bytes(type), ret_packed));
  if (type == CYF_LATENT_FLOAT32) {
    memcpy(*ret_packed, values, (size_t)n * sizeof(*values));
  } else {
    _Float16 *half = *ret_packed;
    for (int64_t i = 0; i < n; i++) half[i] = (_Float16)values[i];
  }
  return CYF_OK;
}

/* What a part holds. */
typedef struct part_content {
  int64_t first, n, width;
  uint64_t model_checksum;
  cyf_latent_type type;
  const void *packed;   /* [n, width] of `type` */
  const int32_t *codes; /* [n_attributes][n] */
} part_content;

static cyf_status write_latents(cyf_h5_output *output, const cyf_atlas *atlas, const part_content *part) {
  const size_t value_bytes = cyf_latent_type_bytes(part->type);
  const hsize_t shape[2] = {(hsize_t)part->n, (hsize_t)part->width};
  hid_t number = make_type(part->type), space = H5Screate_simple(2, shape, NULL),
        creation = make_creation(part->n, part->width, value_bytes);
  hid_t dataset = H5Dcreate2(cyf_h5_output_file(output), "latents", number, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  cyf_status status = cyf_h5_output_check(output, dataset, "latents");
  if (status == CYF_OK)
    status = write_attributes(output, dataset, atlas, part->first, part->model_checksum,
                              part->type == CYF_LATENT_FLOAT16 ? "float16" : "float32");
  if (status == CYF_OK)
    status = cyf_h5_write_range(output, dataset, number, value_bytes, 0, part->n, part->width, "latents", part->packed);
  cyf_h5_close_id(&dataset);
  cyf_h5_close_id(&creation);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&number);
  return status;
}

/* One attribute; its name may hold any character, so groups are numbered. */
static cyf_status write_labels(cyf_h5_output *output, hid_t labels, int64_t a, const cyf_attribute *attribute,
                               const part_content *part) {
  char number[24];
  hid_t group = -1, codes = -1;
  cyf_status status = CYF_OK;
  snprintf(number, sizeof(number), "%lld", (long long)a);
  CYF_TRY_CLEANUP(cyf_h5_create_group(output, labels, number, NULL, NULL, &group));
  CYF_TRY_CLEANUP(cyf_h5_write_text_attribute(output, group, "name", attribute->name));
  CYF_TRY_CLEANUP(cyf_h5_create_dataset(output, group, "codes", H5T_STD_I32LE, 1, &part->n, &codes));
  CYF_TRY_CLEANUP(cyf_h5_write_range(output, codes, H5T_NATIVE_INT32, sizeof(int32_t), 0, part->n, -1, "codes",
                                     part->codes + a * part->n));
  CYF_TRY_CLEANUP(
      cyf_h5_write_strings(output, group, "categories", attribute->categories.name, attribute->categories.n, NULL));
cleanup:
  cyf_h5_close_id(&codes);
  cyf_h5_close_id(&group);
  return status;
}

static cyf_status write_file(cyf_h5_output *output, const cyf_atlas *atlas, const part_content *part) {
  hid_t labels = -1;
  CYF_TRY(write_latents(output, atlas, part));
  CYF_TRY(cyf_h5_create_group(output, cyf_h5_output_file(output), "labels", NULL, NULL, &labels));
  cyf_status status = CYF_OK;
  for (int64_t a = 0; a < atlas->n_attributes && status == CYF_OK; a++)
    status = write_labels(output, labels, a, &atlas->attributes[a], part);
  cyf_h5_close_id(&labels);
  return status;
}

cyf_status cyf_latents_write_part(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                  cyf_latent_type type, int64_t width, const float *values, const int32_t *codes) {
  char *path = NULL;
  void *packed = NULL;
  cyf_h5_output *output = NULL;
  cyf_status status = CYF_OK;
  if (part < 0 || part >= cyf_latents_n_parts(atlas) || width < 1)
    return CYF_FAIL(CYF_ERR_INTERNAL, "latents of part %lld of %lld, width %lld", (long long)part,
                    (long long)cyf_latents_n_parts(atlas), (long long)width);
  int64_t first = 0, end = 0;
  cyf_latents_part(atlas, part, &first, &end);
  CYF_TRY_CLEANUP(cyf_make_directory(directory));
  CYF_TRY_CLEANUP(cyf_latents_path(directory, part, &path));
  CYF_TRY_CLEANUP(pack(type, (end - first) * width, values, &packed));
  const part_content content = {first, end - first, width, model_checksum, type, packed, codes};
  cyf_hdf5_lock();
  status = cyf_h5_output_create(path, &output);
  if (status == CYF_OK) status = write_file(output, atlas, &content);
  if (status == CYF_OK) {
    status = cyf_h5_output_commit(&output);
  } else {
    cyf_h5_output_discard(&output);
  }
  cyf_hdf5_unlock();
cleanup:
  cyf_free_at(&packed);
  cyf_free(path);
  return status;
}

/* ---- reading ---- */

/* Checks that a text attribute has the wanted value; `what` says whose latents they would otherwise be. */
static cyf_status check_text(hid_t dataset, const char *path, const char *attribute, const char *wanted,
                             const char *what) {
  char *text = NULL;
  CYF_TRY(cyf_h5_read_text_attribute(dataset, attribute, path, &text));
  cyf_status status = CYF_OK;
  if (!text || strcmp(text, wanted) != 0)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: these latents are of another %s (%s; wanted %s)", path, what,
                      text ? text : "none", wanted);
  cyf_free(text);
  return status;
}

static cyf_status read_type(hid_t dataset, const char *path, cyf_latent_type *ret_type) {
  hid_t stored = H5Dget_type(dataset), half = make_type(CYF_LATENT_FLOAT16), single = make_type(CYF_LATENT_FLOAT32);
  cyf_status status = CYF_OK;
  if (H5Tequal(stored, half) > 0) {
    *ret_type = CYF_LATENT_FLOAT16;
  } else if (H5Tequal(stored, single) > 0) {
    *ret_type = CYF_LATENT_FLOAT32;
  } else {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: latents are neither float16 nor float32", path);
  }
  cyf_h5_close_id(&stored);
  cyf_h5_close_id(&half);
  cyf_h5_close_id(&single);
  return status;
}

static cyf_status open_dataset(const char *path, hid_t *ret_file, hid_t *ret_dataset) {
  CYF_TRY(cyf_h5_open_file(path, ret_file));
  *ret_dataset = H5Dopen2(*ret_file, "latents", H5P_DEFAULT);
  if (*ret_dataset < 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: holds no latents", path);
  return CYF_OK;
}

static cyf_status describe_dataset(hid_t dataset, const char *path, const cyf_atlas *atlas, int64_t part,
                                   uint64_t model_checksum, cyf_latent_type *ret_type, int64_t *ret_width) {
  char checksum[24];
  int64_t part_first = 0, part_end = 0;
  cyf_latents_part(atlas, part, &part_first, &part_end);
  snprintf(checksum, sizeof(checksum), "%016" PRIx64, model_checksum);
  CYF_TRY(check_text(dataset, path, "atlas_fingerprint", atlas->fingerprint, "atlas"));
  CYF_TRY(check_text(dataset, path, "model_checksum", checksum, "autoencoder"));
  CYF_TRY(read_type(dataset, path, ret_type));
  int n_dims = 0;
  int64_t shape[4] = {0}, first = -1, n = 0, version = 0, n_versions = 0;
  CYF_TRY(cyf_h5_extent(dataset, path, "latents", &n_dims, shape));
  CYF_TRY(cyf_h5_read_int_attribute(dataset, "first_cell", path, 1, &first, &n));
  CYF_TRY(cyf_h5_read_int_attribute(dataset, "version", path, 1, &version, &n_versions));
  if (n_versions != 1 || version != FORMAT_VERSION || n_dims != 2 || shape[0] != part_end - part_first ||
      shape[1] < 1 || n != 1 || first != part_first)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: these latents are not of cells %lld to %lld of the atlas; encode them again",
                    path, (long long)part_first, (long long)part_end);
  *ret_width = shape[1];
  return CYF_OK;
}

cyf_status cyf_latents_describe(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                cyf_latent_type *ret_type, int64_t *ret_width) {
  char *path = NULL;
  CYF_TRY(cyf_latents_path(directory, part, &path));
  hid_t file = -1, dataset = -1;
  cyf_hdf5_lock();
  cyf_status status = open_dataset(path, &file, &dataset);
  if (status == CYF_OK) status = describe_dataset(dataset, path, atlas, part, model_checksum, ret_type, ret_width);
  cyf_h5_close_id(&dataset);
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  cyf_free(path);
  return status;
}

/* Codes of the cells [first, first + n) of one attribute. */
static cyf_status read_codes(hid_t file, const char *path, const cyf_attribute *attribute, int64_t a, int64_t first,
                             int64_t n, int32_t *ret_codes) {
  char name[48];
  snprintf(name, sizeof(name), "labels/%lld/codes", (long long)a);
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  if (dataset < 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: lacks %s, the labels \"%s\"", path, name, attribute->name);
  cyf_status status =
      cyf_h5_read_range(dataset, H5T_NATIVE_INT32, sizeof(int32_t), first, n, -1, path, name, ret_codes);
  for (int64_t i = 0; i < n && status == CYF_OK; i++)
    if (ret_codes[i] < -1 || ret_codes[i] >= attribute->categories.n)
      status = CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: code %d of %lld labels \"%s\"", path, (int)ret_codes[i],
                        (long long)attribute->categories.n, attribute->name);
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_latents_read(const char *directory, const cyf_atlas *atlas, int64_t part, cyf_latent_type type,
                            int64_t width, int64_t first, int64_t n, void *ret_values, int32_t *ret_codes,
                            int64_t stride) {
  char *path = NULL;
  CYF_TRY(cyf_latents_path(directory, part, &path));
  hid_t file = -1, dataset = -1;
  cyf_hdf5_lock();
  cyf_status status = open_dataset(path, &file, &dataset);
  if (status == CYF_OK) {
    hid_t number = make_type(type);
    status =
        cyf_h5_read_range(dataset, number, cyf_latent_type_bytes(type), first, n, width, path, "latents", ret_values);
    cyf_h5_close_id(&number);
  }
  for (int64_t a = 0; a < atlas->n_attributes && status == CYF_OK; a++)
    status = read_codes(file, path, &atlas->attributes[a], a, first, n, ret_codes + a * stride);
  cyf_h5_close_id(&dataset);
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  cyf_free(path);
  return status;
}
