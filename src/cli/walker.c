/* SPDX-License-Identifier: MIT */
#include "cli/walker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/hdf5/hdf5_walk.h"

/* Without progress for so long, HDF5 loops: a step reads a few pages. */
enum { STILL_MS = 20000, PROGRESS_FD = 3 };

/* What HDF5 may ask for. It is more than it needs: where this process is granted a damaged size and crashes on it, the
 * other one must be too. What is not touched takes no memory. */
static const rlim_t memory_bytes = (rlim_t)64 << 30;

static const char command[] = "walk-hdf5";

bool cyf_walker_is_asked(int argc, char **argv, int *ret_code) {
  if (argc != 3 || strcmp(argv[1], command) != 0) return false;
  const struct rlimit none = {0, 0}, memory = {memory_bytes, memory_bytes};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_DATA, &memory);
  *ret_code = cyf_h5_walk(argv[2], PROGRESS_FD);
  return true;
}

static cyf_status start(const char *path, int ends[2], pid_t *ret_child) {
  static char *const environment[] = {"LANG=C.UTF-8", "HDF5_USE_FILE_LOCKING=FALSE", "OMP_NUM_THREADS=1", NULL, NULL};
  char *own[5], *library_path = NULL;
  memcpy(own, environment, sizeof own);
  const char *libraries = getenv("LD_LIBRARY_PATH"); /* where the program's libraries are found */
  if (libraries) CYF_TRY(cyf_format(&library_path, "LD_LIBRARY_PATH=%s", libraries));
  own[3] = library_path;
  char *const arguments[] = {"cytoforge", (char *)(uintptr_t)command, (char *)(uintptr_t)path, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], PROGRESS_FD);
  const int failed = posix_spawn(ret_child, "/proc/self/exe", &actions, NULL, arguments, own);
  posix_spawn_file_actions_destroy(&actions);
  cyf_free(library_path);
  if (failed) *ret_child = -1;
  return CYF_OK;
}

/* Returns when the process has ended or stood still; whether it ended. */
static bool watch(int progress) {
  char bytes[512];
  for (;;) {
    struct pollfd one = {.fd = progress, .events = POLLIN};
    const int ready = poll(&one, 1, STILL_MS);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t n = read(progress, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
  }
}

cyf_status cyf_walker_walk(const char *path) {
  int ends[2], outcome = 0;
  pid_t child = -1;
  if (pipe2(ends, O_CLOEXEC) != 0) return CYF_OK;
  const cyf_status status = start(path, ends, &child);
  close(ends[1]);
  if (status != CYF_OK || child < 0) {
    close(ends[0]);
    if (status == CYF_OK) cyf_debug("%s: no process could be started to walk it first", path);
    return status;
  }
  const bool ended = watch(ends[0]);
  if (!ended) kill(child, SIGKILL);
  while (waitpid(child, &outcome, 0) < 0 && errno == EINTR) continue;
  close(ends[0]);
  if (!ended)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: HDF5 cannot walk it (no progress for %d s)", path, STILL_MS / 1000);
  if (WIFSIGNALED(outcome))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: HDF5 cannot walk it (%s)", path, strsignal(WTERMSIG(outcome)));
  if (WIFEXITED(outcome) && WEXITSTATUS(outcome) == CYF_H5_WALK_OVERRUNS)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: HDF5 cannot walk it (a text is longer than its stored length)", path);
  return CYF_OK;
}
