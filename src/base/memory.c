/* SPDX-License-Identifier: MIT */
/* Counted host memory. Blocks come from calloc, so that large ones are fresh zero pages that are first touched (and on
 * NUMA machines placed) by the thread that fills them. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory_limit.h"

enum { ALIGNMENT_BYTES = 64, HUGE_PAGE_BYTES = 2 << 20, LARGE_BYTES = 2 * HUGE_PAGE_BYTES };

/* Stands right before the aligned pointer that the caller sees. */
typedef struct block_header {
  void *base; /* what calloc gave */
  size_t size_bytes;
} block_header;

static _Atomic int64_t bytes_now;
static _Atomic int64_t bytes_peak;

static block_header *header_of(void *memory) {
  return (block_header *)memory - 1;
}

static void count_bytes(int64_t change) {
  const int64_t now = atomic_fetch_add(&bytes_now, change) + change;
  int64_t peak = atomic_load(&bytes_peak);
  while (now > peak && !atomic_compare_exchange_weak(&bytes_peak, &peak, now)) {
  }
}

/* Large arrays lie in huge pages where the system has them: rows at random places then cost no walk of page tables
 * each. Only advice, and before the first touch, as calloc maps large blocks afresh. */
static void advise_huge_pages(char *base, size_t bytes) {
  const uintptr_t first = ((uintptr_t)base + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
  const uintptr_t end = ((uintptr_t)base + bytes) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
  (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
}

cyf_status cyf_alloc(size_t count, size_t size, void **ret_memory) {
  const size_t overhead = sizeof(block_header) + ALIGNMENT_BYTES;
  size_t bytes, total;
  *ret_memory = NULL;
  if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, overhead, &total) ||
      total > PTRDIFF_MAX) {
    return CYF_FAIL(CYF_ERR_MEMORY, "out of memory: %zu elements of %zu bytes exceed the address space", count, size);
  }
  char *base = calloc(1, total);
  if (!base) {
    return CYF_FAIL(CYF_ERR_MEMORY, "out of memory: %.3f GiB asked for, %.3f GiB already held by this process",
                    (double)bytes / 1073741824.0, (double)atomic_load(&bytes_now) / 1073741824.0);
  }
  if (total >= LARGE_BYTES) advise_huge_pages(base, total);
  const uintptr_t first = (uintptr_t)base + sizeof(block_header);
  void *memory = base + sizeof(block_header) + (-first & (ALIGNMENT_BYTES - 1));
  header_of(memory)->base = base;
  header_of(memory)->size_bytes = bytes;
  count_bytes((int64_t)bytes);
  *ret_memory = memory;
  return CYF_OK;
}

cyf_status cyf_realloc(void **memory, size_t count, size_t size) {
  void *fresh;
  CYF_TRY(cyf_alloc(count, size, &fresh));
  if (*memory) {
    const size_t old_bytes = header_of(*memory)->size_bytes;
    const size_t new_bytes = header_of(fresh)->size_bytes;
    memcpy(fresh, *memory, old_bytes < new_bytes ? old_bytes : new_bytes);
    cyf_free_at(memory);
  }
  *memory = fresh;
  return CYF_OK;
}

void cyf_free_at(void **memory) {
  if (!memory || !*memory) return;
  block_header *header = header_of(*memory);
  count_bytes(-(int64_t)header->size_bytes);
  free(header->base);
  *memory = NULL;
}

cyf_status cyf_strdup(const char *text, char **ret_copy) {
  const size_t bytes = strlen(text) + 1;
  char *copy;
  *ret_copy = NULL;
  CYF_TRY(CYF_NEW(&copy, bytes));
  memcpy(copy, text, bytes);
  *ret_copy = copy;
  return CYF_OK;
}

cyf_status cyf_format(char **ret_text, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = NULL;
  *ret_text = NULL;
  cyf_status status = CYF_OK;
  if (length < 0) {
    status = CYF_FAIL(CYF_ERR_INTERNAL, "text could not be formatted by \"%s\"", format);
  } else {
    status = CYF_NEW(&text, (size_t)length + 1);
  }
  if (status == CYF_OK) {
    vsnprintf(text, (size_t)length + 1, format, again);
    *ret_text = text;
  }
  va_end(again);
  return status;
}

int64_t cyf_memory_bytes_now(void) {
  return atomic_load(&bytes_now);
}

int64_t cyf_memory_bytes_peak(void) {
  return atomic_load(&bytes_peak);
}

static const char membership[] = "/proc/self/cgroup", mount[] = "/sys/fs/cgroup";

int64_t cyf_memory_total_bytes(void) {
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (pages < 1 || page_bytes < 1) return 0;
  const int64_t of_machine = (int64_t)pages * page_bytes, of_group = cyf_memory_limit(membership, mount);
  return of_machine < of_group ? of_machine : of_group;
}

int64_t cyf_memory_available_bytes(void) {
  FILE *file = fopen("/proc/meminfo", "r");
  char line[128];
  long long kib = 0;
  while (file && kib == 0 && fgets(line, sizeof(line), file)) sscanf(line, "MemAvailable: %lld kB", &kib);
  if (file) fclose(file);
  const int64_t of_machine = (int64_t)kib * 1024;
  const int64_t of_group = cyf_memory_limit_left(membership, mount);
  return of_machine == 0 || of_machine < of_group ? of_machine : of_group;
}

int64_t cyf_peak_memory_bytes(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (int64_t)usage.ru_maxrss * 1024; /* KiB on Linux */
}
