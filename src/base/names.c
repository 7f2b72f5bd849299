/* SPDX-License-Identifier: MIT */
#include "base/names.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"

/* A hash table with open addressing and linear probing. A slot holds a name's index + 1; 0 is free. */
typedef struct name_index {
  int64_t n_slots; /* a power of two, at least twice the names */
  int64_t *slot;
} name_index;

static uint64_t hash_name(const char *name) {
  return cyf_checksum(0, name, strlen(name));
}

static void index_destroy(name_index **index) {
  if (*index) cyf_free((*index)->slot);
  cyf_free(*index);
}

/* The slot that holds the name, or the free one where it belongs. */
static int64_t index_slot(const name_index *index, char *const *names, const char *name) {
  uint64_t mask = (uint64_t)index->n_slots - 1;
  uint64_t slot = hash_name(name) & mask;
  while (index->slot[slot] != 0 && strcmp(names[index->slot[slot] - 1], name) != 0) slot = (slot + 1) & mask;
  return (int64_t)slot;
}

static cyf_status index_create(const cyf_names *names, int64_t n_slots, name_index **ret_index) {
  cyf_status status = CYF_OK;
  name_index *index = NULL;
  CYF_TRY(CYF_NEW(&index, 1));
  index->n_slots = n_slots;
  CYF_TRY_CLEANUP(CYF_NEW(&index->slot, n_slots));
  for (int64_t i = 0; i < names->n; i++) index->slot[index_slot(index, names->name, names->name[i])] = i + 1;
  *ret_index = index;
  index = NULL;
cleanup:
  index_destroy(&index);
  return status;
}

cyf_status cyf_names_add(cyf_names *names, const char *name, int64_t *ret_code) {
  name_index *index = names->index;
  if (!index || 2 * (names->n + 1) > index->n_slots) {
    int64_t n_slots = index ? index->n_slots : 32;
    while (n_slots < 4 * (names->n + 1)) n_slots *= 2;
    name_index *grown = NULL;
    CYF_TRY(index_create(names, n_slots, &grown));
    index_destroy(&index);
    names->index = index = grown;
  }
  int64_t slot = index_slot(index, names->name, name);
  if (index->slot[slot] == 0) {
    if (names->n == names->capacity) {
      int64_t capacity = names->capacity ? 2 * names->capacity : 16;
      CYF_TRY(cyf_realloc((void **)&names->name, (size_t)capacity, sizeof(*names->name)));
      names->capacity = capacity;
    }
    CYF_TRY(cyf_strdup(name, &names->name[names->n]));
    index->slot[slot] = ++names->n;
  }
  if (ret_code) *ret_code = index->slot[slot] - 1;
  return CYF_OK;
}

int64_t cyf_names_find(const cyf_names *names, const char *name) {
  const name_index *index = names->index;
  if (index) return index->slot[index_slot(index, names->name, name)] - 1;
  for (int64_t i = 0; i < names->n; i++) {
    if (strcmp(names->name[i], name) == 0) return i;
  }
  return -1;
}

cyf_status cyf_names_copy(const cyf_names *from, cyf_names *ret_to) {
  cyf_status status = CYF_OK;
  cyf_names copy = {0};
  for (int64_t i = 0; i < from->n; i++) CYF_TRY_CLEANUP(cyf_names_add(&copy, from->name[i], NULL));
cleanup:
  cyf_names_destroy(ret_to);
  if (status != CYF_OK) cyf_names_destroy(&copy);
  *ret_to = copy;
  return status;
}

void cyf_names_destroy(cyf_names *names) {
  if (!names) return;
  for (int64_t i = 0; i < names->n; i++) cyf_free(names->name[i]);
  cyf_free(names->name);
  name_index *index = names->index;
  index_destroy(&index);
  *names = (cyf_names){0};
}

cyf_status cyf_names_add_unique(cyf_names *names, char *const *raw, int64_t n, int64_t *ret_n_renamed) {
  cyf_status status = CYF_OK;
  cyf_names taken = {0};  /* every raw name and every new one */
  int64_t *suffix = NULL; /* [taken.n at most n] the last suffix tried for a raw name */
  int64_t n_renamed = 0;
  char *tried = NULL;
  CYF_TRY(CYF_NEW(&suffix, n));
  for (int64_t i = 0; i < n; i++) CYF_TRY_CLEANUP(cyf_names_add(&taken, raw[i], NULL));
  for (int64_t i = 0; i < n; i++) {
    if (cyf_names_find(names, raw[i]) < 0) {
      CYF_TRY_CLEANUP(cyf_names_add(names, raw[i], NULL));
      continue;
    }
    int64_t *last = &suffix[cyf_names_find(&taken, raw[i])];
    do {
      cyf_free(tried);
      CYF_TRY_CLEANUP(cyf_format(&tried, "%s-%lld", raw[i], (long long)++*last));
    } while (cyf_names_find(&taken, tried) >= 0);
    CYF_TRY_CLEANUP(cyf_names_add(&taken, tried, NULL));
    CYF_TRY_CLEANUP(cyf_names_add(names, tried, NULL));
    n_renamed++;
  }
  if (ret_n_renamed) *ret_n_renamed = n_renamed;
cleanup:
  cyf_free(tried);
  cyf_free(suffix);
  cyf_names_destroy(&taken);
  return status;
}

/* "10.0" is the category "10". */
static int64_t find_number(const cyf_names *categories, const char *value) {
  char *end = NULL;
  const double wanted = strtod(value, &end);
  if (end == value || *end != '\0') return -1;
  for (int64_t i = 0; i < categories->n; i++) {
    const double number = strtod(categories->name[i], &end);
    if (end != categories->name[i] && *end == '\0' && number == wanted) return i;
  }
  return -1;
}

int64_t cyf_names_find_value(const cyf_names *categories, const char *value) {
  const int64_t code = cyf_names_find(categories, value);
  return code >= 0 ? code : find_number(categories, value);
}

const char *cyf_list_names(int64_t n, const char *const *names, char *text, size_t size) {
  enum { END_BYTES = 32 }; /* room for ", ... (N in all)" */
  size_t used = 0;
  snprintf(text, size, "none");
  for (int64_t i = 0; i < n; i++) {
    if (used + strlen(names[i]) + 4 + END_BYTES > size) {
      snprintf(text + used, size - used, "%s... (%lld in all)", i ? ", " : "", (long long)n);
      break;
    }
    used += (size_t)snprintf(text + used, size - used, "%s'%s'", i ? ", " : "", names[i]);
  }
  return text;
}

/* ---- the name that was meant ---- */

enum { NAME_BYTES_MAX = 128 };

static int least_of(int a, int b) {
  return a < b ? a : b;
}

/* Damerau-Levenshtein distance in its optimal string alignment form: insertions, deletions, substitutions and swaps of
 * neighbours each cost one. Both names are at most NAME_BYTES_MAX long. */
static int edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
  int rows[3][NAME_BYTES_MAX + 1];
  int *before = rows[0], *above = rows[1], *current = rows[2];
  for (size_t j = 0; j <= b_length; ++j) above[j] = (int)j;
  for (size_t i = 1; i <= a_length; ++i) {
    current[0] = (int)i;
    for (size_t j = 1; j <= b_length; ++j) {
      const bool same = a[i - 1] == b[j - 1];
      int cost = above[j - 1] + (same ? 0 : 1);
      cost = least_of(cost, least_of(above[j], current[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) cost = least_of(cost, before[j - 2] + 1);
      current[j] = cost;
    }
    int *oldest = before;
    before = above;
    above = current;
    current = oldest;
  }
  return above[b_length];
}

const char *cyf_nearest_name(const char *name, const char *const *candidates, size_t n_candidates) {
  const size_t length = strlen(name);
  if (length == 0 || length > NAME_BYTES_MAX) return NULL;
  int best_distance = length / 3 > 2 ? (int)(length / 3) : 2;
  /* A name all of whose letters change is another name, however short. */
  if (best_distance >= (int)length) best_distance = (int)length - 1;
  const char *best = NULL;
  for (size_t i = 0; i < n_candidates; ++i) {
    const size_t candidate_length = strlen(candidates[i]);
    if (candidate_length > NAME_BYTES_MAX) continue;
    const int distance = edit_distance(name, length, candidates[i], candidate_length);
    if (distance < best_distance || (!best && distance == best_distance)) {
      best = candidates[i];
      best_distance = distance;
    }
  }
  return best;
}
