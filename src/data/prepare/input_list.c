/* SPDX-License-Identifier: MIT */
#include "data/prepare/input_list.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/h5ad/other_format.h"

/* The failure for a folder: name its files, if it has any. */
static cyf_status is_folder(const char *path) {
  const size_t length = strlen(path);
  char *pattern = NULL;
  CYF_TRY(cyf_format(&pattern, "%s%s*.h5ad", path, length > 0 && path[length - 1] == '/' ? "" : "/"));
  glob_t found = {0};
  const bool has_files = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
  globfree(&found);
  const cyf_status status =
      has_files ? CYF_FAIL(CYF_ERR_INPUT, "%s: is a folder; name its files, as in '%s'", path, pattern)
                : CYF_FAIL(CYF_ERR_INPUT, "%s: is a folder without .h5ad files; expected one or more of these", path);
  cyf_free(pattern);
  return status;
}

static cyf_status add_path(const char *path, cyf_names *paths) {
  const int64_t n_before = paths->n;
  struct stat facts;
  if (stat(path, &facts) != 0)
    return CYF_FAIL(cyf_input_error(errno), "%s: cannot be opened: %s", path, strerror(errno));
  if (S_ISDIR(facts.st_mode)) {
    CYF_TRY(cyf_other_format_check(path));
    return is_folder(path);
  }
  CYF_TRY(cyf_names_add(paths, path, NULL));
  if (paths->n == n_before)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: this input is given twice; its cells would stand in the atlas twice", path);
  return CYF_OK;
}

static int by_bytes(const void *left, const void *right) {
  return strcmp(*(char *const *)left, *(char *const *)right);
}

static cyf_status add_pattern(const char *pattern, cyf_names *paths) {
  glob_t found = {0};
  const int outcome = glob(pattern, GLOB_NOSORT, NULL, &found);
  cyf_status status = CYF_OK;
  if (outcome == GLOB_NOMATCH)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: no file matches this pattern", pattern);
  else if (outcome != 0)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: this pattern cannot be looked up: %s", pattern,
                      outcome == GLOB_NOSPACE ? "no memory" : "a folder cannot be read");
  /* glob's own order follows the locale. */
  if (status == CYF_OK) qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_bytes);
  for (size_t i = 0; i < found.gl_pathc && status == CYF_OK; i++) status = add_path(found.gl_pathv[i], paths);
  globfree(&found);
  return status;
}

static cyf_status add_argument(const char *argument, cyf_names *paths) {
  bool exists = true;
  if (strpbrk(argument, "*?[") != NULL) CYF_TRY(cyf_file_exists(argument, &exists));
  return !exists ? add_pattern(argument, paths) : add_path(argument, paths);
}

/* Cuts spaces off both ends. */
static char *trim(char *line) {
  line += strspn(line, " \t\r");
  for (size_t n = strlen(line); n > 0 && strchr(" \t\r", line[n - 1]); n--) line[n - 1] = '\0';
  return line;
}

static cyf_status add_line(const char *list_path, const char *line, cyf_names *paths) {
  const char *slash = strrchr(list_path, '/');
  if (line[0] == '/' || !slash) return add_argument(line, paths);
  char *path = NULL;
  CYF_TRY(cyf_format(&path, "%.*s/%s", (int)(slash - list_path), list_path, line));
  const cyf_status status = add_argument(path, paths);
  cyf_free(path);
  return status;
}

static cyf_status add_list(const char *list_path, cyf_names *paths) {
  const int64_t n_before = paths->n;
  char *text = NULL;
  CYF_TRY(cyf_read_text_file(list_path, &text));
  cyf_status status = CYF_OK;
  char *next = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
  while (next && status == CYF_OK) {
    char *line = next;
    next = strchr(line, '\n');
    if (next) *next++ = '\0';
    line = trim(line);
    if (line[0] != '\0' && line[0] != '#') status = add_line(list_path, line, paths);
  }
  cyf_free(text);
  if (status == CYF_OK && paths->n == n_before)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: names no file; expected one path a line", list_path);
  return status;
}

static cyf_status look(const char *const *arguments, int64_t n, const char *list_path, cyf_names *paths) {
  for (int64_t i = 0; i < n; i++) CYF_TRY(add_argument(arguments[i], paths));
  if (list_path) CYF_TRY(add_list(list_path, paths));
  return paths->n > 0 ? CYF_OK : CYF_FAIL(CYF_ERR_INPUT, "no input file; expected one or more .h5ad files");
}

/* Sends rank 0's paths to all ranks, as one string of bytes. */
static cyf_status share(cyf_comm *comm, cyf_names *paths) {
  int64_t n_bytes = 0, at = 0;
  char *bytes = NULL;
  cyf_status status = CYF_OK;
  for (int64_t i = 0; i < paths->n; i++) n_bytes += (int64_t)strlen(paths->name[i]) + 1;
  CYF_TRY(cyf_comm_broadcast(comm, &n_bytes, sizeof n_bytes, 0));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, CYF_NEW(&bytes, n_bytes)));
  for (int64_t i = 0; i < paths->n; i++) {
    const size_t length = strlen(paths->name[i]) + 1;
    memcpy(bytes + at, paths->name[i], length);
    at += (int64_t)length;
  }
  CYF_TRY_CLEANUP(cyf_comm_broadcast(comm, bytes, n_bytes, 0));
  for (at = 0; at < n_bytes && status == CYF_OK; at += (int64_t)strlen(bytes + at) + 1)
    status = cyf_names_add(paths, bytes + at, NULL);
  status = cyf_comm_agree(comm, status);
cleanup:
  cyf_free(bytes);
  return status;
}

cyf_status cyf_input_list_make(cyf_comm *comm, const char *const *arguments, int64_t n, const char *list_path,
                               cyf_names *ret_paths) {
  *ret_paths = (cyf_names){0};
  cyf_status status = cyf_comm_rank(comm) == 0 ? look(arguments, n, list_path, ret_paths) : CYF_OK;
  status = cyf_comm_agree(comm, status);
  if (status == CYF_OK) status = share(comm, ret_paths);
  if (status != CYF_OK) cyf_names_destroy(ret_paths);
  return status;
}
