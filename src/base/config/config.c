/* SPDX-License-Identifier: MIT */
/* The table of fields: looking up, checking, defaults, overrides. */
#include "base/config/config.h"

#include <stdarg.h>
#include <string.h>

#include "base/config/config_internal.h"
#include "base/files.h"
#include "base/memory.h"

cyf_status cyf_config_complain(const cyf_config_place *place, const char *format, ...) {
  char reason[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  va_end(arguments);
  if (place->line == 0) return CYF_FAIL(place->code, "%s: %s", place->name, reason);
  return CYF_FAIL(place->code, "%s:%zu:%zu: %s", place->name, place->line, place->column, reason);
}

const cyf_config_field *cyf_config_find(const cyf_config_schema *schema, const char *path) {
  for (size_t i = 0; i < schema->n_fields; ++i) {
    if (strcmp(schema->fields[i].path, path) == 0) return &schema->fields[i];
  }
  return NULL;
}

/* True when the first `length` characters of path, followed by a dot, begin the field's path. */
static bool lies_below(const cyf_config_field *field, const char *path, size_t length) {
  return strncmp(field->path, path, length) == 0 && field->path[length] == '.';
}

const cyf_config_field *cyf_config_find_section(const cyf_config_schema *schema, const char *path) {
  for (size_t i = 0; i < schema->n_fields; ++i) {
    if (lies_below(&schema->fields[i], path, strlen(path))) return &schema->fields[i];
  }
  return NULL;
}

/* What can stand at one level: the fields' and sections' own names (`names`, owned) and their whole paths. */
typedef struct key_list {
  char **names;
  size_t n_names;
} key_list;

static void key_list_free(key_list *list) {
  for (size_t i = 0; i < list->n_names; ++i) cyf_free(list->names[i]);
  cyf_free(list->names);
  list->n_names = 0;
}

/* Names within the section of `section_length` characters ("" at the top), or whole paths when `whole`, each once. */
static cyf_status key_list_fill(const cyf_config_schema *schema, const char *section, size_t section_length, bool whole,
                                key_list *list) {
  CYF_TRY(CYF_NEW(&list->names, 3 * schema->n_fields));
  for (size_t i = 0; i < schema->n_fields; ++i) {
    const cyf_config_field *field = &schema->fields[i];
    if (section_length > 0 && !lies_below(field, section, section_length)) continue;
    const char *start = section_length > 0 ? field->path + section_length + 1 : field->path;
    for (const char *end = start; end; end = whole && *end ? end + 1 : NULL) { /* each prefix is a section */
      end += strcspn(end, ".");
      const size_t length = (size_t)(end - start);
      const char *last = list->n_names ? list->names[list->n_names - 1] : "";
      bool known = strlen(last) == length && memcmp(last, start, length) == 0;
      for (size_t j = 0; j < list->n_names && !known; ++j)
        known = strlen(list->names[j]) == length && memcmp(list->names[j], start, length) == 0;
      if (known) continue;
      CYF_TRY(cyf_format(&list->names[list->n_names], "%.*s", (int)length, start));
      ++list->n_names;
    }
  }
  return CYF_OK;
}

/* The only field elsewhere whose own name is `name`: somebody forgot or mistook the section. */
static const cyf_config_field *find_by_own_name(const cyf_config_schema *schema, const char *name) {
  const cyf_config_field *found = NULL;
  for (size_t i = 0; i < schema->n_fields; ++i) {
    const char *dot = strrchr(schema->fields[i].path, '.');
    if (strcmp(dot ? dot + 1 : schema->fields[i].path, name) != 0) continue;
    if (found) return NULL;
    found = &schema->fields[i];
  }
  return found;
}

static cyf_status complain_with_list(const cyf_config_place *place, const char *path, const key_list *list) {
  char text[512] = "";
  size_t used = 0;
  for (size_t i = 0; i < list->n_names; ++i) {
    const int n = snprintf(text + used, sizeof text - used, "%s%s", i ? ", " : "", list->names[i]);
    if (n < 0 || used + (size_t)n + 8 >= sizeof text) {
      snprintf(text + used, sizeof text - used, ", ...");
      break;
    }
    used += (size_t)n;
  }
  return cyf_config_complain(place, "unknown key '%s'; valid here: %s", path, text);
}

cyf_status cyf_config_unknown_key(const cyf_config_schema *schema, const cyf_config_place *place, const char *path) {
  cyf_status status = CYF_OK;
  key_list here = {0}, everywhere = {0};
  char *section = NULL;
  const char *dot = strrchr(path, '.');
  const char *own_name = dot ? dot + 1 : path;
  CYF_TRY(cyf_format(&section, "%.*s", dot ? (int)(dot - path) : 0, path));
  const bool section_known = !dot || cyf_config_find_section(schema, section);
  /* Within a known section only the last name can be wrong; its siblings are the likeliest. */
  CYF_TRY_CLEANUP(key_list_fill(schema, section, section_known ? strlen(section) : 0, false, &here));
  CYF_TRY_CLEANUP(key_list_fill(schema, "", 0, true, &everywhere));
  const char *near = section_known ? cyf_nearest_name(own_name, (const char *const *)here.names, here.n_names) : NULL;
  if (near) {
    status =
        cyf_config_complain(place, "unknown key '%s'; did you mean '%s%s%s'?", path, section, dot ? "." : "", near);
    goto cleanup;
  }
  const cyf_config_field *elsewhere = find_by_own_name(schema, own_name);
  if (elsewhere) {
    near = elsewhere->path;
  } else if (!section_known) {
    near = cyf_nearest_name(path, (const char *const *)everywhere.names, everywhere.n_names);
  }
  status = near ? cyf_config_complain(place, "unknown key '%s'; did you mean '%s'?", path, near)
                : complain_with_list(place, path, &here);
cleanup:
  key_list_free(&here);
  key_list_free(&everywhere);
  cyf_free(section);
  return status;
}

static size_t member_bytes(cyf_config_type type) {
  switch (type) {
    case CYF_CONFIG_BOOL:
      return sizeof(bool);
    case CYF_CONFIG_INT:
      return sizeof(int64_t);
    case CYF_CONFIG_REAL:
      return sizeof(double);
    case CYF_CONFIG_STRING:
      return sizeof(char *);
    case CYF_CONFIG_CHOICE:
      return sizeof(int);
    case CYF_CONFIG_INT_LIST:
      return sizeof(cyf_config_ints);
    case CYF_CONFIG_TEXT_LIST:
      return sizeof(cyf_config_texts);
  }
  return 0;
}

/* Printing opens a section where its first field stands, so the fields of a section must be neighbours. */
static cyf_status check_sections(const cyf_config_schema *schema, size_t index) {
  const char *path = schema->fields[index].path;
  for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
    const size_t length = (size_t)(dot - path);
    bool inside = true;
    for (size_t i = index; i-- > 0;) {
      const bool below = lies_below(&schema->fields[i], path, length);
      if (below && !inside)
        return CYF_FAIL(CYF_ERR_INTERNAL, "configuration table: '%s' stands apart from its section", path);
      inside = inside && below;
    }
  }
  return CYF_OK;
}

static cyf_status check_field(const cyf_config_schema *schema, size_t index) {
  const cyf_config_field *field = &schema->fields[index];
  if (!field->path || !field->default_text || !field->help)
    return CYF_FAIL(CYF_ERR_INTERNAL, "configuration table: field %zu lacks its path, default or help", index);
  int n_dots = 0;
  for (const char *c = field->path; *c; ++c) n_dots += *c == '.';
  if (field->path[0] == '\0' || n_dots > 2)
    return CYF_FAIL(CYF_ERR_INTERNAL, "configuration table: '%s' must have one to three levels", field->path);
  if (member_bytes(field->type) == 0 || (field->type == CYF_CONFIG_CHOICE) != (field->choices != NULL))
    return CYF_FAIL(CYF_ERR_INTERNAL, "configuration table: '%s' has a wrong type or choices", field->path);
  if (cyf_config_find(schema, field->path) != field || cyf_config_find_section(schema, field->path))
    return CYF_FAIL(CYF_ERR_INTERNAL, "configuration table: '%s' is there twice", field->path);
  return check_sections(schema, index);
}

cyf_status cyf_config_defaults(const cyf_config_schema *schema, void *settings) {
  for (size_t i = 0; i < schema->n_fields; ++i)
    memset(cyf_config_member(&schema->fields[i], settings), 0, member_bytes(schema->fields[i].type));
  for (size_t i = 0; i < schema->n_fields; ++i) {
    const cyf_config_field *field = &schema->fields[i];
    const cyf_config_place place = {.code = CYF_ERR_INTERNAL, .name = "configuration table, default"};
    CYF_TRY(check_field(schema, i));
    CYF_TRY(cyf_config_parse_text(field, &place, field->default_text, cyf_config_member(field, settings)));
  }
  return CYF_OK;
}

cyf_status cyf_config_read(const cyf_config_schema *schema, const char *path, void *settings) {
  char *text = NULL;
  CYF_TRY(cyf_read_text_file(path, &text));
  const cyf_status status = cyf_config_read_text(schema, path, text, settings);
  cyf_free(text);
  return status;
}

cyf_status cyf_config_set(const cyf_config_schema *schema, const char *assignment, void *settings) {
  cyf_status status = CYF_OK;
  char *name = NULL, *path = NULL;
  CYF_TRY(cyf_format(&name, "--set %s", assignment));
  const cyf_config_place place = {.code = CYF_ERR_CONFIG, .name = name};
  const char *equals = strchr(assignment, '=');
  if (!equals || equals == assignment) {
    status = cyf_config_complain(&place, "expected KEY=VALUE, such as autoencoder.batch_cells=256");
    goto cleanup;
  }
  CYF_TRY_CLEANUP(cyf_format(&path, "%.*s", (int)(equals - assignment), assignment));
  const cyf_config_field *field = cyf_config_find(schema, path);
  if (!field) {
    status = cyf_config_find_section(schema, path)
                 ? cyf_config_complain(&place, "'%s' is a section; set one of its keys", path)
                 : cyf_config_unknown_key(schema, &place, path);
    goto cleanup;
  }
  status = cyf_config_parse_text(field, &place, equals + 1, cyf_config_member(field, settings));
cleanup:
  cyf_free(name);
  cyf_free(path);
  return status;
}

void cyf_config_destroy_strings(const cyf_config_schema *schema, void *settings) {
  if (!schema || !settings) return;
  for (size_t i = 0; i < schema->n_fields; ++i) {
    void *member = cyf_config_member(&schema->fields[i], settings);
    if (schema->fields[i].type == CYF_CONFIG_STRING) cyf_free_at(member);
    if (schema->fields[i].type == CYF_CONFIG_TEXT_LIST) cyf_config_texts_free(member);
  }
}
