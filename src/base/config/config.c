/* SPDX-License-Identifier: MIT */
/* The table of fields: checking, defaults, overrides. */
#include "base/config/config.h"

#include <string.h>

#include "base/config/config_internal.h"
#include "base/files.h"
#include "base/memory.h"

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
      const bool below = cyf_config_lies_below(&schema->fields[i], path, length);
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

cyf_status cyf_config_copy_value(const cyf_config_field *field, const void *from, void *to) {
  const void *source = (const char *)from + field->offset;
  void *member = cyf_config_member(field, to);
  if (field->type == CYF_CONFIG_STRING) {
    char *copy = NULL;
    const char *text = *(char *const *)source;
    CYF_TRY(cyf_strdup(text != NULL ? text : "", &copy));
    cyf_free_at(member);
    *(char **)member = copy;
    return CYF_OK;
  }
  if (field->type != CYF_CONFIG_TEXT_LIST) {
    memcpy(member, source, member_bytes(field->type));
    return CYF_OK;
  }
  const cyf_config_texts *texts = source;
  cyf_config_texts copy = {0};
  cyf_status status = CYF_OK;
  for (; copy.n < texts->n && status == CYF_OK; copy.n += status == CYF_OK)
    status = cyf_strdup(texts->value[copy.n], &copy.value[copy.n]);
  if (status != CYF_OK) {
    cyf_config_texts_free(&copy);
    return status;
  }
  if (texts->n < 0) copy.n = texts->n; /* auto */
  cyf_config_texts_free(member);
  *(cyf_config_texts *)member = copy;
  return CYF_OK;
}

void cyf_config_destroy_strings(const cyf_config_schema *schema, void *settings) {
  if (!schema || !settings) return;
  for (size_t i = 0; i < schema->n_fields; ++i) {
    void *member = cyf_config_member(&schema->fields[i], settings);
    if (schema->fields[i].type == CYF_CONFIG_STRING) cyf_free_at(member);
    if (schema->fields[i].type == CYF_CONFIG_TEXT_LIST) cyf_config_texts_free(member);
  }
}
