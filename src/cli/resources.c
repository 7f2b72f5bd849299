/* SPDX-License-Identifier: MIT */
#include "cli/resources.h"

#include <sys/resource.h>
#include <time.h>

#include "base/log.h"

int64_t cyf_peak_memory_bytes(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (int64_t)usage.ru_maxrss * 1024; /* KiB on Linux */
}

int64_t cyf_cpu_time_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

cyf_status cyf_report_resources(cyf_comm *comm) {
  int64_t peak = cyf_peak_memory_bytes();
  CYF_TRY(cyf_comm_max_int64(comm, &peak, 1));
  cyf_info("peak memory: %.2f GB a rank at most", (double)peak / 1e9);
  return CYF_OK;
}
