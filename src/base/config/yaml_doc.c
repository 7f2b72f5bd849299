/* SPDX-License-Identifier: MIT */
/* A YAML document as libyaml holds it; our node ids are libyaml's. */
#include "base/config/yaml_doc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/files.h"
#include "base/memory.h"

struct cyf_yaml {
  char *path;
  bool loaded;
  yaml_document_t document;
};

static cyf_status parser_failure(const char *path, const yaml_parser_t *parser) {
  if (parser->error == YAML_MEMORY_ERROR) return CYF_FAIL(CYF_ERR_MEMORY, "out of memory while reading '%s'", path);
  const char *problem = parser->problem ? parser->problem : "unreadable";
  if (parser->error == YAML_READER_ERROR)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: not valid YAML: %s at byte %zu", path, problem, parser->problem_offset);
  return CYF_FAIL(CYF_ERR_INPUT, "%s:%zu:%zu: not valid YAML: %s", path, parser->problem_mark.line + 1,
                  parser->problem_mark.column + 1, problem);
}

static cyf_status load_text(cyf_yaml *document, const char *text) {
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser))
    return CYF_FAIL(CYF_ERR_MEMORY, "out of memory while reading '%s'", document->path);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
  cyf_status status = CYF_OK;
  if (yaml_parser_load(&parser, &document->document)) {
    document->loaded = true;
  } else {
    status = parser_failure(document->path, &parser);
  }
  yaml_parser_delete(&parser);
  return status;
}

cyf_status cyf_yaml_open(const char *path, cyf_yaml **ret_document) {
  cyf_status status = CYF_OK;
  cyf_yaml *document = NULL;
  char *text = NULL;
  *ret_document = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&document, 1));
  CYF_TRY_CLEANUP(cyf_strdup(path, &document->path));
  CYF_TRY_CLEANUP(cyf_read_text_file(path, &text));
  CYF_TRY_CLEANUP(load_text(document, text));
  *ret_document = document;
  document = NULL;
cleanup:
  cyf_free(text);
  cyf_yaml_destroy(&document);
  return status;
}

void cyf_yaml_destroy(cyf_yaml **document) {
  if (!document || !*document) return;
  if ((*document)->loaded) yaml_document_delete(&(*document)->document);
  cyf_free((*document)->path);
  cyf_free(*document);
}

static const yaml_node_t *node_at(const cyf_yaml *document, cyf_yaml_node node) {
  if (!document || node.id <= 0) return NULL;
  return yaml_document_get_node((yaml_document_t *)&document->document, node.id); /* reads only */
}

cyf_yaml_node cyf_yaml_root(const cyf_yaml *document) {
  /* libyaml has no nodes for an empty file; the root is the first otherwise. */
  return (cyf_yaml_node){node_at(document, (cyf_yaml_node){1}) ? 1 : 0};
}

static bool is_text(const yaml_node_t *node, const char *text) {
  const size_t length = strlen(text);
  return node && node->type == YAML_SCALAR_NODE && node->data.scalar.length == length &&
         memcmp(node->data.scalar.value, text, length) == 0;
}

cyf_yaml_node cyf_yaml_get(const cyf_yaml *document, cyf_yaml_node mapping, const char *key) {
  const yaml_node_t *node = node_at(document, mapping);
  if (!node || node->type != YAML_MAPPING_NODE) return (cyf_yaml_node){0};
  for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; ++pair) {
    if (is_text(node_at(document, (cyf_yaml_node){pair->key}), key)) return (cyf_yaml_node){pair->value};
  }
  return (cyf_yaml_node){0};
}

int64_t cyf_yaml_count(const cyf_yaml *document, cyf_yaml_node node) {
  const yaml_node_t *found = node_at(document, node);
  if (found && found->type == YAML_SEQUENCE_NODE)
    return found->data.sequence.items.top - found->data.sequence.items.start;
  if (found && found->type == YAML_MAPPING_NODE) return found->data.mapping.pairs.top - found->data.mapping.pairs.start;
  return 0;
}

cyf_yaml_node cyf_yaml_item(const cyf_yaml *document, cyf_yaml_node sequence, int64_t index) {
  const yaml_node_t *node = node_at(document, sequence);
  if (!node || node->type != YAML_SEQUENCE_NODE) return (cyf_yaml_node){0};
  if (index < 0 || index >= cyf_yaml_count(document, sequence)) return (cyf_yaml_node){0};
  return (cyf_yaml_node){node->data.sequence.items.start[index]};
}

const char *cyf_yaml_text(const cyf_yaml *document, cyf_yaml_node node) {
  const yaml_node_t *found = node_at(document, node);
  if (!found || found->type != YAML_SCALAR_NODE) return NULL;
  return (const char *)found->data.scalar.value;
}

cyf_status cyf_yaml_require_text(const cyf_yaml *document, cyf_yaml_node mapping, const char *key,
                                 const char **ret_text) {
  *ret_text = NULL;
  const cyf_yaml_node value = cyf_yaml_get(document, mapping, key);
  if (value.id == 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: key '%s' is missing", document->path, key);
  const char *text = cyf_yaml_text(document, value);
  if (!text) {
    const yaml_mark_t mark = node_at(document, value)->start_mark;
    return CYF_FAIL(CYF_ERR_INPUT, "%s:%zu:%zu: '%s' must be a single value", document->path, mark.line + 1,
                    mark.column + 1, key);
  }
  *ret_text = text;
  return CYF_OK;
}

cyf_status cyf_yaml_require_int(const cyf_yaml *document, cyf_yaml_node mapping, const char *key, int64_t *ret_value) {
  const char *text;
  CYF_TRY(cyf_yaml_require_text(document, mapping, key, &text));
  char *end;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0) {
    const yaml_mark_t mark = node_at(document, cyf_yaml_get(document, mapping, key))->start_mark;
    return CYF_FAIL(CYF_ERR_INPUT, "%s:%zu:%zu: '%s' must be an integer, not '%s'", document->path, mark.line + 1,
                    mark.column + 1, key, text);
  }
  *ret_value = value;
  return CYF_OK;
}

const char *cyf_yaml_version(void) {
  return yaml_get_version_string();
}
