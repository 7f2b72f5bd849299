/* SPDX-License-Identifier: MIT */
/* What is odd about inputs and is told, not refused: names that name nothing, rows with repeated entries, labels that
 * teach little. Each kind is one warning. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/inputs.h"

enum { CELLS_FEW = 20 /* of a class: so few teach a classifier little, and are too few to compare with */ };

/* Text that stands where a name is missing, in any case of letters. */
static bool stands_for_nothing(const char *text, size_t length) {
  static const char *const words[] = {"nan",  "na",  "n/a",     "none",    "null",       "<na>",
                                      "#n/a", "-",   "--",      "---",     ".",          "?",
                                      "_",    "nil", "missing", "unknown", "unassigned", "undefined"};
  size_t start = 0;
  while (start < length && isspace((unsigned char)text[start])) start++;
  while (length > start && isspace((unsigned char)text[length - 1])) length--;
  if (start == length) return true;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i]) == length - start && strncasecmp(text + start, words[i], length - start) == 0) return true;
  return false;
}

bool cyf_is_placeholder(const char *name) {
  return stands_for_nothing(name, strlen(name));
}

void cyf_prepare_note_gene(cyf_prepare_job *job, const cyf_prepare_input *input, const char *name) {
  cyf_unnamed *genes = &job->unnamed_genes;
  const char *dash = strrchr(name, '-'); /* later genes of one name are numbered: NAME-1, NAME-2 */
  const bool is_numbered = dash && dash > name && dash[1] && strspn(dash + 1, "0123456789") == strlen(dash + 1);
  if (!cyf_is_placeholder(name) && !(is_numbered && stands_for_nothing(name, (size_t)(dash - name)))) return;
  if (genes->n++ > 0) return;
  genes->path = input->path;
  snprintf(genes->name, sizeof genes->name, "%s", name);
}

void cyf_prepare_tell_genes(const cyf_prepare_job *job) {
  const cyf_unnamed *genes = &job->unnamed_genes;
  if (genes->n == 0) return;
  cyf_warn(
      "%s: genes are named like '%s', which names nothing (%lld in all); they are taken as genes of that name, the "
      "same in all inputs. Another var column may hold names: --gene-column",
      genes->path, genes->name, (long long)genes->n);
}

/* The number of all ranks, and the first of their first cells. */
static cyf_status add_ranks(const cyf_prepare_job *job, int64_t *n, int64_t *first) {
  int64_t negative = *n > 0 ? -*first : INT64_MIN;
  CYF_TRY(cyf_comm_sum_int64(job->comm, n, 1));
  CYF_TRY(cyf_comm_max_int64(job->comm, &negative, 1));
  *first = *n > 0 ? -negative : -1;
  return CYF_OK;
}

cyf_status cyf_prepare_tell_ids(cyf_prepare_job *job, int64_t n, int64_t first) {
  cyf_h5ad *file = NULL;
  char *id = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(add_ranks(job, &n, &first));
  if (n == 0) return CYF_OK;
  const cyf_prepare_input *input = cyf_prepare_input_of(job, first);
  const int64_t row = first - input->first_cell;
  if (job->rank == 0) {
    status = cyf_h5ad_open(input->path, job->options->matrix, &file);
    if (status == CYF_OK) status = cyf_h5ad_read_ids(file, job->options->id_column, row, 1, &id);
    if (status == CYF_OK)
      cyf_warn("%lld cells have ids like '%s' (cell %lld of %s), which name nothing and tell no cells apart%s",
               (long long)n, id, (long long)row, input->path,
               job->options->id_column ? "" : "; another obs column may: --id-column");
    cyf_free(id);
    cyf_h5ad_close(&file);
  }
  return cyf_comm_agree(job->comm, status);
}

void cyf_repeating_rows_add(const cyf_repeating_rows *more, cyf_repeating_rows *rows) {
  if (more->n > 0 && (rows->n == 0 || more->cell < rows->cell)) rows->cell = more->cell;
  rows->n += more->n;
}

cyf_status cyf_prepare_tell_repeating(cyf_prepare_job *job, const cyf_repeating_rows *rows) {
  int64_t n = rows->n, first = rows->cell;
  CYF_TRY(add_ranks(job, &n, &first));
  if (n > 0)
    cyf_warn(
        "%lld cells, the first of them in %s, have several entries for one gene; these are added up, as scipy does. "
        "Where they are copies the counts are too large",
        (long long)n, cyf_prepare_input_of(job, first)->path);
  return CYF_OK;
}

void cyf_prepare_tell_numbers(const cyf_prepare_job *job) {
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    const cyf_attribute *attribute = &job->attribute[a];
    bool is_mapped = false;
    for (int64_t i = 0; i < job->label_map.n; i++)
      is_mapped = is_mapped || strcmp(job->label_map.attribute[i], attribute->name) == 0;
    if (!job->is_number[a] || is_mapped) continue;
    cyf_warn(
        "label \"%s\" holds numbers: each of the %lld values is a class of its own; --bins %s=E1,E2,... makes "
        "classes of ranges",
        attribute->name, (long long)attribute->categories.n, attribute->name);
  }
}

/* "'a' (3 cells), 'b' (7)", of the classes that are chosen, cut where the text ends. Returns how many they are. */
static int64_t list_classes(const cyf_attribute *attribute, bool (*is_chosen)(const cyf_attribute *, int64_t),
                            char *text, size_t size) {
  int64_t n = 0;
  size_t used = 0;
  text[0] = '\0';
  for (int64_t c = 0; c < attribute->categories.n; c++) {
    char one[96];
    if (!is_chosen(attribute, c)) continue;
    const int length = snprintf(one, sizeof one, "%s'%.64s' (%lld%s)", n > 0 ? ", " : "", attribute->categories.name[c],
                                (long long)attribute->n_cells[c], n > 0 ? "" : " cells");
    n++;
    if (used + (size_t)length + sizeof(", ...") > size) {
      if (used > 0 && text[used - 1] != '.') used += (size_t)snprintf(text + used, size - used, ", ...");
      continue;
    }
    if (used > 0 && text[used - 1] == '.') continue;
    used += (size_t)snprintf(text + used, size - used, "%s", one);
  }
  return n;
}

static bool has_cells(const cyf_attribute *attribute, int64_t c) {
  return attribute->n_cells[c] > 0;
}

static bool has_few_cells(const cyf_attribute *attribute, int64_t c) {
  return attribute->n_cells[c] > 0 && attribute->n_cells[c] < CELLS_FEW;
}

static bool is_no_class(const cyf_attribute *attribute, int64_t c) {
  return attribute->n_cells[c] > 0 && cyf_is_placeholder(attribute->categories.name[c]);
}

static void tell_label(const cyf_attribute *attribute) {
  char list[400];
  const int64_t n_classes = list_classes(attribute, has_cells, list, sizeof list);
  if (n_classes == 0) cyf_warn("label \"%s\": no training cell has it, so it teaches a model nothing", attribute->name);
  if (n_classes == 1)
    cyf_warn("label \"%s\" has one class: %s; one class teaches a model nothing", attribute->name, list);
  if (list_classes(attribute, is_no_class, list, sizeof list) > 0)
    cyf_warn(
        "label \"%s\" has classes that look like no value: %s; they are classes like others. A --label-map with an "
        "empty `to` leaves their cells unlabelled",
        attribute->name, list);
  const int64_t n_few = list_classes(attribute, has_few_cells, list, sizeof list);
  if (n_few > 0)
    cyf_warn("label \"%s\": %lld of %lld classes have fewer than %d training cells: %s", attribute->name,
             (long long)n_few, (long long)n_classes, (int)CELLS_FEW, list);
}

void cyf_prepare_tell_classes(const cyf_prepare_job *job) {
  for (int64_t a = 0; a < job->options->n_labels; a++) tell_label(&job->attribute[a]);
}
