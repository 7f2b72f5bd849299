/* SPDX-License-Identifier: MIT */
/** @file
 * Reading JSON (RFC 8259): a whole text becomes a tree of values. Not collective. */
#ifndef CYF_BASE_JSON_READ_H
#define CYF_BASE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** What a value is. */
typedef enum cyf_json_kind {
  CYF_JSON_NULL,
  CYF_JSON_FALSE,
  CYF_JSON_TRUE,
  CYF_JSON_NUMBER,
  CYF_JSON_TEXT,
  CYF_JSON_ARRAY,
  CYF_JSON_OBJECT
} cyf_json_kind;

/** One value. All texts belong to the document. */
typedef struct cyf_json_value {
  cyf_json_kind kind;
  const char *key;  /**< its name in the object around it; NULL in arrays and at the top */
  const char *text; /**< TEXT: UTF-8 without escapes; NUMBER: as it was written; else NULL */
  int64_t count;    /**< ARRAY, OBJECT: values directly inside */
  int64_t first;    /**< the first of them, -1: none */
  int64_t next;     /**< the next value of the array or object around it, -1: none */
} cyf_json_value;

/** A tree; value[0] is the whole. */
typedef struct cyf_json_document {
  cyf_json_value *value;
  int64_t n_values, capacity;
  char *texts;
} cyf_json_document;

/** Parses size bytes, which need no NUL at their end; `name` stands for them in messages. Refused are: nesting beyond
 * 32 levels, a NUL inside a text, bytes that are not UTF-8, anything behind the value but white space. Memory: some 60
 * bytes for each value. The caller frees with cyf_json_document_destroy. Errors: CYF_ERR_INPUT naming the byte,
 * CYF_ERR_MEMORY. */
cyf_status cyf_json_parse(const char *name, const char *bytes, size_t size, cyf_json_document *ret_document);
/** NULL-safe; zeroes the document. */
void cyf_json_document_destroy(cyf_json_document *document);

/** The object's value of that key, the first of several; -1 when absent or when `object` (-1 too) is no object. */
int64_t cyf_json_get(const cyf_json_document *document, int64_t object, const char *key);
/** The value's text; NULL when it is none (value -1 too). */
const char *cyf_json_text_of(const cyf_json_document *document, int64_t value);
/** A number without fraction or exponent that fits; false for anything else. */
bool cyf_json_int_of(const cyf_json_document *document, int64_t value, int64_t *ret_value);

#endif
