/* SPDX-License-Identifier: MIT */
/* The latent store's files. They are sealed, and HDF5 checks what it reads against the checksums of its chunks. */
#include "data/latents/latents.h"

#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/h5ad/writer.h"
#include "data/hdf5/hdf5_file.h"
#include "data/hdf5/hdf5_seal.h"
#include "data/latents/latents_internal.h"
#include "kernels/finite.h"

enum { FORMAT_VERSION = 2, NAME_SIZE = 24, CHECKSUM_SIZE = 24 };

void cyf_latents_narrow(int64_t n, const float *values, _Float16 *ret_halves) {
  for (int64_t i = 0; i < n; i++) ret_halves[i] = (_Float16)values[i];
}

void cyf_latents_widen(int64_t n, const _Float16 *halves, float *ret_values) {
  for (int64_t i = 0; i < n; i++) ret_values[i] = (float)halves[i];
}

/* Parts are large enough that files are few, and small enough that ranks share an atlas of any size evenly. */
enum { PART_SHARE = 16, PART_MULTIPLE = 64, PART_CELLS_MAX = 65536 };

static int64_t part_cells(const cyf_atlas *atlas) {
  const int64_t share = (atlas->n_cells + PART_SHARE - 1) / PART_SHARE;
  const int64_t cells = (share + PART_MULTIPLE - 1) / PART_MULTIPLE * PART_MULTIPLE;
  return cells < PART_CELLS_MAX ? cells : PART_CELLS_MAX;
}

int64_t cyf_latents_n_parts(const cyf_atlas *atlas) {
  const int64_t cells = part_cells(atlas);
  return (atlas->n_cells + cells - 1) / cells;
}

void cyf_latents_part(const cyf_atlas *atlas, int64_t part, int64_t *ret_first, int64_t *ret_end) {
  const int64_t cells = part_cells(atlas);
  *ret_first = part * cells;
  *ret_end = *ret_first + cells < atlas->n_cells ? *ret_first + cells : atlas->n_cells;
}

static cyf_status part_path(const char *directory, int64_t part, char **ret_path) {
  return cyf_format(ret_path, "%s/latents-%05lld.h5ad", directory, (long long)part);
}

cyf_status cyf_latents_part_exists(const char *directory, int64_t part, bool *ret_exists) {
  char *path = NULL;
  CYF_TRY(part_path(directory, part, &path));
  const cyf_status status = cyf_file_exists(path, ret_exists);
  cyf_free(path);
  return status;
}

cyf_status cyf_latents_remove_part(const char *directory, int64_t part) {
  char *path = NULL;
  CYF_TRY(part_path(directory, part, &path));
  const cyf_status status = cyf_remove_file(path);
  cyf_free(path);
  return status;
}

static void print_checksum(uint64_t model_checksum, char text[CHECKSUM_SIZE]) {
  snprintf(text, CHECKSUM_SIZE, "%016" PRIx64, model_checksum);
}

/* Fails where latents, as they are stored, are not finite; the first row is cell `first` of the atlas. */
static cyf_status check_finite(const char *path, int64_t first, int64_t n, cyf_latent_type type, int64_t width,
                               const void *values) {
  const cyf_finite_rows said = {CYF_ERR_INPUT, path, "obsm/X_latent",
                                "the file is damaged, or float16 cannot hold it (latents.type=float32)"};
  float piece[1024];
  if (type == CYF_LATENT_FLOAT32) return cyf_rows_check_finite(n, width, values, first, &said);
  for (int64_t at = 0; at < n * width; at += 1024) {
    const int64_t here = n * width - at < 1024 ? n * width - at : 1024;
    cyf_latents_widen(here, (const _Float16 *)values + at, piece);
    const int64_t bad = cyf_find_not_finite(here, piece);
    if (bad >= 0) return cyf_rows_fail_not_finite(at + bad, piece[bad], width, first, &said);
  }
  return CYF_OK;
}

/* ---- writing ---- */

/* What a part holds. */
typedef struct part_content {
  int64_t first, n, width;
  uint64_t model_checksum;
  cyf_latent_type type;
  const float *values;  /* [n, width] */
  const int32_t *codes; /* [n_attributes][n] */
} part_content;

/* Writes a matrix without genes, since an AnnData file needs one. */
static cyf_status write_no_genes(cyf_h5ad_writer *writer, int64_t n) {
  const cyf_names no_genes = {0};
  int64_t *indptr = NULL;
  CYF_TRY(CYF_NEW(&indptr, n + 1));
  const cyf_csr rows = {.n_cells = n, .indptr = indptr};
  cyf_status status = cyf_h5ad_writer_append_csr(writer, &rows);
  cyf_free(indptr);
  CYF_TRY(status);
  return cyf_h5ad_writer_set_genes(writer, &no_genes);
}

/* Names cells by their places in the atlas, so that names stay unique where parts are put together. */
static cyf_status write_cell_names(cyf_h5ad_writer *writer, const part_content *part) {
  char(*text)[NAME_SIZE] = NULL;
  const char **name = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&text, part->n));
  CYF_TRY_CLEANUP(CYF_NEW(&name, part->n));
  for (int64_t i = 0; i < part->n; i++) {
    snprintf(text[i], sizeof(text[i]), "%lld", (long long)(part->first + i));
    name[i] = text[i];
  }
  status = cyf_h5ad_writer_set_cell_names(writer, name, part->n);
cleanup:
  cyf_free(name);
  cyf_free(text);
  return status;
}

static cyf_status write_latents(cyf_h5ad_writer *writer, const char *path, const part_content *part) {
  if (part->type == CYF_LATENT_FLOAT32)
    return cyf_h5ad_writer_set_obsm(writer, "X_latent", part->n, part->width, part->values);
  _Float16 *half = NULL;
  CYF_TRY(CYF_NEW(&half, part->n * part->width));
  cyf_latents_narrow(part->n * part->width, part->values, half);
  cyf_status status = check_finite(path, part->first, part->n, CYF_LATENT_FLOAT16, part->width, half);
  if (status == CYF_OK) status = cyf_h5ad_writer_set_obsm_half(writer, "X_latent", part->n, part->width, half);
  cyf_free(half);
  return status;
}

static cyf_status write_content(cyf_h5ad_writer *writer, const char *path, const cyf_atlas *atlas,
                                const part_content *part) {
  char checksum[CHECKSUM_SIZE];
  print_checksum(part->model_checksum, checksum);
  CYF_TRY(write_no_genes(writer, part->n));
  CYF_TRY(write_cell_names(writer, part));
  for (int64_t a = 0; a < atlas->n_attributes; a++) {
    /* The writer only reads what this points to. */
    const cyf_label_column column = {.attribute = atlas->attributes[a].name,
                                     .categories = atlas->attributes[a].categories,
                                     .code = (int32_t *)(uintptr_t)(part->codes + a * part->n),
                                     .n_cells = part->n};
    CYF_TRY(cyf_h5ad_writer_add_labels(writer, &column));
  }
  CYF_TRY(write_latents(writer, path, part));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "atlas_fingerprint", atlas->fingerprint));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "model_checksum", checksum));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "latents_version", FORMAT_VERSION));
  return cyf_h5ad_writer_set_uns_int(writer, "first_cell", part->first);
}

cyf_status cyf_latents_write_part(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                  cyf_latent_type type, int64_t width, const float *values, const int32_t *codes) {
  const cyf_h5ad_options options = {
      .format = CYF_MATRIX_CSR_FLOAT32, .chunk_values = 64, .checksums = true, .sealed = true};
  char *path = NULL;
  cyf_h5ad_writer *writer = NULL;
  cyf_status status = CYF_OK;
  if (part < 0 || part >= cyf_latents_n_parts(atlas) || width < 1)
    return CYF_FAIL(CYF_ERR_INTERNAL, "latents of part %lld of %lld, width %lld", (long long)part,
                    (long long)cyf_latents_n_parts(atlas), (long long)width);
  int64_t first = 0, end = 0;
  cyf_latents_part(atlas, part, &first, &end);
  const part_content content = {first, end - first, width, model_checksum, type, values, codes};
  CYF_TRY_CLEANUP(cyf_make_directory(directory));
  CYF_TRY_CLEANUP(part_path(directory, part, &path));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_create(path, 0, &options, &writer));
  CYF_TRY_CLEANUP(write_content(writer, path, atlas, &content));
  status = cyf_h5ad_writer_commit(&writer);
cleanup:
  cyf_h5ad_writer_abandon(&writer);
  cyf_free(path);
  return status;
}

/* ---- reading ---- */

static cyf_status open_object(hid_t file, const char *path, const char *name, hid_t *ret_dataset) {
  bool is_dataset = false;
  *ret_dataset = H5I_INVALID_HID;
  CYF_TRY(cyf_h5_is_dataset(file, name, path, &is_dataset));
  if (is_dataset) *ret_dataset = H5Dopen2(file, name, H5P_DEFAULT);
  if (*ret_dataset < 0)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: there is no array %s; it is no part of a latent store", path, name);
  return CYF_OK;
}

/* Checks that a text of uns has the wanted value. `what` says for the message what else the latents would belong to. */
static cyf_status check_text(hid_t file, const char *path, const char *name, const char *wanted, const char *what) {
  hid_t dataset = H5I_INVALID_HID;
  char *text = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(open_object(file, path, name, &dataset));
  CYF_TRY_CLEANUP(cyf_h5_read_text(dataset, path, name, &text));
  if (strcmp(text, wanted) != 0)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: these latents are of another %s (%s; wanted %s)", path, what, text, wanted);
cleanup:
  cyf_free(text);
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status read_int(hid_t file, const char *path, const char *name, int64_t *ret_value) {
  hid_t dataset = H5I_INVALID_HID;
  CYF_TRY(open_object(file, path, name, &dataset));
  hid_t space = H5Dget_space(dataset);
  cyf_status status = CYF_OK;
  if (H5Sget_simple_extent_npoints(space) != 1 ||
      H5Dread(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, ret_value) < 0)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s is not one integer", path, name);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&dataset);
  return status;
}

static hid_t make_type(cyf_latent_type type) {
  return type == CYF_LATENT_FLOAT16 ? cyf_h5_half_type() : H5Tcopy(H5T_IEEE_F32LE);
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

static cyf_status describe(hid_t file, const char *path, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                           cyf_latent_type *ret_type, int64_t *ret_width) {
  char checksum[CHECKSUM_SIZE];
  int64_t part_first = 0, part_end = 0, shape[4] = {0}, first = -1, version = 0;
  int n_dims = 0;
  hid_t dataset = H5I_INVALID_HID;
  cyf_latents_part(atlas, part, &part_first, &part_end);
  print_checksum(model_checksum, checksum);
  CYF_TRY(check_text(file, path, "uns/cytoforge/atlas_fingerprint", atlas->fingerprint, "atlas"));
  CYF_TRY(check_text(file, path, "uns/cytoforge/model_checksum", checksum, "autoencoder"));
  CYF_TRY(read_int(file, path, "uns/cytoforge/first_cell", &first));
  CYF_TRY(read_int(file, path, "uns/cytoforge/latents_version", &version));
  CYF_TRY(open_object(file, path, "obsm/X_latent", &dataset));
  cyf_status status = read_type(dataset, path, ret_type);
  if (status == CYF_OK) status = cyf_h5_extent(dataset, path, "obsm/X_latent", &n_dims, shape);
  cyf_h5_close_id(&dataset);
  CYF_TRY(status);
  if (version != FORMAT_VERSION || n_dims != 2 || shape[0] != part_end - part_first || shape[1] < 1 ||
      first != part_first)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: these latents are not of cells %lld to %lld of the atlas; encode them again",
                    path, (long long)part_first, (long long)part_end);
  *ret_width = shape[1];
  return CYF_OK;
}

cyf_status cyf_latents_describe(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                cyf_latent_type *ret_type, int64_t *ret_width) {
  char *path = NULL;
  CYF_TRY(part_path(directory, part, &path));
  hid_t file = H5I_INVALID_HID;
  cyf_hdf5_lock();
  cyf_status status = cyf_h5_open_file(path, &file);
  if (status == CYF_OK) status = describe(file, path, atlas, part, model_checksum, ret_type, ret_width);
  if (file >= 0) status = cyf_h5_end_reads(file, path, status);
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  cyf_free(path);
  return status;
}

/* Before HDF5 looks at the part. One rank does this for each part, and all act on what it finds. */
static cyf_status verify_part(const char *directory, int64_t part) {
  char *path = NULL;
  bool is_sealed = false; /* parts of 0.1 are not */
  CYF_TRY(part_path(directory, part, &path));
  const cyf_status status = cyf_h5_seal_verify(path, &is_sealed);
  cyf_free(path);
  return status;
}

cyf_status cyf_latents_part_done(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t model_checksum,
                                 cyf_latent_type type, bool *ret_done) {
  cyf_latent_type stored = type;
  int64_t width = 0;
  bool exists = false;
  *ret_done = false;
  CYF_TRY(cyf_latents_part_exists(directory, part, &exists));
  if (!exists) return CYF_OK;
  cyf_status status = verify_part(directory, part);
  if (status == CYF_OK) status = cyf_latents_describe(directory, atlas, part, model_checksum, &stored, &width);
  if (status == CYF_ERR_INPUT) { /* of another model, or damaged: no failure, it will be written anew */
    cyf_debug("%s", cyf_status_message());
    cyf_status_clear();
    return CYF_OK;
  }
  *ret_done = status == CYF_OK && stored == type;
  return status;
}

/* Reads the codes of the cells [first, first + n) of one attribute. */
static cyf_status read_codes(hid_t file, const char *path, const cyf_attribute *attribute, int64_t first, int64_t n,
                             int32_t *ret_codes) {
  char *name = NULL;
  hid_t dataset = H5I_INVALID_HID;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_format(&name, "obs/%s/codes", attribute->name));
  CYF_TRY_CLEANUP(open_object(file, path, name, &dataset));
  CYF_TRY_CLEANUP(cyf_h5_read_range(dataset, H5T_NATIVE_INT32, sizeof(int32_t), first, n, -1, path, name, ret_codes));
  for (int64_t i = 0; i < n && status == CYF_OK; i++)
    if (ret_codes[i] < -1 || ret_codes[i] >= attribute->categories.n)
      status = CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: code %d of %lld labels \"%s\"", path, (int)ret_codes[i],
                        (long long)attribute->categories.n, attribute->name);
cleanup:
  cyf_h5_close_id(&dataset);
  cyf_free(name);
  return status;
}

static cyf_status read_values(hid_t file, const char *path, cyf_latent_type type, int64_t width, int64_t first,
                              int64_t n, void *ret_values) {
  hid_t dataset = H5I_INVALID_HID;
  CYF_TRY(open_object(file, path, "obsm/X_latent", &dataset));
  hid_t number = make_type(type);
  cyf_status status = cyf_h5_read_range(dataset, number, cyf_latent_type_bytes(type), first, n, width, path,
                                        "obsm/X_latent", ret_values);
  cyf_h5_close_id(&number);
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_latents_read(const char *directory, const cyf_atlas *atlas, int64_t part, cyf_latent_type type,
                            int64_t width, int64_t first, int64_t n, void *ret_values, int32_t *ret_codes,
                            int64_t stride) {
  char *path = NULL;
  int64_t part_first = 0, part_end = 0;
  CYF_TRY(part_path(directory, part, &path));
  hid_t file = H5I_INVALID_HID;
  cyf_hdf5_lock();
  cyf_status status = cyf_h5_open_file(path, &file);
  if (status == CYF_OK) status = read_values(file, path, type, width, first, n, ret_values);
  cyf_latents_part(atlas, part, &part_first, &part_end);
  if (status == CYF_OK) status = check_finite(path, part_first + first, n, type, width, ret_values);
  for (int64_t a = 0; a < atlas->n_attributes && status == CYF_OK; a++)
    status = read_codes(file, path, &atlas->attributes[a], first, n, ret_codes + a * stride);
  status = cyf_h5_end_reads(file, path, status);
  cyf_h5_close_id(&file);
  cyf_hdf5_unlock();
  cyf_free(path);
  return status;
}
