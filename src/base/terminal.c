/* SPDX-License-Identifier: MIT */
#include "base/terminal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* One conversion of a format. */
typedef struct conversion {
  char text[64]; /* for printf: from '%' to its letter, with the numbers that '*' stood for */
  bool on_left;
  int width;     /* least columns */
  int precision; /* -1: none given */
  int n_longs;   /* of l; 3: z */
  char letter;
} conversion;

static void print_character(FILE *stream, const char *at, int n_bytes, uint32_t code) {
  static const char letters[] = "\b\f\n\r\t", names[] = "bfnrt";
  const char *letter = n_bytes == 1 && code > 0 ? strchr(letters, (int)code) : NULL;
  if (letter)
    fprintf(stream, "\\%c", names[letter - letters]);
  else if (n_bytes <= 1 && (n_bytes == 0 || cyf_utf8_is_control(code)))
    fprintf(stream, "\\x%02x", (unsigned)(unsigned char)*at);
  else if (cyf_utf8_is_control(code) || cyf_utf8_turns_direction(code))
    fprintf(stream, "\\u%04x", (unsigned)code);
  else
    fwrite(at, 1, (size_t)n_bytes, stream);
}

/* At most n bytes of the text; n < 0: all. A character that n cuts is shown by its bytes. */
static void print_text(FILE *stream, const char *text, int n) {
  for (int i = 0; (n < 0 || i < n) && text[i] != '\0';) {
    uint32_t code = 0;
    int n_bytes = cyf_utf8_decode(text + i, &code);
    if (n >= 0 && i + n_bytes > n) n_bytes = 0;
    print_character(stream, text + i, n_bytes, code);
    i += n_bytes > 0 ? n_bytes : 1;
  }
}

static int count_characters(const char *text, int n) {
  int count = 0;
  for (int i = 0; (n < 0 || i < n) && text[i] != '\0'; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
  return count;
}

static void print_string(FILE *stream, const conversion *c, const char *text) {
  if (!text) text = "(null)";
  const int n_blanks = c->width > 0 ? c->width - count_characters(text, c->precision) : 0;
  for (int i = 0; !c->on_left && i < n_blanks; i++) fputc(' ', stream);
  print_text(stream, text, c->precision);
  for (int i = 0; c->on_left && i < n_blanks; i++) fputc(' ', stream);
}

/* Reads flags, and digits or '*', into the conversion; returns what is behind them. The caller gives what '*' is. */
static const char *read_number(const char *at, int star, int *ret_number) {
  if (*at == '*') {
    *ret_number = star;
    return at + 1;
  }
  for (*ret_number = 0; *at >= '0' && *at <= '9'; at++) *ret_number = 10 * *ret_number + (*at - '0');
  return at;
}

/* clang-format off: one line a conversion is easier to read. */
#define PRINT(type) fprintf(stream, c->text, va_arg(*arguments, type))
/* clang-format on */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the texts are parts of formats that the compiler checked */
static void print_number(FILE *stream, const conversion *c, va_list *arguments) {
  if (strchr("eEfFgG", c->letter))
    PRINT(double);
  else if (c->letter == 'p')
    PRINT(void *);
  else if (c->n_longs == 0)
    PRINT(int);
  else if (c->n_longs == 1)
    PRINT(long);
  else if (c->n_longs == 2)
    PRINT(long long);
  else
    PRINT(size_t);
}
#pragma GCC diagnostic pop
#undef PRINT

/* Reads the conversion behind a '%'; returns the first character behind it. */
static const char *read_conversion(const char *at, va_list *arguments, conversion *c) {
  char flags[8];
  size_t n_flags = 0;
  *c = (conversion){.precision = -1};
  for (; strchr("-+ #0", *at) && *at && n_flags + 1 < sizeof flags; at++) flags[n_flags++] = *at;
  flags[n_flags] = '\0';
  c->on_left = strchr(flags, '-') != NULL;
  at = read_number(at, *at == '*' ? va_arg(*arguments, int) : 0, &c->width);
  if (*at == '.') {
    at++;
    at = read_number(at, *at == '*' ? va_arg(*arguments, int) : 0, &c->precision);
  }
  for (; *at == 'h'; at++) continue; /* promoted to int */
  for (; *at == 'l'; at++) c->n_longs++;
  if (*at == 'z' || *at == 't' || *at == 'j') c->n_longs = 3, at++;
  c->letter = *at;
  static const char *const lengths[] = {"", "l", "ll", "z"};
  char width[16] = "", precision[16] = "";
  if (c->width != 0) snprintf(width, sizeof width, "%d", c->width);
  if (c->precision >= 0) snprintf(precision, sizeof precision, ".%d", c->precision);
  snprintf(c->text, sizeof c->text, "%%%s%s%s%s%c", flags, width, precision, lengths[c->n_longs], c->letter);
  return at + 1;
}

static void print(FILE *stream, const char *format, va_list *arguments) {
  for (const char *at = format; *at != '\0';) {
    conversion c;
    const char *rest = at;
    if (*at != '%' || at[1] == '%') {
      fputc(*at, stream);
      at += *at == '%' ? 2 : 1;
      continue;
    }
    at = read_conversion(at + 1, arguments, &c);
    if (c.letter == 's')
      print_string(stream, &c, va_arg(*arguments, const char *));
    else if (c.letter != '\0' && strchr("diuxXceEfFgGp", c.letter))
      print_number(stream, &c, arguments);
    else { /* a format of ours that this file has not learnt: its values cannot be told apart any more */
      fputs(rest, stream);
      return;
    }
  }
}

void cyf_print(FILE *stream, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print(stream, format, &arguments);
  va_end(arguments);
}

char *cyf_terminal_text(const char *format, va_list arguments) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  if (!stream) return NULL;
  va_list own;
  va_copy(own, arguments);
  print(stream, format, &own);
  va_end(own);
  if (fclose(stream) == 0) return text;
  free(text);
  return NULL;
}
