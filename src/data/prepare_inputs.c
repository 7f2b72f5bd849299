/* Pass 0 of `prepare`: what the inputs hold, and how their genes and labels fit together. */
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/gene_list.h"
#include "data/prepare_internal.h"

enum { DETECT_CELLS_MAX = 2000 }; /* cells looked at to tell counts from logarithms */

/* One file may go by several names (./w.h5ad, links): the file system tells. */
static cyf_status check_distinct(const cyf_prepare_options *options) {
  struct stat *facts = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&facts, options->n_inputs));
  for (int64_t i = 0; i < options->n_inputs; i++) {
    /* One that cannot be looked at fails with its reason when it is opened; st_nlink 0 marks it. */
    if (stat(options->inputs[i], &facts[i]) != 0) facts[i].st_nlink = 0;
    for (int64_t j = 0; j < i && facts[i].st_nlink > 0; j++) {
      if (facts[j].st_nlink == 0 || facts[i].st_dev != facts[j].st_dev || facts[i].st_ino != facts[j].st_ino) continue;
      if (strcmp(options->inputs[i], options->inputs[j]) == 0)
        status = CYF_FAIL(CYF_ERR_INPUT, "%s: this input is given twice; its cells would stand in the atlas twice",
                          options->inputs[i]);
      else
        status =
            CYF_FAIL(CYF_ERR_INPUT,
                     "%s: this input is the same file as %s, given twice; its cells would stand in the atlas twice",
                     options->inputs[i], options->inputs[j]);
      goto cleanup;
    }
  }
cleanup:
  cyf_free(facts);
  return status;
}

static cyf_status check_lists(const cyf_prepare_options *options) {
  if (options->n_inputs < 1) return CYF_FAIL(CYF_ERR_INPUT, "no input file; expected one or more .h5ad files");
  CYF_TRY(check_distinct(options));
  for (int64_t i = 0; i < options->n_labels; i++)
    if (strchr(options->labels[i], '='))
      return CYF_FAIL(CYF_ERR_INPUT,
                      "label column \"%s\": a name with '=' cannot be asked for later (--where NAME=VALUE); rename the "
                      "column",
                      options->labels[i]);
  for (int64_t i = 0; i < options->n_labels; i++)
    for (int64_t j = 0; j < i; j++)
      if (strcmp(options->labels[i], options->labels[j]) == 0)
        return CYF_FAIL(CYF_ERR_INPUT, "label column \"%s\" is given twice", options->labels[i]);
  return CYF_OK;
}

/* Places the file's genes among those in use; without a gene list, new ones are added. */
static cyf_status map_genes(cyf_prepare_job *job, cyf_h5ad *file, cyf_names *seen, cyf_prepare_input *input) {
  cyf_names genes = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_read_genes(file, job->options->gene_column, &genes));
  input->n_genes = genes.n;
  CYF_TRY_CLEANUP(CYF_NEW(&input->gene, genes.n));
  int64_t n_mapped = 0, last = -1;
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
    input->ascending = input->ascending && code > last;
    last = code;
    n_mapped++;
  }
  if (n_mapped == 0 && genes.n > 0) {
    status = CYF_FAIL(CYF_ERR_INPUT,
                      "%s: none of its genes (such as \"%s\") is in the gene list %s (such as \"%s\"); another var "
                      "column may hold the symbols: --gene-column",
                      input->path, genes.name[0], job->options->genes_path, job->genes.name[0]);
  } else if (n_mapped < genes.n) {
    cyf_info("%s: %lld of %lld genes are outside of the gene list and are left out", input->path,
             (long long)(genes.n - n_mapped), (long long)genes.n);
  }
cleanup:
  cyf_names_destroy(&genes);
  return status;
}

static const cyf_label_bins *bins_of(const cyf_prepare_options *options, const char *label) {
  for (int64_t i = 0; i < options->n_bins; i++)
    if (strcmp(options->bins[i].attribute, label) == 0) return &options->bins[i];
  return NULL;
}

/* Each number of the file's column to its bin; all bins are categories, so that they stay in order. */
static cyf_status map_bins(cyf_prepare_job *job, const cyf_label_bins *bins, const cyf_label_column *column,
                           int64_t label, cyf_prepare_input *input) {
  CYF_TRY(cyf_label_bins_names(bins, &job->attribute[label].categories));
  for (int64_t c = 0; c < column->categories.n; c++) {
    int64_t bin = 0;
    const cyf_status status = cyf_label_bins_find(bins, column->categories.name[c], &bin);
    if (status == CYF_ERR_INPUT) {
      cyf_status_clear();
      return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' of column '%s' is no number, so --bins cannot place it", input->path,
                      column->categories.name[c], bins->attribute);
    }
    CYF_TRY(status);
    input->category[label][c] = (int32_t)bin;
  }
  return CYF_OK;
}

/* Adds the file's categories of one label column to the merged ones, by name. */
static cyf_status map_labels(cyf_prepare_job *job, cyf_h5ad *file, int64_t label, cyf_prepare_input *input) {
  cyf_label_column column = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_read_labels(file, job->options->labels[label], &column));
  CYF_TRY_CLEANUP(CYF_NEW(&input->category[label], column.categories.n));
  const cyf_label_bins *bins = bins_of(job->options, job->options->labels[label]);
  if (bins != NULL) {
    status = map_bins(job, bins, &column, label, input);
    goto cleanup;
  }
  for (int64_t c = 0; c < column.categories.n; c++) {
    int64_t code = 0;
    CYF_TRY_CLEANUP(cyf_names_add(&job->attribute[label].categories, column.categories.name[c], &code));
    input->category[label][c] = (int32_t)code;
  }
cleanup:
  cyf_label_column_destroy(&column);
  return status;
}

static cyf_status open_input(cyf_prepare_job *job, cyf_names *seen, cyf_prepare_input *input) {
  cyf_h5ad *file = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_open(input->path, job->options->matrix, &file));
  input->n_cells = cyf_h5ad_n_cells(file);
  input->bytes = cyf_file_size_bytes(input->path);
  input->nnz = cyf_h5ad_nnz(file) < 0 ? input->n_cells * cyf_h5ad_n_genes(file) : cyf_h5ad_nnz(file);
  input->is_csc = strcmp(cyf_h5ad_layout(file), "csc") == 0;
  CYF_TRY_CLEANUP(map_genes(job, file, seen, input));
  CYF_TRY_CLEANUP(CYF_NEW(&input->category, job->options->n_labels));
  for (int64_t a = 0; a < job->options->n_labels; a++) CYF_TRY_CLEANUP(map_labels(job, file, a, input));
cleanup:
  cyf_h5ad_close(&file);
  return status;
}

/* Genes of the list that no input has. */
static int64_t count_missing_genes(const cyf_prepare_job *job, const cyf_names *seen) {
  int64_t n = 0;
  for (int64_t g = 0; g < job->genes.n; g++) n += cyf_names_find(seen, job->genes.name[g]) < 0;
  return n;
}

cyf_status cyf_prepare_open_inputs(cyf_prepare_job *job) {
  const cyf_prepare_options *options = job->options;
  CYF_TRY(check_lists(options));
  if (options->genes_path) {
    CYF_TRY(cyf_gene_list_read(options->genes_path, &job->genes));
    job->has_gene_list = true;
  }
  CYF_TRY(CYF_NEW(&job->input, options->n_inputs));
  CYF_TRY(CYF_NEW(&job->attribute, options->n_labels));
  for (int64_t a = 0; a < options->n_labels; a++) CYF_TRY(cyf_strdup(options->labels[a], &job->attribute[a].name));
  cyf_names seen = {0};
  cyf_status status = CYF_OK;
  int64_t n_cells = 0;
  for (int64_t i = 0; i < options->n_inputs; i++) {
    cyf_prepare_input *input = &job->input[i];
    input->path = options->inputs[i];
    input->first_cell = n_cells;
    CYF_TRY_CLEANUP(open_input(job, &seen, input));
    n_cells += input->n_cells;
    cyf_info("%s: %lld cells x %lld genes", input->path, (long long)input->n_cells, (long long)input->n_genes);
  }
  for (int64_t a = 0; a < options->n_labels; a++)
    CYF_TRY_CLEANUP(CYF_NEW(&job->attribute[a].n_cells, job->attribute[a].categories.n));
  job->summary.n_cells_in = n_cells;
  job->summary.n_genes_in = seen.n;
  if (job->has_gene_list) job->summary.n_genes_missing = count_missing_genes(job, &seen);
  if (n_cells == 0 || job->genes.n == 0)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: the input holds no %s", options->inputs[0], n_cells == 0 ? "cell" : "gene");
cleanup:
  cyf_names_destroy(&seen);
  return status;
}

static cyf_status detect_one(const cyf_prepare_job *job, const cyf_prepare_input *input, int64_t *ret_kind) {
  cyf_h5ad *file = NULL;
  CYF_TRY(cyf_h5ad_open(input->path, job->options->matrix, &file));
  cyf_expression_kind kind = CYF_EXPRESSION_OTHER;
  const cyf_status status = cyf_h5ad_detect_kind(file, DETECT_CELLS_MAX, &kind);
  cyf_h5ad_close(&file);
  CYF_TRY(status);
  if (kind == CYF_EXPRESSION_OTHER)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s: matrix %s holds neither counts nor log-normalised values; another matrix of the file may: "
                    "--matrix raw/X or layers/NAME",
                    input->path, job->options->matrix ? job->options->matrix : "X");
  *ret_kind = (int64_t)kind;
  return CYF_OK;
}

cyf_status cyf_prepare_detect_kind(cyf_prepare_job *job) {
  const int64_t n = job->options->n_inputs;
  int64_t *kind = NULL;
  cyf_status status = CYF_NEW(&kind, n);
  for (int64_t i = job->rank; i < n && status == CYF_OK; i += job->size)
    status = detect_one(job, &job->input[i], &kind[i]);
  CYF_TRY_CLEANUP(cyf_comm_agree(job->comm, status));
  CYF_TRY_CLEANUP(cyf_comm_sum_int64(job->comm, kind, n));
  for (int64_t i = 1; i < n; i++) {
    if (kind[i] == kind[0]) continue;
    status = CYF_FAIL(CYF_ERR_INPUT, "%s holds %s and %s holds %s; an atlas needs one kind of values",
                      job->input[0].path, cyf_expression_kind_name((cyf_expression_kind)kind[0]), job->input[i].path,
                      cyf_expression_kind_name((cyf_expression_kind)kind[i]));
    break;
  }
  CYF_TRY_CLEANUP(cyf_comm_agree(job->comm, status));
  job->kind = (cyf_expression_kind)kind[0];
cleanup:
  cyf_free(kind);
  return status;
}

void cyf_prepare_close_inputs(cyf_prepare_job *job) {
  for (int64_t i = 0; job->input && i < job->options->n_inputs; i++) {
    cyf_prepare_input *input = &job->input[i];
    cyf_free(input->gene);
    for (int64_t a = 0; input->category && a < job->options->n_labels; a++) cyf_free(input->category[a]);
    cyf_free(input->category);
  }
  cyf_free(job->input);
  for (int64_t a = 0; job->attribute && a < job->options->n_labels; a++) {
    cyf_free(job->attribute[a].name);
    cyf_names_destroy(&job->attribute[a].categories);
    cyf_free(job->attribute[a].n_cells);
  }
  cyf_free(job->attribute);
  cyf_names_destroy(&job->genes);
}
