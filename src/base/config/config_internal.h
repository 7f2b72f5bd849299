/* SPDX-License-Identifier: MIT */
/** @file
 * Shared by the parts of the configuration engine; not for other modules. */
#ifndef CYF_BASE_CONFIG_CONFIG_INTERNAL_H
#define CYF_BASE_CONFIG_CONFIG_INTERNAL_H

#include <stdbool.h>

#include "base/config/config.h"

/** What a complaint begins with: "name:line:column", or only the name where there are no lines. */
typedef struct cyf_config_place {
  cyf_status code; /**< of the complaint */
  const char *name;
  size_t line, column; /**< from 1; line 0: none */
} cyf_config_place;

/** Room for a number or a range in words. */
enum { CYF_CONFIG_NUMBER_BYTES = 96 };

/** Fails with "place: message". */
cyf_status cyf_config_complain(const cyf_config_place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** True when the first `length` characters of path, followed by a dot, begin the field's path. */
bool cyf_config_lies_below(const cyf_config_field *field, const char *path, size_t length);
/** The first field below the section `path`, NULL when there is no such section. */
const cyf_config_field *cyf_config_find_section(const cyf_config_schema *schema, const char *path);
/** Fails: the path is neither a field nor a section; names the nearest key, or the keys that would be valid there. */
cyf_status cyf_config_unknown_key(const cyf_config_schema *schema, const cyf_config_place *place, const char *path);

/** Where the settings structure holds this field. */
static inline void *cyf_config_member(const cyf_config_field *field, void *settings) {
  return (char *)settings + field->offset;
}

/** The text for a value that the caller chooses. */
#define CYF_CONFIG_AUTO "auto"

/** "an integer", "true or false", "one of a|b|c" ... */
const char *cyf_config_type_name(const cyf_config_field *field);
/** Sets the member from one scalar. `plain`: unquoted, so that null means "no value". Lists are not scalars. */
cyf_status cyf_config_parse_scalar(const cyf_config_field *field, const cyf_config_place *place, const char *text,
                                   bool plain, void *member);
/** A list of either type while it is being read. */
typedef union cyf_config_list {
  cyf_config_ints ints;
  cyf_config_texts texts;
} cyf_config_list;

/** True for the two list types. */
static inline bool cyf_config_is_list(const cyf_config_field *field) {
  return field->type == CYF_CONFIG_INT_LIST || field->type == CYF_CONFIG_TEXT_LIST;
}
/** Appends one element to a list that is being read. */
cyf_status cyf_config_append(const cyf_config_field *field, const cyf_config_place *place, const char *text, bool plain,
                             cyf_config_list *list);
/** Replaces the member, which takes over the list's texts. */
void cyf_config_set_list(const cyf_config_field *field, const cyf_config_list *list, void *member);
/** Frees the strings of the list and empties it. */
void cyf_config_texts_free(cyf_config_texts *texts);
/** Sets the member from text as it stands in `default_text` and behind `--set a.b=`. */
cyf_status cyf_config_parse_text(const cyf_config_field *field, const cyf_config_place *place, const char *text,
                                 void *member);

/** The shortest text that reads back as exactly this number; text has CYF_CONFIG_NUMBER_BYTES. */
void cyf_config_real_text(double value, char *text);
/** "1..100", "at least 0", "at most 1"; "" when unbounded; text has CYF_CONFIG_NUMBER_BYTES. */
void cyf_config_range_text(const cyf_config_field *field, char *text);

#endif
