/* SPDX-License-Identifier: MIT */
#include "data/tables/label_map.h"

#include <string.h>

#include "base/memory.h"
#include "data/tables/csv.h"

enum { ATTRIBUTE, FROM, TO, N_COLUMNS };

static cyf_status line_fails(const cyf_label_map *map, int64_t number, const char *what) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: %s", map->path, (long long)number, what);
}

static cyf_status find_columns(const cyf_label_map *map, const cyf_csv *table, int64_t column[N_COLUMNS]) {
  static const char *const names[N_COLUMNS] = {"attribute", "from", "to"};
  for (int c = 0; c < N_COLUMNS; c++) {
    column[c] = -1;
    for (int64_t i = 0; i < table->n_columns; i++)
      if (strcmp(table->header[i], names[c]) == 0) column[c] = i;
    if (column[c] < 0)
      return CYF_FAIL(CYF_ERR_INPUT,
                      "%s:%lld: no column '%s'; the first line of a label map names the columns attribute, from and to",
                      map->path, (long long)table->header_line, names[c]);
  }
  return CYF_OK;
}

/* Makes one text of an attribute and a value. Between them stands the ASCII unit separator, which no label holds. */
static cyf_status make_key(const char *attribute, const char *from, char **ret_key) {
  return cyf_format(ret_key, "%s\x1f%s", attribute, from);
}

static cyf_status add_entry(cyf_label_map *map, int64_t number, const char *attribute, const char *from,
                            const char *to) {
  const int64_t n = map->n;
  if (attribute[0] == '\0') return line_fails(map, number, "attribute cannot be empty");
  CYF_TRY(cyf_realloc((void **)&map->attribute, (size_t)n + 1, sizeof *map->attribute));
  CYF_TRY(cyf_realloc((void **)&map->from, (size_t)n + 1, sizeof *map->from));
  CYF_TRY(cyf_realloc((void **)&map->to, (size_t)n + 1, sizeof *map->to));
  CYF_TRY(cyf_realloc((void **)&map->line, (size_t)n + 1, sizeof *map->line));
  CYF_TRY(cyf_realloc((void **)&map->used, (size_t)n + 1, sizeof *map->used));
  map->attribute[n] = map->from[n] = map->to[n] = NULL;
  map->n++;
  map->line[n] = number;
  map->used[n] = false;
  CYF_TRY(cyf_strdup(attribute, &map->attribute[n]));
  CYF_TRY(cyf_strdup(from, &map->from[n]));
  CYF_TRY(cyf_strdup(to, &map->to[n]));
  char *key = NULL;
  int64_t place = 0;
  CYF_TRY(make_key(attribute, from, &key));
  const cyf_status status = cyf_names_add(&map->keys, key, &place);
  cyf_free(key);
  CYF_TRY(status);
  if (place == n) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: %s '%s' is listed a second time, first in line %lld", map->path,
                  (long long)number, attribute, from, (long long)map->line[place]);
}

static cyf_status add_rows(cyf_label_map *map, const cyf_csv *table) {
  int64_t column[N_COLUMNS] = {0};
  CYF_TRY(find_columns(map, table, column));
  for (int64_t r = 0; r < table->n_rows; r++) {
    const char *value[N_COLUMNS];
    for (int c = 0; c < N_COLUMNS; c++) value[c] = table->field[r * table->n_columns + column[c]];
    if (value[ATTRIBUTE] == NULL || value[FROM] == NULL)
      return line_fails(map, table->line[r], "has fewer columns than the header");
    /* A line may end before an empty `to`. */
    CYF_TRY(add_entry(map, table->line[r], value[ATTRIBUTE], value[FROM], value[TO] != NULL ? value[TO] : ""));
  }
  return CYF_OK;
}

cyf_status cyf_label_map_read(const char *path, cyf_label_map *ret_map) {
  *ret_map = (cyf_label_map){0};
  cyf_csv table = {0};
  CYF_TRY(cyf_csv_read_loose(path, &table));
  cyf_status status = cyf_strdup(path, &ret_map->path);
  if (status == CYF_OK) status = add_rows(ret_map, &table);
  cyf_csv_destroy(&table);
  if (status != CYF_OK) cyf_label_map_destroy(ret_map);
  return status;
}

void cyf_label_map_destroy(cyf_label_map *map) {
  if (!map) return;
  for (int64_t i = 0; i < map->n; i++) {
    cyf_free(map->attribute[i]);
    cyf_free(map->from[i]);
    cyf_free(map->to[i]);
  }
  cyf_free(map->attribute);
  cyf_free(map->from);
  cyf_free(map->to);
  cyf_free(map->line);
  cyf_free(map->used);
  cyf_free(map->path);
  cyf_names_destroy(&map->keys);
  *map = (cyf_label_map){0};
}

cyf_status cyf_label_map_find(cyf_label_map *map, const char *attribute, const char *from, const char **ret_to) {
  char *key = NULL;
  *ret_to = from;
  if (map->n == 0) return CYF_OK;
  CYF_TRY(make_key(attribute, from, &key));
  const int64_t place = cyf_names_find(&map->keys, key);
  cyf_free(key);
  if (place < 0) return CYF_OK;
  map->used[place] = true;
  *ret_to = map->to[place][0] != '\0' ? map->to[place] : NULL;
  return CYF_OK;
}
