/* SPDX-License-Identifier: MIT */
#include "fenced_device.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "fence.h"

static atomic_llong n_operations, n_waits, n_leaks;

int64_t fenced_device_operations(void) {
  return n_operations;
}
int64_t fenced_device_waits(void) {
  return n_waits;
}
int64_t fenced_device_leaks(void) {
  return n_leaks;
}

/* ---- the fence ---- */

static void protect(fence *f, int how) {
  if (f->top > f->memory) (void)mprotect(f->memory, (size_t)(f->top - f->memory), how);
}

void fence_enter(fence *f) {
  pthread_mutex_lock(&f->mutex);
  if (f->depth++ == 0) protect(f, PROT_READ | PROT_WRITE);
  f->n_calls++;
  pthread_mutex_unlock(&f->mutex);
  n_operations++;
}

void fence_leave(fence *f) {
  pthread_mutex_lock(&f->mutex);
  if (--f->depth == 0) protect(f, PROT_NONE);
  pthread_mutex_unlock(&f->mutex);
}

/* Whether [pointer, pointer + bytes) lies in one allocation. */
static bool is_own(fence *f, const void *pointer, size_t bytes) {
  bool own = false;
  const char *at = pointer;
  pthread_mutex_lock(&f->mutex);
  for (int i = 0; i < f->n_allocations && !own; i++) {
    const size_t size = f->allocation[i].bytes;
    own = size != SIZE_MAX && at >= f->allocation[i].at && bytes <= size &&
          (size_t)(at - f->allocation[i].at) <= size - bytes;
  }
  pthread_mutex_unlock(&f->mutex);
  return own;
}

static bool is_fenced_address(const fence *f, const void *pointer) {
  return (const char *)pointer >= f->memory && (const char *)pointer < f->memory + RESERVED;
}

cyf_status fence_check_device(fence *f, const char *slot, const char *name, const void *pointer, size_t bytes) {
  if (bytes == 0 || is_own(f, pointer, bytes)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "%s: %s is not %zu bytes of device memory", slot, name, bytes);
}

cyf_status fence_check_host(fence *f, const char *slot, const char *name, const void *pointer) {
  if (!is_fenced_address(f, pointer)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "%s: %s is device memory", slot, name);
}

/* The device on which this thread records a graph. */
static _Thread_local const fence *recording_on;

static cyf_status check_not_recording(fence *f, const char *slot) {
  if (recording_on != f) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "%s: not between graph_begin and graph_end", slot);
}

cyf_status fence_check_csr(fence *f, const char *slot, const cyf_csr *x) {
  CYF_TRY(fence_check_device(f, slot, "indptr", x->indptr, sizeof(int64_t) * (size_t)(x->n_cells + 1)));
  const int64_t first = x->indptr[0], n = x->indptr[x->n_cells] - first;
  CYF_TRY(fence_check_device(f, slot, "indices", x->indices + first, sizeof(int32_t) * (size_t)n));
  return fence_check_device(f, slot, "values", x->values + first, sizeof(float) * (size_t)n);
}

/* ---- what comes late ---- */

cyf_status fence_postpone(fence *f, late_kind kind, void *to, const void *from, size_t bytes) {
  late *item = NULL;
  CYF_TRY(cyf_alloc(1, sizeof *item + bytes, (void **)&item));
  *item = (late){.kind = kind, .to = to, .from = from, .bytes = bytes};
  if (kind != LATE_UPLOAD && bytes > 0) {
    memcpy(item->value, from, bytes);
    memset(to, 0xFF, bytes);
  }
  pthread_mutex_lock(&f->mutex);
  item->number = f->n_calls;
  late **end = &f->first_late;
  while (*end) end = &(*end)->next;
  *end = item;
  pthread_mutex_unlock(&f->mutex);
  return CYF_OK;
}

/* Hands over what was asked for up to the call of that number, of the kinds that are true. The fence must be open. */
static void catch_up(fence *f, int64_t number, bool scalars, bool downloads, bool uploads) {
  pthread_mutex_lock(&f->mutex);
  for (late **at = &f->first_late; *at;) {
    late *item = *at;
    const bool due = item->kind == LATE_SCALAR ? scalars : item->kind == LATE_DOWNLOAD ? downloads : uploads;
    if (!due || item->number > number) {
      at = &item->next;
      continue;
    }
    memcpy(item->to, item->kind == LATE_UPLOAD ? item->from : item->value, item->bytes);
    *at = item->next;
    cyf_free(item);
  }
  pthread_mutex_unlock(&f->mutex);
}

/* ---- memory, transfers, events ---- */

cyf_status fenced_alloc(cyf_device *d, size_t bytes, void **ret_memory) {
  fence *f = (fence *)d;
  pthread_mutex_lock(&f->mutex);
  const size_t pages = (bytes + PAGE - 1) / PAGE + 1; /* one more keeps neighbours apart */
  cyf_status status = CYF_OK;
  if (f->n_allocations == ALLOCATIONS_MAX || pages * PAGE > (size_t)(f->memory + RESERVED - f->top)) {
    status = CYF_FAIL(CYF_ERR_MEMORY, "the fenced device has no room for %zu bytes", bytes);
  } else {
    f->allocation[f->n_allocations].at = f->top;
    f->allocation[f->n_allocations++].bytes = bytes;
    *ret_memory = f->top;
    f->top += pages * PAGE;
    if (f->depth > 0) protect(f, PROT_READ | PROT_WRITE);
  }
  pthread_mutex_unlock(&f->mutex);
  return status;
}

void fenced_free(cyf_device *d, void *memory) {
  fence *f = (fence *)d;
  if (memory == NULL) return;
  if (check_not_recording(f, "free") != CYF_OK) abort(); /* free has no status */
  pthread_mutex_lock(&f->mutex);
  for (int i = 0; i < f->n_allocations; i++) {
    if (f->allocation[i].at != memory || f->allocation[i].bytes == SIZE_MAX) continue;
    (void)madvise(memory, f->allocation[i].bytes, MADV_DONTNEED);
    f->allocation[i].bytes = SIZE_MAX; /* the address is not used again */
  }
  pthread_mutex_unlock(&f->mutex);
}

size_t fenced_free_bytes(cyf_device *d) {
  fence *f = (fence *)d;
  return (size_t)(f->memory + RESERVED - f->top);
}

cyf_status fenced_alloc_host(cyf_device *d, size_t bytes, void **ret_memory) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "alloc_host"));
  CYF_TRY(cyf_alloc(bytes, 1, ret_memory));
  pthread_mutex_lock(&f->mutex);
  int at = 0;
  while (at < f->n_host && f->host[at].at) at++;
  if (at < ALLOCATIONS_MAX) {
    f->host[at].at = *ret_memory;
    f->host[at].bytes = bytes;
    if (at == f->n_host) f->n_host++;
  }
  pthread_mutex_unlock(&f->mutex);
  return CYF_OK;
}

void fenced_free_host(cyf_device *d, void *memory) {
  fence *f = (fence *)d;
  pthread_mutex_lock(&f->mutex);
  for (int i = 0; memory && i < f->n_host; i++)
    if (f->host[i].at == memory) f->host[i].at = NULL;
  pthread_mutex_unlock(&f->mutex);
  cyf_free(memory);
}

/* Whether the bytes lie in memory of alloc_host. */
static bool is_pinned(fence *f, const char *at, size_t bytes) {
  bool found = false;
  pthread_mutex_lock(&f->mutex);
  for (int i = 0; i < f->n_host && !found; i++)
    found = f->host[i].at && at >= f->host[i].at && at + bytes <= f->host[i].at + f->host[i].bytes;
  pthread_mutex_unlock(&f->mutex);
  return found;
}

cyf_status fenced_upload(cyf_device *d, void *to, const void *host, size_t bytes) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "upload"));
  CYF_TRY(fence_check_host(f, "upload", "host", host));
  CYF_TRY(fence_check_device(f, "upload", "device_memory", to, bytes));
  fence_enter(f);
  if (bytes > 0) memcpy(to, host, bytes);
  fence_leave(f);
  return CYF_OK;
}

cyf_status fenced_download(cyf_device *d, void *host, const void *from, size_t bytes) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "download"));
  CYF_TRY(fence_check_host(f, "download", "host", host));
  CYF_TRY(fence_check_device(f, "download", "device_memory", from, bytes));
  fence_enter(f);
  const cyf_status status = fence_postpone(f, LATE_DOWNLOAD, host, from, bytes);
  fence_leave(f);
  return status;
}

cyf_status fenced_upload_async(cyf_device *d, void *to, const void *host, size_t bytes) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "upload_async"));
  CYF_TRY(fence_check_host(f, "upload_async", "host", host));
  CYF_TRY(fence_check_device(f, "upload_async", "device_memory", to, bytes));
  if (!is_pinned(f, host, bytes)) return CYF_FAIL(CYF_ERR_INTERNAL, "upload_async: host is not of alloc_host");
  fence_enter(f);
  const cyf_status status = fence_postpone(f, LATE_UPLOAD, to, host, bytes);
  fence_leave(f);
  return status;
}

cyf_status fenced_synchronize(cyf_device *d) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "synchronize"));
  n_waits++;
  fence_enter(f);
  catch_up(f, INT64_MAX, true, true, true);
  fence_leave(f);
  return CYF_OK;
}

cyf_status fenced_event_create(cyf_device *d, cyf_event **ret_event) {
  (void)d;
  return CYF_NEW(ret_event, 1);
}

void fenced_event_destroy(cyf_device *d, cyf_event *event) {
  (void)d;
  cyf_free(event);
}

cyf_status fenced_event_record(cyf_device *d, cyf_queue queue, cyf_event *event) {
  fence *f = (fence *)d;
  (void)queue;
  CYF_TRY(check_not_recording(f, "event_record"));
  event->number = f->n_calls;
  return CYF_OK;
}

cyf_status fenced_event_await(cyf_device *d, cyf_queue queue, cyf_event *event) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "event_await"));
  fence_enter(f);
  if (queue == CYF_QUEUE_WORK) catch_up(f, event->number, false, false, true);
  fence_leave(f);
  return CYF_OK;
}

cyf_status fenced_event_synchronize(cyf_device *d, cyf_event *event) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "event_synchronize"));
  fence_enter(f);
  catch_up(f, event->number, false, true, true);
  fence_leave(f);
  return CYF_OK;
}

cyf_status fenced_graph_begin(cyf_device *d, cyf_graph **graph) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "graph_begin"));
  if (*graph != NULL) recording_on = f; /* the first pass is run as usual */
  return CYF_OK;
}

cyf_status fenced_graph_end(cyf_device *d, cyf_graph **graph, bool launch) {
  (void)d, (void)launch;
  recording_on = NULL;
  return *graph == NULL ? cyf_alloc(1, 1, (void **)graph) : CYF_OK;
}

void fenced_graph_destroy(cyf_device *d, cyf_graph *graph) {
  (void)d;
  cyf_free(graph);
}

#define FENCED_SLOT(name) .name = fenced_##name,
static const cyf_ops fenced_ops = {.name = "fenced", CYF_SLOTS(FENCED_SLOT)};
#undef FENCED_SLOT

static void destroy_fence(cyf_device *d) {
  fence *f = (fence *)d;
  for (int i = 0; i < f->n_allocations; i++) n_leaks += f->allocation[i].bytes != SIZE_MAX;
  while (f->first_late) {
    late *item = f->first_late;
    f->first_late = item->next;
    cyf_free(item);
  }
  if (f->memory) (void)munmap(f->memory, RESERVED);
  pthread_mutex_destroy(&f->mutex);
  cyf_device_destroy(&f->cpu);
}

cyf_status fenced_device_create(cyf_device *cpu, cyf_device **ret_device) {
  fence *f = NULL;
  *ret_device = NULL;
  cyf_status status = CYF_NEW(&f, 1);
  if (status != CYF_OK) {
    cyf_device_destroy(&cpu);
    return status;
  }
  f->base = (cyf_device){.ops = &fenced_ops, .n_threads = cpu->n_threads, .destroy_backend = destroy_fence};
  f->cpu = cpu;
  pthread_mutex_init(&f->mutex, NULL);
  f->memory = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (f->memory == MAP_FAILED) {
    f->memory = NULL;
    cyf_device *failed = &f->base;
    cyf_device_destroy(&failed);
    return CYF_FAIL(CYF_ERR_MEMORY, "no address space for the fenced device");
  }
  f->top = f->memory;
  *ret_device = &f->base;
  return CYF_OK;
}
