/* SPDX-License-Identifier: MIT */
/** @file
 * How fast the loader makes batches, beside plain reads of the same files. */
#ifndef CYF_BENCH_BENCH_LOADER_H
#define CYF_BENCH_BENCH_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/loader/loader.h"

/** One round of the measurement: a plain read of the files, and batches that were taken after it. Numbers are sums over
 * all ranks; seconds are the slowest rank's. */
typedef struct cyf_bench_round {
  int64_t n_cells, n_values; /**< of the batches */
  int64_t bytes, read_bytes; /**< that the loader read; of the plain read */
  int64_t cpu_ns;            /**< processor time while batches were taken */
  double seconds;            /**< that taking batches took */
  double read_seconds;       /**< of the plain read */
} cyf_bench_round;

/** The result. */
typedef struct cyf_loader_bench {
  cyf_bench_round *round; /**< [n_rounds], owned */
  int64_t n_rounds;
  cyf_loader_io io;     /**< how this rank read */
  cyf_bench_round sum;  /**< of all rounds */
  double of_plain_read; /**< median over rounds of cyf_bench_round_ratio */
} cyf_loader_bench;

/** Measures how fast a loader with these options makes batches.
 *
 * Warm: the files are read twice, so that they are in the page cache. Then batches are taken for `seconds`; some before
 * that, which touch the loader's memory for the first time, do not count. Where `epochs` is not 0, so many epochs are
 * taken instead, counted from the first batch on.
 *
 * Cold: after an epoch that does not count, since it touches the loader's memory for the first time, there are `epochs`
 * rounds. Each is a plain read and then an epoch; before either the files are dropped from the page cache.
 *
 * The caller frees the result with cyf_loader_bench_destroy, also after an error. Collective. Errors: those of
 * cyf_loader_create and cyf_loader_next, CYF_ERR_IO where caches cannot be dropped, CYF_ERR_INTERRUPTED; agreed over
 * ranks. */
cyf_status cyf_loader_bench_run(cyf_comm *comm, const cyf_atlas *atlas, const cyf_loader_options *options, bool cold,
                                double seconds, int64_t epochs, cyf_loader_bench *ret_bench);
/** Frees what the result holds. */
void cyf_loader_bench_destroy(cyf_loader_bench *bench);

/** Cells a second of a round's batches, over cells a second of its plain read. The latter is the atlas' cells over the
 * time of reading all files once, so what a loader reads twice at its blocks' ends counts against it. */
double cyf_bench_round_ratio(const cyf_atlas *atlas, const cyf_bench_round *round);

#endif
