/* SPDX-License-Identifier: MIT */
#include "kernels/device_choice.h"

cyf_status cyf_device_choose(const cyf_device_situation *s, cyf_device_choice *ret_choice) {
  *ret_choice = (cyf_device_choice){0};
  if (s->wish == CYF_DEVICE_CPU && s->share_gpu)
    return CYF_FAIL(CYF_ERR_USAGE, "--share-gpu and device cpu contradict each other");
  if (s->wish == CYF_DEVICE_CUDA && s->n_gpus == 0)
    return CYF_FAIL(CYF_ERR_DEVICE, "device cuda cannot be used: %s; device auto or cpu computes on the CPU",
                    s->reason);
  if (s->wish == CYF_DEVICE_CPU || s->n_gpus == 0) return CYF_OK;
  if (s->local_size > s->n_gpus && !s->share_gpu)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "%d ranks on this machine, but %d GPU%s: start %d rank%s a machine, let ranks share GPUs with "
                    "--share-gpu, or compute on the CPU with --device cpu",
                    s->local_size, s->n_gpus, s->n_gpus == 1 ? "" : "s", s->n_gpus, s->n_gpus == 1 ? "" : "s");
  *ret_choice = (cyf_device_choice){
      .is_cuda = true, .ordinal = s->local_rank % s->n_gpus, .is_shared = s->local_size > s->n_gpus};
  return CYF_OK;
}
