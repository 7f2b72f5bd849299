/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"
#include "base/memory.h"

static cyf_status add_text(cyf_texts *texts, const char *text) {
  CYF_TRY(cyf_realloc((void **)&texts->item, (size_t)texts->n + 1, sizeof *texts->item));
  texts->item[texts->n++] = text;
  return CYF_OK;
}

static cyf_status bad_value(const cyf_usage *usage, const cyf_option *option, const char *value, const char *wanted) {
  return CYF_FAIL(CYF_ERR_USAGE, "%s: --%s wants %s, not '%s'", usage->command, option->name, wanted, value);
}

static cyf_status parse_number(const char *value, double *ret_number, bool *ret_ok) {
  char *digits = NULL;
  CYF_TRY(cyf_strdup(value, &digits));
  char *out = digits;
  for (const char *in = value; *in != '\0'; in++)
    if (*in != '_') *out++ = *in;
  *out = '\0';
  char *end = NULL;
  errno = 0;
  *ret_number = strtod(digits, &end);
  *ret_ok = end != digits && *end == '\0' && errno == 0 && isfinite(*ret_number);
  cyf_free(digits);
  return CYF_OK;
}

static cyf_status store(const cyf_usage *usage, const cyf_option *option, const char *value) {
  double number = 0;
  bool ok = false;
  switch (option->kind) {
    case CYF_OPTION_FLAG:
      *(bool *)option->target = true;
      return CYF_OK;
    case CYF_OPTION_TEXT:
      *(const char **)option->target = value;
      return CYF_OK;
    case CYF_OPTION_LIST:
      return add_text(option->target, value);
    case CYF_OPTION_INT:
      CYF_TRY(parse_number(value, &number, &ok));
      if (!ok || number != floor(number) || fabs(number) > 9e15)
        return bad_value(usage, option, value, "a whole number");
      *(int64_t *)option->target = (int64_t)number;
      return CYF_OK;
    case CYF_OPTION_REAL:
      CYF_TRY(parse_number(value, &number, &ok));
      if (!ok) return bad_value(usage, option, value, "a number");
      *(double *)option->target = number;
      return CYF_OK;
  }
  return CYF_OK;
}

static const cyf_option *find_long(const cyf_option *options, size_t n, const char *name, size_t length) {
  for (size_t i = 0; i < n; i++)
    if (strlen(options[i].name) == length && strncmp(options[i].name, name, length) == 0) return &options[i];
  return NULL;
}

static const cyf_option *find_letter(const cyf_option *options, size_t n, char letter) {
  for (size_t i = 0; i < n; i++)
    if (options[i].letter == letter) return &options[i];
  return NULL;
}

static cyf_status unknown(const cyf_usage *usage, const char *argument, const cyf_option *options, size_t n) {
  const char **names = NULL;
  CYF_TRY(CYF_NEW(&names, n));
  for (size_t i = 0; i < n; i++) names[i] = options[i].name;
  char name[128];
  snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, "="), argument);
  const char *nearest = strncmp(name, "--", 2) == 0 ? cyf_nearest_name(name + 2, names, n) : NULL;
  cyf_status status;
  if (nearest != NULL)
    status = CYF_FAIL(CYF_ERR_USAGE, "%s: unknown option '%s'; did you mean --%s?", usage->command, name, nearest);
  else
    status = CYF_FAIL(CYF_ERR_USAGE, "%s: unknown option '%s'; see cytoforge %s --help", usage->command, name,
                      usage->command);
  cyf_free(names);
  return status;
}

cyf_status cyf_options_parse(const cyf_usage *usage, int argc, char **argv, const cyf_option *options, size_t n_options,
                             cyf_texts *positional) {
  bool only_positional = false;
  for (int i = 1; i < argc; i++) {
    const char *argument = argv[i], *value = NULL;
    if (only_positional || argument[0] != '-' || argument[1] == '\0') {
      CYF_TRY(add_text(positional, argument));
      continue;
    }
    if (strcmp(argument, "--") == 0) {
      only_positional = true;
      continue;
    }
    const cyf_option *option;
    if (argument[1] == '-') {
      size_t length = strcspn(argument + 2, "=");
      option = find_long(options, n_options, argument + 2, length);
      if (argument[2 + length] == '=') value = argument + 2 + length + 1;
    } else {
      option = find_letter(options, n_options, argument[1]);
      if (argument[2] != '\0') value = argument + 2;
    }
    if (option == NULL) return unknown(usage, argument, options, n_options);
    if (option->kind == CYF_OPTION_FLAG && value != NULL)
      return CYF_FAIL(CYF_ERR_USAGE, "%s: --%s takes no value", usage->command, option->name);
    if (option->kind != CYF_OPTION_FLAG && value == NULL) {
      if (i + 1 >= argc)
        return CYF_FAIL(CYF_ERR_USAGE, "%s: --%s wants a value (%s)", usage->command, option->name, option->value_name);
      value = argv[++i];
    }
    CYF_TRY(store(usage, option, value));
  }
  return CYF_OK;
}

enum { HELP_INDENT = 30, HELP_COLUMNS = 100 };

/* Prints the words of the text in lines of HELP_COLUMNS. HELP_INDENT columns of the first line are printed already. */
static void print_wrapped(const char *text, FILE *stream) {
  size_t at = HELP_INDENT;
  while (*text != '\0') {
    const size_t word = strcspn(text, " ");
    if (at > HELP_INDENT && at + 1 + word > HELP_COLUMNS) {
      fprintf(stream, "\n%*s", HELP_INDENT, "");
      at = HELP_INDENT;
    }
    at += (size_t)fprintf(stream, "%s%.*s", at > HELP_INDENT ? " " : "", (int)word, text);
    text += word + strspn(text + word, " ");
  }
  fputc('\n', stream);
}

static void print_option(const cyf_option *o, FILE *stream) {
  char left[80];
  int n = o->letter != 0 ? snprintf(left, sizeof left, "-%c, --%s", o->letter, o->name)
                         : snprintf(left, sizeof left, "    --%s", o->name);
  if (o->value_name != NULL && n > 0 && (size_t)n < sizeof left)
    snprintf(left + n, sizeof left - (size_t)n, " %s", o->value_name);
  const bool fits = strlen(left) <= HELP_INDENT - 4;
  if (fits)
    fprintf(stream, "  %-*s  ", HELP_INDENT - 4, left);
  else
    fprintf(stream, "  %s\n%*s", left, HELP_INDENT, "");
  print_wrapped(o->help, stream);
}

static const char *heading_of(const cyf_usage *usage, const cyf_option *option) {
  for (int g = 0; g < CYF_OPTION_GROUPS_MAX && usage->groups[g].first != NULL; g++)
    if (strcmp(usage->groups[g].first, option->name) == 0) return usage->groups[g].heading;
  return NULL;
}

void cyf_options_print_help(const cyf_usage *usage, const cyf_option *options, size_t n_options, FILE *stream) {
  fprintf(stream, "usage: cytoforge %s %s\n\n%s\n", usage->command, usage->arguments, usage->text);
  for (size_t i = 0; i < n_options; i++) {
    const char *heading = heading_of(usage, &options[i]);
    if (heading == NULL && i == 0) heading = "options";
    if (heading != NULL) fprintf(stream, "\n%s:\n", heading);
    print_option(&options[i], stream);
  }
  fprintf(stream, "\nexamples:\n%s", usage->examples);
}

void cyf_options_free(const cyf_option *options, size_t n_options, cyf_texts *positional) {
  for (size_t i = 0; i < n_options; i++)
    if (options[i].kind == CYF_OPTION_LIST) cyf_free(((cyf_texts *)options[i].target)->item);
  if (positional != NULL) cyf_free(positional->item);
}

bool cyf_options_ask_help(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
  return false;
}
