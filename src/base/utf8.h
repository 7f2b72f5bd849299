/* SPDX-License-Identifier: MIT */
/** @file
 * Characters of UTF-8, which names in files should be written in and sometimes are not. Not collective. */
#ifndef CYF_BASE_UTF8_H
#define CYF_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

/** Reads the character at `bytes`, a text that ends in 0, into *ret_code. Returns its number of bytes, 1 to 4, or 0
 * where the bytes are no valid character (RFC 3629: no surrogates, no longer forms than needed). */
int cyf_utf8_decode(const char *bytes, uint32_t *ret_code);

/** Whether a character has no shape of its own: control characters (C0, DEL, C1), separators of lines, byte order marks
 * and noncharacters. YAML calls these unprintable or takes them for a line break. */
bool cyf_utf8_is_control(uint32_t code);

/** Whether a character changes the direction in which those around it are shown, so that a name looks like another
 * (Unicode's bidirectional controls). */
bool cyf_utf8_turns_direction(uint32_t code);

#endif
