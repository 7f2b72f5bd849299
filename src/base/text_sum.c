/* SPDX-License-Identifier: MIT */
#include "base/text_sum.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/partial.h"

static const char sum_line[] = "# checksum of the lines above: ";

cyf_status cyf_text_sum_write(const char *path, const char *text) {
  char *whole = NULL;
  CYF_TRY(cyf_format(&whole, "%s%s%016" PRIx64 "\n", text, sum_line, cyf_checksum(0, text, strlen(text))));
  const cyf_status status = cyf_write_text_file(path, whole);
  cyf_free(whole);
  return status;
}

/* The last one that begins a line: a name in the text may hold the same words. NULL: none. */
static const char *find_line(const char *text) {
  const char *found = NULL;
  for (const char *at = text; (at = strstr(at, sum_line)) != NULL; at++)
    if (at == text || at[-1] == '\n') found = at;
  return found;
}

cyf_status cyf_text_sum_verify(const char *path, const char *text) {
  const char *line = find_line(text);
  if (line == NULL) return CYF_OK;
  if (strtoull(line + sizeof sum_line - 1, NULL, 16) == cyf_checksum(0, text, (size_t)(line - text))) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT,
                  "%s: is not what was written, by its checksum; where it was changed on purpose, remove its last line",
                  path);
}
