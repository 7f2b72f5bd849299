/* SPDX-License-Identifier: MIT */
/* All ranks learn of one rank's failure. */
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "comm/comm_internal.h"

/* What the lowest failed rank tells the others. */
typedef struct failure_text {
  int64_t code;
  char message[CYF_MESSAGE_BYTES];
} failure_text;

static cyf_status take_over(cyf_comm *comm, int failed_rank, bool with_rank, cyf_status local) {
  failure_text failure = {0};
  if (comm->rank == failed_rank) {
    const char *message = cyf_status_message();
    failure.code = local;
    snprintf(failure.message, sizeof failure.message, "%s", message[0] ? message : cyf_status_name(local));
  }
  const cyf_status status = cyf_comm_broadcast(comm, &failure, sizeof failure, failed_rank);
  if (status != CYF_OK) return local != CYF_OK ? local : status; /* the own message is the more telling one */
  char text[sizeof failure.message + 32];
  snprintf(text, sizeof text, "rank %d: %s", failed_rank, failure.message);
  cyf_status_set((cyf_status)failure.code, with_rank ? text : failure.message);
  comm->failure_agreed = true;
  return (cyf_status)failure.code;
}

cyf_status cyf_comm_agree(cyf_comm *comm, cyf_status local) {
  if (comm->is_broken) return local != CYF_OK ? local : cyf_comm_check(comm);
  comm->failure_agreed = false;
  if (comm->size == 1) {
    comm->failure_agreed = local != CYF_OK;
    return local;
  }
  /* One maximum over ranks tells three things: minus the lowest failed rank, and the greatest and the least checksum
   * of a message, as it is sent with both signs. Where these two are equal, all ranks failed alike (an unreadable file,
   * say), and the message names no rank. */
  int64_t fingerprint = 0;
  if (local != CYF_OK) {
    const char *message = cyf_status_message();
    fingerprint = (int64_t)(cyf_checksum((uint64_t)local, message, strlen(message)) >> 2) + 1;
  }
  int64_t greatest[3] = {local == CYF_OK ? -comm->size : -comm->rank, fingerprint, -fingerprint};
  const cyf_status status = cyf_comm_max_int64(comm, greatest, 3);
  if (status != CYF_OK) return local != CYF_OK ? local : status;
  const int failed_rank = (int)-greatest[0];
  if (failed_rank == comm->size) return CYF_OK;
  const bool all_alike = greatest[1] == -greatest[2];
  return take_over(comm, failed_rank, !all_alike, local);
}
