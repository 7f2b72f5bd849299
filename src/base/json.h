/* SPDX-License-Identifier: MIT */
/** @file
 * Writing JSON, one value at a time, with commas and escapes taken care of. Non-finite numbers and NULL texts become
 * null. No newline follows the last bracket. Whether the writing went well is the stream's ferror. */
#ifndef CYF_BASE_JSON_H
#define CYF_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CYF_JSON_DEPTH_MAX = 16 };
typedef struct cyf_json {
  FILE *stream;
  int depth;
  bool need_comma[CYF_JSON_DEPTH_MAX];
  bool pretty;
} cyf_json;

void cyf_json_init(cyf_json *json, FILE *stream, bool pretty);
void cyf_json_object_begin(cyf_json *json, const char *key); /**< key NULL inside arrays and at top level */
void cyf_json_object_end(cyf_json *json);
void cyf_json_array_begin(cyf_json *json, const char *key);
void cyf_json_array_end(cyf_json *json);
void cyf_json_text(cyf_json *json, const char *key, const char *value);
void cyf_json_int(cyf_json *json, const char *key, int64_t value);
void cyf_json_real(cyf_json *json, const char *key, double value); /**< shortest of %.9g that reads back to 9 digits */
void cyf_json_bool(cyf_json *json, const char *key, bool value);

#endif
