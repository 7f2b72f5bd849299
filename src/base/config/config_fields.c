/* SPDX-License-Identifier: MIT */
/* Looking up fields, and what is said of a key that is none. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/config/config_internal.h"
#include "base/memory.h"
#include "base/names.h"
#include "base/words.h"

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

bool cyf_config_takes_auto(const cyf_config_field *field) {
  if (strcmp(field->default_text, CYF_CONFIG_AUTO) != 0) return false;
  if (field->type == CYF_CONFIG_STRING || field->type == CYF_CONFIG_BOOL) return false;
  return field->type != CYF_CONFIG_CHOICE || cyf_words_find(field->choices, CYF_CONFIG_AUTO) < 0;
}

bool cyf_config_is_auto(const cyf_config_field *field, const void *settings) {
  const void *member = (const char *)settings + field->offset;
  if (!cyf_config_takes_auto(field)) return false;
  switch (field->type) {
    case CYF_CONFIG_INT:
      return *(const int64_t *)member == INT64_MIN;
    case CYF_CONFIG_REAL:
      return isnan(*(const double *)member);
    case CYF_CONFIG_CHOICE:
      return *(const int *)member < 0;
    case CYF_CONFIG_INT_LIST:
      return ((const cyf_config_ints *)member)->n < 0;
    case CYF_CONFIG_TEXT_LIST:
      return ((const cyf_config_texts *)member)->n < 0;
    case CYF_CONFIG_BOOL:
    case CYF_CONFIG_STRING:
      break;
  }
  return false;
}

bool cyf_config_lies_below(const cyf_config_field *field, const char *path, size_t length) {
  return strncmp(field->path, path, length) == 0 && field->path[length] == '.';
}

const cyf_config_field *cyf_config_find_section(const cyf_config_schema *schema, const char *path) {
  for (size_t i = 0; i < schema->n_fields; ++i) {
    if (cyf_config_lies_below(&schema->fields[i], path, strlen(path))) return &schema->fields[i];
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
    if (section_length > 0 && !cyf_config_lies_below(field, section, section_length)) continue;
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
  char text[CYF_NAMES_LIST_BYTES];
  cyf_list_names((int64_t)list->n_names, (const char *const *)list->names, text, sizeof text);
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
