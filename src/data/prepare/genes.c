/* SPDX-License-Identifier: MIT */
/* Genes of `prepare`: one list for all inputs, by name, and how well each input fits it. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/inputs.h"

enum { ROWS_MAX = 20, MOST_WARNED_OF = 3 };
static const double share_few = 0.10;   /* an input below this surely has another kind of names than the rest */
static const double share_usual = 0.50; /* an input below this is listed even where there are many */

/* The var column with the file's gene names; NULL: the index. The caller frees *ret_column with cyf_free. */
static cyf_status choose_column(const cyf_h5ad *file, const char *asked, char **ret_column) {
  *ret_column = NULL;
  if (!asked) return CYF_OK;
  if (cyf_h5ad_has_gene_column(file, asked)) return cyf_strdup(asked, ret_column);
  for (const char *at = asked; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    char *column = NULL;
    CYF_TRY(cyf_format(&column, "%.*s", (int)strcspn(at, ","), at));
    const bool is_there = cyf_h5ad_has_gene_column(file, column), is_index = strcmp(column, "index") == 0;
    if (is_there) *ret_column = column;
    if (!is_there) cyf_free(column);
    if (is_there || is_index) return CYF_OK;
  }
  return cyf_strdup(asked, ret_column); /* reading it fails and lists the columns there are */
}

cyf_status cyf_prepare_map_genes(cyf_prepare_job *job, cyf_h5ad *file, cyf_names *seen, cyf_prepare_input *input) {
  char *column = NULL;
  cyf_names genes = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(choose_column(file, job->options->gene_column, &column));
  CYF_TRY_CLEANUP(cyf_h5ad_read_genes(file, column, &genes));
  input->n_genes = genes.n;
  CYF_TRY_CLEANUP(CYF_NEW(&input->gene, genes.n));
  int64_t last = -1;
  input->ascending = true;
  for (int64_t g = 0; g < genes.n; g++) {
    int64_t code = -1;
    CYF_TRY_CLEANUP(cyf_names_add(seen, genes.name[g], NULL));
    if (job->has_gene_list) {
      code = cyf_names_find(&job->genes, genes.name[g]);
    } else {
      CYF_TRY_CLEANUP(cyf_names_add(&job->genes, genes.name[g], &code));
    }
    input->gene[g] = (int32_t)code;
    if (code < 0) continue;
    cyf_prepare_note_gene(job, input, genes.name[g]);
    input->ascending = input->ascending && code > last;
    last = code;
  }
cleanup:
  cyf_free(column);
  cyf_names_destroy(&genes);
  return status;
}

/* How an input's genes fit what they are compared with: the gene list, or the other inputs' genes. */
typedef struct gene_fit {
  int64_t n_matched;
  int64_t n_compared; /* number of the input's genes, or of those compared with where these are fewer */
} gene_fit;

static double share_of(const gene_fit *fit) {
  return fit->n_compared > 0 ? (double)fit->n_matched / (double)fit->n_compared : 1;
}

/* Whether an input is compared with this gene in use: one of the gene list (n_inputs_with NULL), or one that an input
 * other than this has. has_it: whether this input has the gene; n_inputs_with[genes]: in how many inputs each is. */
static bool is_compared(const int32_t *n_inputs_with, int64_t gene, bool has_it) {
  return !n_inputs_with || n_inputs_with[gene] > (has_it ? 1 : 0);
}

static void fit_input(const cyf_prepare_job *job, int64_t i, const int32_t *n_inputs_with, gene_fit *fit) {
  const cyf_prepare_input *input = &job->input[i];
  *fit = (gene_fit){0};
  for (int64_t g = 0; g < input->n_genes; g++)
    fit->n_matched += input->gene[g] >= 0 && is_compared(n_inputs_with, input->gene[g], true);
  int64_t others = n_inputs_with ? 0 : job->genes.n;
  for (int64_t j = 0; j < job->options->n_inputs && n_inputs_with; j++)
    if (j != i && job->input[j].n_genes > others) others = job->input[j].n_genes;
  fit->n_compared = input->n_genes < others ? input->n_genes : others;
}

/* Share of `part` in `all`, in per cent. */
static double per_cent(int64_t part, int64_t all) {
  return all > 0 ? 100 * (double)part / (double)all : 0;
}

/* Genes in use that the input lacks. */
static int64_t count_lacking(const cyf_prepare_job *job, const cyf_prepare_input *input) {
  int64_t n = job->genes.n;
  for (int64_t g = 0; g < input->n_genes; g++) n -= input->gene[g] >= 0;
  return n;
}

static void print_row(const cyf_prepare_job *job, const cyf_prepare_input *input, const gene_fit *fit) {
  const int64_t n_lacking = count_lacking(job, input);
  cyf_info("%12lld %9lld %9lld %6.1f %% %10lld %6.1f %%  %s", (long long)input->n_cells, (long long)input->n_genes,
           (long long)fit->n_matched, per_cent(fit->n_matched, input->n_genes), (long long)n_lacking,
           per_cent(n_lacking, job->genes.n), input->path);
}

/* What the rows that are not printed have in common. */
typedef struct rest_of_table {
  int64_t n_cells, n;
  double least_matched, most_matched, most_lacking;
} rest_of_table;

static void add_to_rest(const cyf_prepare_job *job, const cyf_prepare_input *input, const gene_fit *fit,
                        rest_of_table *rest) {
  const double matched = per_cent(fit->n_matched, input->n_genes);
  const double lacking = per_cent(count_lacking(job, input), job->genes.n);
  if (rest->n == 0 || matched < rest->least_matched) rest->least_matched = matched;
  if (rest->n == 0 || matched > rest->most_matched) rest->most_matched = matched;
  if (lacking > rest->most_lacking) rest->most_lacking = lacking;
  rest->n_cells += input->n_cells;
  rest->n++;
}

static void print_table(const cyf_prepare_job *job, const gene_fit *fit) {
  const int64_t n = job->options->n_inputs;
  rest_of_table rest = {0};
  int64_t n_printed = 0;
  cyf_info("matched: genes of an input that %s %s, and their share of its genes",
           job->has_gene_list ? "are in" : "another input has", job->has_gene_list ? job->options->genes_path : "too");
  cyf_info("structural zeros: genes of %s that an input lacks, which are zeros in its cells, and their share",
           job->has_gene_list ? "the list" : "any input");
  cyf_info("%12s %9s %9s %8s %10s %8s  %s", "cells", "genes", "matched", "of its", "structural", "zeros", "input");
  for (int64_t i = 0; i < n; i++) {
    if ((n <= ROWS_MAX || share_of(&fit[i]) < share_usual) && n_printed < ROWS_MAX) {
      print_row(job, &job->input[i], &fit[i]);
      n_printed++;
      continue;
    }
    add_to_rest(job, &job->input[i], &fit[i], &rest);
  }
  if (rest.n > 0)
    cyf_info("%12lld cells of %lld %sinputs: %.1f to %.1f %% of their genes matched, at most %.1f %% structural zeros",
             (long long)rest.n_cells, (long long)rest.n, n_printed > 0 ? "more " : "", rest.least_matched,
             rest.most_matched, rest.most_lacking);
}

/* Counts the genes of a var column among those compared with. */
static cyf_status count_column(const cyf_prepare_job *job, const cyf_prepare_input *input, cyf_h5ad *file,
                               const char *column, const int32_t *n_inputs_with, int64_t *ret_n_matched) {
  cyf_names names = {0};
  bool *own = NULL;
  cyf_status status = CYF_OK;
  *ret_n_matched = 0;
  CYF_TRY_CLEANUP(CYF_NEW(&own, job->genes.n));
  for (int64_t g = 0; g < input->n_genes; g++)
    if (input->gene[g] >= 0) own[input->gene[g]] = true;
  CYF_TRY_CLEANUP(cyf_h5ad_list_gene_names(file, column, &names));
  for (int64_t g = 0; g < names.n; g++) {
    const int64_t gene = cyf_names_find(&job->genes, names.name[g]);
    *ret_n_matched += gene >= 0 && is_compared(n_inputs_with, gene, own[gene]);
  }
cleanup:
  cyf_names_destroy(&names);
  cyf_free(own);
  return status;
}

/* Says which var column would match more genes, or which there are. */
static cyf_status advise(const cyf_prepare_job *job, int64_t i, const int32_t *n_inputs_with, const gene_fit *fit,
                         char *text, size_t size) {
  cyf_h5ad *file = NULL;
  cyf_names columns = {0};
  const char *best = NULL;
  int64_t n_best = fit->n_matched, n = 0;
  char list[768];
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_open(job->input[i].path, job->options->matrix, &file));
  CYF_TRY_CLEANUP(cyf_h5ad_list_gene_columns(file, &columns));
  for (int64_t c = -1; c < columns.n; c++) { /* -1: the index */
    const char *column = c < 0 ? NULL : columns.name[c];
    CYF_TRY_CLEANUP(count_column(job, &job->input[i], file, column, n_inputs_with, &n));
    if (n <= n_best) continue;
    n_best = n;
    best = column ? column : "index";
  }
  if (best)
    snprintf(text, size, "its var column \"%s\" would match %lld: --gene-column %s", best, (long long)n_best, best);
  else
    snprintf(text, size, "another var column may hold the right names (--gene-column), but none here matches more: %s",
             cyf_list_names(columns.n, (const char *const *)columns.name, list, sizeof list));
cleanup:
  cyf_names_destroy(&columns);
  cyf_h5ad_close(&file);
  return status;
}

/* A gene of the gene list, or of another input where there is no list, as an example in the message. */
static const char *example_of_others(const cyf_prepare_job *job, const int32_t *n_inputs_with,
                                     const cyf_prepare_input *input) {
  if (!n_inputs_with) return job->genes.name[0];
  for (int64_t j = 0; j < job->options->n_inputs; j++)
    if (&job->input[j] != input && job->input[j].n_genes > 0) return job->genes.name[job->input[j].gene[0]];
  return "";
}

/* Complains of an input of which few genes match. */
static cyf_status complain(const cyf_prepare_job *job, int64_t i, const int32_t *n_inputs_with, const gene_fit *fit) {
  const cyf_prepare_input *input = &job->input[i];
  const char *others = example_of_others(job, n_inputs_with, input);
  char advice[1024], compared[256];
  cyf_h5ad *file = NULL;
  cyf_names own = {0};
  char *column = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(advise(job, i, n_inputs_with, fit, advice, sizeof advice));
  CYF_TRY_CLEANUP(cyf_h5ad_open(input->path, job->options->matrix, &file));
  CYF_TRY_CLEANUP(choose_column(file, job->options->gene_column, &column));
  CYF_TRY_CLEANUP(cyf_h5ad_list_gene_names(file, column, &own));
  if (n_inputs_with)
    snprintf(compared, sizeof compared, "in any other input");
  else
    snprintf(compared, sizeof compared, "in the gene list %s", job->options->genes_path);
  if (fit->n_matched == 0)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: none of its %lld genes (such as \"%s\") is %s (such as \"%s\"); %s",
                      input->path, (long long)input->n_genes, own.name[0], compared, others, advice);
  else
    cyf_warn("%s: only %lld of its %lld genes (such as \"%s\") are %s (such as \"%s\"); %s", input->path,
             (long long)fit->n_matched, (long long)input->n_genes, own.name[0], compared, others, advice);
cleanup:
  cyf_free(column);
  cyf_names_destroy(&own);
  cyf_h5ad_close(&file);
  return status;
}

/* Counts in how many inputs each gene in use is. */
static cyf_status count_inputs(const cyf_prepare_job *job, int32_t **ret_n_inputs_with) {
  CYF_TRY(CYF_NEW(ret_n_inputs_with, job->genes.n));
  for (int64_t i = 0; i < job->options->n_inputs; i++)
    for (int64_t g = 0; g < job->input[i].n_genes; g++) ++(*ret_n_inputs_with)[job->input[i].gene[g]];
  return CYF_OK;
}

cyf_status cyf_prepare_check_genes(const cyf_prepare_job *job) {
  const int64_t n = job->options->n_inputs;
  int32_t *n_inputs_with = NULL;
  gene_fit *fit = NULL;
  int64_t n_poor = 0;
  cyf_status status = CYF_OK;
  if (n == 1 && !job->has_gene_list) {
    cyf_info("%s: %lld cells x %lld genes", job->input[0].path, (long long)job->input[0].n_cells,
             (long long)job->input[0].n_genes);
    return CYF_OK;
  }
  CYF_TRY_CLEANUP(CYF_NEW(&fit, n));
  if (!job->has_gene_list) CYF_TRY_CLEANUP(count_inputs(job, &n_inputs_with));
  for (int64_t i = 0; i < n; i++) fit_input(job, i, n_inputs_with, &fit[i]);
  print_table(job, fit);
  for (int64_t i = 0; i < n; i++) {
    if (share_of(&fit[i]) >= share_few) continue;
    if (fit[i].n_matched == 0 || n_poor++ < MOST_WARNED_OF) CYF_TRY_CLEANUP(complain(job, i, n_inputs_with, &fit[i]));
  }
  if (n_poor > MOST_WARNED_OF)
    cyf_warn("%lld more inputs match less than %.0f %% of their genes", (long long)(n_poor - MOST_WARNED_OF),
             100 * share_few);
cleanup:
  cyf_free(n_inputs_with);
  cyf_free(fit);
  return status;
}
