/* SPDX-License-Identifier: MIT */
/* Files of other programs are walked before they are opened, once as long as they stay the same. */
#include <fcntl.h>
#include <hdf5.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atlas_fixture.h"
#include "data/hdf5/hdf5_walk.h"

static int n_walks;
static char walked[256], whole[128];

static cyf_status count(const char *path) {
  n_walks++;
  snprintf(walked, sizeof walked, "%s", path);
  return CYF_OK;
}

static cyf_status refuse(const char *path) {
  n_walks++;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: HDF5 cannot walk it", path);
}

static int setup(void **state) {
  set_up_folder(state);
  const fixture_file file = {.n_cells = 40, .n_genes = 20, .gene_stride = 1, .seed = 2, .types = {"a", "b", "c"}};
  snprintf(whole, sizeof whole, "%s/whole.h5ad", test_folder);
  fixture_write(&file, whole);
  return 0;
}

static cyf_status open_and_close(const char *path) {
  cyf_h5ad *file = NULL;
  const cyf_status status = cyf_h5ad_open(path, NULL, &file);
  cyf_h5ad_close(&file);
  return status;
}

static void a_file_is_walked_once_until_it_changes(void **state) {
  (void)state;
  cyf_h5_set_walker(count);
  n_walks = 0;
  for (int i = 0; i < 3; i++) assert_ok(open_and_close(whole));
  assert_int_equal(n_walks, 1);
  assert_string_equal(walked, whole);
  const int file = open(whole, O_RDWR);
  assert_int_equal(futimens(file, NULL), 0);
  close(file);
  cyf_names matrices = {0};
  assert_ok(cyf_h5ad_list_matrices(whole, &matrices));
  assert_ok(open_and_close(whole));
  assert_int_equal(n_walks, 2);
  cyf_names_destroy(&matrices);
  cyf_h5_set_walker(NULL);
}

static void what_cannot_be_walked_is_not_opened(void **state) {
  (void)state;
  const int file = open(whole, O_RDWR);
  assert_int_equal(futimens(file, NULL), 0);
  close(file);
  cyf_h5_set_walker(refuse);
  n_walks = 0;
  assert_fails(open_and_close(whole), CYF_ERR_INPUT, "HDF5 cannot walk it");
  assert_fails(open_and_close(whole), CYF_ERR_INPUT, "HDF5 cannot walk it");
  assert_int_equal(n_walks, 2);
  cyf_h5_set_walker(NULL);
  assert_ok(open_and_close(whole));
}

/* The walk itself, within this process: it reports progress, and tells a whole file from one that is cut. */
static void a_walk_makes_progress(void **state) {
  (void)state;
  int ends[2];
  char bytes[4096], cut[160], command[512];
  assert_int_equal(pipe(ends), 0);
  assert_int_equal(cyf_h5_walk(whole, ends[1]), 0);
  assert_true(read(ends[0], bytes, sizeof bytes) > 20);
  snprintf(cut, sizeof cut, "%s/cut.h5ad", test_folder);
  snprintf(command, sizeof command, "head -c 3000 %s >%s", whole, cut);
  assert_int_equal(system(command), 0);
  assert_int_equal(cyf_h5_walk(cut, ends[1]), 1);
  close(ends[0]);
  close(ends[1]);
}

/* ---- texts that HDF5 would copy beyond their room ---- */

static const char *const words[] = {"one", "a longer word", "two", "three"};
enum { N_WORDS = 4 };

static hid_t text_type(void) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  return type;
}

typedef enum form { CONTIGUOUS, CHUNKED, DEFLATED, ATTRIBUTE, COMPOUND, SEQUENCE, TWO_DIMENSIONS, FORMS } form;

static void write_dataset(hid_t file, form f, hid_t type, const void *values) {
  const hsize_t n = N_WORDS, chunk = 3, grid[2] = {2, 2};
  hid_t space = f == TWO_DIMENSIONS ? H5Screate_simple(2, grid, NULL) : H5Screate_simple(1, &n, NULL);
  hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  if (f == CHUNKED || f == DEFLATED) H5Pset_chunk(creation, 1, &chunk);
  if (f == DEFLATED) assert_true(H5Pset_shuffle(creation) >= 0 && H5Pset_deflate(creation, 4) >= 0);
  hid_t dataset = H5Dcreate2(file, "words", type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  assert_true(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(dataset);
  H5Pclose(creation);
  H5Sclose(space);
}

static void write_words(hid_t file, form f) {
  typedef struct row {
    int number;
    const char *word;
  } row;
  row rows[N_WORDS];
  hvl_t sequences[N_WORDS];
  for (int i = 0; i < N_WORDS; i++) {
    rows[i] = (row){i, words[i]};
    sequences[i] = (hvl_t){strlen(words[i]), (void *)(uintptr_t)words[i]};
  }
  hid_t text = text_type(), sequence = H5Tvlen_create(H5T_NATIVE_CHAR), compound = H5Tcreate(H5T_COMPOUND, sizeof(row));
  H5Tinsert(compound, "number", offsetof(row, number), H5T_NATIVE_INT);
  H5Tinsert(compound, "word", offsetof(row, word), text);
  if (f == ATTRIBUTE) {
    const hsize_t n = N_WORDS;
    hid_t space = H5Screate_simple(1, &n, NULL), root = H5Gopen2(file, "/", H5P_DEFAULT);
    hid_t attribute = H5Acreate2(root, "words", text, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, text, words) >= 0);
    H5Aclose(attribute);
    H5Gclose(root);
    H5Sclose(space);
  } else if (f == COMPOUND) {
    write_dataset(file, f, compound, rows);
  } else {
    write_dataset(file, f, f == SEQUENCE ? sequence : text, f == SEQUENCE ? (const void *)sequences : words);
  }
  H5Tclose(compound);
  H5Tclose(sequence);
  H5Tclose(text);
}

/* Changes a byte of the longest word's entry in the heap, so many bytes before the word: 8: its size, 16: its number.
 */
static void change_in_heap(const char *path, int before, unsigned char byte) {
  static unsigned char content[1 << 16];
  const int file = open(path, O_RDWR);
  const ssize_t n = read(file, content, sizeof content);
  int n_found = 0;
  for (ssize_t at = 16; at + 13 < n; at++) {
    if (memcmp(content + at, words[1], 13) != 0 || content[at - 8] < 13 || content[at - 8] > 14) continue;
    assert_int_equal(pwrite(file, &byte, 1, (off_t)at - before), 1);
    n_found++;
  }
  assert_int_equal(n_found, 1);
  close(file);
}

static void texts_beyond_their_room_are_found(void **state) {
  (void)state;
  char path[160];
  const int nowhere = open("/dev/null", O_WRONLY);
  snprintf(path, sizeof path, "%s/words.h5", test_folder);
  for (form f = 0; f < FORMS; f++)
    for (int user_block = 0; user_block < 2; user_block++) {
      hid_t creation = H5Pcreate(H5P_FILE_CREATE);
      if (user_block) H5Pset_userblock(creation, 512);
      hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, H5P_DEFAULT);
      write_words(file, f);
      H5Fclose(file);
      H5Pclose(creation);
      assert_int_equal(cyf_h5_walk(path, nowhere), 0);
      change_in_heap(path, 16, 99); /* the heap lacks the word */
      if (cyf_h5_walk(path, nowhere) != CYF_H5_WALK_OVERRUNS) fail_msg("form %d, user block %d", (int)f, user_block);
      change_in_heap(path, 8, 40);
      if (cyf_h5_walk(path, nowhere) != CYF_H5_WALK_OVERRUNS) fail_msg("form %d, user block %d", (int)f, user_block);
    }
  close(nowhere);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_file_is_walked_once_until_it_changes), cmocka_unit_test(what_cannot_be_walked_is_not_opened),
      cmocka_unit_test(a_walk_makes_progress), cmocka_unit_test(texts_beyond_their_room_are_found)};
  return cmocka_run_group_tests(tests, setup, tear_down_folder);
}
