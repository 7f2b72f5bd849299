/* SPDX-License-Identifier: MIT */
/* Numbers planted into a file's arrays, with checksum and seal made to fit where there are any: as if the program
 * itself had written them. */
#ifndef CYF_TESTS_PLANT_H
#define CYF_TESTS_PLANT_H

#include <fcntl.h>
#include <hdf5.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/checksum.h"
#include "check.h"
#include "data/hdf5/hdf5_seal.h"

/* Seals a file again, as if it had been written as it is now. */
static inline void plant_seal(const char *path) {
  const int file = open(path, O_RDWR);
  assert_true(file >= 0);
  assert_ok(cyf_h5_seal_write(file, path));
  close(file);
}

/* Makes change(element, by) of element `index` (negative: from the end) of the float array NAME of the file. */
static inline void plant_change(const char *path, const char *name, int64_t index, float (*change)(float, float),
                                float by) {
  bool is_sealed = false;
  assert_ok(cyf_h5_seal_verify(path, &is_sealed));
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(dataset);
  assert_true(dataset >= 0);
  const int64_t count = H5Sget_simple_extent_npoints(space);
  float *values = calloc((size_t)count, sizeof *values);
  assert_true(H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  if (index < 0) index += count;
  assert_true(index >= 0 && index < count);
  values[index] = change(values[index], by);
  assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  if (H5Aexists(dataset, "checksum") > 0) {
    const uint64_t checksum = cyf_checksum(0, values, (size_t)count * sizeof *values);
    hid_t attribute = H5Aopen(dataset, "checksum", H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_UINT64, &checksum) >= 0);
    H5Aclose(attribute);
  }
  free(values);
  H5Sclose(space);
  H5Dclose(dataset);
  assert_true(H5Fclose(file) >= 0);
  if (is_sealed) plant_seal(path);
}

static inline float plant_replaced(float old, float by) {
  (void)old;
  return by;
}

/* Makes the element `value`. */
static inline void plant(const char *path, const char *name, int64_t index, float value) {
  plant_change(path, name, index, plant_replaced, value);
}

enum { PLANT_NAMES = 512, PLANT_NAME_SIZE = 160 };

typedef struct plant_names {
  int n;
  char name[PLANT_NAMES][PLANT_NAME_SIZE];
} plant_names;

static inline herr_t plant_visit(hid_t object, const char *name, const H5O_info_t *info, void *context) {
  plant_names *names = context;
  if (info->type != H5O_TYPE_DATASET) return 0;
  hid_t dataset = H5Dopen2(object, name, H5P_DEFAULT), type = H5Dget_type(dataset);
  const bool is_float = H5Tget_class(type) == H5T_FLOAT && H5Tget_size(type) == sizeof(float);
  H5Tclose(type);
  H5Dclose(dataset);
  if (!is_float) return 0;
  assert_true(names->n < PLANT_NAMES);
  snprintf(names->name[names->n++], PLANT_NAME_SIZE, "%s", name);
  return 0;
}

/* Lists the file's arrays of float32. */
static inline void plant_list(const char *path, plant_names *ret_names) {
  ret_names->n = 0;
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(file >= 0);
  assert_true(H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, plant_visit, ret_names) >= 0);
  H5Fclose(file);
}

#endif
