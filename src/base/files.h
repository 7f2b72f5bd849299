/* SPDX-License-Identifier: MIT */
/** @file
 * Files and folders: what is there, making and removing. base/partial.h replaces files atomically. Not collective. */
#ifndef CYF_BASE_FILES_H
#define CYF_BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** @{ */
/** Whether a file of any kind, or a folder, is there; links are followed, and one that leads nowhere is not there. That
 * the system cannot tell (EIO, EACCES) is no absence. Errors: CYF_ERR_IO naming path and reason. */
cyf_status cyf_file_exists(const char *path, bool *ret_exists);
cyf_status cyf_is_directory(const char *path, bool *ret_is);
/** @} */

/** Errors: CYF_ERR_IO, also where it is absent. */
cyf_status cyf_file_size_bytes(const char *path, int64_t *ret_bytes);
/** mkdir -p. Errors: CYF_ERR_IO naming the path. */
cyf_status cyf_make_directory(const char *path);
/** Removes a file if there; no error when absent. */
cyf_status cyf_remove_file(const char *path);
/** Removes a directory tree; refuses "" and "/", however spelt. No error when absent. */
cyf_status cyf_remove_tree(const char *path);

/** What a file is, as far as that can be told without reading it: whoever writes to it changes this. */
typedef struct cyf_file_identity {
  int64_t bytes;
  int64_t changed_s, changed_ns; /**< the time of the last change, of its content */
  uint64_t device, inode;
  bool is_regular; /**< no pipe or device, whose time of change says nothing */
} cyf_file_identity;

/** @{ */
/** Of a name, or of an open file. Errors: CYF_ERR_INPUT where there is no such file, CYF_ERR_IO where that cannot be
 * told. */
cyf_status cyf_file_identify(const char *path, cyf_file_identity *ret_identity);
cyf_status cyf_file_identify_open(int file, const char *path, cyf_file_identity *ret_identity);
/** @} */
/** Compares what a file was with what it is. Errors: CYF_ERR_INPUT naming the file and what has changed. */
cyf_status cyf_file_check_same(const char *path, const cyf_file_identity *before, const cyf_file_identity *now);

/** Joins directory and name with one '/'; free with cyf_free. */
cyf_status cyf_path_join(const char *directory, const char *name, char **ret_path);

/** The file that writing to `path` makes or replaces; free with cyf_free. A symbolic link is followed, as a shell's ">"
 * does: who links an output to a larger disk wants the data there, and the link to stay. Errors: CYF_ERR_IO for a link
 * that leads nowhere, and where path leads to a device, FIFO, socket or directory. Renaming onto one of these would
 * destroy it, or fail after all the work. */
cyf_status cyf_output_target(const char *path, char **ret_target);

/** What a system's errno on the way to an input says: CYF_ERR_INPUT where the name leads to no file that may be read,
 * CYF_ERR_IO where the system failed. */
cyf_status cyf_input_error(int error);

/** open(2) with O_CLOEXEC, begun again where a signal came in between; -1 with errno. */
int cyf_open_file(const char *path, int flags);
/** close(2) of a file that was written: some file systems tell a full disk here. *file becomes -1 either way. A signal
 * in between is no failure: the descriptor is gone, and fsync tells what was lost. False with errno on a failure. */
bool cyf_close_file(int *file);

/** @{ */
/** Flushes a file, or the folder that has its name, to disk. Errors: CYF_ERR_IO naming it. */
cyf_status cyf_sync_file(const char *path);
cyf_status cyf_sync_folder_of(const char *path);
/** @} */

/** Renames a file or folder, replacing a file at `to` (rename(2)), and flushes the folder. Errors: CYF_ERR_IO naming
 * both, or, with the new name in place, the folder. */
cyf_status cyf_rename(const char *from, const char *to);

/** Reads a whole small text file (< 1 GiB), NUL-terminated; free with cyf_free. Errors: CYF_ERR_INPUT (absent, cannot
 * be opened, too large, with NUL bytes inside, or shorter at its end than when it was opened); CYF_ERR_IO where reading
 * fails. */
cyf_status cyf_read_text_file(const char *path, char **ret_text);
/** The same for any bytes. */
cyf_status cyf_read_bytes_file(const char *path, uint8_t **ret_bytes, size_t *ret_size);

#endif
