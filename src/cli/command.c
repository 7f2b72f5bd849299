/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "kernels/device.h"

/* A folder that cannot be written to is an error before the work, not after it. */
static cyf_status check_folder_of(const char *path) {
  char *copy = NULL;
  CYF_TRY(cyf_strdup(path, &copy));
  const char *folder = dirname(copy);
  cyf_status status = CYF_OK;
  if (access(folder, W_OK | X_OK) != 0)
    status = CYF_FAIL(CYF_ERR_IO, "cannot write %s: folder %s: %s", path, folder, strerror(errno));
  cyf_free(copy);
  return status;
}

static cyf_status exists_already(const char *path) {
  return CYF_FAIL(CYF_ERR_IO, "%s exists; give another name or --force to replace it", path);
}

cyf_status cyf_check_output(const char *path, bool force) {
  char *target = NULL;
  bool exists = false;
  CYF_TRY(cyf_output_target(path, &target));
  cyf_status status = cyf_file_exists(target, &exists);
  if (status == CYF_OK) status = !force && exists ? exists_already(path) : check_folder_of(target);
  cyf_free(target);
  return status;
}

cyf_status cyf_check_output_folder(const char *path, bool force) {
  bool exists = false, is_directory = false;
  CYF_TRY(cyf_file_exists(path, &exists));
  if (!exists) return check_folder_of(path);
  CYF_TRY(cyf_is_directory(path, &is_directory));
  if (!is_directory) return CYF_FAIL(CYF_ERR_IO, "%s exists and is no directory; give another name", path);
  if (!force) return exists_already(path);
  if (access(path, W_OK | X_OK) != 0) return CYF_FAIL(CYF_ERR_IO, "cannot write into %s: %s", path, strerror(errno));
  return CYF_OK;
}

cyf_status cyf_need(const cyf_usage *usage, const void *value, const char *what) {
  if (value != NULL) return CYF_OK;
  return CYF_FAIL(CYF_ERR_USAGE, "%s: %s is needed; see cytoforge %s --help", usage->command, what, usage->command);
}

int cyf_choose_threads(const cyf_comm *comm, int64_t asked) {
  int n_online = (int)sysconf(_SC_NPROCESSORS_ONLN), n_local = cyf_comm_local_size(comm);
  int allowed = cyf_cpus_allowed();
  const char *from_environment = getenv("OMP_NUM_THREADS");
  int share = n_online / n_local > 1 ? n_online / n_local : 1;
  int n = allowed < share ? allowed : share;
  if (from_environment != NULL && atoi(from_environment) > 0) n = atoi(from_environment);
  if (asked > 0) n = (int)asked;
  bool starved = asked <= 0 && from_environment == NULL && allowed * n_local < n_online;
  if (starved && cyf_comm_local_rank(comm) == 0)
    cyf_log_any_rank(CYF_LOG_WARN,
                     "mpirun binds each of the %d ranks here to %d of %d CPUs; give it --bind-to none (or --map-by "
                     "slot:PE=%d) to use them all",
                     n_local, allowed, n_online, share);
  cyf_set_threads(n);
  return n;
}
