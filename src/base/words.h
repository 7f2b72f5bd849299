/* SPDX-License-Identifier: MIT */
/** @file
 * The words that files and options have for an enumeration. They stand beside it in one array, in its order, that ends
 * with NULL; the enumeration ends with its length, and an assertion holds the two together. */
#ifndef CYF_BASE_WORDS_H
#define CYF_BASE_WORDS_H

#include <assert.h>
#include <stddef.h>

/** How many words the array holds, NULL not counted. */
#define CYF_WORDS_LENGTH(words) (sizeof(words) / sizeof((words)[0]) - 1)

/** Place of the word, -1 when absent. Any thread. */
int cyf_words_find(const char *const *words, const char *word);

enum { CYF_WORDS_TEXT_MAX = 256 };
/** "a|b|c", cut off at CYF_WORDS_TEXT_MAX - 1 bytes. Any thread. */
void cyf_words_text(const char *const *words, char ret_text[CYF_WORDS_TEXT_MAX]);

#endif
