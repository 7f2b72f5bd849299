/* SPDX-License-Identifier: MIT */
#include "cli/sizes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

cyf_status cyf_parse_size(const char *text, const char *option, int64_t *ret_bytes) {
  static const char units[] = "KMGT";
  char *end = NULL;
  double size = strtod(text, &end);
  const char *unit = *end ? strchr(units, *end & ~0x20) : NULL; /* either case */
  if (unit) {
    for (const char *u = units; u <= unit; u++) size *= 1024;
    end++;
  }
  if (unit && (strcasecmp(end, "B") == 0 || strcasecmp(end, "iB") == 0)) end += strlen(end);
  if (end == text || *end != '\0' || !(size >= 1 && size < 9e18))
    return CYF_FAIL(CYF_ERR_USAGE, "%s: '%s' is no size; expected a number with K, M, G or T, such as 2G", option,
                    text);
  *ret_bytes = (int64_t)size;
  return CYF_OK;
}
