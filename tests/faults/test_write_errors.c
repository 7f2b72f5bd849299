/* SPDX-License-Identifier: MIT */
/* A write, a flush, a close or a renaming that fails is told. The command ends with a code and a line, or with the
 * result that it has without the fault. What is there under the output's name is right. No signal ends a command. */
#include "fault_commands.h"

static void a_full_disk_is_told(void **state) {
  (void)state;
  every_call(&prepare, "write", "ENOSPC", "/out*", 29, CODE_IO);
  every_call(&encode, "write", "EDQUOT", "/out*", 23, CODE_IO);
  every_call(&train, "write", "ENOSPC", "/out/*", 997, CODE_IO);
}

static void a_failed_write_is_told(void **state) {
  (void)state;
  every_call(&prepare, "write", "EIO", "/out*", 53, CODE_IO);
  every_call(&encode, "write", "EIO", "/out*", 31, CODE_IO);
}

static void what_closing_and_flushing_find_is_told(void **state) {
  (void)state;
  every_call(&prepare, "fsync", "EIO", "*", 29, CODE_IO);
  every_call(&prepare, "close", "EIO", "/out*", 53, CODE_IO);
  every_call(&encode, "fsync", "EIO", "*", 1, CODE_IO);
  every_call(&encode, "close", "EIO", "/out*", 1, CODE_IO);
  every_call(&train, "close", "EIO", "/out/*", 125, CODE_IO);
  every_call(&train, "fsync", "EIO", "/out/*", 125, CODE_IO);
}

static void a_failed_renaming_or_opening_is_told(void **state) {
  (void)state;
  every_call(&prepare, "rename", "EIO", "*", 5, CODE_IO);
  every_call(&encode, "rename", "EACCES", "*", 1, CODE_IO);
  every_call(&prepare, "open", "EMFILE", "/out*", 93, CODE_IO);
}

static void short_and_interrupted_calls_are_gone_on_with(void **state) {
  (void)state;
  every_call(&prepare, "write", "short", "/out*", 269, 0);
  every_call(&prepare, "write", "EINTR", "/out*", 269, 0);
  every_call(&encode, "write", "short", "/out*", 125, 0);
  every_call(&prepare, "fsync", "EINTR", "*", 45, 0);
  every_call(&prepare, "close", "EINTR", "*", 245, 0);
  every_call(&prepare, "open", "EINTR", "*", 245, 0);
}

static void standard_output_on_a_full_disk_is_told(void **state) {
  (void)state;
  if (access("/dev/full", W_OK) != 0) test_skip("this machine has no /dev/full");
  cli_expect(CODE_IO, "$cytoforge info cells.h5ad > /dev/full");
  cli_expect_text("standard output cannot be written");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_full_disk_is_told),
      cmocka_unit_test(a_failed_write_is_told),
      cmocka_unit_test(what_closing_and_flushing_find_is_told),
      cmocka_unit_test(a_failed_renaming_or_opening_is_told),
      cmocka_unit_test(short_and_interrupted_calls_are_gone_on_with),
      cmocka_unit_test(standard_output_on_a_full_disk_is_told),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
