/* heldout.h5ad and train.h5ad: the two sides of the split in input order, as plain files for evaluation. */
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/h5ad_writer.h"
#include "data/prepare_internal.h"

enum { APPEND_CELLS = 2048 };

/* The obs of a file under construction. */
typedef struct file_obs {
  int64_t n_cells;
  char **names;
  int32_t **codes;
} file_obs;

static void obs_destroy(const cyf_prepare_job *job, file_obs *obs) {
  for (int64_t i = 0; obs->names && i < obs->n_cells; i++) cyf_free(obs->names[i]);
  cyf_free(obs->names);
  for (int64_t a = 0; obs->codes && a < job->options->n_labels; a++) cyf_free(obs->codes[a]);
  cyf_free(obs->codes);
}

static cyf_status obs_make(const cyf_prepare_job *job, int64_t n_cells, file_obs *obs) {
  obs->n_cells = n_cells;
  CYF_TRY(CYF_NEW(&obs->names, n_cells));
  CYF_TRY(CYF_NEW(&obs->codes, job->options->n_labels));
  for (int64_t a = 0; a < job->options->n_labels; a++) CYF_TRY(CYF_NEW(&obs->codes[a], n_cells));
  return CYF_OK;
}

static cyf_status append_rows(cyf_h5ad_writer *writer, cyf_csr_buffer *rows, int64_t n_genes) {
  CYF_TRY(cyf_prepare_check_signal());
  const cyf_csr view = cyf_csr_view(rows);
  if (view.n_cells > 0) CYF_TRY(cyf_h5ad_writer_append_csr(writer, &view));
  cyf_csr_buffer_clear(rows, n_genes);
  return CYF_OK;
}

/* Streams the bin's cells into the file. */
static cyf_status copy_cells(const cyf_prepare_job *job, cyf_spill_merge *merge, cyf_h5ad_writer *writer,
                             const char *path, file_obs *obs) {
  cyf_csr_buffer rows = {0};
  int32_t *indices = NULL;
  float *values = NULL;
  cyf_status status = CYF_OK;
  int64_t n = 0;
  bool more = true;
  CYF_TRY_CLEANUP(CYF_NEW(&indices, job->genes.n));
  CYF_TRY_CLEANUP(CYF_NEW(&values, job->genes.n));
  cyf_csr_buffer_clear(&rows, job->atlas_genes.n);
  for (;;) {
    cyf_spill_record record;
    CYF_TRY_CLEANUP(cyf_spill_merge_next(merge, &record, &more));
    if (!more || n == obs->n_cells) break;
    const int64_t nnz = cyf_prepare_atlas_row(job, &record, indices, values);
    CYF_TRY_CLEANUP(cyf_csr_buffer_append(&rows, nnz, indices, values));
    CYF_TRY_CLEANUP(cyf_strdup(record.name, &obs->names[n]));
    for (int64_t a = 0; a < job->options->n_labels; a++) obs->codes[a][n] = record.codes[a];
    n++;
    if (rows.n_cells == APPEND_CELLS) CYF_TRY_CLEANUP(append_rows(writer, &rows, job->atlas_genes.n));
  }
  CYF_TRY_CLEANUP(append_rows(writer, &rows, job->atlas_genes.n));
  if (more || n != obs->n_cells)
    status =
        CYF_FAIL(CYF_ERR_IO, "%s: not all of its %lld cells arrived in the spill files", path, (long long)obs->n_cells);
cleanup:
  cyf_csr_buffer_destroy(&rows);
  cyf_free(indices);
  cyf_free(values);
  return status;
}

static cyf_status write_file(const cyf_prepare_job *job, const cyf_spill *spill, int64_t bin, const char *name,
                             int64_t n_cells) {
  const cyf_h5ad_options format = {.format = CYF_MATRIX_CSR_FLOAT32};
  file_obs obs = {0};
  cyf_h5ad_writer *writer = NULL;
  cyf_spill_merge *merge = NULL;
  char *path = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_path_join(job->partial, name, &path));
  CYF_TRY_CLEANUP(obs_make(job, n_cells, &obs));
  CYF_TRY_CLEANUP(cyf_spill_merge_create(spill, bin, &merge));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_create(path, job->atlas_genes.n, &format, &writer));
  CYF_TRY_CLEANUP(copy_cells(job, merge, writer, path, &obs));
  CYF_TRY_CLEANUP(cyf_prepare_finish_file(job, &writer, n_cells, obs.names, obs.codes));
cleanup:
  cyf_h5ad_writer_abandon(&writer);
  cyf_spill_merge_destroy(&merge);
  obs_destroy(job, &obs);
  cyf_free(path);
  return status;
}

cyf_status cyf_prepare_write_heldout(cyf_prepare_job *job, const cyf_spill *spill) {
  if (job->summary.n_cells_heldout == 0) return CYF_OK;
  /* The two files are written side by side where there are two ranks. */
  if (job->rank == 0)
    CYF_TRY(write_file(job, spill, cyf_bin_heldout(job), "heldout.h5ad", job->summary.n_cells_heldout));
  if (job->rank == (job->size > 1 ? 1 : 0))
    CYF_TRY(write_file(job, spill, cyf_bin_train(job), "train.h5ad", job->summary.n_cells_train));
  return CYF_OK;
}
