/* SPDX-License-Identifier: MIT */
/** @file
 * How long a run will take, by a few timed updates of each stage. */
#ifndef CYF_BENCH_RUN_TIME_H
#define CYF_BENCH_RUN_TIME_H

#include "train/run.h"

/** Logs about how long the run will take, by stage. A stage with enough updates left to be worth it makes some with
 * batches of its size, on all ranks. Validation, encoding, and the sampling of n_sampled cells at the end are reckoned
 * from them. Models, and the stream of the atlas at `path`, are made for this and freed. Collective; failures are
 * agreed. Errors: those of cyf_bench_steps_create and of a training step. */
cyf_status cyf_bench_tell_run_time(cyf_comm *comm, cyf_device *device, const cyf_run *run, const char *path,
                                   int64_t n_sampled);

#endif
