/* SPDX-License-Identifier: MIT */
#include "base/words.h"

#include <stdio.h>
#include <string.h>

int cyf_words_find(const char *const *words, const char *word) {
  for (int i = 0; words[i] != NULL; i++)
    if (strcmp(words[i], word) == 0) return i;
  return -1;
}

void cyf_words_text(const char *const *words, char ret_text[CYF_WORDS_TEXT_MAX]) {
  size_t at = 0;
  ret_text[0] = '\0';
  for (int i = 0; words[i] != NULL && at < CYF_WORDS_TEXT_MAX; i++)
    at += (size_t)snprintf(ret_text + at, CYF_WORDS_TEXT_MAX - at, "%s%s", i == 0 ? "" : "|", words[i]);
}
