/* SPDX-License-Identifier: MIT */
/* Pass 0 of `prepare`: what the inputs hold, and how their genes and labels fit together. */
#include "data/prepare/inputs.h"

#include <string.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/tables/gene_list.h"

/* Refuses a file that is given twice. It may go by several names, such as ./w.h5ad or a link; the file system tells. */
static cyf_status check_distinct(const cyf_prepare_options *options) {
  cyf_file_identity *files = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&files, options->n_inputs));
  for (int64_t i = 0; i < options->n_inputs; i++) {
    CYF_TRY_CLEANUP(cyf_file_identify(options->inputs[i], &files[i]));
    for (int64_t j = 0; j < i; j++) {
      if (files[i].device != files[j].device || files[i].inode != files[j].inode) continue;
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
  cyf_free(files);
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
  CYF_TRY_CLEANUP(cyf_file_size_bytes(input->path, &input->bytes));
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

static cyf_status note_files(cyf_prepare_job *job) {
  const cyf_prepare_options *options = job->options;
  for (int64_t i = 0; i < options->n_inputs; i++) CYF_TRY(cyf_inputs_add(&job->files, options->inputs[i]));
  CYF_TRY(cyf_inputs_add(&job->files, options->genes_path));
  return cyf_inputs_add(&job->files, options->label_map_path);
}

cyf_status cyf_prepare_open_inputs(cyf_prepare_job *job) {
  const cyf_prepare_options *options = job->options;
  CYF_TRY(check_lists(job));
  CYF_TRY(note_files(job));
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
  if (status == CYF_OK) cyf_prepare_tell_genes(job);
  if (status == CYF_OK) status = cyf_prepare_check_labels(job);
  if (status == CYF_OK) cyf_prepare_tell_numbers(job);
cleanup:
  cyf_names_destroy(&seen);
  return status;
}

void cyf_prepare_close_inputs(cyf_prepare_job *job) {
  cyf_prepare_destroy_labels(job);
  for (int64_t i = 0; job->input && i < job->options->n_inputs; i++) cyf_free(job->input[i].gene);
  cyf_free(job->input);
  cyf_inputs_destroy(&job->files);
  cyf_obs_rules_destroy(&job->rules);
  cyf_names_destroy(&job->genes);
}
