/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

int cyf_utf8_decode(const char *text, uint32_t *ret_code) {
  static const struct {
    unsigned char mask, lead;
    uint32_t least;
  } forms[4] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
  const unsigned char *bytes = (const unsigned char *)text;
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

bool cyf_utf8_is_control(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 || code == 0xFEFF ||
         code == 0xFFFE || code == 0xFFFF;
}

bool cyf_utf8_turns_direction(uint32_t code) {
  return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}
