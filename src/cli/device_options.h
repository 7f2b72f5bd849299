/* SPDX-License-Identifier: MIT */
/** @file
 * --device, --share-gpu, --precision and --threads: what a command computes on. */
#ifndef CYF_CLI_DEVICE_OPTIONS_H
#define CYF_CLI_DEVICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"
#include "comm/comm.h"
#include "kernels/device.h"
#include "kernels/device_choice.h"

typedef struct cyf_device_options {
  const char *device, *precision; /**< as given; NULL: not */
  bool share_gpu;
  int64_t threads;
} cyf_device_options;

enum { CYF_DEVICE_OPTIONS = 4 };
/** Writes the four options, --precision last: a command whose own --precision means something else leaves that out. */
void cyf_device_list_options(cyf_device_options *target, cyf_option *options);

/** Are the words among the choices? For commands that make settings of them first. Not collective. Errors:
 * CYF_ERR_USAGE. */
cyf_status cyf_device_options_check(const cyf_device_options *options);

/** The rank's device with its share of the machine's CPUs. The options count; where one was not given, `wish` and
 * `precision` do. Rank 0 logs a line that says what is computed on, and why not on a GPU that was not asked for.
 * Collective; a failure is agreed. Errors: CYF_ERR_USAGE (a word that is none of the choices; more ranks than GPUs),
 * CYF_ERR_DEVICE. */
cyf_status cyf_open_wished_device(cyf_comm *comm, const cyf_device_options *options, cyf_device_wish wish,
                                  cyf_precision precision, cyf_device **ret_device);

#endif
