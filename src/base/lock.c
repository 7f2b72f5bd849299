/* SPDX-License-Identifier: MIT */
/* flock(2): on local disks and, through the server, on NFS. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/memory.h"

enum { HOLDER_BYTES = 160 };

/* Between two looks at a lock that is waited for. */
static const double look_every_s = 0.05;

static void warn_of_no_locks(int error) {
  static atomic_bool warned;
  if (atomic_exchange(&warned, true)) return;
  /* Rank 0 locks whatever a command writes, so that ranks need not all tell of the file system that they share. */
  cyf_warn("this file system has no locks (%s): see to it yourself that no two runs write the same output",
           strerror(error));
}

cyf_lock_outcome cyf_lock_try(int file) {
  int outcome;
  do outcome = flock(file, LOCK_EX | LOCK_NB);
  while (outcome != 0 && errno == EINTR);
  if (outcome == 0) return CYF_LOCK_TAKEN;
  if (errno == EWOULDBLOCK) return CYF_LOCK_HELD;
  warn_of_no_locks(errno);
  return CYF_LOCK_ABSENT;
}

/* Whether the open file is the one that stands at path now. */
static bool stands_at(int file, const char *path) {
  struct stat open_file, there;
  return fstat(file, &open_file) == 0 && lstat(path, &there) == 0 && open_file.st_dev == there.st_dev &&
         open_file.st_ino == there.st_ino;
}

/* For the message that others get. That it cannot be written is no failure: the lock itself is what counts. */
static void write_holder(int lock, const char *command) {
  char text[HOLDER_BYTES], host[64] = "";
  gethostname(host, sizeof host - 1);
  const int length = snprintf(text, sizeof text, "%s (process %ld on %s)", command, (long)getpid(), host);
  if (length > 0 && ftruncate(lock, 0) == 0)
    (void)!pwrite(lock, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, 0);
}

static cyf_status held(int lock, const char *what, const char *command) {
  char holder[HOLDER_BYTES] = "";
  const ssize_t n = pread(lock, holder, sizeof holder - 1, 0);
  holder[n > 0 ? n : 0] = '\0';
  return CYF_FAIL(CYF_ERR_IO, "%s: another run of %s is at work in it", what, n > 0 ? holder : command);
}

/* One try. *ret_lock is -1 where the lock is held or the file went while it was locked (*ret_again). */
static cyf_status take_once(const char *path, const char *what, const char *command, bool may_wait, int *ret_lock,
                            bool *ret_again) {
  *ret_again = false;
  int lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (lock < 0 && errno == EINTR) {
    *ret_again = true;
    return CYF_OK;
  }
  if (lock < 0) return CYF_FAIL(CYF_ERR_IO, "%s: its lock %s cannot be made: %s", what, path, strerror(errno));
  cyf_status status = CYF_OK;
  const cyf_lock_outcome outcome = cyf_lock_try(lock);
  /* A holder removes the file before it gives the lock back. */
  *ret_again = outcome == CYF_LOCK_HELD ? may_wait : !stands_at(lock, path);
  if (outcome == CYF_LOCK_HELD && !may_wait) status = held(lock, what, command);
  if (outcome != CYF_LOCK_HELD && !*ret_again) {
    write_holder(lock, command);
    *ret_lock = lock;
    return CYF_OK;
  }
  close(lock);
  return status;
}

cyf_status cyf_lock_take(const char *path, const char *what, const char *command, double wait_s, int *ret_lock) {
  const double end_s = cyf_clock_s() + wait_s;
  bool again = false;
  *ret_lock = -1;
  for (;;) {
    CYF_TRY(take_once(path, what, command, cyf_clock_s() < end_s, ret_lock, &again));
    if (!again) return CYF_OK;
    if (cyf_interrupt_requested() != 0)
      return CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal while waiting for the lock of %s", what);
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * look_every_s)}, NULL);
  }
}

void cyf_lock_release(const char *path, int *lock) {
  if (*lock < 0) return;
  if (stands_at(*lock, path)) unlink(path);
  close(*lock);
  *lock = -1;
}

static cyf_status lock_path(const char *directory, char **ret_path) {
  return cyf_format(ret_path, "%s/lock", directory);
}

cyf_status cyf_lock_folder(const char *directory, const char *command, int *ret_lock) {
  char *path = NULL;
  *ret_lock = -1;
  CYF_TRY(lock_path(directory, &path));
  const cyf_status status = cyf_lock_take(path, directory, command, 0, ret_lock);
  cyf_free(path);
  return status;
}

void cyf_lock_release_folder(const char *directory, int *lock) {
  char *path = NULL;
  if (*lock < 0 || lock_path(directory, &path) != CYF_OK) return;
  cyf_lock_release(path, lock);
  cyf_free(path);
}
