/* Files of the latent store: one dataset "latents" [cells, width] a shard, with Fletcher-32 checksums that HDF5
 * verifies as it reads. */
#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/hdf5_util_hdf5.h"
#include "data/latents_internal.h"

enum { CHUNK_BYTES = 1 << 20, FORMAT_VERSION = 1 };

cyf_status cyf_latents_path(const char *directory, int64_t shard, char **ret_path) {
  return cyf_format(ret_path, "%s/latents-%05lld.h5", directory, (long long)shard);
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

static cyf_status write_attributes(const cyf_h5_output *output, hid_t dataset, const cyf_atlas *atlas, int64_t shard,
                                   uint64_t model_checksum, const char *type_name) {
  char checksum[24];
  snprintf(checksum, sizeof(checksum), "%016" PRIx64, model_checksum);
  const int64_t version = FORMAT_VERSION, first = atlas->shards[shard].first_cell;
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

static cyf_status write_file(cyf_h5_output *output, const cyf_atlas *atlas, int64_t shard, uint64_t model_checksum,
                             cyf_latent_type type, int64_t width, const void *packed) {
  const int64_t n = atlas->shards[shard].n_cells;
  const size_t value_bytes = cyf_latent_type_bytes(type);
  const hsize_t shape[2] = {(hsize_t)n, (hsize_t)width};
  hid_t number = make_type(type), space = H5Screate_simple(2, shape, NULL),
        creation = make_creation(n, width, value_bytes);
  hid_t dataset = H5Dcreate2(cyf_h5_output_file(output), "latents", number, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  cyf_status status = cyf_h5_output_check(output, dataset, "latents");
  if (status == CYF_OK)
    status = write_attributes(output, dataset, atlas, shard, model_checksum,
                              type == CYF_LATENT_FLOAT16 ? "float16" : "float32");
  if (status == CYF_OK)
    status = cyf_h5_write_range(output, dataset, number, value_bytes, 0, n, width, "latents", packed);
  cyf_h5_close_id(&dataset);
  cyf_h5_close_id(&creation);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&number);
  return status;
}

cyf_status cyf_latents_write_shard(const char *directory, const cyf_atlas *atlas, int64_t shard,
                                   uint64_t model_checksum, cyf_latent_type type, int64_t width, const float *values) {
  char *path = NULL;
  void *packed = NULL;
  cyf_h5_output *output = NULL;
  cyf_status status = CYF_OK;
  if (shard < 0 || shard >= atlas->n_shards || width < 1)
    return CYF_FAIL(CYF_ERR_INTERNAL, "latents of shard %lld of %lld, width %lld", (long long)shard,
                    (long long)atlas->n_shards, (long long)width);
  CYF_TRY_CLEANUP(cyf_make_directory(directory));
  CYF_TRY_CLEANUP(cyf_latents_path(directory, shard, &path));
  CYF_TRY_CLEANUP(pack(type, atlas->shards[shard].n_cells * width, values, &packed));
  cyf_hdf5_lock();
  status = cyf_h5_output_create(path, &output);
  if (status == CYF_OK) status = write_file(output, atlas, shard, model_checksum, type, width, packed);
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

static cyf_status describe_dataset(hid_t dataset, const char *path, const cyf_atlas *atlas, int64_t shard,
                                   uint64_t model_checksum, cyf_latent_type *ret_type, int64_t *ret_width) {
  char checksum[24];
  snprintf(checksum, sizeof(checksum), "%016" PRIx64, model_checksum);
  CYF_TRY(check_text(dataset, path, "atlas_fingerprint", atlas->fingerprint, "atlas"));
  CYF_TRY(check_text(dataset, path, "model_checksum", checksum, "autoencoder"));
  CYF_TRY(read_type(dataset, path, ret_type));
  int n_dims = 0;
  int64_t shape[4] = {0}, first = -1, n = 0;
  CYF_TRY(cyf_h5_extent(dataset, path, "latents", &n_dims, shape));
  CYF_TRY(cyf_h5_read_int_attribute(dataset, "first_cell", path, 1, &first, &n));
  if (n_dims != 2 || shape[0] != atlas->shards[shard].n_cells || shape[1] < 1 || n != 1 ||
      first != atlas->shards[shard].first_cell)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: latents of %lld cells where the shard has %lld", path, (long long)shape[0],
                    (long long)atlas->shards[shard].n_cells);
  *ret_width = shape[1];
  return CYF_OK;
}

cyf_status cyf_latents_describe(const char *directory, const cyf_atlas *atlas, int64_t shard, uint64_t model_checksum,
                                cyf_latent_type *ret_type, int64_t *ret_width) {
  char *path = NULL;
  CYF_TRY(cyf_latents_path(directory, shard, &path));
  hid_t file = -1, dataset = -1;
  cyf_hdf5_lock();
  cyf_status status = open_dataset(path, &file, &dataset);
  if (status == CYF_OK) status = describe_dataset(dataset, path, atlas, shard, model_checksum, ret_type, ret_width);
  cyf_h5_close_id(&dataset);
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  cyf_free(path);
  return status;
}

cyf_status cyf_latents_read(const char *directory, int64_t shard, cyf_latent_type type, int64_t width, int64_t first,
                            int64_t n, void *ret_values) {
  char *path = NULL;
  CYF_TRY(cyf_latents_path(directory, shard, &path));
  hid_t file = -1, dataset = -1;
  cyf_hdf5_lock();
  cyf_status status = open_dataset(path, &file, &dataset);
  if (status == CYF_OK) {
    hid_t number = make_type(type);
    status =
        cyf_h5_read_range(dataset, number, cyf_latent_type_bytes(type), first, n, width, path, "latents", ret_values);
    cyf_h5_close_id(&number);
  }
  cyf_h5_close_id(&dataset);
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  cyf_free(path);
  return status;
}
