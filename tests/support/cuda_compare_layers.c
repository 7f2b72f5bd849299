/* SPDX-License-Identifier: MIT */
/* Memory and layers. */
#include "cuda_compare_frame.h"

void compare_memory(compare *c, int64_t n, int64_t k) {
  const both a = normals(c, n * k, 1), b = normals(c, n * k, 1), z = normals(c, n * k, 1);
  ON_BOTH(c, copy(d, b.on[s], a.on[s], (size_t)(n * k) * sizeof(float)));
  equal(c, "copy", b);
  ON_BOTH(c, zero(d, z.on[s], (size_t)(n * k) * sizeof(float)));
  equal(c, "zero", z);
  equal(c, "upload", a);
  cyf_device *d = c->device[1];
  const size_t bytes = (size_t)(n * k) * sizeof(float);
  void *host;
  cyf_event *event;
  check_call(c, "alloc_host", d->ops->alloc_host(d, bytes, &host));
  check_call(c, "event_create", d->ops->event_create(d, &event));
  memset(host, 0x3C, bytes);
  check_call(c, "upload_async", d->ops->upload_async(d, a.on[1], host, bytes));
  check_call(c, "event_record", d->ops->event_record(d, CYF_QUEUE_COPY, event));
  check_call(c, "event_await", d->ops->event_await(d, CYF_QUEUE_WORK, event));
  check_call(c, "event_synchronize", d->ops->event_synchronize(d, event));
  void *back = fetch(c, &a, 1);
  note(c, "upload_async", memcmp(back, host, bytes) == 0 ? 0.0 : 1.0, 0.0);
  free(back);
  d->ops->event_destroy(d, event);
  d->ops->free_host(d, host);
  release(c);
}

void compare_linear(compare *c, int64_t n, int64_t in, int64_t out) {
  const both x = normals(c, n * in, 1), w = normals(c, out * in, 1), bias = normals(c, out + 1, 1);
  const both y = normals(c, n * out, 1), d_y = normals(c, n * out, 1), d_x = normals(c, n * in, 1);
  const both d_w = normals(c, out * in, 1), d_bias = normals(c, out, 1), decoded = normals(c, n * out, 1);
  for (int accumulate = 0; accumulate < 2; ++accumulate) {
    ON_BOTH(c, linear_forward(d, n, in, out, F(x), F(w), F(bias), accumulate, F(y)));
    same_product(c, "linear_forward", y, in);
    ON_BOTH(c, linear_forward(d, n, in, out, F(x), F(w), NULL, accumulate, F(y)));
    same_product(c, "linear_forward", y, in);
    ON_BOTH(c, linear_forward(d, n, in, out, F(x), F(w), F(bias) + 1, accumulate, F(y))); /* not at 16 bytes */
    same_product(c, "linear_forward", y, in);
    ON_BOTH(c, linear_input_grad(d, n, in, out, F(d_y), F(w), accumulate, F(d_x)));
    same_product(c, "linear_input_grad", d_x, out);
    ON_BOTH(c, linear_weight_grad(d, n, in, out, F(x), F(d_y), F(d_w), accumulate ? F(d_bias) : NULL));
    same_product(c, "linear_weight_grad", d_w, n);
    same(c, "linear_weight_grad", d_bias, 1e-5);
  }
  ON_BOTH(c, gene_decode(d, n, in, out, F(x), F(w), F(bias), F(decoded)));
  same_product(c, "gene_decode", decoded, in);
  release(c);
}

void compare_batch_norm(compare *c, int64_t n, int64_t k, cyf_activation act) {
  const both x = normals(c, n * k, 2), d_y = normals(c, n * k, 1), gamma = normals(c, k, 1), beta = normals(c, k, 1);
  const both slope = positives(c, 1, 0.1, 0.4), mean = normals(c, k, 1), inv_std = positives(c, k, 0.5, 2);
  const both running_mean = normals(c, k, 1), running_var = positives(c, k, 0.5, 2), y = normals(c, n * k, 1);
  const both sums = doubles(c, 2 * k), d_slope = normals(c, 1, 1), d_x = normals(c, n * k, 1);
  const both d_gamma = normals(c, k, 1), d_beta = normals(c, k, 1);
  ON_BOTH(c, batch_norm_sums(d, n, k, F(x), D(sums)));
  same(c, "batch_norm_sums", sums, 1e-9);
  ON_BOTH(c, batch_norm_finish(d, k, (double)n, D(sums), 0.1, F(mean), F(inv_std), F(running_mean), F(running_var)));
  same(c, "batch_norm_finish", mean, 1e-6);
  same(c, "batch_norm_finish", inv_std, 1e-6);
  same(c, "batch_norm_finish", running_var, 1e-6);
  ON_BOTH(c, batch_norm_running(d, k, F(running_mean), F(running_var), F(mean), F(inv_std)));
  same(c, "batch_norm_running", inv_std, 1e-6);
  ON_BOTH(c, batch_norm_forward(d, n, k, F(x), F(mean), F(inv_std), F(gamma), F(beta), act, F(slope), F(y)));
  same(c, "batch_norm_forward", y, 1e-5);
  ON_BOTH(c, batch_norm_backward_sums(d, n, k, F(x), F(d_y), F(mean), F(inv_std), F(gamma), F(beta), act, F(slope),
                                      D(sums), act == CYF_PRELU ? F(d_slope) : NULL));
  same(c, "batch_norm_backward_sums", sums, 1e-5);
  same(c, "batch_norm_backward_sums", d_slope, 1e-5);
  ON_BOTH(c, batch_norm_param_grad(d, k, D(sums), F(d_gamma), F(d_beta)));
  same(c, "batch_norm_param_grad", d_gamma, 1e-5);
  same(c, "batch_norm_param_grad", d_beta, 1e-5);
  for (int constant = 0; constant < 2; ++constant) {
    ON_BOTH(c, batch_norm_backward(d, n, k, F(x), F(d_y), F(mean), F(inv_std), F(gamma), F(beta), act, F(slope),
                                   constant ? NULL : D(sums), (double)(n > 0 ? n : 1), F(d_x)));
    same(c, "batch_norm_backward", d_x, 1e-5);
  }
  release(c);
}

void compare_rows(compare *c, int64_t n, int64_t k) {
  const both x = normals(c, n * k, 2), gamma = normals(c, k, 1), beta = normals(c, k, 1), y = normals(c, n * k, 1);
  const both mean = normals(c, n, 1), inv_std = normals(c, n, 1), d_y = normals(c, n * k, 1);
  const both d_gamma = normals(c, k, 1), d_beta = normals(c, k, 1), d_x = normals(c, n * k, 1), norm = normals(c, n, 1);
  const both row = integers(c, n, 0, 7), table = normals(c, 7 * k, 1), d_table = normals(c, 9 * k, 1);
  ON_BOTH(c, layer_norm_silu_forward(d, n, k, F(x), F(gamma), F(beta), F(y), F(mean), F(inv_std)));
  same(c, "layer_norm_silu_forward", y, 1e-5);
  same(c, "layer_norm_silu_forward", inv_std, 1e-6);
  ON_BOTH(c, layer_norm_silu_backward(d, n, k, F(x), F(d_y), F(gamma), F(beta), F(mean), F(inv_std), F(d_x), F(d_gamma),
                                      F(d_beta)));
  same(c, "layer_norm_silu_backward", d_x, 1e-5);
  same(c, "layer_norm_silu_backward", d_gamma, 1e-5);
  same(c, "layer_norm_silu_backward", d_beta, 1e-5);
  ON_BOTH(c,
          layer_norm_silu_backward(d, n, k, F(x), F(d_x), F(gamma), F(beta), F(mean), F(inv_std), F(d_x), NULL, NULL));
  same(c, "layer_norm_silu_backward", d_x, 1e-4);
  ON_BOTH(c, l2_normalize_forward(d, n, k, F(x), F(y), F(norm)));
  same(c, "l2_normalize_forward", y, 1e-6);
  same(c, "l2_normalize_forward", norm, 1e-6);
  ON_BOTH(c, l2_normalize_backward(d, n, k, F(y), F(norm), F(d_y), F(d_x)));
  same(c, "l2_normalize_backward", d_x, 1e-5);
  for (int one = 0; one < 2; ++one) {
    ON_BOTH(c, add_rows(d, n, k, F(table), one ? NULL : I(row), F(y)));
    same(c, "add_rows", y, 1e-6);
    ON_BOTH(c, sum_rows(d, n, k, F(d_y), one ? NULL : I(row), 9, F(d_table)));
    same(c, "sum_rows", d_table, 1e-5);
  }
  release(c);
}
