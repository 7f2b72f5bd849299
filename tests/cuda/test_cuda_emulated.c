/* SPDX-License-Identifier: MIT */
/* The CUDA backend's own sources, compiled for the CPU (cuda_emulator/), against the CPU backend. Every operation runs
 * over edge shapes, in each precision, with strips of few cells, and under several orders of a block's threads. This
 * cannot test the GPU's memory model, the last bits of its arithmetic, or cuBLASLt itself. */
#include "cuda_compare.h"
#include "cuda_runtime_api.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/cuda_internal.h"
#include "support.h"

static cyf_device *cpu;

static int set_up(void **state) {
  (void)state;
  return cyf_device_create_cpu(1, &cpu) != CYF_OK;
}
static int tear_down(void **state) {
  (void)state;
  cyf_device_destroy(&cpu);
  return 0;
}

static void check(cyf_precision precision, uint64_t seed, int64_t strip_bytes) {
  cyf_device *device;
  compare_report report;
  assert_ok(cyf_device_create_cuda(0, 1, precision, &device));
  if (strip_bytes) ((cyf_cuda_device *)device)->strip_bytes = strip_bytes;
  emulator_seed(seed);
  compare_all(cpu, device, precision, false, &report);
  emulator_check_guards();
  assert_int_equal(report.n_failed, 0);
  assert_true(report.n_slots > 40);
  cyf_device_destroy(&device);
}

static void every_slot_is_near_in_float32(void **state) {
  (void)state;
  check(CYF_PRECISION_FP32, 1, 0);
}
static void every_slot_is_near_in_tf32(void **state) {
  (void)state;
  check(CYF_PRECISION_TF32, 2, 0);
}
static void every_slot_is_near_in_bfloat16_by_strips(void **state) {
  (void)state;
  check(CYF_PRECISION_BF16, 3, 1);
}
static void every_slot_is_near_in_float32_by_strips(void **state) {
  (void)state;
  check(CYF_PRECISION_FP32, 4, 1);
}

static void no_slot_is_empty(void **state) {
  (void)state;
  cyf_device *device;
  assert_ok(cyf_device_create_cuda(0, 1, CYF_PRECISION_FP32, &device));
  assert_int_equal(compare_empty_slots(cpu->ops, "cpu"), 0);
  assert_int_equal(compare_empty_slots(device->ops, "cuda"), 0);
  assert_string_equal(cyf_cuda_device_name(device), "emulator");
  cyf_device_destroy(&device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_slot_is_empty),
      cmocka_unit_test(every_slot_is_near_in_float32),
      cmocka_unit_test(every_slot_is_near_in_float32_by_strips),
      cmocka_unit_test(every_slot_is_near_in_tf32),
      cmocka_unit_test(every_slot_is_near_in_bfloat16_by_strips),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
