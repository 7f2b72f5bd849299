/* SPDX-License-Identifier: MIT */
/* Units of input cells, the same for any number of ranks. What a unit leaves on disk outlasts a kill, and a later run
 * goes on with the other units. */
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/partial.h"
#include "data/prepare/job.h"

cyf_status cyf_prepare_share_done(const cyf_prepare_job *job, cyf_status local, uint8_t *done, int64_t n) {
  CYF_TRY(cyf_comm_agree(job->comm, local));
  return cyf_comm_broadcast(job->comm, done, n, 0);
}

int64_t cyf_prepare_unit_end(const cyf_prepare_job *job, int64_t unit) {
  const int64_t end = (unit + 1) * job->plan.unit_cells;
  return end < job->summary.n_cells_in ? end : job->summary.n_cells_in;
}

static cyf_status visit_unit(cyf_prepare_job *job, cyf_block_reader *reader, const cyf_unit_visitor *visitor,
                             int64_t unit, void *context) {
  CYF_TRY(visitor->begin(job, unit, context));
  CYF_TRY(cyf_block_reader_visit(reader, unit * job->plan.unit_cells, cyf_prepare_unit_end(job, unit), visitor->block,
                                 context));
  return visitor->end(job, unit, context);
}

cyf_status cyf_prepare_visit_units(cyf_prepare_job *job, const cyf_unit_visitor *visitor, const uint8_t *done,
                                   void *context) {
  cyf_block_reader *reader = NULL;
  cyf_status status = CYF_OK;
  int64_t n_pending = 0, turn = 0;
  for (int64_t u = 0; u < job->plan.n_units; u++) n_pending += !done[u];
  if (n_pending < job->plan.n_units)
    cyf_info("%s: %lld of %lld units are there from before", visitor->what, (long long)(job->plan.n_units - n_pending),
             (long long)job->plan.n_units);
  CYF_TRY(cyf_block_reader_create(job, visitor->with_obs, &reader));
  for (int64_t u = 0; u < job->plan.n_units; u++) {
    if (done[u] || turn++ % job->size != job->rank) continue;
    CYF_TRY_CLEANUP(visit_unit(job, reader, visitor, u, context));
    cyf_log_progress("%s: %.0f %%", visitor->what, 100.0 * (double)turn / (double)n_pending);
  }
cleanup:
  cyf_log_progress_end();
  cyf_block_reader_destroy(&reader);
  return status;
}

static cyf_status result_path(const cyf_prepare_job *job, const char *kind, int64_t number, char **ret_path) {
  return cyf_format(ret_path, "%s/%s/%06lld", job->partial, kind, (long long)number);
}

cyf_status cyf_prepare_has_result(const cyf_prepare_job *job, const char *kind, int64_t number, bool *ret_has) {
  char *path = NULL;
  CYF_TRY(result_path(job, kind, number, &path));
  const cyf_status status = cyf_file_exists(path, ret_has);
  cyf_free(path);
  return status;
}

cyf_status cyf_prepare_store_result(const cyf_prepare_job *job, const char *kind, int64_t number, const int64_t *words,
                                    int64_t n_words) {
  int64_t *sealed = NULL;
  char *path = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(result_path(job, kind, number, &path));
  CYF_TRY_CLEANUP(CYF_NEW(&sealed, n_words + 1));
  memcpy(sealed, words, (size_t)n_words * sizeof(*words));
  sealed[n_words] = (int64_t)cyf_checksum((uint64_t)number, words, (size_t)n_words * sizeof(*words));
  status = cyf_write_bytes_file(path, sealed, (size_t)(n_words + 1) * sizeof(*sealed));
cleanup:
  cyf_free(sealed);
  cyf_free(path);
  return status;
}

cyf_status cyf_prepare_load_result(const cyf_prepare_job *job, const char *kind, int64_t number, int64_t *ret_words,
                                   int64_t n_words) {
  uint8_t *bytes = NULL;
  size_t size = 0;
  char *path = NULL;
  cyf_status status = CYF_OK;
  int64_t seal = 0;
  const size_t wanted = (size_t)n_words * sizeof(*ret_words);
  CYF_TRY_CLEANUP(result_path(job, kind, number, &path));
  CYF_TRY_CLEANUP(cyf_read_bytes_file(path, &bytes, &size));
  if (size == wanted + sizeof(seal)) memcpy(&seal, bytes + wanted, sizeof(seal));
  if (size != wanted + sizeof(seal) || seal != (int64_t)cyf_checksum((uint64_t)number, bytes, wanted)) {
    status = CYF_FAIL(CYF_ERR_IO, "%s: is damaged; begin anew with --fresh", path);
    goto cleanup;
  }
  memcpy(ret_words, bytes, wanted);
cleanup:
  cyf_free(bytes);
  cyf_free(path);
  return status;
}
