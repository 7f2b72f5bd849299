/* SPDX-License-Identifier: MIT */
/* Inputs that differ in their genes: what of an atlas would be zeros that were never measured, and which genes it has.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/inputs.h"

/* A union with a larger share of such zeros is made only where it is asked for. */
static const double structural_share_most = 0.05;

/* The genes in use, as the inputs have them. */
typedef struct gene_cover {
  int32_t *n_inputs_with; /* [genes] */
  int64_t *n_cells_with;  /* [genes] cells of the inputs that have it */
  int64_t n_common;       /* genes that all inputs have */
  int64_t n_cells;
  int64_t n_unmeasured; /* cells x genes that were not measured */
} gene_cover;

static void cover_destroy(gene_cover *cover) {
  cyf_free(cover->n_inputs_with);
  cyf_free(cover->n_cells_with);
}

static cyf_status cover_make(const cyf_prepare_job *job, gene_cover *cover) {
  const int64_t n_inputs = job->options->n_inputs;
  *cover = (gene_cover){0};
  CYF_TRY(CYF_NEW(&cover->n_inputs_with, job->genes.n));
  CYF_TRY(CYF_NEW(&cover->n_cells_with, job->genes.n));
  for (int64_t i = 0; i < n_inputs; i++) {
    const cyf_prepare_input *input = &job->input[i];
    cover->n_cells += input->n_cells;
    for (int64_t g = 0; g < input->n_genes; g++) {
      if (input->gene[g] < 0) continue;
      cover->n_inputs_with[input->gene[g]]++;
      cover->n_cells_with[input->gene[g]] += input->n_cells;
    }
  }
  for (int64_t g = 0; g < job->genes.n; g++) {
    cover->n_common += cover->n_inputs_with[g] == n_inputs;
    cover->n_unmeasured += cover->n_cells - cover->n_cells_with[g];
  }
  return CYF_OK;
}

/* Share of the cells x n_genes that was not measured, in per cent. */
static double per_cent(const gene_cover *cover, int64_t n_genes) {
  const double all = (double)cover->n_cells * (double)n_genes;
  return all > 0 ? 100 * (double)cover->n_unmeasured / all : 0;
}

/* Takes the genes that all inputs have, in their order; each input's genes are numbered anew. */
static cyf_status take_common(cyf_prepare_job *job, const gene_cover *cover) {
  cyf_names common = {0};
  int32_t *code = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&code, job->genes.n));
  for (int64_t g = 0; g < job->genes.n; g++) {
    code[g] = -1;
    if (cover->n_inputs_with[g] < job->options->n_inputs) continue;
    code[g] = (int32_t)common.n;
    CYF_TRY_CLEANUP(cyf_names_add(&common, job->genes.name[g], NULL));
  }
  for (int64_t i = 0; i < job->options->n_inputs; i++) {
    cyf_prepare_input *input = &job->input[i];
    int32_t last = -1;
    input->ascending = true;
    for (int64_t g = 0; g < input->n_genes; g++) {
      input->gene[g] = code[input->gene[g]];
      if (input->gene[g] < 0) continue;
      input->ascending = input->ascending && input->gene[g] > last;
      last = input->gene[g];
    }
  }
  cyf_names_destroy(&job->genes);
  job->genes = common;
  common = (cyf_names){0};
cleanup:
  cyf_names_destroy(&common);
  cyf_free(code);
  return status;
}

/* The failure for a union of too many zeros, with an input that lacks genes as an example. */
static cyf_status refuse_union(const cyf_prepare_job *job, const gene_cover *cover) {
  const int64_t n_differ = job->genes.n - cover->n_common;
  const cyf_prepare_input *worst = &job->input[0];
  for (int64_t i = 1; i < job->options->n_inputs; i++)
    if (job->input[i].n_genes < worst->n_genes) worst = &job->input[i];
  char common[96] = "is no way out (no gene is in all inputs)";
  if (cover->n_common > 0) snprintf(common, sizeof common, "keeps the %lld that all have", (long long)cover->n_common);
  return CYF_FAIL(CYF_ERR_INPUT,
                  "%lld of %lld genes are in some inputs and not in others (%s lacks %lld): %.1f %% of their values "
                  "would be zeros that were never measured. --genes-join intersection %s; --genes-join union keeps all "
                  "%lld, with these zeros",
                  (long long)n_differ, (long long)job->genes.n, worst->path, (long long)(job->genes.n - worst->n_genes),
                  per_cent(cover, n_differ), common, (long long)job->genes.n);
}

static cyf_status join(cyf_prepare_job *job, const gene_cover *cover) {
  const cyf_genes_join choice = job->options->genes_join;
  const int64_t n_differ = job->genes.n - cover->n_common;
  job->summary.n_genes_differ = n_differ;
  if (n_differ == 0) return CYF_OK;
  if (choice == CYF_GENES_JOIN_INTERSECTION) {
    if (cover->n_common == 0)
      return CYF_FAIL(CYF_ERR_INPUT, "--genes-join intersection: no gene is in all of the %lld inputs",
                      (long long)job->options->n_inputs);
    cyf_info("the atlas has the %lld genes that all inputs have, of %lld", (long long)cover->n_common,
             (long long)job->genes.n);
    return take_common(job, cover);
  }
  cyf_info(
      "%lld genes are in some inputs and not in others: structural zeros are %.1f %% of their values, %.1f %% of all",
      (long long)n_differ, per_cent(cover, n_differ), per_cent(cover, job->genes.n));
  job->summary.n_structural_zeros = cover->n_unmeasured;
  const bool too_many = per_cent(cover, n_differ) > 100 * structural_share_most;
  return too_many && choice == CYF_GENES_JOIN_AUTO ? refuse_union(job, cover) : CYF_OK;
}

cyf_status cyf_prepare_join_genes(cyf_prepare_job *job) {
  gene_cover cover;
  cyf_status status = cover_make(job, &cover);
  if (status == CYF_OK && job->has_gene_list) {
    cyf_info("structural zeros of the list's genes that inputs lack are %.1f %% of all values",
             per_cent(&cover, job->genes.n));
    job->summary.n_structural_zeros = cover.n_unmeasured;
  } else if (status == CYF_OK) {
    status = join(job, &cover);
  }
  cover_destroy(&cover);
  return status;
}
