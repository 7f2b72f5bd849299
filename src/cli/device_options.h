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

/** The options as given. */
typedef struct cyf_device_options {
  const char *device, *precision; /**< NULL: not given */
  bool share_gpu;                 /**< ranks may share a GPU */
  int64_t threads;                /**< of this rank; 0: not given */
} cyf_device_options;

/** The number of rows that cyf_device_list_options writes. */
enum { CYF_DEVICE_OPTIONS = 4 };
/** Writes options[CYF_DEVICE_OPTIONS], rows of a command's table that are read into `target`. --precision is the last:
 * a command whose own --precision means something else leaves it out. */
void cyf_device_list_options(cyf_device_options *target, cyf_option *options);

/** Fails where --device or --precision is none of the choices: for commands that put the words into settings first. Not
 * collective. Errors: CYF_ERR_USAGE. */
cyf_status cyf_device_options_check(const cyf_device_options *options);

/** Opens the device that this rank computes on, with its share of the machine's CPUs (cyf_choose_threads). Where an
 * option was not given, `wish` and `precision` stand in for it. Rank 0 logs what is computed on; if that is the CPU
 * without having been asked for, also why. The caller frees the device with cyf_device_destroy. Collective; a failure
 * is agreed. Errors: CYF_ERR_USAGE (a word that is none of the choices; more ranks than GPUs), CYF_ERR_DEVICE. */
cyf_status cyf_open_wished_device(cyf_comm *comm, const cyf_device_options *options, cyf_device_wish wish,
                                  cyf_precision precision, cyf_device **ret_device);

#endif
