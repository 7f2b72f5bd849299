/* SPDX-License-Identifier: MIT */
/* Every slot of the operation table on one device against another: the CUDA backend, emulated (test_cuda_emulated.c) or
 * on a GPU (check_cuda_ops.c), against the CPU. */
#ifndef CYF_TESTS_CUDA_COMPARE_H
#define CYF_TESTS_CUDA_COMPARE_H

#include <stdbool.h>

#include "kernels/backend.h"

enum { COMPARE_SLOTS_MAX = 96 };

/* The worst that was seen of a slot. */
typedef struct compare_slot {
  const char *name;
  double error;     /* max|a - b| / max|b| of an output against the CPU's; 0 or 1 for integers: equal or not */
  double tolerance; /* what it is held to */
  int n_checks;
} compare_slot;

typedef struct compare_report {
  compare_slot slots[COMPARE_SLOTS_MAX];
  int n_slots;
  int n_failed; /* checks beyond their tolerance, and calls that failed */
} compare_report;

/* Runs all slots over random data of edge shapes and, with `large`, over shapes of a training step. precision: the
 * device's. Failures are printed as they are found. */
void compare_all(cyf_device *cpu, cyf_device *device, cyf_precision precision, bool large, compare_report *report);

/* The number of slots that are NULL in the table; their places are printed with `name`. */
int compare_empty_slots(const cyf_ops *ops, const char *name);

#endif
