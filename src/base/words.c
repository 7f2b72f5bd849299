/* SPDX-License-Identifier: MIT */
#include "base/words.h"

#include <stdio.h>
#include <string.h>

#include "base/names.h"

int cyf_words_find(const char *const *words, const char *word) {
  for (int i = 0; words[i] != NULL; i++)
    if (strcmp(words[i], word) == 0) return i;
  return -1;
}

cyf_status cyf_words_choose(const char *command, const char *option, int n, const char *const *words, const char *word,
                            int *ret_index) {
  for (int i = 0; i < n; i++) {
    if (strcmp(words[i], word) != 0) continue;
    *ret_index = i;
    return CYF_OK;
  }
  char known[CYF_NAMES_LIST_BYTES];
  return CYF_FAIL(CYF_ERR_USAGE, "%s%s--%s wants one of %s, not '%s'", command != NULL ? command : "",
                  command != NULL ? ": " : "", option, cyf_list_names(n, words, known, sizeof known), word);
}

void cyf_words_text(const char *const *words, char ret_text[CYF_WORDS_TEXT_MAX]) {
  size_t at = 0;
  ret_text[0] = '\0';
  for (int i = 0; words[i] != NULL && at < CYF_WORDS_TEXT_MAX; i++)
    at += (size_t)snprintf(ret_text + at, CYF_WORDS_TEXT_MAX - at, "%s%s", i == 0 ? "" : "|", words[i]);
}
