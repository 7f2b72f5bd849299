/* SPDX-License-Identifier: MIT */
/* The order of buckets, and sums of gradients by MPI. Started by mpirun with 1 to 4 ranks; every rank runs every test.
 */
#include <mpi.h>
#include <time.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/files.h"
#include "check.h"
#include "comm/buckets.h"
#include "comm/gradient_plane.h"
#include "kernels/backend.h"

static cyf_comm *comm;
static cyf_device *device;
static int rank, size;

static int create(void **state) {
  (void)state;
  if (cyf_comm_create(60.0, &comm) != CYF_OK || cyf_device_create_cpu(1, &device) != CYF_OK) return 1;
  rank = cyf_comm_rank(comm);
  size = cyf_comm_size(comm);
  return 0;
}

static int destroy(void **state) {
  (void)state;
  cyf_device_destroy(&device);
  cyf_comm_destroy(&comm);
  return 0;
}

/* ---- the scheduler: no ranks ---- */

static void buckets_are_cut_and_given_out_from_the_end(void **state) {
  (void)state;
  cyf_buckets b;
  int64_t first = -1, n = -1;
  assert_ok(cyf_buckets_create(10, 16, &b)); /* 4 floats a bucket: [0,4) [4,8) [8,10) */
  assert_int_equal(b.n, 3);
  for (int repeat = 0; repeat < 2; ++repeat) {
    assert_false(cyf_buckets_next(&b, &first, &n));
    assert_ok(cyf_buckets_ready(&b, 0, 4)); /* whole, but not its turn */
    assert_false(cyf_buckets_next(&b, &first, &n));
    assert_ok(cyf_buckets_ready(&b, 9, 1));
    assert_false(cyf_buckets_next(&b, &first, &n)); /* half of the last one */
    assert_ok(cyf_buckets_ready(&b, 6, 3));         /* across a border */
    assert_true(cyf_buckets_next(&b, &first, &n) && first == 8 && n == 2);
    assert_false(cyf_buckets_next(&b, &first, &n));
    assert_ok(cyf_buckets_ready(&b, 4, 2));
    assert_true(cyf_buckets_next(&b, &first, &n) && first == 4 && n == 4);
    assert_true(cyf_buckets_next(&b, &first, &n) && first == 0 && n == 4);
    assert_false(cyf_buckets_next(&b, &first, &n)); /* each once */
    cyf_buckets_reset(&b);
  }
  cyf_buckets_all_ready(&b);
  for (int i = 0; i < 3; ++i) assert_true(cyf_buckets_next(&b, &first, &n) && first == 8 - 4 * i);
  assert_false(cyf_buckets_next(&b, &first, &n));
  cyf_buckets_destroy(&b);
}

static void ranges_are_checked(void **state) {
  (void)state;
  cyf_buckets b;
  assert_ok(cyf_buckets_create(10, 16, &b));
  assert_fails(cyf_buckets_ready(&b, 8, 3), CYF_ERR_INTERNAL, "8 to 11 are ready, of 10");
  assert_fails(cyf_buckets_ready(&b, -1, 1), CYF_ERR_INTERNAL, "are ready, of 10");
  assert_ok(cyf_buckets_ready(&b, 3, 0));
  assert_ok(cyf_buckets_ready(&b, 8, 2));
  assert_fails(cyf_buckets_ready(&b, 9, 1), CYF_ERR_INTERNAL, "a second time");
  cyf_buckets_destroy(&b);
  assert_fails(cyf_buckets_create(1, 3, &b), CYF_ERR_INTERNAL, "buckets of 3 bytes");
  assert_null(b.missing);
}

/* Nothing to sum, and more than 2^31 floats: 28,231 genes x 131,072. */
static void no_elements_and_many_are_cut_into_buckets(void **state) {
  (void)state;
  cyf_buckets b;
  int64_t first, n;
  const int64_t count = INT64_C(28231) * 131072, bucket = INT64_C(1) << 28;
  assert_ok(cyf_buckets_create(0, 4, &b));
  cyf_buckets_all_ready(&b);
  assert_false(cyf_buckets_next(&b, &first, &n));
  cyf_buckets_destroy(&b);
  assert_ok(cyf_buckets_create(count, 4 * bucket, &b));
  assert_true(b.n == (count + bucket - 1) / bucket);
  assert_ok(cyf_buckets_ready(&b, 0, count));
  assert_true(cyf_buckets_next(&b, &first, &n) && first == (b.n - 1) * bucket && first + n == count);
  cyf_buckets_destroy(&b);
}

/* ---- sums over ranks ---- */

/* How the backward pass of a test announces: nothing, all at once, or in pieces of 1000 from the end on. */
typedef enum announcing { NOTHING, AT_ONCE, IN_PIECES, N_ANNOUNCING } announcing;

static void sum(cyf_gradient_plane *plane, float *gradients, int64_t n, announcing how) {
  assert_ok(cyf_gradient_plane_begin(plane, gradients, n));
  if (how == AT_ONCE) assert_ok(cyf_gradient_plane_ready(plane, 0, n));
  for (int64_t end = n; how == IN_PIECES && end > 500; end -= 1000) { /* the first piece is left to finish */
    const int64_t first = end > 1000 ? end - 1000 : 0;
    assert_ok(cyf_gradient_plane_ready(plane, first, end - first));
  }
  assert_ok(cyf_gradient_plane_finish(plane));
}

/* Small integers in floats: the sum is exact in any order. */
static void sums_are_exact(void **state) {
  (void)state;
  static const int64_t counts[] = {0, 1, 3, 1000, 4099, 100003};
  static const int64_t buckets[] = {4, 7, 1024, 40000, 1 << 28};
  float *gradients = NULL;
  assert_ok(CYF_NEW(&gradients, 100003 + 2));
  for (int b = 0; b < 5; ++b) {
    cyf_gradient_plane *plane = NULL;
    assert_ok(cyf_gradient_plane_create(comm, device, buckets[b], &plane));
    assert_string_equal(cyf_gradient_plane_name(plane), "MPI");
    for (int c = 0; c < 6; ++c) {
      const int64_t n = counts[c];
      if (n > 4099 && buckets[b] < 1024) continue; /* a hundred thousand messages prove no more */
      for (int64_t i = 0; i < n; ++i) gradients[1 + i] = (float)((i % 1001) * (rank + 1));
      gradients[0] = gradients[n + 1] = -7.0f;
      sum(plane, gradients + 1, n, (announcing)(c % N_ANNOUNCING));
      for (int64_t i = 0; i < n; ++i) assert_true(gradients[1 + i] == (float)((i % 1001) * size * (size + 1) / 2));
      assert_true(gradients[0] == -7.0f && gradients[n + 1] == -7.0f);
    }
    cyf_gradient_plane_destroy(&plane);
    assert_null(plane);
  }
  cyf_free(gradients);
}

/* These sums are rounded, yet have the same bits on every rank, every time and however gradients were announced. So the
 * ranks' copies of the parameters never drift apart. */
static void sums_are_the_same_on_all_ranks(void **state) {
  (void)state;
  enum { N = 20011 };
  cyf_gradient_plane *plane = NULL;
  float *gradients = NULL;
  uint64_t sums[N_ANNOUNCING];
  assert_ok(CYF_NEW(&gradients, N));
  assert_ok(cyf_gradient_plane_create(comm, device, 8192, &plane));
  for (int how = 0; how < N_ANNOUNCING; ++how) {
    for (int i = 0; i < N; ++i) gradients[i] = 1.0f / (float)(1 + i * 7 + rank * 13);
    sum(plane, gradients, N, (announcing)how);
    sums[how] = cyf_checksum(0, gradients, N * sizeof *gradients);
    assert_true(sums[how] == sums[0]);
  }
  uint64_t of_root = sums[0];
  assert_ok(cyf_comm_broadcast(comm, &of_root, sizeof of_root, 0));
  assert_true(of_root == sums[0]);
  cyf_gradient_plane_destroy(&plane);
  cyf_free(gradients);
}

/* One rank computes what the ring over this many ranks must give, bit for bit. Element e of a bucket is the sum along
 * the ring, from the rank that sends its segment first. */
static void sums_are_formed_along_the_ring(void **state) {
  (void)state;
  enum { N = 3000, BUCKET = 512 };
  cyf_gradient_plane *plane = NULL;
  float gradients[N];
  assert_ok(cyf_gradient_plane_create(comm, device, BUCKET * sizeof(float), &plane));
  for (int i = 0; i < N; ++i) gradients[i] = 1.0f / (float)(1 + i * 7 + rank * 13);
  sum(plane, gradients, N, IN_PIECES);
  for (int i = 0; i < N; ++i) {
    const int first = i / BUCKET * BUCKET, count = N - first < BUCKET ? N - first : BUCKET;
    int segment = 0;
    while ((segment + 1) * count / size <= i - first) ++segment;
    float expected = 1.0f / (float)(1 + i * 7 + segment * 13);
    for (int r = 1; r < size; ++r) expected += 1.0f / (float)(1 + i * 7 + (segment + r) % size * 13);
    assert_true(gradients[i] == expected);
  }
  cyf_gradient_plane_destroy(&plane);
}

/* ---- memory that the host cannot touch ---- */

static int n_downloads, n_uploads;

/* "Device" addresses are host addresses plus this, so that touching one is a crash. */
static const uintptr_t FAR = (uintptr_t)1 << 60;

static cyf_status far_download(cyf_device *d, void *host, const void *memory, size_t bytes) {
  (void)d;
  ++n_downloads;
  memcpy(host, (const void *)((uintptr_t)memory - FAR), bytes);
  return CYF_OK;
}

static cyf_status far_upload(cyf_device *d, void *memory, const void *host, size_t bytes) {
  (void)d;
  ++n_uploads;
  memcpy((void *)((uintptr_t)memory - FAR), host, bytes);
  return CYF_OK;
}

/* A GPU that ranks share: MPI sums, bucket by bucket through host memory, to the same bits. */
static void device_memory_passes_through_host_memory(void **state) {
  (void)state;
  enum { N = 20011 };
  cyf_ops ops = *device->ops;
  ops.name = "cuda";
  ops.download = far_download;
  ops.upload = far_upload;
  cyf_device far = {.ops = &ops, .n_threads = 1, .is_shared = true};
  cyf_gradient_plane *near_plane = NULL, *far_plane = NULL;
  float *near = NULL, *memory = NULL;
  assert_ok(CYF_NEW(&near, N));
  assert_ok(CYF_NEW(&memory, N));
  for (int i = 0; i < N; ++i) near[i] = memory[i] = 1.0f / (float)(1 + i * 7 + rank * 13);
  assert_ok(cyf_gradient_plane_create(comm, device, 8192, &near_plane));
  assert_ok(cyf_gradient_plane_create(comm, &far, 8192, &far_plane));
  assert_string_equal(cyf_gradient_plane_name(far_plane), "MPI");
  sum(near_plane, near, N, IN_PIECES);
  n_downloads = n_uploads = 0;
  sum(far_plane, (float *)((uintptr_t)memory + FAR), N, IN_PIECES);
  assert_memory_equal(near, memory, N * sizeof *near);
  const int n_buckets = size > 1 ? (N + 2047) / 2048 : 0;
  assert_true(n_downloads == n_buckets && n_uploads == n_buckets);
  double sums[3] = {rank + 1, 0.5, -rank};
  assert_ok(cyf_gradient_plane_sum_doubles(far_plane, (double *)((uintptr_t)sums + FAR), 3));
  assert_true(sums[0] == size * (size + 1) / 2.0 && sums[1] == 0.5 * size && sums[2] == -size * (size - 1) / 2.0);
  assert_ok(cyf_gradient_plane_sum_doubles(near_plane, sums, 1));
  assert_true(sums[0] == size * (size * (size + 1) / 2.0));
  cyf_gradient_plane_destroy(&near_plane);
  cyf_gradient_plane_destroy(&far_plane);
  cyf_free(near);
  cyf_free(memory);
}

/* ---- misuse and lateness ---- */

static void a_sum_must_begin(void **state) {
  (void)state;
  cyf_gradient_plane *plane = NULL;
  float value[1] = {1};
  assert_ok(cyf_gradient_plane_create(comm, device, 4, &plane));
  assert_fails(cyf_gradient_plane_ready(plane, 0, 1), CYF_ERR_INTERNAL, "has not begun");
  sum(plane, value, 1, NOTHING);
  assert_fails(cyf_gradient_plane_finish(plane), CYF_ERR_INTERNAL, "has not begun");
  cyf_gradient_plane_destroy(&plane);
}

/* The last rank is late: the others give up after 0.3 s; the late one, which lacks their later messages, does too. */
static void late_ranks_time_out(void **state) {
  (void)state;
  static float gradients[10000]; /* MPI may touch it for a while */
  cyf_comm *own = NULL;
  cyf_gradient_plane *plane = NULL;
  if (size == 1) return; /* nobody to wait for */
  assert_ok(cyf_comm_create(60.0, &own));
  assert_ok(cyf_gradient_plane_create(own, device, 4000, &plane)); /* short messages: a sender need not wait */
  assert_ok(cyf_comm_barrier(own));
  cyf_comm_set_timeout(own, 0.3);
  if (rank == size - 1) nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 500000000}, NULL);
  const double start_s = cyf_clock_s();
  assert_ok(cyf_gradient_plane_begin(plane, gradients, 10000));
  assert_fails(cyf_gradient_plane_finish(plane), CYF_ERR_COMM, "did not answer within 0.3 s");
  const double waited_s = cyf_clock_s() - start_s;
  assert_true(rank == size - 1 || (waited_s >= 0.29 && waited_s < 1.4));
  cyf_gradient_plane_destroy(&plane);
  cyf_comm_destroy(&own);
  cyf_status_clear();
  assert_ok(cyf_comm_barrier(comm)); /* other communicators are none the worse */
}

#define TEST(function) cmocka_unit_test_setup(function, check_clear)
int main(int argc, char **argv) {
  int level, failed, any_failed = 1;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
  const struct CMUnitTest tests[] = {
      TEST(buckets_are_cut_and_given_out_from_the_end),
      TEST(ranges_are_checked),
      TEST(no_elements_and_many_are_cut_into_buckets),
      TEST(sums_are_exact),
      TEST(sums_are_the_same_on_all_ranks),
      TEST(sums_are_formed_along_the_ring),
      TEST(device_memory_passes_through_host_memory),
      TEST(a_sum_must_begin),
      TEST(late_ranks_time_out),
  };
  failed = cmocka_run_group_tests(tests, create, destroy) != 0;
  if (cyf_memory_bytes_now() != 0) { /* also what a time-out left behind is freed */
    print_error("rank %d: %lld bytes were not freed\n", rank, (long long)cyf_memory_bytes_now());
    failed = 1;
  }
  MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return any_failed;
}
