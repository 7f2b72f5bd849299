/* SPDX-License-Identifier: MIT */
/** @file
 * Files and folders: what is there, making and removing. base/partial.h replaces files atomically. Not collective. */
#ifndef CYF_BASE_FILES_H
#define CYF_BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** True when path leads to anything at all, a folder included. Symbolic links are followed. */
bool cyf_file_exists(const char *path);
/** True when path leads to a folder. Symbolic links are followed. */
bool cyf_is_directory(const char *path);
/** Bytes of the file, -1 when its size cannot be read. */
int64_t cyf_file_size_bytes(const char *path);
/** mkdir -p. Errors: CYF_ERR_IO naming the path. */
cyf_status cyf_make_directory(const char *path);
/** Removes a file if there; no error when absent. */
cyf_status cyf_remove_file(const char *path);
/** Removes a directory tree; refuses "" and "/", however spelt. No error when absent. */
cyf_status cyf_remove_tree(const char *path);

/** Joins directory and name with one '/'; free with cyf_free. */
cyf_status cyf_path_join(const char *directory, const char *name, char **ret_path);

/** The file that writing to `path` makes or replaces; free with cyf_free. A symbolic link is followed, as a shell's ">"
 * does: who links an output to a larger disk wants the data there, and the link to stay. Errors: CYF_ERR_IO for a link
 * that leads nowhere, and where path leads to a device, FIFO, socket or directory. Renaming onto one of these would
 * destroy it, or fail after all the work. */
cyf_status cyf_output_target(const char *path, char **ret_target);

/** Renames a file or folder, replacing a file at `to` (rename(2)). Errors: CYF_ERR_IO naming both. */
cyf_status cyf_rename(const char *from, const char *to);

/** Reads a whole small text file (< 1 GiB), NUL-terminated; free with cyf_free. Errors: CYF_ERR_INPUT (absent,
 * unreadable, too large, or with NUL bytes inside). */
cyf_status cyf_read_text_file(const char *path, char **ret_text);
/** The same for any bytes. Errors: CYF_ERR_INPUT. */
cyf_status cyf_read_bytes_file(const char *path, uint8_t **ret_bytes, size_t *ret_size);

#endif
