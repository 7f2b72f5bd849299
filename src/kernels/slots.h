/* SPDX-License-Identifier: MIT */
/** @file
 * The operations of a device by name, once. A backend takes its prototypes and its table from this list. So a new
 * operation is a slot of struct cyf_ops (described in backend.h), a name here, and one function for each backend. */
#ifndef CYF_KERNELS_SLOTS_H
#define CYF_KERNELS_SLOTS_H

#include "kernels/backend.h"

#ifdef __cplusplus
#include <type_traits>
#endif

/** X(name) for each function pointer of struct cyf_ops, in its order. */
/* clang-format off */
#define CYF_SLOTS(X) \
  X(alloc) \
  X(free) \
  X(free_bytes) \
  X(alloc_host) \
  X(free_host) \
  X(upload) \
  X(download) \
  X(copy) \
  X(zero) \
  X(synchronize) \
  X(upload_async) \
  X(event_create) \
  X(event_destroy) \
  X(event_record) \
  X(event_await) \
  X(event_synchronize) \
  X(graph_begin) \
  X(graph_end) \
  X(graph_destroy) \
  X(csr_expand) \
  X(sparse_count) \
  X(sparse_fill) \
  X(linear_forward) \
  X(linear_input_grad) \
  X(linear_weight_grad) \
  X(gene_linear_forward) \
  X(gene_linear_weight_grad) \
  X(gene_mse) \
  X(gene_nb) \
  X(csr_counts) \
  X(gene_decode) \
  X(batch_norm_sums) \
  X(batch_norm_finish) \
  X(batch_norm_running) \
  X(batch_norm_forward) \
  X(batch_norm_backward_sums) \
  X(batch_norm_backward) \
  X(batch_norm_param_grad) \
  X(layer_norm_silu_forward) \
  X(layer_norm_silu_backward) \
  X(silu_forward) \
  X(silu_backward) \
  X(add_rows) \
  X(sum_rows) \
  X(axpy) \
  X(scale) \
  X(l2_normalize_forward) \
  X(l2_normalize_backward) \
  X(note_not_finite) \
  X(dropout) \
  X(fill_normal) \
  X(fill_timesteps) \
  X(squared_error) \
  X(cross_entropy) \
  X(log_prob_grad) \
  X(library_nll) \
  X(library_size) \
  X(softmax_rows) \
  X(nb_draw) \
  X(q_sample) \
  X(ddpm_step) \
  X(ddim_step) \
  X(multistep_step) \
  X(free_guidance) \
  X(time_embedding) \
  X(square_sum) \
  X(adamw)
/* clang-format on */

/** Declares `function` with the type of the slot `name`. */
#ifdef __cplusplus
#define CYF_DECLARE_SLOT(function, name) std::remove_pointer<decltype(cyf_ops::name)>::type function
#else
#define CYF_DECLARE_SLOT(function, name) __typeof__(*((const cyf_ops *)0)->name) function
#endif

#endif
