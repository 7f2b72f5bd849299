/* SPDX-License-Identifier: MIT */
/* Reading JSON by recursive descent. Decoded texts are never longer than their source, so one block holds them all. */
#include "base/json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { DEPTH_MAX = 32 };

typedef struct parser {
  const char *name;
  const uint8_t *start, *at, *end;
  cyf_json_document *document;
  char *texts_end;
  int depth;
} parser;

static cyf_status wrong(const parser *p, const char *what) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: its JSON is damaged at byte %lld: %s", p->name, (long long)(p->at - p->start),
                  what);
}

static void skip_space(parser *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) p->at++;
}

static bool take(parser *p, char wanted) {
  if (p->at == p->end || *p->at != (uint8_t)wanted) return false;
  p->at++;
  return true;
}

/* ---- texts ---- */

static bool take_hex(parser *p, uint32_t *ret_code) {
  *ret_code = 0;
  if (p->end - p->at < 4) return false;
  for (int i = 0; i < 4; i++) {
    const uint8_t c = *p->at++;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    *ret_code = *ret_code << 4 | (uint32_t)digit;
  }
  return true;
}

static void put_utf8(parser *p, uint32_t code) {
  char *to = p->texts_end;
  if (code < 0x80) {
    *to++ = (char)code;
  } else if (code < 0x800) {
    *to++ = (char)(0xc0 | code >> 6);
    *to++ = (char)(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    *to++ = (char)(0xe0 | code >> 12);
    *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    *to++ = (char)(0x80 | (code & 0x3f));
  } else {
    *to++ = (char)(0xf0 | code >> 18);
    *to++ = (char)(0x80 | (code >> 12 & 0x3f));
    *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    *to++ = (char)(0x80 | (code & 0x3f));
  }
  p->texts_end = to;
}

/* Behind "\u": one code point, which may take a second escape. */
static cyf_status take_code_point(parser *p) {
  uint32_t code = 0, low = 0;
  if (!take_hex(p, &code)) return wrong(p, "\\u wants four hexadecimal digits");
  if (code >= 0xd800 && code < 0xdc00) {
    const bool pair = take(p, '\\') && take(p, 'u') && take_hex(p, &low) && low >= 0xdc00 && low < 0xe000;
    if (!pair) return wrong(p, "half a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code < 0xe000) {
    return wrong(p, "half a surrogate pair");
  }
  if (code == 0) return wrong(p, "a text holds a NUL");
  put_utf8(p, code);
  return CYF_OK;
}

static cyf_status take_escape(parser *p) {
  static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  if (take(p, 'u')) return take_code_point(p);
  const char *known = p->at < p->end && *p->at != 0 ? strchr(escapes, (char)*p->at) : NULL;
  if (known == NULL) return wrong(p, "an unknown escape");
  p->at++;
  *p->texts_end++ = meanings[known - escapes];
  return CYF_OK;
}

/* The bytes of one UTF-8 character that is none of ASCII; 0: no such character (RFC 3629). */
static int utf8_length(const uint8_t *at, const uint8_t *end) {
  const int n = at[0] >= 0xc2 && at[0] < 0xe0   ? 2
                : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                : 0;
  if (n == 0 || end - at < n) return 0;
  for (int i = 1; i < n; i++)
    if ((at[i] & 0xc0) != 0x80) return 0;
  if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0)) return 0;
  if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90)) return 0;
  return n;
}

static cyf_status parse_text(parser *p, const char **ret_text) {
  *ret_text = p->texts_end;
  if (!take(p, '"')) return wrong(p, "a text in double quotes is missing");
  for (;;) {
    if (p->at == p->end) return wrong(p, "a text does not end");
    if (take(p, '"')) break;
    if (take(p, '\\')) {
      CYF_TRY(take_escape(p));
      continue;
    }
    if (*p->at < 0x20) return wrong(p, "a control character inside a text");
    const int n = *p->at < 0x80 ? 1 : utf8_length(p->at, p->end);
    if (n == 0) return wrong(p, "bytes that are not UTF-8");
    memcpy(p->texts_end, p->at, (size_t)n);
    p->texts_end += n;
    p->at += n;
  }
  *p->texts_end++ = '\0';
  return CYF_OK;
}

/* ---- values ---- */

static bool take_digits(parser *p) {
  const uint8_t *from = p->at;
  while (p->at < p->end && *p->at >= '0' && *p->at <= '9') p->at++;
  return p->at > from;
}

static cyf_status parse_number(parser *p, const char **ret_text) {
  const uint8_t *from = p->at;
  take(p, '-');
  bool well = take(p, '0') || take_digits(p);
  if (well && take(p, '.')) well = take_digits(p);
  if (well && (take(p, 'e') || take(p, 'E'))) {
    if (!take(p, '+')) take(p, '-');
    well = take_digits(p);
  }
  if (!well) return wrong(p, "neither a value nor a number");
  *ret_text = p->texts_end;
  memcpy(p->texts_end, from, (size_t)(p->at - from));
  p->texts_end += p->at - from;
  *p->texts_end++ = '\0';
  return CYF_OK;
}

static cyf_status add_value(parser *p, const char *key, int64_t *ret_index) {
  cyf_json_document *d = p->document;
  if (d->n_values == d->capacity) {
    const int64_t capacity = d->capacity > 0 ? 2 * d->capacity : 64;
    CYF_TRY(cyf_realloc((void **)&d->value, (size_t)capacity, sizeof *d->value));
    d->capacity = capacity;
  }
  *ret_index = d->n_values++;
  d->value[*ret_index] = (cyf_json_value){.key = key, .first = -1, .next = -1};
  return CYF_OK;
}

static cyf_status parse_value(parser *p, const char *key, int64_t *ret_index);

/* What stands between the brackets of array or object `parent`, and the closing one. */
static cyf_status parse_members(parser *p, int64_t parent, bool object) {
  const char close = object ? '}' : ']';
  int64_t last = -1, child = -1;
  if (++p->depth > DEPTH_MAX) return wrong(p, "values are nested too deep");
  skip_space(p);
  while (!take(p, close)) {
    const char *key = NULL;
    if (last >= 0) {
      if (!take(p, ',')) return wrong(p, "a comma or a closing bracket is missing");
      skip_space(p);
    }
    if (object) {
      CYF_TRY(parse_text(p, &key));
      skip_space(p);
      if (!take(p, ':')) return wrong(p, "a colon is missing");
    }
    CYF_TRY(parse_value(p, key, &child));
    if (last >= 0)
      p->document->value[last].next = child;
    else
      p->document->value[parent].first = child;
    p->document->value[parent].count++;
    last = child;
    skip_space(p);
  }
  p->depth--;
  return CYF_OK;
}

static bool take_word(parser *p, const char *word) {
  const size_t n = strlen(word);
  if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0) return false;
  p->at += n;
  return true;
}

static cyf_status parse_value(parser *p, const char *key, int64_t *ret_index) {
  static const char *const words[] = {"null", "false", "true"}; /* in the order of cyf_json_kind */
  CYF_TRY(add_value(p, key, ret_index));
  const int64_t at = *ret_index;
  const char *text = NULL;
  skip_space(p);
  for (int kind = CYF_JSON_NULL; kind <= CYF_JSON_TRUE; kind++)
    if (take_word(p, words[kind])) {
      p->document->value[at].kind = (cyf_json_kind)kind;
      return CYF_OK;
    }
  const bool object = take(p, '{');
  if (object || take(p, '[')) {
    p->document->value[at].kind = object ? CYF_JSON_OBJECT : CYF_JSON_ARRAY;
    return parse_members(p, at, object);
  }
  const bool quoted = p->at < p->end && *p->at == '"';
  CYF_TRY(quoted ? parse_text(p, &text) : parse_number(p, &text));
  p->document->value[at].kind = quoted ? CYF_JSON_TEXT : CYF_JSON_NUMBER;
  p->document->value[at].text = text;
  return CYF_OK;
}

cyf_status cyf_json_parse(const char *name, const char *bytes, size_t size, cyf_json_document *ret_document) {
  const uint8_t *start = (const uint8_t *)bytes;
  parser p = {.name = name, .start = start, .at = start, .end = start + size, .document = ret_document};
  int64_t root = 0;
  cyf_status status;
  *ret_document = (cyf_json_document){0};
  /* A number's NUL has no source byte of its own, but a comma or bracket follows each, but for a lone one. */
  CYF_TRY_CLEANUP(CYF_NEW(&ret_document->texts, size + 2));
  p.texts_end = ret_document->texts;
  CYF_TRY_CLEANUP(parse_value(&p, NULL, &root));
  skip_space(&p);
  if (p.at != p.end) status = wrong(&p, "something follows the value");
cleanup:
  if (status != CYF_OK) cyf_json_document_destroy(ret_document);
  return status;
}

void cyf_json_document_destroy(cyf_json_document *document) {
  if (document == NULL) return;
  cyf_free(document->value);
  cyf_free(document->texts);
  *document = (cyf_json_document){0};
}

int64_t cyf_json_get(const cyf_json_document *document, int64_t object, const char *key) {
  if (object < 0 || document->value[object].kind != CYF_JSON_OBJECT) return -1;
  for (int64_t i = document->value[object].first; i >= 0; i = document->value[i].next)
    if (strcmp(document->value[i].key, key) == 0) return i;
  return -1;
}

const char *cyf_json_text_of(const cyf_json_document *document, int64_t value) {
  return value >= 0 && document->value[value].kind == CYF_JSON_TEXT ? document->value[value].text : NULL;
}

bool cyf_json_int_of(const cyf_json_document *document, int64_t value, int64_t *ret_value) {
  if (value < 0 || document->value[value].kind != CYF_JSON_NUMBER) return false;
  const char *text = document->value[value].text;
  char *end = NULL;
  errno = 0;
  *ret_value = strtoll(text, &end, 10);
  return errno == 0 && *end == '\0';
}
