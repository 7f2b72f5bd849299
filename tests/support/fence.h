/* SPDX-License-Identifier: MIT */
/* Within fenced_device.c and fenced_operations.c: the fence around device memory, and what comes late. */
#ifndef CYF_TESTS_SUPPORT_FENCE_H
#define CYF_TESTS_SUPPORT_FENCE_H

#include <pthread.h>

#include "fenced_device.h"
#include "kernels/slots.h"

enum { PAGE = 4096, ALLOCATIONS_MAX = 4096 };
static const size_t RESERVED = (size_t)64 << 30; /* bytes of address space; memory is only taken where it is used */

/* Kinds of results that were asked for and may come late. */
typedef enum late_kind { LATE_SCALAR, LATE_DOWNLOAD, LATE_UPLOAD } late_kind;
typedef struct late {
  struct late *next;
  late_kind kind;
  int64_t number; /* of its call, in the order of calls */
  void *to;
  const void *from; /* uploads: host memory, read when it happens */
  size_t bytes;
  char value[]; /* scalars and downloads: the bytes, taken when they were asked for */
} late;

struct cyf_event {
  int64_t number; /* how many calls were made before it */
};

typedef struct fence {
  cyf_device base;
  cyf_device *cpu;
  pthread_mutex_t mutex;
  char *memory, *top;
  struct {
    char *at;
    size_t bytes; /* SIZE_MAX: freed */
  } allocation[ALLOCATIONS_MAX];
  int n_allocations;
  struct {
    char *at;
    size_t bytes;
  } host[ALLOCATIONS_MAX]; /* of alloc_host; at NULL: freed */
  int n_host;
  int depth; /* operations that run now */
  int64_t n_calls;
  late *first_late;
} fence;

/* Around each operation: within, the CPU's operations may touch device memory. */
void fence_enter(fence *f);
void fence_leave(fence *f);

/* Fails with CYF_ERR_INTERNAL, naming the slot and the argument, unless `bytes` from `pointer` on lie in one allocation
 * of the device. */
cyf_status fence_check_device(fence *f, const char *slot, const char *name, const void *pointer, size_t bytes);
/* Fails likewise where `pointer` is device memory. */
cyf_status fence_check_host(fence *f, const char *slot, const char *name, const void *pointer);
/* Fails likewise unless the batch lies on the device. */
cyf_status fence_check_csr(fence *f, const char *slot, const cyf_csr *x);

/* Keeps what is asked for until a wait: `bytes` from `from` for `to`, which holds 0xFF bytes until then. Uploads read
 * `from` when they happen. */
cyf_status fence_postpone(fence *f, late_kind kind, void *to, const void *from, size_t bytes);

#define FENCED_SLOT(name) CYF_DECLARE_SLOT(fenced_##name, name);
CYF_SLOTS(FENCED_SLOT)
#undef FENCED_SLOT

#endif
