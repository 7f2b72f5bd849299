/* SPDX-License-Identifier: MIT */
#include "data/prepare/prepare.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas/manifest.h"
#include "data/h5ad/look_together.h"
#include "data/prepare/job.h"

/* Ranks' shares of a pass differ by files and blocks, so waiting hours for a slower rank is no failure here. */
static const double timeout_s = 7 * 86400.0;

static cyf_status is_atlas(const char *directory, bool *ret_is) {
  char *path = NULL;
  CYF_TRY(cyf_path_join(directory, "manifest.yaml", &path));
  const cyf_status status = cyf_file_exists(path, ret_is);
  cyf_free(path);
  return status;
}

/* What `prepare` itself puts into an atlas. */
static bool is_atlas_file(const char *name) {
  static const char *const others[] = {"manifest.yaml", "genes.tsv",  "heldout.h5ad", "train.h5ad",
                                       "heldout.sums",  "train.sums", "lock"};
  for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
    if (strcmp(name, others[i]) == 0) return true;
  long long shard = -1;
  char again[32];
  if (sscanf(name, "shard-%lld", &shard) != 1 || shard < 0) return false;
  cyf_atlas_shard_name(shard, again);
  if (strcmp(name, again) == 0) return true;
  memcpy(again + strlen(again) - strlen("h5ad"), "sums", sizeof "sums");
  return strcmp(name, again) == 0;
}

/* Refuses to replace a folder that holds anything but an atlas, since replacing removes the whole folder. */
static cyf_status check_nothing_else(const char *directory) {
  DIR *folder = opendir(directory);
  if (!folder) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(errno));
  cyf_status status = CYF_OK;
  const struct dirent *entry = NULL;
  while (status == CYF_OK && (errno = 0, entry = readdir(folder)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char *path = NULL;
    bool is_directory = false;
    status = cyf_path_join(directory, entry->d_name, &path);
    if (status == CYF_OK) status = cyf_is_directory(path, &is_directory);
    if (status == CYF_OK && (!is_atlas_file(entry->d_name) || is_directory))
      status = CYF_FAIL(CYF_ERR_IO,
                        "%s: is no part of the atlas there, which --force would remove with its folder; move it away "
                        "or give another output",
                        path);
    cyf_free(path);
  }
  if (status == CYF_OK && errno != 0)
    status = CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(errno));
  closedir(folder);
  return status;
}

static cyf_status check_options(const cyf_prepare_options *options) {
  if (!(options->holdout >= 0 && options->holdout < 1))
    return CYF_FAIL(CYF_ERR_USAGE, "--holdout %g is not a fraction in [0, 1)", options->holdout);
  if (options->min_genes < 0 || options->min_cells < 0 || options->cells_per_shard < 0 || options->memory_bytes < 0)
    return CYF_FAIL(CYF_ERR_USAGE, "--min-genes, --min-cells, --shard-cells and --memory must not be negative");
  if (options->genes_path && options->genes_join != CYF_GENES_JOIN_AUTO)
    return CYF_FAIL(CYF_ERR_USAGE, "--genes-join %s and --genes exclude each other: the list says which genes to take",
                    cyf_genes_join_words[options->genes_join]);
  if (!options->output || options->output[0] == '\0') return CYF_FAIL(CYF_ERR_USAGE, "no output directory given");
  return CYF_OK;
}

/* A link to a folder is followed, as with other outputs (cyf_output_target). The atlas takes the place of the folder
 * that it leads to, OUTPUT.partial stands beside that, and the link stays. */
static cyf_status follow_link(char **path) {
  struct stat info;
  if (lstat(*path, &info) != 0 || !S_ISLNK(info.st_mode)) return CYF_OK;
  char *resolved = realpath(*path, NULL);
  if (!resolved)
    return CYF_FAIL(CYF_ERR_IO, "%s is a link that leads nowhere (%s); remove it or give another name", *path,
                    strerror(errno));
  cyf_free(*path);
  const cyf_status status = cyf_strdup(resolved, path);
  free(resolved);
  return status;
}

static cyf_status make_paths(cyf_prepare_job *job) {
  CYF_TRY(cyf_strdup(job->options->output, &job->output));
  for (size_t n = strlen(job->output); n > 1 && job->output[n - 1] == '/'; n--) job->output[n - 1] = '\0';
  CYF_TRY(follow_link(&job->output));
  CYF_TRY(cyf_format(&job->partial, "%s.partial", job->output));
  return cyf_path_join(job->partial, "spill", &job->spill_directory);
}

/* Rank 0, before anything is read: fails where the atlas may not be put. */
static cyf_status claim_output(const cyf_prepare_job *job) {
  bool exists = false, of_atlas = false;
  CYF_TRY(cyf_file_exists(job->output, &exists));
  if (!exists) return CYF_OK;
  if (!job->options->force) return CYF_FAIL(CYF_ERR_IO, "%s: exists already; --force replaces an atlas", job->output);
  CYF_TRY(is_atlas(job->output, &of_atlas));
  if (!of_atlas)
    return CYF_FAIL(CYF_ERR_IO, "%s: exists and is no atlas (no manifest.yaml); not replaced, even with --force",
                    job->output);
  return check_nothing_else(job->output);
}

/* Tells all ranks what the writers of shards found out. Each shard has numbers on one rank and zeros on the others. */
static cyf_status share_shards(cyf_prepare_job *job) {
  for (int64_t s = 0; s < job->n_shards; s++) {
    int64_t numbers[6] = {job->shard[s].first_cell, job->shard[s].n_cells,  job->shard[s].nnz,
                          job->shard_bytes[s],      job->shard_checksum[s], job->shard_sum[s]};
    CYF_TRY(cyf_comm_sum_int64(job->comm, numbers, 6));
    job->shard[s].first_cell = numbers[0];
    job->shard[s].n_cells = numbers[1];
    job->shard[s].nnz = numbers[2];
    job->shard_bytes[s] = numbers[3];
    job->shard_checksum[s] = numbers[4];
    job->shard_sum[s] = numbers[5];
    job->summary.nnz += job->shard[s].nnz;
    job->summary.bytes += job->shard_bytes[s];
  }
  job->summary.n_shards = job->n_shards;
  return CYF_OK;
}

/* Checks that every value and label of every training cell is in the atlas, at its cell and gene. For this the number
 * of cells and values, the sum of counts and the sum of checksums (cyf_entry_checksum) must be those of the inputs. */
static cyf_status compare_with_inputs(cyf_prepare_job *job) {
  const cyf_shard_sums wanted = cyf_prepare_input_sums(job, false);
  cyf_shard_sums read = {0};
  int64_t n_cells = 0;
  for (int64_t s = 0; s < job->n_shards; s++) {
    n_cells += job->shard[s].n_cells;
    read.nnz += job->shard[s].nnz;
    read.sum += job->shard_sum[s];
    read.checksum = cyf_checksum_add(read.checksum, job->shard_checksum[s]);
  }
  if (n_cells != job->summary.n_cells_train || read.nnz != wanted.nnz)
    return CYF_FAIL(CYF_ERR_IO, "%s: %lld of %lld cells and %lld of %lld values read back; is the disk sound?",
                    job->partial, (long long)n_cells, (long long)job->summary.n_cells_train, (long long)read.nnz,
                    (long long)wanted.nnz);
  if (!cyf_shard_sums_agree(&read, &wanted)) return CYF_FAIL(CYF_ERR_IO, CYF_NOT_OF_INPUTS, job->partial);
  job->summary.sum_counts = wanted.sum;
  return CYF_OK;
}

static cyf_status write_manifest(const cyf_prepare_job *job) {
  cyf_atlas atlas = {.n_cells = job->summary.n_cells_train,
                     .n_genes = job->summary.n_genes,
                     .nnz = job->summary.nnz,
                     .kind = job->kind,
                     .target = job->target,
                     .seed = job->options->seed,
                     .genes = job->atlas_genes,
                     .attributes = job->attribute,
                     .n_attributes = job->options->n_labels,
                     .shards = job->shard,
                     .n_shards = job->n_shards};
  cyf_atlas_source *sources = NULL;
  char *text = NULL;
  const uint64_t *checksums = (const uint64_t *)job->shard_checksum;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&sources, job->options->n_inputs));
  for (int64_t i = 0; i < job->options->n_inputs; i++)
    sources[i] = (cyf_atlas_source){job->input[i].path, job->input[i].n_cells, job->input[i].bytes};
  CYF_TRY_CLEANUP(cyf_atlas_make_fingerprint(&atlas, checksums, &atlas.fingerprint));
  CYF_TRY_CLEANUP(cyf_prepare_provenance(job->options, &job->summary, &text));
  const cyf_atlas_provenance provenance = {.sources = sources,
                                           .n_sources = job->options->n_inputs,
                                           .text = text,
                                           .shard_bytes = job->shard_bytes,
                                           .shard_checksums = checksums};
  status = cyf_atlas_write_manifest(&atlas, &provenance, job->partial);
cleanup:
  cyf_free(atlas.fingerprint);
  cyf_free(sources);
  cyf_free(text);
  return status;
}

/* Rank 0: the atlas gets its name. An atlas that stood there goes only once the new one is whole. */
static cyf_status publish(cyf_prepare_job *job) {
  bool replaces = false;
  CYF_TRY(cyf_file_exists(job->output, &replaces));
  CYF_TRY(write_manifest(job));
  /* Hours may have passed since the first check. If this one fails, the same command can still go on from here. */
  if (replaces) CYF_TRY(claim_output(job));
  CYF_TRY(cyf_prepare_clear_work(job));
  if (!replaces) {
    CYF_TRY(cyf_rename(job->partial, job->output));
    job->is_published = true;
    return CYF_OK;
  }
  char *old = NULL;
  CYF_TRY(cyf_format(&old, "%s.replaced", job->output));
  cyf_status status = cyf_remove_tree(old);
  if (status == CYF_OK) status = cyf_rename(job->output, old);
  if (status == CYF_OK) {
    status = cyf_rename(job->partial, job->output);
    job->is_published = status == CYF_OK;
    if (status == CYF_OK) {
      status = cyf_remove_tree(old);
    } else if (rename(old, job->output) != 0) {
      cyf_warn("%s: the former atlas stays under this name", old);
    }
  }
  cyf_free(old);
  return status;
}

static void say_sums(const cyf_prepare_job *job, const char *what, int64_t n_cells, bool heldout) {
  const cyf_shard_sums sums = cyf_prepare_input_sums(job, heldout);
  char sum[64] = "";
  if (job->kind == CYF_EXPRESSION_COUNTS) snprintf(sum, sizeof(sum), ", sum of counts %lld", (long long)sums.sum);
  cyf_info("%s: %lld cells, %lld values%s, checksum %012llx", what, (long long)n_cells, (long long)sums.nnz, sum,
           (unsigned long long)sums.checksum);
}

/* Says what was verified: the files hold what the inputs hold. */
static void say_verified(const cyf_prepare_job *job) {
  say_sums(job, "verified", job->summary.n_cells_train, false);
  if (job->summary.n_cells_heldout > 0) say_sums(job, "verified, held out", job->summary.n_cells_heldout, true);
}

static cyf_status make_atlas(cyf_prepare_job *job) {
  CYF_TRY(cyf_comm_agree(job->comm, job->rank == 0 ? cyf_prepare_claim_partial(job) : CYF_OK));
  CYF_TRY(cyf_prepare_select_cells(job));
  CYF_TRY(cyf_prepare_distribute(job));
  CYF_TRY(cyf_prepare_write_files(job));
  CYF_TRY(share_shards(job));
  CYF_TRY(cyf_comm_agree(job->comm, compare_with_inputs(job)));
  /* The comparison is with what was read, which may have been changing. Each pass and rank opens the files anew. */
  CYF_TRY(cyf_comm_agree(job->comm, cyf_inputs_check(&job->files)));
  say_verified(job);
  return cyf_comm_agree(job->comm, job->rank == 0 ? publish(job) : CYF_OK);
}

static cyf_status run(cyf_prepare_job *job) {
  CYF_TRY(cyf_comm_agree(job->comm, check_options(job->options)));
  CYF_TRY(cyf_comm_agree(job->comm, make_paths(job)));
  CYF_TRY(cyf_comm_agree(job->comm, job->rank == 0 ? claim_output(job) : CYF_OK));
  CYF_TRY(cyf_h5ad_look_together(job->comm, job->options->n_inputs, job->options->inputs));
  CYF_TRY(cyf_comm_agree(job->comm, cyf_prepare_open_inputs(job)));
  CYF_TRY(cyf_prepare_filter_cells(job));
  CYF_TRY(cyf_prepare_detect_kind(job));
  CYF_TRY(cyf_comm_agree(job->comm, cyf_prepare_plan_job(job, false)));
  return job->options->dry_run ? cyf_prepare_print_plan(job) : make_atlas(job);
}

static void job_destroy(cyf_prepare_job *job) {
  cyf_prepare_release_partial(job);
  cyf_prepare_close_inputs(job);
  cyf_cell_fates_destroy(&job->fates);
  cyf_free(job->gene);
  cyf_free(job->gene_new);
  cyf_free(job->shard);
  cyf_free(job->shard_bytes);
  cyf_free(job->shard_checksum);
  cyf_free(job->shard_sum);
  cyf_names_destroy(&job->atlas_genes);
  cyf_free(job->output);
  cyf_free(job->partial);
  cyf_free(job->spill_directory);
}

/* After a failure, what is done stays for the same command to go on with, unless that would only fail again. */
static void keep_partial(const cyf_prepare_job *job) {
  if (job->lock < 0) return; /* OUTPUT.partial is another run's */
  if (job->partial_useless) {
    (void)cyf_remove_tree(job->partial);
  } else {
    cyf_info("%s stays: the same command goes on from there, on any number of ranks (--fresh begins anew)",
             job->partial);
  }
}

cyf_status cyf_prepare(cyf_comm *comm, const cyf_prepare_options *options, cyf_prepare_summary *ret_summary) {
  cyf_prepare_job job = {
      .comm = comm, .rank = cyf_comm_rank(comm), .size = cyf_comm_size(comm), .options = options, .lock = -1};
  cyf_comm_set_timeout(comm, timeout_s);
  const cyf_status status = run(&job);
  /* Failures are agreed, so every rank is here and has closed its files. */
  if (status != CYF_OK && job.rank == 0) keep_partial(&job);
  if (status == CYF_OK && !options->dry_run)
    cyf_info("%s: %lld cells x %lld genes, %lld values in %lld shard%s, %.1f MB", job.output,
             (long long)job.summary.n_cells_train, (long long)job.summary.n_genes, (long long)job.summary.nnz,
             (long long)job.summary.n_shards, job.summary.n_shards == 1 ? "" : "s", (double)job.summary.bytes / 1e6);
  if (ret_summary) *ret_summary = job.summary;
  job_destroy(&job);
  return status;
}
