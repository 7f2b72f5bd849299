/* SPDX-License-Identifier: MIT */
/** @file
 * The subcommands of `cytoforge bench` that have files of their own. */
#ifndef CYF_CLI_CMD_BENCH_H
#define CYF_CLI_CMD_BENCH_H

#include "cli/command.h"

/** @{ */
/** Runs `bench sample`, cells a second of the reverse process, and prints its help. Running it is collective. */
cyf_status cyf_bench_sample(cyf_context *context, int argc, char **argv);
void cyf_bench_sample_help(FILE *stream);
/** @} */

/** @{ */
/** Runs `bench train`, the time of a training step, and prints its help. Running it is collective. */
cyf_status cyf_bench_train(cyf_context *context, int argc, char **argv);
void cyf_bench_train_help(FILE *stream);
/** @} */

#endif
