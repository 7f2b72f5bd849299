/* SPDX-License-Identifier: MIT */
/** @file
 * The words that files and options have for an enumeration. They stand beside it in one array, in its order, that ends
 * with NULL. The enumeration's last member is its length, and an assertion compares the two. Not collective. */
#ifndef CYF_BASE_WORDS_H
#define CYF_BASE_WORDS_H

#include <assert.h>
#include <stddef.h>

#include "base/status.h"

/** How many words the array holds, NULL not counted. */
#define CYF_WORDS_LENGTH(words) (sizeof(words) / sizeof((words)[0]) - 1)

/** Index of the word, -1 when absent. Thread-safe. */
int cyf_words_find(const char *const *words, const char *word);

/** Finds the word, given to `--option` of the command, among the first n words. command: stands first in the message;
 * NULL: nothing does. Errors: CYF_ERR_USAGE, which lists the n words; then *ret_index stays as it was. Thread-safe. */
cyf_status cyf_words_choose(const char *command, const char *option, int n, const char *const *words, const char *word,
                            int *ret_index);

/** Bytes of a list of words, with its final NUL. */
enum { CYF_WORDS_TEXT_MAX = 256 };
/** Writes "a|b|c", cut off at CYF_WORDS_TEXT_MAX - 1 bytes. Thread-safe. */
void cyf_words_text(const char *const *words, char ret_text[CYF_WORDS_TEXT_MAX]);

#endif
