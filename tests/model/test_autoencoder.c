/* SPDX-License-Identifier: MIT */
/* The autoencoder: stored references, finite differences, and independence of ranks and neighbours. */
#include "golden.h"
#include "model/autoencoder.h"
#include "model_check.h"

static const char *const GOLDEN_FILES[] = {"autoencoder_1.h5", "autoencoder_2.h5"};
static const double GOLDEN_TOLERANCE = 5e-5; /* float32 against float64, seen: 8e-6; the contract is 1e-4 */

static cyf_device *device;

static int setup(void **state) {
  (void)state;
  return golden_open_device(&device);
}

static int teardown(void **state) {
  (void)state;
  cyf_device_destroy(&device);
  return 0;
}

static cyf_autoencoder *golden_autoencoder(const char *file) {
  cyf_autoencoder_config config = {.n_genes = golden_attribute_1(file, "n_genes"),
                                   .latent = golden_attribute_1(file, "latent")};
  cyf_autoencoder *autoencoder = NULL;
  config.n_hidden = golden_attribute(file, "hidden", config.hidden, CYF_HIDDEN_MAX);
  assert_ok(cyf_autoencoder_create(device, &config, 1, &autoencoder));
  cyf_parameters *p = cyf_autoencoder_parameters(autoencoder);
  golden_load(device, &p->layout, file, "params", p->value);
  golden_load(device, &p->buffer_layout, file, "params", p->buffer);
  return autoencoder;
}

/* The stored expression matrix as a sparse batch in device memory, in `scratch`. */
static cyf_csr golden_cells(const char *file, int64_t n_genes, cyf_scratch *scratch, cyf_csr_buffer *cells) {
  int64_t count = 0;
  double *x = golden_doubles(file, "x", &count);
  int32_t *indices = NULL;
  float *values = NULL;
  assert_ok(CYF_NEW(&indices, n_genes));
  assert_ok(CYF_NEW(&values, n_genes));
  cyf_csr_buffer_clear(cells, n_genes);
  for (int64_t i = 0; i < count / n_genes; i++) {
    int64_t nnz = 0;
    for (int64_t g = 0; g < n_genes; g++) {
      if (x[i * n_genes + g] == 0.0) continue;
      indices[nnz] = (int32_t)g;
      values[nnz++] = (float)x[i * n_genes + g];
    }
    assert_ok(cyf_csr_buffer_append(cells, nnz, indices, values));
  }
  cyf_free(values);
  cyf_free(indices);
  cyf_free(x);
  const cyf_csr host = cyf_csr_view(cells);
  cyf_csr there;
  assert_ok(cyf_csr_to_device(device, scratch, &host, &there));
  return there;
}

/* ---- stored references ---- */

static void check_golden_train_step(const char *file) {
  cyf_autoencoder *autoencoder = golden_autoencoder(file);
  const cyf_autoencoder_config *config = cyf_autoencoder_get_config(autoencoder);
  cyf_parameters *p = cyf_autoencoder_parameters(autoencoder);
  cyf_csr_buffer buffer = {0};
  cyf_scratch *scratch = NULL;
  assert_ok(cyf_scratch_create(device, &scratch));
  const cyf_csr cells = golden_cells(file, config->n_genes, scratch, &buffer);
  double sum[CYF_LOSS_TERMS] = {0};
  assert_ok(cyf_autoencoder_train_step(autoencoder, &cells, NULL, cells.n_cells, NULL, sum));
  assert_ok(device->ops->synchronize(device));
  const double loss = sum[0] / (double)(cells.n_cells * config->n_genes), expected = golden_scalar(file, "train/loss");
  assert_true(fabs(loss - expected) < 1e-6 * expected);
  golden_check_layout(device, &p->layout, p->gradient, file, "train/grad", "train/grad", GOLDEN_TOLERANCE);
  golden_check_layout(device, &p->buffer_layout, p->buffer, file, "train/buffers_after", NULL, GOLDEN_TOLERANCE);
  cyf_scratch_destroy(&scratch);
  cyf_csr_buffer_destroy(&buffer);
  cyf_autoencoder_destroy(&autoencoder);
}

static void golden_training_steps_are_met(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) check_golden_train_step(GOLDEN_FILES[i]);
}

static void check_golden_eval(const char *file) {
  cyf_autoencoder *autoencoder = golden_autoencoder(file);
  const cyf_autoencoder_config *config = cyf_autoencoder_get_config(autoencoder);
  cyf_parameters *p = cyf_autoencoder_parameters(autoencoder);
  cyf_csr_buffer buffer = {0};
  cyf_scratch *scratch = NULL;
  golden_load(device, &p->buffer_layout, file, "train/buffers_after", p->buffer);
  assert_ok(cyf_scratch_create(device, &scratch));
  const cyf_csr cells = golden_cells(file, config->n_genes, scratch, &buffer);
  const size_t mark = cyf_scratch_mark(scratch);
  float *latent = to_device(device, NULL, cells.n_cells * config->latent);
  float *expression = to_device(device, NULL, cells.n_cells * config->n_genes);
  assert_ok(cyf_autoencoder_encode(autoencoder, scratch, &cells, latent));
  golden_check(device, latent, file, "eval/latent", GOLDEN_TOLERANCE);
  assert_ok(cyf_autoencoder_decode(autoencoder, scratch, cells.n_cells, latent, expression));
  golden_check(device, expression, file, "eval/recon_relu", GOLDEN_TOLERANCE);
  assert_int_equal(cyf_scratch_mark(scratch), mark); /* nothing is left behind */
  device->ops->free(device, expression);
  device->ops->free(device, latent);
  cyf_scratch_destroy(&scratch);
  cyf_csr_buffer_destroy(&buffer);
  cyf_autoencoder_destroy(&autoencoder);
}

static void golden_encoding_and_decoding_are_met(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) check_golden_eval(GOLDEN_FILES[i]);
}

/* Running variances after the optimiser's steps. The running means follow the biases before the norm, which AdamW moves
 * by rounding alone (see golden_check_layout): only their values after the first pass are a reference. */
static void check_running_variances(cyf_parameters *p, const char *file) {
  for (int64_t i = 0; i < p->buffer_layout.n_tensors; i++) {
    const cyf_named_tensor *tensor = &p->buffer_layout.tensors[i];
    char dataset[GOLDEN_NAME_MAX];
    if (strstr(tensor->name, "running_mean") != NULL) continue;
    snprintf(dataset, sizeof(dataset), "adamw/params/%s", tensor->name);
    golden_check(device, p->buffer + tensor->offset, file, dataset, 1e-4);
  }
}

/* Three optimiser steps after the first forward pass: four passes through the running statistics. */
static void check_golden_adamw(const char *file) {
  cyf_autoencoder *autoencoder = golden_autoencoder(file);
  const cyf_autoencoder_config *config = cyf_autoencoder_get_config(autoencoder);
  cyf_parameters *p = cyf_autoencoder_parameters(autoencoder);
  cyf_csr_buffer buffer = {0};
  cyf_adamw settings = {.learning_rate = 5e-4,
                        .beta1 = 0.9,
                        .beta2 = 0.999,
                        .epsilon = 1e-8,
                        .weight_decay = 0.01,
                        .gradient_scale = 1.0};
  double sum[CYF_LOSS_TERMS] = {0}, *losses = golden_doubles(file, "adamw/loss", NULL);
  float *first = to_device(device, NULL, p->layout.total), *second = to_device(device, NULL, p->layout.total);
  cyf_scratch *scratch = NULL;
  assert_ok(cyf_scratch_create(device, &scratch));
  const cyf_csr cells = golden_cells(file, config->n_genes, scratch, &buffer);
  assert_ok(cyf_autoencoder_train_step(autoencoder, &cells, NULL, cells.n_cells, NULL, sum));
  assert_ok(device->ops->zero(device, p->gradient, (size_t)p->layout.total * sizeof(float)));
  for (int step = 0; step < 3; step++) {
    assert_ok(cyf_autoencoder_train_step(autoencoder, &cells, NULL, cells.n_cells, NULL, sum));
    assert_ok(device->ops->synchronize(device));
    const double loss = sum[0] / (double)(cells.n_cells * config->n_genes);
    assert_true(fabs(loss - losses[step]) < 1e-5 * losses[step]);
    settings.step = step + 1;
    assert_ok(device->ops->adamw(device, p->layout.total, &settings, p->value, p->gradient, first, second, NULL, 0.0));
  }
  golden_check_layout(device, &p->layout, p->value, file, "adamw/params", "train/grad", 1e-4);
  check_running_variances(p, file);
  device->ops->free(device, second);
  device->ops->free(device, first);
  cyf_free(losses);
  cyf_scratch_destroy(&scratch);
  cyf_csr_buffer_destroy(&buffer);
  cyf_autoencoder_destroy(&autoencoder);
}

static void golden_steps_of_adamw_are_met(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) check_golden_adamw(GOLDEN_FILES[i]);
}

/* ---- a small random model ---- */

enum { N_CELLS = 24, N_GENES = 37, N_LATENT = 5 };

static cyf_autoencoder *small_autoencoder(cyf_device *on, int with_gradient) {
  const cyf_autoencoder_config config = {.n_genes = N_GENES, .latent = N_LATENT, .n_hidden = 2, .hidden = {16, 12}};
  cyf_autoencoder *autoencoder = NULL;
  if (cyf_autoencoder_create(on, &config, with_gradient, &autoencoder) != CYF_OK) return NULL;
  if (cyf_autoencoder_init(autoencoder, 11) != CYF_OK) cyf_autoencoder_destroy(&autoencoder);
  return autoencoder;
}

typedef struct loss_context {
  cyf_autoencoder *autoencoder;
  const cyf_csr *cells;
} loss_context;

static double train_loss(void *context) {
  const loss_context *c = context;
  double sum[CYF_LOSS_TERMS] = {0};
  assert_ok(cyf_autoencoder_train_step(c->autoencoder, c->cells, NULL, c->cells->n_cells, NULL, sum));
  return sum[0] / (double)(c->cells->n_cells * c->cells->n_genes);
}

static void gradients_are_finite_differences(void **state) {
  (void)state;
  cyf_autoencoder *autoencoder = small_autoencoder(device, 1);
  assert_non_null(autoencoder);
  cyf_parameters *p = cyf_autoencoder_parameters(autoencoder);
  cyf_csr_buffer buffer = {0};
  random_cells(3, N_CELLS, N_GENES, 0.3, &buffer);
  const cyf_csr cells = cyf_csr_view(&buffer);
  loss_context context = {autoencoder, &cells};
  train_loss(&context);
  float *gradient = to_host(device, p->gradient, p->layout.total);
  check_finite_differences(p, gradient, 1e-5, 5e-3, train_loss, &context);
  cyf_free(gradient);
  cyf_csr_buffer_destroy(&buffer);
  cyf_autoencoder_destroy(&autoencoder);
}

static void gradients_accumulate(void **state) {
  (void)state;
  cyf_autoencoder *autoencoder = small_autoencoder(device, 1);
  assert_non_null(autoencoder);
  cyf_parameters *p = cyf_autoencoder_parameters(autoencoder);
  cyf_csr_buffer buffer = {0};
  random_cells(3, N_CELLS, N_GENES, 0.3, &buffer);
  const cyf_csr cells = cyf_csr_view(&buffer);
  loss_context context = {autoencoder, &cells};
  train_loss(&context);
  float *once = to_host(device, p->gradient, p->layout.total);
  train_loss(&context);
  float *twice = to_host(device, p->gradient, p->layout.total);
  for (int64_t i = 0; i < p->layout.total; i++) assert_true(fabsf(twice[i] - 2.0f * once[i]) < 1e-5f);
  cyf_free(twice);
  cyf_free(once);
  cyf_csr_buffer_destroy(&buffer);
  cyf_autoencoder_destroy(&autoencoder);
}

/* ---- ranks ---- */

typedef struct rank_work {
  thread_rank rank;
  cyf_csr cells; /* this rank's share */
  cyf_device *device;
  cyf_autoencoder *autoencoder;
  double sum[CYF_LOSS_TERMS];
  cyf_status status;
} rank_work;

static void *train_as_rank(void *context) {
  rank_work *work = context;
  const cyf_reducer reducer = {thread_rank_sum, &work->rank};
  work->status = cyf_autoencoder_train_step(work->autoencoder, &work->cells, NULL, N_CELLS, &reducer, work->sum);
  return NULL;
}

/* The full batch on one rank against [0, n_first) and the rest on two: loss, gradients (summed) and running statistics
 * agree to the rounding of float32. n_first may leave a rank without cells. */
static void check_split_batch(int64_t n_first) {
  cyf_csr_buffer buffer = {0};
  random_cells(5, N_CELLS, N_GENES, 0.3, &buffer);
  const cyf_csr cells = cyf_csr_view(&buffer);
  cyf_autoencoder *whole = small_autoencoder(device, 1);
  assert_non_null(whole);
  cyf_parameters *p = cyf_autoencoder_parameters(whole);
  double sum[CYF_LOSS_TERMS] = {0};
  assert_ok(cyf_autoencoder_train_step(whole, &cells, NULL, N_CELLS, NULL, sum));

  thread_sum shared;
  rank_work work[THREAD_RANKS] = {0};
  void *contexts[THREAD_RANKS];
  assert_int_equal(pthread_barrier_init(&shared.barrier, NULL, THREAD_RANKS), 0);
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    work[rank].rank = (thread_rank){.shared = &shared, .rank = rank};
    work[rank].cells = cyf_csr_rows(&cells, rank == 0 ? 0 : n_first, rank == 0 ? n_first : N_CELLS - n_first);
    assert_ok(cyf_device_create_cpu(1, &work[rank].device));
    work[rank].autoencoder = small_autoencoder(work[rank].device, 1);
    assert_non_null(work[rank].autoencoder);
    contexts[rank] = &work[rank];
  }
  run_as_ranks(train_as_rank, contexts);
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    assert_int_equal(work[rank].status, CYF_OK);
    assert_int_equal(work[rank].rank.n_calls, 8); /* forward and backward of four batch norms */
  }
  assert_true(fabs(work[0].sum[0] + work[1].sum[0] - sum[0]) < 1e-6 * sum[0]);
  cyf_parameters *p0 = cyf_autoencoder_parameters(work[0].autoencoder);
  cyf_parameters *p1 = cyf_autoencoder_parameters(work[1].autoencoder);
  assert_true(device_error(device, p0->buffer, p->buffer, p->buffer_layout.total) < 1e-6);
  assert_true(device_error(device, p1->buffer, p->buffer, p->buffer_layout.total) < 1e-6);
  assert_ok(device->ops->axpy(device, p->layout.total, 1.0, p1->gradient, p0->gradient));
  assert_true(device_error(device, p0->gradient, p->gradient, p->layout.total) < 1e-5);
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    cyf_autoencoder_destroy(&work[rank].autoencoder);
    cyf_device_destroy(&work[rank].device);
  }
  pthread_barrier_destroy(&shared.barrier);
  cyf_autoencoder_destroy(&whole);
  cyf_csr_buffer_destroy(&buffer);
}

static void ranks_make_one_batch(void **state) {
  (void)state;
  check_split_batch(N_CELLS / 2);
  check_split_batch(7);
}

static void a_rank_without_cells_takes_part(void **state) {
  (void)state;
  check_split_batch(0);
}

/* ---- inference ---- */

/* A cell's latent and expression are the same alone as among others (1e-6: only the order of float sums may differ). */
static void cells_do_not_depend_on_their_neighbours(void **state) {
  (void)state;
  cyf_autoencoder *autoencoder = small_autoencoder(device, 1);
  assert_non_null(autoencoder);
  cyf_csr_buffer buffer = {0};
  cyf_scratch *scratch = NULL;
  random_cells(9, N_CELLS, N_GENES, 0.3, &buffer);
  const cyf_csr cells = cyf_csr_view(&buffer);
  loss_context context = {autoencoder, &cells};
  train_loss(&context); /* running statistics away from their start */
  assert_ok(cyf_scratch_create(device, &scratch));
  float *latent = to_device(device, NULL, N_CELLS * N_LATENT), *expression = to_device(device, NULL, N_CELLS * N_GENES);
  float *latent_alone = to_device(device, NULL, N_LATENT), *expression_alone = to_device(device, NULL, N_GENES);
  assert_ok(cyf_autoencoder_encode(autoencoder, scratch, &cells, latent));
  assert_ok(cyf_autoencoder_decode(autoencoder, scratch, N_CELLS, latent, expression));
  double sum_alone = 0.0, sum = 0.0;
  for (int64_t i = 0; i < N_CELLS; i++) {
    const cyf_csr cell = cyf_csr_rows(&cells, i, 1);
    double squared_norm = 0.0, of_cell = 0.0;
    assert_ok(cyf_autoencoder_encode(autoencoder, scratch, &cell, latent_alone));
    assert_ok(cyf_autoencoder_decode(autoencoder, scratch, 1, latent_alone, expression_alone));
    assert_true(device_error(device, latent_alone, latent + i * N_LATENT, N_LATENT) < 1e-6);
    assert_true(device_error(device, expression_alone, expression + i * N_GENES, N_GENES) < 1e-5);
    assert_ok(device->ops->square_sum(device, N_LATENT, latent_alone, &squared_norm));
    assert_ok(device->ops->synchronize(device));
    assert_true(fabs(squared_norm - 1.0) < 1e-6);
    assert_ok(cyf_autoencoder_validate(autoencoder, &cell, NULL, &of_cell));
    sum_alone += of_cell;
  }
  assert_ok(cyf_autoencoder_validate(autoencoder, &cells, NULL, &sum));
  assert_true(fabs(sum - sum_alone) < 1e-5 * sum);
  device->ops->free(device, expression_alone);
  device->ops->free(device, latent_alone);
  device->ops->free(device, expression);
  device->ops->free(device, latent);
  cyf_scratch_destroy(&scratch);
  cyf_csr_buffer_destroy(&buffer);
  cyf_autoencoder_destroy(&autoencoder);
}

/* ---- creation ---- */

/* PyTorch's default: a Linear within +-1/sqrt(fan_in) and spread over it, norms 1 and 0, PReLU 0.25; the same for the
 * same seed. */
static void parameters_begin_as_in_torch(void **state) {
  (void)state;
  cyf_autoencoder *one = small_autoencoder(device, 1), *two = small_autoencoder(device, 0);
  assert_non_null(one);
  assert_non_null(two);
  cyf_parameters *p = cyf_autoencoder_parameters(one), *q = cyf_autoencoder_parameters(two);
  float *values = to_host(device, p->value, p->layout.total), *others = to_host(device, q->value, q->layout.total);
  assert_memory_equal(values, others, (size_t)p->layout.total * sizeof(float));
  assert_null(q->gradient);
  const cyf_named_tensor *weight = cyf_layout_find(&p->layout, "encoder.network.0.1.weight");
  assert_non_null(weight);
  assert_int_equal(weight->kind, CYF_TENSOR_TRANSPOSED);
  assert_int_equal(weight->shape[0], 16);
  assert_int_equal(weight->shape[1], N_GENES);
  const double bound = 1.0 / sqrt(N_GENES);
  double sum = 0.0, squares = 0.0;
  for (int64_t e = 0; e < weight->count; e++) {
    const double v = (double)values[weight->offset + e];
    assert_true(fabs(v) <= bound * (1.0 + 1e-6));
    sum += v;
    squares += v * v;
  }
  const double n = (double)weight->count;
  assert_true(fabs(sum / n) < 5.0 * bound / sqrt(3.0 * n));
  assert_true(fabs(squares / n / (bound * bound / 3.0) - 1.0) < 0.15);
  assert_true(values[cyf_layout_find(&p->layout, "decoder.network.0.2.weight")->offset] == 0.25f);
  assert_true(values[cyf_layout_find(&p->layout, "decoder.network.0.1.weight")->offset] == 1.0f);
  /* The numbers belong to PyTorch's order, so the memory form does not matter. */
  float torch_order[16 * N_GENES];
  cyf_tensor_to_torch_order(weight, values, torch_order);
  uint32_t hash = 2166136261u, words[4];
  for (const char *c = weight->name; *c != 0; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
  cyf_rng_block(cyf_rng_key_make(11, CYF_RNG_INIT), hash, 50 / 4, 0, words);
  assert_true(torch_order[50] == (float)(bound * (2.0 * cyf_rng_unit(words[50 % 4]) - 1.0)));
  cyf_free(others);
  cyf_free(values);
  cyf_autoencoder_destroy(&two);
  cyf_autoencoder_destroy(&one);
}

static void impossible_models_are_refused(void **state) {
  (void)state;
  cyf_autoencoder_config config = {.n_genes = N_GENES, .latent = N_LATENT, .n_hidden = 2, .hidden = {16, 0}};
  cyf_autoencoder *autoencoder = NULL;
  assert_int_equal(cyf_autoencoder_create(device, &config, 1, &autoencoder), CYF_ERR_CONFIG);
  assert_null(autoencoder);
  assert_non_null(strstr(cyf_status_message(), "hidden width 0"));
  cyf_status_clear();
  config.n_hidden = CYF_HIDDEN_MAX + 1;
  assert_int_equal(cyf_autoencoder_create(device, &config, 1, &autoencoder), CYF_ERR_CONFIG);
  cyf_status_clear();
  cyf_csr_buffer buffer = {0};
  double sum[CYF_LOSS_TERMS] = {0};
  random_cells(3, 2, N_GENES, 0.3, &buffer);
  const cyf_csr cells = cyf_csr_view(&buffer);
  autoencoder = small_autoencoder(device, 0);
  assert_non_null(autoencoder);
  assert_int_equal(cyf_autoencoder_train_step(autoencoder, &cells, NULL, 2, NULL, sum), CYF_ERR_INTERNAL);
  cyf_status_clear();
  cyf_autoencoder_destroy(&autoencoder);
  cyf_autoencoder_destroy(&autoencoder); /* safe on NULL */
  cyf_csr_buffer_destroy(&buffer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_training_steps_are_met),
      cmocka_unit_test(golden_encoding_and_decoding_are_met),
      cmocka_unit_test(golden_steps_of_adamw_are_met),
      cmocka_unit_test(gradients_are_finite_differences),
      cmocka_unit_test(gradients_accumulate),
      cmocka_unit_test(ranks_make_one_batch),
      cmocka_unit_test(a_rank_without_cells_takes_part),
      cmocka_unit_test(cells_do_not_depend_on_their_neighbours),
      cmocka_unit_test(parameters_begin_as_in_torch),
      cmocka_unit_test(impossible_models_are_refused),
  };
  golden_choose_tests();
  return cmocka_run_group_tests_name("autoencoder", tests, setup, teardown);
}
