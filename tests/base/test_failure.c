/* SPDX-License-Identifier: MIT */
/* How a thread's failure reaches the thread that waits for it. */
#include "base/failure.h"
#include "check.h"

/* A thread that fails with a message of its own, once its turn has come. */
typedef struct failing_thread {
  cyf_failure *failure;
  pthread_barrier_t *turn;
  int waits; /* turns to let pass */
  cyf_status code;
  const char *message;
  bool message_left; /* after noting */
} failing_thread;

static void *fail_in_thread(void *context) {
  failing_thread *self = context;
  for (int i = 0; i < self->waits; i++) pthread_barrier_wait(self->turn);
  cyf_failure_note(self->failure, CYF_FAIL(self->code, "%s", self->message));
  self->message_left = cyf_status_message()[0] != '\0';
  if (self->waits == 0) pthread_barrier_wait(self->turn);
  return NULL;
}

/* Fails in two threads, the second one once the first has noted its failure. */
static void fail_in_turn(cyf_failure *failure, const char *first, const char *second) {
  pthread_barrier_t turn;
  assert_int_equal(pthread_barrier_init(&turn, NULL, 2), 0);
  failing_thread self[2] = {{.failure = failure, .turn = &turn, .code = CYF_ERR_INPUT, .message = first},
                            {.failure = failure, .turn = &turn, .waits = 1, .code = CYF_ERR_IO, .message = second}};
  pthread_t thread[2];
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&thread[i], NULL, fail_in_thread, &self[i]), 0);
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
  for (int i = 0; i < 2; i++) assert_false(self[i].message_left);
  pthread_barrier_destroy(&turn);
}

static void the_first_of_two_threads_is_raised(void **state) {
  (void)state;
  cyf_failure failure = CYF_FAILURE_NONE;
  assert_int_equal(cyf_failure_raise(&failure), CYF_OK);
  assert_false(cyf_failure_is_noted(&failure));
  fail_in_turn(&failure, "a.h5ad: damaged", "disk full");
  assert_true(cyf_failure_is_noted(&failure));
  assert_string_equal(cyf_status_message(), ""); /* not before it is asked for */
  for (int again = 0; again < 2; again++) {
    assert_int_equal(cyf_failure_raise(&failure), CYF_ERR_INPUT);
    assert_string_equal(cyf_status_message(), "a.h5ad: damaged");
    cyf_status_clear();
  }
}

static void the_longest_message_arrives_whole(void **state) {
  (void)state;
  char longest[CYF_MESSAGE_BYTES];
  for (size_t i = 0; i + 1 < sizeof longest; i++) longest[i] = (char)('a' + i % 26);
  longest[sizeof longest - 1] = '\0';
  cyf_failure failure = CYF_FAILURE_NONE;
  fail_in_turn(&failure, longest, "short");
  assert_int_equal(cyf_failure_raise(&failure), CYF_ERR_INPUT);
  assert_string_equal(cyf_status_message(), longest);
}

static void one_of_a_region_of_openmp_is_raised(void **state) {
  (void)state;
  cyf_failure failure = CYF_FAILURE_NONE;
  enum { N = 64, N_THREADS = 4 };
  int n_left = 0;
#pragma omp parallel for schedule(static, 1) num_threads(N_THREADS) reduction(+ : n_left)
  for (int i = 0; i < N; i++) {
    if (i % N_THREADS == 0) continue; /* some succeed */
    cyf_failure_note(&failure, CYF_FAIL(i % 2 ? CYF_ERR_INPUT : CYF_ERR_IO, "item %d", i));
    n_left += cyf_status_message()[0] != '\0';
  }
  assert_int_equal(n_left, 0);
  const cyf_status status = cyf_failure_raise(&failure);
  int item = 0;
  assert_int_equal(sscanf(cyf_status_message(), "item %d", &item), 1);
  assert_int_equal(status, item % 2 ? CYF_ERR_INPUT : CYF_ERR_IO); /* code and message are of one failure */
  assert_int_not_equal(item % N_THREADS, 0);
}

static void a_forgotten_failure_makes_room_for_another(void **state) {
  (void)state;
  cyf_failure failure = CYF_FAILURE_NONE;
  cyf_failure_note(&failure, CYF_OK);
  assert_int_equal(cyf_failure_raise(&failure), CYF_OK);
  cyf_failure_note(&failure, CYF_ERR_DEVICE); /* without a message: the code's name stands for it */
  assert_int_equal(cyf_failure_raise(&failure), CYF_ERR_DEVICE);
  assert_string_equal(cyf_status_message(), "device error");
  cyf_status_clear();
  cyf_failure_forget(&failure);
  assert_int_equal(cyf_failure_raise(&failure), CYF_OK);
  cyf_failure_note(&failure, CYF_FAIL(CYF_ERR_IO, "disk full"));
  assert_int_equal(cyf_failure_raise(&failure), CYF_ERR_IO);
  assert_string_equal(cyf_status_message(), "disk full");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(the_first_of_two_threads_is_raised, check_clear),
      cmocka_unit_test_setup(the_longest_message_arrives_whole, check_clear),
      cmocka_unit_test_setup(one_of_a_region_of_openmp_is_raised, check_clear),
      cmocka_unit_test_setup(a_forgotten_failure_makes_room_for_another, check_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
