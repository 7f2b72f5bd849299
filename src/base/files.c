/* SPDX-License-Identifier: MIT */
/* Files and folders. */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

/* The one place that tells absence from a failure to look. */
static cyf_status look_up(const char *path, struct stat *info, bool *ret_exists) {
  *ret_exists = stat(path, info) == 0;
  if (*ret_exists || errno == ENOENT || errno == ENOTDIR) return CYF_OK;
  return CYF_FAIL(CYF_ERR_IO, "cannot look up '%s': %s", path, strerror(errno));
}

cyf_status cyf_file_exists(const char *path, bool *ret_exists) {
  struct stat info;
  return look_up(path, &info, ret_exists);
}

cyf_status cyf_is_directory(const char *path, bool *ret_is) {
  struct stat info;
  CYF_TRY(look_up(path, &info, ret_is));
  *ret_is = *ret_is && S_ISDIR(info.st_mode);
  return CYF_OK;
}

cyf_status cyf_file_size_bytes(const char *path, int64_t *ret_bytes) {
  struct stat info;
  bool exists = false;
  *ret_bytes = 0;
  CYF_TRY(look_up(path, &info, &exists));
  if (!exists) return CYF_FAIL(CYF_ERR_IO, "'%s' is not there", path);
  *ret_bytes = (int64_t)info.st_size;
  return CYF_OK;
}

static cyf_file_identity identity_of(const struct stat *info) {
  return (cyf_file_identity){.bytes = (int64_t)info->st_size,
                             .changed_s = (int64_t)info->st_mtim.tv_sec,
                             .changed_ns = (int64_t)info->st_mtim.tv_nsec,
                             .device = (uint64_t)info->st_dev,
                             .inode = (uint64_t)info->st_ino,
                             .is_regular = S_ISREG(info->st_mode)};
}

cyf_status cyf_file_identify(const char *path, cyf_file_identity *ret_identity) {
  struct stat info;
  bool exists = false;
  CYF_TRY(look_up(path, &info, &exists));
  if (!exists) return CYF_FAIL(CYF_ERR_INPUT, "%s: no such file", path);
  *ret_identity = identity_of(&info);
  return CYF_OK;
}

cyf_status cyf_file_identify_open(int file, const char *path, cyf_file_identity *ret_identity) {
  struct stat info;
  if (fstat(file, &info) != 0) return CYF_FAIL(CYF_ERR_IO, "cannot look up '%s': %s", path, strerror(errno));
  *ret_identity = identity_of(&info);
  return CYF_OK;
}

cyf_status cyf_file_check_same(const char *path, const cyf_file_identity *before, const cyf_file_identity *now) {
  if (now->bytes != before->bytes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: has changed while it was read: it had %lld bytes and now has %lld", path,
                    (long long)before->bytes, (long long)now->bytes);
  if (now->device != before->device || now->inode != before->inode)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: has changed while it was read: another file has its name", path);
  if (now->changed_s != before->changed_s || now->changed_ns != before->changed_ns)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: has changed while it was read: it was written to", path);
  return CYF_OK;
}

/* One level; somebody else having made it meanwhile is as good. */
static cyf_status make_one_directory(const char *path, const char *whole_path) {
  if (mkdir(path, 0777) == 0) return CYF_OK;
  const int error = errno;
  bool is_directory = false;
  CYF_TRY(cyf_is_directory(path, &is_directory));
  if (is_directory) return CYF_OK;
  if (error == EEXIST)
    return CYF_FAIL(CYF_ERR_IO, "cannot create directory '%s': '%s' exists and is not a directory", whole_path, path);
  return CYF_FAIL(CYF_ERR_IO, "cannot create directory '%s': %s", whole_path, strerror(error));
}

cyf_status cyf_make_directory(const char *path) {
  cyf_status status = CYF_OK;
  char *prefix = NULL;
  if (path[0] == '\0') return CYF_FAIL(CYF_ERR_IO, "cannot create a directory without a name");
  CYF_TRY(cyf_strdup(path, &prefix));
  for (char *c = prefix + 1; *c; ++c) {
    if (*c != '/') continue;
    *c = '\0';
    CYF_TRY_CLEANUP(make_one_directory(prefix, path));
    *c = '/';
  }
  CYF_TRY_CLEANUP(make_one_directory(prefix, path));
cleanup:
  cyf_free(prefix);
  return status;
}

cyf_status cyf_remove_file(const char *path) {
  if (unlink(path) == 0 || errno == ENOENT) return CYF_OK;
  return CYF_FAIL(CYF_ERR_IO, "cannot remove '%s': %s", path, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info, (void)type, (void)walk;
  if (remove(path) == 0 || errno == ENOENT) return 0;
  (void)CYF_FAIL(CYF_ERR_IO, "cannot remove '%s': %s", path, strerror(errno));
  return 1;
}

cyf_status cyf_remove_tree(const char *path) {
  struct stat info;
  if (path[0] == '\0') return CYF_FAIL(CYF_ERR_INTERNAL, "refusing to remove a directory without a name");
  if (lstat(path, &info) != 0) {
    if (errno == ENOENT) return CYF_OK;
    return CYF_FAIL(CYF_ERR_IO, "cannot remove '%s': %s", path, strerror(errno));
  }
  /* However it is spelt: "/", "//", "/tmp/..". A link is removed itself, whatever it points to. */
  char *resolved = S_ISLNK(info.st_mode) ? NULL : realpath(path, NULL);
  const bool is_root = resolved && strcmp(resolved, "/") == 0;
  free(resolved);
  if (is_root) return CYF_FAIL(CYF_ERR_INTERNAL, "refusing to remove '%s': it is the root directory", path);
  const int outcome = nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
  if (outcome == 0) return CYF_OK;
  if (outcome > 0) return CYF_ERR_IO; /* remove_entry has said why */
  return CYF_FAIL(CYF_ERR_IO, "cannot remove '%s': %s", path, strerror(errno));
}

cyf_status cyf_path_join(const char *directory, const char *name, char **ret_path) {
  const size_t length = strlen(directory);
  const bool has_slash = length == 0 || directory[length - 1] == '/';
  return cyf_format(ret_path, "%s%s%s", directory, has_slash ? "" : "/", name);
}

static const char *kind_of(mode_t mode) {
  return S_ISDIR(mode)                    ? "a directory"
         : S_ISFIFO(mode)                 ? "a FIFO"
         : S_ISSOCK(mode)                 ? "a socket"
         : S_ISBLK(mode) || S_ISCHR(mode) ? "a device"
                                          : "no regular file";
}

cyf_status cyf_output_target(const char *path, char **ret_target) {
  struct stat info;
  bool exists = false;
  *ret_target = NULL;
  CYF_TRY(look_up(path, &info, &exists));
  if (exists && !S_ISREG(info.st_mode))
    return CYF_FAIL(CYF_ERR_IO, "%s is %s, and only a regular file can be replaced; give another name", path,
                    kind_of(info.st_mode));
  exists = lstat(path, &info) == 0;
  if (!exists && errno != ENOENT && errno != ENOTDIR)
    return CYF_FAIL(CYF_ERR_IO, "cannot look up '%s': %s", path, strerror(errno));
  if (!exists || !S_ISLNK(info.st_mode)) return cyf_strdup(path, ret_target);
  char *resolved = realpath(path, NULL);
  if (!resolved)
    return CYF_FAIL(CYF_ERR_IO, "%s is a link that leads to no file (%s); remove it or give another name", path,
                    strerror(errno));
  const cyf_status status = cyf_strdup(resolved, ret_target);
  free(resolved);
  return status;
}

cyf_status cyf_input_error(int error) {
  static const int of_the_name[] = {ENOENT, ENOTDIR, EACCES, EPERM, EISDIR, ELOOP, ENAMETOOLONG};
  for (size_t i = 0; i < sizeof(of_the_name) / sizeof(*of_the_name); ++i)
    if (error == of_the_name[i]) return CYF_ERR_INPUT;
  return CYF_ERR_IO;
}

int cyf_open_file(const char *path, int flags) {
  int file;
  do file = open(path, flags | O_CLOEXEC, 0666);
  while (file < 0 && errno == EINTR);
  return file;
}

bool cyf_close_file(int *file) {
  const int closed = *file < 0 ? 0 : close(*file);
  *file = -1;
  return closed == 0 || errno == EINTR;
}

/* Opens, syncs and closes; a file system that cannot sync a directory is no error. */
static cyf_status sync_path(const char *path, bool is_directory) {
  int file = cyf_open_file(path, O_RDONLY | (is_directory ? O_DIRECTORY : 0)), outcome;
  if (file < 0) return CYF_FAIL(CYF_ERR_IO, "cannot open '%s' to flush it to disk: %s", path, strerror(errno));
  do outcome = fsync(file);
  while (outcome != 0 && errno == EINTR);
  int error = outcome == 0 ? 0 : errno;
  if (is_directory && (error == EINVAL || error == ENOTSUP || error == ENOSYS)) error = 0;
  if (!cyf_close_file(&file) && error == 0) error = errno;
  return error == 0 ? CYF_OK : CYF_FAIL(CYF_ERR_IO, "cannot flush '%s' to disk: %s", path, strerror(error));
}

cyf_status cyf_sync_file(const char *path) {
  return sync_path(path, false);
}

cyf_status cyf_sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = NULL;
  if (!slash) {
    CYF_TRY(cyf_strdup(".", &folder));
  } else {
    CYF_TRY(cyf_format(&folder, "%.*s", slash == path ? 1 : (int)(slash - path), path));
  }
  const cyf_status status = sync_path(folder, true);
  cyf_free(folder);
  return status;
}

cyf_status cyf_rename(const char *from, const char *to) {
  if (rename(from, to) == 0) return cyf_sync_folder_of(to);
  return CYF_FAIL(CYF_ERR_IO, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
}

enum { TEXT_FILE_BYTES_MAX = 1 << 30 };

/* Reads to the end rather than by the size: pipes and /proc files have none. */
static cyf_status read_all(int file, const char *path, char **text, size_t *ret_size) {
  size_t size = 0, room = 0;
  struct stat info;
  if (fstat(file, &info) != 0) return CYF_FAIL(CYF_ERR_IO, "cannot look up '%s': %s", path, strerror(errno));
  for (;;) {
    if (room - size < 2) {
      room = room ? 2 * room : 65536;
      CYF_TRY(cyf_realloc((void **)text, room, 1));
    }
    const ssize_t n = read(file, *text + size, room - size - 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CYF_FAIL(cyf_input_error(errno), "cannot read '%s': %s", path, strerror(errno));
    if (n == 0) break;
    size += (size_t)n;
    if (size >= TEXT_FILE_BYTES_MAX) return CYF_FAIL(CYF_ERR_INPUT, "'%s' is no small file: 1 GiB or more", path);
  }
  if (S_ISREG(info.st_mode) && (int64_t)size < (int64_t)info.st_size)
    return CYF_FAIL(CYF_ERR_INPUT, "'%s' ends after %zu of %lld bytes: it became shorter while it was read", path, size,
                    (long long)info.st_size);
  *ret_size = size;
  return CYF_OK;
}

cyf_status cyf_read_bytes_file(const char *path, uint8_t **ret_bytes, size_t *ret_size) {
  char *text = NULL;
  *ret_bytes = NULL;
  const int file = cyf_open_file(path, O_RDONLY);
  if (file < 0) return CYF_FAIL(cyf_input_error(errno), "cannot open '%s': %s", path, strerror(errno));
  const cyf_status status = read_all(file, path, &text, ret_size);
  close(file);
  if (status != CYF_OK) {
    cyf_free(text);
    return status;
  }
  *ret_bytes = (uint8_t *)text;
  return CYF_OK;
}

cyf_status cyf_read_text_file(const char *path, char **ret_text) {
  uint8_t *bytes = NULL;
  size_t size = 0;
  *ret_text = NULL;
  CYF_TRY(cyf_read_bytes_file(path, &bytes, &size));
  if (memchr(bytes, '\0', size)) {
    cyf_free(bytes);
    return CYF_FAIL(CYF_ERR_INPUT, "'%s' is no text file: it holds NUL bytes", path);
  }
  *ret_text = (char *)bytes;
  return CYF_OK;
}
