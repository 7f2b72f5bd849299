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

/** A plain read of the files and a time of batches after it, over all ranks; seconds are the slowest rank's. */
typedef struct cyf_bench_round {
  int64_t n_cells, n_values, bytes, read_bytes, cpu_ns;
  double seconds, read_seconds;
} cyf_bench_round;

typedef struct cyf_loader_bench {
  cyf_bench_round *round; /**< [n_rounds], owned */
  int64_t n_rounds;
  cyf_loader_io io;     /**< how this rank read */
  cyf_bench_round sum;  /**< of the rounds */
  double of_plain_read; /**< median over rounds of cells/s over the cells/s of the plain read */
} cyf_loader_bench;

/** Collective. Warm: reads the files twice, then takes batches for `seconds`, after some that touch the loader's memory
 * for the first time and do not count; or, where `epochs` is not 0, for so many epochs from the first batch on. Cold:
 * `epochs` rounds, each a plain read and then an epoch, both after dropping the files from the page cache; an epoch
 * before, which touches the loader's memory for the first time, does not count. Errors: those of cyf_loader_create and
 * cyf_loader_next, CYF_ERR_IO where caches cannot be dropped, CYF_ERR_INTERRUPTED; agreed over ranks. To be freed with
 * cyf_loader_bench_destroy also after an error. */
cyf_status cyf_loader_bench_run(cyf_comm *comm, const cyf_atlas *atlas, const cyf_loader_options *options, bool cold,
                                double seconds, int64_t epochs, cyf_loader_bench *ret_bench);
void cyf_loader_bench_destroy(cyf_loader_bench *bench);

/** Cells a second of a round over those that its plain read amounts to: what is read twice at the blocks' ends does not
 * count. */
double cyf_bench_round_ratio(const cyf_atlas *atlas, const cyf_bench_round *round);

#endif
