/* SPDX-License-Identifier: MIT */
#include "data/tables/gene_names.h"

#include <string.h>

enum { SPECIES_LETTERS_MAX = 6, ID_DIGITS = 11 };

void cyf_gene_cut_version(char *name) {
  if (strncmp(name, "ENS", 3) != 0) return;
  const char *at = name + 3;
  const size_t n_letters = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  if (n_letters < 1 || n_letters > SPECIES_LETTERS_MAX + 1 || at[n_letters - 1] != 'G') return;
  at += n_letters;
  if (strspn(at, "0123456789") != ID_DIGITS || at[ID_DIGITS] != '.') return;
  const char *version = at + ID_DIGITS + 1;
  const size_t n_digits = strspn(version, "0123456789");
  if (n_digits > 0 && version[n_digits] == '\0') name[3 + n_letters + ID_DIGITS] = '\0';
}
