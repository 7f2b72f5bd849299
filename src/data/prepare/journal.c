/* SPDX-License-Identifier: MIT */
/* OUTPUT.partial: who may work in it, and whether what it holds belongs to this command. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/files.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/partial.h"
#include "data/prepare/job.h"

static const char journal_name[] = "journal.txt", lock_name[] = "lock";
/* Folders within OUTPUT.partial: results of pass 1, the spill, numbers of finished shards, and how shards were cut. */
static const char *const work_folders[] = {"select", "spill", "shards", "cut"};
enum { N_WORK_FOLDERS = 4, N_FILE_FOLDERS = 3 /* all but the first hold only for one cut into shards */ };

static cyf_status has_entries(const char *directory, bool *ret_has) {
  *ret_has = false;
  DIR *folder = opendir(directory);
  if (!folder) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(errno));
  const struct dirent *entry = NULL;
  while ((errno = 0, entry = readdir(folder)) != NULL)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, lock_name) != 0)
      *ret_has = true;
  const int error = errno;
  closedir(folder);
  return error == 0 ? CYF_OK : CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(error));
}

void cyf_prepare_release_partial(cyf_prepare_job *job) {
  cyf_lock_release_folder(job->is_published ? job->output : job->partial, &job->lock);
}

/* Partial files that a killed run left: a run that goes on writes others. */
static cyf_status remove_left(const cyf_prepare_job *job) {
  for (int i = 0; i < N_WORK_FOLDERS; i++) {
    char *path = NULL;
    CYF_TRY(cyf_path_join(job->partial, work_folders[i], &path));
    const cyf_status status = cyf_partial_remove_left(path, "");
    cyf_free(path);
    CYF_TRY(status);
  }
  return cyf_partial_remove_left(job->partial, "");
}

static cyf_status make_folders(const cyf_prepare_job *job) {
  for (int i = 0; i < N_WORK_FOLDERS; i++) {
    char *path = NULL;
    CYF_TRY(cyf_path_join(job->partial, work_folders[i], &path));
    const cyf_status status = cyf_make_directory(path);
    cyf_free(path);
    CYF_TRY(status);
  }
  return CYF_OK;
}

/* Removes the entries of OUTPUT.partial for which `remove` says so. */
static cyf_status remove_entries(const cyf_prepare_job *job, bool (*remove)(const char *name)) {
  DIR *folder = opendir(job->partial);
  if (!folder) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", job->partial, strerror(errno));
  cyf_status status = CYF_OK;
  const struct dirent *entry = NULL;
  while (status == CYF_OK && (errno = 0, entry = readdir(folder)) != NULL) {
    char *path = NULL;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || !remove(entry->d_name)) continue;
    status = cyf_path_join(job->partial, entry->d_name, &path);
    if (status == CYF_OK) status = cyf_remove_tree(path);
    cyf_free(path);
  }
  if (status == CYF_OK && errno != 0)
    status = CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", job->partial, strerror(errno));
  closedir(folder);
  return status;
}

static bool is_cells(const char *name) { /* or their checksums; also of NAME.h5ad.partial.XXXXXXXX */
  return strstr(name, ".h5ad") != NULL || strstr(name, ".sums") != NULL;
}

static bool is_of_files(const char *name) {
  for (int i = 0; i < N_FILE_FOLDERS; i++)
    if (strcmp(name, work_folders[i + 1]) == 0) return true;
  return is_cells(name);
}

static bool is_no_lock(const char *name) {
  return strcmp(name, lock_name) != 0;
}

static bool ends_in(const char *name, const char *suffix) {
  const size_t length = strlen(name), n = strlen(suffix);
  return length > n && strcmp(name + length - n, suffix) == 0;
}

static bool is_work(const char *name) {
  const bool whole = ends_in(name, ".h5ad") || ends_in(name, ".sums");
  return !whole && is_no_lock(name) && strcmp(name, "genes.tsv") != 0 && strcmp(name, "manifest.yaml") != 0;
}

cyf_status cyf_prepare_clear_files(const cyf_prepare_job *job) {
  CYF_TRY(remove_entries(job, is_of_files));
  return make_folders(job);
}

cyf_status cyf_prepare_clear_work(const cyf_prepare_job *job) {
  return remove_entries(job, is_work);
}

/* OUTPUT.partial without a journal. The journal is removed just before a finished atlas gets its name, and a kill in
 * between leaves such a folder. */
static cyf_status no_journal(const cyf_prepare_job *job) {
  char *manifest = NULL;
  CYF_TRY(cyf_path_join(job->partial, "manifest.yaml", &manifest));
  bool is_finished = false;
  const cyf_status status = cyf_file_exists(manifest, &is_finished);
  cyf_free(manifest);
  CYF_TRY(status);
  if (is_finished)
    return CYF_FAIL(CYF_ERR_IO, "%s: is a finished atlas that lacks its name; rename it to %s", job->partial,
                    job->output);
  return CYF_FAIL(CYF_ERR_IO, "%s: is not of a run of prepare (no %s); move it away", job->partial, journal_name);
}

/* Compares this run's journal with the one in OUTPUT.partial, if any. Where they differ, all work there is removed. */
static cyf_status judge_journal(const cyf_prepare_job *job, const char *path, const char *journal, bool *ret_goes_on) {
  bool has = false;
  char *before = NULL;
  *ret_goes_on = false;
  CYF_TRY(has_entries(job->partial, &has));
  if (!has) return CYF_OK;
  bool exists = false;
  CYF_TRY(cyf_file_exists(path, &exists));
  if (!exists) return no_journal(job);
  CYF_TRY(cyf_read_text_file(path, &before));
  *ret_goes_on = !job->options->fresh && strcmp(before, journal) == 0;
  if (*ret_goes_on) {
    cyf_info("going on with %s", job->partial);
  } else if (!job->options->fresh) {
    cyf_warn("%s: is of other options, or its inputs have changed; beginning anew", job->partial);
  }
  cyf_free(before);
  return *ret_goes_on ? CYF_OK : remove_entries(job, is_no_lock);
}

cyf_status cyf_prepare_claim_partial(cyf_prepare_job *job) {
  char *path = NULL, *journal = NULL;
  bool goes_on = false;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_make_directory(job->partial));
  CYF_TRY_CLEANUP(cyf_lock_folder(job->partial, "prepare", &job->lock));
  CYF_TRY_CLEANUP(remove_left(job));
  CYF_TRY_CLEANUP(cyf_path_join(job->partial, journal_name, &path));
  CYF_TRY_CLEANUP(cyf_prepare_journal_text(job, &journal));
  CYF_TRY_CLEANUP(judge_journal(job, path, journal, &goes_on));
  CYF_TRY_CLEANUP(make_folders(job));
  if (!goes_on) status = cyf_write_text_file(path, journal);
cleanup:
  cyf_free(path);
  cyf_free(journal);
  return status;
}
