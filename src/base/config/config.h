/* SPDX-License-Identifier: MIT */
/** @file
 * Strict YAML configuration over a table of fields.
 *
 * A caller describes its settings structure by an array of cyf_config_field. From that table these functions fill in
 * the defaults, read a YAML file, apply `--set a.b=c` overrides, and check ranges and choices. They also print the
 * resolved settings with every default and its meaning. Each complaint about a file gives file:line:column; one about
 * an unknown key names the nearest valid key. Not collective. */
#ifndef CYF_BASE_CONFIG_CONFIG_H
#define CYF_BASE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

/** Types of settings, and what the settings structure's member must be for each. */
typedef enum cyf_config_type {
  CYF_CONFIG_BOOL,     /**< bool: true|false */
  CYF_CONFIG_INT,      /**< int64_t; accepts 1_000 and 1e6 when integral */
  CYF_CONFIG_REAL,     /**< double */
  CYF_CONFIG_STRING,   /**< char *, owned by the settings (cyf_config_destroy_strings) */
  CYF_CONFIG_CHOICE,   /**< int or an enumeration: index into `choices` */
  CYF_CONFIG_INT_LIST, /**< cyf_config_ints */
  CYF_CONFIG_TEXT_LIST /**< cyf_config_texts, owned by the settings as strings are */
} cyf_config_type;

/** The most elements of a list. */
enum { CYF_CONFIG_LIST_MAX = 16 };
/** A list of integers: value[0..n). */
typedef struct cyf_config_ints {
  int n;
  int64_t value[CYF_CONFIG_LIST_MAX];
} cyf_config_ints;

/** A list of strings: value[0..n), each owned by the list. */
typedef struct cyf_config_texts {
  int n;
  char *value[CYF_CONFIG_LIST_MAX];
} cyf_config_texts;

/** One setting: its key, the member of the settings structure that holds it, its default, and what values it takes. */
typedef struct cyf_config_field {
  const char *path; /**< dotted, e.g. "autoencoder.batch_cells"; at most three levels */
  cyf_config_type type;
  size_t offset; /**< of the member in the settings structure */
  /** As it would stand in YAML; "" is the empty string; lists as "[512, 512]". Where it is "auto",
   * the key takes "auto" beside its values, and the caller chooses one in the end (cyf_config_is_auto). That is not so
   * of a STRING, a BOOL, or a CHOICE with that word. */
  const char *default_text;
  double least, most;         /**< inclusive bounds of numbers and of list elements; least > most: unbounded */
  const char *const *choices; /**< the words of a CHOICE (base/words.h), else NULL */
  const char *help;           /**< one line: meaning and unit */
} cyf_config_field;

/** All settings of one structure: fields[0..n_fields), borrowed, usually a static table. Fields of one section are
 * neighbours. */
typedef struct cyf_config_schema {
  const cyf_config_field *fields;
  size_t n_fields;
} cyf_config_schema;

/** Zeroes `settings` and fills in the defaults. Errors: CYF_ERR_INTERNAL if the table itself is wrong. */
cyf_status cyf_config_defaults(const cyf_config_schema *schema, void *settings);

/** Reads the YAML file over the present values. Errors: CYF_ERR_CONFIG "file:line:column: ..." for an unknown key (with
 * the nearest valid one), a wrong type, a value out of range, a duplicate key, or a file that is no mapping.
 * CYF_ERR_INPUT if the file cannot be opened. */
cyf_status cyf_config_read(const cyf_config_schema *schema, const char *path, void *settings);

/** The same from text in memory; `name` stands for the file in messages. */
cyf_status cyf_config_read_text(const cyf_config_schema *schema, const char *name, const char *text, void *settings);

/** Applies one "a.b=c" override; complaints begin with "--set a.b=c: ". */
cyf_status cyf_config_set(const cyf_config_schema *schema, const char *assignment, void *settings);

/** Writes the resolved settings as YAML that cyf_config_read accepts; with_help adds each meaning, default and range as
 * comments. The caller owns `stream`. */
cyf_status cyf_config_print(const cyf_config_schema *schema, const void *settings, int with_help, FILE *stream);

/** The same into a fresh string, freed with cyf_free. */
cyf_status cyf_config_to_text(const cyf_config_schema *schema, const void *settings, char **ret_text);

/** One field's value as it stands in YAML, freed with cyf_free. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_config_value_text(const cyf_config_field *field, const void *settings, char **ret_text);

/** Whether the key takes "auto" beside its values. */
bool cyf_config_takes_auto(const cyf_config_field *field);
/** Whether the setting is at "auto". Its member then holds no value: INT64_MIN, NAN, a choice of -1 or a list of -1
 * elements. */
bool cyf_config_is_auto(const cyf_config_field *field, const void *settings);
/** Copies one field's value between settings of the same table. Errors: CYF_ERR_MEMORY, the value being as before. */
cyf_status cyf_config_copy_value(const cyf_config_field *field, const void *from, void *to);
/** The field with exactly this path, NULL when there is none. */
const cyf_config_field *cyf_config_find(const cyf_config_schema *schema, const char *path);

/** Frees the strings inside settings and sets them to NULL. The structure itself is the caller's. NULL-safe. */
void cyf_config_destroy_strings(const cyf_config_schema *schema, void *settings);

#endif
