/* SPDX-License-Identifier: MIT */
/* A read that fails is told, whichever read it is: the command ends with a code and a line, or with the result that it
 * has without the fault. It never takes what cannot be read for absent, and no signal ends it. */
#include "fault_commands.h"

static void a_failed_read_of_the_cells_is_told(void **state) {
  (void)state;
  every_call(&info, "read", "EIO", "/cells.h5ad", 53, CODE_IO);
  every_call(&prepare, "read", "EIO", "/cells.h5ad", 173, CODE_IO);
  every_call(&encode, "read", "EIO", "/cells.h5ad", 45, CODE_IO);
}

static void a_failed_read_of_a_model_is_told(void **state) {
  (void)state;
  every_call(&encode, "read", "EIO", "/run/model.h5", 213, CODE_IO);
}

static void a_file_that_ends_early_is_told(void **state) {
  (void)state;
  every_call(&info, "read", "eof", "/cells.h5ad", 101, CODE_IO);
  every_call(&prepare, "read", "eof", "/cells.h5ad", 213, CODE_IO);
}

static void short_and_interrupted_reads_are_gone_on_with(void **state) {
  (void)state;
  every_call(&info, "read", "short", "/cells.h5ad", 149, 0);
  every_call(&info, "read", "EINTR", "/cells.h5ad", 149, 0);
  every_call(&prepare, "read", "EINTR", "*", 525, 0);
  every_call(&prepare, "read", "short", "*", 525, 0);
}

static void what_cannot_be_looked_up_is_not_absent(void **state) {
  (void)state;
  every_call(&prepare, "stat", "EIO", "*", 69, CODE_IO);
  every_call(&prepare, "list", "EIO", "*", 117, CODE_IO);
  every_call(&encode, "stat", "EIO", "*", 21, CODE_IO);
}

static void a_failed_read_of_what_was_written_is_told(void **state) {
  (void)state;
  every_call(&prepare, "read", "EIO", "/out.partial/*", 189, CODE_IO);
}

/* Checksums that cannot be read are not absent: what they are of would be taken unverified. */
static void checksums_that_cannot_be_read_are_told(void **state) {
  (void)state;
  static const char *const calls[] = {"stat", "open", "read"};
  for (int c = 0; c < 3; c++) {
    const fault f = {calls[c], "EIO", "/atlas/heldout.sums", 1, 1, NULL};
    const fault_outcome outcome = fault_run(&f, "true", "", "info atlas/heldout.h5ad");
    assert_true(outcome.hit > 0);
    if (outcome.code != CODE_IO) fail_msg("%s: exit %d\n%s", calls[c], outcome.code, cli_output);
    cli_expect_one_error("cytoforge: error");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_failed_read_of_the_cells_is_told),
      cmocka_unit_test(a_failed_read_of_a_model_is_told),
      cmocka_unit_test(a_file_that_ends_early_is_told),
      cmocka_unit_test(short_and_interrupted_reads_are_gone_on_with),
      cmocka_unit_test(what_cannot_be_looked_up_is_not_absent),
      cmocka_unit_test(a_failed_read_of_what_was_written_is_told),
      cmocka_unit_test(checksums_that_cannot_be_read_are_told),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
