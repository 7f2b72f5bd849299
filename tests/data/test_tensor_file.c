/* SPDX-License-Identifier: MIT */
/* Tensor files: model.h5 and checkpoints. */
#include <fcntl.h>
#include <hdf5.h>
#include <unistd.h>

#include "check.h"
#include "data/hdf5/hdf5_lock.h"
#include "data/tensors/tensor_file.h"
#include "plant.h"
#include "reference_file.h"

static char *path; /* of the file that most tests write */

static int setup(void **state) {
  set_up_folder(state);
  assert_ok(cyf_path_join(test_folder, "model.h5", &path));
  return 0;
}

static int teardown(void **state) {
  cyf_free(path);
  assert_int_equal(cyf_memory_bytes_now(), 0); /* by the whole program */
  return tear_down_folder(state);
}

static bool has(cyf_tensor_file *file, const char *name) {
  bool found = false;
  assert_ok(cyf_tensor_file_has(file, name, &found));
  return found;
}

/* A first layer stored gene-major in memory, a bias, a batch-norm counter. */
static void make_layout(cyf_layout *layout) {
  *layout = (cyf_layout){0};
  assert_ok(cyf_layout_add(layout, "encoder.0.weight", CYF_TENSOR_TRANSPOSED, 2, 3, 5, NULL));
  assert_ok(cyf_layout_add(layout, "encoder.0.bias", CYF_TENSOR_PLAIN, 1, 3, 0, NULL));
  assert_ok(cyf_layout_add(layout, "encoder.1.weight", CYF_TENSOR_PLAIN, 2, 2, 3, NULL));
  assert_ok(cyf_layout_add(layout, "norm.num_batches_tracked", CYF_TENSOR_COUNTER, 0, 0, 0, NULL));
}

/* Distinct values at each tensor's place, zero in between. */
static float *make_values(const cyf_layout *layout) {
  float *flat = NULL;
  assert_ok(CYF_NEW(&flat, layout->total));
  for (int64_t t = 0; t < layout->n_tensors; t++) {
    for (int64_t i = 0; i < layout->tensors[t].count; i++)
      flat[layout->tensors[t].offset + i] = (float)(100 * (t + 1) + i);
  }
  return flat;
}

static void write_layout(const cyf_layout *layout, const float *flat) {
  cyf_tensor_file *file = NULL;
  assert_ok(cyf_tensor_file_create(path, &file));
  assert_ok(cyf_tensor_file_write_layout(file, "autoencoder/parameters", layout, flat));
  assert_ok(cyf_tensor_file_commit(&file));
  assert_null(file);
}

static cyf_status read_layout(const cyf_layout *layout, float *flat) {
  cyf_tensor_file *file = NULL;
  cyf_status status = cyf_tensor_file_open(path, &file);
  if (status == CYF_OK) status = cyf_tensor_file_read_layout(file, "autoencoder/parameters", layout, flat);
  cyf_tensor_file_close(&file);
  return status;
}

static void a_layout_is_written_and_read_back(void **state) {
  (void)state;
  cyf_layout layout;
  make_layout(&layout);
  float *flat = make_values(&layout), *again = NULL;
  assert_ok(CYF_NEW(&again, layout.total));
  write_layout(&layout, flat);
  assert_ok(read_layout(&layout, again));
  assert_memory_equal(again, flat, (size_t)layout.total * sizeof(*flat));

  /* in the file: PyTorch's shape and row-major order, and an integer scalar */
  double *stored = NULL;
  int64_t *counter = NULL, shape[4];
  int n_dims = -1;
  assert_ok(cyf_hdf5_read_doubles(path, "autoencoder/parameters/encoder.0.weight", &stored, &n_dims, shape));
  assert_int_equal(n_dims, 2);
  assert_int_equal(shape[0], 3);
  assert_int_equal(shape[1], 5);
  for (int row = 0; row < 3; row++) {
    for (int column = 0; column < 5; column++) assert_true(stored[row * 5 + column] == 100 + column * 3 + row);
  }
  cyf_free(stored);
  assert_ok(cyf_hdf5_read_int64(path, "autoencoder/parameters/norm.num_batches_tracked", &counter, &n_dims, shape));
  assert_int_equal(n_dims, 0);
  assert_int_equal(counter[0], 400);
  cyf_free(counter);
  cyf_free(again);
  cyf_free(flat);
  cyf_layout_destroy(&layout);
}

/* A layout is only read where the group has exactly its names and shapes. */
static void names_and_shapes_must_agree(void **state) {
  (void)state;
  cyf_layout layout, more, fewer = {0}, reshaped = {0}, other = {0};
  make_layout(&layout);
  make_layout(&more);
  assert_ok(cyf_layout_add(&more, "extra.weight", CYF_TENSOR_PLAIN, 1, 4, 0, NULL));
  assert_ok(cyf_layout_add(&fewer, "encoder.0.weight", CYF_TENSOR_TRANSPOSED, 2, 3, 5, NULL));
  assert_ok(cyf_layout_add(&reshaped, "encoder.0.weight", CYF_TENSOR_TRANSPOSED, 2, 5, 3, NULL));
  assert_ok(cyf_layout_add(&other, "norm.num_batches_tracked", CYF_TENSOR_PLAIN, 1, 1, 0, NULL));
  float *flat = make_values(&layout), scratch[256] = {0};
  write_layout(&layout, flat);
  assert_fails(read_layout(&more, scratch), CYF_ERR_INPUT, "'autoencoder/parameters/extra.weight' is missing");
  assert_fails(read_layout(&fewer, scratch), CYF_ERR_INPUT, "encoder.0.bias' belongs to no tensor of this model");
  assert_fails(read_layout(&reshaped, scratch), CYF_ERR_INPUT,
               "encoder.0.weight' has the shape [3, 5] where [5, 3] is needed");
  assert_fails(read_layout(&other, scratch), CYF_ERR_INPUT, "does not hold float32 numbers");
  cyf_free(flat);
  cyf_layout_destroy(&layout);
  cyf_layout_destroy(&more);
  cyf_layout_destroy(&fewer);
  cyf_layout_destroy(&reshaped);
  cyf_layout_destroy(&other);
}

static void check_values(cyf_tensor_file *file, const cyf_names *names) {
  int64_t integer = 0, *integers = NULL, count = -1;
  double real = 0;
  float floats[3];
  char *text = NULL;
  cyf_names again = {0};
  assert_ok(cyf_tensor_file_read_int(file, "step", &integer));
  assert_true(integer == INT64_MIN);
  assert_ok(cyf_tensor_file_read_real(file, "schedule/latent_scale", &real));
  assert_true(real == 0.1);
  assert_ok(cyf_tensor_file_read_floats(file, "optimiser/first_moment", floats, 3));
  assert_true(floats[0] == 1.5f && floats[1] == -2.5f && floats[2] == 1e-38f);
  assert_fails(cyf_tensor_file_read_floats(file, "optimiser/first_moment", floats, 2), CYF_ERR_INPUT,
               "shape [3] where [2] is needed");
  assert_ok(cyf_tensor_file_read_ints(file, "cursor", &integers, &count));
  assert_int_equal(count, 2);
  assert_int_equal(integers[1], -7);
  cyf_free(integers);
  assert_ok(cyf_tensor_file_read_ints(file, "none", &integers, &count));
  assert_int_equal(count, 0);
  cyf_free(integers);
  assert_ok(cyf_tensor_file_read_text(file, "config.yaml", &text));
  assert_string_equal(text, "seed: 1\nname: Ω/🧬\n");
  cyf_free(text);
  assert_ok(cyf_tensor_file_read_text(file, "empty", &text));
  assert_string_equal(text, "");
  cyf_free(text);
  assert_ok(cyf_tensor_file_read_names(file, "genes", &again));
  assert_int_equal(again.n, names->n);
  for (int64_t i = 0; i < names->n; i++) assert_string_equal(again.name[i], names->name[i]);
  cyf_names_destroy(&again);
  assert_ok(cyf_tensor_file_read_names(file, "attributes/0/categories", &again));
  assert_int_equal(again.n, 0);
  cyf_names_destroy(&again);
}

static void scalars_and_lists_are_read_back(void **state) {
  (void)state;
  const float floats[3] = {1.5f, -2.5f, 1e-38f};
  const int64_t cursor[2] = {3, -7};
  cyf_tensor_file *file = NULL;
  cyf_names names = {0}, none = {0};
  char name[40];
  for (int i = 0; i < 70000; i++) { /* more than one block of strings */
    snprintf(name, sizeof(name), "HLA-%d/γ x", i);
    assert_ok(cyf_names_add(&names, name, NULL));
  }
  assert_ok(cyf_remove_file(path));
  assert_ok(cyf_tensor_file_create(path, &file));
  assert_string_equal(cyf_tensor_file_path(file), path);
  assert_ok(cyf_tensor_file_write_int(file, "step", INT64_MIN));
  assert_ok(cyf_tensor_file_write_real(file, "schedule/latent_scale", 0.1));
  assert_ok(cyf_tensor_file_write_floats(file, "optimiser/first_moment", floats, 3));
  assert_ok(cyf_tensor_file_write_ints(file, "cursor", cursor, 2));
  assert_ok(cyf_tensor_file_write_ints(file, "none", cursor, 0));
  assert_ok(cyf_tensor_file_write_text(file, "config.yaml", "seed: 1\nname: Ω/🧬\n"));
  assert_ok(cyf_tensor_file_write_text(file, "empty", ""));
  assert_ok(cyf_tensor_file_write_names(file, "genes", &names));
  assert_ok(cyf_tensor_file_write_names(file, "attributes/0/categories", &none));
  assert_true(has(file, "schedule/latent_scale"));
  assert_false(check_exists(path));
  assert_ok(cyf_tensor_file_commit(&file));
  assert_ok(cyf_tensor_file_open(path, &file));
  assert_true(has(file, "optimiser"));
  assert_true(has(file, "optimiser/first_moment"));
  assert_false(has(file, "optimiser/second_moment"));
  assert_false(has(file, "ema/absent/deep"));
  assert_false(has(file, ""));
  check_values(file, &names);
  int64_t integer = 0;
  assert_fails(cyf_tensor_file_read_int(file, "absent", &integer), CYF_ERR_INPUT, "model.h5: 'absent' is missing");
  assert_fails(cyf_tensor_file_read_int(file, "schedule/latent_scale", &integer), CYF_ERR_INPUT,
               "does not hold integers");
  assert_fails(cyf_tensor_file_write_int(file, "later", 1), CYF_ERR_INTERNAL, "open for reading");
  cyf_tensor_file_close(&file);
  cyf_tensor_file_close(&file);
  cyf_names_destroy(&names);
}

/* Inverts one byte of a dataset's stored values, before the file is sealed. */
static void damage(const char *dataset, int64_t at) {
  cyf_hdf5_lock();
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), id = H5Dopen2(file, dataset, H5P_DEFAULT);
  const haddr_t address = H5Dget_offset(id);
  assert_true(address != HADDR_UNDEF);
  H5Dclose(id);
  H5Fclose(file);
  cyf_hdf5_unlock();
  FILE *bytes = fopen(path, "r+b");
  assert_non_null(bytes);
  assert_int_equal(fseek(bytes, (long)address + (long)at, SEEK_SET), 0);
  const int byte = fgetc(bytes);
  assert_int_equal(fseek(bytes, (long)address + (long)at, SEEK_SET), 0);
  assert_int_equal(fputc(byte ^ 4, bytes), byte ^ 4);
  assert_int_equal(fclose(bytes), 0);
  plant_seal(path);
}

/* Values that were wrong when the file was sealed, as by a fault of memory: the message names the tensor. */
static void a_flipped_bit_is_found(void **state) {
  (void)state;
  static const char *const tensors[] = {"encoder.0.weight", "encoder.1.weight", "norm.num_batches_tracked"};
  cyf_layout layout;
  make_layout(&layout);
  float *flat = make_values(&layout), *again = make_values(&layout);
  for (int i = 0; i < 3; i++) {
    char dataset[128], message[160];
    snprintf(dataset, sizeof(dataset), "autoencoder/parameters/%s", tensors[i]);
    snprintf(message, sizeof(message), "model.h5: '%s' is damaged", dataset);
    write_layout(&layout, flat);
    damage(dataset, 5);
    assert_fails(read_layout(&layout, again), CYF_ERR_INPUT, message);
  }
  cyf_free(flat);
  cyf_free(again);
  cyf_layout_destroy(&layout);
}

/* A file without checksum, of another program, of a later version; no file at all. */
static void unsuitable_files_are_refused(void **state) {
  (void)state;
  cyf_tensor_file *file = NULL;
  int64_t value = 0;
  assert_ok(cyf_remove_file(path));
  assert_fails(cyf_tensor_file_open(path, &file), CYF_ERR_INPUT, "model.h5: no such file");
  assert_ok(cyf_write_text_file(path, "weights"));
  assert_fails(cyf_tensor_file_open(path, &file), CYF_ERR_INPUT, "model.h5: not an HDF5 file");
  cyf_hdf5_lock();
  H5Fclose(H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
  cyf_hdf5_unlock();
  assert_fails(cyf_tensor_file_open(path, &file), CYF_ERR_INPUT, "not one of cytoforge's");

  assert_ok(cyf_tensor_file_create(path, &file));
  assert_ok(cyf_tensor_file_write_int(file, "step", 5));
  assert_ok(cyf_tensor_file_commit(&file));
  cyf_hdf5_lock();
  hid_t id = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), step = H5Dopen2(id, "step", H5P_DEFAULT);
  assert_true(H5Adelete(step, "checksum") >= 0);
  H5Dclose(step);
  H5Fclose(id);
  cyf_hdf5_unlock();
  plant_seal(path);
  assert_ok(cyf_tensor_file_open(path, &file));
  assert_fails(cyf_tensor_file_read_int(file, "step", &value), CYF_ERR_INPUT, "'step' has no checksum");
  cyf_tensor_file_close(&file);

  const int64_t later = 1000;
  cyf_hdf5_lock();
  id = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  hid_t version = H5Aopen(id, "version", H5P_DEFAULT);
  assert_true(H5Awrite(version, H5T_NATIVE_INT64, &later) >= 0);
  H5Aclose(version);
  H5Fclose(id);
  cyf_hdf5_unlock();
  plant_seal(path);
  assert_fails(cyf_tensor_file_open(path, &file), CYF_ERR_INPUT,
               "has format version 1000; this cytoforge reads versions 1 to 1");
  assert_null(file);
}

/* A file appears only by commit; a full disk leaves what was there. */
static void a_file_is_committed_or_not_there(void **state) {
  (void)state;
  char *text = NULL;
  float *zeros = NULL;
  cyf_tensor_file *file = NULL;
  assert_ok(cyf_write_text_file(path, "older"));
  assert_ok(cyf_tensor_file_create(path, &file));
  assert_ok(cyf_tensor_file_write_int(file, "step", 1));
  assert_int_equal(count_partials(path), 1);
  cyf_tensor_file_close(&file);
  assert_int_equal(count_partials(path), 0);

  assert_ok(CYF_NEW(&zeros, 100000));
  limit_file_bytes(0);
  assert_ok(cyf_tensor_file_create(path, &file));
  assert_fails(cyf_tensor_file_write_floats(file, "a", zeros, 100000), CYF_ERR_IO,
               "model.h5: writing a failed: File too large");
  assert_fails(cyf_tensor_file_commit(&file), CYF_ERR_INTERNAL, "after a failed write");
  limit_file_bytes(0);
  assert_ok(cyf_tensor_file_create(path, &file));
  (void)cyf_tensor_file_write_int(file, "step", 1); /* small: may wait in HDF5's cache until the commit */
  cyf_status_clear();
  assert_fails(cyf_tensor_file_commit(&file), CYF_ERR_IO, "File too large");
  limit_file_bytes(-1);
  assert_int_equal(count_partials(path), 0);
  assert_ok(cyf_read_text_file(path, &text));
  assert_string_equal(text, "older");
  assert_fails(cyf_tensor_file_create("/no/such/folder/model.h5", &file), CYF_ERR_IO, "/no/such/folder/model.h5");
  cyf_free(text);
  cyf_free(zeros);
}

/* Reference files of any kind. */
static void datasets_of_any_file_are_read(void **state) {
  (void)state;
  double *doubles = NULL;
  int64_t *integers = NULL, shape[4], count = 0;
  int n_dims = 0;
  cyf_tensor_file *file = NULL;
  const int64_t values[3] = {4, 5, 6};
  assert_ok(cyf_tensor_file_create(path, &file));
  assert_ok(cyf_tensor_file_write_ints(file, "group/values", values, 3));
  assert_ok(cyf_tensor_file_write_text(file, "text", "x"));
  assert_ok(cyf_tensor_file_commit(&file));
  assert_ok(cyf_hdf5_read_doubles(path, "group/values", &doubles, &n_dims, shape));
  assert_true(n_dims == 1 && shape[0] == 3 && doubles[2] == 6);
  cyf_free(doubles);
  assert_ok(cyf_hdf5_read_int_attribute(path, "/", "version", &integers, &count));
  assert_true(count == 1 && integers[0] == 1);
  cyf_free(integers);
  assert_fails(cyf_hdf5_read_doubles(path, "group/absent", &doubles, &n_dims, shape), CYF_ERR_INPUT,
               "no dataset 'group/absent'");
  assert_fails(cyf_hdf5_read_doubles(path, "text", &doubles, &n_dims, shape), CYF_ERR_INPUT,
               "'text' does not hold numbers");
  assert_fails(cyf_hdf5_read_int_attribute(path, "group", "absent", &integers, &count), CYF_ERR_INPUT,
               "no attribute 'absent'");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_layout_is_written_and_read_back, check_clear),
      cmocka_unit_test_setup(names_and_shapes_must_agree, check_clear),
      cmocka_unit_test_setup(scalars_and_lists_are_read_back, check_clear),
      cmocka_unit_test_setup(a_flipped_bit_is_found, check_clear),
      cmocka_unit_test_setup(unsuitable_files_are_refused, check_clear),
      cmocka_unit_test_setup(a_file_is_committed_or_not_there, check_clear),
      cmocka_unit_test_setup(datasets_of_any_file_are_read, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
