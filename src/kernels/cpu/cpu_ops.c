/* SPDX-License-Identifier: MIT */
/* The CPU device: its creation and the table of its operations. */
#include <cblas.h>
#include <sched.h>

#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/cpu/cpu_kernels.h"

int cyf_cpus_allowed(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

cyf_status cyf_device_create_cpu(int n_threads, cyf_device **ret_device) {
  cyf_device *device;
  *ret_device = NULL;
  CYF_TRY(CYF_NEW(&device, 1));
  device->ops = &cyf_cpu_ops;
  device->host_memory = true;
  device->n_threads = n_threads > 0 ? n_threads : cyf_cpus_allowed();
  omp_set_num_threads(device->n_threads);
  openblas_set_num_threads(device->n_threads);
  *ret_device = device;
  return CYF_OK;
}

void cyf_device_destroy(cyf_device **device) {
  if (!device || !*device) return;
  if ((*device)->destroy_backend) (*device)->destroy_backend(*device);
  cyf_free(*device);
}

const cyf_ops cyf_cpu_ops = {
    .name = "cpu",
    .alloc = cyf_cpu_alloc,
    .free = cyf_cpu_free,
    .free_bytes = cyf_cpu_free_bytes,
    .alloc_host = cyf_cpu_alloc,
    .free_host = cyf_cpu_free,
    .upload = cyf_cpu_copy,
    .download = cyf_cpu_copy,
    .copy = cyf_cpu_copy,
    .zero = cyf_cpu_zero,
    .synchronize = cyf_cpu_synchronize,
    .upload_async = cyf_cpu_copy,
    .event_create = cyf_cpu_event_create,
    .event_destroy = cyf_cpu_event_destroy,
    .event_record = cyf_cpu_event_mark,
    .event_await = cyf_cpu_event_mark,
    .event_synchronize = cyf_cpu_event_synchronize,
    .graph_begin = cyf_cpu_graph_begin,
    .graph_end = cyf_cpu_graph_end,
    .graph_destroy = cyf_cpu_graph_destroy,
    .csr_expand = cyf_cpu_csr_expand,
    .sparse_count = cyf_cpu_sparse_count,
    .sparse_fill = cyf_cpu_sparse_fill,
    .linear_forward = cyf_cpu_linear_forward,
    .linear_input_grad = cyf_cpu_linear_input_grad,
    .linear_weight_grad = cyf_cpu_linear_weight_grad,
    .gene_linear_forward = cyf_cpu_gene_linear_forward,
    .gene_linear_weight_grad = cyf_cpu_gene_linear_weight_grad,
    .gene_mse = cyf_cpu_gene_mse,
    .gene_nb = cyf_cpu_gene_nb,
    .csr_counts = cyf_cpu_csr_counts,
    .gene_decode = cyf_cpu_gene_decode,
    .batch_norm_sums = cyf_cpu_batch_norm_sums,
    .batch_norm_finish = cyf_cpu_batch_norm_finish,
    .batch_norm_running = cyf_cpu_batch_norm_running,
    .batch_norm_forward = cyf_cpu_batch_norm_forward,
    .batch_norm_backward_sums = cyf_cpu_batch_norm_backward_sums,
    .batch_norm_backward = cyf_cpu_batch_norm_backward,
    .batch_norm_param_grad = cyf_cpu_batch_norm_param_grad,
    .layer_norm_silu_forward = cyf_cpu_layer_norm_silu_forward,
    .layer_norm_silu_backward = cyf_cpu_layer_norm_silu_backward,
    .silu_forward = cyf_cpu_silu_forward,
    .silu_backward = cyf_cpu_silu_backward,
    .add_rows = cyf_cpu_add_rows,
    .sum_rows = cyf_cpu_sum_rows,
    .axpy = cyf_cpu_axpy,
    .scale = cyf_cpu_scale,
    .l2_normalize_forward = cyf_cpu_l2_normalize_forward,
    .l2_normalize_backward = cyf_cpu_l2_normalize_backward,
    .dropout = cyf_cpu_dropout,
    .fill_normal = cyf_cpu_fill_normal,
    .fill_timesteps = cyf_cpu_fill_timesteps,
    .squared_error = cyf_cpu_squared_error,
    .cross_entropy = cyf_cpu_cross_entropy,
    .log_prob_grad = cyf_cpu_log_prob_grad,
    .library_nll = cyf_cpu_library_nll,
    .library_size = cyf_cpu_library_size,
    .softmax_rows = cyf_cpu_softmax_rows,
    .nb_draw = cyf_cpu_nb_draw,
    .q_sample = cyf_cpu_q_sample,
    .ddpm_step = cyf_cpu_ddpm_step,
    .ddim_step = cyf_cpu_ddim_step,
    .multistep_step = cyf_cpu_multistep_step,
    .free_guidance = cyf_cpu_free_guidance,
    .time_embedding = cyf_cpu_time_embedding,
    .square_sum = cyf_cpu_square_sum,
    .adamw = cyf_cpu_adamw,
};
