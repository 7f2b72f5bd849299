/* SPDX-License-Identifier: MIT */
/* Reading the stored float64 references (tests/golden/) and comparing a model's arrays with them.
 *
 * The error of a tensor is max|a - b| / max|b|. Everything here asserts; a test that calls it needs no checks of its
 * own. */
#ifndef CYF_TESTS_GOLDEN_H
#define CYF_TESTS_GOLDEN_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kernels/backend.h"
#include "kernels/cuda/cuda_device.h"
#include "model/parameters.h"
#include "reference_file.h"

static const double GOLDEN_NULL_GRADIENT = 1e-12; /* float64 rounding of the references */

enum { GOLDEN_PATH_MAX = 1024, GOLDEN_NAME_MAX = 256 };

static inline void golden_path(const char *file, char path[GOLDEN_PATH_MAX]) {
  snprintf(path, GOLDEN_PATH_MAX, "%s/tests/golden/%s", test_source(), file);
}

/* A dataset as doubles, to be freed with cyf_free; *ret_count (may be NULL) is its number of elements. */
static inline double *golden_doubles(const char *file, const char *dataset, int64_t *ret_count) {
  char path[GOLDEN_PATH_MAX];
  double *values = NULL;
  int n_dims = 0;
  int64_t shape[4] = {0}, count = 1;
  golden_path(file, path);
  assert_ok(cyf_hdf5_read_doubles(path, dataset, &values, &n_dims, shape));
  for (int i = 0; i < n_dims; i++) count *= shape[i];
  if (ret_count != NULL) *ret_count = count;
  return values;
}

static inline double golden_scalar(const char *file, const char *dataset) {
  double *values = golden_doubles(file, dataset, NULL);
  const double value = values[0];
  cyf_free(values);
  return value;
}

/* A dataset of integers as int32, to be freed with cyf_free. */
static inline int32_t *golden_int32(const char *file, const char *dataset, int64_t *ret_count) {
  char path[GOLDEN_PATH_MAX];
  int64_t *values = NULL, shape[4] = {0}, count = 1;
  int32_t *narrow = NULL;
  int n_dims = 0;
  golden_path(file, path);
  assert_ok(cyf_hdf5_read_int64(path, dataset, &values, &n_dims, shape));
  for (int i = 0; i < n_dims; i++) count *= shape[i];
  assert_ok(CYF_NEW(&narrow, count));
  for (int64_t i = 0; i < count; i++) narrow[i] = (int32_t)values[i];
  cyf_free(values);
  *ret_count = count;
  return narrow;
}

/* An integer attribute of the file, at most `capacity` values; returns how many there are. */
static inline int golden_attribute(const char *file, const char *attribute, int64_t *values, int capacity) {
  char path[GOLDEN_PATH_MAX];
  int64_t *read = NULL, count = 0;
  golden_path(file, path);
  assert_ok(cyf_hdf5_read_int_attribute(path, "/", attribute, &read, &count));
  assert_true(count >= 1 && count <= capacity);
  for (int64_t i = 0; i < count; i++) values[i] = read[i];
  cyf_free(read);
  return (int)count;
}

static inline int64_t golden_attribute_1(const char *file, const char *attribute) {
  int64_t value = 0;
  golden_attribute(file, attribute, &value, 1);
  return value;
}

/* ---- the device ---- */

/* Where the test is linked with it (support/fenced_device.c). */
cyf_status fenced_device_create(cyf_device *cpu, cyf_device **ret_device) __attribute__((weak));

/* Opens the device on which the references are checked, which CYTOFORGE_TEST_DEVICE names. It is "cpu" (also when it is
 * not set), "fenced", or "cuda": the first GPU, or the emulated one where the test is linked with it, with products in
 * float32. For a group's setup: returns 0 or -1. */
static inline int golden_open_device(cyf_device **ret_device) {
  const char *wanted = test_variable("CYTOFORGE_TEST_DEVICE");
  cyf_status status;
  if (wanted == NULL || strcmp(wanted, "cpu") == 0) return cyf_device_create_cpu(1, ret_device) == CYF_OK ? 0 : -1;
  if (strcmp(wanted, "cuda") == 0) {
    status = cyf_device_create_cuda(0, 1, CYF_PRECISION_FP32, ret_device);
  } else if (strcmp(wanted, "fenced") == 0 && fenced_device_create != NULL) {
    cyf_device *cpu = NULL;
    status = cyf_device_create_cpu(1, &cpu);
    if (status == CYF_OK) status = fenced_device_create(cpu, ret_device);
  } else {
    status =
        CYF_FAIL(CYF_ERR_USAGE, "CYTOFORGE_TEST_DEVICE is cpu, cuda or, where it is linked, fenced, not '%s'", wanted);
  }
  if (status != CYF_OK) print_error("%s\n", cyf_status_message());
  return status == CYF_OK ? 0 : -1;
}

/* Before a group is run: tests other than golden_... read device memory directly, as only the CPU's can be. On other
 * devices they are left out. */
static inline void golden_choose_tests(void) {
  const char *wanted = test_variable("CYTOFORGE_TEST_DEVICE");
  if (wanted != NULL && strcmp(wanted, "cpu") != 0) cmocka_set_test_filter("golden_*");
}

/* ---- host and device ---- */

/* `count` floats on the device from doubles on the host (NULL: zeros); freed with device->ops->free. */
static inline float *to_device(cyf_device *device, const double *values, int64_t count) {
  float *host = NULL, *memory = NULL;
  assert_ok(CYF_NEW(&host, count));
  if (values != NULL) {
    for (int64_t i = 0; i < count; i++) host[i] = (float)values[i];
  }
  assert_ok(device->ops->alloc(device, (size_t)count * sizeof(float), (void **)&memory));
  assert_ok(device->ops->upload(device, memory, host, (size_t)count * sizeof(float)));
  cyf_free(host);
  return memory;
}

static inline int32_t *int32_to_device(cyf_device *device, const int32_t *values, int64_t count) {
  int32_t *memory = NULL;
  assert_ok(device->ops->alloc(device, (size_t)count * sizeof(int32_t), (void **)&memory));
  assert_ok(device->ops->upload(device, memory, values, (size_t)count * sizeof(int32_t)));
  return memory;
}

/* A host copy, to be freed with cyf_free. */
static inline float *to_host(cyf_device *device, const float *memory, int64_t count) {
  float *host = NULL;
  assert_ok(CYF_NEW(&host, count));
  assert_ok(device->ops->download(device, host, memory, (size_t)count * sizeof(float)));
  assert_ok(device->ops->synchronize(device));
  return host;
}

/* A dataset on the device. */
static inline float *golden_to_device(cyf_device *device, const char *file, const char *dataset, int64_t *ret_count) {
  int64_t count = 0;
  double *values = golden_doubles(file, dataset, &count);
  float *memory = to_device(device, values, count);
  cyf_free(values);
  if (ret_count != NULL) *ret_count = count;
  return memory;
}

/* ---- comparing ---- */

static inline double relative_error(const float *a, const double *b, int64_t count) {
  double error = 0.0, largest = 0.0;
  for (int64_t i = 0; i < count; i++) {
    const double difference = fabs((double)a[i] - b[i]);
    if (isnan(difference)) return NAN; /* below no tolerance */
    error = fmax(error, difference);
    largest = fmax(largest, fabs(b[i]));
  }
  return error / fmax(largest, 1e-300);
}

/* device memory against a dataset. */
static inline void golden_check(cyf_device *device, const float *memory, const char *file, const char *dataset,
                                double tolerance) {
  int64_t count = 0;
  double *expected = golden_doubles(file, dataset, &count);
  float *got = to_host(device, memory, count);
  const double error = relative_error(got, expected, count);
  if (!(error < tolerance)) fail_msg("%s:%s: error %.3g, not below %.3g", file, dataset, error, tolerance);
  cyf_free(got);
  cyf_free(expected);
}

/* Loads every tensor of the layout from GROUP/NAME into the flat device array. */
static inline void golden_load(cyf_device *device, const cyf_layout *layout, const char *file, const char *group,
                               float *flat_device) {
  float *flat = NULL;
  assert_ok(CYF_NEW(&flat, layout->total));
  for (int64_t i = 0; i < layout->n_tensors; i++) {
    const cyf_named_tensor *tensor = &layout->tensors[i];
    char dataset[GOLDEN_NAME_MAX];
    int64_t count = 0;
    float *narrow = NULL;
    snprintf(dataset, sizeof(dataset), "%s/%s", group, tensor->name);
    double *values = golden_doubles(file, dataset, &count);
    assert_int_equal(count, tensor->count);
    assert_ok(CYF_NEW(&narrow, count));
    for (int64_t e = 0; e < count; e++) narrow[e] = (float)values[e];
    cyf_tensor_from_torch_order(tensor, narrow, flat);
    cyf_free(narrow);
    cyf_free(values);
  }
  assert_ok(device->ops->upload(device, flat_device, flat, (size_t)layout->total * sizeof(float)));
  cyf_free(flat);
}

/* Marks the elements whose reference gradient is zero but for the rounding of float64 (see golden_check_layout). One of
 * exactly zero is marked only beside such rounding. Elsewhere it is right to be zero, as for a gene that no cell
 * expresses, and is compared. */
static inline int64_t golden_mark_null(const double *gradient, int64_t count, bool *is_null) {
  bool has_rounding = false;
  int64_t n_null = 0;
  for (int64_t e = 0; e < count; e++) {
    has_rounding = has_rounding || (gradient[e] != 0.0 && fabs(gradient[e]) < GOLDEN_NULL_GRADIENT);
  }
  for (int64_t e = 0; e < count; e++) {
    is_null[e] = has_rounding && fabs(gradient[e]) < GOLDEN_NULL_GRADIENT;
    n_null += is_null[e];
  }
  return n_null;
}

/* The error over the elements that are not null. */
static inline double golden_tensor_error(const float *got, const double *expected, const bool *is_null, int64_t count) {
  double error = 0.0, largest = 0.0;
  for (int64_t e = 0; e < count; e++) {
    if (is_null[e]) continue;
    const double difference = fabs((double)got[e] - expected[e]);
    if (isnan(difference)) return NAN;
    error = fmax(error, difference);
    largest = fmax(largest, fabs(expected[e]));
  }
  return error / fmax(largest, 1e-300);
}

/* Compares every tensor of the layout with GROUP/NAME: the error must be below `tolerance`.
 *
 * gradient_group (may be NULL) holds the tensors' reference gradients. The true gradient of a bias that feeds a batch
 * norm is zero, and so is that of a norm's shift that the next batch norm takes out. What is stored for these is
 * nothing but the rounding of float64, of which AdamW makes a full step. So such elements are left out. Where the
 * gradients themselves are compared, they must be below 1e-6. */
static inline void golden_check_layout(cyf_device *device, const cyf_layout *layout, const float *flat_device,
                                       const char *file, const char *group, const char *gradient_group,
                                       double tolerance) {
  const bool are_gradients = gradient_group != NULL && strcmp(group, gradient_group) == 0;
  float *flat = to_host(device, flat_device, layout->total);
  double worst = 0.0;
  int64_t n_null = 0;
  for (int64_t i = 0; i < layout->n_tensors; i++) {
    const cyf_named_tensor *tensor = &layout->tensors[i];
    char dataset[GOLDEN_NAME_MAX];
    float *got = NULL;
    bool *is_null = NULL;
    int64_t count = 0;
    assert_ok(CYF_NEW(&got, tensor->count));
    assert_ok(CYF_NEW(&is_null, tensor->count));
    cyf_tensor_to_torch_order(tensor, flat, got);
    if (gradient_group != NULL) {
      snprintf(dataset, sizeof(dataset), "%s/%s", gradient_group, tensor->name);
      double *gradient = golden_doubles(file, dataset, &count);
      assert_int_equal(count, tensor->count);
      n_null += golden_mark_null(gradient, count, is_null);
      cyf_free(gradient);
    }
    snprintf(dataset, sizeof(dataset), "%s/%s", group, tensor->name);
    double *expected = golden_doubles(file, dataset, &count);
    assert_int_equal(count, tensor->count);
    for (int64_t e = 0; e < count; e++) {
      if (!are_gradients || !is_null[e]) continue;
      if (!(fabsf(got[e]) < 1e-6f)) fail_msg("%s: |%g| is not below 1e-6", dataset, (double)got[e]);
    }
    const double error = golden_tensor_error(got, expected, is_null, count);
    worst = fmax(worst, error);
    if (!(error < tolerance)) fail_msg("%s:%s: error %.3g, not below %.3g", file, dataset, error, tolerance);
    cyf_free(expected);
    cyf_free(is_null);
    cyf_free(got);
  }
  print_message("  %s:%s: largest error %.2g over %lld tensors, %lld elements null\n", file, group, worst,
                (long long)layout->n_tensors, (long long)n_null);
  cyf_free(flat);
}

#endif
