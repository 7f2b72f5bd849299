/* SPDX-License-Identifier: MIT */
/* PyTorch checkpoints: what torch.save wrote is read bit for bit, and every hostile file ends in an error. */
#include <unistd.h>

#include "data/tensors/torch_file.h"
#include "data/tensors/torch_pickle.h"
#include "torch_fixtures.h"

static char scratch[96];

static int setup(void **state) {
  set_up_folder(state);
  snprintf(scratch, sizeof scratch, "%s/made.pt", test_folder);
  return 0;
}
/* ---- what torch.save writes ---- */

/* Every tensor of the file against the values of NAME.bin, bit for bit. */
static void check_values(const char *checkpoint, const char *values) {
  cyf_torch_file *file = NULL;
  char path[640];
  snprintf(path, sizeof path, "%s", fixture(checkpoint));
  float *wanted = fixture_floats(values, -1);
  int64_t at = 0;
  assert_ok(cyf_torch_file_open(path, &file));
  for (int64_t i = 0; i < cyf_torch_file_n_tensors(file); i++) {
    const cyf_torch_tensor *tensor = cyf_torch_file_tensor(file, i);
    float *got = NULL;
    assert_int_equal(cyf_torch_file_find(file, tensor->name), i);
    assert_ok(CYF_NEW(&got, tensor->count));
    assert_ok(cyf_torch_file_read_floats(file, i, got));
    if (memcmp(got, wanted + at, sizeof *got * (size_t)tensor->count) != 0)
      fail_msg("%s: %s differs from what torch has", checkpoint, tensor->name);
    at += tensor->count;
    cyf_free(got);
  }
  assert_int_equal(at * (int64_t)sizeof(float), check_size(fixture(values)));
  cyf_torch_file_close(&file);
  free(wanted);
}

static void both_layouts_read_bit_for_bit(void **state) {
  (void)state;
  check_values("autoencoder.pt", "autoencoder_float32.bin");         /* entries in a folder of the file's name */
  check_values("autoencoder_archive.pt", "autoencoder_float32.bin"); /* in "archive", with later versions' entries */
}

static void every_kind_of_number_converts_exactly(void **state) {
  (void)state;
  check_values("autoencoder_float16.pt", "autoencoder_float16.bin"); /* under "state_dict", beside other entries */
  check_values("autoencoder_bfloat16.pt", "autoencoder_bfloat16.bin");
  check_values("autoencoder_strided.pt", "autoencoder_float32.bin"); /* float64, transposed, one shared storage */
  check_values("autoencoder_parameters.pt", "autoencoder_float32.bin");
}

static void a_tensor_has_name_type_and_shape(void **state) {
  (void)state;
  cyf_torch_file *file = NULL;
  assert_ok(cyf_torch_file_open(fixture("autoencoder.pt"), &file));
  const cyf_torch_tensor *first = cyf_torch_file_tensor(file, 0);
  assert_string_equal(first->name, "encoder.network.0.1.weight");
  assert_int_equal(first->type, CYF_TORCH_FLOAT32);
  assert_int_equal(first->n_dims, 2);
  assert_int_equal(first->shape[0], fixture_shape("hidden"));
  assert_int_equal(first->shape[1], fixture_shape("genes"));
  const int64_t counter = cyf_torch_file_find(file, "encoder.network.0.2.num_batches_tracked");
  assert_true(counter > 0);
  assert_int_equal(cyf_torch_file_tensor(file, counter)->type, CYF_TORCH_INT64);
  assert_int_equal(cyf_torch_file_tensor(file, counter)->n_dims, 0);
  assert_int_equal(cyf_torch_file_find(file, "no such tensor"), -1);
  cyf_torch_file_close(&file);
}

static void what_is_no_state_dict_is_refused_by_name(void **state) {
  (void)state;
  cyf_torch_file *file = NULL;
  assert_fails(cyf_torch_file_open(fixture("legacy.pt"), &file), CYF_ERR_INPUT, "torch.save(torch.load(");
  assert_fails(cyf_torch_file_open(fixture("evil.pt"), &file), CYF_ERR_INPUT, "posix.system, which is refused");
  assert_fails(cyf_torch_file_open(fixture("module.pt"), &file), CYF_ERR_INPUT, "torch.nn.modules.linear.Linear");
  assert_fails(cyf_torch_file_open(fixture("labels.txt"), &file), CYF_ERR_INPUT, "is no PyTorch checkpoint");
  assert_fails(cyf_torch_file_open(fixture("absent.pt"), &file), CYF_ERR_INPUT, "absent.pt");
  assert_fails(cyf_torch_file_open(test_folder, &file), CYF_ERR_INPUT, "is a directory");
  assert_null(file);
}

/* ---- pickles ---- */

#define PICKLE(text) (const uint8_t *)("\x80\x02" text), sizeof("\x80\x02" text) - 1
#define REFUSED(text, message)                                                          \
  do {                                                                                  \
    cyf_pickle pickle_;                                                                 \
    assert_fails(cyf_pickle_read("p", PICKLE(text), &pickle_), CYF_ERR_INPUT, message); \
    assert_null(pickle_.value);                                                         \
  } while (0)

static void plain_values_come_out(void **state) {
  (void)state;
  cyf_pickle p;
  /* {"n": -2, "big": 2**40, "real": 1.5, "text": "x", "list": [None, True]} */
  assert_ok(cyf_pickle_read("p",
                            PICKLE("}q\0("
                                   "X\1\0\0\0nJ\xfe\xff\xff\xff"
                                   "X\3\0\0\0big\x8a\6\0\0\0\0\0\1"
                                   "X\4\0\0\0realG\x3f\xf8\0\0\0\0\0\0"
                                   "X\4\0\0\0textX\1\0\0\0x"
                                   "X\4\0\0\0list](N\x88"
                                   "eu."),
                            &p));
  assert_int_equal(p.value[p.root].kind, CYF_PICKLE_DICT);
  assert_int_equal(p.value[cyf_pickle_get(&p, p.root, "n")].integer, -2);
  assert_int_equal(p.value[cyf_pickle_get(&p, p.root, "big")].integer, INT64_C(1) << 40);
  assert_true(p.value[cyf_pickle_get(&p, p.root, "real")].real == 1.5);
  assert_memory_equal(p.value[cyf_pickle_get(&p, p.root, "text")].text, "x", 1);
  const cyf_pickle_value *list = &p.value[cyf_pickle_get(&p, p.root, "list")];
  assert_int_equal(list->n, 2);
  assert_int_equal(p.value[list->item[0]].kind, CYF_PICKLE_NONE);
  assert_int_equal(p.value[list->item[1]].integer, 1);
  assert_int_equal(cyf_pickle_get(&p, p.root, "absent"), -1);
  cyf_pickle_destroy(&p);
}

static void other_opcodes_and_globals_are_refused_by_name(void **state) {
  (void)state;
  REFUSED("(S'rm'\nios\nsystem\n.", "STRING");
  REFUSED("(ios\nsystem\n.", "INST");
  REFUSED("(o.", "OBJ");
  REFUSED(")\x81.", "NEWOBJ");
  REFUSED("\x93.", "STACK_GLOBAL");
  REFUSED("\x82\1.", "EXT1");
  REFUSED("\xff.", "0xff");
  REFUSED("cposix\nsystem\n.", "posix.system");
  REFUSED("c__builtin__\neval\n.", "__builtin__.eval");
  REFUSED("ctorch\nload\n.", "torch.load");
  REFUSED("ctorch\nFloatStorage\nX\1\0\0\0x\x85R.", "REDUCE"); /* a known global is not callable by that */
  REFUSED("ccollections\nOrderedDict\n](X\1\0\0\0ae\x85R.", "REDUCE");
  cyf_pickle p;
  assert_fails(cyf_pickle_read("p", (const uint8_t *)"\x80\4N.", 4, &p), CYF_ERR_INPUT, "protocol 4");
}

static void broken_pickles_end_in_an_error(void **state) {
  (void)state;
  REFUSED("", "ends in the middle");
  REFUSED("N", "ends in the middle");
  REFUSED("X\xff\xff\xff\xff", "ends in the middle");
  REFUSED(".", "stack is empty");
  REFUSED("NN.", "left over");
  REFUSED("t.", "a mark is missing");
  REFUSED("(N\x86.", "stack is empty"); /* a tuple does not reach below a mark */
  REFUSED("h\5.", "not there");
  REFUSED("Nr\xff\xff\xff\x7f.", "memo is too large");
  REFUSED("N(Ne.", "cannot take them");
  REFUSED("}(Nu.", "cannot take them");
  REFUSED("NNb.", "BUILD");
  REFUSED("NQ.", "tuple of five");
  REFUSED("\x8a\x09\1\1\1\1\1\1\1\1\1.", "64 bits");
}

/* A pickle may hold itself and nest without end: nothing follows it down. */
static void depth_takes_no_stack(void **state) {
  (void)state;
  const int64_t depth = 400000;
  uint8_t *bytes = malloc((size_t)depth * 2 + 3);
  assert_non_null(bytes);
  memcpy(bytes, "\x80\2", 2);
  memset(bytes + 2, ']', (size_t)depth);
  memset(bytes + 2 + depth, 'a', (size_t)depth - 1);
  bytes[1 + 2 * depth] = '.';
  cyf_pickle p;
  assert_ok(cyf_pickle_read("p", bytes, 2 + 2 * depth, &p));
  assert_int_equal(p.n_values, depth);
  cyf_pickle_destroy(&p);
  free(bytes);
  bytes = malloc(1500000);
  assert_non_null(bytes);
  memset(bytes, 'N', 1500000);
  assert_fails(cyf_pickle_read("p", bytes, 1500000, &p), CYF_ERR_INPUT, "opcodes");
  free(bytes);
  assert_ok(cyf_pickle_read("p", PICKLE("}q\0X\1\0\0\0xh\0s."), &p)); /* x = {}; x["x"] = x */
  assert_int_equal(cyf_pickle_get(&p, p.root, "x"), p.root);
  cyf_pickle_destroy(&p);
}

/* ---- archives made by hand ---- */

typedef struct entry {
  const char *name;
  const void *bytes;
  size_t size;
  int method;              /* 0: stored */
  uint32_t claimed_size;   /* 0: the truth; in the central directory only */
  bool claimed_everywhere; /* in the local header as well */
  int same_place_as;       /* 1-based: the central directory points to that entry's place */
} entry;

static uint32_t crc32_of(const uint8_t *bytes, size_t n) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < n; i++) {
    crc ^= bytes[i];
    for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

static void put(FILE *out, uint64_t value, int n) {
  for (int i = 0; i < n; i++) fputc(i < 8 ? (int)(value >> (8 * i) & 0xff) : 0, out);
}

static void put_fields(FILE *out, const entry *e, bool central) {
  const uint64_t claimed = e->claimed_size != 0 && (central || e->claimed_everywhere) ? e->claimed_size : e->size;
  put(out, 20, 2);
  put(out, 0, 2);
  put(out, (uint64_t)e->method, 2);
  put(out, 0, 4);
  put(out, crc32_of(e->bytes, e->size), 4);
  put(out, e->method == 0 ? claimed : e->size, 4);
  put(out, claimed, 4);
  put(out, strlen(e->name), 2);
  put(out, 0, 2);
}

static void write_archive(int n, const entry *entries) {
  FILE *out = fopen(scratch, "wb");
  long at[8], directory;
  assert_non_null(out);
  for (int i = 0; i < n; i++) {
    at[i] = ftell(out);
    put(out, 0x04034b50, 4);
    put_fields(out, &entries[i], false);
    fputs(entries[i].name, out);
    fwrite(entries[i].bytes, 1, entries[i].size, out);
  }
  directory = ftell(out);
  for (int i = 0; i < n; i++) {
    put(out, 0x02014b50, 4);
    put(out, 20, 2);
    put_fields(out, &entries[i], true);
    put(out, 0, 10);
    put(out, (uint64_t)at[entries[i].same_place_as > 0 ? entries[i].same_place_as - 1 : i], 4);
    fputs(entries[i].name, out);
  }
  const long end = ftell(out);
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, (uint64_t)n, 2);
  put(out, (uint64_t)n, 2);
  put(out, (uint64_t)(end - directory), 4);
  put(out, (uint64_t)directory, 4);
  put(out, 0, 2);
  assert_int_equal(fclose(out), 0);
}

/* {"w": a float32 tensor of shape (SIZE) and stride (STRIDE) at OFFSET over storage "0" of COUNT numbers}; all single
 * bytes. */
#define TENSOR(OFFSET, SIZE, STRIDE, COUNT)                                                      \
  "\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n" \
  "X\1\0\0\0000X\3\0\0\0cpuK" COUNT "tQK" OFFSET "K" SIZE "\x85K" STRIDE "\x85\x89}tRs."

static const float four[4] = {1, 2, 3, 4};
#define PKL(text) \
  { "a/data.pkl", text, sizeof(text) - 1, 0, 0, false, 0 }
#define NUMBERS \
  { "a/data/0", four, sizeof four, 0, 0, false, 0 }

static void expect_refused(int n, const entry *entries, const char *message) {
  cyf_torch_file *file = NULL;
  write_archive(n, entries);
  assert_fails(cyf_torch_file_open(scratch, &file), CYF_ERR_INPUT, message);
  assert_null(file);
}

static void an_archive_made_by_hand_reads(void **state) {
  (void)state;
  const entry good[] = {PKL(TENSOR("\1", "\2", "\2", "\4")), NUMBERS};
  cyf_torch_file *file = NULL;
  float values[2];
  write_archive(2, good);
  assert_ok(cyf_torch_file_open(scratch, &file));
  assert_ok(cyf_torch_file_read_floats(file, cyf_torch_file_find(file, "w"), values));
  assert_true(values[0] == 2 && values[1] == 4);
  cyf_torch_file_close(&file);
}

static void views_stay_inside_their_storage(void **state) {
  (void)state;
  const entry beyond[] = {PKL(TENSOR("\0", "\5", "\1", "\4")), NUMBERS};
  expect_refused(2, beyond, "larger than its storage");
  const entry offset[] = {PKL(TENSOR("\4", "\1", "\1", "\4")), NUMBERS};
  expect_refused(2, offset, "larger than its storage");
  const entry stride[] = {PKL(TENSOR("\0", "\3", "\2", "\4")), NUMBERS};
  expect_refused(2, stride, "larger than its storage");
  const entry expanded[] = {PKL(TENSOR("\0", "\xff", "\0", "\4")), NUMBERS}; /* 255 times the same number */
  expect_refused(2, expanded, "larger than its storage");
}

static void sizes_that_lie_are_found(void **state) {
  (void)state;
  const entry count[] = {PKL(TENSOR("\0", "\4", "\1", "\x7f")), NUMBERS};
  expect_refused(2, count, "127 float32 numbers are announced");
  const entry missing[] = {PKL(TENSOR("\0", "\4", "\1", "\4"))};
  expect_refused(1, missing, "are missing");
  entry lying[] = {PKL(TENSOR("\0", "\4", "\1", "\4")), NUMBERS};
  lying[1].claimed_size = 8;
  expect_refused(2, lying, "two headers tell different sizes");
  lying[1].claimed_size = 0xf0000000u;
  lying[1].claimed_everywhere = true;
  expect_refused(2, lying, "larger than the file");
  lying[1].claimed_size = 20; /* reaches into the directory */
  expect_refused(2, lying, "reaches beyond");
}

static void bombs_and_overlaps_are_refused(void **state) {
  (void)state;
  entry bomb[] = {PKL(TENSOR("\0", "\4", "\1", "\4")), NUMBERS};
  bomb[1].method = 8;
  bomb[1].claimed_size = 0xf0000000u;
  expect_refused(2, bomb, "is compressed");
  entry overlap[] = {PKL(TENSOR("\0", "\4", "\1", "\4")), NUMBERS, {"a/data/1", four, sizeof four, 0, 0, false, 2}};
  expect_refused(3, overlap, "entries overlap");
}

static void names_stay_in_the_archive(void **state) {
  (void)state;
  static const char *const outside[] = {"../data/0", "/etc/passwd", "a/../../b", "a/./b", "a\\b", "a/.."};
  for (int i = 0; i < 6; i++) {
    entry entries[] = {PKL(TENSOR("\0", "\4", "\1", "\4")), NUMBERS, {outside[i], four, sizeof four, 0, 0, false, 0}};
    expect_refused(3, entries, "leads out of the archive");
  }
  entry twice[] = {PKL(TENSOR("\0", "\4", "\1", "\4")), NUMBERS, NUMBERS};
  expect_refused(3, twice, "is there twice");
  entry elsewhere[] = {PKL(TENSOR("\0", "\4", "\1", "\4")), NUMBERS, {"b/x", four, sizeof four, 0, 0, false, 0}};
  expect_refused(3, elsewhere, "not in one folder");
  entry none[] = {NUMBERS};
  expect_refused(1, none, "holds no data.pkl");
}

static void a_dictionary_without_tensors_is_refused(void **state) {
  (void)state;
  const entry empty[] = {PKL("\x80\2}.")};
  expect_refused(1, empty, "holds no tensors");
  const entry list[] = {PKL("\x80\2].")};
  expect_refused(1, list, "holds no state dict");
}

static void write_scratch(const unsigned char *bytes, size_t n) {
  FILE *out = fopen(scratch, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, n, out), n);
  fclose(out);
}

/* Opens and reads everything; true when all went well. */
static bool reads_whole(void) {
  cyf_torch_file *file = NULL;
  bool well = cyf_torch_file_open(scratch, &file) == CYF_OK;
  for (int64_t i = 0; well && i < cyf_torch_file_n_tensors(file); i++) {
    float *values = NULL;
    assert_ok(CYF_NEW(&values, cyf_torch_file_tensor(file, i)->count));
    well = cyf_torch_file_read_floats(file, i, values) == CYF_OK;
    cyf_free(values);
  }
  if (!well) assert_true(cyf_status_message()[0] != '\0');
  cyf_torch_file_close(&file);
  cyf_status_clear();
  return well;
}

static void cut_and_flipped_files_never_take_much_memory(void **state) {
  (void)state;
  const entry good[] = {PKL(TENSOR("\0", "\4", "\1", "\4")), NUMBERS};
  write_archive(2, good);
  size_t size = 0;
  unsigned char *bytes = fixture_bytes(scratch, &size);
  assert_true(reads_whole());
  for (size_t n = 0; n < size; n++) {
    write_scratch(bytes, n);
    assert_false(reads_whole());
  }
  for (size_t i = 0; i < size; i++)
    for (int bit = 0; bit < 8; bit++) {
      bytes[i] ^= (unsigned char)(1 << bit);
      write_scratch(bytes, size);
      reads_whole(); /* dates and versions do not matter: not every bit does */
      bytes[i] ^= (unsigned char)(1 << bit);
    }
  free(bytes);
  assert_int_equal(cyf_memory_bytes_now(), 0);
  /* Whatever such a file of a kilobyte claims, reading it never took much memory. For this the test runs first. */
  print_message("at most %lld bytes were held (limit 1 MiB)\n", (long long)cyf_memory_bytes_peak());
  assert_true(cyf_memory_bytes_peak() < 1 << 20);
}

/* The numbers themselves are guarded by the CRC. */
static void a_changed_number_is_found(void **state) {
  (void)state;
  const entry good[] = {PKL(TENSOR("\0", "\4", "\1", "\4")), NUMBERS};
  write_archive(2, good);
  size_t size = 0;
  unsigned char *bytes = fixture_bytes(scratch, &size);
  unsigned char *at = memmem(bytes, size, four, sizeof four);
  assert_non_null(at);
  at[5] ^= 1;
  write_scratch(bytes, size);
  free(bytes);
  cyf_torch_file *file = NULL;
  float values[4];
  assert_ok(cyf_torch_file_open(scratch, &file));
  assert_fails(cyf_torch_file_read_floats(file, 0, values), CYF_ERR_INPUT, "is damaged");
  cyf_torch_file_close(&file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(cut_and_flipped_files_never_take_much_memory, check_clear),
      cmocka_unit_test_setup(both_layouts_read_bit_for_bit, check_clear),
      cmocka_unit_test_setup(every_kind_of_number_converts_exactly, check_clear),
      cmocka_unit_test_setup(a_tensor_has_name_type_and_shape, check_clear),
      cmocka_unit_test_setup(what_is_no_state_dict_is_refused_by_name, check_clear),
      cmocka_unit_test_setup(plain_values_come_out, check_clear),
      cmocka_unit_test_setup(other_opcodes_and_globals_are_refused_by_name, check_clear),
      cmocka_unit_test_setup(broken_pickles_end_in_an_error, check_clear),
      cmocka_unit_test_setup(depth_takes_no_stack, check_clear),
      cmocka_unit_test_setup(an_archive_made_by_hand_reads, check_clear),
      cmocka_unit_test_setup(views_stay_inside_their_storage, check_clear),
      cmocka_unit_test_setup(sizes_that_lie_are_found, check_clear),
      cmocka_unit_test_setup(bombs_and_overlaps_are_refused, check_clear),
      cmocka_unit_test_setup(names_stay_in_the_archive, check_clear),
      cmocka_unit_test_setup(a_dictionary_without_tensors_is_refused, check_clear),
      cmocka_unit_test_setup(a_changed_number_is_found, check_clear),
  };
  return cmocka_run_group_tests(tests, setup, tear_down_folder);
}
