/* SPDX-License-Identifier: MIT */
/** @file
 * The ranks of one run. Control plane over MPI: small host values, agreement on failure, time-outs. The gradient plane
 * is gradient_plane.h's.
 *
 * Every collective waits with a time-out: a peer that does not arrive within timeout_s gives CYF_ERR_COMM, after which
 * only cyf_comm_abort is allowed. One process without mpirun works the same (size 1). */
#ifndef CYF_COMM_COMM_H
#define CYF_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cyf_comm cyf_comm;

/** Over all ranks, after MPI_Init_thread (cli/main.c). Collective. timeout_s > 0. */
cyf_status cyf_comm_create(double timeout_s, cyf_comm **ret_comm);
/** Collective unless an abort is under way. After a time-out it first waits up to 10 s for the peer that was late.
 * NULL-safe. */
void cyf_comm_destroy(cyf_comm **comm);

int cyf_comm_rank(const cyf_comm *comm);
int cyf_comm_size(const cyf_comm *comm);
int cyf_comm_local_rank(const cyf_comm *comm); /**< rank among those of the same host */
int cyf_comm_local_size(const cyf_comm *comm);
/** True when MPI granted MPI_THREAD_MULTIPLE. */
bool cyf_comm_threads_multiple(const cyf_comm *comm);
/** True after a time-out or an MPI failure: peers may be gone, so nothing collective may be called any more, not even
 * closing a file. */
bool cyf_comm_is_broken(const cyf_comm *comm);
/** Changes the time-out of later collectives. Same value on every rank. */
void cyf_comm_set_timeout(cyf_comm *comm, double timeout_s);

/** Every rank says how its local work went. Returns CYF_OK on all ranks iff all said CYF_OK; otherwise the code and
 * message of the lowest failed rank, on every rank (prefixed "rank R: " where size > 1 and the failures differ). Marks
 * the failure as agreed. Collective. */
cyf_status cyf_comm_agree(cyf_comm *comm, cyf_status local);
/** True when the last failure came from cyf_comm_agree: all ranks know, no abort is needed. */
bool cyf_comm_failure_agreed(const cyf_comm *comm);
/** Ends all ranks at once with this exit code (MPI_Abort). Does not return. */
void cyf_comm_abort(cyf_comm *comm, int exit_code) __attribute__((noreturn));

/** @{ */
/** Collectives on host values, in place, the same count on each rank. Summation order is fixed for a given number of
 * ranks. */
cyf_status cyf_comm_barrier(cyf_comm *comm);
cyf_status cyf_comm_sum_double(cyf_comm *comm, double *values, int64_t count);
cyf_status cyf_comm_max_double(cyf_comm *comm, double *values, int64_t count);
cyf_status cyf_comm_sum_int64(cyf_comm *comm, int64_t *values, int64_t count);
cyf_status cyf_comm_max_int64(cyf_comm *comm, int64_t *values, int64_t count);
/** @} */

/** Copies root's bytes to all; any size (pieces under 2 GiB). */
cyf_status cyf_comm_broadcast(cyf_comm *comm, void *bytes, int64_t n_bytes, int root);
/** Rank r's n_bytes_local go to root's buffer one after another in rank order (ret_bytes, ret_counts[size] on root,
 * cyf_free both; NULL on the others). */
cyf_status cyf_comm_gather(cyf_comm *comm, const void *bytes, int64_t n_bytes_local, int root, void **ret_bytes,
                           int64_t **ret_counts);

/** Rank r gets n_bytes[r] of each rank's `bytes`, which lie there one after another in order of r. *ret_bytes
 * (cyf_free) holds what the ranks sent to this one, in rank order; ret_n_bytes[size], the caller's, how much each. Up
 * to 1 GiB in all out of and into a rank, more is CYF_ERR_INTERNAL. Memory: twice what is sent and received. A failure
 * is agreed.
 */
cyf_status cyf_comm_exchange(cyf_comm *comm, const void *bytes, const int64_t *n_bytes, void **ret_bytes,
                             int64_t *ret_n_bytes);

/** @{ */
/** Point to point, for ordered output: blocking with the time-out. Both sides name the same n_bytes (0 is fine; another
 * size is CYF_ERR_INTERNAL on the receiver); the peer is another rank; tag in 0..32000. Not collective. */
cyf_status cyf_comm_send(cyf_comm *comm, const void *bytes, int64_t n_bytes, int to, int tag);
cyf_status cyf_comm_receive(cyf_comm *comm, void *bytes, int64_t n_bytes, int from, int tag);
/** @} */

/** Writes the MPI library's version line, as loaded, into text[size]. Works before MPI is started. Not collective. */
void cyf_mpi_version(char *text, size_t size);
/** Writes NCCL's version, as loaded, into text[size]; "" where the program was built without it. Needs no GPU. Not
 * collective. */
void cyf_nccl_version(char *text, size_t size);

#endif
