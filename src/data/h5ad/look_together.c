/* SPDX-License-Identifier: MIT */
#include "data/h5ad/look_together.h"

#include <stdbool.h>

#include "base/memory.h"
#include "data/h5ad/other_format.h"
#include "data/h5ad/reader_internal.h"
#include "data/hdf5/hdf5_walk.h"

/* What ranks tell each other of a file. Its device is another number on another machine. */
enum { WALKED, BYTES, CHANGED_S, CHANGED_NS, INODE, NUMBERS };

static void describe(const cyf_file_identity *file, int64_t numbers[NUMBERS]) {
  numbers[BYTES] = file->bytes;
  numbers[CHANGED_S] = file->changed_s;
  numbers[CHANGED_NS] = file->changed_ns;
  numbers[INODE] = (int64_t)file->inode;
}

/* Whether a file is there that may be one of cells; of others the message comes from whoever opens them. */
static bool can_be_looked_at(const char *path, cyf_file_identity *ret_file) {
  const bool can = cyf_other_format_check(path) == CYF_OK && cyf_file_identify(path, ret_file) == CYF_OK;
  if (!can) cyf_status_clear();
  return can && ret_file->is_regular;
}

/* This rank's files; numbers[n][NUMBERS] stay zero of the others, and where a file was not walked. */
static cyf_status look_at_mine(const cyf_comm *comm, int64_t n, const char *const *paths, int64_t *numbers) {
  for (int64_t i = cyf_comm_rank(comm); i < n; i += cyf_comm_size(comm)) {
    cyf_file_identity file;
    if (!paths[i] || !can_be_looked_at(paths[i], &file)) continue;
    CYF_TRY(cyf_h5ad_look_first(paths[i]));
    if (!cyf_h5_was_walked(&file)) continue; /* there was no need to, or it has changed since */
    numbers[i * NUMBERS + WALKED] = 1;
    describe(&file, numbers + i * NUMBERS);
  }
  return CYF_OK;
}

/* Notes the files that another rank has walked, and that this one sees as the same. */
static cyf_status note_walked(int64_t n, const char *const *paths, const int64_t *numbers) {
  for (int64_t i = 0; i < n; i++) {
    const int64_t *theirs = numbers + i * NUMBERS;
    int64_t ours[NUMBERS];
    cyf_file_identity file;
    if (!theirs[WALKED] || !can_be_looked_at(paths[i], &file)) continue;
    describe(&file, ours);
    bool same = true;
    for (int k = BYTES; k < NUMBERS; k++) same = same && ours[k] == theirs[k];
    if (same) CYF_TRY(cyf_h5_note_walked(&file));
  }
  return CYF_OK;
}

cyf_status cyf_h5ad_look_together(cyf_comm *comm, int64_t n, const char *const *paths) {
  int64_t *numbers = NULL;
  if (cyf_comm_size(comm) == 1 || n < 1) return CYF_OK; /* whoever opens them looks at them */
  cyf_status status = CYF_NEW(&numbers, n * NUMBERS);
  if (status == CYF_OK) status = look_at_mine(comm, n, paths, numbers);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(cyf_comm_sum_int64(comm, numbers, n * NUMBERS));
  status = cyf_comm_agree(comm, note_walked(n, paths, numbers));
cleanup:
  cyf_free(numbers);
  return status;
}
