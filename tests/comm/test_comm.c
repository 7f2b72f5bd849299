/* SPDX-License-Identifier: MIT */
/* The ranks of a run. Started by mpirun with 1 to 4 ranks; every rank runs every test. */
#include <mpi.h>
#include <time.h>

#include "base/clock.h"
#include "check.h"
#include "comm/comm.h"
#include "comm/comm_mpi.h"

static cyf_comm *comm;
static int rank, size;

static int create(void **state) {
  (void)state;
  if (cyf_comm_create(60.0, &comm) != CYF_OK) return 1;
  rank = cyf_comm_rank(comm);
  size = cyf_comm_size(comm);
  return 0;
}

static int destroy(void **state) {
  (void)state;
  cyf_comm_destroy(&comm);
  cyf_comm_destroy(&comm);
  return comm ? 1 : 0;
}

static void pause_s(double seconds) {
  struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds))};
  while (nanosleep(&left, &left) != 0) {
  }
}

static void ranks_know_their_places(void **state) {
  (void)state;
  int world_rank, world_size, compared, level;
  MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world_size);
  assert_int_equal(rank, world_rank);
  assert_int_equal(size, world_size);
  assert_int_equal(cyf_comm_local_rank(comm), rank); /* one host here */
  assert_int_equal(cyf_comm_local_size(comm), size);
  MPI_Comm_compare(cyf_comm_mpi(comm), MPI_COMM_WORLD, &compared);
  assert_int_equal(compared, MPI_CONGRUENT); /* the same ranks, messages apart */
  MPI_Query_thread(&level);
  assert_int_equal(cyf_comm_threads_multiple(comm), level == MPI_THREAD_MULTIPLE);
  cyf_comm *other = NULL;
  assert_fails(cyf_comm_create(0.0, &other), CYF_ERR_INTERNAL, "must be positive");
  assert_null(other);
}

static void sums_and_maxima_are_over_all_ranks(void **state) {
  (void)state;
  const double n = size;
  double reals[3] = {rank + 1, 0.5, -rank};
  assert_ok(cyf_comm_sum_double(comm, reals, 3));
  assert_true(reals[0] == n * (n + 1) / 2 && reals[1] == 0.5 * n && reals[2] == -n * (n - 1) / 2);
  double greatest[2] = {-rank - 1, rank};
  assert_ok(cyf_comm_max_double(comm, greatest, 2));
  assert_true(greatest[0] == -1 && greatest[1] == n - 1);
  int64_t whole[2] = {INT64_C(1) << 40, rank};
  assert_ok(cyf_comm_sum_int64(comm, whole, 2));
  assert_true(whole[0] == (int64_t)size << 40 && whole[1] == size * (size - 1) / 2);
  int64_t most[1] = {rank == size - 1 ? INT64_MAX : INT64_MIN};
  assert_ok(cyf_comm_max_int64(comm, most, 1));
  assert_true(most[0] == INT64_MAX);
  assert_ok(cyf_comm_sum_double(comm, NULL, 0));
  assert_ok(cyf_comm_barrier(comm));
}

/* More values than one piece holds. */
static void sums_longer_than_a_piece_are_exact(void **state) {
  (void)state;
  enum { N = 300001 };
  int64_t *values = NULL;
  assert_ok(CYF_NEW(&values, N));
  for (int i = 0; i < N; ++i) values[i] = (int64_t)i * (rank + 1);
  assert_ok(cyf_comm_sum_int64(comm, values, N));
  for (int i = 0; i < N; ++i) assert_true(values[i] == (int64_t)i * size * (size + 1) / 2);
  cyf_free(values);
}

static void every_rank_gets_what_the_root_sends(void **state) {
  (void)state;
  static const int64_t lengths[] = {0, 1, 1000, (1 << 20) + 1, 5000003}; /* copied, and in place */
  unsigned char *bytes = NULL;
  assert_ok(CYF_NEW(&bytes, 5000003));
  for (int root = 0; root < size; ++root) {
    for (int l = 0; l < 5; ++l) {
      for (int64_t i = 0; i < lengths[l]; ++i) bytes[i] = rank == root ? (unsigned char)(i * 31 + root) : 0;
      assert_ok(cyf_comm_broadcast(comm, bytes, lengths[l], root));
      for (int64_t i = 0; i < lengths[l]; ++i) assert_int_equal(bytes[i], (unsigned char)(i * 31 + root));
    }
  }
  assert_fails(cyf_comm_broadcast(comm, bytes, 1, size), CYF_ERR_INTERNAL, "broadcast");
  cyf_free(bytes);
}

/* Rank r gives r * r * 1000 + `least` bytes of value r. */
static void check_gather(int root, int64_t least) {
  const int64_t n_local = (int64_t)rank * rank * 1000 + least;
  unsigned char *bytes = NULL;
  void *all = &all;
  int64_t *counts = NULL;
  assert_ok(CYF_NEW(&bytes, n_local));
  memset(bytes, rank, (size_t)n_local);
  assert_ok(cyf_comm_gather(comm, bytes, n_local, root, &all, &counts));
  cyf_free(bytes);
  if (rank != root) {
    assert_null(all);
    assert_null(counts);
    return;
  }
  const unsigned char *next = all;
  for (int r = 0; r < size; ++r) {
    assert_true(counts[r] == (int64_t)r * r * 1000 + least);
    for (int64_t i = 0; i < counts[r]; ++i) assert_int_equal(*next++, r);
  }
  cyf_free(all);
  cyf_free(counts);
}

static void ranks_gather_different_sizes(void **state) {
  (void)state;
  for (int root = 0; root < size; ++root) {
    check_gather(root, 0); /* rank 0 gives nothing */
    check_gather(root, 5);
    check_gather(root, 3000000); /* too large to be copied first or to be sent at once */
  }
}

/* Rank r sends rank q (r + 2 q) % 5 * 1000 bytes of value 16 r + q. */
static void ranks_exchange_different_sizes(void **state) {
  (void)state;
  for (int round = 0; round < 3; ++round) { /* the last one is empty */
    const int64_t unit = round == 0 ? 1000 : round == 1 ? 100000 : 0;
    int64_t n_out[16] = {0}, n_in[16] = {0}, total = 0, at = 0;
    char *out = NULL, *in = NULL;
    assert_true(size <= 16);
    for (int q = 0; q < size; ++q) total += n_out[q] = (rank + 2 * q) % 5 * unit;
    assert_ok(CYF_NEW(&out, total));
    for (int q = 0; q < size; ++q)
      for (int64_t i = 0; i < n_out[q]; ++i) out[at++] = (char)(16 * rank + q);
    assert_ok(cyf_comm_exchange(comm, out, n_out, (void **)&in, n_in));
    at = 0;
    for (int r = 0; r < size; ++r) {
      assert_int_equal(n_in[r], (r + 2 * rank) % 5 * unit);
      for (int64_t i = 0; i < n_in[r]; ++i) assert_int_equal(in[at++], 16 * r + rank);
    }
    cyf_free(out);
    cyf_free(in);
  }
  /* One rank sends to all, the others only receive. */
  int64_t n_out[16] = {0}, n_in[16];
  char zeros[10000] = {0};
  void *in = NULL;
  for (int q = 0; q < size; ++q) n_out[q] = rank == 0 ? (int64_t)sizeof zeros / size : 0;
  assert_ok(cyf_comm_exchange(comm, zeros, n_out, &in, n_in));
  for (int r = 0; r < size; ++r) assert_int_equal(n_in[r], r == 0 ? (int64_t)sizeof zeros / size : 0);
  cyf_free(in);
  memset(n_out, 0, sizeof n_out);
  if (rank == size - 1) n_out[0] = (INT64_C(1) << 30) + 1;
  assert_fails(cyf_comm_exchange(comm, NULL, n_out, &in, n_in), CYF_ERR_INTERNAL, "fewer at a time");
  assert_true(cyf_comm_failure_agreed(comm));
  assert_null(in);
}

static void ranks_agree_on_success(void **state) {
  (void)state;
  assert_ok(cyf_comm_agree(comm, CYF_OK));
  assert_false(cyf_comm_failure_agreed(comm));
}

static cyf_status fail_on(int failed_rank) {
  if (rank != failed_rank) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "cannot open 'genes.txt' of rank %d", failed_rank);
}

static void one_failed_rank_stops_all(void **state) {
  (void)state;
  for (int failed = 0; failed < size; ++failed) {
    char expected[128];
    cyf_status_clear();
    assert_int_equal(cyf_comm_agree(comm, fail_on(failed)), CYF_ERR_INPUT);
    assert_true(cyf_comm_failure_agreed(comm));
    snprintf(expected, sizeof expected, "rank %d: cannot open 'genes.txt' of rank %d", failed, failed);
    assert_string_equal(cyf_status_message(), expected + (size == 1 ? strlen("rank 0: ") : 0));
    /* Agreeing again, as callers further up do, changes nothing. */
    char before[256];
    snprintf(before, sizeof before, "%s", cyf_status_message());
    assert_int_equal(cyf_comm_agree(comm, CYF_ERR_INPUT), CYF_ERR_INPUT);
    assert_string_equal(cyf_status_message(), before);
    cyf_status_clear();
    assert_ok(cyf_comm_agree(comm, CYF_OK));
    assert_false(cyf_comm_failure_agreed(comm));
  }
}

static void the_lowest_failed_rank_speaks(void **state) {
  (void)state;
  cyf_status local = CYF_OK;
  if (rank >= size / 2) local = CYF_FAIL(rank == size / 2 ? CYF_ERR_IO : CYF_ERR_MEMORY, "failure of rank %d", rank);
  assert_int_equal(cyf_comm_agree(comm, local), CYF_ERR_IO);
  char expected[64];
  snprintf(expected, sizeof expected, "rank %d: failure of rank %d", size / 2, size / 2);
  assert_string_equal(cyf_status_message(), expected + (size == 1 ? strlen("rank 0: ") : 0));
}

static void a_common_failure_blames_no_rank(void **state) {
  (void)state;
  const cyf_status local = CYF_FAIL(CYF_ERR_CONFIG, "runs.yaml:1:1: unknown key 'sede'");
  assert_int_equal(cyf_comm_agree(comm, local), CYF_ERR_CONFIG);
  assert_string_equal(cyf_status_message(), "runs.yaml:1:1: unknown key 'sede'");
}

static void a_failure_without_a_message_gets_one(void **state) {
  (void)state;
  if (size == 1) return; /* nobody to tell */
  assert_int_equal(cyf_comm_agree(comm, rank == 0 ? CYF_ERR_NUMERIC : CYF_OK), CYF_ERR_NUMERIC);
  assert_string_equal(cyf_status_message(), "rank 0: numeric error");
}

/* Each rank in turn writes its line: the token goes round. */
static void a_message_goes_round_the_ranks(void **state) {
  (void)state;
  static const int64_t lengths[] = {0, 8, 3000000};
  unsigned char *bytes = NULL;
  assert_ok(CYF_NEW(&bytes, 3000000));
  for (int l = 0; l < 3; ++l) {
    const size_t n = (size_t)lengths[l];
    if (rank > 0) {
      memset(bytes, 0, n);
      assert_ok(cyf_comm_receive(comm, bytes, lengths[l], rank - 1, 5));
      for (size_t i = 0; i < n; ++i) assert_int_equal(bytes[i], rank - 1 + l);
    }
    memset(bytes, rank + l, n);
    if (rank + 1 < size) assert_ok(cyf_comm_send(comm, bytes, lengths[l], rank + 1, 5));
  }
  assert_fails(cyf_comm_send(comm, bytes, 1, rank, 0), CYF_ERR_INTERNAL, "between rank");
  assert_fails(cyf_comm_send(comm, bytes, 1, size, 0), CYF_ERR_INTERNAL, "between rank");
  assert_fails(cyf_comm_receive(comm, bytes, 1, -1, 0), CYF_ERR_INTERNAL, "between rank");
  assert_fails(cyf_comm_send(comm, bytes, 1, 0, -1), CYF_ERR_INTERNAL, "tag -1");
  cyf_free(bytes);
}

/* A separate communicator for tests that break it. The last rank is the one that misbehaves. */
static cyf_comm *breakable(double timeout_s) {
  cyf_comm *own = NULL;
  assert_ok(cyf_comm_create(60.0, &own));
  assert_ok(cyf_comm_barrier(own));
  cyf_comm_set_timeout(own, timeout_s);
  return own;
}

/* The last rank is late. The others give up after 0.3 s and say so; every further call fails at once. When the late
 * rank arrives it finds its peers' messages, and destroy finishes what they had left under way. */
static void check_late(cyf_status (*collective)(cyf_comm *)) {
  cyf_comm *own = breakable(0.3);
  if (rank == size - 1) {
    pause_s(1.5);
    cyf_comm_set_timeout(own, 60.0);
    assert_ok(collective(own));
  } else {
    const double start_s = cyf_clock_s();
    assert_fails(collective(own), CYF_ERR_COMM, "did not answer within 0.3 s");
    const double waited_s = cyf_clock_s() - start_s;
    assert_true(waited_s >= 0.29 && waited_s < 1.4);
    assert_fails(cyf_comm_barrier(own), CYF_ERR_COMM, "out of step");
    assert_int_equal(cyf_comm_agree(own, CYF_OK), CYF_ERR_COMM);
    /* A failure of one's own is still the one that is told. */
    assert_int_equal(cyf_comm_agree(own, CYF_ERR_IO), CYF_ERR_IO);
    assert_false(cyf_comm_failure_agreed(own));
  }
  cyf_comm_destroy(&own);
  assert_null(own);
  cyf_status_clear();
  assert_ok(cyf_comm_barrier(comm)); /* other communicators are none the worse */
}

static cyf_status sum_on_stack(cyf_comm *own) {
  double values[100] = {0};
  return cyf_comm_sum_double(own, values, 100);
}

static cyf_status agree(cyf_comm *own) {
  return cyf_comm_agree(own, CYF_OK);
}

static void late_ranks_time_out(void **state) {
  (void)state;
  if (size == 1) return; /* nobody to wait for */
  check_late(cyf_comm_barrier);
  check_late(sum_on_stack);
  check_late(agree);
}

static void missing_messages_time_out(void **state) {
  (void)state;
  if (size == 1) return;
  cyf_comm *own = breakable(0.2);
  char byte = 0;
  if (rank == 0) assert_fails(cyf_comm_receive(own, &byte, 1, 1, 0), CYF_ERR_COMM, "did not answer within 0.2 s");
  cyf_comm_destroy(&own);
  own = breakable(60.0);
  if (rank == 1) assert_ok(cyf_comm_send(own, "abc", 3, 0, 9));
  if (rank == 0) assert_fails(cyf_comm_receive(own, &byte, 1, 1, 9), CYF_ERR_INTERNAL, "expected 1 bytes from rank 1");
  cyf_comm_destroy(&own);
  assert_ok(cyf_comm_barrier(comm));
}

/* Not a check: how long a small collective takes, for the reader. */
static void a_small_collective_is_timed(void **state) {
  (void)state;
  enum { N = 200 };
  double value = 1;
  assert_ok(cyf_comm_barrier(comm));
  const double start_s = cyf_clock_s();
  for (int i = 0; i < N; ++i) {
    value = 1;
    assert_ok(cyf_comm_sum_double(comm, &value, 1));
  }
  if (rank == 0) print_message("sum of one double over %d ranks: %.1f us\n", size, 1e6 * (cyf_clock_s() - start_s) / N);
  assert_true(value == size);
}

#define TEST(function) cmocka_unit_test_setup(function, check_clear)
int main(int argc, char **argv) {
  cyf_comm *too_early = NULL;
  const bool refused = cyf_comm_create(1.0, &too_early) == CYF_ERR_INTERNAL && !too_early;
  int level, failed, any_failed = 1;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
  const struct CMUnitTest tests[] = {
      TEST(ranks_know_their_places),
      TEST(sums_and_maxima_are_over_all_ranks),
      TEST(sums_longer_than_a_piece_are_exact),
      TEST(every_rank_gets_what_the_root_sends),
      TEST(ranks_gather_different_sizes),
      TEST(ranks_exchange_different_sizes),
      TEST(ranks_agree_on_success),
      TEST(one_failed_rank_stops_all),
      TEST(the_lowest_failed_rank_speaks),
      TEST(a_common_failure_blames_no_rank),
      TEST(a_failure_without_a_message_gets_one),
      TEST(a_message_goes_round_the_ranks),
      TEST(late_ranks_time_out),
      TEST(missing_messages_time_out),
      TEST(a_small_collective_is_timed),
  };
  failed = cmocka_run_group_tests(tests, create, destroy) != 0 || !refused;
  if (cyf_memory_bytes_now() != 0) { /* also what a time-out left behind is freed */
    print_error("rank %d: %lld bytes were not freed\n", rank, (long long)cyf_memory_bytes_now());
    failed = 1;
  }
  MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return any_failed;
}
