/* SPDX-License-Identifier: MIT */
/** @file
 * The words that files and options have for an enumeration. They stand beside it in one array, in its order, that ends
 * with NULL. The enumeration's last member is its length, and an assertion compares the two. Not collective. */
#ifndef CYF_BASE_WORDS_H
#define CYF_BASE_WORDS_H

#include <assert.h>
#include <stddef.h>

/** How many words the array holds, NULL not counted. */
#define CYF_WORDS_LENGTH(words) (sizeof(words) / sizeof((words)[0]) - 1)

/** Index of the word, -1 when absent. Thread-safe. */
int cyf_words_find(const char *const *words, const char *word);

/** Bytes of a list of words, with its final NUL. */
enum { CYF_WORDS_TEXT_MAX = 256 };
/** Writes "a|b|c", cut off at CYF_WORDS_TEXT_MAX - 1 bytes. Thread-safe. */
void cyf_words_text(const char *const *words, char ret_text[CYF_WORDS_TEXT_MAX]);

#endif
