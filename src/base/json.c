/* SPDX-License-Identifier: MIT */
/* Writing JSON. */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/yaml_doc.h"

void cyf_json_init(cyf_json *json, FILE *stream, bool pretty) {
  *json = (cyf_json){.stream = stream, .pretty = pretty};
}

/* Beyond the greatest depth values share a level: the text stays in bounds, and the caller's test shows the fault. */
static int level(const cyf_json *json) {
  return json->depth < CYF_JSON_DEPTH_MAX ? json->depth : CYF_JSON_DEPTH_MAX - 1;
}

static void new_line(const cyf_json *json) {
  if (json->pretty) fprintf(json->stream, "\n%*s", 2 * json->depth, "");
}

/* Comma, line break and key, whatever of them is due before a value. */
static void lead_in(cyf_json *json, const char *key) {
  bool *need_comma = &json->need_comma[level(json)];
  if (*need_comma) fputs(json->pretty ? "," : ", ", json->stream);
  if (json->depth > 0) new_line(json);
  *need_comma = json->depth > 0;
  if (key) {
    cyf_yaml_write_quoted(json->stream, key);
    fputs(": ", json->stream);
  }
}

static void begin(cyf_json *json, const char *key, char bracket) {
  lead_in(json, key);
  fputc(bracket, json->stream);
  ++json->depth;
  json->need_comma[level(json)] = false;
}

static void end(cyf_json *json, char bracket) {
  const bool is_empty = !json->need_comma[level(json)];
  if (json->depth > 0) --json->depth;
  if (!is_empty) new_line(json);
  fputc(bracket, json->stream);
}

void cyf_json_object_begin(cyf_json *json, const char *key) {
  begin(json, key, '{');
}
void cyf_json_object_end(cyf_json *json) {
  end(json, '}');
}
void cyf_json_array_begin(cyf_json *json, const char *key) {
  begin(json, key, '[');
}
void cyf_json_array_end(cyf_json *json) {
  end(json, ']');
}

void cyf_json_text(cyf_json *json, const char *key, const char *value) {
  lead_in(json, key);
  if (value) {
    cyf_yaml_write_quoted(json->stream, value);
  } else {
    fputs("null", json->stream);
  }
}

void cyf_json_int(cyf_json *json, const char *key, int64_t value) {
  lead_in(json, key);
  fprintf(json->stream, "%" PRId64, value);
}

void cyf_json_real(cyf_json *json, const char *key, double value) {
  lead_in(json, key);
  if (!isfinite(value)) {
    fputs("null", json->stream);
    return;
  }
  char nine_digits[40], text[40], again[40];
  snprintf(nine_digits, sizeof nine_digits, "%.9g", value);
  int digits = 1;
  do {
    snprintf(text, sizeof text, "%.*g", digits, value);
    snprintf(again, sizeof again, "%.9g", strtod(text, NULL));
  } while (++digits <= 9 && strcmp(again, nine_digits) != 0);
  fputs(text, json->stream);
}

void cyf_json_bool(cyf_json *json, const char *key, bool value) {
  lead_in(json, key);
  fputs(value ? "true" : "false", json->stream);
}
