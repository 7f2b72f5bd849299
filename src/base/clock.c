/* SPDX-License-Identifier: MIT */
/* Monotonic time, processor time, and times as text. */
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

double cyf_clock_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void cyf_clock_utc(char *text, size_t size) {
  const time_t now = time(NULL);
  struct tm utc;
  gmtime_r(&now, &utc);
  if (size > 0 && strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) text[0] = '\0';
}

void cyf_clock_duration(double seconds, char *text, size_t size) {
  /* Ten million hours still fit the buffer; anything else is no duration. */
  if (!(seconds >= 0) || seconds > 3.6e10) {
    snprintf(text, size, "unknown");
    return;
  }
  const long long whole_s = llround(seconds);
  if (whole_s >= 3600) {
    snprintf(text, size, "%lldh%02lldm", whole_s / 3600, whole_s / 60 % 60);
  } else if (whole_s >= 60) {
    snprintf(text, size, "%lldm%02llds", whole_s / 60, whole_s % 60);
  } else {
    snprintf(text, size, "%llds", whole_s);
  }
}

int64_t cyf_cpu_time_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
