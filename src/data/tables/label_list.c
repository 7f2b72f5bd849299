/* SPDX-License-Identifier: MIT */
#include "data/tables/label_list.h"

#include <string.h>

#include "base/files.h"
#include "base/memory.h"

static cyf_status add_line(const char *path, int64_t number, const char *line, cyf_names *labels) {
  if (labels->n != number - 1)
    return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: an empty line between labels; a label's line is its code", path,
                    (long long)(labels->n + 1));
  CYF_TRY(cyf_names_add(labels, line, NULL));
  if (labels->n == number) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: label '%s' is listed a second time; each may stand once", path,
                  (long long)number, line);
}

static cyf_status parse(const char *path, char *text, cyf_names *labels) {
  if (strncmp(text, "\xef\xbb\xbf", 3) == 0) text += 3;
  int64_t number = 0;
  for (char *line = text, *next = NULL; line != NULL; line = next) {
    next = strchr(line, '\n');
    if (next != NULL) *next++ = '\0';
    line[strcspn(line, "\r")] = '\0';
    number++;
    if (line[0] != '\0') CYF_TRY(add_line(path, number, line, labels));
  }
  if (labels->n == 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: holds no label; expected one a line", path);
  return CYF_OK;
}

cyf_status cyf_label_list_read(const char *path, cyf_names *ret_labels) {
  memset(ret_labels, 0, sizeof *ret_labels);
  char *text = NULL;
  CYF_TRY(cyf_read_text_file(path, &text));
  const cyf_status status = parse(path, text, ret_labels);
  cyf_free(text);
  if (status != CYF_OK) cyf_names_destroy(ret_labels);
  return status;
}
