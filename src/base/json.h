/* SPDX-License-Identifier: MIT */
/** @file
 * Writing JSON, one value at a time, with commas and escapes taken care of. Non-finite numbers and NULL texts become
 * null. No newline follows the last bracket. Whether the writing went well is the stream's ferror. */
#ifndef CYF_BASE_JSON_H
#define CYF_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** The deepest nesting of objects and arrays. */
enum { CYF_JSON_DEPTH_MAX = 16 };
/** The state of one JSON text while it is written. Its members are private. */
typedef struct cyf_json {
  FILE *stream;
  int depth;
  bool need_comma[CYF_JSON_DEPTH_MAX];
  bool pretty;
} cyf_json;

/** Begins a JSON text on `stream`, which stays the caller's. pretty: one value a line, indented. */
void cyf_json_init(cyf_json *json, FILE *stream, bool pretty);

/** @{ */
/** Opens or closes an object or an array. `key` is the name in the object around it, NULL inside arrays and at the top
 * level. */
void cyf_json_object_begin(cyf_json *json, const char *key);
void cyf_json_object_end(cyf_json *json);
void cyf_json_array_begin(cyf_json *json, const char *key);
void cyf_json_array_end(cyf_json *json);
/** @} */

/** @{ */
/** Writes one value; `key` as above. A real number takes the fewest of at most nine digits that give the same "%.9g".
 */
void cyf_json_text(cyf_json *json, const char *key, const char *value);
void cyf_json_int(cyf_json *json, const char *key, int64_t value);
void cyf_json_real(cyf_json *json, const char *key, double value);
void cyf_json_bool(cyf_json *json, const char *key, bool value);
/** @} */

#endif
