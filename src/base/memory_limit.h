/* SPDX-License-Identifier: MIT */
/** @file
 * Memory limits that a scheduler or a container sets on a group of processes (Linux control groups). */
#ifndef CYF_BASE_MEMORY_LIMIT_H
#define CYF_BASE_MEMORY_LIMIT_H

#include <stdint.h>

/** Bytes that this process' control group, and those above it, may take in all. INT64_MAX: no limit is set, or none can
 * be read. `membership` and `mount` are where the system shows them, "/proc/self/cgroup" and "/sys/fs/cgroup"; both
 * versions of control groups are understood. */
int64_t cyf_memory_limit(const char *membership, const char *mount);
/** Bytes that these groups may still take; INT64_MAX as above. Cached pages of files count as free, since the system
 * gives them up first. */
int64_t cyf_memory_limit_left(const char *membership, const char *mount);

#endif
