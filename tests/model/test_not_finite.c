/* SPDX-License-Identifier: MIT */
/* No operation hides what is not finite. NaN and infinity are planted in every tensor of every model. What the model
 * then gives is not finite either, or it is what it was, bit for bit, where the number plays no part. The sampler names
 * the cell and the step. On the CPU and, with CYTOFORGE_TEST_DEVICE=cuda, on the emulated device in float32 and
 * bfloat16. */
#include "kernels/finite.h"
#include "model/autoencoder.h"
#include "model/diffusion/sampler.h"
#include "model_check.h"

enum { GENES = 40, LATENT = 8, CELLS = 3, CLASSES = 3, STEPS = 3 };

static const float planted[3] = {NAN, INFINITY, -INFINITY};

static cyf_device *device;
static cyf_scratch *scratch;

static void open_device(cyf_precision precision) {
  const char *wanted = test_variable("CYTOFORGE_TEST_DEVICE");
  if (wanted != NULL && strcmp(wanted, "cuda") == 0)
    assert_ok(cyf_device_create_cuda(0, 1, precision, &device));
  else
    assert_ok(cyf_device_create_cpu(1, &device));
  assert_ok(cyf_scratch_create(device, &scratch));
}

static void close_device(void) {
  cyf_scratch_destroy(&scratch);
  cyf_device_destroy(&device);
}

/* What a model gives, count floats, or NULL where it says itself that something is not finite. */
typedef float *(*give_output)(void *context, int64_t *ret_count);

/* Infinity there means the limit that it stands for: a column without variance, no dispersion, or the bound of what is
 * held within bounds. Reading a model refuses it all the same. */
static bool has_a_limit(const char *name) {
  return strstr(name, "running_var") != NULL || strstr(name, "theta") != NULL || strstr(name, "library") != NULL;
}

static void plant_into(const char *name, float *at, give_output give, void *context, const float *right, int64_t count,
                       int *n_seen) {
  float old;
  int64_t n = 0;
  assert_ok(device->ops->download(device, &old, at, sizeof old));
  assert_ok(device->ops->synchronize(device));
  for (int k = 0; k < 3; k++) {
    if (k > 0 && has_a_limit(name)) continue;
    assert_ok(device->ops->upload(device, at, &planted[k], sizeof old));
    float *got = give(context, &n);
    const bool seen = got == NULL || cyf_find_not_finite(n, got) >= 0;
    if (!seen && memcmp(got, right, sizeof *got * (size_t)count) != 0)
      fail_msg("%g in %s gives finite numbers", (double)planted[k], name);
    *n_seen += seen;
    cyf_free(got);
  }
  assert_ok(device->ops->upload(device, at, &old, sizeof old));
}

/* Into the first and the last element of each tensor. */
static void plant_everywhere(cyf_parameters *p, give_output give, void *context) {
  const cyf_layout *layouts[2] = {&p->layout, &p->buffer_layout};
  float *const flat[2] = {p->value, p->buffer};
  int64_t count = 0;
  int n_tensors = 0, n_seen = 0;
  float *right = give(context, &count);
  assert_non_null(right);
  assert_int_equal(cyf_find_not_finite(count, right), -1);
  for (int l = 0; l < 2; l++)
    for (int64_t i = 0; i < layouts[l]->n_tensors; i++) {
      const cyf_named_tensor *tensor = &layouts[l]->tensors[i];
      if (tensor->kind == CYF_TENSOR_COUNTER) continue;
      float *first = flat[l] + tensor->offset;
      plant_into(tensor->name, first, give, context, right, count, &n_seen);
      plant_into(tensor->name, first + tensor->count - 1, give, context, right, count, &n_seen);
      n_tensors++;
    }
  print_message("  %d tensors, %d planted numbers seen\n", n_tensors, n_seen);
  assert_true(n_seen > 2 * n_tensors);
  cyf_free(right);
}

/* ---- autoencoders ---- */

typedef struct encoding {
  cyf_autoencoder *model;
  cyf_csr_buffer cells;
  cyf_likelihood likelihood;
} encoding;

/* Latents, then decoded means, then what is drawn or decoded. */
static float *encode_and_decode(void *context, int64_t *ret_count) {
  encoding *e = context;
  float *latent = NULL, *expression = NULL, *out = NULL;
  int64_t position[CELLS] = {0, 1, 2};
  const cyf_csr rows = cyf_csr_view(&e->cells);
  cyf_csr cells;
  const size_t mark = cyf_scratch_mark(scratch), latent_bytes = sizeof(float) * CELLS * LATENT,
               bytes = sizeof(float) * CELLS * GENES;
  *ret_count = CELLS * (LATENT + 2 * GENES);
  assert_ok(CYF_NEW(&out, *ret_count));
  assert_ok(cyf_csr_to_device(device, scratch, &rows, &cells));
  assert_ok(cyf_scratch_floats(scratch, CELLS * LATENT, &latent));
  assert_ok(cyf_scratch_floats(scratch, CELLS * GENES, &expression));
  assert_ok(cyf_autoencoder_encode(e->model, scratch, &cells, latent));
  assert_ok(device->ops->download(device, out, latent, latent_bytes));
  if (e->likelihood == CYF_LIKELIHOOD_MSE) {
    assert_ok(cyf_autoencoder_decode(e->model, scratch, CELLS, latent, expression));
  } else {
    assert_ok(cyf_autoencoder_decode_counts(e->model, scratch, CELLS, latent, 1, position, expression));
    assert_ok(device->ops->download(device, out + CELLS * (LATENT + GENES), expression, bytes));
    assert_ok(cyf_autoencoder_decode_means(e->model, scratch, CELLS, latent, 1e4, expression));
  }
  assert_ok(device->ops->download(device, out + CELLS * LATENT, expression, bytes));
  assert_ok(device->ops->synchronize(device));
  cyf_scratch_release(scratch, mark);
  return out;
}

static void check_autoencoders(cyf_precision precision) {
  open_device(precision);
  for (int likelihood = 0; likelihood < CYF_LIKELIHOODS; likelihood++) {
    const cyf_autoencoder_config config = {.n_genes = GENES,
                                           .latent = LATENT,
                                           .n_hidden = 2,
                                           .hidden = {24, 16},
                                           .likelihood = (cyf_likelihood)likelihood};
    encoding e = {.likelihood = config.likelihood};
    assert_ok(cyf_autoencoder_create(device, &config, 0, &e.model));
    assert_ok(cyf_autoencoder_init(e.model, 1));
    random_cells(2, CELLS, GENES, 0.9, &e.cells);
    plant_everywhere(cyf_autoencoder_parameters(e.model), encode_and_decode, &e);
    cyf_csr_buffer_destroy(&e.cells);
    cyf_autoencoder_destroy(&e.model);
  }
  close_device();
}

static void autoencoders_hide_nothing(void **state) {
  (void)state;
  check_autoencoders(CYF_PRECISION_FP32);
  check_autoencoders(CYF_PRECISION_BF16);
}

/* ---- sampling ---- */

typedef struct sampling {
  cyf_denoiser *denoiser;
  cyf_classifier *classifier;
  cyf_schedule *schedule;
  cyf_sampler_method method;
  bool clip;
  float weight, start; /* of the classifier's guidance and of the free one; added to x_T of the last cell */
  int32_t *label;
  float *weights;
} sampling;

static cyf_status run_sampler(const sampling *s, float *x) {
  float weights[CELLS];
  for (int i = 0; i < CELLS; i++) weights[i] = s->weight;
  assert_ok(device->ops->upload(device, s->weights, weights, sizeof weights));
  const cyf_guide guides[2] = {
      {.classifier = s->classifier, .n_terms = 1, .label = s->label, .weight = s->weights},
      {.condition = 0, .n_terms = 1, .label = s->label, .weight = s->weights},
  };
  const cyf_sampler_config config = {.method = s->method,
                                     .schedule = s->schedule,
                                     .eta = 0.5,
                                     .clip = s->clip,
                                     .guide_below = s->schedule->timestep[STEPS - 1] + 1,
                                     .seed = 1};
  assert_ok(cyf_sampler_start(device, 1, LATENT, 10, CELLS, x));
  if (s->start != 0) assert_ok(device->ops->upload(device, x + CELLS * LATENT - 1, &s->start, sizeof s->start));
  return cyf_sampler_run(&config, s->denoiser, 2, guides, scratch, 10, CELLS, x);
}

/* NULL where the sampler fails, as it should then. */
static float *sample(void *context, int64_t *ret_count) {
  float *x = to_device(device, NULL, CELLS * LATENT), *out = NULL;
  const cyf_status status = run_sampler(context, x);
  *ret_count = CELLS * LATENT;
  if (status == CYF_OK) out = to_host(device, x, *ret_count);
  if (status != CYF_OK) {
    assert_int_equal(status, CYF_ERR_NUMERIC);
    assert_non_null(strstr(cyf_status_message(), " is not finite after step "));
    cyf_status_clear();
  }
  device->ops->free(device, x);
  return out;
}

static void open_sampling(sampling *s) {
  const cyf_denoiser_config d = {
      .latent = LATENT, .n_hidden = 2, .hidden = {16, 12}, .n_conditions = 1, .n_classes = {CLASSES}};
  const cyf_classifier_config c = {.latent = LATENT, .n_classes = CLASSES, .hidden = {16, 16, 8}};
  static const int32_t label[CELLS] = {0, 1, 2};
  cyf_schedule *full = NULL;
  assert_ok(cyf_denoiser_create(device, &d, 0, &s->denoiser));
  assert_ok(cyf_denoiser_init(s->denoiser, 1));
  assert_ok(cyf_classifier_create(device, &c, 0, &s->classifier));
  assert_ok(cyf_classifier_init(s->classifier, 2));
  assert_ok(cyf_schedule_create(CYF_BETAS_LINEAR, 100, &full));
  assert_ok(cyf_schedule_respace(full, "3", -1, &s->schedule));
  cyf_schedule_destroy(&full);
  s->weight = 2;
  s->label = int32_to_device(device, label, CELLS);
  s->weights = to_device(device, NULL, CELLS);
}

static void close_sampling(sampling *s) {
  cyf_schedule_destroy(&s->schedule);
  cyf_denoiser_destroy(&s->denoiser);
  cyf_classifier_destroy(&s->classifier);
  device->ops->free(device, s->label);
  device->ops->free(device, s->weights);
}

static void check_samplers(cyf_precision precision) {
  open_device(precision);
  for (int method = 0; method < CYF_SAMPLER_DPM + 1; method++)
    for (int clip = 0; clip < 2; clip++) {
      sampling s = {.method = (cyf_sampler_method)method, .clip = clip};
      int64_t n = 0;
      open_sampling(&s);
      if (method == 0 || clip == 1) {
        plant_everywhere(cyf_denoiser_parameters(s.denoiser), sample, &s);
        plant_everywhere(cyf_classifier_parameters(s.classifier), sample, &s);
      }
      s.weight = INFINITY; /* of --guidance 1e39 */
      assert_null(sample(&s, &n));
      s.weight = 2;
      s.start = -INFINITY;
      float *x = to_device(device, NULL, CELLS * LATENT);
      assert_int_equal(run_sampler(&s, x), CYF_ERR_NUMERIC);
      assert_non_null(strstr(cyf_status_message(), "cell 12 is not finite after step 1 of 3 (timestep 99)"));
      cyf_status_clear();
      device->ops->free(device, x);
      close_sampling(&s);
    }
  close_device();
}

static void samplers_name_cell_and_step(void **state) {
  (void)state;
  check_samplers(CYF_PRECISION_FP32);
  check_samplers(CYF_PRECISION_BF16);
}

/* ---- rows ---- */

/* The step at which a row was first found, whatever becomes of it; the CPU's and the CUDA operation alike. */
static void rows_are_noted_from_the_first_step_on(void **state) {
  (void)state;
  enum { N = 4, C = 70 };
  open_device(CYF_PRECISION_FP32);
  double host[N * C] = {0};
  int32_t found[N];
  float *x = to_device(device, host, N * C), odd = NAN;
  int32_t *noted = int32_to_device(device, (int32_t[N]){0}, N);
  for (int step = 0; step < 5; step++) {
    if (step == 1) assert_ok(device->ops->upload(device, x + C + C - 1, &odd, sizeof odd));
    odd = step == 2 ? -INFINITY : 0;
    if (step == 3) odd = 1;
    if (step >= 2) assert_ok(device->ops->upload(device, x + 3 * C + 40, &odd, sizeof odd));
    assert_ok(device->ops->note_not_finite(device, N, C, x, 1, noted));
    assert_ok(device->ops->note_not_finite(device, N, C, x, 0, noted));
    odd = NAN;
  }
  assert_ok(device->ops->download(device, found, noted, sizeof found));
  assert_ok(device->ops->synchronize(device));
  assert_int_equal(found[0], 0);
  assert_int_equal(found[1], 4);
  assert_int_equal(found[2], 0);
  assert_int_equal(found[3], 3);
  device->ops->free(device, x);
  device->ops->free(device, noted);
  close_device();
}

/* A row of finite numbers whose length is beyond float32 has no unit length: zeros would look like a cell. */
static void rows_too_long_become_no_zeros(void **state) {
  (void)state;
  open_device(CYF_PRECISION_FP32);
  double host[2 * LATENT];
  for (int j = 0; j < 2 * LATENT; j++) host[j] = j < LATENT ? 3e38 : 1e37;
  float *x = to_device(device, host, 2 * LATENT);
  assert_ok(device->ops->l2_normalize_forward(device, 2, LATENT, x, x, NULL));
  float *got = to_host(device, x, 2 * LATENT);
  for (int j = 0; j < LATENT; j++) assert_true(isnan(got[j]) && fabsf(got[LATENT + j] - 0.35355339f) < 1e-6f);
  cyf_free(got);
  device->ops->free(device, x);
  close_device();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(autoencoders_hide_nothing),
      cmocka_unit_test(samplers_name_cell_and_step),
      cmocka_unit_test(rows_are_noted_from_the_first_step_on),
      cmocka_unit_test(rows_too_long_become_no_zeros),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
