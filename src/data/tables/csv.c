/* SPDX-License-Identifier: MIT */
#include "data/tables/csv.h"

#include <stdbool.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"

typedef struct parser {
  const char *path;
  char *at; /* next character to read */
  int64_t line;
  char separator;
  bool is_loose;       /* as cyf_csv_read_loose reads */
  int64_t capacity, n; /* fields that there is room for, and that were read */
  cyf_csv *table;
} parser;

static cyf_status add_field(parser *p, char *text) {
  if (p->n == p->capacity) {
    p->capacity = p->capacity > 0 ? 2 * p->capacity : 64;
    CYF_TRY(cyf_realloc((void **)&p->table->field, (size_t)p->capacity, sizeof *p->table->field));
  }
  p->table->field[p->n++] = text;
  return CYF_OK;
}

/* Reads a quoted field and removes its quotes in place. p->at is behind the opening quote on entry, and at what follows
 * the field on return. */
static cyf_status read_quoted(parser *p, char **ret_text) {
  const int64_t first_line = p->line;
  char *out = p->at;
  *ret_text = out;
  for (;; p->at++) {
    if (*p->at == '\0')
      return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: the quoted field that begins here does not end", p->path,
                      (long long)first_line);
    if (*p->at == '\n') p->line++;
    if (*p->at == '"') {
      if (p->at[1] != '"') break;
      p->at++;
    }
    *out++ = *p->at;
  }
  p->at++;
  p->at += strspn(p->at, " \r");
  *out = '\0';
  if (*p->at == p->separator || *p->at == '\n' || *p->at == '\0') return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: text behind a quoted field", p->path, (long long)p->line);
}

/* Reads an unquoted field without the blanks behind it; p->at is at what follows the field on return. */
static char *read_plain(parser *p, char **ret_end) {
  const char *blank = p->is_loose ? "\r" : " \t\r";
  char *text = p->at;
  const char stops[] = {p->separator, '\n', '\0'};
  p->at += strcspn(p->at, stops);
  char *end = p->at;
  while (end > text && strchr(blank, end[-1]) != NULL) end--;
  *ret_end = end;
  return text;
}

/* Reads one row: *ret_n fields are added, none for an empty line. */
static cyf_status read_row(parser *p, int64_t *ret_n) {
  const int64_t before = p->n;
  for (;;) {
    if (!p->is_loose) p->at += strspn(p->at, " \r");
    char *text = NULL, *end = NULL;
    const bool quoted = *p->at == '"';
    if (quoted) {
      p->at++;
      CYF_TRY(read_quoted(p, &text));
    } else {
      text = read_plain(p, &end);
    }
    const char stop = *p->at;
    if (stop != '\0') p->at++;
    if (end != NULL) *end = '\0'; /* not before `stop` was read, which may stand at the same place */
    const bool blank = !quoted && p->n == before && text[0] == '\0' && stop != p->separator;
    if (!blank) CYF_TRY(add_field(p, text));
    if (stop == p->separator) continue;
    p->line += stop == '\n';
    *ret_n = p->n - before;
    return CYF_OK;
  }
}

static cyf_status check_header(const parser *p, int64_t line) {
  const cyf_csv *t = p->table;
  for (int64_t i = 0; i < t->n_columns; i++) {
    if (t->field[i][0] == '\0')
      return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: column %lld has no name", p->path, (long long)line, (long long)i + 1);
    for (int64_t j = 0; j < i; j++)
      if (strcmp(t->field[i], t->field[j]) == 0)
        return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: two columns are called '%s'", p->path, (long long)line, t->field[i]);
  }
  return CYF_OK;
}

/* Gives the row that was read last, of n fields, as many fields as the header has. */
static cyf_status fit_row(parser *p, int64_t n) {
  const int64_t wanted = p->table->n_columns;
  if (n > wanted) p->n -= n - wanted;
  for (; n < wanted; n++) CYF_TRY(add_field(p, NULL));
  return CYF_OK;
}

static cyf_status read_table(parser *p) {
  cyf_csv *t = p->table;
  int64_t capacity = 0;
  while (*p->at != '\0') {
    int64_t n = 0;
    const int64_t line = p->line;
    CYF_TRY(read_row(p, &n));
    if (n == 0) continue;
    if (t->n_columns == 0) {
      t->n_columns = n;
      t->header_line = line;
      if (!p->is_loose) CYF_TRY(check_header(p, line));
      continue;
    }
    if (p->is_loose) {
      CYF_TRY(fit_row(p, n));
    } else if (n != t->n_columns) {
      return CYF_FAIL(CYF_ERR_INPUT,
                      "%s:%lld: %lld fields, but the header has %lld (quote a field that holds the "
                      "separator)",
                      p->path, (long long)line, (long long)n, (long long)t->n_columns);
    }
    if (t->n_rows == capacity) {
      capacity = capacity > 0 ? 2 * capacity : 64;
      CYF_TRY(cyf_realloc((void **)&t->line, (size_t)capacity, sizeof *t->line));
    }
    t->line[t->n_rows++] = line;
  }
  if (t->n_rows == 0 && !p->is_loose)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: a header and at least one row are needed", p->path);
  return CYF_OK;
}

/* Moves the first row of fields to the header. */
static cyf_status split_header(cyf_csv *t) {
  if (t->n_columns == 0) return CYF_OK;
  CYF_TRY(CYF_NEW(&t->header, t->n_columns));
  memcpy(t->header, t->field, sizeof *t->field * (size_t)t->n_columns);
  memmove(t->field, t->field + t->n_columns, sizeof *t->field * (size_t)(t->n_rows * t->n_columns));
  return CYF_OK;
}

static cyf_status read_file(const char *path, bool is_loose, cyf_csv *ret_table) {
  *ret_table = (cyf_csv){.header_line = 1};
  CYF_TRY(cyf_read_text_file(path, &ret_table->text));
  parser p = {.path = path, .at = ret_table->text, .line = 1, .is_loose = is_loose, .table = ret_table};
  if (strncmp(p.at, "\xef\xbb\xbf", 3) == 0) p.at += 3;
  const size_t first_line = strcspn(p.at, "\n");
  const bool has_comma = memchr(p.at, ',', first_line) != NULL, has_tab = memchr(p.at, '\t', first_line) != NULL;
  p.separator = has_tab && (is_loose || !has_comma) ? '\t' : ',';
  cyf_status status = read_table(&p);
  if (status == CYF_OK) status = split_header(ret_table);
  if (status != CYF_OK) cyf_csv_destroy(ret_table);
  return status;
}

cyf_status cyf_csv_read(const char *path, cyf_csv *ret_table) {
  return read_file(path, false, ret_table);
}

cyf_status cyf_csv_read_loose(const char *path, cyf_csv *ret_table) {
  return read_file(path, true, ret_table);
}

void cyf_csv_destroy(cyf_csv *table) {
  if (table == NULL) return;
  cyf_free(table->header);
  cyf_free(table->field);
  cyf_free(table->line);
  cyf_free(table->text);
  *table = (cyf_csv){0};
}
