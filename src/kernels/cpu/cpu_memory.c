/* SPDX-License-Identifier: MIT */
/* Memory, transfers, events and graphs of the CPU device: its memory is the host's and every call is done when it
 * returns, so that there is nothing to wait for and nothing to record. */
#include <string.h>

#include "base/memory.h"
#include "kernels/cpu/cpu_kernels.h"

struct cyf_event {
  int unused; /* always reached */
};

cyf_status cyf_cpu_alloc(cyf_device *d, size_t bytes, void **ret_memory) {
  (void)d;
  return cyf_alloc(bytes, 1, ret_memory);
}

void cyf_cpu_free(cyf_device *d, void *memory) {
  (void)d;
  cyf_free(memory);
}

size_t cyf_cpu_free_bytes(cyf_device *d) {
  (void)d;
  return 0;
}

cyf_status cyf_cpu_copy(cyf_device *d, void *to, const void *from, size_t bytes) {
  (void)d;
  if (bytes > 0) memcpy(to, from, bytes);
  return CYF_OK;
}

cyf_status cyf_cpu_zero(cyf_device *d, void *memory, size_t bytes) {
  (void)d;
  if (bytes > 0) memset(memory, 0, bytes);
  return CYF_OK;
}

cyf_status cyf_cpu_synchronize(cyf_device *d) {
  (void)d;
  return CYF_OK;
}

cyf_status cyf_cpu_event_create(cyf_device *d, cyf_event **ret_event) {
  (void)d;
  return CYF_NEW(ret_event, 1);
}

void cyf_cpu_event_destroy(cyf_device *d, cyf_event *event) {
  (void)d;
  cyf_free(event);
}

cyf_status cyf_cpu_event_mark(cyf_device *d, cyf_queue queue, cyf_event *event) {
  (void)d;
  (void)queue;
  (void)event;
  return CYF_OK;
}

cyf_status cyf_cpu_event_synchronize(cyf_device *d, cyf_event *event) {
  (void)d;
  (void)event;
  return CYF_OK;
}

cyf_status cyf_cpu_graph_begin(cyf_device *d, cyf_graph **graph) {
  (void)d;
  (void)graph;
  return CYF_OK;
}

cyf_status cyf_cpu_graph_end(cyf_device *d, cyf_graph **graph, bool launch) {
  (void)d;
  (void)graph;
  (void)launch;
  return CYF_OK;
}

void cyf_cpu_graph_destroy(cyf_device *d, cyf_graph *graph) {
  (void)d;
  (void)graph; /* always NULL */
}
