/* SPDX-License-Identifier: MIT */
/* Reading a configuration from YAML. libyaml's events are compared with the table one by one, as they carry line and
 * column for the complaints. */
#include <string.h>
#include <yaml.h>

#include "base/config/config_internal.h"
#include "base/memory.h"

typedef struct reader {
  const cyf_config_schema *schema;
  void *settings;
  const char *name;
  yaml_parser_t parser;
  yaml_event_t event; /* the one looked at; NONE when there is none */
  size_t
      *first_line; /* [3 * n_fields]: line of a field, and of the sections at level 1 and 2 that it opens; 0: not yet */
} reader;

static cyf_config_place place_at(const reader *r, yaml_mark_t mark) {
  return (cyf_config_place){.code = CYF_ERR_CONFIG, .name = r->name, .line = mark.line + 1, .column = mark.column + 1};
}

static cyf_config_place place_of_event(const reader *r) {
  return place_at(r, r->event.start_mark);
}

static cyf_status parser_failure(const reader *r) {
  const yaml_parser_t *parser = &r->parser;
  if (parser->error == YAML_MEMORY_ERROR) return CYF_FAIL(CYF_ERR_MEMORY, "out of memory while reading '%s'", r->name);
  const char *problem = parser->problem ? parser->problem : "unreadable";
  if (parser->error == YAML_READER_ERROR)
    return CYF_FAIL(CYF_ERR_CONFIG, "%s: not valid YAML: %s at byte %zu", r->name, problem, parser->problem_offset);
  const cyf_config_place place = place_at(r, parser->problem_mark);
  return cyf_config_complain(&place, "not valid YAML: %s%s%s", problem, parser->context ? " " : "",
                             parser->context ? parser->context : "");
}

/* Takes the next event into r->event, dropping the present one. */
static cyf_status advance(reader *r) {
  yaml_event_delete(&r->event);
  if (!yaml_parser_parse(&r->parser, &r->event)) return parser_failure(r);
  if (r->event.type == YAML_ALIAS_EVENT) {
    const cyf_config_place place = place_of_event(r);
    return cyf_config_complain(&place, "aliases (*name) are not supported");
  }
  return CYF_OK;
}

static const char *scalar_text(const reader *r) {
  return (const char *)r->event.data.scalar.value;
}

static bool scalar_is_plain(const reader *r) {
  return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A key without anything behind it, "~" or "null". */
static bool at_null(const reader *r) {
  return r->event.type == YAML_SCALAR_EVENT && scalar_is_plain(r) &&
         (scalar_text(r)[0] == '\0' || strcmp(scalar_text(r), "~") == 0 || strcmp(scalar_text(r), "null") == 0);
}

/* `slot` remembers where this key stood first. */
static cyf_status check_duplicate(const cyf_config_place *place, const char *path, size_t *slot) {
  if (*slot) return cyf_config_complain(place, "duplicate key '%s', first given in line %zu", path, *slot);
  *slot = place->line;
  return CYF_OK;
}

static cyf_status read_elements(reader *r, const cyf_config_field *field, cyf_config_list *list) {
  for (;;) {
    CYF_TRY(advance(r));
    if (r->event.type == YAML_SEQUENCE_END_EVENT) return CYF_OK;
    const cyf_config_place place = place_of_event(r);
    if (r->event.type != YAML_SCALAR_EVENT)
      return cyf_config_complain(&place, "'%s' must hold %s, not lists or mappings", field->path,
                                 field->type == CYF_CONFIG_INT_LIST ? "integers" : "texts");
    CYF_TRY(cyf_config_append(field, &place, scalar_text(r), scalar_is_plain(r), list));
  }
}

static cyf_status read_list(reader *r, const cyf_config_field *field) {
  cyf_config_list list = {0};
  const cyf_status status = read_elements(r, field, &list);
  if (status == CYF_OK) cyf_config_set_list(field, &list, cyf_config_member(field, r->settings));
  if (status != CYF_OK && field->type == CYF_CONFIG_TEXT_LIST) cyf_config_texts_free(&list.texts);
  return status;
}

/* The event is the first one of the value. */
static cyf_status read_leaf(reader *r, const cyf_config_field *field) {
  const cyf_config_place place = place_of_event(r);
  if (r->event.type == YAML_SEQUENCE_START_EVENT && cyf_config_is_list(field)) return read_list(r, field);
  if (r->event.type == YAML_SCALAR_EVENT)
    return cyf_config_parse_scalar(field, &place, scalar_text(r), scalar_is_plain(r),
                                   cyf_config_member(field, r->settings));
  return cyf_config_complain(&place, "'%s' must be %s, not a %s", field->path, cyf_config_type_name(field),
                             r->event.type == YAML_SEQUENCE_START_EVENT ? "list" : "mapping");
}

static cyf_status read_mapping(reader *r, const char *section, int depth);

/* The event is the key; on return it is the last one of the value. */
static cyf_status read_pair(reader *r, const char *section, int depth) {
  cyf_status status = CYF_OK;
  char *path = NULL;
  const cyf_config_place place = place_of_event(r);
  if (r->event.type != YAML_SCALAR_EVENT) return cyf_config_complain(&place, "a key must be a name");
  CYF_TRY(cyf_format(&path, "%s%s%s", section, *section ? "." : "", scalar_text(r)));
  const cyf_config_field *field = cyf_config_find(r->schema, path);
  const cyf_config_field *first_below = field ? NULL : cyf_config_find_section(r->schema, path);
  if (field) {
    CYF_TRY_CLEANUP(check_duplicate(&place, path, &r->first_line[3 * (field - r->schema->fields)]));
    CYF_TRY_CLEANUP(advance(r));
    status = read_leaf(r, field);
  } else if (first_below) {
    CYF_TRY_CLEANUP(check_duplicate(&place, path, &r->first_line[3 * (first_below - r->schema->fields) + depth]));
    CYF_TRY_CLEANUP(advance(r));
    if (r->event.type == YAML_MAPPING_START_EVENT) {
      status = read_mapping(r, path, depth + 1);
    } else if (!at_null(r)) { /* a section all of whose lines are commented out is fine */
      const cyf_config_place value_place = place_of_event(r);
      status = cyf_config_complain(&value_place, "'%s' is a section: its keys stand on indented lines below it", path);
    }
  } else {
    status = cyf_config_unknown_key(r->schema, &place, path);
  }
cleanup:
  cyf_free(path);
  return status;
}

/* The event is the mapping's start; on return its end. Depth is bounded by the schema: three levels. */
static cyf_status read_mapping(reader *r, const char *section, int depth) {
  for (;;) {
    CYF_TRY(advance(r));
    if (r->event.type == YAML_MAPPING_END_EVENT) return CYF_OK;
    CYF_TRY(read_pair(r, section, depth));
  }
}

static cyf_status read_stream(reader *r) {
  CYF_TRY(advance(r)); /* stream start */
  CYF_TRY(advance(r)); /* document start, or the end of an empty file */
  if (r->event.type == YAML_STREAM_END_EVENT) return CYF_OK;
  CYF_TRY(advance(r));
  if (r->event.type == YAML_MAPPING_START_EVENT) {
    CYF_TRY(read_mapping(r, "", 1));
  } else if (!at_null(r)) {
    const cyf_config_place place = place_of_event(r);
    return cyf_config_complain(&place, "a configuration is a mapping of keys to values");
  }
  CYF_TRY(advance(r)); /* document end */
  CYF_TRY(advance(r));
  if (r->event.type == YAML_STREAM_END_EVENT) return CYF_OK;
  const cyf_config_place place = place_of_event(r);
  return cyf_config_complain(&place, "a second YAML document; a configuration is one");
}

cyf_status cyf_config_read_text(const cyf_config_schema *schema, const char *name, const char *text, void *settings) {
  reader r = {.schema = schema, .settings = settings, .name = name};
  CYF_TRY(CYF_NEW(&r.first_line, 3 * schema->n_fields));
  if (!yaml_parser_initialize(&r.parser)) {
    cyf_free(r.first_line);
    return CYF_FAIL(CYF_ERR_MEMORY, "out of memory while reading '%s'", name);
  }
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, strlen(text));
  const cyf_status status = read_stream(&r);
  yaml_event_delete(&r.event);
  yaml_parser_delete(&r.parser);
  cyf_free(r.first_line);
  return status;
}
