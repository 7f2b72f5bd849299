/* SPDX-License-Identifier: MIT */
/* The CUDA backend's two queues on the emulator. Its streams run as late as possible, in random order where events
 * allow several. */
#include "cuda_runtime_api.h"
#include "kernels/backend.h"
#include "kernels/cuda/cuda_device.h"
#include "support.h"

enum { SEEDS = 40, COUNT = 1000 };

static cyf_device *device;
static const cyf_ops *ops;
static int32_t *pinned;

static int set_up(void **state) {
  (void)state;
  if (cyf_device_create_cuda(0, 1, CYF_PRECISION_FP32, &device) != CYF_OK) return 1;
  ops = device->ops;
  return ops->alloc_host(device, COUNT * sizeof *pinned, (void **)&pinned) != CYF_OK;
}
static int tear_down(void **state) {
  (void)state;
  ops->free_host(device, pinned);
  cyf_device_destroy(&device);
  return 0;
}

static void fill_pinned(int32_t first) {
  for (int k = 0; k < COUNT; ++k) pinned[k] = first + k;
}

/* What alloc clears is not cleared behind a transfer of the copy queue. */
static void fresh_memory_serves_the_copy_queue(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= SEEDS; ++seed) {
    void *memory = NULL;
    int32_t back[COUNT];
    cyf_event *uploaded = NULL;
    emulator_seed(seed);
    fill_pinned((int32_t)seed);
    assert_ok(ops->event_create(device, &uploaded));
    assert_ok(ops->alloc(device, sizeof back, &memory));
    assert_ok(ops->upload_async(device, memory, pinned, sizeof back));
    assert_ok(ops->event_record(device, CYF_QUEUE_COPY, uploaded));
    assert_ok(ops->event_await(device, CYF_QUEUE_WORK, uploaded));
    assert_ok(ops->download(device, back, memory, sizeof back));
    assert_ok(ops->synchronize(device));
    assert_memory_equal(back, pinned, sizeof back);
    ops->free(device, memory);
    ops->event_destroy(device, uploaded);
  }
}

/* Memory goes back when both queues have done with it (the emulator ends the program where they have not). */
static void memory_is_freed_behind_both_queues(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= SEEDS; ++seed) {
    void *memory = NULL;
    emulator_seed(seed);
    assert_ok(ops->alloc(device, COUNT * sizeof *pinned, &memory));
    assert_ok(ops->upload_async(device, memory, pinned, COUNT * sizeof *pinned));
    ops->free(device, memory);
    assert_ok(ops->synchronize(device));
  }
}

/* A download to pinned memory is queued, and there when its event is reached: a training step must not wait for it. */
static void pinned_downloads_do_not_wait(void **state) {
  (void)state;
  void *memory = NULL;
  cyf_event *downloaded = NULL;
  assert_ok(ops->event_create(device, &downloaded));
  assert_ok(ops->alloc(device, COUNT * sizeof *pinned, &memory));
  fill_pinned(1);
  assert_ok(ops->synchronize(device));
  assert_ok(ops->zero(device, memory, COUNT * sizeof *pinned));
  assert_ok(ops->download(device, pinned + 1, memory, (COUNT - 1) * sizeof *pinned));
  assert_int_equal(emulator_waiting(), 2);
  assert_int_equal(pinned[1], 2);
  assert_ok(ops->event_record(device, CYF_QUEUE_WORK, downloaded));
  assert_ok(ops->event_synchronize(device, downloaded));
  assert_int_equal(pinned[0], 1);
  for (int k = 1; k < COUNT; ++k) assert_int_equal(pinned[k], 0);
  ops->free(device, memory);
  ops->event_destroy(device, downloaded);
}

/* Other memory is filled when download returns or later, and never after synchronize. */
static void other_downloads_are_whole(void **state) {
  (void)state;
  enum { BYTES = 20 << 20 };
  char *there = malloc(BYTES), *back = malloc(BYTES);
  void *memory = NULL;
  assert_true(there != NULL && back != NULL);
  for (int k = 0; k < BYTES; ++k) there[k] = (char)(k * 7 + k / 1000);
  assert_ok(ops->alloc(device, BYTES, &memory));
  for (size_t offset = 0; offset < 3; ++offset) { /* any alignment, more than the ring of pinned memory holds */
    for (int turn = 0; turn < 3; ++turn) assert_ok(ops->upload(device, memory, there + offset, BYTES - offset));
    assert_ok(ops->download(device, back, memory, BYTES - offset));
    assert_ok(ops->synchronize(device));
    assert_memory_equal(back, there + offset, BYTES - offset);
  }
  ops->free(device, memory);
  free(there);
  free(back);
}

/* What the pool keeps of freed memory can be taken as well. */
static void kept_memory_counts_as_free(void **state) {
  (void)state;
  const size_t total = (size_t)4 << 30, kept = (size_t)1 << 30; /* the emulator's */
  assert_int_equal(ops->free_bytes(device), total - emulator_bytes_in_use() + kept);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fresh_memory_serves_the_copy_queue), cmocka_unit_test(memory_is_freed_behind_both_queues),
      cmocka_unit_test(pinned_downloads_do_not_wait),       cmocka_unit_test(other_downloads_are_whole),
      cmocka_unit_test(kept_memory_counts_as_free),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
