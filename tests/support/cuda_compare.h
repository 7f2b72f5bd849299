/* SPDX-License-Identifier: MIT */
/* Compares every slot of the operation table between two devices: the CUDA backend, emulated (test_cuda_emulated.c) or
 * on a GPU (check_cuda_ops.c), and the CPU. */
#ifndef CYF_TESTS_CUDA_COMPARE_H
#define CYF_TESTS_CUDA_COMPARE_H

#include <stdbool.h>

#include "kernels/backend.h"

enum { COMPARE_SLOTS_MAX = 96 };

/* The largest error of a slot. */
typedef struct compare_slot {
  const char *name;
  double error;     /* max|a - b| / max|b| of an output a and the CPU's b; for integers 0 if equal and 1 if not */
  double tolerance; /* the largest error that passes */
  int n_checks;
} compare_slot;

typedef struct compare_report {
  compare_slot slots[COMPARE_SLOTS_MAX];
  int n_slots;
  int n_failed; /* checks beyond their tolerance, and calls that failed */
} compare_report;

/* Runs all slots on random data of the smallest and odd shapes and, with `large`, of a training step's. precision: the
 * device's. Failures are printed as they are found. */
void compare_all(cyf_device *cpu, cyf_device *device, cyf_precision precision, bool large, compare_report *report);

/* How many slots of the table are NULL; which ones is printed with `name`. */
int compare_empty_slots(const cyf_ops *ops, const char *name);

#endif
