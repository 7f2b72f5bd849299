/* SPDX-License-Identifier: MIT */
/* Double-quoted scalars that YAML and JSON readers both understand. */
#include <stdbool.h>
#include <string.h>

#include "base/config/yaml_doc.h"

/* Reads one UTF-8 character; returns its bytes, 0 when the bytes are no valid character. */
static int decode_utf8(const unsigned char *bytes, uint32_t *ret_code) {
  static const struct {
    unsigned char mask, lead;
    uint32_t least;
  } forms[4] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
  for (int form = 0; form < 4; ++form) {
    if ((bytes[0] & forms[form].mask) != forms[form].lead) continue;
    uint32_t code = bytes[0] & (unsigned char)~forms[form].mask;
    for (int i = 1; i <= form; ++i) {
      if ((bytes[i] & 0xC0) != 0x80) return 0; /* also stops at the final NUL */
      code = code << 6 | (bytes[i] & 0x3F);
    }
    const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (code < forms[form].least || code > 0x10FFFF || is_surrogate) return 0;
    *ret_code = code;
    return form + 1;
  }
  return 0;
}

/* What YAML calls unprintable or takes for a line break. */
static bool needs_escape(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 || code == 0xFEFF ||
         code == 0xFFFE || code == 0xFFFF;
}

void cyf_yaml_write_quoted(FILE *stream, const char *text) {
  static const char short_escaped[] = "\"\\\b\f\n\r\t", short_name[] = "\"\\bfnrt";
  fputc('"', stream);
  for (const unsigned char *next = (const unsigned char *)text; *next;) {
    uint32_t code = 0;
    const int n_bytes = decode_utf8(next, &code);
    const char *escape = code > 0 && code < 0x80 ? strchr(short_escaped, (int)code) : NULL;
    if (n_bytes == 0) {
      fputs("\\ufffd", stream); /* a stray byte would make the whole file unreadable */
    } else if (escape) {
      fputc('\\', stream);
      fputc(short_name[escape - short_escaped], stream);
    } else if (needs_escape(code)) {
      fprintf(stream, "\\u%04x", (unsigned)code);
    } else {
      fwrite(next, 1, (size_t)n_bytes, stream);
    }
    next += n_bytes ? n_bytes : 1;
  }
  fputc('"', stream);
}
