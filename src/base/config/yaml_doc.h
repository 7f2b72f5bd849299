/* SPDX-License-Identifier: MIT */
/** @file
 * A small read-only YAML document for files that cytoforge wrote itself (the atlas manifest), and a writer of quoted
 * YAML scalars. Built on libyaml's document API. Not collective. */
#ifndef CYF_BASE_CONFIG_YAML_DOC_H
#define CYF_BASE_CONFIG_YAML_DOC_H

#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

/** A parsed document. It owns all texts that the functions below return. */
typedef struct cyf_yaml cyf_yaml;
/** One value of a document: a mapping, a sequence or a scalar. id 0: absent. */
typedef struct cyf_yaml_node {
  int id;
} cyf_yaml_node;

/** Parses the file; free with cyf_yaml_destroy. Errors: CYF_ERR_INPUT naming file:line:column. */
cyf_status cyf_yaml_open(const char *path, cyf_yaml **ret_document);
/** Frees the document with its texts and sets *document to NULL. NULL-safe. */
void cyf_yaml_destroy(cyf_yaml **document);

/** The outermost value; id 0 for an empty file. */
cyf_yaml_node cyf_yaml_root(const cyf_yaml *document);
/** Value of `key` in a mapping; id 0 when absent or when node is no mapping. */
cyf_yaml_node cyf_yaml_get(const cyf_yaml *document, cyf_yaml_node mapping, const char *key);

/** Number of items of a sequence or pairs of a mapping, 0 otherwise. */
int64_t cyf_yaml_count(const cyf_yaml *document, cyf_yaml_node node);
/** Item `index` (from 0) of a sequence; id 0 when there is none or when node is no sequence. */
cyf_yaml_node cyf_yaml_item(const cyf_yaml *document, cyf_yaml_node sequence, int64_t index);

/** Text of a scalar, NULL otherwise; owned by the document. */
const char *cyf_yaml_text(const cyf_yaml *document, cyf_yaml_node node);

/** @{ */
/** Required values of a mapping. Errors: CYF_ERR_INPUT naming the file and key. Text stays owned by the document. */
cyf_status cyf_yaml_require_int(const cyf_yaml *document, cyf_yaml_node mapping, const char *key, int64_t *ret_value);
cyf_status cyf_yaml_require_text(const cyf_yaml *document, cyf_yaml_node mapping, const char *key,
                                 const char **ret_text);
/** @} */

/** Writes text as a double-quoted YAML (and JSON) scalar with every needed escape; UTF-8 passes through. */
void cyf_yaml_write_quoted(FILE *stream, const char *text);

/** The version of the libyaml that is loaded, such as "0.2.5"; a static string. */
const char *cyf_yaml_version(void);

#endif
