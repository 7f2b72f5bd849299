/* SPDX-License-Identifier: MIT */
/* Files: folders, links, checksums. */
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "check.h"

static void assert_text(const char *path, const char *expected) {
  char *text = NULL;
  assert_ok(cyf_read_text_file(path, &text));
  assert_string_equal(text, expected);
  cyf_free(text);
}

static void paths_are_joined(void **state) {
  (void)state;
  static const char *const cases[][3] = {
      {"runs", "a", "runs/a"}, {"runs/", "a", "runs/a"}, {"/", "a", "/a"}, {"", "a", "a"}};
  char *path = NULL;
  for (int i = 0; i < 4; ++i) {
    assert_ok(cyf_path_join(cases[i][0], cases[i][1], &path));
    assert_string_equal(path, cases[i][2]);
    cyf_free(path);
  }
}

/* What is no regular file is not touched; a link is followed. */
static void only_regular_files_are_replaced(void **state) {
  (void)state;
  char *fifo = in_folder("fifo"), *link = in_folder("link"), *aim = in_folder("aim");
  char *target = NULL;
  struct stat info;
  assert_int_equal(mkfifo(fifo, 0600), 0);
  assert_fails(cyf_output_target(fifo, &target), CYF_ERR_IO, "is a FIFO");
  assert_fails(cyf_output_target(test_folder, &target), CYF_ERR_IO, "is a directory");
  assert_null(target);
  assert_fails(cyf_write_text_file(fifo, "new"), CYF_ERR_IO, "is a FIFO");
  assert_int_equal(lstat(fifo, &info), 0);
  assert_true(S_ISFIFO(info.st_mode));
  assert_int_equal(symlink("aim", link), 0);
  assert_fails(cyf_write_text_file(link, "new"), CYF_ERR_IO, "leads to no file");
  assert_ok(cyf_write_text_file(aim, "old"));
  assert_ok(cyf_write_text_file(link, "new"));
  assert_text(aim, "new");
  assert_int_equal(lstat(link, &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  for (char **path = (char *[]){fifo, link, aim, NULL}; *path != NULL; path++) cyf_free(*path);
}

static void unreadable_files_say_why(void **state) {
  (void)state;
  char *text = NULL, *path = in_folder("binary");
  assert_fails(cyf_read_text_file("no/such/genes.txt", &text), CYF_ERR_INPUT,
               "cannot open 'no/such/genes.txt': No such file or directory");
  assert_fails(cyf_read_text_file(test_folder, &text), CYF_ERR_INPUT, "Is a directory");
  FILE *stream = fopen(path, "wb");
  assert_non_null(stream);
  assert_int_equal(fwrite("a\0b", 1, 3, stream), 3);
  assert_int_equal(fclose(stream), 0);
  assert_fails(cyf_read_text_file(path, &text), CYF_ERR_INPUT, "NUL bytes");
  assert_null(text);
  assert_fails(cyf_write_text_file("no/such/folder/x", "x"), CYF_ERR_IO, "no/such/folder/x");
  cyf_free(path);
}

static void long_text_comes_back(void **state) {
  (void)state;
  char *path = in_folder("long"), *text = NULL, *back = NULL;
  enum { N = 1000003 };
  assert_ok(CYF_NEW(&text, N + 1));
  for (int i = 0; i < N; ++i) text[i] = (char)('a' + i % 26);
  assert_ok(cyf_write_text_file(path, text));
  assert_ok(cyf_read_text_file(path, &back));
  assert_string_equal(text, back);
  cyf_free(path);
  cyf_free(text);
  cyf_free(back);
}

static void *make_same_directory(void *path) {
  if (cyf_make_directory(path) == CYF_OK) return NULL;
  return "a race between two makers was an error";
}

static void folders_are_made_with_their_parents(void **state) {
  (void)state;
  char *deep = in_folder("a//b/c/"), *file = in_folder("a/file"), *below_file = in_folder("a/file/d");
  assert_ok(cyf_make_directory(deep));
  assert_true(check_is_directory(deep));
  assert_ok(cyf_make_directory(deep)); /* again is fine */
  assert_ok(cyf_write_text_file(file, "x"));
  assert_false(check_is_directory(file));
  assert_fails(cyf_make_directory(file), CYF_ERR_IO, "not a directory");
  assert_fails(cyf_make_directory(below_file), CYF_ERR_IO, "a/file");
  assert_fails(cyf_make_directory(""), CYF_ERR_IO, "without a name");
  /* Ranks make the same folder at once. */
  char *shared = in_folder("race/to/make");
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) assert_int_equal(pthread_create(&threads[i], NULL, make_same_directory, shared), 0);
  for (int i = 0; i < 4; ++i) {
    void *complaint;
    assert_int_equal(pthread_join(threads[i], &complaint), 0);
    assert_null(complaint);
  }
  cyf_free(deep);
  cyf_free(file);
  cyf_free(below_file);
  cyf_free(shared);
}

static void trees_are_removed_but_links_are_not_followed(void **state) {
  (void)state;
  char *tree = in_folder("tree"), *deep = in_folder("tree/x/y"), *link = in_folder("tree/link");
  char *outside = in_folder("outside"), *kept = in_folder("outside/kept");
  assert_ok(cyf_make_directory(deep));
  assert_ok(cyf_make_directory(outside));
  assert_ok(cyf_write_text_file(kept, "kept"));
  assert_int_equal(symlink(outside, link), 0);
  assert_ok(cyf_remove_tree(tree));
  assert_false(check_exists(tree));
  assert_text(kept, "kept");
  assert_ok(cyf_remove_tree(tree)); /* absent is fine */
  assert_ok(cyf_remove_file(kept));
  assert_ok(cyf_remove_file(kept));
  assert_fails(cyf_remove_file(outside), CYF_ERR_IO, "cannot remove");
  static const char *const refused[] = {"", "/", "//", "/usr/.."};
  for (int i = 0; i < 4; ++i) assert_fails(cyf_remove_tree(refused[i]), CYF_ERR_INTERNAL, "refusing");
  cyf_free(tree);
  cyf_free(deep);
  cyf_free(link);
  cyf_free(outside);
  cyf_free(kept);
}

/* Files carry these sums, so they may never change. They were computed by another implementation, in Python. */
static void checksums_never_change(void **state) {
  (void)state;
  unsigned char bytes[1000];
  for (int i = 0; i < 1000; ++i) bytes[i] = (unsigned char)(i * 7 + (i >> 3));
  static const struct {
    uint64_t seed;
    size_t size;
    uint64_t sum;
  } cases[] = {
      {UINT64_C(0x0), 0, UINT64_C(0xc90ddc4b21a51a8f)},
      {UINT64_C(0x0), 1, UINT64_C(0x16df4c26cfacaca6)},
      {UINT64_C(0x1), 7, UINT64_C(0x26dd8decc3e459f0)},
      {UINT64_C(0x0), 8, UINT64_C(0xb0723a62b4b30649)},
      {UINT64_C(0x0), 31, UINT64_C(0xf7ad5bfbe7559d81)},
      {UINT64_C(0x0), 32, UINT64_C(0x1bb6dfb23be90ba1)},
      {UINT64_C(0xffffffffffffffff), 63, UINT64_C(0xbbb5a8990114f332)},
      {UINT64_C(0x3039), 1000, UINT64_C(0x1b4cddf64d9af182)},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
    assert_true(cyf_checksum(cases[i].seed, bytes, cases[i].size) == cases[i].sum);
}

/* Any flipped bit changes about half of the sum's bits, at every length around the step of 32 bytes. */
static void every_flipped_bit_changes_half_of_the_checksum(void **state) {
  (void)state;
  unsigned char bytes[100] = {0};
  int64_t n_changed = 0, n_flips = 0;
  for (size_t size = 1; size <= sizeof bytes; ++size) {
    const uint64_t sum = cyf_checksum(1, bytes, size);
    for (size_t bit = 0; bit < 8 * size; ++bit) {
      bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
      const int changed = __builtin_popcountll(sum ^ cyf_checksum(1, bytes, size));
      assert_in_range(changed, 8, 56);
      n_changed += changed;
      ++n_flips;
      bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_true(cyf_checksum(1, bytes, size - 1) != sum); /* zeros count by their number */
    assert_true(cyf_checksum(2, bytes, size) != sum);
  }
  assert_true(fabs((double)n_changed / (double)n_flips - 32) < 0.5);
}

static void checksums_ignore_alignment_and_are_fast(void **state) {
  (void)state;
  unsigned char *bytes = NULL;
  const size_t size = (size_t)32 << 20;
  assert_ok(CYF_NEW(&bytes, size + 1));
  for (size_t i = 0; i < size; ++i) bytes[i] = (unsigned char)(i * 2654435761u >> 13);
  const uint64_t sum = cyf_checksum(0, bytes, size);
  double least_s = 1e9;
  for (int i = 0; i < 5; ++i) {
    const double start_s = cyf_clock_s();
    assert_true(cyf_checksum(0, bytes, size) == sum);
    const double took_s = cyf_clock_s() - start_s;
    if (took_s < least_s) least_s = took_s;
  }
  print_message("checksum: %.1f GB/s\n", 1e-9 * (double)size / least_s);
  memmove(bytes + 1, bytes, size);
  assert_true(cyf_checksum(0, bytes + 1, size) == sum);
  cyf_free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(paths_are_joined, check_clear),
      cmocka_unit_test_setup(only_regular_files_are_replaced, check_clear),
      cmocka_unit_test_setup(unreadable_files_say_why, check_clear),
      cmocka_unit_test_setup(long_text_comes_back, check_clear),
      cmocka_unit_test_setup(folders_are_made_with_their_parents, check_clear),
      cmocka_unit_test_setup(trees_are_removed_but_links_are_not_followed, check_clear),
      cmocka_unit_test_setup(checksums_never_change, check_clear),
      cmocka_unit_test_setup(every_flipped_bit_changes_half_of_the_checksum, check_clear),
      cmocka_unit_test_setup(checksums_ignore_alignment_and_are_fast, check_clear),
  };
  return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
