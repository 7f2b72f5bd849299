/* SPDX-License-Identifier: MIT */
/* What models announce in a backward pass: every element of the gradient once, when nothing more is added to it. The
 * order does not depend on the rank's cells. */
#include "check.h"
#include "comm/buckets.h"
#include "kernels/csr.h"
#include "model/autoencoder.h"
#include "model/classifier.h"
#include "model/denoiser.h"
#include "model_steps.h"

enum { N = 6, GENES = 40, LATENT = 8, N_MOST = 512, N_CLASSES = 3 };

typedef struct listener {
  const cyf_parameters *parameters;
  cyf_buckets buckets;
  float *when_ready; /* [total] the gradient as it was announced */
  int64_t first[N_MOST];
  int n;
} listener;

static cyf_status hear(void *context, int64_t first, int64_t count) {
  listener *l = context;
  assert_true(l->n < N_MOST);
  l->first[l->n++] = first;
  memcpy(l->when_ready + first, l->parameters->gradient + first, sizeof(float) * (size_t)count);
  return cyf_buckets_ready(&l->buckets, first, count); /* refuses what was announced before */
}

static void listen(cyf_parameters *parameters, listener *l) {
  *l = (listener){.parameters = parameters};
  assert_ok(cyf_buckets_create(parameters->layout.total, sizeof(float), &l->buckets));
  assert_ok(CYF_NEW(&l->when_ready, parameters->layout.total));
  parameters->listener = (cyf_gradient_listener){hear, l};
}

static void check_and_forget(cyf_parameters *parameters, listener *l) {
  for (int64_t i = 0; i < parameters->layout.total; ++i) {
    assert_int_equal(l->buckets.missing[i], 0);
    assert_true(l->when_ready[i] == parameters->gradient[i]);
  }
  cyf_buckets_destroy(&l->buckets);
  cyf_free(l->when_ready);
  parameters->listener = (cyf_gradient_listener){0};
}

/* A rank without cells says the same, in the same order. */
static void check_same_order(const listener *a, const listener *b) {
  assert_int_equal(a->n, b->n);
  assert_memory_equal(a->first, b->first, sizeof a->first[0] * (size_t)a->n);
}

/* How much of the gradient, flat, is announced in the order in which it is summed: from the end. */
static double share_in_order(const listener *l) {
  int n = 1;
  for (int i = 1; i < l->n; ++i) n += l->first[i] < l->first[i - 1];
  return (double)n / l->n;
}

static cyf_status keep(void *context, double *values, int64_t count) {
  (void)context;
  (void)values;
  (void)count;
  return CYF_OK;
}

static void fill(int64_t n, float *values, int seed) {
  for (int64_t i = 0; i < n; ++i) values[i] = (float)((i * 37 + seed * 11) % 23) / 11.0f - 1.0f;
}

static void the_autoencoder_announces_its_gradients(void **state) {
  cyf_device *device = *state;
  const cyf_autoencoder_config config = {.n_genes = GENES, .latent = LATENT, .n_hidden = 2, .hidden = {16, 12}};
  const cyf_reducer reducer = {keep, NULL};
  cyf_autoencoder *model = NULL;
  listener heard[2];
  int64_t indptr[N + 1];
  int32_t indices[N * 4];
  float values[N * 4];
  for (int i = 0; i <= N; ++i) indptr[i] = 4 * i;
  for (int i = 0; i < N * 4; ++i) indices[i] = i % 4 * 10 + i / 4;
  fill(N * 4, values, 1);
  assert_ok(cyf_autoencoder_create(device, &config, 1, &model));
  assert_ok(cyf_autoencoder_init(model, 1));
  cyf_parameters *parameters = cyf_autoencoder_parameters(model);
  for (int n = N, i = 0; i < 2; n = 0, ++i) {
    const cyf_csr cells = {n, GENES, indptr, indices, values, 0};
    double sum[CYF_LOSS_TERMS] = {0};
    listen(parameters, &heard[i]);
    assert_ok(cyf_autoencoder_train_step(model, &cells, NULL, N, &reducer, sum));
    check_and_forget(parameters, &heard[i]);
  }
  check_same_order(&heard[0], &heard[1]);
  assert_true(share_in_order(&heard[0]) > 0.7); /* within a block the norm comes before its Linear */
  cyf_autoencoder_destroy(&model);
}

static void the_denoiser_announces_its_gradients(void **state) {
  cyf_device *device = *state;
  const cyf_denoiser_config config = {
      .latent = LATENT, .n_hidden = 3, .hidden = {16, 12, 8}, .n_conditions = 1, .n_classes = {N_CLASSES}};
  const int32_t t[N] = {3, 1, 4, 1, 5, 9}, label[N] = {0, 1, 2, -1, 0, 1};
  cyf_denoiser *model = NULL;
  listener heard;
  float x[N * LATENT], eps[N * LATENT];
  double sum = 0;
  fill(N * LATENT, x, 1);
  fill(N * LATENT, eps, 2);
  assert_ok(cyf_denoiser_create(device, &config, 1, &model));
  assert_ok(cyf_denoiser_init(model, 1));
  cyf_parameters *parameters = cyf_denoiser_parameters(model);
  listen(parameters, &heard);
  assert_ok(denoiser_step(model, N, x, t, label, eps, N, &sum));
  check_and_forget(parameters, &heard);
  assert_true(share_in_order(&heard) > 0.6);
  cyf_denoiser_destroy(&model);
}

static void the_classifier_announces_its_gradients(void **state) {
  cyf_device *device = *state;
  const cyf_classifier_config config = {.latent = LATENT, .n_classes = N_CLASSES, .hidden = {16, 12, 8}};
  const cyf_reducer reducer = {keep, NULL};
  const int32_t t[N] = {3, 1, 4, 1, 5, 9}, label[N] = {0, 1, 2, 2, 0, 1};
  cyf_classifier *model = NULL;
  listener heard[2];
  float x[N * LATENT];
  fill(N * LATENT, x, 1);
  assert_ok(cyf_classifier_create(device, &config, 1, &model));
  assert_ok(cyf_classifier_init(model, 1));
  cyf_parameters *parameters = cyf_classifier_parameters(model);
  for (int n = N, i = 0; i < 2; n = 0, ++i) {
    cyf_loss_sums result;
    listen(parameters, &heard[i]);
    assert_ok(cyf_classifier_train_step(model, n, x, t, label, NULL, N, N, NULL, &reducer, &result));
    check_and_forget(parameters, &heard[i]);
  }
  check_same_order(&heard[0], &heard[1]);
  cyf_classifier_destroy(&model);
}

static int make_device(void **state) {
  return cyf_device_create_cpu(1, (cyf_device **)state) != CYF_OK;
}

static int free_device(void **state) {
  cyf_device_destroy((cyf_device **)state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_autoencoder_announces_its_gradients),
      cmocka_unit_test(the_denoiser_announces_its_gradients),
      cmocka_unit_test(the_classifier_announces_its_gradients),
  };
  return cmocka_run_group_tests(tests, make_device, free_device);
}
