/* SPDX-License-Identifier: MIT */
/* Pass 0 of `prepare`: what the inputs hold, and how their genes and labels fit together. */
#include "data/prepare/inputs.h"

#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tables/gene_list.h"

enum { DETECT_CELLS_MAX = 2000 }; /* cells looked at to tell counts from logarithms */

/* Refuses a file that is given twice. It may go by several names, such as ./w.h5ad or a link; the file system tells. */
static cyf_status check_distinct(const cyf_prepare_options *options) {
  struct stat *facts = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&facts, options->n_inputs));
  for (int64_t i = 0; i < options->n_inputs; i++) {
    /* A file without facts, marked by st_nlink 0, fails with its reason when it is opened. */
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

static cyf_status check_lists(cyf_prepare_job *job) {
  const cyf_prepare_options *options = job->options;
  if (options->n_inputs < 1) return CYF_FAIL(CYF_ERR_INPUT, "no input file; expected one or more .h5ad files");
  CYF_TRY(check_distinct(options));
  return cyf_obs_rules_parse(options->keep, options->n_keep, options->holdout_where, options->n_holdout_where,
                             &job->rules);
}

static cyf_status open_input(cyf_prepare_job *job, cyf_names *seen, cyf_prepare_input *input) {
  cyf_h5ad *file = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_open(input->path, job->options->matrix, &file));
  input->n_cells = cyf_h5ad_n_cells(file);
  input->bytes = cyf_file_size_bytes(input->path);
  input->nnz = cyf_h5ad_nnz(file) < 0 ? input->n_cells * cyf_h5ad_n_genes(file) : cyf_h5ad_nnz(file);
  input->is_csc = strcmp(cyf_h5ad_layout(file), "csc") == 0;
  CYF_TRY_CLEANUP(cyf_prepare_map_genes(job, file, seen, input));
  CYF_TRY_CLEANUP(cyf_prepare_map_labels(job, file, input));
cleanup:
  cyf_h5ad_close(&file);
  return status;
}

/* Counts the genes of the list that no input has. */
static int64_t count_missing_genes(const cyf_prepare_job *job, const cyf_names *seen) {
  int64_t n = 0;
  for (int64_t g = 0; g < job->genes.n; g++) n += cyf_names_find(seen, job->genes.name[g]) < 0;
  return n;
}

cyf_status cyf_prepare_open_inputs(cyf_prepare_job *job) {
  const cyf_prepare_options *options = job->options;
  CYF_TRY(check_lists(job));
  CYF_TRY(cyf_prepare_start_labels(job));
  if (options->genes_path) {
    CYF_TRY(cyf_gene_list_read(options->genes_path, &job->genes));
    job->has_gene_list = true;
  }
  CYF_TRY(CYF_NEW(&job->input, options->n_inputs));
  cyf_names seen = {0};
  cyf_status status = CYF_OK;
  int64_t n_cells = 0;
  for (int64_t i = 0; i < options->n_inputs; i++) {
    cyf_prepare_input *input = &job->input[i];
    input->path = options->inputs[i];
    input->first_cell = n_cells;
    CYF_TRY_CLEANUP(open_input(job, &seen, input));
    n_cells += input->n_cells;
  }
  for (int64_t a = 0; a < options->n_labels; a++)
    CYF_TRY_CLEANUP(CYF_NEW(&job->attribute[a].n_cells, job->attribute[a].categories.n));
  job->summary.n_cells_in = n_cells;
  job->summary.n_genes_in = seen.n;
  if (job->has_gene_list) job->summary.n_genes_missing = count_missing_genes(job, &seen);
  if (n_cells == 0 || job->genes.n == 0)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: the input holds no %s", options->inputs[0], n_cells == 0 ? "cell" : "gene");
  if (status == CYF_OK) status = cyf_prepare_check_genes(job);
  if (status == CYF_OK) status = cyf_prepare_join_genes(job);
  if (status == CYF_OK) status = cyf_prepare_check_labels(job);
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

const cyf_prepare_input *cyf_prepare_input_of(const cyf_prepare_job *job, int64_t cell) {
  int64_t low = 0, high = job->options->n_inputs - 1; /* the last input whose first cell is not beyond the cell */
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (job->input[middle].first_cell <= cell)
      low = middle;
    else
      high = middle - 1;
  }
  return &job->input[low];
}

void cyf_prepare_close_inputs(cyf_prepare_job *job) {
  cyf_prepare_destroy_labels(job);
  for (int64_t i = 0; job->input && i < job->options->n_inputs; i++) cyf_free(job->input[i].gene);
  cyf_free(job->input);
  cyf_obs_rules_destroy(&job->rules);
  cyf_names_destroy(&job->genes);
}
