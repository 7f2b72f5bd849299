/* SPDX-License-Identifier: MIT */
/* Reading safetensors files: values of every type, the listed part of a file, and refusals of what is damaged. */
#include <unistd.h>

#include "check.h"
#include "data/tensors/safetensors.h"
#include "data/tensors/safetensors_file.h"

static char *path;

static int setup(void **state) {
  set_up_folder(state);
  path = in_folder("made.safetensors");
  return 0;
}

static int teardown(void **state) {
  cyf_free(path);
  return tear_down_folder(state);
}

static void write_file(const char *header, const void *data, size_t n) {
  const uint64_t length = strlen(header);
  unsigned char bytes[2048];
  assert_true(8 + length + n <= sizeof bytes);
  memcpy(bytes, &length, 8);
  memcpy(bytes + 8, header, length);
  memcpy(bytes + 8 + length, data, n);
  assert_ok(cyf_write_bytes_file(path, bytes, 8 + length + n));
}

static void every_type_reads_exactly(void **state) {
  (void)state;
  static const struct {
    const char *type;
    int n_bytes;
    unsigned char bytes[8];
    float value;
  } types[] = {{"F64", 8, {0, 0, 0, 0, 0, 0, 0xf8, 0xbf}, -1.5F},
               {"F32", 4, {0, 0, 0xc0, 0xbf}, -1.5F},
               {"F16", 2, {0, 0xbe}, -1.5F},
               {"BF16", 2, {0xc0, 0xbf}, -1.5F},
               {"I64", 8, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, -2},
               {"I32", 4, {0xfe, 0xff, 0xff, 0xff}, -2},
               {"I16", 2, {0xfe, 0xff}, -2},
               {"I8", 1, {0xfe}, -2},
               {"U8", 1, {0xfe}, 254},
               {"BOOL", 1, {1}, 1}};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    char header[128];
    cyf_safetensors_file *file = NULL;
    float value = 0;
    snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[0,%d]}}", types[i].type,
             types[i].n_bytes);
    write_file(header, types[i].bytes, (size_t)types[i].n_bytes);
    assert_true(cyf_safetensors_is_one(path));
    assert_ok(cyf_safetensors_open(path, "", &file));
    assert_ok(cyf_safetensors_read_floats(file, 0, &value));
    assert_true(value == types[i].value);
    cyf_safetensors_close(&file);
  }
}

#define ONE(name, from, to) \
  "\"" name "\": {\"dtype\": \"F32\", \"shape\": [1, 2], \"data_offsets\": [" #from ", " #to "]}"

static void a_part_of_a_file_is_listed(void **state) {
  (void)state;
  const float data[] = {1, 2, 3, 4, 5, 6};
  cyf_safetensors_file *file = NULL;
  float values[2];
  write_file("{\"__metadata__\": {\"key\": \"a text\"}, " ONE("a.x", 8, 16) ", " ONE("b.x", 0, 8) ", " ONE("a.y", 16,
                                                                                                           24) "}  ",
             data, sizeof data);
  assert_ok(cyf_safetensors_open(path, "a.", &file));
  assert_int_equal(cyf_safetensors_n_tensors(file), 2);
  assert_int_equal(cyf_safetensors_n_tensors_in_all(file), 3);
  assert_string_equal(cyf_safetensors_metadata(file, "key"), "a text");
  assert_null(cyf_safetensors_metadata(file, "other"));
  assert_int_equal(cyf_safetensors_find(file, "a.x"), -1);
  assert_int_equal(cyf_safetensors_find(file, "y"), 1);
  assert_int_equal(cyf_safetensors_tensor(file, 1)->n_dims, 2);
  assert_ok(cyf_safetensors_read_floats(file, 1, values));
  assert_true(values[0] == 5 && values[1] == 6);
  cyf_safetensors_close(&file);
  assert_fails(cyf_safetensors_open(path, "c.", &file), CYF_ERR_INPUT, "holds no tensor of c.");
}

static void what_is_damaged_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *header, *message;
  } damaged[] = {
      {"{" ONE("a", 0, 8) "}", "overlap, leave gaps or end before"},
      {"{" ONE("a", 0, 8) ", " ONE("b", 4, 12) "}", "overlap, leave gaps"},
      {"{" ONE("a", 0, 8) ", " ONE("b", 12, 20) "}", "lies outside the file"},
      {"{" ONE("a", 0, 8) ", " ONE("a", 8, 16) "}", "is there twice"},
      {"{" ONE("a", 0, 12) "}", "different sizes"},
      {"{" ONE("a", 8, 0) "}", "lies outside the file"},
      {"{\"a\": {\"dtype\": \"F8\", \"shape\": [16], \"data_offsets\": [0, 16]}}", "a type that is not known"},
      {"{\"a\": {\"dtype\": \"U8\", \"shape\": [-16], \"data_offsets\": [0, 16]}}", "a shape that is impossible"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [4611686018427387904, 4], \"data_offsets\": [0, 16]}}", "impossible"},
      {"{\"a\": {\"dtype\": \"F64\", \"shape\": [2305843009213693952], \"data_offsets\": [0, 0]}}", "different sizes"},
      {"{\"a\": {\"dtype\": \"U8\", \"data_offsets\": [0, 16]}}", "no shape"},
      {"{\"a\": 5}", "a type that is not known"},
      {"{\"a\": {\"dtype\": \"U8\", \"shape\": [16], \"data_offsets\": [0, 16]}", "JSON is damaged"},
  };
  const char data[16] = {0};
  cyf_safetensors_file *file = NULL;
  for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
    write_file(damaged[i].header, data, sizeof data);
    assert_fails(cyf_safetensors_open(path, "", &file), CYF_ERR_INPUT, damaged[i].message);
    assert_null(file);
  }
  assert_ok(cyf_write_bytes_file(path, "\xe8\x03\0\0\0\0\0\0{}", 10));
  assert_fails(cyf_safetensors_open(path, "", &file), CYF_ERR_INPUT, "announces a header of 1000 bytes");
}

/* It is cut while it is open. */
static void a_file_that_shrinks_is_found(void **state) {
  (void)state;
  const float data[] = {1, 2};
  float values[2];
  cyf_safetensors_file *file = NULL;
  write_file("{" ONE("a", 0, 8) "}", data, sizeof data);
  assert_ok(cyf_safetensors_open(path, "", &file));
  assert_int_equal(truncate(path, check_size(path) - 1), 0);
  assert_fails(cyf_safetensors_read_floats(file, 0, values), CYF_ERR_INPUT, "ends early");
  cyf_safetensors_close(&file);
}

/* Whichever byte of one of our files changes, it is refused, or what it holds is the same. */
static void a_changed_byte_of_ours_is_found(void **state) {
  (void)state;
  cyf_named_tensor tensor = {.name = "a", .kind = CYF_TENSOR_PLAIN, .n_dims = 1, .shape = {5}, .count = 5};
  const cyf_layout layout = {.tensors = &tensor, .n_tensors = 1, .total = 5};
  const float flat[5] = {1, -2.5F, 0, 3e-7F, 4};
  const cyf_safetensors_part part = {"m.", &layout, flat};
  const cyf_safetensors_text text = {"settings", "steps: 4"};
  unsigned char bytes[2048];
  int64_t n_refused = 0;
  assert_ok(cyf_safetensors_write(path, 1, &text, 1, &part));
  const int64_t n = check_size(path);
  FILE *stream = fopen(path, "rb");
  assert_non_null(stream);
  assert_int_equal(fread(bytes, 1, sizeof bytes, stream), n);
  fclose(stream);
  for (int64_t at = -1; at < n; at++) { /* at first as it was written */
    cyf_safetensors_file *file = NULL;
    float values[5] = {0};
    if (at >= 0) bytes[at] ^= 1;
    assert_ok(cyf_write_bytes_file(path, bytes, (size_t)n));
    if (at >= 0) bytes[at] ^= 1;
    const cyf_status status = cyf_safetensors_open(path, "m.", &file);
    if (status == CYF_OK) {
      assert_ok(cyf_safetensors_read_floats(file, 0, values));
      assert_memory_equal(values, flat, sizeof flat);
      assert_string_equal(cyf_safetensors_metadata(file, "settings"), "steps: 4");
    }
    n_refused += status != CYF_OK;
    assert_true(at >= 0 || status == CYF_OK);
    cyf_status_clear();
    cyf_safetensors_close(&file);
  }
  assert_true(n_refused > n - 24); /* but for the checksum's own name */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_reads_exactly),        cmocka_unit_test(a_part_of_a_file_is_listed),
      cmocka_unit_test(what_is_damaged_is_refused),      cmocka_unit_test(a_file_that_shrinks_is_found),
      cmocka_unit_test(a_changed_byte_of_ours_is_found),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
