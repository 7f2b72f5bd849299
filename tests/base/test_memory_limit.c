/* SPDX-License-Identifier: MIT */
/* Memory that a scheduler's or a container's limits leave, out of made-up trees of control groups. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/memory_limit.h"
#include "check.h"

/* Writes a file of the tree, with the folders above it. */
static void write_file(const char *name, const char *text) {
  char path[512];
  snprintf(path, sizeof path, "mkdir -p $(dirname %s/%s)", test_folder, name);
  assert_int_equal(system(path), 0);
  snprintf(path, sizeof path, "%s/%s", test_folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static int64_t in_tree(int64_t (*what)(const char *membership, const char *mount)) {
  char membership[128], mount[128];
  snprintf(membership, sizeof membership, "%s/cgroup", test_folder);
  snprintf(mount, sizeof mount, "%s/fs", test_folder);
  return what(membership, mount);
}

static int64_t left(void) {
  return in_tree(cyf_memory_limit_left);
}

static int64_t limit(void) {
  return in_tree(cyf_memory_limit);
}

static void without_groups_there_is_no_limit(void **state) {
  (void)state;
  assert_true(left() == INT64_MAX);
  write_file("cgroup", "0::/\n");
  assert_true(left() == INT64_MAX && limit() == INT64_MAX);
  write_file("cgroup", "no line of a group\n");
  assert_true(left() == INT64_MAX);
}

/* As Slurm makes them: the job's limit stands above the step's group, which has none. */
static void the_tightest_group_counts(void **state) {
  (void)state;
  write_file("cgroup", "0::/slurm/job_7/step_0\n");
  write_file("fs/slurm/job_7/step_0/memory.max", "max\n");
  write_file("fs/slurm/job_7/step_0/memory.current", "3000\n");
  assert_true(left() == INT64_MAX && limit() == INT64_MAX);
  write_file("fs/slurm/job_7/memory.max", "10000\n");
  write_file("fs/slurm/job_7/memory.current", "4000\n");
  assert_int_equal(left(), 6000);
  /* pages of files are given up first */
  write_file("fs/slurm/job_7/memory.stat", "anon 2500\nfile 1500\ninactive_file 1000\nactive_file 400\nslab 7\n");
  assert_int_equal(left(), 7400);
  assert_int_equal(limit(), 10000);
  write_file("fs/slurm/job_7/step_0/memory.max", "5000\n");
  assert_int_equal(left(), 2000);
  write_file("fs/slurm/job_7/step_0/memory.current", "5001\n");
  assert_int_equal(left(), 0);
  assert_int_equal(limit(), 5000);
}

static void groups_of_version_1_are_understood(void **state) {
  (void)state;
  write_file("cgroup", "5:cpu,cpuacct:/job\n4:hugetlb,memory:/job\n0::/\n");
  write_file("fs/memory/job/memory.limit_in_bytes", "9000\n");
  write_file("fs/memory/job/memory.usage_in_bytes", "8000\n");
  write_file("fs/memory/job/memory.stat", "cache 6000\ntotal_inactive_file 3000\ntotal_active_file 2000\n");
  write_file("fs/memory/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
  write_file("fs/memory/memory.usage_in_bytes", "123456\n");
  assert_int_equal(left(), 6000);
}

static void this_machine_has_memory(void **state) {
  (void)state;
  assert_true(cyf_memory_available_bytes() > (int64_t)64 << 20);
  assert_true(cyf_memory_total_bytes() >= cyf_memory_available_bytes());
  assert_true(cyf_memory_available_bytes() <= cyf_memory_limit_left("/proc/self/cgroup", "/sys/fs/cgroup"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(without_groups_there_is_no_limit, set_up_folder, tear_down_folder),
      cmocka_unit_test_setup_teardown(the_tightest_group_counts, set_up_folder, tear_down_folder),
      cmocka_unit_test_setup_teardown(groups_of_version_1_are_understood, set_up_folder, tear_down_folder),
      cmocka_unit_test(this_machine_has_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
