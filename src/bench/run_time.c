/* SPDX-License-Identifier: MIT */
#include "bench/run_time.h"

#include <math.h>

#include "base/clock.h"
#include "base/log.h"
#include "bench/bench_steps.h"
#include "train/stage_common.h"

/* Updates that are timed, after one that is not, and the fewest left for which that is done. */
enum { N_TIMED = 4, WORTH_TIMING = 40 };
/* Costs beside a training step of as many cells: a forward pass, one of the encoder alone, and decoding and drawing. */
static const double OF_FORWARD = 1.0 / 3, OF_ENCODER = 1.0 / 6, OF_DRAWING = 0.5;
/* Evaluations of the denoiser for a guided cell by the usual sampler. */
static const double EVALUATIONS = 30;

/* Gives the seconds of one update, the same on all ranks. */
static cyf_status time_update(cyf_comm *comm, cyf_bench_steps *steps, double *ret_seconds) {
  double start = 0;
  int64_t n_cells = 0;
  for (int i = -1; i < N_TIMED; i++) {
    if (i == 0) start = cyf_clock_s();
    CYF_TRY(cyf_bench_steps_run(steps, &n_cells));
    CYF_TRY(cyf_comm_agree(comm, cyf_bench_steps_wait(steps)));
  }
  *ret_seconds = (cyf_clock_s() - start) / N_TIMED;
  return cyf_comm_max_double(comm, ret_seconds, 1);
}

/* Gives the seconds that one cell takes in a training step of this stage. */
static cyf_status time_cell(cyf_comm *comm, cyf_device *device, const cyf_run *run, const char *path,
                            const cyf_stage_type *type, double *ret_seconds) {
  cyf_settings settings = *cyf_run_settings(run); /* borrows its texts */
  const int64_t batch = cyf_stage_settings_of(type, &settings)->batch_cells, n_ranks = cyf_comm_size(comm);
  const bool of_cells = type == &cyf_stage_autoencoder;
  const cyf_bench_shape shape = {.stage = type->name,
                                 .data = of_cells ? path : NULL,
                                 .n_classes = 10, /* neither a table of labels nor the last layer takes long */
                                 .n_local = (batch + n_ranks - 1) / n_ranks,
                                 .n_global = batch};
  cyf_bench_steps *steps = NULL;
  settings.data.residency = CYF_RESIDENCY_STREAM; /* a few batches do not need all cells in memory */
  CYF_TRY(cyf_bench_steps_create(comm, device, &settings, &shape, &steps));
  const cyf_status status = time_update(comm, steps, ret_seconds);
  cyf_bench_steps_destroy(&steps);
  *ret_seconds /= (double)batch;
  return status;
}

/* The cells that a stage's updates and its validations take, the latter as if they were trained on. */
static double cells_of(const cyf_stage_settings *stage, double validation, double n_cells, int64_t n_updates) {
  const double updates = (double)n_updates;
  const double validations = stage->validate_every > 0 ? updates / (double)stage->validate_every : 0;
  return updates * (double)(stage->accumulate * stage->batch_cells) + validations * validation * n_cells * OF_FORWARD;
}

cyf_status cyf_bench_tell_run_time(cyf_comm *comm, cyf_device *device, const cyf_run *run, const char *path,
                                   int64_t n_sampled) {
  enum { N_STAGES = 3 };
  const cyf_stage_type *const types[N_STAGES] = {&cyf_stage_autoencoder, &cyf_stage_denoiser, &cyf_stage_classifier};
  const cyf_settings *settings = cyf_run_settings(run);
  const double n_cells = (double)cyf_run_atlas(run)->n_cells;
  char text[N_STAGES + 2][16];
  double whole = 0, sampling = 0;
  for (int s = 0; s < N_STAGES; s++) {
    const int64_t left = cyf_run_updates_left(run, types[s]);
    double seconds = 0;
    if (left >= WORTH_TIMING) {
      CYF_TRY(time_cell(comm, device, run, path, types[s], &seconds));
      const bool of_cells = types[s] == &cyf_stage_autoencoder, denoises = types[s] == &cyf_stage_denoiser;
      sampling += (double)n_sampled * seconds * (of_cells ? OF_DRAWING : denoises ? EVALUATIONS * OF_FORWARD : 0);
      seconds *= cells_of(cyf_stage_settings_of(types[s], settings), settings->data.validation, n_cells, left) +
                 (of_cells ? n_cells * OF_ENCODER : 0);
    }
    cyf_clock_duration(seconds, text[s], sizeof text[s]);
    whole += seconds;
  }
  if (whole == 0) return CYF_OK;
  cyf_clock_duration(sampling, text[N_STAGES], sizeof text[N_STAGES]);
  cyf_clock_duration(whole + sampling, text[N_STAGES + 1], sizeof text[N_STAGES + 1]);
  cyf_info(
      "this will take about %s, by a few steps of each stage: autoencoder %s, denoiser %s, classifiers %s, guidance %s",
      text[N_STAGES + 1], text[0], text[1], text[2], text[N_STAGES]);
  return CYF_OK;
}
