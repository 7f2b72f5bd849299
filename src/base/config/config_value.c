/* SPDX-License-Identifier: MIT */
/* One value of a configuration: from text to the settings' member, with its range and choices. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config_internal.h"
#include "base/memory.h"
#include "base/names.h"
#include "base/words.h"

const char *cyf_config_type_name(const cyf_config_field *field) {
  switch (field->type) {
    case CYF_CONFIG_BOOL:
      return "true or false";
    case CYF_CONFIG_INT:
      return "an integer";
    case CYF_CONFIG_REAL:
      return "a number";
    case CYF_CONFIG_STRING:
      return "a text";
    case CYF_CONFIG_CHOICE:
      return "one of its choices";
    case CYF_CONFIG_INT_LIST:
      return "a list of integers such as [512, 256]";
    case CYF_CONFIG_TEXT_LIST:
      return "a list of texts such as [cell_type, donor]";
  }
  return "a value";
}

void cyf_config_real_text(double value, char *text) {
  char shortest[CYF_CONFIG_NUMBER_BYTES - 2];
  int digits = 1;
  do {
    snprintf(shortest, sizeof shortest, "%.*g", digits, value);
  } while (++digits <= 17 && strtod(shortest, NULL) != value);
  /* "1e-05" is a text to YAML 1.1 readers, "1.0e-05" a number. */
  const size_t mantissa = strcspn(shortest, "e");
  const bool needs_point = shortest[mantissa] == 'e' && !strchr(shortest, '.');
  snprintf(text, CYF_CONFIG_NUMBER_BYTES, "%.*s%s%s", (int)mantissa, shortest, needs_point ? ".0" : "",
           shortest + mantissa);
}

static bool is_endless(double bound) {
  return fabs(bound) >= 9.2e18;
}

void cyf_config_range_text(const cyf_config_field *field, char *text) {
  char least[CYF_CONFIG_NUMBER_BYTES], most[CYF_CONFIG_NUMBER_BYTES];
  text[0] = '\0';
  if (field->type != CYF_CONFIG_INT && field->type != CYF_CONFIG_REAL && field->type != CYF_CONFIG_INT_LIST) return;
  if (field->least > field->most || (is_endless(field->least) && is_endless(field->most))) return;
  cyf_config_real_text(field->least, least);
  cyf_config_real_text(field->most, most);
  if (field->type != CYF_CONFIG_REAL) { /* 1000000 rather than 1.0e+06 */
    if (!is_endless(field->least)) snprintf(least, sizeof least, "%" PRId64, (int64_t)field->least);
    if (!is_endless(field->most)) snprintf(most, sizeof most, "%" PRId64, (int64_t)field->most);
  }
  if (is_endless(field->most)) {
    snprintf(text, CYF_CONFIG_NUMBER_BYTES, "at least %.40s", least);
  } else if (is_endless(field->least)) {
    snprintf(text, CYF_CONFIG_NUMBER_BYTES, "at most %.40s", most);
  } else {
    snprintf(text, CYF_CONFIG_NUMBER_BYTES, "%.40s..%.40s", least, most);
  }
}

enum { DIGITS_BYTES = 64 };

/* Copies a number without its underscores (allowed between digits only); false when it cannot be a decimal number. */
static bool copy_digits(const char *text, char digits[DIGITS_BYTES]) {
  size_t n = 0;
  for (const char *c = text; *c; ++c) {
    if (*c == '_') {
      if (c == text || !isdigit((unsigned char)c[-1]) || !isdigit((unsigned char)c[1])) return false;
      continue;
    }
    if (!isdigit((unsigned char)*c) && !strchr("+-.eE", *c)) return false; /* no hexadecimal, no inf */
    if (n + 1 >= DIGITS_BYTES) return false;
    digits[n++] = *c;
  }
  digits[n] = '\0';
  return n > 0;
}

static bool parse_real(const char *text, double *ret_value) {
  char digits[DIGITS_BYTES], *end;
  if (!copy_digits(text, digits)) return false;
  *ret_value = strtod(digits, &end);
  return *end == '\0' && isfinite(*ret_value);
}

static bool parse_int(const char *text, int64_t *ret_value) {
  char digits[DIGITS_BYTES], *end;
  if (!copy_digits(text, digits)) return false;
  errno = 0;
  const long long whole = strtoll(digits, &end, 10);
  if (*end == '\0') {
    *ret_value = whole;
    return errno == 0;
  }
  double real;
  if (!parse_real(text, &real) || real != floor(real) || fabs(real) >= 9.2e18) return false;
  *ret_value = (int64_t)real;
  return true;
}

static cyf_status check_range(const cyf_config_field *field, const cyf_config_place *place, const char *text,
                              double value) {
  if (field->least > field->most || (value >= field->least && value <= field->most)) return CYF_OK;
  char range[CYF_CONFIG_NUMBER_BYTES];
  cyf_config_range_text(field, range);
  return cyf_config_complain(place, "'%s' is %s, which is out of range; valid: %s", field->path, text, range);
}

static cyf_status wrong_type(const cyf_config_field *field, const cyf_config_place *place, const char *text,
                             bool plain) {
  return cyf_config_complain(place, "'%s' must be %s%s, not %s'%s'", field->path, cyf_config_type_name(field),
                             cyf_config_takes_auto(field) ? " or " CYF_CONFIG_AUTO : "",
                             plain ? "" : "the quoted text ", text);
}

static bool is_null(const char *text) {
  return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 ||
         strcmp(text, "NULL") == 0;
}

static cyf_status set_string(const char *text, bool plain, char **member) {
  char *copy;
  CYF_TRY(cyf_strdup(plain && is_null(text) ? "" : text, &copy));
  cyf_free(*member);
  *member = copy;
  return CYF_OK;
}

static cyf_status set_choice(const cyf_config_field *field, const cyf_config_place *place, const char *text,
                             int *member) {
  const int index = cyf_words_find(field->choices, text);
  if (index >= 0) {
    *member = index;
    return CYF_OK;
  }
  char valid[CYF_NAMES_LIST_BYTES];
  int64_t n = 0;
  while (field->choices[n] != NULL) n++;
  return cyf_config_complain(place, "'%s' cannot be '%s'; valid: %s%s", field->path, text,
                             cyf_list_names(n, field->choices, valid, sizeof valid),
                             cyf_config_takes_auto(field) ? ", '" CYF_CONFIG_AUTO "'" : "");
}

static cyf_status set_bool(const cyf_config_field *field, const cyf_config_place *place, const char *text, bool plain,
                           bool *member) {
  const bool is_true = strcmp(text, "true") == 0;
  if (!plain || (!is_true && strcmp(text, "false") != 0)) return wrong_type(field, place, text, plain);
  *member = is_true;
  return CYF_OK;
}

static cyf_status set_real(const cyf_config_field *field, const cyf_config_place *place, const char *text, bool plain,
                           double *member) {
  double value;
  if (!plain || !parse_real(text, &value)) return wrong_type(field, place, text, plain);
  CYF_TRY(check_range(field, place, text, value));
  *member = value;
  return CYF_OK;
}

static cyf_status set_int(const cyf_config_field *field, const cyf_config_place *place, const char *text, bool plain,
                          int64_t *member) {
  int64_t value;
  if (!plain || !parse_int(text, &value)) return wrong_type(field, place, text, plain);
  CYF_TRY(check_range(field, place, text, (double)value));
  *member = value;
  return CYF_OK;
}

/* Sets what stands for "auto". *ret_is: the text says so, and the field takes it. */
static void set_auto(const cyf_config_field *field, const char *text, bool plain, void *member, bool *ret_is) {
  *ret_is = plain && strcmp(text, CYF_CONFIG_AUTO) == 0 && cyf_config_takes_auto(field);
  if (!*ret_is) return;
  if (field->type == CYF_CONFIG_INT) *(int64_t *)member = INT64_MIN;
  if (field->type == CYF_CONFIG_REAL) *(double *)member = NAN;
  if (field->type == CYF_CONFIG_CHOICE) *(int *)member = -1;
  if (field->type == CYF_CONFIG_INT_LIST) ((cyf_config_ints *)member)->n = -1;
  if (field->type != CYF_CONFIG_TEXT_LIST) return;
  cyf_config_texts_free(member);
  ((cyf_config_texts *)member)->n = -1;
}

cyf_status cyf_config_parse_scalar(const cyf_config_field *field, const cyf_config_place *place, const char *text,
                                   bool plain, void *member) {
  bool is_auto = false;
  set_auto(field, text, plain, member, &is_auto);
  if (is_auto) return CYF_OK;
  if (plain && is_null(text) && field->type != CYF_CONFIG_STRING)
    return cyf_config_complain(place, "'%s' has no value; it must be %s", field->path, cyf_config_type_name(field));
  switch (field->type) {
    case CYF_CONFIG_BOOL:
      return set_bool(field, place, text, plain, member);
    case CYF_CONFIG_INT:
      return set_int(field, place, text, plain, member);
    case CYF_CONFIG_REAL:
      return set_real(field, place, text, plain, member);
    case CYF_CONFIG_STRING:
      return set_string(text, plain, member);
    case CYF_CONFIG_CHOICE:
      return set_choice(field, place, text, member);
    case CYF_CONFIG_INT_LIST:
    case CYF_CONFIG_TEXT_LIST:
      break;
  }
  return wrong_type(field, place, text, plain);
}

cyf_status cyf_config_append(const cyf_config_field *field, const cyf_config_place *place, const char *text, bool plain,
                             cyf_config_list *list) {
  const int n = field->type == CYF_CONFIG_TEXT_LIST ? list->texts.n : list->ints.n;
  if (n == CYF_CONFIG_LIST_MAX)
    return cyf_config_complain(place, "'%s' has more than %d elements", field->path, (int)CYF_CONFIG_LIST_MAX);
  if (field->type == CYF_CONFIG_TEXT_LIST) {
    if (plain && is_null(text)) return cyf_config_complain(place, "'%s' has an empty element", field->path);
    CYF_TRY(cyf_strdup(text, &list->texts.value[n]));
    list->texts.n++;
    return CYF_OK;
  }
  int64_t value;
  if (!plain || !parse_int(text, &value))
    return cyf_config_complain(place, "'%s' must hold integers, not '%s'", field->path, text);
  CYF_TRY(check_range(field, place, text, (double)value));
  list->ints.value[list->ints.n++] = value;
  return CYF_OK;
}

void cyf_config_texts_free(cyf_config_texts *texts) {
  for (int i = 0; i < texts->n; ++i) cyf_free(texts->value[i]);
  texts->n = 0;
}

void cyf_config_set_list(const cyf_config_field *field, const cyf_config_list *list, void *member) {
  if (field->type == CYF_CONFIG_TEXT_LIST) {
    cyf_config_texts_free(member);
    *(cyf_config_texts *)member = list->texts;
  } else {
    *(cyf_config_ints *)member = list->ints;
  }
}

/* Cuts white space off both ends in place. */
static char *trimmed(char *text) {
  while (isspace((unsigned char)*text)) ++text;
  size_t length = strlen(text);
  while (length > 0 && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
  return text;
}

/* "[a, b, c]" or "[]". */
static cyf_status parse_list(const cyf_config_field *field, const cyf_config_place *place, const char *text,
                             void *member) {
  cyf_status status = CYF_OK;
  cyf_config_list list = {0};
  char *copy = NULL;
  CYF_TRY(cyf_strdup(text, &copy));
  char *body = trimmed(copy);
  const size_t length = strlen(body);
  if (length < 2 || body[0] != '[' || body[length - 1] != ']') {
    status = wrong_type(field, place, text, true);
    goto cleanup;
  }
  body[length - 1] = '\0';
  char *rest = trimmed(body + 1);
  while (rest && *rest) {
    char *comma = strchr(rest, ',');
    if (comma) *comma = '\0';
    CYF_TRY_CLEANUP(cyf_config_append(field, place, trimmed(rest), true, &list));
    rest = comma ? comma + 1 : NULL;
  }
  cyf_config_set_list(field, &list, member);
cleanup:
  if (status != CYF_OK && field->type == CYF_CONFIG_TEXT_LIST) cyf_config_texts_free(&list.texts);
  cyf_free(copy);
  return status;
}

cyf_status cyf_config_parse_text(const cyf_config_field *field, const cyf_config_place *place, const char *text,
                                 void *member) {
  bool is_auto = false;
  if (cyf_config_is_list(field)) set_auto(field, text, true, member, &is_auto);
  if (is_auto) return CYF_OK;
  if (cyf_config_is_list(field)) return parse_list(field, place, text, member);
  if (field->type == CYF_CONFIG_STRING) return set_string(text, true, member); /* verbatim, spaces and all */
  char *copy = NULL;
  CYF_TRY(cyf_strdup(text, &copy));
  const cyf_status status = cyf_config_parse_scalar(field, place, trimmed(copy), true, member);
  cyf_free(copy);
  return status;
}
