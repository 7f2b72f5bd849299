/* SPDX-License-Identifier: MIT */
/* The table of stages, and which of them a word after --stage means. */
#include "train/stages.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

const cyf_stage_type *const cyf_stages[] = {
    &cyf_stage_autoencoder,
    &cyf_stage_encode,
    &cyf_stage_denoiser,
    &cyf_stage_classifier,
};
enum { N_STAGES = sizeof cyf_stages / sizeof cyf_stages[0] };
const int cyf_n_stages = N_STAGES;

const char *cyf_stage_column(const cyf_stage_type *type, const char *word) {
  const size_t length = strlen(type->name);
  const bool is_one = type->per_column && strncmp(word, type->name, length) == 0 && word[length] == ':';
  return is_one ? word + length + 1 : NULL;
}

const char *cyf_stages_text(char text[CYF_NAMES_LIST_BYTES]) {
  enum { WORD_BYTES = 64 };
  char word[N_STAGES][WORD_BYTES];
  const char *words[N_STAGES + 1];
  for (int s = 0; s < N_STAGES; s++) {
    snprintf(word[s], WORD_BYTES, "%s%s", cyf_stages[s]->name, cyf_stages[s]->per_column ? ":COLUMN" : "");
    words[s] = word[s];
  }
  words[N_STAGES] = "all";
  return cyf_list_names(N_STAGES + 1, words, text, CYF_NAMES_LIST_BYTES);
}

static bool is_named(const cyf_stage_type *type, const char *word) {
  return type->per_column ? cyf_stage_column(type, word) != NULL : strcmp(type->name, word) == 0;
}

/* Which stages the word asks for, with those that they are run after. */
static cyf_status choose(const char *word, bool wanted[N_STAGES]) {
  bool any = false;
  for (int s = 0; s < N_STAGES; s++) {
    wanted[s] = strcmp(word, "all") == 0 || is_named(cyf_stages[s], word);
    any = any || wanted[s];
  }
  for (int s = N_STAGES - 1; s >= 0; s--)
    for (int before = 0; before < s && wanted[s]; before++)
      if (cyf_stages[before] == cyf_stages[s]->before) wanted[before] = true;
  if (any) return CYF_OK;
  char known[CYF_NAMES_LIST_BYTES];
  return CYF_FAIL(CYF_ERR_USAGE, "unknown stage '%s'; known: %s", word, cyf_stages_text(known));
}

/* Appends the stage's jobs. */
static cyf_status add_jobs(const cyf_stage_type *type, const char *word, const cyf_atlas *atlas, cyf_stage_job *jobs,
                           int64_t *n) {
  const char *column = cyf_stage_column(type, word);
  int64_t attribute = CYF_NO_COLUMN;
  if (column != NULL) CYF_TRY(type->find_column(atlas, column, &attribute));
  if (!type->per_column || column != NULL) {
    jobs[(*n)++] = (cyf_stage_job){type, attribute};
    return CYF_OK;
  }
  for (attribute = 0; attribute < atlas->n_attributes; attribute++)
    if (type->takes_column(&atlas->attributes[attribute])) jobs[(*n)++] = (cyf_stage_job){type, attribute};
  return CYF_OK;
}

cyf_status cyf_stages_plan(const char *word, const cyf_atlas *atlas, cyf_stage_job **ret_jobs, int64_t *ret_n) {
  bool wanted[N_STAGES];
  *ret_n = 0;
  *ret_jobs = NULL;
  CYF_TRY(choose(word, wanted));
  CYF_TRY(CYF_NEW(ret_jobs, N_STAGES * (1 + atlas->n_attributes)));
  for (int s = 0; s < N_STAGES; s++)
    if (wanted[s]) CYF_TRY(add_jobs(cyf_stages[s], word, atlas, *ret_jobs, ret_n));
  return CYF_OK;
}
