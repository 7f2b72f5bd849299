/* SPDX-License-Identifier: MIT */
#include "cli/resources.h"

#include "base/log.h"
#include "base/memory.h"

cyf_status cyf_report_resources(cyf_comm *comm) {
  int64_t peak = cyf_peak_memory_bytes();
  CYF_TRY(cyf_comm_max_int64(comm, &peak, 1));
  cyf_info("peak memory: %.2f GB a rank at most", (double)peak / 1e9);
  return CYF_OK;
}
