/* SPDX-License-Identifier: MIT */
/* Printing the resolved configuration as YAML. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config_internal.h"
#include "base/config/yaml_doc.h"
#include "base/memory.h"
#include "base/words.h"

/* Comments stand in one column; a line that is longer than this pushes its own comment out. */
enum { COMMENT_COLUMN_MAX = 44 };

static void print_list(const cyf_config_ints *list, FILE *stream) {
  fputc('[', stream);
  for (int i = 0; i < list->n; ++i) fprintf(stream, "%s%" PRId64, i ? ", " : "", list->value[i]);
  fputc(']', stream);
}

static void print_texts(const cyf_config_texts *list, FILE *stream) {
  fputc('[', stream);
  for (int i = 0; i < list->n; ++i) {
    if (i) fputs(", ", stream);
    cyf_yaml_write_quoted(stream, list->value[i]);
  }
  fputc(']', stream);
}

static void print_value(const cyf_config_field *field, const void *settings, FILE *stream) {
  const void *member = (const char *)settings + field->offset;
  char number[CYF_CONFIG_NUMBER_BYTES];
  if (cyf_config_is_auto(field, settings)) {
    fputs(CYF_CONFIG_AUTO, stream);
    return;
  }
  switch (field->type) {
    case CYF_CONFIG_BOOL:
      fputs(*(const bool *)member ? "true" : "false", stream);
      break;
    case CYF_CONFIG_INT:
      fprintf(stream, "%" PRId64, *(const int64_t *)member);
      break;
    case CYF_CONFIG_REAL:
      cyf_config_real_text(*(const double *)member, number);
      fputs(number, stream);
      break;
    case CYF_CONFIG_STRING: {
      const char *text = *(char *const *)member;
      cyf_yaml_write_quoted(stream, text ? text : "");
      break;
    }
    case CYF_CONFIG_CHOICE:
      fputs(field->choices[*(const int *)member], stream);
      break;
    case CYF_CONFIG_INT_LIST:
      print_list(member, stream);
      break;
    case CYF_CONFIG_TEXT_LIST:
      print_texts(member, stream);
      break;
  }
}

/* "# meaning (default: 5, range 1..9)" */
static void print_help(const cyf_config_field *field, FILE *stream) {
  char range[CYF_CONFIG_NUMBER_BYTES];
  cyf_config_range_text(field, range);
  fprintf(stream, "# %s (default: %s", field->help, field->default_text[0] ? field->default_text : "\"\"");
  if (range[0]) fprintf(stream, ", %s%s", strstr(range, "..") ? "range " : "", range);
  if (field->choices) {
    char words[CYF_WORDS_TEXT_MAX];
    cyf_words_text(field->choices, words);
    fprintf(stream, ", one of %s%s", cyf_config_takes_auto(field) ? CYF_CONFIG_AUTO "|" : "", words);
  }
  fputs(")", stream);
}

/* Whether fields a and b share their first `level` sections. */
static bool same_section(const char *a, const char *b, int level) {
  for (; *a && *a == *b; ++a, ++b) {
    if (*a == '.' && --level == 0) return true;
  }
  return level == 0;
}

/* Opens the sections of `path` that the field before it did not lie in; returns how deep the field lies. */
static int print_sections(const char *path, const char *previous, FILE *stream) {
  int level = 0;
  const char *name = path;
  for (const char *dot = strchr(path, '.'); dot; dot = strchr(name, '.')) {
    ++level;
    if (!previous || !same_section(path, previous, level)) {
      if (level == 1 && previous) fputc('\n', stream);
      fprintf(stream, "%*s%.*s:\n", 2 * (level - 1), "", (int)(dot - name), name);
    }
    name = dot + 1;
  }
  return level;
}

/* "  key: value" of a field, freed with free. NULL when memory is short. */
static char *line_text(const cyf_config_field *field, const void *settings) {
  char *line = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&line, &size);
  if (!stream) return NULL;
  int level = 0;
  const char *name = field->path;
  for (const char *c = field->path; *c; ++c) {
    if (*c == '.') ++level, name = c + 1;
  }
  fprintf(stream, "%*s%s: ", 2 * level, "", name);
  print_value(field, settings, stream);
  const bool failed = ferror(stream);
  if (fclose(stream) != 0 || failed) {
    free(line);
    return NULL;
  }
  return line;
}

cyf_status cyf_config_value_text(const cyf_config_field *field, const void *settings, char **ret_text) {
  char *line = line_text(field, settings);
  *ret_text = NULL;
  if (!line) return CYF_FAIL(CYF_ERR_MEMORY, "out of memory while printing the configuration");
  const cyf_status status = cyf_strdup(strchr(line, ':') + 2, ret_text);
  free(line);
  return status;
}

static int columns(const char *text) {
  int n = 0;
  for (; *text; ++text) n += ((unsigned char)*text & 0xC0) != 0x80; /* UTF-8: count first bytes */
  return n;
}

static cyf_status print_lines(const cyf_config_schema *schema, char *const *lines, bool with_help, FILE *stream) {
  int column = 0;
  for (size_t i = 0; i < schema->n_fields; ++i) {
    const int n = columns(lines[i]);
    if (n <= COMMENT_COLUMN_MAX && n > column) column = n;
  }
  for (size_t i = 0; i < schema->n_fields; ++i) {
    const cyf_config_field *field = &schema->fields[i];
    const char *previous = i > 0 ? schema->fields[i - 1].path : NULL;
    const int level = print_sections(field->path, previous, stream);
    /* A key of the top level after a section reads better apart from it. */
    if (level == 0 && previous && strchr(previous, '.')) fputc('\n', stream);
    fputs(lines[i], stream);
    if (with_help) {
      const int n = columns(lines[i]);
      fprintf(stream, "%*s", n < column ? column - n + 2 : 2, "");
      print_help(field, stream);
    }
    fputc('\n', stream);
  }
  if (ferror(stream)) return CYF_FAIL(CYF_ERR_IO, "the configuration could not be written");
  return CYF_OK;
}

cyf_status cyf_config_print(const cyf_config_schema *schema, const void *settings, int with_help, FILE *stream) {
  cyf_status status = CYF_OK;
  char **lines = NULL;
  CYF_TRY(CYF_NEW(&lines, schema->n_fields));
  for (size_t i = 0; i < schema->n_fields; ++i) {
    lines[i] = line_text(&schema->fields[i], settings);
    if (!lines[i]) {
      status = CYF_FAIL(CYF_ERR_MEMORY, "out of memory while printing the configuration");
      goto cleanup;
    }
  }
  status = print_lines(schema, lines, with_help != 0, stream);
cleanup:
  for (size_t i = 0; i < schema->n_fields; ++i) free(lines[i]);
  cyf_free(lines);
  return status;
}

cyf_status cyf_config_to_text(const cyf_config_schema *schema, const void *settings, char **ret_text) {
  char *text = NULL;
  size_t size = 0;
  *ret_text = NULL;
  FILE *stream = open_memstream(&text, &size);
  if (!stream) return CYF_FAIL(CYF_ERR_MEMORY, "out of memory while printing the configuration");
  cyf_status status = cyf_config_print(schema, settings, 0, stream);
  if (fclose(stream) != 0 && status == CYF_OK)
    status = CYF_FAIL(CYF_ERR_MEMORY, "out of memory while printing the configuration");
  if (status == CYF_OK) status = cyf_strdup(text, ret_text);
  free(text);
  return status;
}
