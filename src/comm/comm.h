/* SPDX-License-Identifier: MIT */
/** @file
 * The ranks of one run, and what they tell each other over MPI: small host values, and how their work went. Gradients
 * are summed by gradient_plane.h.
 *
 * Every collective waits with a time-out: a peer that does not arrive within timeout_s gives CYF_ERR_COMM, after which
 * only cyf_comm_destroy and cyf_comm_abort are allowed. One process without mpirun works the same (size 1). Functions
 * that return cyf_status are collective unless they say otherwise; the others are not. */
#ifndef CYF_COMM_COMM_H
#define CYF_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** A communicator over all ranks, with its time-out and whether it is still usable. */
typedef struct cyf_comm cyf_comm;

/** Makes the communicator of all ranks, after MPI_Init_thread; timeout_s > 0 seconds. Collective. Errors: CYF_ERR_COMM,
 * CYF_ERR_MEMORY, CYF_ERR_INTERNAL (MPI not initialised, timeout_s not positive). */
cyf_status cyf_comm_create(double timeout_s, cyf_comm **ret_comm);
/** Frees the communicator and sets *comm to NULL; NULL-safe. After a time-out it first waits up to 10 s for the peer
 * that was late. Collective unless an abort is under way. */
void cyf_comm_destroy(cyf_comm **comm);

/** @{ */
/** This rank, from 0, and the number of ranks. */
int cyf_comm_rank(const cyf_comm *comm);
int cyf_comm_size(const cyf_comm *comm);
/** @} */
/** @{ */
/** This rank among those of the same host, from 0, and their number. */
int cyf_comm_local_rank(const cyf_comm *comm);
int cyf_comm_local_size(const cyf_comm *comm);
/** @} */
/** True when MPI granted MPI_THREAD_MULTIPLE. */
bool cyf_comm_threads_multiple(const cyf_comm *comm);
/** True after a time-out or an MPI failure: peers may be gone, so nothing collective may be called any more, not even
 * closing a file. */
bool cyf_comm_is_broken(const cyf_comm *comm);
/** Changes the time-out of later collectives, in seconds; the same value on every rank. */
void cyf_comm_set_timeout(cyf_comm *comm, double timeout_s);
/** As cyf_comm_set_timeout, and later calls of that change nothing: the user's word (--timeout) goes before what a
 * command thinks right. timeout_s > 0. */
void cyf_comm_fix_timeout(cyf_comm *comm, double timeout_s);
/** The time-out in force, in seconds. */
double cyf_comm_timeout_s(const cyf_comm *comm);

/** Every rank says how its local work went. Returns CYF_OK on all ranks if all said CYF_OK. Otherwise every rank gets
 * the code and message of the lowest failed rank, and the failure counts as agreed. The message is prefixed "rank R: "
 * where not all ranks failed alike. Collective. */
cyf_status cyf_comm_agree(cyf_comm *comm, cyf_status local);
/** True when the last failure came from cyf_comm_agree: all ranks know, no abort is needed. */
bool cyf_comm_failure_agreed(const cyf_comm *comm);
/** Ends all ranks at once with this exit code (MPI_Abort). Does not return. Any rank may call it alone. */
void cyf_comm_abort(cyf_comm *comm, int exit_code) __attribute__((noreturn));

/** @{ */
/** Barrier, sums and maxima over all ranks: values[count] in host memory, in place, the same count on each rank. The
 * order of summation is fixed for a given number of ranks. Collective. Errors: CYF_ERR_COMM, CYF_ERR_MEMORY. */
cyf_status cyf_comm_barrier(cyf_comm *comm);
cyf_status cyf_comm_sum_double(cyf_comm *comm, double *values, int64_t count);
cyf_status cyf_comm_max_double(cyf_comm *comm, double *values, int64_t count);
cyf_status cyf_comm_sum_int64(cyf_comm *comm, int64_t *values, int64_t count);
cyf_status cyf_comm_max_int64(cyf_comm *comm, int64_t *values, int64_t count);
/** @} */

/** Copies root's bytes[n_bytes] to all ranks' bytes; any size. Collective. Errors: CYF_ERR_COMM, CYF_ERR_MEMORY. */
cyf_status cyf_comm_broadcast(cyf_comm *comm, void *bytes, int64_t n_bytes, int root);
/** Puts all ranks' bytes[n_bytes_local] one after another, in rank order, into *ret_bytes of root. There
 * (*ret_counts)[size] says how many each rank sent; cyf_free both. Other ranks get NULL. Collective. */
cyf_status cyf_comm_gather(cyf_comm *comm, const void *bytes, int64_t n_bytes_local, int root, void **ret_bytes,
                           int64_t **ret_counts);

/** Every rank sends each rank its own bytes. `bytes` holds n_bytes[r] bytes for rank r, one rank after another.
 * *ret_bytes (cyf_free) holds what the ranks sent to this one, in rank order; ret_n_bytes[size], the caller's, says how
 * much each sent. A rank sends and receives up to 1 GiB in all; more is CYF_ERR_INTERNAL. Memory: twice what is sent
 * and received. A failure is agreed. Collective. */
cyf_status cyf_comm_exchange(cyf_comm *comm, const void *bytes, const int64_t *n_bytes, void **ret_bytes,
                             int64_t *ret_n_bytes);

/** @{ */
/** One message to or from another rank, waiting with the time-out; tag in 0..32000. Both sides name the same n_bytes (0
 * is fine); another size is CYF_ERR_INTERNAL on the receiver. Not collective. */
cyf_status cyf_comm_send(cyf_comm *comm, const void *bytes, int64_t n_bytes, int to, int tag);
cyf_status cyf_comm_receive(cyf_comm *comm, void *bytes, int64_t n_bytes, int from, int tag);
/** @} */

/** Writes the MPI library's version line, as loaded, into text[size]. Works before MPI is started. Not collective. */
void cyf_mpi_version(char *text, size_t size);
/** Writes NCCL's version, as loaded, into text[size]; "" where the program was built without it. Needs no GPU. Not
 * collective. */
void cyf_nccl_version(char *text, size_t size);

#endif
