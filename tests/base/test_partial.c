/* SPDX-License-Identifier: MIT */
/* Partial files and locks: two runs with one output, what a killed run leaves, a full disk. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "check.h"

static void assert_text(const char *path, const char *expected) {
  char *text = NULL;
  assert_ok(cyf_read_text_file(path, &text));
  assert_string_equal(text, expected);
  cyf_free(text);
}

static void text_files_are_replaced_whole(void **state) {
  (void)state;
  char *path = in_folder("config.yaml");
  assert_false(check_exists(path));
  assert_ok(cyf_write_text_file(path, "steps: 10\n"));
  assert_int_equal(check_size(path), 10);
  assert_ok(cyf_write_text_file(path, ""));
  assert_text(path, "");
  assert_ok(cyf_write_text_file(path, "steps: 20\n"));
  assert_text(path, "steps: 20\n");
  assert_int_equal(count_partials(path), 0);
  cyf_free(path);
}

static void full_disk_is_an_error_and_leaves_the_old_file(void **state) {
  (void)state;
  char *path = in_folder("kept.txt");
  assert_ok(cyf_write_text_file(path, "old"));
  limit_file_bytes(0);
  assert_fails(cyf_write_text_file(path, "new"), CYF_ERR_IO, "kept.txt': File too large");
  limit_file_bytes(-1);
  assert_text(path, "old");
  assert_int_equal(count_partials(path), 0);
  cyf_free(path);
}

/* Makes a partial file for the path, with these bytes. */
static cyf_status begin(const char *path, const char *text, cyf_partial *partial) {
  int file = -1;
  CYF_TRY(cyf_partial_create(path, partial, &file));
  assert_int_equal(write(file, text, strlen(text)), strlen(text));
  assert_int_equal(close(file), 0);
  return CYF_OK;
}

static void committing_renames_or_removes(void **state) {
  (void)state;
  char *path = in_folder("whole"), *nowhere = in_folder("no/such/whole"), *fifo = in_folder("pipe");
  cyf_partial partial;
  assert_ok(begin(path, "bytes", &partial));
  assert_int_equal(count_partials(path), 1);
  assert_ok(cyf_partial_commit(&partial, path));
  assert_null(partial.path);
  assert_text(path, "bytes");
  assert_ok(begin(path, "other bytes", &partial));
  assert_fails(cyf_partial_commit(&partial, nowhere), CYF_ERR_IO, "no/such/whole");
  assert_ok(begin(path, "other bytes", &partial));
  assert_int_equal(mkfifo(fifo, 0600), 0);
  assert_fails(cyf_partial_commit(&partial, fifo), CYF_ERR_IO, "is a FIFO"); /* it came meanwhile */
  assert_int_equal(count_partials(path), 0);
  assert_text(path, "bytes");
  assert_fails(begin(nowhere, "bytes", &partial), CYF_ERR_IO, "cannot write");
  cyf_free(path);
  cyf_free(nowhere);
  cyf_free(fifo);
}

/* Until the first has given its file the name or given it up. */
static void a_second_writer_of_a_file_is_refused(void **state) {
  (void)state;
  char *path = in_folder("out.h5ad"), *beside = in_folder("out.h5ad2"), *link = in_folder("link.h5ad");
  cyf_partial first, second;
  assert_ok(begin(path, "first", &first));
  assert_fails(begin(path, "second", &second), CYF_ERR_IO, "out.h5ad: another run is writing it");
  assert_int_equal(symlink("out.h5ad", link), 0);
  assert_fails(cyf_write_text_file(path, "second"), CYF_ERR_IO, "another run is writing it");
  assert_ok(begin(beside, "other", &second));
  cyf_partial_discard(&second);
  assert_ok(cyf_partial_commit(&first, path));
  assert_text(path, "first");
  assert_ok(begin(link, "second", &second)); /* a link to the same file is the same output */
  assert_fails(begin(path, "third", &first), CYF_ERR_IO, "another run is writing it");
  assert_ok(cyf_partial_commit(&second, link));
  assert_text(path, "second");
  cyf_free(path);
  cyf_free(beside);
  cyf_free(link);
}

/* A process that is killed in the middle. */
static void leave_partial(const char *path) {
  const pid_t child = fork();
  if (child == 0) {
    cyf_partial partial;
    _exit(begin(path, "half", &partial) == CYF_OK ? 0 : 1);
  }
  int status = 1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void what_a_killed_run_left_is_removed(void **state) {
  (void)state;
  char *path = in_folder("left"), *second = in_folder("left-2");
  cyf_partial partial;
  leave_partial(path);
  assert_int_equal(count_partials(path), 1);
  assert_ok(cyf_write_text_file(path, "whole"));
  assert_int_equal(count_partials(path), 0);
  /* By the beginning of their names, but not what is at work. */
  leave_partial(path);
  leave_partial(second);
  assert_ok(begin(path, "at work", &partial));
  leave_partial(second);
  assert_ok(cyf_partial_remove_left(test_folder, "left-"));
  assert_int_equal(count_partials(second), 0);
  assert_int_equal(count_partials(path), 1);
  assert_ok(cyf_partial_remove_left(test_folder, ""));
  assert_int_equal(count_partials(path), 1);
  assert_ok(cyf_partial_commit(&partial, path));
  assert_text(path, "at work");
  assert_ok(cyf_partial_remove_left("/no/such/folder", ""));
  cyf_free(path);
  cyf_free(second);
}

/* Links and files that somebody has put beside the output. */
static void what_is_planted_is_not_followed(void **state) {
  (void)state;
  char *path = in_folder("planted"), *victim = in_folder("victim"), *link = in_folder("planted.partial");
  char *like_ours = in_folder("planted.partial.0123abcd"), *lock = in_folder("lock");
  int held = -1;
  assert_ok(cyf_write_text_file(victim, "precious"));
  assert_int_equal(symlink("victim", link), 0);
  assert_int_equal(symlink("victim", like_ours), 0);
  assert_int_equal(symlink("victim", lock), 0);
  assert_ok(cyf_write_text_file(path, "whole"));
  assert_fails(cyf_lock_folder(test_folder, "train", &held), CYF_ERR_IO, "Too many levels of symbolic links");
  assert_text(path, "whole");
  assert_text(victim, "precious");
  assert_int_equal(unlink(lock), 0);
  for (char **at = (char *[]){path, victim, link, like_ours, lock, NULL}; *at != NULL; at++) cyf_free(*at);
}

static void names_may_be_as_long_as_the_system_allows(void **state) {
  (void)state;
  char name[256];
  memset(name, 'n', 255);
  name[255] = '\0';
  char *path = in_folder(name);
  assert_ok(cyf_write_text_file(path, "long"));
  assert_text(path, "long");
  cyf_free(path);
}

static void a_lock_is_one_runs_until_it_ends(void **state) {
  (void)state;
  char *path = in_folder("lock");
  int lock = -1, second = -1, pipes[2];
  assert_ok(cyf_lock_folder(test_folder, "train", &lock));
  assert_fails(cyf_lock_folder(test_folder, "encode", &second), CYF_ERR_IO, ": another run of train (process ");
  assert_int_equal(second, -1);
  cyf_lock_release_folder(test_folder, &lock);
  assert_int_equal(lock, -1);
  assert_false(check_exists(path));
  /* Held by a process that is killed; the file it leaves is in nobody's way. */
  assert_int_equal(pipe(pipes), 0);
  const pid_t child = fork();
  if (child == 0) {
    char told = cyf_lock_folder(test_folder, "prepare", &lock) == CYF_OK;
    if (write(pipes[1], &told, 1) == 1) pause();
    _exit(1);
  }
  char told = 0;
  assert_int_equal(read(pipes[0], &told, 1), 1);
  assert_int_equal(told, 1);
  assert_fails(cyf_lock_folder(test_folder, "encode", &second), CYF_ERR_IO, "another run of prepare");
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  assert_true(check_exists(path));
  assert_ok(cyf_lock_folder(test_folder, "encode", &lock));
  cyf_lock_release_folder(test_folder, &lock);
  close(pipes[0]);
  close(pipes[1]);
  cyf_free(path);
}

/* Who waits gets it as soon as the holder is done. */
static void a_lock_can_be_waited_for(void **state) {
  (void)state;
  char *path = in_folder("model.h5.lock");
  int lock = -1, second = -1;
  assert_ok(cyf_lock_take(path, "model.h5", "train", 0, &lock));
  assert_fails(cyf_lock_take(path, "model.h5", "train", 0.1, &second), CYF_ERR_IO, "model.h5: another run of train");
  cyf_lock_release(path, &lock);
  const pid_t child = fork();
  if (child == 0) {
    if (cyf_lock_take(path, "model.h5", "import", 0, &lock) != CYF_OK) _exit(1);
    usleep(300000);
    cyf_lock_release(path, &lock);
    _exit(0);
  }
  for (int i = 0; i < 200 && !check_exists(path); i++) usleep(5000);
  assert_ok(cyf_lock_take(path, "model.h5", "train", 30, &lock));
  int status = 1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  cyf_lock_release(path, &lock);
  cyf_free(path);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_folder, tear_down_folder)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(text_files_are_replaced_whole),
      TEST(full_disk_is_an_error_and_leaves_the_old_file),
      TEST(committing_renames_or_removes),
      TEST(a_second_writer_of_a_file_is_refused),
      TEST(what_a_killed_run_left_is_removed),
      TEST(what_is_planted_is_not_followed),
      TEST(names_may_be_as_long_as_the_system_allows),
      TEST(a_lock_is_one_runs_until_it_ends),
      TEST(a_lock_can_be_waited_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
