/* SPDX-License-Identifier: MIT */
/** @file
 * Monotonic time, processor time, and times as text. Not collective. */
#ifndef CYF_BASE_CLOCK_H
#define CYF_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/** Seconds since an arbitrary fixed point, monotonic. */
double cyf_clock_s(void);

/** Processor time of all threads of this process so far, nanoseconds. */
int64_t cyf_cpu_time_ns(void);

/** Writes UTC time as "2026-01-31T12:34:56Z" into text[size], size >= 21. */
void cyf_clock_utc(char *text, size_t size);

/** Writes a duration as "1h02m", "3m07s" or "12s" into text[size], size >= 16. */
void cyf_clock_duration(double seconds, char *text, size_t size);

#endif
