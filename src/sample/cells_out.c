/* SPDX-License-Identifier: MIT */
#include "sample/cells_out.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "kernels/math/normalisation.h"
#include "saved/model_scale.h"

static cyf_status open_writer(cyf_cells_out *out, const cyf_cell_block *block) {
  int64_t nnz = block->rows.indptr[block->n_cells] - block->rows.indptr[0];
  const bool counts = out->expression == CYF_OUTPUT_COUNTS, dense = !counts && 2 * nnz > block->n_cells * out->genes->n;
  const cyf_h5ad_options options = {.format = counts  ? CYF_MATRIX_CSR_NBIT
                                              : dense ? CYF_MATRIX_DENSE
                                                      : CYF_MATRIX_CSR_FLOAT32,
                                    .data_bits = counts ? 32 : 0};
  CYF_TRY(cyf_h5ad_writer_create(out->path, out->genes->n, &options, &out->writer));
  CYF_TRY(cyf_h5ad_writer_set_genes(out->writer, out->genes));
  return CYF_NEW(&out->latent, out->n_cells * out->width);
}

cyf_status cyf_cells_out_append(cyf_cells_out *out, const cyf_cell_block *block) {
  if (out->writer == NULL) CYF_TRY(open_writer(out, block));
  cyf_csr rows = cyf_csr_view(&block->rows);
  memcpy(out->latent + out->n_written * out->width, block->latent,
         sizeof(float) * (size_t)(block->n_cells * out->width));
  out->n_written += block->n_cells;
  return cyf_h5ad_writer_append_csr(out->writer, &rows);
}

/* What X holds, for readers and for ourselves (cyf_h5ad_read_expression). */
static cyf_status describe_values(const cyf_cells_out *out) {
  char scale[CYF_SCALE_TEXT_SIZE];
  const char *text = cyf_scale_text(out->target, scale);
  double target = out->target;
  if (out->expression == CYF_OUTPUT_COUNTS) return cyf_h5ad_writer_set_uns_text(out->writer, "expression", "counts");
  if (out->expression == CYF_OUTPUT_MEAN) {
    text = "log1p(expected share of counts x " CYF_NORMALISED_TOTAL_TEXT ")";
    target = CYF_NORMALISED_TOTAL;
  }
  CYF_TRY(cyf_h5ad_writer_set_uns_text(out->writer, "expression", text));
  return target > 0 ? cyf_h5ad_writer_set_uns_real(out->writer, "target", target) : CYF_OK;
}

cyf_status cyf_cells_out_describe(cyf_cells_out *out, const char *command_line, const char *model_path,
                                  const char *model_created) {
  char now[32];
  cyf_clock_utc(now, sizeof now);
  CYF_TRY(cyf_h5ad_writer_set_obsm(out->writer, "X_latent", out->n_written, out->width, out->latent));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(out->writer, "version", CYF_VERSION));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(out->writer, "created", now));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(out->writer, "command_line", command_line));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(out->writer, "model", model_path));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(out->writer, "model_created", model_created));
  return describe_values(out);
}

cyf_status cyf_cells_out_commit(cyf_cells_out *out) {
  return cyf_h5ad_writer_commit(&out->writer);
}

void cyf_cells_out_destroy(cyf_cells_out *out) {
  if (out == NULL) return;
  cyf_h5ad_writer_abandon(&out->writer);
  cyf_free(out->latent);
}
