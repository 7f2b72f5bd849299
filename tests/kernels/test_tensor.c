/* SPDX-License-Identifier: MIT */
/* Layouts of named tensors and the scratch allocator. */
#include <string.h>

#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/device.h"
#include "kernels/tensor.h"
#include "support.h"

static void layout_aligns_tensors_and_finds_them_by_name(void **state) {
  (void)state;
  cyf_layout layout = {0};
  int64_t weight, bias, count;
  assert_ok(cyf_layout_add(&layout, "fc1.weight", CYF_TENSOR_TRANSPOSED, 2, 5, 3, &weight));
  assert_ok(cyf_layout_add(&layout, "fc1.bias", CYF_TENSOR_PLAIN, 1, 17, 0, &bias));
  assert_ok(cyf_layout_add(&layout, "bn.num_batches_tracked", CYF_TENSOR_COUNTER, 0, 0, 0, &count));
  assert_int_equal(weight, 0);
  assert_int_equal(bias, 16);  /* 15 floats, padded to 64 bytes */
  assert_int_equal(count, 48); /* 17 more, padded */
  assert_int_equal(layout.total, 64);
  const cyf_named_tensor *found = cyf_layout_find(&layout, "fc1.bias");
  assert_non_null(found);
  assert_int_equal(found->count, 17);
  assert_int_equal(found->shape[0], 17);
  assert_int_equal(cyf_layout_find(&layout, "bn.num_batches_tracked")->count, 1);
  assert_null(cyf_layout_find(&layout, "fc1"));
  cyf_layout_destroy(&layout);
  assert_int_equal(layout.n_tensors, 0);
  cyf_layout_destroy(NULL);
}

static void layout_grows_and_refuses_bad_tensors(void **state) {
  (void)state;
  cyf_layout layout = {0};
  char name[CYF_TENSOR_NAME_MAX + 8];
  for (int i = 0; i < 100; ++i) {
    snprintf(name, sizeof name, "layers.%d.weight", i);
    assert_ok(cyf_layout_add(&layout, name, CYF_TENSOR_PLAIN, 2, i, 2, NULL));
  }
  assert_int_equal(layout.n_tensors, 100);
  assert_string_equal(layout.tensors[57].name, "layers.57.weight");
  assert_int_equal(layout.tensors[57].offset % 16, 0);

  assert_int_equal(cyf_layout_add(&layout, "layers.3.weight", CYF_TENSOR_PLAIN, 1, 1, 0, NULL), CYF_ERR_INTERNAL);
  assert_non_null(strstr(cyf_status_message(), "layers.3.weight"));
  cyf_status_clear();
  memset(name, 'x', sizeof name);
  name[CYF_TENSOR_NAME_MAX] = '\0';
  assert_int_equal(cyf_layout_add(&layout, name, CYF_TENSOR_PLAIN, 1, 1, 0, NULL), CYF_ERR_INTERNAL);
  cyf_status_clear();
  assert_int_equal(cyf_layout_add(&layout, "huge", CYF_TENSOR_PLAIN, 2, INT64_MAX / 2, 3, NULL), CYF_ERR_MEMORY);
  cyf_status_clear();
  assert_int_equal(layout.n_tensors, 100);
  name[CYF_TENSOR_NAME_MAX - 1] = '\0'; /* the longest that fits */
  assert_ok(cyf_layout_add(&layout, name, CYF_TENSOR_PLAIN, 1, 1, 0, NULL));
  cyf_layout_destroy(&layout);
}

static void transposed_tensors_change_order_and_come_back(void **state) {
  (void)state;
  const int64_t shapes[][2] = {{1, 1}, {3, 5}, {33, 70}, {64, 32}};
  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; ++s) {
    const int64_t rows = shapes[s][0], columns = shapes[s][1];
    cyf_layout layout = {0};
    assert_ok(cyf_layout_add(&layout, "before", CYF_TENSOR_PLAIN, 1, 7, 0, NULL));
    assert_ok(cyf_layout_add(&layout, "weight", CYF_TENSOR_TRANSPOSED, 2, rows, columns, NULL));
    const cyf_named_tensor *tensor = cyf_layout_find(&layout, "weight");
    float *torch = TEST_NEW(float, rows *columns), *back = TEST_NEW(float, rows *columns);
    float *flat = TEST_NEW(float, layout.total);
    for (int64_t k = 0; k < rows * columns; ++k) torch[k] = (float)k;
    cyf_tensor_from_torch_order(tensor, torch, flat);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j)
        assert_true(flat[tensor->offset + j * rows + i] == (float)(i * columns + j));
    }
    cyf_tensor_to_torch_order(tensor, flat, back);
    assert_memory_equal(back, torch, (size_t)(rows * columns) * sizeof *back);
    for (int64_t k = 0; k < tensor->offset; ++k) assert_true(flat[k] == 0.0f);
    free(torch);
    free(back);
    free(flat);
    cyf_layout_destroy(&layout);
  }
}

static void plain_tensors_and_counters_keep_their_order(void **state) {
  (void)state;
  cyf_layout layout = {0};
  assert_ok(cyf_layout_add(&layout, "weight", CYF_TENSOR_PLAIN, 2, 2, 3, NULL));
  assert_ok(cyf_layout_add(&layout, "count", CYF_TENSOR_COUNTER, 0, 0, 0, NULL));
  const float torch[6] = {1, 2, 3, 4, 5, 6}, steps[1] = {16777216.0f};
  float *flat = TEST_NEW(float, layout.total), back[6];
  cyf_tensor_from_torch_order(&layout.tensors[0], torch, flat);
  cyf_tensor_from_torch_order(&layout.tensors[1], steps, flat);
  assert_memory_equal(flat, torch, sizeof torch);
  assert_true(flat[16] == 16777216.0f);
  cyf_tensor_to_torch_order(&layout.tensors[0], flat, back);
  assert_memory_equal(back, torch, sizeof torch);
  free(flat);
  cyf_layout_destroy(&layout);
}

static void scratch_memory_never_moves_and_is_used_again(void **state) {
  (void)state;
  cyf_device *device;
  cyf_scratch *scratch;
  assert_ok(cyf_device_create_cpu(1, &device));
  assert_ok(cyf_scratch_create(device, &scratch));
  float *first, *large, *again;
  double *sums;
  assert_ok(cyf_scratch_floats(scratch, 100, &first));
  for (int i = 0; i < 100; ++i) first[i] = (float)i;
  const size_t mark = cyf_scratch_mark(scratch);
  assert_ok(cyf_scratch_floats(scratch, 3 << 20, &large)); /* 12 MiB: a block of its own */
  memset(large, 0xFF, (size_t)(3 << 20) * sizeof *large);
  assert_ok(cyf_scratch_doubles(scratch, 5, &sums));
  assert_int_equal((uintptr_t)large % 64, 0);
  assert_int_equal((uintptr_t)sums % 64, 0);
  for (int i = 0; i < 100; ++i) assert_true(first[i] == (float)i);
  const int64_t held = cyf_memory_bytes_now();
  cyf_scratch_release(scratch, mark);
  assert_ok(cyf_scratch_floats(scratch, 3 << 20, &again));
  assert_ptr_equal(again, large); /* the same request finds the same place: nothing is allocated again */
  cyf_scratch_release(scratch, 0);
  assert_int_equal(cyf_scratch_mark(scratch), 0);
  assert_ok(cyf_scratch_floats(scratch, 10, &again));
  assert_ptr_equal(again, first);
  assert_int_equal(cyf_memory_bytes_now(), held);
  cyf_scratch_destroy(&scratch);
  assert_null(scratch);
  cyf_scratch_destroy(&scratch);
  cyf_device_destroy(&device);
  assert_null(device);
  cyf_device_destroy(&device);
}

/* Random takes and releases, each piece filled with its own number: no two live pieces may overlap. */
static void scratch_pieces_do_not_overlap(void **state) {
  (void)state;
  enum { PIECES = 64 };
  cyf_device *device;
  cyf_scratch *scratch;
  assert_ok(cyf_device_create_cpu(1, &device));
  assert_ok(cyf_scratch_create(device, &scratch));
  int32_t *piece[PIECES];
  int64_t length[PIECES];
  size_t mark[PIECES];
  int live = 0;
  test_random random = {7};
  for (int round = 0; round < 2000; ++round) {
    if (live < PIECES && test_uniform(&random, 0, 1) < 0.6) {
      mark[live] = cyf_scratch_mark(scratch);
      length[live] = (int64_t)pow(10.0, test_uniform(&random, 0, 5.3)) - 1;
      assert_ok(cyf_scratch_int32(scratch, length[live], &piece[live]));
      for (int64_t i = 0; i < length[live]; ++i) piece[live][i] = live;
      ++live;
    } else if (live > 0) {
      const int keep = (int)test_uniform(&random, 0, live);
      for (int p = 0; p < live; ++p) {
        for (int64_t i = 0; i < length[p]; i += 97) assert_int_equal(piece[p][i], p);
      }
      cyf_scratch_release(scratch, mark[keep]);
      live = keep;
    }
  }
  int32_t *none;
  assert_int_equal(cyf_scratch_int32(scratch, -1, &none), CYF_ERR_MEMORY);
  cyf_status_clear();
  cyf_scratch_destroy(&scratch);
  cyf_device_destroy(&device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(layout_aligns_tensors_and_finds_them_by_name),
      cmocka_unit_test(layout_grows_and_refuses_bad_tensors),
      cmocka_unit_test(transposed_tensors_change_order_and_come_back),
      cmocka_unit_test(plain_tensors_and_counters_keep_their_order),
      cmocka_unit_test(scratch_memory_never_moves_and_is_used_again),
      cmocka_unit_test(scratch_pieces_do_not_overlap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
