/* SPDX-License-Identifier: MIT */
/* Double-quoted scalars that YAML and JSON readers both understand. */
#include <string.h>

#include "base/config/yaml_doc.h"
#include "base/utf8.h"

void cyf_yaml_write_quoted(FILE *stream, const char *text) {
  static const char short_escaped[] = "\"\\\b\f\n\r\t", short_name[] = "\"\\bfnrt";
  fputc('"', stream);
  for (const unsigned char *next = (const unsigned char *)text; *next;) {
    uint32_t code = 0;
    const int n_bytes = cyf_utf8_decode((const char *)next, &code);
    const char *escape = code > 0 && code < 0x80 ? strchr(short_escaped, (int)code) : NULL;
    if (n_bytes == 0) {
      fputs("\\ufffd", stream); /* a stray byte would make the whole file unreadable */
    } else if (escape) {
      fputc('\\', stream);
      fputc(short_name[escape - short_escaped], stream);
    } else if (cyf_utf8_is_control(code) || cyf_utf8_turns_direction(code)) {
      fprintf(stream, "\\u%04x", (unsigned)code);
    } else {
      fwrite(next, 1, (size_t)n_bytes, stream);
    }
    next += n_bytes ? n_bytes : 1;
  }
  fputc('"', stream);
}
