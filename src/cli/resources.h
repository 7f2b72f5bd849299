/* SPDX-License-Identifier: MIT */
/** @file
 * Peak memory of the ranks, for the last line of long commands. */
#ifndef CYF_CLI_RESOURCES_H
#define CYF_CLI_RESOURCES_H

#include "base/status.h"
#include "comm/comm.h"

/** Logs the largest peak resident memory over ranks. Collective. */
cyf_status cyf_report_resources(cyf_comm *comm);

#endif
