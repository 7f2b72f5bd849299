/* SPDX-License-Identifier: MIT */
#include "train/verify.h"

#include <glob.h>
#include <string.h>

#include "base/files.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas/atlas.h"
#include "data/hdf5/file_sums.h"
#include "data/hdf5/hdf5_seal.h"
#include "saved/settings.h"

/* How a file carries its checksum. */
typedef enum carrier { WITH_SUMS, SEALED, SETTINGS } carrier;

/* What is compared next to what, on this rank. */
typedef struct verification {
  cyf_comm *comm;
  int64_t n_met; /* files so far, the same on every rank: each is of the rank that its number gives */
  cyf_verified *found;
} verification;

static cyf_status compare_with_sums(const char *path, cyf_verified *found) {
  char *sums_path = NULL;
  cyf_file_sums sums = {0};
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_file_sums_path(path, &sums_path));
  CYF_TRY_CLEANUP(cyf_file_sums_read(sums_path, &sums));
  status = cyf_file_sums_compare_file(&sums, path, true, &found->bytes);
cleanup:
  cyf_file_sums_destroy(&sums);
  cyf_free(sums_path);
  return status;
}

static cyf_status compare_with_seal(const char *path, cyf_verified *found) {
  bool is_sealed = false;
  int64_t bytes = 0;
  CYF_TRY(cyf_h5_seal_verify(path, &is_sealed));
  CYF_TRY(cyf_file_size_bytes(path, &bytes));
  if (is_sealed) {
    found->bytes += bytes;
    return CYF_OK;
  }
  found->n_without++;
  cyf_log_any_rank(CYF_LOG_WARN, "%s: carries no checksum of the whole file; it cannot be verified", path);
  return CYF_OK;
}

static cyf_status compare_settings(const char *path) {
  cyf_settings settings = {0};
  const cyf_status status = cyf_settings_read_file(path, &settings);
  if (status == CYF_OK) cyf_settings_destroy(&settings);
  return status;
}

static cyf_status compare(const char *path, carrier how, cyf_verified *found) {
  switch (how) {
    case WITH_SUMS:
      return compare_with_sums(path, found);
    case SEALED:
      return compare_with_seal(path, found);
    case SETTINGS:
      return compare_settings(path);
  }
  return CYF_OK;
}

/* The next file. What is damaged is told and counted; only a failure to read ends the whole. */
static cyf_status meet(verification *v, const char *path, carrier how) {
  const bool is_mine = v->n_met++ % cyf_comm_size(v->comm) == cyf_comm_rank(v->comm);
  if (!is_mine) return CYF_OK;
  if (cyf_interrupt_requested() != 0) return CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal");
  v->found->n_files++;
  cyf_log_progress("verifying %s", path);
  const cyf_status status = compare(path, how, v->found);
  if (status != CYF_ERR_INPUT && status != CYF_ERR_CONFIG) return status;
  v->found->n_damaged++;
  cyf_log_any_rank(CYF_LOG_ERROR, "%s", cyf_status_message());
  cyf_status_clear();
  return CYF_OK;
}

/* Files of a folder of `path` ("" is path itself), which need not be there, that match the pattern, in the order of
 * their names. */
static cyf_status meet_all(verification *v, const char *path, const char *folder, const char *pattern, carrier how) {
  char *whole = NULL, *matching = NULL;
  glob_t found = {0};
  bool exists = false;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_path_join(path, folder, &whole));
  CYF_TRY_CLEANUP(cyf_is_directory(whole, &exists));
  if (!exists) goto cleanup;
  CYF_TRY_CLEANUP(cyf_path_join(whole, pattern, &matching));
  const int outcome = glob(matching, GLOB_ERR, NULL, &found);
  if (outcome != 0 && outcome != GLOB_NOMATCH) status = CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed", whole);
  for (size_t i = 0; outcome == 0 && i < found.gl_pathc && status == CYF_OK; i++)
    status = meet(v, found.gl_pathv[i], how);
  globfree(&found);
cleanup:
  cyf_free(matching);
  cyf_free(whole);
  return status;
}

/* Opening the atlas has compared the manifest, genes.tsv and the sizes of the shards. */
static cyf_status verify_atlas(verification *v, const char *path) {
  cyf_atlas *atlas = NULL;
  CYF_TRY(cyf_atlas_open(path, &atlas));
  v->found->n_files += cyf_comm_rank(v->comm) == 0 ? 2 : 0;
  cyf_status status = CYF_OK;
  if (!atlas->has_sums && cyf_comm_rank(v->comm) == 0) {
    v->found->n_without += atlas->n_shards;
    cyf_warn("%s: was prepared before atlases had checksums of what is stored; its shards cannot be verified", path);
  }
  for (int64_t s = 0; s < atlas->n_shards && atlas->has_sums && status == CYF_OK; s++)
    status = meet(v, atlas->shards[s].path, WITH_SUMS);
  if (atlas->has_sums && status == CYF_OK) status = meet_all(v, path, "", "heldout.h5ad", WITH_SUMS);
  if (atlas->has_sums && status == CYF_OK) status = meet_all(v, path, "", "train.h5ad", WITH_SUMS);
  cyf_atlas_close(&atlas);
  return status;
}

static cyf_status verify_folder(verification *v, const char *path) {
  CYF_TRY(meet_all(v, path, "", "config.yaml", SETTINGS));
  CYF_TRY(meet_all(v, path, "", "model.h5", SEALED));
  CYF_TRY(meet_all(v, path, "checkpoints", "*.h5", SEALED));
  CYF_TRY(meet_all(v, path, "latents", "latents-*.h5ad", SEALED));
  CYF_TRY(meet_all(v, path, "", "latents-*.h5ad", SEALED));
  if (v->n_met > 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: no atlas, run or latents there (no manifest.yaml, model.h5 or checkpoints)",
                  path);
}

static cyf_status verify_path(verification *v, const char *path) {
  bool is_directory = false, is_atlas = false;
  char *manifest = NULL;
  CYF_TRY(cyf_is_directory(path, &is_directory));
  if (!is_directory) return meet(v, path, SEALED);
  CYF_TRY(cyf_path_join(path, "manifest.yaml", &manifest));
  const cyf_status status = cyf_file_exists(manifest, &is_atlas);
  cyf_free(manifest);
  CYF_TRY(status);
  return is_atlas ? verify_atlas(v, path) : verify_folder(v, path);
}

cyf_status cyf_verify_files(cyf_comm *comm, const char *path, cyf_verified *ret_verified) {
  *ret_verified = (cyf_verified){0};
  verification v = {.comm = comm, .found = ret_verified};
  const cyf_status status = verify_path(&v, path);
  cyf_log_progress_end();
  CYF_TRY(cyf_comm_agree(comm, status));
  int64_t numbers[] = {ret_verified->n_files, ret_verified->n_damaged, ret_verified->n_without, ret_verified->bytes};
  CYF_TRY(cyf_comm_sum_int64(comm, numbers, 4));
  *ret_verified = (cyf_verified){numbers[0], numbers[1], numbers[2], numbers[3]};
  if (ret_verified->n_damaged == 0) return CYF_OK;
  return cyf_comm_agree(comm, CYF_FAIL(CYF_ERR_INPUT, "%s: %lld of %lld files are damaged", path,
                                       (long long)ret_verified->n_damaged, (long long)ret_verified->n_files));
}
