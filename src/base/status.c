/* SPDX-License-Identifier: MIT */
/* The first failure's message, one buffer a thread. */
#include "base/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { WHERE_BYTES = 96 };

typedef struct failure_record {
  bool pending;
  char message[CYF_MESSAGE_BYTES];
  char where[WHERE_BYTES];
} failure_record;

static _Thread_local failure_record record;

/* A message is one line whatever a file name or a value held; a cut message ends in "..." on a whole UTF-8 character.
 */
static void make_one_line(char *text, bool was_cut) {
  for (char *c = text; *c; ++c) {
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = ' ';
  }
  if (!was_cut) return;
  size_t end = CYF_MESSAGE_BYTES - 4;
  while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80) --end;
  memcpy(text + end, "...", 4);
}

cyf_status cyf_fail(cyf_status code, const char *file, int line, const char *format, ...) {
  if (record.pending) return code;
  /* Formatted aside: an argument may be the old message itself. */
  char text[CYF_MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length < 0) snprintf(text, sizeof text, "%s (its message could not be formatted)", cyf_status_name(code));
  make_one_line(text, length >= CYF_MESSAGE_BYTES);
  memcpy(record.message, text, sizeof text);
  const char *slash = strrchr(file, '/');
  snprintf(record.where, sizeof record.where, "%s:%d", slash ? slash + 1 : file, line);
  record.pending = true;
  return code;
}

const char *cyf_status_message(void) {
  return record.pending ? record.message : "";
}

const char *cyf_status_where(void) {
  return record.pending ? record.where : "";
}

void cyf_status_clear(void) {
  record.pending = false;
  record.message[0] = '\0';
  record.where[0] = '\0';
}

void cyf_status_set(cyf_status code, const char *message) {
  if (code == CYF_OK) {
    cyf_status_clear();
    return;
  }
  const size_t length = strlen(message);
  const size_t kept = length < CYF_MESSAGE_BYTES ? length : CYF_MESSAGE_BYTES - 1;
  memmove(record.message, message, kept); /* may be our own buffer */
  record.message[kept] = '\0';
  make_one_line(record.message, kept < length);
  record.where[0] = '\0';
  record.pending = true;
}

const char *cyf_status_name(cyf_status code) {
  switch (code) {
    case CYF_OK:
      return "success";
    case CYF_ERR_INTERNAL:
      return "internal error";
    case CYF_ERR_USAGE:
      return "usage error";
    case CYF_ERR_CONFIG:
      return "configuration error";
    case CYF_ERR_INPUT:
      return "input error";
    case CYF_ERR_IO:
      return "output error";
    case CYF_ERR_MEMORY:
      return "out of memory";
    case CYF_ERR_COMM:
      return "communication error";
    case CYF_ERR_NUMERIC:
      return "numeric error";
    case CYF_ERR_DEVICE:
      return "device error";
    case CYF_ERR_INTERRUPTED:
      return "interrupted";
  }
  return "unknown error";
}
