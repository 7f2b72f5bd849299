/* SPDX-License-Identifier: MIT */
/** @file
 * Names: ordered sets of them, lists of them for messages, and the one that a misspelt name meant. Not collective. */
#ifndef CYF_BASE_NAMES_H
#define CYF_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** Borrowed strings, in order; the array is owned (cyf_free), the strings are not. */
typedef struct cyf_texts {
  const char **item;
  int64_t n;
} cyf_texts;

/** An ordered set of unique UTF-8 names; owns its strings. Zero-initialise before use. */
typedef struct cyf_names {
  char **name;
  int64_t n;
  int64_t capacity;
  void *index; /**< private hash index, kept by cyf_names_add */
} cyf_names;

/** Appends a copy of the name unless it is there already; *ret_code (may be NULL) is its index either way. Errors:
 * CYF_ERR_MEMORY. */
cyf_status cyf_names_add(cyf_names *names, const char *name, int64_t *ret_code);
/** Index of the name, -1 when absent. Constant time on a set made by cyf_names_add; only reads, so threads may share
 * the set. */
int64_t cyf_names_find(const cyf_names *names, const char *name);
/** Replaces *ret_to (zeroed or a valid set) by a copy. Errors: CYF_ERR_MEMORY; then *ret_to is empty. */
cyf_status cyf_names_copy(const cyf_names *from, cyf_names *ret_to);
/** Frees the names and makes the set empty again. NULL-safe. */
void cyf_names_destroy(cyf_names *names);

/** Appends n raw names to `names` (empty), making duplicates unique as anndata's var_names_make_unique does: the first
 * of a name keeps it, later ones get "-1", "-2", ... (skipping names that exist). *ret_n_renamed (may be NULL) is how
 * many changed. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_names_add_unique(cyf_names *names, char *const *raw, int64_t n, int64_t *ret_n_renamed);

/** Index of a value among categories, -1 when absent; numbers are found however they are written ("10.0" for "10"). */
int64_t cyf_names_find_value(const cyf_names *categories, const char *value);

/** Bytes that a list of names takes at most in a message. */
enum { CYF_NAMES_LIST_BYTES = 512 };
/** "'a', 'b', 'c'" for messages, cut to whole names and ", ... (N in all)" where text[size] is too short; "none" of no
 * names. Returns `text`. */
const char *cyf_list_names(int64_t n, const char *const *names, char *text, size_t size);

/** The candidate nearest to `name` by edit distance (Damerau-Levenshtein), or NULL when none is within a third of its
 * length (at least 2). Used for keys, commands, options and labels. */
const char *cyf_nearest_name(const char *name, const char *const *candidates, size_t n_candidates);

#endif
