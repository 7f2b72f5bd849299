/* SPDX-License-Identifier: MIT */
/* The device of tests whose memory is closed to the host: it stops what a GPU would not allow. */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fenced_device.h"
#include "kernels/csr.h"

static cyf_device *open_fence(void) {
  cyf_device *cpu = NULL, *device = NULL;
  assert_ok(cyf_device_create_cpu(1, &cpu));
  assert_ok(fenced_device_create(cpu, &device));
  assert_false(device->host_memory);
  return device;
}

static float *device_floats(cyf_device *device, int64_t count) {
  float *memory = NULL;
  assert_ok(device->ops->alloc(device, sizeof(float) * (size_t)count, (void **)&memory));
  return memory;
}

/* The signal that ends a child which touches the memory; 0: none did. */
static int signal_of_touching(volatile float *memory, bool writes) {
  const pid_t child = fork();
  if (child == 0) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL);
    if (writes) memory[3] = 1;
    _exit(memory[3] == 5 ? 1 : 0);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void host_code_cannot_touch_its_memory(void **state) {
  (void)state;
  cyf_device *device = open_fence();
  float *memory = device_floats(device, 8);
  assert_int_equal(signal_of_touching(memory, false), SIGSEGV);
  assert_int_equal(signal_of_touching(memory, true), SIGSEGV);
  assert_ok(device->ops->zero(device, memory, 8 * sizeof(float))); /* an operation can, and closes the fence again */
  assert_int_equal(signal_of_touching(memory, false), SIGSEGV);
  float on_host[8] = {0};
  assert_int_equal(signal_of_touching(on_host, true), 0);
  device->ops->free(device, memory);
  cyf_device_destroy(&device);
}

static void host_arrays_are_refused_by_slot_and_argument(void **state) {
  (void)state;
  cyf_device *device = open_fence();
  const cyf_ops *ops = device->ops;
  float *memory = device_floats(device, 8), host[8] = {0};
  const int64_t indptr[2] = {0, 1};
  const int32_t gene = 0;
  const cyf_csr cells = {1, 4, indptr, &gene, host, 0};
  double sum = 0;
  assert_fails(ops->axpy(device, 8, 1, host, memory), CYF_ERR_INTERNAL, "axpy: x is not");
  assert_fails(ops->axpy(device, 9, 1, memory, memory), CYF_ERR_INTERNAL, "axpy: x is not 36 bytes");
  assert_fails(ops->square_sum(device, 8, memory, &sum), CYF_ERR_INTERNAL, "square_sum: sum is not");
  assert_fails(ops->gene_linear_forward(device, &cells, 1, memory, memory, memory), CYF_ERR_INTERNAL,
               "gene_linear_forward: indptr is not");
  assert_fails(ops->upload(device, host, memory, 8), CYF_ERR_INTERNAL, "upload: host is device memory");
  assert_fails(ops->upload_async(device, memory, host, 8), CYF_ERR_INTERNAL, "upload_async: host is not of alloc_host");
  assert_fails(ops->download(device, host, host, 8), CYF_ERR_INTERNAL, "download: device_memory is not");
  ops->free(device, memory);
  assert_fails(ops->scale(device, 8, 1, memory), CYF_ERR_INTERNAL, "scale: y is not");
  cyf_device_destroy(&device);
}

static void what_may_come_late_does(void **state) {
  (void)state;
  cyf_device *device = open_fence();
  const cyf_ops *ops = device->ops;
  float *memory = device_floats(device, 4), *host = NULL, got[4] = {0};
  double sum = 0;
  cyf_event *event = NULL;
  assert_ok(ops->alloc_host(device, sizeof got, (void **)&host));
  assert_ok(ops->event_create(device, &event));
  for (int i = 0; i < 4; i++) host[i] = 1;
  assert_ok(ops->upload_async(device, memory, host, sizeof got));
  assert_ok(ops->event_record(device, CYF_QUEUE_COPY, event));
  host[0] = 2; /* too early: the wrong number arrives */
  assert_ok(ops->event_await(device, CYF_QUEUE_WORK, event));
  host[1] = 7; /* no longer read */
  assert_ok(ops->squared_error(device, 4, memory, memory, 1, &sum, NULL));
  assert_ok(ops->download(device, got, memory, sizeof got));
  assert_ok(ops->zero(device, memory, sizeof got)); /* behind the download */
  assert_true(sum != sum && got[0] != got[0]);      /* neither is there */
  assert_ok(ops->event_record(device, CYF_QUEUE_WORK, event));
  assert_ok(ops->event_synchronize(device, event));
  assert_true(sum != sum && got[0] == 2 && got[1] == 1 && got[3] == 1);
  assert_ok(ops->synchronize(device));
  assert_true(sum == 0);
  ops->event_destroy(device, event);
  ops->free_host(device, host);
  ops->free(device, memory);
  cyf_device_destroy(&device);
}

static void graphs_hold_operations_alone(void **state) {
  (void)state;
  cyf_device *device = open_fence();
  const cyf_ops *ops = device->ops;
  float *memory = device_floats(device, 4), host[4] = {0};
  cyf_graph *graph = NULL;
  for (int pass = 0; pass < 3; pass++) {
    void *more = NULL;
    assert_ok(ops->graph_begin(device, &graph));
    assert_ok(ops->scale(device, 4, pass, memory));
    if (pass > 0) {
      assert_fails(ops->upload(device, memory, host, 16), CYF_ERR_INTERNAL, "upload: not between");
      assert_fails(ops->download(device, host, memory, 16), CYF_ERR_INTERNAL, "download: not between");
      assert_ok(ops->alloc(device, 16, &more)); /* as when a scratch grows */
      assert_fails(ops->synchronize(device), CYF_ERR_INTERNAL, "synchronize: not between");
    }
    assert_ok(ops->graph_end(device, &graph, true));
    assert_non_null(graph);
    ops->free(device, more);
  }
  ops->graph_destroy(device, graph);
  ops->free(device, memory);
  const int64_t before = fenced_device_leaks();
  (void)device_floats(device, 4);
  cyf_device_destroy(&device);
  assert_int_equal(fenced_device_leaks(), before + 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(host_code_cannot_touch_its_memory, check_clear),
      cmocka_unit_test_setup(host_arrays_are_refused_by_slot_and_argument, check_clear),
      cmocka_unit_test_setup(what_may_come_late_does, check_clear),
      cmocka_unit_test_setup(graphs_hold_operations_alone, check_clear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
