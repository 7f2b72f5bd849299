/* SPDX-License-Identifier: MIT */
#include "data/tables/gene_list.h"

#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/partial.h"

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

void cyf_gene_tidy(char *name) {
  cyf_gene_cut_version(name);
  for (char *c = name; *c; c++)
    if (*c == '\n') *c = ' ';
}

/* Cuts one line off *text in place. Returns where it starts and moves *text to the next line, to NULL after the last.
 */
static char *take_line(char **text) {
  char *line = *text;
  char *end = strchr(line, '\n');
  if (end) {
    *end = '\0';
    *text = end + 1;
  } else {
    *text = NULL;
  }
  return line;
}

static cyf_status add_gene(const char *path, int64_t number, const char *name, cyf_names *genes) {
  const int64_t n_before = genes->n;
  CYF_TRY(cyf_names_add(genes, name, NULL));
  if (genes->n == n_before)
    return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: gene \"%s\" is listed a second time; each gene may stand once", path,
                    (long long)number, name);
  return CYF_OK;
}

static cyf_status parse_genes(const char *path, char *text, cyf_names *genes) {
  static const char byte_order_mark[] = "\xef\xbb\xbf";
  if (strncmp(text, byte_order_mark, 3) == 0) text += 3;
  int64_t number = 0;
  while (text) {
    char *line = take_line(&text);
    number++;
    line[strcspn(line, "\t\r")] = '\0';
    if (line[0] == '\0') continue;
    cyf_gene_cut_version(line);
    CYF_TRY(add_gene(path, number, line, genes));
  }
  if (genes->n == 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: holds no gene; expected one symbol a line", path);
  return CYF_OK;
}

/* Every line but the rest after the last line's end, which is empty in a whole file. */
static cyf_status parse_back(const char *path, char *text, cyf_names *genes) {
  int64_t number = 0;
  while (text && *text) {
    const char *line = take_line(&text);
    CYF_TRY(add_gene(path, ++number, line, genes));
  }
  return CYF_OK;
}

static cyf_status read_by(cyf_status (*parse)(const char *, char *, cyf_names *), const char *path,
                          cyf_names *ret_genes) {
  memset(ret_genes, 0, sizeof(*ret_genes));
  char *text = NULL;
  CYF_TRY(cyf_read_text_file(path, &text));
  const cyf_status status = parse(path, text, ret_genes);
  cyf_free(text);
  if (status != CYF_OK) cyf_names_destroy(ret_genes);
  return status;
}

cyf_status cyf_gene_list_read(const char *path, cyf_names *ret_genes) {
  return read_by(parse_genes, path, ret_genes);
}

cyf_status cyf_gene_list_read_back(const char *path, cyf_names *ret_genes) {
  return read_by(parse_back, path, ret_genes);
}

cyf_status cyf_gene_list_write(const char *path, const cyf_names *genes) {
  size_t n_bytes = 1;
  for (int64_t g = 0; g < genes->n; g++) n_bytes += strlen(genes->name[g]) + 1;
  char *text = NULL;
  CYF_TRY(CYF_NEW(&text, n_bytes));
  char *end = text;
  for (int64_t g = 0; g < genes->n; g++) {
    const size_t length = strlen(genes->name[g]);
    memcpy(end, genes->name[g], length);
    end[length] = '\n';
    end += length + 1;
  }
  const cyf_status status = cyf_write_text_file(path, text);
  cyf_free(text);
  return status;
}
