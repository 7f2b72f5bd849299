/* SPDX-License-Identifier: MIT */
/* The .h5ad writer: life of a file, obs, var, obsm and uns. */
#include "data/h5ad/writer.h"

#include <string.h>

#include "base/memory.h"
#include "data/h5ad/writer_internal.h"

static void close_groups(cyf_h5ad_writer *w) {
  cyf_h5_close_id(&w->obs);
  cyf_h5_close_id(&w->var);
  cyf_h5_close_id(&w->obsm);
  cyf_h5_close_id(&w->uns);
}

static void destroy(cyf_h5ad_writer **writer) {
  cyf_h5ad_writer *w = *writer;
  cyf_h5ad_stream_destroy(w);
  cyf_h5ad_matrix_destroy(w);
  close_groups(w);
  cyf_h5_output_discard(&w->output); /* NULL after a commit */
  cyf_names_destroy(&w->columns);
  for (int64_t i = 0; i < w->n_claims; i++) cyf_free(w->claims[i].name);
  cyf_free(w->claims);
  cyf_free(*writer);
}

static cyf_status create_skeleton(cyf_h5ad_writer *writer) {
  static const char *const empty[] = {"layers", "obsp", "varm", "varp"};
  const cyf_h5_output *output = writer->output;
  hid_t file = cyf_h5_output_file(output), uns = H5I_INVALID_HID;
  CYF_TRY(cyf_h5ad_write_encoding(output, file, "anndata", "0.1.0"));
  for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
    CYF_TRY(cyf_h5_create_group(output, file, empty[i], "dict", "0.1.0", NULL));
  }
  CYF_TRY(cyf_h5_create_group(output, file, "obs", "dataframe", "0.2.0", &writer->obs));
  CYF_TRY(cyf_h5_create_group(output, file, "var", "dataframe", "0.2.0", &writer->var));
  CYF_TRY(cyf_h5_create_group(output, file, "obsm", "dict", "0.1.0", &writer->obsm));
  CYF_TRY(cyf_h5_create_group(output, file, "uns", "dict", "0.1.0", &uns));
  cyf_status status = cyf_h5_create_group(output, uns, "cytoforge", "dict", "0.1.0", &writer->uns);
  cyf_h5_close_id(&uns);
  return status;
}

static cyf_status settle_options(const char *path, int64_t n_genes, cyf_h5ad_options *options) {
  const bool packed = options->gzip_level == 0; /* deflate makes less of packed words than of their bytes in order */
  if (options->data_bits == 0) options->data_bits = packed ? 16 : 32;
  if (options->index_bits == 0) options->index_bits = packed && n_genes <= 32768 ? 16 : 32;
  bool bits_ok = (options->data_bits == 8 || options->data_bits == 16 || options->data_bits == 32) &&
                 (options->index_bits == 32 || (options->index_bits == 16 && n_genes <= 32768)) &&
                 (packed || (options->data_bits == 32 && options->index_bits == 32));
  if ((options->format == CYF_MATRIX_CSR_NBIT && !bits_ok) || options->chunk_values < 0 || options->gzip_level < 0 ||
      options->gzip_level > 9 || n_genes < 0) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: cannot write %lld genes with %d data bits, %d index bits, gzip level %d",
                    path, (long long)n_genes, options->data_bits, options->index_bits, options->gzip_level);
  }
  return CYF_OK;
}

static cyf_status create(const char *path, int64_t n_genes, const cyf_h5ad_options *options,
                         cyf_h5ad_writer **ret_writer) {
  cyf_status status = CYF_OK;
  cyf_h5ad_writer *writer = NULL;
  CYF_TRY(CYF_NEW(&writer, 1));
  writer->obs = writer->var = writer->obsm = writer->uns = writer->matrix = H5I_INVALID_HID;
  writer->indices.dataset = writer->values.dataset = H5I_INVALID_HID;
  writer->options = *options;
  writer->n_genes = n_genes;
  CYF_TRY_CLEANUP(settle_options(path, n_genes, &writer->options));
  CYF_TRY_CLEANUP(options->sealed ? cyf_h5_output_create_sealed(path, &writer->output)
                                  : cyf_h5_output_create(path, &writer->output));
  CYF_TRY_CLEANUP(create_skeleton(writer));
  CYF_TRY_CLEANUP(cyf_h5ad_matrix_create(writer));
  *ret_writer = writer;
  return CYF_OK;
cleanup:
  destroy(&writer);
  return status;
}

cyf_status cyf_h5ad_writer_create(const char *path, int64_t n_genes, const cyf_h5ad_options *options,
                                  cyf_h5ad_writer **ret_writer) {
  *ret_writer = NULL;
  cyf_hdf5_lock();
  cyf_status status = create(path, n_genes, options, ret_writer);
  cyf_hdf5_unlock();
  return status;
}

cyf_status cyf_h5ad_writer_append_csr(cyf_h5ad_writer *writer, const cyf_csr *rows) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, cyf_h5ad_matrix_append_csr(writer, rows));
}

static cyf_status write_index(const cyf_h5ad_writer *writer, hid_t frame, char *const *names, int64_t n) {
  hid_t dataset = H5I_INVALID_HID;
  CYF_TRY(cyf_h5_write_strings(writer->output, frame, "_index", names, n, &dataset));
  cyf_status status = cyf_h5ad_write_encoding(writer->output, dataset, "string-array", "0.2.0");
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status set_genes(cyf_h5ad_writer *writer, const cyf_names *genes) {
  if (writer->genes_written || genes->n != writer->n_genes) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: %lld gene names for %lld genes, or a second time",
                    cyf_h5_output_path(writer->output), (long long)genes->n, (long long)writer->n_genes);
  }
  writer->genes_written = true;
  return write_index(writer, writer->var, genes->name, genes->n);
}

cyf_status cyf_h5ad_writer_set_genes(cyf_h5ad_writer *writer, const cyf_names *genes) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, set_genes(writer, genes));
}

static cyf_status set_cell_names(cyf_h5ad_writer *writer, const char *const *names, int64_t n_cells) {
  if (!names) return CYF_OK; /* numbered at commit */
  if (writer->cell_names_written) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: cell names given twice", cyf_h5_output_path(writer->output));
  }
  writer->cell_names_written = true;
  CYF_TRY(cyf_h5ad_writer_claim_rows(writer, "the cell names", n_cells));
  return write_index(writer, writer->obs, (char *const *)(uintptr_t)names, n_cells);
}

cyf_status cyf_h5ad_writer_set_cell_names(cyf_h5ad_writer *writer, const char *const *names, int64_t n_cells) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, set_cell_names(writer, names, n_cells));
}

static cyf_status set_obsm(cyf_h5ad_writer *writer, const char *name, int64_t n_cells, int64_t width,
                           const float *values) {
  CYF_TRY(cyf_h5ad_writer_claim_rows(writer, name, n_cells));
  return cyf_h5ad_write_array(writer, writer->obsm, name, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, n_cells, width, values);
}

cyf_status cyf_h5ad_writer_set_obsm(cyf_h5ad_writer *writer, const char *name, int64_t n_cells, int64_t width,
                                    const float *values) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, set_obsm(writer, name, n_cells, width, values));
}

static cyf_status set_obsm_half(cyf_h5ad_writer *writer, const char *name, int64_t n_cells, int64_t width,
                                const void *halves) {
  CYF_TRY(cyf_h5ad_writer_claim_rows(writer, name, n_cells));
  hid_t half = cyf_h5_half_type();
  cyf_status status = cyf_h5ad_write_array(writer, writer->obsm, name, half, half, n_cells, width, halves);
  cyf_h5_close_id(&half);
  return status;
}

cyf_status cyf_h5ad_writer_set_obsm_half(cyf_h5ad_writer *writer, const char *name, int64_t n_cells, int64_t width,
                                         const void *halves) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, set_obsm_half(writer, name, n_cells, width, halves));
}

static cyf_status set_uns_number(cyf_h5ad_writer *writer, const char *key, hid_t file_type, hid_t memory_type,
                                 const void *value) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  CYF_TRY_CLEANUP(cyf_h5_create_dataset(writer->output, writer->uns, key, file_type, 0, NULL, &dataset));
  CYF_TRY_CLEANUP(cyf_h5ad_write_encoding(writer->output, dataset, "numeric-scalar", "0.2.0"));
  CYF_TRY_CLEANUP(
      cyf_h5_output_check(writer->output, H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value), key));
cleanup:
  cyf_h5_close_id(&dataset);
  return status;
}

static cyf_status set_uns_text(cyf_h5ad_writer *writer, const char *key, const char *value) {
  hid_t dataset = H5I_INVALID_HID;
  CYF_TRY(cyf_h5_write_text(writer->output, writer->uns, key, value, &dataset));
  cyf_status status = cyf_h5ad_write_encoding(writer->output, dataset, "string", "0.2.0");
  cyf_h5_close_id(&dataset);
  return status;
}

cyf_status cyf_h5ad_writer_set_uns_text(cyf_h5ad_writer *writer, const char *key, const char *value) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, set_uns_text(writer, key, value));
}

cyf_status cyf_h5ad_writer_set_uns_int(cyf_h5ad_writer *writer, const char *key, int64_t value) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, set_uns_number(writer, key, H5T_STD_I64LE, H5T_NATIVE_INT64, &value));
}

cyf_status cyf_h5ad_writer_set_uns_real(cyf_h5ad_writer *writer, const char *key, double value) {
  cyf_hdf5_lock();
  return cyf_h5ad_writer_finish_call(writer, set_uns_number(writer, key, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value));
}

static cyf_status check_claims(const cyf_h5ad_writer *writer) {
  const char *path = cyf_h5_output_path(writer->output);
  if (writer->failed) return CYF_FAIL(CYF_ERR_INTERNAL, "%s: committed after a failed write", path);
  if (!writer->genes_written) return CYF_FAIL(CYF_ERR_INTERNAL, "%s: committed without gene names", path);
  for (int64_t i = 0; i < writer->n_claims; i++) {
    if (writer->claims[i].n_cells != writer->n_cells) {
      return CYF_FAIL(CYF_ERR_INTERNAL, "%s: '%s' has %lld rows for %lld cells", path, writer->claims[i].name,
                      (long long)writer->claims[i].n_cells, (long long)writer->n_cells);
    }
  }
  return CYF_OK;
}

static cyf_status finish_frame(const cyf_h5ad_writer *writer, hid_t frame, const cyf_names *columns) {
  CYF_TRY(cyf_h5_write_text_attribute(writer->output, frame, "_index", "_index"));
  return cyf_h5_write_texts_attribute(writer->output, frame, "column-order", columns->name, columns->n);
}

static cyf_status commit(cyf_h5ad_writer *writer) {
  static const cyf_names no_columns = {0};
  CYF_TRY(check_claims(writer));
  CYF_TRY(cyf_h5ad_matrix_finish(writer));
  if (!writer->cell_names_written) CYF_TRY(write_index(writer, writer->obs, NULL, writer->n_cells));
  CYF_TRY(finish_frame(writer, writer->obs, &writer->columns));
  CYF_TRY(finish_frame(writer, writer->var, &no_columns));
  cyf_h5ad_matrix_destroy(writer);
  close_groups(writer);
  return cyf_h5_output_commit(&writer->output);
}

cyf_status cyf_h5ad_writer_commit(cyf_h5ad_writer **writer) {
  cyf_hdf5_lock();
  cyf_status status = commit(*writer);
  destroy(writer);
  cyf_hdf5_unlock();
  return status;
}

void cyf_h5ad_writer_abandon(cyf_h5ad_writer **writer) {
  if (!writer || !*writer) return;
  cyf_hdf5_lock();
  destroy(writer);
  cyf_hdf5_unlock();
}
