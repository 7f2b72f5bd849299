/* SPDX-License-Identifier: MIT */
/** @file
 * The communicator's members, waiting, and limits of transfers: shared by the files of comm, not for others. */
#ifndef CYF_COMM_COMM_INTERNAL_H
#define CYF_COMM_COMM_INTERNAL_H

#include <mpi.h>

#include "comm/comm.h"

/** The most MPI requests that one wait watches, and so the most that a time-out leaves unfinished. */
enum { CYF_COMM_WINDOW = 4 };

/** One MPI call moves at most this many bytes: counts are `int`, and some MPI layers fail well below 2^31. */
#define CYF_COMM_PIECE_BYTES INT64_C(1073741824)

/** Tags of our own messages, above those of cyf_comm_send. MPI guarantees tags up to 32767. */
enum {
  CYF_COMM_TAG_USER_MAX = 32000,
  CYF_COMM_TAG_GATHER = 32001,
  CYF_COMM_TAG_GRADIENTS = 32002,
  CYF_COMM_TAG_EXCHANGE = 32003
};

struct cyf_comm {
  MPI_Comm mpi;
  int rank, size;
  int local_rank, local_size;
  bool threads_multiple;
  bool failure_agreed;
  bool is_broken; /**< a wait ran out of time or MPI failed: the ranks are no longer in step */
  double timeout_s;
  bool timeout_is_fixed; /* by the user */
  /** What a failed wait left under way: MPI may still touch the buffers, so they are kept until destroy. */
  MPI_Request left_requests[CYF_COMM_WINDOW];
  void *left_staging;
};

/** How long a wait keeps its core busy: control messages are short, while bulk transfers only go on inside calls to
 * MPI. */
typedef enum cyf_comm_wait_kind { CYF_COMM_WAIT_CONTROL, CYF_COMM_WAIT_BULK } cyf_comm_wait_kind;

/** Fails at once when the communicator is broken. */
cyf_status cyf_comm_check(const cyf_comm *comm);

/** CYF_OK, or CYF_ERR_COMM with MPI's own text; then the communicator is broken. */
cyf_status cyf_comm_mpi_status(cyf_comm *comm, int mpi_code, const char *what);

/** Waits for n_requests <= CYF_COMM_WINDOW requests with the time-out. `staging` (NULL allowed) is a cyf_alloc'ed block
 * that the requests use: on failure the communicator takes it and the unfinished requests over and sets *staging to
 * NULL. */
cyf_status cyf_comm_wait(cyf_comm *comm, int n_requests, MPI_Request *requests, void **staging, cyf_comm_wait_kind kind,
                         const char *what);

/** Gives way between two looks at MPI, the more the longer the wait has lasted. */
void cyf_comm_back_off(double waited_s, cyf_comm_wait_kind kind);
/** Fails: a peer did not answer within the time-out. Marks the communicator as broken. */
cyf_status cyf_comm_timed_out(cyf_comm *comm, const char *what);

/** Waits, for some seconds at most, for what an earlier failure left under way; true when all of it has ended. */
bool cyf_comm_finish_left(cyf_comm *comm);

/** A long transfer is done in pieces: bytes of the piece that starts at `offset`, at most CYF_COMM_PIECE_BYTES. */
static inline int cyf_comm_piece(int64_t n_bytes, int64_t offset) {
  return (int)(n_bytes - offset < CYF_COMM_PIECE_BYTES ? n_bytes - offset : CYF_COMM_PIECE_BYTES);
}

/** Transfers up to this size are copied into a block of the communicator's own. So a time-out never leaves MPI with a
 * pointer into a caller's stack or freed memory. Larger ones work in place. */
enum { CYF_COMM_STAGED_BYTES_MAX = 1 << 20 };

/** @{ */
/** Sums values[count] (host memory, up to CYF_COMM_PIECE_BYTES) over all ranks in place by a ring all-reduce. Every
 * rank gets the same bits, and the same number of ranks gives the same bits again. *staging is a block of cyf_alloc
 * with cyf_comm_bucket_staging_floats(count) floats. On failure the communicator may take it over and set *staging to
 * NULL. The values are then undefined, and MPI may touch them until the communicator is aborted or destroyed.
 * Collective. */
cyf_status cyf_comm_sum_bucket(cyf_comm *comm, float *values, int64_t count, void **staging);
int64_t cyf_comm_bucket_staging_floats(const cyf_comm *comm, int64_t count);
/** @} */

/** @{ */
/** cyf_comm_send and cyf_comm_receive with any tag, those above included. */
cyf_status cyf_comm_send_tagged(cyf_comm *comm, const void *bytes, int64_t n_bytes, int to, int tag);
cyf_status cyf_comm_receive_tagged(cyf_comm *comm, void *bytes, int64_t n_bytes, int from, int tag);
/** @} */

#endif
