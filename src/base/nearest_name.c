/* SPDX-License-Identifier: MIT */
/* The candidate meant by a misspelt name. */
#include <stdbool.h>
#include <string.h>

#include "base/config/config.h"

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
