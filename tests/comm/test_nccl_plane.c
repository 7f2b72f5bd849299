/* SPDX-License-Identifier: MIT */
/* Sums of gradients by NCCL, over a GPU and an NCCL of the test's own (fake_nccl.h). Started by mpirun with 2 to 4
 * ranks. With an argument the program must fail: "hang", where one rank does not sum; "error", where NCCL reports a
 * failure. */
#include "check.h"
#include "comm/gradient_plane.h"
#include "fake_nccl.h"
#include "kernels/backend.h"

enum { N = 20000, PIECE = 2500, BUCKET = 3000 };

static cyf_comm *comm;
static cyf_ops ops;
static cyf_device gpu;
static int rank, size;
static float gradients[N], seen[N];

/* The last layer's piece first, as a backward pass does it. */
typedef struct piece {
  int first;
  float step;
} piece;
static piece pieces[N / PIECE];

static float value_of(int i, int of_rank, float step) {
  return (float)((i % 1001) * (of_rank + 1)) + step;
}

static void write_piece(void *argument) {
  const piece *p = argument;
  for (int i = p->first; i < p->first + PIECE; ++i) gradients[i] = value_of(i, rank, p->step);
}

static void look(void *argument) {
  (void)argument;
  memcpy(seen, gradients, sizeof seen);
}

static void step(cyf_gradient_plane *plane, float number, bool announce) {
  assert_ok(cyf_gradient_plane_begin(plane, gradients, N));
  for (int p = N / PIECE - 1; p >= 0; --p) {
    pieces[p] = (piece){p * PIECE, number};
    fake_launch(write_piece, &pieces[p]);
    if (announce) assert_ok(cyf_gradient_plane_ready(plane, p * PIECE, PIECE));
  }
  assert_ok(cyf_gradient_plane_finish(plane));
  fake_launch(look, NULL);
}

static void check_seen(float number) {
  for (int i = 0; i < N; ++i) {
    float expected = 0;
    for (int r = 0; r < size; ++r) expected += value_of(i, r, number);
    assert_true(seen[i] == expected);
  }
}

/* Every sum starts after what it sums was written and ends before the device goes on, in whatever order the streams'
 * operations run; steps are queued without waiting in between. */
static void sums_are_in_order_with_the_device(void **state) {
  (void)state;
  cyf_gradient_plane *plane = NULL;
  assert_ok(cyf_gradient_plane_create(comm, &gpu, BUCKET * sizeof(float), &plane));
  assert_string_equal(cyf_gradient_plane_name(plane), "NCCL");
  for (int s = 0; s < 12; ++s) {
    step(plane, (float)s, s % 3 != 2);
    if (s % 2 == 0) continue; /* two steps queued at once: gradients are written anew, then */
    fake_synchronize();
    check_seen((float)s);
  }
  cyf_gradient_plane_destroy(&plane);
  assert_int_equal(fake_n_aborted, 0);
}

static void sums_begin_before_the_backward_pass_is_over(void **state) {
  (void)state;
  cyf_gradient_plane *plane = NULL;
  assert_ok(cyf_gradient_plane_create(comm, &gpu, BUCKET * sizeof(float), &plane));
  assert_ok(cyf_gradient_plane_begin(plane, gradients, N));
  fake_n_sums = 0;
  assert_ok(cyf_gradient_plane_ready(plane, N - 2000, 2000)); /* the last bucket, [18000, 20000) */
  assert_int_equal(fake_n_sums, 1);
  assert_ok(cyf_gradient_plane_ready(plane, 0, BUCKET)); /* not its turn */
  assert_int_equal(fake_n_sums, 1);
  assert_ok(cyf_gradient_plane_ready(plane, BUCKET, 18000 - BUCKET));
  assert_int_equal(fake_n_sums, 7);
  assert_ok(cyf_gradient_plane_finish(plane));
  assert_int_equal(fake_n_sums, 7);
  fake_synchronize();
  cyf_gradient_plane_destroy(&plane);
}

/* A captured graph holds no sums: they follow it. */
static void nothing_is_summed_while_a_graph_is_captured(void **state) {
  (void)state;
  cyf_gradient_plane *plane = NULL;
  assert_ok(cyf_gradient_plane_create(comm, &gpu, BUCKET * sizeof(float), &plane));
  assert_ok(cyf_gradient_plane_begin(plane, gradients, N));
  fake_n_sums = 0;
  fake_streams[0].capturing = true;
  assert_ok(cyf_gradient_plane_ready(plane, 0, N));
  assert_int_equal(fake_n_sums, 0);
  fake_streams[0].capturing = false;
  assert_ok(cyf_gradient_plane_finish(plane));
  assert_int_equal(fake_n_sums, 7);
  fake_synchronize();
  cyf_gradient_plane_destroy(&plane);
}

static double statistics[2];
static void make_statistics(void *argument) {
  (void)argument;
  statistics[0] = rank + 1;
  statistics[1] = -rank;
}

/* Batch norm's sums, between gradients under way. */
static void statistics_are_summed_on_the_device_stream(void **state) {
  (void)state;
  cyf_gradient_plane *plane = NULL;
  assert_ok(cyf_gradient_plane_create(comm, &gpu, BUCKET * sizeof(float), &plane));
  assert_ok(cyf_gradient_plane_begin(plane, gradients, N));
  assert_ok(cyf_gradient_plane_ready(plane, N / 2, N / 2));
  for (int i = 0; i < 600; ++i) { /* more than are watched at a time */
    fake_launch(make_statistics, NULL);
    assert_ok(cyf_gradient_plane_sum_doubles(plane, statistics, 2));
  }
  assert_ok(cyf_gradient_plane_finish(plane));
  fake_synchronize();
  assert_true(statistics[0] == size * (size + 1) / 2.0 && statistics[1] == -size * (size - 1) / 2.0);
  cyf_gradient_plane_destroy(&plane);
  assert_int_equal(atomic_load(&fake_n_overlaps), 0); /* the watching thread never calls NCCL while the host does */
}

/* One rank that shares its GPU, or has none, and all use MPI. */
static void one_rank_without_a_gpu_of_its_own_means_mpi(void **state) {
  (void)state;
  cyf_gradient_plane *plane = NULL;
  gpu.is_shared = rank == size - 1;
  assert_ok(cyf_gradient_plane_create(comm, &gpu, BUCKET * sizeof(float), &plane));
  assert_string_equal(cyf_gradient_plane_name(plane), "MPI");
  cyf_gradient_plane_destroy(&plane);
  gpu.is_shared = false;
}

/* The last rank stays away from a sum; the others wait for their device, and only the watch can end them. */
static void hang(void) {
  cyf_gradient_plane *plane = NULL;
  assert_ok(cyf_gradient_plane_create(comm, &gpu, BUCKET * sizeof(float), &plane));
  cyf_comm_set_timeout(comm, 0.5);
  if (rank < size - 1) step(plane, 1, true);
  while (rank == size - 1) nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
  fake_synchronize();
}

/* NCCL finds out about a dead peer by itself. */
static void lose_a_peer(void) {
  cyf_gradient_plane *plane = NULL;
  assert_ok(cyf_gradient_plane_create(comm, &gpu, BUCKET * sizeof(float), &plane));
  if (rank == 0) fake_newest->error = ncclRemoteError;
  while (true) nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

#define TEST(function) cmocka_unit_test_setup(function, check_clear)
int main(int argc, char **argv) {
  int level, failed, any_failed = 1;
  cyf_device *cpu = NULL;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
  if (cyf_comm_create(60.0, &comm) != CYF_OK || cyf_device_create_cpu(1, &cpu) != CYF_OK) return 1;
  rank = cyf_comm_rank(comm);
  size = cyf_comm_size(comm);
  ops = *cpu->ops;
  ops.name = "cuda";
  gpu = (cyf_device){.ops = &ops, .n_threads = 1};
  cyf_device_destroy(&cpu);
  fake_turn = rank;
  if (argc > 1 && strcmp(argv[1], "hang") == 0) hang();
  if (argc > 1 && strcmp(argv[1], "error") == 0) lose_a_peer();
  const struct CMUnitTest tests[] = {
      TEST(sums_are_in_order_with_the_device),           TEST(sums_begin_before_the_backward_pass_is_over),
      TEST(nothing_is_summed_while_a_graph_is_captured), TEST(statistics_are_summed_on_the_device_stream),
      TEST(one_rank_without_a_gpu_of_its_own_means_mpi),
  };
  failed = cmocka_run_group_tests(tests, NULL, NULL) != 0;
  cyf_comm_destroy(&comm);
  MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return any_failed;
}
