/* SPDX-License-Identifier: MIT */
/* Partial files: made, swept away, given their names. */
#include "base/partial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/lock.h"
#include "base/memory.h"

static const char infix[] = ".partial.";
enum { DIGITS = 8, SUFFIX = sizeof infix - 1 + DIGITS };

/* Two runs that begin at the same moment may each see the other: both give way, and try again at other moments. */
enum { TRIES = 4 };

/* ---- leftovers ---- */

/* Whether `name` is "TARGET.partial.XXXXXXXX" with a TARGET that begins with `prefix` or, exactly, is it. */
static bool is_partial(const char *name, const char *prefix, bool exactly) {
  const size_t length = strlen(name), n = strlen(prefix);
  if (length <= SUFFIX || strncmp(name, prefix, n) != 0) return false;
  if (exactly ? length != n + SUFFIX : length < n + SUFFIX) return false;
  const char *end = name + length - SUFFIX;
  return strncmp(end, infix, sizeof infix - 1) == 0 &&
         strspn(end + sizeof infix - 1, "0123456789abcdef") == (size_t)DIGITS;
}

/* Removes the partial file unless its lock is held; then *ret_held is set. One whose owner has not locked it yet may be
 * removed: the owner sees that and makes another. */
static void remove_if_left(int folder, const char *name, bool *ret_held) {
  struct stat opened, there;
  const int file = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return;
  if (fstat(file, &opened) == 0 && S_ISREG(opened.st_mode)) {
    const cyf_lock_outcome outcome = cyf_lock_try(file);
    const bool same = fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_ino == opened.st_ino &&
                      there.st_dev == opened.st_dev;
    if (outcome == CYF_LOCK_TAKEN && same) unlinkat(folder, name, 0);
    if (outcome == CYF_LOCK_HELD && same) *ret_held = true;
  }
  close(file);
}

/* Removes what killed runs left; *ret_held: one is at work. `own` (NULL: none) is passed over. */
static cyf_status sweep(const char *directory, const char *prefix, bool exactly, const char *own, bool *ret_held) {
  *ret_held = false;
  DIR *stream = opendir(directory);
  if (!stream && errno == ENOENT) return CYF_OK;
  if (!stream) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(errno));
  const struct dirent *entry = NULL;
  while (errno = 0, (entry = readdir(stream)) != NULL) {
    if (!is_partial(entry->d_name, prefix, exactly) || (own && strcmp(entry->d_name, own) == 0)) continue;
    remove_if_left(dirfd(stream), entry->d_name, ret_held);
  }
  const int error = errno;
  closedir(stream);
  return error == 0 ? CYF_OK : CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(error));
}

cyf_status cyf_partial_remove_left(const char *directory, const char *prefix) {
  bool is_held = false;
  return sweep(directory, prefix, false, NULL, &is_held);
}

/* ---- making ---- */

static uint32_t draw(void) {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, GRND_NONBLOCK) == (ssize_t)sizeof number) return number;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint32_t)now.tv_nsec * 2654435761u ^ (uint32_t)getpid();
}

/* A target's folder and name; the latter is shortened where its partial file's name would be too long. */
static cyf_status split(const char *target, char **ret_folder, char **ret_stem) {
  const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
  CYF_TRY(slash ? cyf_format(ret_folder, "%.*s", slash == target ? 1 : (int)(slash - target), target)
                : cyf_strdup(".", ret_folder));
  return cyf_format(ret_stem, "%.*s", NAME_MAX - SUFFIX, name);
}

/* Makes a locked partial file; partial->path is NULL where a sweep was faster than the lock. */
static cyf_status make_one(const char *path, const char *target, const char *stem, cyf_partial *partial,
                           int *ret_file) {
  const char *slash = strrchr(target, '/');
  const int folder_length = slash ? (int)(slash - target) + 1 : 0;
  int file;
  do {
    cyf_free(partial->path);
    CYF_TRY(cyf_format(&partial->path, "%.*s%s%s%08x", folder_length, target, stem, infix, draw()));
    file = open(partial->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  } while (file < 0 && (errno == EEXIST || errno == EINTR));
  if (file < 0) {
    const int error = errno;
    cyf_free(partial->path);
    return CYF_FAIL(CYF_ERR_IO, "cannot write '%s': %s", path, strerror(error));
  }
  struct stat info;
  const bool is_gone = cyf_lock_try(file) == CYF_LOCK_HELD || fstat(file, &info) != 0 || info.st_nlink == 0;
  partial->lock = is_gone ? -1 : fcntl(file, F_DUPFD_CLOEXEC, 0);
  if (!is_gone && partial->lock >= 0) {
    *ret_file = file;
    return CYF_OK;
  }
  const int error = errno;
  unlink(partial->path);
  close(file);
  cyf_free(partial->path);
  return is_gone ? CYF_OK : CYF_FAIL(CYF_ERR_IO, "cannot write '%s': %s", path, strerror(error));
}

/* One try; partial->path is NULL where another run is, or may be, at work on the target. */
static cyf_status try_create(const char *path, const char *target, cyf_partial *partial, int *ret_file) {
  char *folder = NULL, *stem = NULL;
  bool is_held = false;
  cyf_status status = split(target, &folder, &stem);
  if (status == CYF_OK) status = make_one(path, target, stem, partial, ret_file);
  if (status == CYF_OK && partial->path) {
    const char *slash = strrchr(partial->path, '/');
    status = sweep(folder, stem, true, slash ? slash + 1 : partial->path, &is_held);
    if (status != CYF_OK || is_held) {
      close(*ret_file);
      *ret_file = -1;
      cyf_partial_discard(partial);
    }
  }
  cyf_free(folder);
  cyf_free(stem);
  return status;
}

cyf_status cyf_partial_create(const char *path, cyf_partial *ret_partial, int *ret_file) {
  char *target = NULL;
  *ret_partial = CYF_PARTIAL_NONE;
  *ret_file = -1;
  CYF_TRY(cyf_output_target(path, &target));
  cyf_status status = CYF_OK;
  for (int i = 0; i < TRIES && status == CYF_OK && !ret_partial->path; i++) {
    if (i > 0) nanosleep(&(struct timespec){.tv_nsec = (long)(draw() % 50 + 1) * 1000000}, NULL);
    status = try_create(path, target, ret_partial, ret_file);
  }
  cyf_free(target);
  if (status == CYF_OK && !ret_partial->path)
    status = CYF_FAIL(CYF_ERR_IO, "%s: another run is writing it; wait for it, or give another name", path);
  return status;
}

void cyf_partial_discard(cyf_partial *partial) {
  if (partial->path) unlink(partial->path);
  if (partial->lock >= 0) close(partial->lock);
  cyf_free(partial->path);
  partial->lock = -1;
}

/* ---- giving the name ---- */

cyf_status cyf_partial_commit(cyf_partial *partial, const char *path) {
  char *target = NULL;
  cyf_status status = cyf_output_target(path, &target); /* again: hours may have passed */
  if (status == CYF_OK) status = cyf_sync_file(partial->path);
  if (status == CYF_OK && rename(partial->path, target) != 0)
    status = CYF_FAIL(CYF_ERR_IO, "cannot rename '%s' to '%s': %s", partial->path, target, strerror(errno));
  if (status == CYF_OK) {
    cyf_free(partial->path); /* there is none to remove any more */
    status = cyf_sync_folder_of(target);
  }
  cyf_partial_discard(partial);
  cyf_free(target);
  return status;
}

/* ---- small files ---- */

static cyf_status write_all(int file, const char *path, const char *bytes, size_t size) {
  while (size > 0) {
    const ssize_t n = write(file, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return CYF_FAIL(CYF_ERR_IO, "cannot write '%s': %s", path, strerror(n < 0 ? errno : EIO));
    bytes += n;
    size -= (size_t)n;
  }
  return CYF_OK;
}

cyf_status cyf_write_text_file(const char *path, const char *text) {
  return cyf_write_bytes_file(path, text, strlen(text));
}

cyf_status cyf_write_bytes_file(const char *path, const void *bytes, size_t size) {
  cyf_partial partial;
  int file = -1;
  CYF_TRY(cyf_partial_create(path, &partial, &file));
  cyf_status status = write_all(file, path, bytes, size);
  if (!cyf_close_file(&file) && status == CYF_OK)
    status = CYF_FAIL(CYF_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
  if (status == CYF_OK) return cyf_partial_commit(&partial, path);
  cyf_partial_discard(&partial);
  return status;
}
