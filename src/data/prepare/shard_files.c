/* SPDX-License-Identifier: MIT */
/* What shards, heldout.h5ad and train.h5ad have in common. */
#include "data/h5ad/writer.h"
#include "data/prepare/job.h"

int64_t cyf_prepare_atlas_row(const cyf_prepare_job *job, int64_t nnz, int32_t *indices, float *values) {
  int64_t n = 0;
  for (int64_t e = 0; e < nnz; e++) {
    const int32_t gene = job->gene_new[indices[e]];
    indices[n] = gene;
    values[n] = values[e];
    n += gene >= 0;
  }
  return n;
}

cyf_status cyf_prepare_write_kind(const cyf_prepare_job *job, cyf_h5ad_writer *writer) {
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "expression", cyf_expression_kind_name(job->kind)));
  const bool is_of_values = !cyf_expression_is_counted(job->kind) && job->target > 0;
  return is_of_values ? cyf_h5ad_writer_set_uns_real(writer, "target", job->target) : CYF_OK;
}

cyf_status cyf_prepare_finish_file(const cyf_prepare_job *job, cyf_h5ad_writer **writer, int64_t n_cells,
                                   char *const *names, int32_t *const *codes) {
  /* Barcodes may repeat between inputs; anndata warns of names that are not unique. */
  cyf_names unique = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_names_add_unique(&unique, names, n_cells, NULL));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_set_genes(*writer, &job->atlas_genes));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_set_cell_names(*writer, (const char *const *)unique.name, n_cells));
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    const cyf_label_column column = {job->attribute[a].name, job->attribute[a].categories, codes[a], n_cells};
    CYF_TRY_CLEANUP(cyf_h5ad_writer_add_labels(*writer, &column));
  }
  CYF_TRY_CLEANUP(cyf_prepare_write_kind(job, *writer));
  status = cyf_h5ad_writer_commit(writer);
cleanup:
  cyf_names_destroy(&unique);
  cyf_h5ad_writer_abandon(writer);
  return status;
}

cyf_h5ad_options cyf_prepare_format(const cyf_prepare_job *job, double largest) {
  /* Level 4. Level 6 stores 2 % less and takes half as long again; level 1 stores 8 % more. */
  const int gzip_level = job->options->compress ? 4 : 0;
  if (job->kind != CYF_EXPRESSION_COUNTS)
    return (cyf_h5ad_options){.format = CYF_MATRIX_CSR_FLOAT32, .gzip_level = gzip_level};
  if (gzip_level > 0)
    return (cyf_h5ad_options){
        .format = CYF_MATRIX_CSR_NBIT, .data_bits = 32, .index_bits = 32, .gzip_level = gzip_level};
  return (cyf_h5ad_options){.format = CYF_MATRIX_CSR_NBIT,
                            .data_bits = largest <= INT8_MAX    ? 8
                                         : largest <= INT16_MAX ? 16
                                                                : 32,
                            .index_bits = job->atlas_genes.n <= INT16_MAX ? 16 : 32};
}
