/* SPDX-License-Identifier: MIT */
/** @file
 * Comparing files that cytoforge wrote with the checksums that they carry, whole: every byte of an atlas, a run, a
 * folder of latents or a model. */
#ifndef CYF_TRAIN_VERIFY_H
#define CYF_TRAIN_VERIFY_H

#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"

/** What came of it, over all ranks. */
typedef struct cyf_verified {
  int64_t n_files, n_damaged;
  int64_t n_without; /**< files that carry no checksum, which cytoforge 0.1 wrote */
  int64_t bytes;     /**< that were read */
} cyf_verified;

/** Verifies what is at `path`: an atlas, RUN, a folder of latents, or a file such as model.h5. Ranks share the files.
 * Each damaged file is told in a line of the log, from the rank that found it. Collective. Errors, agreed:
 * CYF_ERR_INPUT where something is damaged, or nothing of cytoforge's is there, CYF_ERR_IO where something cannot be
 * read. */
cyf_status cyf_verify_files(cyf_comm *comm, const char *path, cyf_verified *ret_verified);

#endif
