#include "cuda_compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { ARRAYS_MAX = 64 };

/* The same array on both devices: [0] the CPU's, [1] the other's. */
typedef struct both {
  void *on[2];
  int64_t count;
  size_t size;
} both;

typedef struct compare {
  cyf_device *device[2];
  compare_report *report;
  test_random random;
  both arrays[ARRAYS_MAX];
  int n_arrays;
  double product_tolerance; /* of what matrix products in the device's precision make */
  double draw_tolerance;    /* of counts: a mean that differs in its last bit moves a draw by 1 now and then */
  const char *shape;
} compare;

static void note(compare *c, const char *slot, double error, double tolerance) {
  compare_report *r = c->report;
  int k = 0;
  while (k < r->n_slots && strcmp(r->slots[k].name, slot) != 0) ++k;
  if (k == r->n_slots) r->slots[r->n_slots++] = (compare_slot){slot, 0.0, tolerance, 0};
  compare_slot *s = &r->slots[k];
  ++s->n_checks;
  if (!(error <= s->error)) s->error = error;
  if (tolerance > s->tolerance) s->tolerance = tolerance;
  if (error <= tolerance) return;
  ++r->n_failed;
  printf("FAILED %s at %s: error %g, tolerance %g\n", slot, c->shape, error, tolerance);
}

static void check_call(compare *c, const char *call, cyf_status status) {
  if (status == CYF_OK) return;
  ++c->report->n_failed;
  printf("FAILED %s at %s: %s\n", call, c->shape, cyf_status_message());
  cyf_status_clear();
}

/* One call on both devices; in its text `d` is the device and `s` the side. */
#define ON_BOTH(c, call)                  \
  for (int s = 0; s < 2; ++s) {           \
    cyf_device *d = (c)->device[s];       \
    check_call((c), #call, d->ops->call); \
  }
#define F(x) ((float *)(x).on[s])
#define D(x) ((double *)(x).on[s])
#define I(x) ((int32_t *)(x).on[s])
#define L(x) ((int64_t *)(x).on[s])

static both put(compare *c, const void *host, int64_t count, size_t size) {
  both x = {.count = count, .size = size};
  for (int s = 0; s < 2; ++s) {
    cyf_device *d = c->device[s];
    check_call(c, "alloc", d->ops->alloc(d, (size_t)count * size, &x.on[s]));
    check_call(c, "upload", d->ops->upload(d, x.on[s], host, (size_t)count * size));
  }
  return c->arrays[c->n_arrays++] = x;
}

static both normals(compare *c, int64_t count, double sd) {
  float *host = test_normals(&c->random, count, sd);
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

static both positives(compare *c, int64_t count, double low, double high) {
  float *host = TEST_NEW(float, count);
  for (int64_t k = 0; k < count; ++k) host[k] = (float)test_uniform(&c->random, low, high);
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

static both doubles(compare *c, int64_t count) {
  double *host = TEST_NEW(double, count);
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

/* Uniform in [low, high). */
static both integers(compare *c, int64_t count, int32_t low, int32_t high) {
  int32_t *host = TEST_NEW(int32_t, count);
  for (int64_t k = 0; k < count; ++k) host[k] = (int32_t)floor(test_uniform(&c->random, low, high));
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

static both positions(compare *c, int64_t count) {
  int64_t *host = TEST_NEW(int64_t, count);
  for (int64_t k = 0; k < count; ++k) host[k] = (int64_t)(test_random_bits(&c->random) >> 20);
  const both x = put(c, host, count, sizeof *host);
  free(host);
  return x;
}

static void release(compare *c) {
  for (int k = 0; k < c->n_arrays; ++k) {
    for (int s = 0; s < 2; ++s) c->device[s]->ops->free(c->device[s], c->arrays[k].on[s]);
  }
  c->n_arrays = 0;
}

static void *fetch(compare *c, const both *x, int s) {
  cyf_device *d = c->device[s];
  void *host = test_alloc(x->count, x->size);
  check_call(c, "download", d->ops->download(d, host, x->on[s], (size_t)x->count * x->size));
  check_call(c, "synchronize", d->ops->synchronize(d));
  return host;
}

/* max|a - b| over the larger of max|b| and `size`; infinite where one has a NaN that the other has not. */
static void same_of_size(compare *c, const char *slot, both x, double size, double tolerance) {
  void *a = fetch(c, &x, 1), *b = fetch(c, &x, 0);
  double difference = 0.0, largest = size;
  for (int64_t k = 0; k < x.count; ++k) {
    const double va = x.size == 4 ? ((float *)a)[k] : ((double *)a)[k];
    const double vb = x.size == 4 ? ((float *)b)[k] : ((double *)b)[k];
    if (isnan(va) != isnan(vb)) difference = INFINITY;
    if (fabs(va - vb) > difference) difference = fabs(va - vb);
    if (fabs(vb) > largest) largest = fabs(vb);
  }
  note(c, slot, largest > 0.0 ? difference / largest : difference, tolerance);
  free(a);
  free(b);
}

static void same(compare *c, const char *slot, both x, double tolerance) {
  same_of_size(c, slot, x, 0.0, tolerance);
}

/* Of a matrix product in the device's precision over `terms` products of unit normals: few elements may happen to be
 * much smaller than what cancels in them. */
static void same_product(compare *c, const char *slot, both x, int64_t terms) {
  same_of_size(c, slot, x, sqrt((double)terms), c->product_tolerance);
}

static void equal(compare *c, const char *slot, both x) {
  void *a = fetch(c, &x, 1), *b = fetch(c, &x, 0);
  note(c, slot, memcmp(a, b, (size_t)x.count * x.size) == 0 ? 0.0 : 1.0, 0.0);
  free(a);
  free(b);
}

static void same_scalar(compare *c, const char *slot, const double value[2], double tolerance) {
  for (int s = 0; s < 2; ++s) check_call(c, "synchronize", c->device[s]->ops->synchronize(c->device[s]));
  const double difference = fabs(value[1] - value[0]);
  note(c, slot, value[0] != 0.0 ? difference / fabs(value[0]) : difference, tolerance);
}

static void equal_integer(compare *c, const char *slot, const int64_t value[2]) {
  for (int s = 0; s < 2; ++s) check_call(c, "synchronize", c->device[s]->ops->synchronize(c->device[s]));
  note(c, slot, value[0] == value[1] ? 0.0 : 1.0, 0.0);
}

/* ---- groups of slots, at n cells and c columns ----------------------------------------------------------------------
 */

static void compare_memory(compare *c, int64_t n, int64_t k) {
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

static void compare_linear(compare *c, int64_t n, int64_t in, int64_t out) {
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

static void compare_batch_norm(compare *c, int64_t n, int64_t k, cyf_activation act) {
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

static void compare_rows(compare *c, int64_t n, int64_t k) {
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

static void compare_elements(compare *c, int64_t n, int64_t k) {
  const int64_t count = n * k;
  const both x = normals(c, count, 3), y = normals(c, count, 1), d_y = normals(c, count, 1), w = normals(c, n, 1);
  double value[2] = {-1, -1};
  ON_BOTH(c, silu_forward(d, count, F(x), F(y)));
  same(c, "silu_forward", y, 1e-6);
  for (int accumulate = 0; accumulate < 2; ++accumulate) {
    ON_BOTH(c, silu_backward(d, count, F(x), F(d_y), accumulate, F(y)));
    same(c, "silu_backward", y, 1e-6);
  }
  ON_BOTH(c, axpy(d, count, 0.37, F(x), F(y)));
  same(c, "axpy", y, 1e-6);
  ON_BOTH(c, scale(d, count, -1.7, F(y)));
  same(c, "scale", y, 1e-6);
  for (int gradient = 0; gradient < 2; ++gradient) {
    ON_BOTH(c, squared_error(d, count, F(x), F(d_y), 0.3, &value[s], gradient ? F(y) : NULL));
    same_scalar(c, "squared_error", value, 1e-12);
  }
  same(c, "squared_error", y, 1e-6);
  ON_BOTH(c, free_guidance(d, n, k, F(x), F(d_y), F(w), F(y)));
  same(c, "free_guidance", y, 1e-6);
  release(c);
}

static void compare_random(compare *c, int64_t n, int64_t k) {
  const cyf_rng_key key = cyf_rng_key_make(17, CYF_RNG_NOISE);
  const both at = positions(c, n), z = normals(c, n * k, 1), t = integers(c, n, 0, 9), x = positives(c, n * k, 1, 2);
  for (int given = 0; given < 2; ++given) {
    ON_BOTH(c, fill_normal(d, n, k, key, 5, given ? L(at) : NULL, ((int64_t)1 << 33) + 7, F(z)));
    same(c, "fill_normal", z, 1e-6);
    ON_BOTH(c, fill_timesteps(d, n, key, 6, given ? L(at) : NULL, 3, 1000, I(t)));
    equal(c, "fill_timesteps", t);
    ON_BOTH(c, dropout(d, n, k, F(x), 0.3, key, 7, given ? L(at) : NULL, F(z)));
    equal(c, "dropout", z);
  }
  release(c);
}

static void compare_labels(compare *c, int64_t n, int64_t classes) {
  const both logits = normals(c, n * classes, 3), label = integers(c, n, -1, (int32_t)classes);
  const both weight = positives(c, classes, 0.5, 2), w = normals(c, n, 1), d_logits = normals(c, n * classes, 1);
  double loss[2] = {-1, -1}, sum_weight[2] = {-1, -1};
  int64_t correct[2] = {-1, -1}, labelled[2] = {-1, -1};
  for (int weighted = 0; weighted < 2; ++weighted) {
    ON_BOTH(c, cross_entropy(d, n, classes, F(logits), I(label), weighted ? F(weight) : NULL, 0.3, &loss[s],
                             &sum_weight[s], &correct[s], &labelled[s], F(d_logits)));
    same_scalar(c, "cross_entropy", loss, 1e-12);
    same_scalar(c, "cross_entropy", sum_weight, 1e-12);
    equal_integer(c, "cross_entropy", correct);
    equal_integer(c, "cross_entropy", labelled);
    same(c, "cross_entropy", d_logits, 1e-6);
  }
  ON_BOTH(c, cross_entropy(d, n, classes, F(logits), I(label), NULL, 0.3, NULL, NULL, &correct[s], NULL, NULL));
  equal_integer(c, "cross_entropy", correct);
  ON_BOTH(c, log_prob_grad(d, n, classes, F(logits), I(label), F(w), F(d_logits)));
  same(c, "log_prob_grad", d_logits, 1e-6);
  release(c);
}

static void compare_diffusion(compare *c, int64_t n, int64_t k) {
  enum { T = 40 };
  const int64_t count = n * k;
  const both x = normals(c, count, 1), eps = normals(c, count, 1), guidance = normals(c, count, 1),
             out = normals(c, count, 1);
  const both noise = normals(c, count, 1), t = integers(c, n, 0, T), before = normals(c, count, 1);
  const both signal = positives(c, T, 0, 1), level = positives(c, T, 0, 1), embedding = normals(c, n * k, 1);
  const cyf_rng_key key = cyf_rng_key_make(11, CYF_RNG_NOISE);
  const both position = positions(c, n);
  for (int given = 0; given < 2; ++given) {
    ON_BOTH(c, q_sample(d, n, k, key, 3, given ? L(position) : NULL, F(x), I(t), F(signal), F(level), F(eps), F(out)));
    same(c, "q_sample", eps, 1e-6);
    same(c, "q_sample", out, 1e-6);
  }
  ON_BOTH(c, time_embedding(d, n, k, I(t), F(embedding)));
  same(c, "time_embedding", embedding, 1e-6);
  for (int clip = 0; clip < 2; ++clip) {
    const cyf_reverse_step step = {0.5, 0.6, 1.414, 1.0, 0.3, 0.65, 0.02, -3.9, 0.1, clip};
    const cyf_multistep multi = {0.7, 1.414, 1.0, 0.8, 0.3, clip ? -0.1 : 0.0, clip};
    ON_BOTH(c, ddpm_step(d, count, &step, F(x), F(eps), clip ? F(guidance) : NULL, clip ? F(noise) : NULL, F(out)));
    same(c, "ddpm_step", out, 1e-6);
    ON_BOTH(c, ddim_step(d, count, &step, F(x), F(eps), clip ? F(guidance) : NULL, clip ? F(noise) : NULL, F(out)));
    same(c, "ddim_step", out, 1e-6);
    ON_BOTH(c, multistep_step(d, count, &multi, F(x), F(eps), clip ? F(guidance) : NULL, F(before), F(out)));
    same(c, "multistep_step", out, 1e-6);
    same(c, "multistep_step", before, 1e-6);
  }
  release(c);
}

/* Also from an address that is no multiple of 16 bytes, and with a gradient that is not finite. */
static void compare_optimizer(compare *c, int64_t count) {
  const both p = normals(c, count + 1, 1), g = normals(c, count + 1, 1), m = normals(c, count + 1, 0.1);
  const both v = positives(c, count + 1, 0, 0.1), e = normals(c, count + 1, 1), sum = doubles(c, 1);
  for (int variant = 0; variant < 4; ++variant) {
    const int shift = variant == 1;
    if (variant == 3) {
      const float bad = NAN;
      for (int s = 0; s < 2; ++s) {
        check_call(c, "upload", c->device[s]->ops->upload(c->device[s], g.on[s], &bad, sizeof bad));
      }
    } else {
      ON_BOTH(c, axpy(d, count + 1, 0.5, F(p), F(g)));
    }
    ON_BOTH(c, square_sum(d, count, F(g), D(sum)));
    same(c, "square_sum", sum, 1e-12);
    cyf_adamw settings = {1e-2, 0.9, 0.999, 1e-8, 0.01, 3 + variant, 0.5, NULL, variant == 2 ? 0.3 : 0.0};
    for (int s = 0; s < 2; ++s) {
      cyf_device *d = c->device[s];
      settings.square_sum = variant >= 2 ? D(sum) : NULL;
      check_call(c, "adamw",
                 d->ops->adamw(d, count, &settings, F(p) + shift, F(g) + shift, F(m) + shift, F(v) + shift,
                               variant == 0 ? NULL : F(e) + shift, 0.99));
    }
    same(c, "adamw", p, 1e-5);
    same(c, "adamw", g, 1e-6);
    same(c, "adamw", m, 1e-6);
    same(c, "adamw", v, 1e-6);
    same(c, "adamw", e, 1e-5);
  }
  release(c);
}

/* ---- gene space
 * ------------------------------------------------------------------------------------------------------ */

/* The batch, or a window of it whose indptr[0] is not zero, on both devices. */
typedef struct batch {
  cyf_csr_buffer buffer;
  cyf_csr on[2];
} batch;

static batch make_batch(compare *c, int64_t n, int64_t genes, double density, double value_max, int counts) {
  batch b = {.buffer = test_sparse(&c->random, n + 2, genes, density, value_max, counts)};
  const cyf_csr all = cyf_csr_view(&b.buffer);
  const both indptr = put(c, all.indptr, n + 3, sizeof *all.indptr);
  const both indices = put(c, all.indices, all.indptr[n + 2], sizeof *all.indices);
  const both values = put(c, all.values, all.indptr[n + 2], sizeof *all.values);
  for (int s = 0; s < 2; ++s) {
    const cyf_csr on_device = {n + 2, genes, L(indptr), I(indices), F(values), 0};
    b.on[s] = cyf_csr_rows(&on_device, 2, n);
  }
  return b;
}

static void compare_gene_linear(compare *c, int64_t n, int64_t genes, int64_t out) {
  batch b = make_batch(c, n, genes, 0.2, 5, 0);
  const both w = normals(c, genes * out, 1), bias = normals(c, out, 1), y = normals(c, n * out, 1);
  const both d_y = normals(c, n * out, 1), d_w = normals(c, genes * out, 1), d_bias = normals(c, out, 1);
  for (int with_bias = 0; with_bias < 2; ++with_bias) {
    ON_BOTH(c, gene_linear_forward(d, &b.on[s], out, F(w), with_bias ? F(bias) : NULL, F(y)));
    same_product(c, "gene_linear_forward", y, 1);
    ON_BOTH(c, gene_linear_weight_grad(d, &b.on[s], out, F(d_y), F(d_w), F(d_bias)));
    same_product(c, "gene_linear_weight_grad", d_w, 1);
    same(c, "gene_linear_weight_grad", d_bias, 1e-5);
  }
  cyf_csr_buffer_destroy(&b.buffer);
  release(c);
}

static void compare_gene_mse(compare *c, int64_t n, int64_t genes, int64_t hidden) {
  batch b = make_batch(c, n, genes, 0.3, 4, 0);
  const both h = normals(c, n * hidden, 1 / sqrt((double)hidden)), w = normals(c, genes * hidden, 1);
  const both bias = normals(c, genes, 1), d_h = normals(c, n * hidden, 1), d_w = normals(c, genes * hidden, 1);
  const both d_bias = normals(c, genes, 1);
  /* The Gram form first: the gradients that it adds to are then the same to the last bit. */
  static const cyf_gene_mode modes[] = {CYF_GENE_GRAM, CYF_GENE_DENSE, CYF_GENE_AUTO};
  for (int k = 0; k < 3; ++k) {
    const cyf_gene_mode mode = modes[k];
    const double tolerance = mode == CYF_GENE_GRAM ? 2e-5 : c->product_tolerance;
    double value[2] = {-1, -1};
    ON_BOTH(c, gene_mse(d, mode, &b.on[s], hidden, F(h), F(w), F(bias), 0.37, &value[s], NULL, NULL, NULL));
    same_scalar(c, "gene_mse", value, tolerance);
    ON_BOTH(c, gene_mse(d, mode, &b.on[s], hidden, F(h), F(w), F(bias), 0.37, &value[s], F(d_h), F(d_w), F(d_bias)));
    same_scalar(c, "gene_mse", value, tolerance);
    same(c, "gene_mse", d_h, tolerance);
    same(c, "gene_mse", d_w, tolerance);
    same(c, "gene_mse", d_bias, tolerance);
  }
  cyf_csr_buffer_destroy(&b.buffer);
  release(c);
}

static void compare_gene_nb(compare *c, int64_t n, int64_t genes, int64_t hidden) {
  batch b = make_batch(c, n, genes, 0.3, 40, 1);
  const both h = normals(c, n * hidden, 1 / sqrt((double)hidden)), w = normals(c, genes * hidden, 1);
  const both bias = normals(c, genes, 1), d_h = normals(c, n * hidden, 1), d_w = normals(c, genes * hidden, 1);
  const both d_bias = normals(c, genes, 1), log_theta = normals(c, genes, 2), size = positives(c, n, 0.2, 3);
  const both d_log_theta = normals(c, genes, 1);
  double value[2] = {-1, -1};
  ON_BOTH(c, gene_nb(d, &b.on[s], F(size), hidden, F(h), F(w), F(bias), F(log_theta), 0.37, &value[s], NULL, NULL, NULL,
                     NULL));
  same_scalar(c, "gene_nb", value, c->product_tolerance);
  ON_BOTH(c, gene_nb(d, &b.on[s], F(size), hidden, F(h), F(w), F(bias), F(log_theta), 0.37, &value[s], F(d_h), F(d_w),
                     F(d_bias), F(d_log_theta)));
  same_scalar(c, "gene_nb", value, c->product_tolerance);
  same(c, "gene_nb", d_h, c->product_tolerance);
  same(c, "gene_nb", d_w, c->product_tolerance);
  same(c, "gene_nb", d_bias, c->product_tolerance);
  same(c, "gene_nb", d_log_theta, c->product_tolerance);
  cyf_csr_buffer_destroy(&b.buffer);
  release(c);
}

static void compare_counts(compare *c, int64_t n, int64_t genes) {
  batch b = make_batch(c, n, genes, 0.3, 5, 0);
  const int64_t entries = cyf_csr_view(&b.buffer).indptr[n + 2];
  const cyf_rng_key key = cyf_rng_key_make(17, CYF_RNG_NOISE);
  const both total = positives(c, n, 500, 5000), counts = normals(c, entries, 1), head = normals(c, 2 * n, 2);
  const both d_head = normals(c, 2 * n, 1), z = normals(c, n, 1), size = normals(c, n, 1);
  const both y = normals(c, n * genes, 3), log_theta = normals(c, genes, 2), at = positions(c, n);
  double value[2] = {-1, -1};
  ON_BOTH(c, csr_counts(d, &b.on[s], F(total), 1e4, F(counts)));
  equal(c, "csr_counts", counts);
  ON_BOTH(c, library_nll(d, n, F(head), F(total), 0.4, &value[s], NULL));
  same_scalar(c, "library_nll", value, 1e-5);
  ON_BOTH(c, library_nll(d, n, F(head), F(total), 0.4, &value[s], F(d_head)));
  same_scalar(c, "library_nll", value, 1e-5);
  same(c, "library_nll", d_head, 1e-5);
  for (int given = 0; given < 2; ++given) {
    ON_BOTH(c, library_size(d, n, F(head), given ? F(z) : NULL, F(size)));
    same(c, "library_size", size, 1e-5);
    ON_BOTH(c, softmax_rows(d, n, genes, given ? F(total) : NULL, F(y)));
    same(c, "softmax_rows", y, 1e-5);
  }
  for (int given = 0; given < 2; ++given) {
    ON_BOTH(c, nb_draw(d, n, genes, F(y), F(log_theta), key, given ? L(at) : NULL, ((int64_t)1 << 33) + 7, F(y)));
    same(c, "nb_draw", y, c->draw_tolerance);
  }
  cyf_csr_buffer_destroy(&b.buffer);
  release(c);
}

/* Compact cells of each type of count, all rows as they lie and chosen rows elsewhere. */
static void compare_expand(compare *c, int64_t n, int64_t genes, cyf_count_type type) {
  cyf_csr_buffer buffer = test_sparse(&c->random, n, genes, 0.3, 200, 1);
  const cyf_csr x = cyf_csr_view(&buffer);
  const int64_t nnz = x.indptr[n];
  const cyf_index_type index_type = type == CYF_COUNT_UINT16 ? CYF_INDEX_UINT16 : CYF_INDEX_UINT32;
  void *counts = test_alloc(nnz, cyf_count_bytes(type)), *genes_of = test_alloc(nnz, cyf_index_bytes(index_type));
  for (int64_t k = 0; k < nnz; ++k) {
    if (type == CYF_COUNT_UINT8) ((uint8_t *)counts)[k] = (uint8_t)x.values[k];
    if (type == CYF_COUNT_UINT16) ((uint16_t *)counts)[k] = (uint16_t)x.values[k];
    if (type == CYF_COUNT_UINT32) ((uint32_t *)counts)[k] = (uint32_t)x.values[k];
    if (type == CYF_COUNT_FLOAT32) ((float *)counts)[k] = x.values[k];
    if (index_type == CYF_INDEX_UINT16) ((uint16_t *)genes_of)[k] = (uint16_t)x.indices[k];
    if (index_type == CYF_INDEX_UINT32) ((uint32_t *)genes_of)[k] = (uint32_t)x.indices[k];
  }
  int64_t *chosen = TEST_NEW(int64_t, n), *starts = TEST_NEW(int64_t, n + 1);
  for (int64_t i = 0; i < n; ++i) {
    chosen[i] = n - 1 - i;
    starts[i + 1] = starts[i] + x.indptr[chosen[i] + 1] - x.indptr[chosen[i]];
  }
  const both indptr = put(c, x.indptr, n + 1, sizeof *x.indptr), row = put(c, chosen, n, sizeof *chosen);
  const both start = put(c, starts, n + 1, sizeof *starts), factor = positives(c, n, 0.1, 3);
  const both stored = put(c, counts, nnz, cyf_count_bytes(type));
  const both stored_genes = put(c, genes_of, nnz, cyf_index_bytes(index_type)), indices = integers(c, nnz, 0, 3);
  const both values = normals(c, nnz, 1), raw = normals(c, nnz, 1);
  for (int some = 0; some < 2; ++some) {
    for (int s = 0; s < 2; ++s) {
      cyf_device *d = c->device[s];
      const cyf_compact compact = {n,
                                   genes,
                                   type,
                                   index_type,
                                   L(indptr),
                                   stored_genes.on[s],
                                   stored.on[s],
                                   type == CYF_COUNT_FLOAT32 ? NULL : F(factor)};
      check_call(c, "csr_expand",
                 d->ops->csr_expand(d, &compact, n, some ? L(row) : NULL, some ? L(start) : NULL, nnz, I(indices),
                                    F(values), some ? F(raw) : NULL));
    }
    equal(c, "csr_expand", indices);
    same(c, "csr_expand", values, 1e-6);
  }
  equal(c, "csr_expand", raw);
  void *all[] = {counts, genes_of, chosen, starts};
  for (size_t k = 0; k < sizeof all / sizeof *all; ++k) free(all[k]);
  cyf_csr_buffer_destroy(&buffer);
  release(c);
}

static void compare_sparse(compare *c, int64_t n, int64_t k) {
  float *host = test_normals(&c->random, n * k, 1);
  if (n * k > 3) host[2] = NAN;
  const both x = put(c, host, n * k, sizeof *host), indptr = positions(c, n + 1);
  const both indices = integers(c, n * k, 0, 1), values = normals(c, n * k, 0);
  int64_t odd[2] = {-1, -1};
  ON_BOTH(c, sparse_count(d, n, k, F(x), L(indptr), &odd[s]));
  equal_integer(c, "sparse_count", odd);
  equal(c, "sparse_count", indptr);
  ON_BOTH(c, sparse_fill(d, n, k, F(x), L(indptr), I(indices), F(values)));
  equal(c, "sparse_fill", indices);
  equal(c, "sparse_fill", values);
  free(host);
  release(c);
}

/* Three passes over the same operations with other arguments each time: as they are, recorded, exchanged. */
static void compare_graph(compare *c) {
  const both x = normals(c, 500, 1), y = normals(c, 500, 1);
  cyf_graph *graph[2] = {NULL, NULL};
  double value[2];
  for (int pass = 0; pass < 3; ++pass) {
    ON_BOTH(c, graph_begin(d, &graph[s]));
    ON_BOTH(c, axpy(d, 500, 0.5 + pass, F(x), F(y)));
    ON_BOTH(c, squared_error(d, 500, F(x), F(y), 1, &value[s], NULL));
    ON_BOTH(c, graph_end(d, &graph[s], true));
    same_scalar(c, "graph", value, 1e-6);
    same(c, "graph", y, 1e-6);
  }
  for (int s = 0; s < 2; ++s) c->device[s]->ops->graph_destroy(c->device[s], graph[s]);
  release(c);
}

static void compare_shape(compare *c, int64_t n, int64_t k) {
  char shape[64];
  snprintf(shape, sizeof shape, "%lld x %lld", (long long)n, (long long)k);
  c->shape = shape;
  compare_memory(c, n, k);
  compare_linear(c, n, k, 21);
  compare_linear(c, n, 16, k);
  for (int act = CYF_IDENTITY; act <= CYF_SILU; ++act) compare_batch_norm(c, n, k, (cyf_activation)act);
  compare_rows(c, n, k);
  compare_elements(c, n, k);
  compare_random(c, n, k);
  compare_labels(c, n, k);
  compare_diffusion(c, n, k);
  compare_optimizer(c, n * k);
  compare_sparse(c, n, k);
  compare_gene_linear(c, n, k, 24);
  compare_gene_mse(c, n, k, 18);
  compare_gene_nb(c, n, k, 18);
  compare_counts(c, n, k);
  for (int type = CYF_COUNT_UINT8; type <= CYF_COUNT_FLOAT32; ++type) compare_expand(c, n, k, (cyf_count_type)type);
  c->shape = "";
}

void compare_all(cyf_device *cpu, cyf_device *device, cyf_precision precision, bool large, compare_report *report) {
  static const int64_t edge[][2] = {{0, 5}, {1, 1}, {3, 67}, {33, 128}, {300, 45}, {9, 1000}};
  static const int64_t big[][2] = {{2048, 1024}, {128, 28231}}; /* the CPU takes seconds for them */
  compare c = {.device = {cpu, device}, .report = report, .random = {7}, .shape = ""};
  c.product_tolerance = precision == CYF_PRECISION_FP32 ? 1e-5 : precision == CYF_PRECISION_TF32 ? 5e-3 : 4e-2;
  c.draw_tolerance = 0.05;
  *report = (compare_report){0};
  for (size_t k = 0; k < sizeof edge / sizeof *edge; ++k) compare_shape(&c, edge[k][0], edge[k][1]);
  if (large) {
    for (size_t k = 0; k < sizeof big / sizeof *big; ++k) compare_shape(&c, big[k][0], big[k][1]);
  }
  compare_graph(&c);
}

int compare_empty_slots(const cyf_ops *ops, const char *name) {
  int empty = 0;
  /* The table is a name and then functions alone. */
  for (size_t at = sizeof(const char *); at < sizeof *ops; at += sizeof(void (*)(void))) {
    void (*slot)(void);
    memcpy(&slot, (const char *)ops + at, sizeof slot);
    if (slot) continue;
    printf("FAILED %s: slot %zu of the table is empty\n", name, at / sizeof slot);
    ++empty;
  }
  return empty;
}
