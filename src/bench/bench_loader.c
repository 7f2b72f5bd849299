/* SPDX-License-Identifier: MIT */
#include "bench/bench_loader.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "bench/bench.h"

/* Drops the caches on every machine. Collective. */
static cyf_status drop_cache(cyf_comm *comm, const cyf_atlas *atlas) {
  CYF_TRY(cyf_comm_barrier(comm));
  return cyf_comm_agree(comm, cyf_comm_local_rank(comm) == 0 ? cyf_bench_drop_cache(atlas) : CYF_OK);
}

/* A plain read of all files, each by one rank. Collective. */
static cyf_status read_plainly(cyf_comm *comm, const cyf_atlas *atlas, cyf_bench_round *round) {
  CYF_TRY(cyf_comm_barrier(comm));
  return cyf_comm_agree(
      comm, cyf_bench_read(atlas, cyf_comm_rank(comm), cyf_comm_size(comm), &round->read_bytes, &round->read_seconds));
}

/* Takes one batch and counts it. */
static cyf_status take_batch(cyf_loader *loader, cyf_bench_round *round) {
  cyf_batch batch;
  if (cyf_interrupt_requested()) return CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal");
  CYF_TRY(cyf_loader_next(loader, &batch));
  round->n_cells += batch.cells.n_cells;
  round->n_values += batch.cells.indptr[batch.cells.n_cells];
  return CYF_OK;
}

static cyf_status take_epochs(cyf_loader *loader, int64_t epochs, cyf_bench_round *round) {
  const int64_t n = epochs * cyf_loader_batches_per_epoch(loader);
  for (int64_t i = 0; i < n; i++) CYF_TRY(take_batch(loader, round));
  return CYF_OK;
}

/* As many cells as all windows hold, so that their memory and the batches' has been touched. */
static cyf_status warm_up(const cyf_loader_options *options, cyf_loader *loader) {
  const int64_t cells = options->n_lanes * options->window_blocks * options->block_cells;
  cyf_bench_round not_counted = {0};
  for (int64_t i = 0; i < cells / options->batch_cells + 1; i++) CYF_TRY(take_batch(loader, &not_counted));
  return CYF_OK;
}

static cyf_status take_for(cyf_loader *loader, double seconds, cyf_bench_round *round) {
  const double start = cyf_clock_s();
  while (cyf_clock_s() - start < seconds) CYF_TRY(take_batch(loader, round));
  return CYF_OK;
}

/* Waits until the loader has read and decoded all that it keeps ahead, and stands still. Gives the time, and the
 * processor time used so far, when it did something last. An epoch measured from one standstill to the next holds
 * exactly one epoch's work: none was done before, none is left over. */
static cyf_status await_idle(cyf_loader *loader, double *ret_clock_s, int64_t *ret_cpu_ns) {
  static const struct timespec poll = {0, 1000000};
  static const double idle_s = 0.25; /* longer than a slow disk takes for a read */
  int64_t bytes = -1, ready = -1;
  for (;;) {
    if (cyf_interrupt_requested()) return CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal");
    const int64_t bytes_now = cyf_loader_bytes_read(loader), ready_now = cyf_loader_batches_ready(loader);
    const double now = cyf_clock_s();
    if (bytes_now != bytes || ready_now != ready) {
      bytes = bytes_now;
      ready = ready_now;
      *ret_clock_s = now;
      *ret_cpu_ns = cyf_cpu_time_ns();
    } else if (now - *ret_clock_s > idle_s) {
      return CYF_OK;
    }
    (void)nanosleep(&poll, NULL);
  }
}

/* Takes one epoch with a cold page cache, measured from standstill to standstill (await_idle). Not collective. */
static cyf_status take_cold_epoch(cyf_loader *loader, cyf_bench_round *round) {
  const double start = cyf_clock_s();
  const int64_t cpu_start = cyf_cpu_time_ns(), bytes_start = cyf_loader_bytes_read(loader);
  double end = 0;
  int64_t cpu_end = 0;
  CYF_TRY(take_epochs(loader, 1, round));
  CYF_TRY(await_idle(loader, &end, &cpu_end));
  round->seconds = end - start;
  round->cpu_ns = cpu_end - cpu_start;
  round->bytes = cyf_loader_bytes_read(loader) - bytes_start;
  return CYF_OK;
}

static cyf_status measure_cold(cyf_comm *comm, const cyf_atlas *atlas, cyf_loader *loader, cyf_loader_bench *bench) {
  cyf_bench_round first = {0};
  CYF_TRY(drop_cache(comm, atlas));
  CYF_TRY(cyf_comm_agree(comm, take_cold_epoch(loader, &first)));
  for (int64_t r = 0; r < bench->n_rounds; r++) {
    CYF_TRY(drop_cache(comm, atlas));
    CYF_TRY(read_plainly(comm, atlas, &bench->round[r]));
    CYF_TRY(drop_cache(comm, atlas));
    CYF_TRY(cyf_comm_barrier(comm));
    CYF_TRY(cyf_comm_agree(comm, take_cold_epoch(loader, &bench->round[r])));
  }
  return CYF_OK;
}

/* The second plain read counts: it is of files that the first has brought into the page cache. */
static cyf_status measure_warm(cyf_comm *comm, const cyf_atlas *atlas, const cyf_loader_options *options,
                               cyf_loader *loader, double seconds, int64_t epochs, cyf_bench_round *round) {
  for (int i = 0; i < 2; i++) CYF_TRY(read_plainly(comm, atlas, round));
  CYF_TRY(cyf_comm_agree(comm, epochs > 0 ? CYF_OK : warm_up(options, loader)));
  CYF_TRY(cyf_comm_barrier(comm));
  const double start = cyf_clock_s();
  const int64_t cpu_start = cyf_cpu_time_ns(), bytes_start = cyf_loader_bytes_read(loader);
  CYF_TRY(cyf_comm_agree(comm, epochs > 0 ? take_epochs(loader, epochs, round) : take_for(loader, seconds, round)));
  round->seconds = cyf_clock_s() - start;
  round->cpu_ns = cyf_cpu_time_ns() - cpu_start;
  round->bytes = cyf_loader_bytes_read(loader) - bytes_start;
  return CYF_OK;
}

double cyf_bench_round_ratio(const cyf_atlas *atlas, const cyf_bench_round *round) {
  return (double)round->n_cells / round->seconds / ((double)atlas->n_cells / round->read_seconds);
}

static cyf_status gather_round(cyf_comm *comm, cyf_bench_round *round) {
  int64_t sums[5] = {round->n_cells, round->n_values, round->bytes, round->read_bytes, round->cpu_ns};
  double most[2] = {round->seconds, round->read_seconds};
  CYF_TRY(cyf_comm_sum_int64(comm, sums, 5));
  CYF_TRY(cyf_comm_max_double(comm, most, 2));
  *round = (cyf_bench_round){sums[0], sums[1], sums[2], sums[3], sums[4], most[0], most[1]};
  return CYF_OK;
}

static int by_value(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static cyf_status summarize(cyf_comm *comm, const cyf_atlas *atlas, cyf_loader_bench *bench) {
  double *ratio = NULL;
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&ratio, bench->n_rounds)));
  cyf_status status = CYF_OK;
  for (int64_t r = 0; r < bench->n_rounds; r++) {
    cyf_bench_round *sum = &bench->sum, *round = &bench->round[r];
    CYF_TRY_CLEANUP(gather_round(comm, round));
    *sum = (cyf_bench_round){
        sum->n_cells + round->n_cells,          sum->n_values + round->n_values, sum->bytes + round->bytes,
        sum->read_bytes + round->read_bytes,    sum->cpu_ns + round->cpu_ns,     sum->seconds + round->seconds,
        sum->read_seconds + round->read_seconds};
    ratio[r] = cyf_bench_round_ratio(atlas, round);
  }
  qsort(ratio, (size_t)bench->n_rounds, sizeof(*ratio), by_value);
  bench->of_plain_read = (ratio[(bench->n_rounds - 1) / 2] + ratio[bench->n_rounds / 2]) / 2;
cleanup:
  cyf_free(ratio);
  return status;
}

cyf_status cyf_loader_bench_run(cyf_comm *comm, const cyf_atlas *atlas, const cyf_loader_options *options, bool cold,
                                double seconds, int64_t epochs, cyf_loader_bench *ret_bench) {
  cyf_loader *loader = NULL;
  *ret_bench = (cyf_loader_bench){.n_rounds = cold ? epochs : 1};
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&ret_bench->round, ret_bench->n_rounds)));
  CYF_TRY(cyf_loader_create(comm, atlas, options, (cyf_cursor){0, 0}, &loader));
  ret_bench->io = cyf_loader_io_chosen(loader);
  const cyf_status status = cold ? measure_cold(comm, atlas, loader, ret_bench)
                                 : measure_warm(comm, atlas, options, loader, seconds, epochs, &ret_bench->round[0]);
  cyf_loader_destroy(&loader);
  CYF_TRY(status);
  return summarize(comm, atlas, ret_bench);
}

void cyf_loader_bench_destroy(cyf_loader_bench *bench) {
  cyf_free(bench->round);
}
