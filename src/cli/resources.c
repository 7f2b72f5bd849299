#include "cli/resources.h"

#include <sys/resource.h>

#include "base/log.h"

cyf_status cyf_report_resources(cyf_comm *comm) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  int64_t peak_kib = usage.ru_maxrss; /* KiB on Linux */
  CYF_TRY(cyf_comm_max_int64(comm, &peak_kib, 1));
  cyf_info("peak memory: %.2f GB a rank at most", (double)peak_kib * 1024 / 1e9);
  return CYF_OK;
}
