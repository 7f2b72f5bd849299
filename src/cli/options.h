/* SPDX-License-Identifier: MIT */
/** @file
 * Command-line options from a table: parsing, and the text of --help. No function here is collective. */
#ifndef CYF_CLI_OPTIONS_H
#define CYF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/names.h"
#include "base/status.h"

/** What an option's value is, and with it the type of its target. */
typedef enum cyf_option_kind {
  CYF_OPTION_FLAG, /**< bool */
  CYF_OPTION_TEXT, /**< const char * */
  CYF_OPTION_INT,  /**< int64_t; "1e6" and "1_000" are read */
  CYF_OPTION_REAL, /**< double */
  CYF_OPTION_LIST  /**< cyf_texts; the option may be repeated */
} cyf_option_kind;

/** One option. Texts are static. */
typedef struct cyf_option {
  const char *name; /**< without the dashes */
  char letter;      /**< its short form, as in -o; 0: none */
  cyf_option_kind kind;
  void *target;           /**< where the value goes; of the kind's type, and not owned */
  const char *value_name; /**< in the help; NULL for flags */
  const char *help;
} cyf_option;

/** A group of options in the help: it begins with the option `first` of the table. */
typedef struct cyf_option_group {
  const char *first; /**< an option's name */
  const char *heading;
} cyf_option_group;

/** The most groups that a command has. */
enum { CYF_OPTION_GROUPS_MAX = 8 };

/** What a command's --help says beside its options. Texts are static. */
typedef struct cyf_usage {
  const char *command;                            /**< "sample" */
  const char *arguments;                          /**< "-m MODEL -n N -o OUT.h5ad [options]" */
  const char *text;                               /**< a paragraph */
  const char *examples;                           /**< lines */
  cyf_option_group groups[CYF_OPTION_GROUPS_MAX]; /**< in the table's order; none: one group of all options */
} cyf_usage;

/** Reads argv[1] and following into the targets; arguments that are no options go to `positional`. The target of an
 * option that is not given keeps its value, the default. Texts point into argv. The caller frees lists with
 * cyf_options_free. Errors: CYF_ERR_USAGE (an unknown option, with the nearest; a missing or malformed value). */
cyf_status cyf_options_parse(const cyf_usage *usage, int argc, char **argv, const cyf_option *options, size_t n_options,
                             cyf_texts *positional);
/** Prints the text of --help. */
void cyf_options_print_help(const cyf_usage *usage, const cyf_option *options, size_t n_options, FILE *stream);

/** Frees the arrays of all lists among the targets, and of `positional`. */
void cyf_options_free(const cyf_option *options, size_t n_options, cyf_texts *positional);
/** True when --help or -h stands among the arguments, before a "--" if there is one. */
bool cyf_options_ask_help(int argc, char **argv);

#endif
