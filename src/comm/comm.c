/* SPDX-License-Identifier: MIT */
/* The communicator: made, described, freed, aborted. */
#include "comm/comm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "comm/comm_internal.h"
#include "comm/comm_mpi.h"

/* A duplicate of all ranks' communicator keeps our messages apart from HDF5's. Nonblocking, so that a rank that died in
 * its start-up gives an error here rather than a hang. */
static cyf_status duplicate_world(cyf_comm *comm) {
  MPI_Request request;
  CYF_TRY(cyf_comm_mpi_status(comm, MPI_Comm_idup(MPI_COMM_WORLD, &comm->mpi, &request), "duplicating the ranks"));
  CYF_TRY(cyf_comm_wait(comm, 1, &request, NULL, CYF_COMM_WAIT_CONTROL, "the start of all ranks"));
  return cyf_comm_mpi_status(comm, MPI_Comm_set_errhandler(comm->mpi, MPI_ERRORS_RETURN), "setting the error handler");
}

static cyf_status find_local_rank(cyf_comm *comm) {
  MPI_Comm host;
  CYF_TRY(cyf_comm_mpi_status(comm,
                              MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &host),
                              "finding the ranks of this host"));
  MPI_Comm_rank(host, &comm->local_rank);
  MPI_Comm_size(host, &comm->local_size);
  return cyf_comm_mpi_status(comm, MPI_Comm_free(&host), "freeing a communicator");
}

cyf_status cyf_comm_create(double timeout_s, cyf_comm **ret_comm) {
  cyf_status status = CYF_OK;
  cyf_comm *comm = NULL;
  int initialised = 0, finalised = 0, level = MPI_THREAD_SINGLE;
  *ret_comm = NULL;
  MPI_Initialized(&initialised);
  MPI_Finalized(&finalised);
  if (!initialised || finalised) return CYF_FAIL(CYF_ERR_INTERNAL, "cyf_comm_create needs MPI to be initialised");
  if (!(timeout_s > 0))
    return CYF_FAIL(CYF_ERR_INTERNAL, "the time-out of the ranks must be positive, not %g", timeout_s);
  CYF_TRY(CYF_NEW(&comm, 1));
  comm->mpi = MPI_COMM_NULL;
  comm->timeout_s = timeout_s;
  for (int i = 0; i < CYF_COMM_WINDOW; ++i) comm->left_requests[i] = MPI_REQUEST_NULL;
  MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &comm->size);
  MPI_Query_thread(&level);
  comm->threads_multiple = level == MPI_THREAD_MULTIPLE;
  CYF_TRY_CLEANUP(duplicate_world(comm));
  CYF_TRY_CLEANUP(find_local_rank(comm));
  *ret_comm = comm;
  comm = NULL;
cleanup:
  cyf_comm_destroy(&comm);
  return status;
}

void cyf_comm_destroy(cyf_comm **comm) {
  if (!comm || !*comm) return;
  cyf_comm *c = *comm;
  *comm = NULL;
  /* Where requests are still under way after all, MPI keeps pointers into the communicator and its staging block:
   * neither may be freed. The process is about to be aborted then. */
  if (!cyf_comm_finish_left(c)) return;
  int finalised = 0;
  MPI_Finalized(&finalised);
  if (!finalised && c->mpi != MPI_COMM_NULL) MPI_Comm_free(&c->mpi);
  cyf_free(c->left_staging);
  cyf_free(c);
}

int cyf_comm_rank(const cyf_comm *comm) {
  return comm->rank;
}

bool cyf_comm_is_broken(const cyf_comm *comm) {
  return comm->is_broken;
}

int cyf_comm_size(const cyf_comm *comm) {
  return comm->size;
}

int cyf_comm_local_rank(const cyf_comm *comm) {
  return comm->local_rank;
}

int cyf_comm_local_size(const cyf_comm *comm) {
  return comm->local_size;
}

bool cyf_comm_threads_multiple(const cyf_comm *comm) {
  return comm->threads_multiple;
}

void cyf_comm_set_timeout(cyf_comm *comm, double timeout_s) {
  if (!comm->timeout_is_fixed) comm->timeout_s = timeout_s;
}

void cyf_comm_fix_timeout(cyf_comm *comm, double timeout_s) {
  comm->timeout_s = timeout_s;
  comm->timeout_is_fixed = true;
}

double cyf_comm_timeout_s(const cyf_comm *comm) {
  return comm->timeout_s;
}

MPI_Comm cyf_comm_mpi(const cyf_comm *comm) {
  return comm->mpi;
}

bool cyf_comm_failure_agreed(const cyf_comm *comm) {
  return comm->failure_agreed;
}

void cyf_comm_abort(cyf_comm *comm, int exit_code) {
  MPI_Abort(comm && comm->mpi != MPI_COMM_NULL ? comm->mpi : MPI_COMM_WORLD, exit_code);
  _exit(exit_code); /* MPI_Abort may return where the launcher is gone */
}

void cyf_mpi_version(char *text, size_t size) {
  char line[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(line, &length);
  snprintf(text, size, "%.*s", (int)strcspn(line, ",\n"), line);
}
