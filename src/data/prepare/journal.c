/* SPDX-License-Identifier: MIT */
/* OUTPUT.partial: who may work in it, and whether what it holds belongs to this command. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/job.h"

static const char journal_name[] = "journal.txt", lock_name[] = "lock";
/* Folders of units' results and the spill; "cut" tells how shards are cut. */
static const char *const work_folders[] = {"select", "spill", "shards", "cut"};
enum { N_WORK_FOLDERS = 4, N_FILE_FOLDERS = 3 /* all but the first belong to the files */ };

static void print_options(FILE *stream, const cyf_prepare_options *o) {
  fprintf(stream, "cytoforge prepare journal 2\nversion %s\n", CYF_VERSION);
  fprintf(stream, "matrix %s\ngene column %s\n", o->matrix ? o->matrix : "X", o->gene_column ? o->gene_column : "");
  fprintf(stream,
          "min genes %" PRId64 "\nmin cells %" PRId64 "\nholdout %.17g\nseed %" PRIu64 "\nshard cells %" PRId64 "\n",
          o->min_genes, o->min_cells, o->holdout, o->seed, o->cells_per_shard);
  fprintf(stream, "compress %s\n", o->compress ? "gzip" : "none");
  for (int64_t i = 0; i < o->n_labels; i++) fprintf(stream, "label %s\n", o->labels[i]);
  for (int64_t i = 0; i < o->n_keep; i++) fprintf(stream, "keep %s\n", o->keep[i]);
  for (int64_t i = 0; i < o->n_holdout_where; i++) fprintf(stream, "holdout where %s\n", o->holdout_where[i]);
  for (int64_t i = 0; i < o->n_bins; i++) {
    fprintf(stream, "bins %s", o->bins[i].attribute);
    for (int e = 0; e < o->bins[i].n_edges; e++) fprintf(stream, " %.17g", o->bins[i].edge[e]);
    fputc('\n', stream);
  }
  fprintf(stream, "duplicates %d\nid column %s\n", (int)o->duplicates, o->id_column ? o->id_column : "");
}

static void print_file(FILE *stream, const char *what, const char *path) {
  struct stat info = {0};
  const bool there = stat(path, &info) == 0;
  fprintf(stream, "%s %s: %lld bytes, %lld.%09ld", what, path, there ? (long long)info.st_size : -1,
          (long long)info.st_mtim.tv_sec, (long)info.st_mtim.tv_nsec);
}

/* Everything that the atlas follows from, as text: equal text, equal atlas. Every option that changes the atlas must
 * stand here. */
static cyf_status make_journal(const cyf_prepare_job *job, char **ret_text) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  if (!stream) return CYF_FAIL(CYF_ERR_MEMORY, "no memory for the journal of %s", job->partial);
  print_options(stream, job->options);
  if (job->options->genes_path) {
    print_file(stream, "genes", job->options->genes_path);
    fputc('\n', stream);
  }
  if (job->options->label_map_path) {
    print_file(stream, "label map", job->options->label_map_path);
    fputc('\n', stream);
  }
  for (int64_t i = 0; i < job->options->n_inputs; i++) {
    print_file(stream, "input", job->input[i].path);
    fprintf(stream, ", %" PRId64 " cells, %" PRId64 " genes\n", job->input[i].n_cells, job->input[i].n_genes);
  }
  const cyf_status status =
      fclose(stream) == 0 ? cyf_strdup(text, ret_text) : CYF_FAIL(CYF_ERR_MEMORY, "no memory for the journal");
  free(text); /* from open_memstream */
  return status;
}

static cyf_status has_entries(const char *directory, bool *ret_has) {
  *ret_has = false;
  DIR *folder = opendir(directory);
  if (!folder) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(errno));
  const struct dirent *entry = NULL;
  while ((entry = readdir(folder)) != NULL)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, lock_name) != 0)
      *ret_has = true;
  closedir(folder);
  return CYF_OK;
}

/* One run at a time; a killed run's lock goes with it. File systems without locks are trusted. */
static cyf_status lock_partial(cyf_prepare_job *job) {
  char *path = NULL;
  CYF_TRY(cyf_path_join(job->partial, lock_name, &path));
  cyf_status status = CYF_OK;
  job->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (job->lock < 0) {
    status = CYF_FAIL(CYF_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
  } else if (flock(job->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    status = CYF_FAIL(CYF_ERR_IO, "%s: another run of prepare is at work in it", job->partial);
    close(job->lock);
    job->lock = -1;
  }
  cyf_free(path);
  return status;
}

void cyf_prepare_release_partial(cyf_prepare_job *job) {
  if (job->lock >= 0) close(job->lock);
  job->lock = -1;
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
  while (status == CYF_OK && (entry = readdir(folder)) != NULL) {
    char *path = NULL;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || !remove(entry->d_name)) continue;
    status = cyf_path_join(job->partial, entry->d_name, &path);
    if (status == CYF_OK) status = cyf_remove_tree(path);
    cyf_free(path);
  }
  closedir(folder);
  return status;
}

static bool is_h5ad(const char *name) {
  return strstr(name, ".h5ad") != NULL; /* also unfinished ones */
}

static bool is_of_files(const char *name) {
  for (int i = 0; i < N_FILE_FOLDERS; i++)
    if (strcmp(name, work_folders[i + 1]) == 0) return true;
  return is_h5ad(name);
}

static bool is_no_lock(const char *name) {
  return strcmp(name, lock_name) != 0;
}

static bool is_work(const char *name) {
  static const char suffix[] = ".h5ad";
  const size_t length = strlen(name);
  const bool whole = length >= sizeof(suffix) && strcmp(name + length - (sizeof(suffix) - 1), suffix) == 0;
  return !whole && strcmp(name, "genes.tsv") != 0 && strcmp(name, "manifest.yaml") != 0;
}

cyf_status cyf_prepare_clear_files(const cyf_prepare_job *job) {
  CYF_TRY(remove_entries(job, is_of_files));
  return make_folders(job);
}

cyf_status cyf_prepare_clear_work(const cyf_prepare_job *job) {
  return remove_entries(job, is_work);
}

/* The journal goes just before a finished atlas gets its name: a kill in between leaves one. */
static cyf_status no_journal(const cyf_prepare_job *job) {
  char *manifest = NULL;
  CYF_TRY(cyf_path_join(job->partial, "manifest.yaml", &manifest));
  const bool is_finished = cyf_file_exists(manifest);
  cyf_free(manifest);
  if (is_finished)
    return CYF_FAIL(CYF_ERR_IO, "%s: is a finished atlas that lacks its name; rename it to %s", job->partial,
                    job->output);
  return CYF_FAIL(CYF_ERR_IO, "%s: is not of a run of prepare (no %s); move it away", job->partial, journal_name);
}

/* Compares with the journal that is there, if any. */
static cyf_status judge_journal(const cyf_prepare_job *job, const char *path, const char *journal, bool *ret_goes_on) {
  bool has = false;
  char *before = NULL;
  *ret_goes_on = false;
  CYF_TRY(has_entries(job->partial, &has));
  if (!has) return CYF_OK;
  if (!cyf_file_exists(path)) return no_journal(job);
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
  CYF_TRY_CLEANUP(lock_partial(job));
  CYF_TRY_CLEANUP(cyf_path_join(job->partial, journal_name, &path));
  CYF_TRY_CLEANUP(make_journal(job, &journal));
  CYF_TRY_CLEANUP(judge_journal(job, path, journal, &goes_on));
  CYF_TRY_CLEANUP(make_folders(job));
  if (!goes_on) status = cyf_write_text_file(path, journal);
cleanup:
  cyf_free(path);
  cyf_free(journal);
  return status;
}
