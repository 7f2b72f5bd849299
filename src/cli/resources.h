/* SPDX-License-Identifier: MIT */
/** @file
 * Peak memory of the ranks, for the last line of long commands. */
#ifndef CYF_CLI_RESOURCES_H
#define CYF_CLI_RESOURCES_H

#include <stdint.h>

#include "base/status.h"
#include "comm/comm.h"

/** The most memory this process has had resident so far. */
int64_t cyf_peak_memory_bytes(void);
/** Processor time of all threads of this process so far. */
int64_t cyf_cpu_time_ns(void);
/** Logs the largest peak resident memory over ranks. Collective. */
cyf_status cyf_report_resources(cyf_comm *comm);

#endif
