/* SPDX-License-Identifier: MIT */
/* A file system without locks: one warning, and the same result. */
#include "fault_commands.h"

static int64_t count_in_output(const char *text) {
  int64_t n = 0;
  for (const char *at = cli_output; (at = strstr(at, text)) != NULL; at += strlen(text)) n++;
  return n;
}

/* No lock can be had; the command warns once, and what it makes is right. */
static void goes_on(const command *c, const char *launcher) {
  static const char *const kinds[] = {"ENOLCK", "ENOSYS", "EOPNOTSUPP"};
  for (int k = 0; k < 3; k++) {
    const fault f = {"lock", kinds[k], "*", 1, 0, NULL};
    const fault_outcome outcome = fault_run(&f, c->clear, launcher, c->arguments);
    if (outcome.code != 0) fail_msg("%s: exit %d\n%s", kinds[k], outcome.code, cli_output);
    assert_true(outcome.hit > 0); /* an injection that was never reached shows nothing */
    assert_int_equal(count_in_output("this file system has no locks"), 1);
    assert_true(c->is_right());
    cli_expect(0, "! find . -name '*.partial.*' -o -name '*lock' | grep .");
  }
}

static void one_rank_warns_once(void **state) {
  (void)state;
  goes_on(&prepare, "");
  goes_on(&train, "");
  goes_on(&encode, "");
}

/* Ranks meet the same file system, and one of them tells. */
static void several_ranks_warn_once(void **state) {
  (void)state;
  goes_on(&prepare, "mpirun -n 2");
  goes_on(&encode, "mpirun -n 3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_rank_warns_once),
      cmocka_unit_test(several_ranks_warn_once),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
