/* SPDX-License-Identifier: MIT */
/* Steps that are launched as graphs on the emulated CUDA device against the same steps operation by operation: equal
 * bit for bit, also when batches change their size.
 *
 * It is also shown that these tests can fail. Each node of a graph in turn keeps the arguments of its first recording.
 * Some arguments change from step to step: the step number of AdamW, of the noise and of the timesteps, and a reverse
 * step's coefficients. Where they are kept, the results must differ. */
#include "cuda_runtime_api.h"
#include "golden.h"
#include "kernels/cuda/cuda_device.h"
#include "model/diffusion/sampler.h"
#include "train/latent_batch.h"
#include "train/optimizer.h"

enum { LATENT = 8, CELLS_MAX = 70, CLASSES = 3 };

static cyf_settings settings;

static int set_up(void **state) {
  const char *const overrides[] = {"autoencoder.latent=8",   "denoiser.hidden=[12,8]",   "classifier.hidden=[12,12,8]",
                                   "diffusion.timesteps=30", "diffusion.guide_below=20", "denoiser.warmup_steps=3"};
  (void)state;
  assert_ok(cyf_settings_load_fixed(6, overrides, &settings));
  return 0;
}
static int tear_down(void **state) {
  (void)state;
  cyf_settings_destroy(&settings);
  return 0;
}

static cyf_device *open_device(bool graphs) {
  cyf_device *device = NULL;
  setenv("CYTOFORGE_GRAPHS", graphs ? "1" : "0", 1);
  assert_ok(cyf_device_create_cuda(0, 1, CYF_PRECISION_FP32, &device));
  emulator_seed(5);
  return device;
}

/* ---- training ---- */

/* A training step in the way of train/loop.c: uploads, then one graph of everything else. */
typedef struct trainer {
  cyf_device *device;
  cyf_denoiser *model;
  cyf_noised noised;
  cyf_scratch *scratch;
  cyf_optimizer *optimizer;
  cyf_graph *graph;
  double loss;
} trainer;

static trainer open_trainer(bool graphs) {
  trainer t = {.device = open_device(graphs)};
  cyf_denoiser_config config = cyf_settings_denoiser(&settings, NULL);
  config.n_conditions = 1; /* no atlas has named its labels */
  config.n_classes[0] = CLASSES;
  assert_ok(cyf_denoiser_create(t.device, &config, 1, &t.model));
  assert_ok(cyf_denoiser_init(t.model, 1));
  assert_ok(cyf_noised_create(t.device, &settings, &t.noised));
  assert_ok(cyf_scratch_create(t.device, &t.scratch));
  assert_ok(cyf_optimizer_create(cyf_denoiser_parameters(t.model), &settings.denoiser.stage, &t.optimizer));
  return t;
}

static void close_trainer(trainer *t) {
  t->device->ops->graph_destroy(t->device, t->graph);
  cyf_optimizer_destroy(&t->optimizer);
  cyf_scratch_destroy(&t->scratch);
  cyf_noised_destroy(&t->noised);
  cyf_denoiser_destroy(&t->model);
  cyf_device_destroy(&t->device);
}

static void train_step(trainer *t, uint32_t step, int64_t n) {
  static float latent[CELLS_MAX * LATENT];
  static int64_t position[CELLS_MAX];
  static int32_t label[CELLS_MAX];
  const cyf_ops *ops = t->device->ops;
  cyf_denoiser_rows rows = {0};
  for (int64_t i = 0; i < n * LATENT; i++) latent[i] = sinf((float)(i + 7 * step));
  for (int64_t i = 0; i < n; i++) {
    position[i] = i + 1000 * step;
    label[i] = (int32_t)((i + step) % (CLASSES + 1)) - 1;
  }
  const cyf_latent_batch batch = {.n_local = n, .latent = latent};
  const size_t mark = cyf_scratch_mark(t->scratch);
  assert_ok(cyf_noised_upload(&t->noised, &batch, position, step, 30, NULL));
  assert_ok(cyf_denoiser_rows_find(t->model, t->scratch, n, t->noised.t_host, label, &rows));
  assert_ok(ops->graph_begin(t->device, &t->graph));
  assert_ok(cyf_noised_form(&t->noised));
  assert_ok(cyf_denoiser_train_rows(t->model, n, t->noised.x_t, &rows, t->noised.eps, n, &t->loss));
  assert_ok(cyf_optimizer_compute(t->optimizer));
  assert_ok(ops->graph_end(t->device, &t->graph, true));
  assert_ok(cyf_optimizer_follow(t->optimizer));
  cyf_scratch_release(t->scratch, mark);
}

/* The weights after batches of these sizes, and the last one's loss behind them; freed with cyf_free. */
static float *trained(bool graphs, int n_steps, const int64_t *size, int64_t *ret_count) {
  trainer t = open_trainer(graphs);
  for (int step = 0; step < n_steps; step++) train_step(&t, (uint32_t)step, size[step]);
  assert_ok(cyf_optimizer_settle(t.optimizer));
  assert_ok(t.device->ops->synchronize(t.device));
  const cyf_parameters *parameters = cyf_denoiser_parameters(t.model);
  float *weights = NULL;
  *ret_count = parameters->layout.total + 1;
  assert_ok(CYF_NEW(&weights, *ret_count));
  float *values = to_host(t.device, parameters->value, parameters->layout.total);
  memcpy(weights, values, sizeof(float) * (size_t)parameters->layout.total);
  weights[*ret_count - 1] = (float)t.loss;
  cyf_free(values);
  close_trainer(&t);
  assert_int_equal(emulator_bytes_in_use(), 0);
  return weights;
}

static const int64_t EQUAL_SIZES[] = {24, 24, 24, 24, 24};

static void captured_training_is_the_same(void **state) {
  static const int64_t changing[] = {24, 24, 70, 24, 9, 9, 70, 70};
  (void)state;
  for (int c = 0; c < 2; c++) {
    const int n_steps = c ? 8 : 5;
    int64_t count = 0;
    const emulator_graph_counts before = emulator_graphs();
    float *plain = trained(false, n_steps, c ? changing : EQUAL_SIZES, &count);
    assert_int_equal(emulator_graphs().launched, before.launched);
    float *captured = trained(true, n_steps, c ? changing : EQUAL_SIZES, &count);
    const emulator_graph_counts after = emulator_graphs();
    assert_int_equal(after.launched - before.launched, n_steps - 1); /* the first pass runs as it is */
    assert_true(after.updated > before.updated);
    if (!c) assert_int_equal(after.instantiated - before.instantiated, 1);
    assert_memory_equal(plain, captured, sizeof(float) * (size_t)count);
    cyf_free(plain);
    cyf_free(captured);
  }
}

/* Freezes the arguments of each node that changes, one node at a time: the results must differ. Returns how many
 * change. */
static int64_t count_changing(float *(*run)(void *), void *context, size_t bytes) {
  int64_t n_changing = 0, n_seen = 0, nodes[64];
  emulator_forget_exchanged();
  float *right = run(context);
  for (int64_t node = 0; (node = emulator_next_exchanged(node)) >= 0 && n_changing < 64; node++)
    nodes[n_changing++] = node;
  for (int64_t k = 0; k < n_changing; k++) {
    emulator_freeze_node(nodes[k]);
    float *frozen = run(context);
    emulator_freeze_node(-1);
    n_seen += memcmp(right, frozen, bytes) != 0;
    cyf_free(frozen);
  }
  print_message("  of %lld nodes the arguments of %lld change, %lld seen when frozen\n",
                (long long)emulator_graphs().n_nodes, (long long)n_changing, (long long)n_seen);
  cyf_free(right);
  assert_int_equal(n_seen, n_changing);
  return n_changing;
}

static float *train_four(void *context) {
  return trained(true, 4, EQUAL_SIZES, context);
}

static void frozen_arguments_of_training_are_seen(void **state) {
  int64_t count = 0;
  (void)state;
  float *start = trained(false, 0, NULL, &count);
  cyf_free(start);
  /* Two buffers of latents, timesteps, noise, the loss's place and AdamW. */
  assert_int_equal(count_changing(train_four, &count, sizeof(float) * (size_t)count), 5);
}

/* ---- sampling ---- */

enum { BLOCK = 20 };

/* Two blocks of cells, the second shorter, by one graph; guided by a classifier below timestep 20. */
static float *sampled(bool graphs, cyf_sampler_method method) {
  cyf_device *device = open_device(graphs);
  const cyf_denoiser_config config = cyf_settings_denoiser(&settings, NULL);
  const cyf_classifier_config classes = cyf_settings_classifier(&settings, CLASSES);
  cyf_denoiser *denoiser = NULL;
  cyf_classifier *classifier = NULL;
  cyf_schedule *whole = NULL, *schedule = NULL;
  cyf_scratch *scratch = NULL;
  cyf_graph *graph = NULL;
  float *cells = NULL;
  int32_t label[BLOCK];
  double weight[BLOCK];
  for (int i = 0; i < BLOCK; i++) label[i] = i % CLASSES, weight[i] = 1.5;
  assert_ok(cyf_denoiser_create(device, &config, 0, &denoiser));
  assert_ok(cyf_denoiser_init(denoiser, 1));
  assert_ok(cyf_classifier_create(device, &classes, 0, &classifier));
  assert_ok(cyf_classifier_init(classifier, 2));
  assert_ok(cyf_schedule_create(CYF_BETAS_COSINE, 30, &whole));
  assert_ok(cyf_schedule_respace(whole, "4", -1, &schedule));
  assert_ok(cyf_scratch_create(device, &scratch));
  const cyf_guide guide = {.classifier = classifier,
                           .n_terms = 1,
                           .label = int32_to_device(device, label, BLOCK),
                           .weight = to_device(device, weight, BLOCK)};
  const cyf_sampler_config run = {
      .method = method, .schedule = schedule, .eta = 0.5, .guide_below = 20, .seed = 3, .graph = &graph};
  float *x = to_device(device, NULL, BLOCK * LATENT);
  assert_ok(CYF_NEW(&cells, 2 * BLOCK * LATENT));
  for (int block = 0; block < 2; block++) {
    const int64_t n = block ? BLOCK - 3 : BLOCK, first = block * BLOCK;
    assert_ok(cyf_sampler_start(device, 3, LATENT, first, n, x));
    assert_ok(cyf_sampler_run(&run, denoiser, 1, &guide, scratch, first, n, x));
    float *host = to_host(device, x, n * LATENT);
    memcpy(cells + first * LATENT, host, sizeof(float) * (size_t)(n * LATENT));
    cyf_free(host);
  }
  device->ops->free(device, x);
  device->ops->free(device, (void *)guide.label);
  device->ops->free(device, (void *)guide.weight);
  device->ops->graph_destroy(device, graph);
  cyf_scratch_destroy(&scratch);
  cyf_schedule_destroy(&schedule);
  cyf_schedule_destroy(&whole);
  cyf_classifier_destroy(&classifier);
  cyf_denoiser_destroy(&denoiser);
  cyf_device_destroy(&device);
  assert_int_equal(emulator_bytes_in_use(), 0);
  return cells;
}

static const size_t CELLS_BYTES = sizeof(float) * 2 * BLOCK * LATENT;

static void captured_sampling_is_the_same(void **state) {
  (void)state;
  for (int method = 0; method < CYF_SAMPLER_N_METHODS; method++) {
    const emulator_graph_counts before = emulator_graphs();
    float *plain = sampled(false, (cyf_sampler_method)method);
    assert_int_equal(emulator_graphs().launched, before.launched);
    float *captured = sampled(true, (cyf_sampler_method)method);
    assert_int_equal(emulator_graphs().launched - before.launched, 2 * 4 - 1);
    assert_memory_equal(plain, captured, CELLS_BYTES);
    cyf_free(plain);
    cyf_free(captured);
  }
}

static float *sample_by(void *method) {
  return sampled(true, *(cyf_sampler_method *)method);
}

static void frozen_arguments_of_sampling_are_seen(void **state) {
  (void)state;
  for (int method = CYF_SAMPLER_DDIM; method <= CYF_SAMPLER_DPM; method++) { /* ddpm takes what ddim with noise takes */
    cyf_sampler_method chosen = (cyf_sampler_method)method;
    /* The timesteps of denoiser and classifier, the coefficients and, but for DPM-Solver++, the noise. */
    assert_true(count_changing(sample_by, &chosen, CELLS_BYTES) >= (method == CYF_SAMPLER_DPM ? 3 : 4));
  }
}

/* ---- what a graph may hold ---- */

static void scratch_may_grow_and_nothing_runs_before_the_end(void **state) {
  cyf_device *device = open_device(true);
  const cyf_ops *ops = device->ops;
  cyf_graph *graph = NULL;
  cyf_scratch *scratch = NULL;
  float *x = to_device(device, NULL, 4), *host = NULL;
  (void)state;
  assert_ok(cyf_scratch_create(device, &scratch));
  for (int pass = 0; pass < 3; pass++) {
    const int64_t many = (int64_t)1 << (19 + pass); /* of more bytes than all before */
    float *memory = NULL;
    assert_ok(ops->graph_begin(device, &graph));
    assert_ok(cyf_scratch_floats(scratch, many, &memory));
    assert_ok(ops->fill_normal(device, 1, 4, cyf_rng_key_make(1, CYF_RNG_NOISE), (uint32_t)pass, NULL, 0, memory));
    assert_ok(ops->axpy(device, 4, 1.0, memory, x));
    if (pass > 0) {
      assert_int_equal(ops->synchronize(device), CYF_ERR_INTERNAL);
      assert_int_not_equal(ops->upload(device, x, "0123", 4), CYF_OK);
    }
    assert_ok(ops->graph_end(device, &graph, true));
  }
  host = to_host(device, x, 4);
  for (int k = 0; k < 4; k++) assert_true(isfinite(host[k]) && host[k] != 0.0f);
  cyf_free(host);
  assert_ok(ops->graph_begin(device, &graph)); /* and one that is dropped */
  assert_ok(ops->zero(device, x, 16));
  assert_ok(ops->graph_end(device, &graph, false));
  host = to_host(device, x, 4);
  assert_true(host[0] != 0.0f);
  cyf_free(host);
  ops->graph_destroy(device, graph);
  ops->free(device, x);
  cyf_scratch_destroy(&scratch);
  cyf_device_destroy(&device);
  assert_int_equal(emulator_bytes_in_use(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scratch_may_grow_and_nothing_runs_before_the_end),
      cmocka_unit_test(captured_training_is_the_same),
      cmocka_unit_test(frozen_arguments_of_training_are_seen),
      cmocka_unit_test(captured_sampling_is_the_same),
      cmocka_unit_test(frozen_arguments_of_sampling_are_seen),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
