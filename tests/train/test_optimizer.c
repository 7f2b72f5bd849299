/* SPDX-License-Identifier: MIT */
/* Learning-rate schedules, the EMA's decay, clipping and the order of an update. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "kernels/backend.h"
#include "train/optimizer.h"

static cyf_stage_settings settings_of(int schedule, int64_t warmup) {
  return (cyf_stage_settings){.steps = 100,
                              .accumulate = 1,
                              .learning_rate = 2.0,
                              .beta1 = 0.9,
                              .beta2 = 0.999,
                              .rate_schedule = schedule,
                              .warmup_steps = warmup};
}

static void learning_rates_follow_their_schedule(void **state) {
  (void)state;
  cyf_stage_settings constant = settings_of(CYF_RATE_CONSTANT, 0), linear = settings_of(CYF_RATE_LINEAR, 0);
  cyf_stage_settings cosine = settings_of(CYF_RATE_COSINE, 20);
  assert_true(cyf_learning_rate(&constant, 0) == 2.0 && cyf_learning_rate(&constant, 99) == 2.0);
  /* The published linear annealing: lr * (1 - step / steps), step from 0. */
  assert_true(fabs(cyf_learning_rate(&linear, 0) - 2.0) < 1e-12);
  assert_true(fabs(cyf_learning_rate(&linear, 25) - 1.5) < 1e-12);
  assert_true(fabs(cyf_learning_rate(&linear, 99) - 0.02) < 1e-12);
  assert_true(fabs(cyf_learning_rate(&cosine, 0) - 0.1) < 1e-12);
  assert_true(fabs(cyf_learning_rate(&cosine, 19) - 2.0) < 1e-12);
  assert_true(fabs(cyf_learning_rate(&cosine, 60) - 1.0) < 1e-12);
  assert_true(cyf_learning_rate(&cosine, 100) < 1e-12);
}

static void ema_decay_warms_up(void **state) {
  (void)state;
  cyf_stage_settings s = {.ema_decay = 0.9999, .ema_warmup = true};
  assert_true(fabs(cyf_ema_decay(&s, 1) - 2.0 / 11.0) < 1e-12);
  assert_true(cyf_ema_decay(&s, 1000000) == 0.9999);
  s.ema_warmup = false;
  assert_true(cyf_ema_decay(&s, 1) == 0.9999);
}

/* A parameter set of two tensors, w [4] and b [2], on the CPU. */
static void make_parameters(cyf_device *device, cyf_parameters *p) {
  *p = (cyf_parameters){0};
  assert_int_equal(cyf_layout_add(&p->layout, "w", CYF_TENSOR_PLAIN, 1, 4, 0, NULL), CYF_OK);
  assert_int_equal(cyf_layout_add(&p->layout, "b", CYF_TENSOR_PLAIN, 1, 2, 0, NULL), CYF_OK);
  assert_int_equal(cyf_parameters_allocate(p, device, 1), CYF_OK);
  for (int i = 0; i < 4; i++) p->value[i] = 1;
}

static void gradients_are_clipped_to_their_norm(void **state) {
  (void)state;
  cyf_device *device = NULL;
  assert_int_equal(cyf_device_create_cpu(1, &device), CYF_OK);
  cyf_parameters p;
  make_parameters(device, &p);
  cyf_stage_settings s = settings_of(CYF_RATE_CONSTANT, 0);
  s.clip_norm = 1;
  s.accumulate = 2;
  s.ema_decay = 0.5;
  cyf_optimizer *optimizer = NULL;
  assert_int_equal(cyf_optimizer_create(&p, &s, &optimizer), CYF_OK);
  p.gradient[0] = 6;
  p.gradient[1] = 8; /* two batches: the mean is (3, 4), norm 5, clipped to (0.6, 0.8) */
  assert_int_equal(cyf_optimizer_update(optimizer), CYF_OK);
  assert_true(fabs(optimizer->gradient_norm - 5) < 1e-6);
  assert_true(fabsf(optimizer->first_moment[0] - 0.06f) < 1e-7f);
  assert_true(fabsf(optimizer->first_moment[1] - 0.08f) < 1e-7f);
  /* Adam's first step is the learning rate times the sign; the EMA is half way. */
  assert_true(fabsf(p.value[0] + 1.0f) < 1e-5f && p.value[2] == 1.0f);
  assert_true(fabsf(optimizer->ema[0]) < 1e-5f);
  assert_true(p.gradient[0] == 0 && p.gradient[1] == 0);
  assert_int_equal(optimizer->step, 1);
  p.gradient[3] = NAN;
  assert_int_equal(cyf_optimizer_update(optimizer), CYF_ERR_NUMERIC);
  assert_non_null(strstr(cyf_status_message(), "at step 2: that of w, the last of 1 such tensors of 2"));
  cyf_status_clear();
  cyf_optimizer_swap_ema(optimizer);
  assert_true(fabsf(p.value[0]) < 1e-5f);
  cyf_optimizer_swap_ema(optimizer);
  cyf_optimizer_destroy(&optimizer);
  cyf_parameters_destroy(&p);
  cyf_device_destroy(&device);
}

/* bf16 on a GPU unless told otherwise; a CPU computes in fp32 whatever is asked for. */
static void precision_is_for_gpus(void **state) {
  (void)state;
  static const char *const asked[] = {"seed=0", "precision=bf16", "precision=tf32", "precision=fp32"};
  static const cyf_precision wanted[] = {CYF_PRECISION_BF16, CYF_PRECISION_BF16, CYF_PRECISION_TF32,
                                         CYF_PRECISION_FP32};
  static const char *const there[] = {"gpu, bf16", "gpu, bf16", "gpu, tf32", "gpu, fp32"};
  cyf_device *device = NULL;
  assert_int_equal(cyf_device_create_cpu(1, &device), CYF_OK);
  cyf_ops ops = *device->ops;
  ops.name = "gpu";
  const cyf_device gpu = {.ops = &ops};
  for (int i = 0; i < 4; i++) {
    cyf_settings settings;
    char text[16];
    assert_int_equal(cyf_settings_load_fixed(1, &asked[i], &settings), CYF_OK);
    assert_int_equal(settings.precision, wanted[i]);
    cyf_settings_describe_precision(&settings, device, text);
    assert_string_equal(text, "cpu, fp32");
    cyf_settings_describe_precision(&settings, &gpu, text);
    assert_string_equal(text, there[i]);
    cyf_settings_destroy(&settings);
  }
  cyf_device_destroy(&device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(learning_rates_follow_their_schedule),
      cmocka_unit_test(ema_decay_warms_up),
      cmocka_unit_test(gradients_are_clipped_to_their_norm),
      cmocka_unit_test(precision_is_for_gpus),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
