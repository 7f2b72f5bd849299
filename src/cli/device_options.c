/* SPDX-License-Identifier: MIT */
#include "cli/device_options.h"

#include "base/log.h"
#include "cli/command.h"
#include "kernels/cuda/cuda_device.h"

void cyf_device_list_options(cyf_device_options *target, cyf_option *options) {
  const cyf_option table[CYF_DEVICE_OPTIONS] = {
      {"device", 0, CYF_OPTION_TEXT, &target->device, "auto|cpu|cuda",
       "what to compute on (default auto: a GPU where there is one)"},
      {"share-gpu", 0, CYF_OPTION_FLAG, &target->share_gpu, NULL, "let ranks share GPUs where there are fewer"},
      {"threads", 0, CYF_OPTION_INT, &target->threads, "N", "CPU threads a rank (default: its share of the CPUs)"},
      {"precision", 0, CYF_OPTION_TEXT, &target->precision, "fp32|tf32|bf16",
       "matrix products of a GPU (default bf16; the CPU computes in fp32)"}};
  for (int i = 0; i < CYF_DEVICE_OPTIONS; i++) options[i] = table[i];
}

/* Reads the words that were given; what has none stays as it was. */
static cyf_status read_words(const cyf_device_options *options, cyf_device_wish *wish, cyf_precision *precision) {
  int index = 0;
  if (options->device != NULL) {
    CYF_TRY(cyf_words_choose(NULL, "device", CYF_DEVICE_WISHES, cyf_device_wish_words, options->device, &index));
    *wish = index;
  }
  if (options->precision != NULL) {
    CYF_TRY(cyf_words_choose(NULL, "precision", CYF_PRECISIONS, cyf_precision_words, options->precision, &index));
    *precision = index;
  }
  return CYF_OK;
}

cyf_status cyf_device_options_check(const cyf_device_options *options) {
  cyf_device_wish wish;
  cyf_precision precision;
  return read_words(options, &wish, &precision);
}

static cyf_status choose(cyf_comm *comm, const cyf_device_options *options, cyf_device_situation *situation,
                         cyf_precision *precision, cyf_device_choice *ret_choice) {
  CYF_TRY(read_words(options, &situation->wish, precision));
  situation->reason = "";
  /* Where the CPU is asked for, GPUs are not looked for: a driver takes seconds to start. */
  situation->n_gpus = situation->wish == CYF_DEVICE_CPU ? 0 : cyf_cuda_device_count(&situation->reason);
  situation->local_rank = cyf_comm_local_rank(comm);
  situation->local_size = cyf_comm_local_size(comm);
  situation->share_gpu = options->share_gpu;
  return cyf_device_choose(situation, ret_choice);
}

static void say(const cyf_device_situation *situation, const cyf_device *device, bool is_cuda) {
  if (!is_cuda && situation->wish == CYF_DEVICE_CPU)
    cyf_info("device: cpu");
  else if (!is_cuda)
    cyf_info("device: cpu (%s)", situation->reason);
  else
    cyf_info("device: cuda, %s, %.1f GB%s", cyf_cuda_device_name(device), (double)cyf_cuda_device_bytes(device) / 1e9,
             device->is_shared ? ", shared by ranks" : "");
}

cyf_status cyf_open_wished_device(cyf_comm *comm, const cyf_device_options *options, cyf_device_wish wish,
                                  cyf_precision precision, cyf_device **ret_device) {
  cyf_device_situation situation = {.wish = wish};
  cyf_device_choice choice = {0};
  *ret_device = NULL;
  CYF_TRY(cyf_comm_agree(comm, choose(comm, options, &situation, &precision, &choice)));
  const int n_threads = cyf_choose_threads(comm, options->threads);
  cyf_status status = choice.is_cuda ? cyf_device_create_cuda(choice.ordinal, n_threads, precision, ret_device)
                                     : cyf_device_create_cpu(n_threads, ret_device);
  if (status == CYF_OK && choice.is_cuda) (*ret_device)->is_shared = choice.is_shared;
  status = cyf_comm_agree(comm, status);
  if (status == CYF_OK)
    say(&situation, *ret_device, choice.is_cuda);
  else
    cyf_device_destroy(ret_device);
  return status;
}
