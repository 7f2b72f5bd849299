/* SPDX-License-Identifier: MIT */
/** @file
 * Which device a rank computes on: a pure function of what the user asked for (the wish) and of the GPUs that there
 * are. */
#ifndef CYF_KERNELS_DEVICE_CHOICE_H
#define CYF_KERNELS_DEVICE_CHOICE_H

#include <stdbool.h>

#include "base/status.h"
#include "base/words.h"

/** What the user asks for with --device. The device that is used also depends on the machine. */
typedef enum cyf_device_wish { CYF_DEVICE_AUTO, CYF_DEVICE_CPU, CYF_DEVICE_CUDA, CYF_DEVICE_WISHES } cyf_device_wish;
/** The words of cyf_device_wish, in its order. */
static const char *const cyf_device_wish_words[] = {"auto", "cpu", "cuda", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_device_wish_words) == CYF_DEVICE_WISHES, "a word for each wish");

/** All that the choice depends on: the wish, the GPUs, and the ranks that share them. */
typedef struct cyf_device_situation {
  cyf_device_wish wish;
  int n_gpus;                 /**< that this process can use */
  const char *reason;         /**< why there is none, where n_gpus is 0 */
  int local_rank, local_size; /**< among the ranks of this machine */
  bool share_gpu;             /**< ranks may share GPUs */
} cyf_device_situation;

/** The choice: the CPU or one GPU. */
typedef struct cyf_device_choice {
  bool is_cuda;
  int ordinal;    /**< of the GPU */
  bool is_shared; /**< another rank of this machine has the same GPU */
} cyf_device_choice;

/** Chooses the device of this rank. AUTO takes a GPU where there is one. A rank takes the GPU with the number of its
 * local rank; with share_gpu, ranks are spread over the GPUs in turn where these are fewer. All ranks of a machine
 * succeed or fail alike. Errors: CYF_ERR_DEVICE (CUDA without a GPU, with the reason), CYF_ERR_USAGE (more local ranks
 * than GPUs without share_gpu; share_gpu on the CPU). Not collective. */
cyf_status cyf_device_choose(const cyf_device_situation *situation, cyf_device_choice *ret_choice);

#endif
