/* SPDX-License-Identifier: MIT */
/** @file
 * Host memory that is counted, overflow-checked, zeroed and 64-byte aligned. Not collective. */
#ifndef CYF_BASE_MEMORY_H
#define CYF_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** Allocates count * size zeroed bytes, 64-byte aligned; count 0 gives a valid non-NULL pointer. Free with cyf_free.
 * Errors: CYF_ERR_MEMORY with the size in the message. Thread-safe. */
cyf_status cyf_alloc(size_t count, size_t size, void **ret_memory);

/** Resizes a block of cyf_alloc (*memory NULL: a new one), keeping min(old, new) bytes; new bytes are zero. On error
 * *memory stays. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_realloc(void **memory, size_t count, size_t size);

/** Frees *memory and sets it to NULL; NULL-safe (memory itself and *memory may be NULL). */
void cyf_free_at(void **memory);
/** Frees what a pointer variable of any type holds and sets the variable to NULL; NULL is fine. */
#define cyf_free(pointer_variable) cyf_free_at((void **)&(pointer_variable))

/** Typed shorthand: CYF_NEW(&array, count) allocates count elements of *array's type. */
#define CYF_NEW(pointer, count) cyf_alloc((size_t)(count), sizeof(**(pointer)), (void **)(pointer))

/** A copy of the string, to be freed with cyf_free. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_strdup(const char *text, char **ret_copy);

/** printf into a fresh string, to be freed with cyf_free. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_format(char **ret_text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** @{ */
/** Bytes held through cyf_alloc now, and the highest so far in this process. */
int64_t cyf_memory_bytes_now(void);
int64_t cyf_memory_bytes_peak(void);
/** @} */

/** The most memory this process has had resident so far, bytes. */
int64_t cyf_peak_memory_bytes(void);
/** Bytes of memory of this machine, or what a scheduler grants the job where that is less. 0 where the system does not
 * tell. */
int64_t cyf_memory_total_bytes(void);
/** Bytes that this process could still take without swapping: what the machine has, or what a scheduler leaves to the
 * job where that is less. 0 where the system does not tell. */
int64_t cyf_memory_available_bytes(void);

#endif
