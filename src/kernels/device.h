/* SPDX-License-Identifier: MIT */
/** @file
 * A device that a rank computes on, and a scratch allocator for temporaries. Not collective. */
#ifndef CYF_KERNELS_DEVICE_H
#define CYF_KERNELS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/words.h"

typedef struct cyf_ops cyf_ops; /**< backend.h */

/** One compute device as one rank sees it. Backends extend it (first member). */
typedef struct cyf_device {
  const cyf_ops *ops;
  int n_threads;    /**< CPU threads this device may use */
  bool is_shared;   /**< a GPU that other ranks compute on as well */
  bool host_memory; /**< its memory is the host's: operations take host arrays, and a call is done when it returns */
  int64_t row_unit; /**< numbers of rows that vary from batch to batch are padded to a multiple of this (0 or 1: not).
                       Then few shapes occur, and plans and graphs made for them serve again */
  int64_t block_cells; /**< cells to compute at a time where that can be chosen, as in sampling (0: as the CPU) */
  void (*destroy_backend)(struct cyf_device *device); /**< frees what the backend added; NULL: nothing */
} cyf_device;

/** How a GPU computes matrix products: float32; float32 rounded to TF32 (10 bits); bfloat16 copies of the operands.
 * Sums, parameters, moments, statistics and losses are float32 or double in each. The CPU always computes in float32.
 */
typedef enum cyf_precision { CYF_PRECISION_FP32, CYF_PRECISION_TF32, CYF_PRECISION_BF16, CYF_PRECISIONS } cyf_precision;
/** The words of cyf_precision, in its order. */
static const char *const cyf_precision_words[] = {"fp32", "tf32", "bf16", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_precision_words) == CYF_PRECISIONS, "a word for each precision");

/** Sets how many threads this process' parallel regions (OpenMP) and matrix products (OpenBLAS) take from now on; n
 * >= 1.
 */
void cyf_set_threads(int n);

/** Makes the CPU device. n_threads <= 0: as many as the CPU mask of the process allows. Also calls cyf_set_threads.
 * Errors: CYF_ERR_MEMORY. */
cyf_status cyf_device_create_cpu(int n_threads, cyf_device **ret_device);
/** Frees a device of any backend and sets *device to NULL. NULL-safe. What was allocated on it must be freed before. */
void cyf_device_destroy(cyf_device **device);

/** The number of CPUs in this process' affinity mask. */
int cyf_cpus_allowed(void);

/** @{ */
/** OpenBLAS's version, and the name of the kernels it chose for this CPU, such as "Zen"; static strings. */
const char *cyf_blas_version(void);
const char *cyf_blas_core(void);
/** @} */

/** A grow-only bump allocator on a device: temporaries of one step or of one block of cells. After the first step of a
 * given size it allocates nothing. Not thread-safe: one scratch a thread. */
typedef struct cyf_scratch cyf_scratch;
/** Makes an empty scratch; the device must outlive it. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_scratch_create(cyf_device *device, cyf_scratch **ret_scratch);
/** Frees the scratch with all memory taken from it and sets *scratch to NULL. NULL-safe. */
void cyf_scratch_destroy(cyf_scratch **scratch);

/** @{ */
/** Takes `count` elements or bytes of device memory, 64-byte aligned, contents undefined. They are valid until
 * cyf_scratch_release goes back to an earlier mark. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_scratch_floats(cyf_scratch *scratch, int64_t count, float **ret_floats);
cyf_status cyf_scratch_doubles(cyf_scratch *scratch, int64_t count, double **ret_doubles);
cyf_status cyf_scratch_int32(cyf_scratch *scratch, int64_t count, int32_t **ret_ints);
cyf_status cyf_scratch_bytes(cyf_scratch *scratch, size_t bytes, void **ret_bytes);
/** @} */

/** @{ */
/** cyf_scratch_mark says how much is taken now; cyf_scratch_release gives back all that was taken since that mark. */
size_t cyf_scratch_mark(const cyf_scratch *scratch);
void cyf_scratch_release(cyf_scratch *scratch, size_t mark);
/** @} */

#endif
