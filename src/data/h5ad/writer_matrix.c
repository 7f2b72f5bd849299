/* SPDX-License-Identifier: MIT */
/* X of a written .h5ad: CSR in chunks, or dense. */
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/writer_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "chunks of 32-bit words are stored as they lie in memory");

enum { DENSE_CHUNK_FACTOR = 16 };

/* A signed integer of which the lower `bits` are significant: int32, or int16 for 8 bits. HDF5 from 1.14.4 on calls a
 * file damaged where more than half a type's bits are unused. */
static hid_t integer_type(int bits) {
  hid_t type = H5Tcopy(bits == 8 ? H5T_STD_I16LE : H5T_STD_I32LE);
  H5Tset_precision(type, (size_t)bits);
  return type;
}

static cyf_status stream_create(cyf_h5ad_writer *writer, const char *name, hid_t file_type, int bits,
                                cyf_chunk_stream *stream) {
  hsize_t none = 0, unlimited = H5S_UNLIMITED, chunk = (hsize_t)writer->options.chunk_values;
  hid_t creation = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &none, &unlimited);
  H5Pset_obj_track_times(creation, false);
  H5Pset_chunk(creation, 1, &chunk);
  if (bits < 32) H5Pset_nbit(creation);
  if (writer->deflater) {
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, (unsigned)writer->options.gzip_level);
  }
  stream->stored_bits = bits;
  stream->dataset = H5Dcreate2(writer->matrix, name, file_type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&creation);
  CYF_TRY(cyf_h5_output_check(writer->output, stream->dataset, name));
  return CYF_NEW(&stream->pending, writer->options.chunk_values);
}

/* Makes the memory that a chunk passes through on its way to the file. */
static cyf_status create_space(cyf_h5ad_writer *writer) {
  size_t bytes = (size_t)writer->options.chunk_values * sizeof(uint32_t);
  if (writer->options.gzip_level > 0) {
    CYF_TRY(cyf_deflater_create(writer->options.gzip_level, &writer->deflater));
    CYF_TRY(CYF_NEW(&writer->shuffled, bytes));
    bytes = cyf_deflate_bound(writer->deflater, bytes);
  }
  return CYF_NEW(&writer->packed, bytes);
}

static cyf_status sparse_create(cyf_h5ad_writer *writer) {
  cyf_status status = CYF_OK;
  bool counts = writer->options.format == CYF_MATRIX_CSR_NBIT;
  int index_bits = counts ? writer->options.index_bits : 32, data_bits = counts ? writer->options.data_bits : 32;
  hid_t index_type = integer_type(index_bits);
  hid_t data_type = counts ? integer_type(data_bits) : H5Tcopy(H5T_IEEE_F32LE);
  CYF_TRY_CLEANUP(cyf_h5_create_group(writer->output, cyf_h5_output_file(writer->output), "X", "csr_matrix", "0.1.0",
                                      &writer->matrix));
  CYF_TRY_CLEANUP(create_space(writer));
  CYF_TRY_CLEANUP(stream_create(writer, "indices", index_type, index_bits, &writer->indices));
  CYF_TRY_CLEANUP(stream_create(writer, "data", data_type, data_bits, &writer->values));
  writer->indptr_capacity = 1024;
  CYF_TRY_CLEANUP(CYF_NEW(&writer->indptr, writer->indptr_capacity));
cleanup:
  cyf_h5_close_id(&index_type);
  cyf_h5_close_id(&data_type);
  return status;
}

static cyf_status dense_create(cyf_h5ad_writer *writer) {
  hsize_t width = (hsize_t)writer->n_genes, dims[2] = {0, width}, most[2] = {H5S_UNLIMITED, width};
  hsize_t rows = width ? (hsize_t)writer->options.chunk_values / width : 1;
  hsize_t chunk[2] = {rows ? rows : 1, width ? width : 1};
  if (!width)
    most[1] = H5S_UNLIMITED; /* HDF5 wants chunks of one element at least, and no larger than a fixed extent */
  hid_t creation = H5Pcreate(H5P_DATASET_CREATE), access = H5Pcreate(H5P_DATASET_ACCESS);
  hid_t space = H5Screate_simple(2, dims, most);
  H5Pset_obj_track_times(creation, false);
  H5Pset_chunk(creation, 2, chunk);
  /* room for one chunk whatever its size, so that appending a few rows at a time stores each chunk once */
  H5Pset_chunk_cache(access, 521, (size_t)(chunk[0] * chunk[1]) * 2 * sizeof(float), 1.0);
  if (writer->options.gzip_level > 0) {
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, (unsigned)writer->options.gzip_level);
  }
  writer->matrix =
      H5Dcreate2(cyf_h5_output_file(writer->output), "X", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, access);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&access);
  cyf_h5_close_id(&creation);
  CYF_TRY(cyf_h5_output_check(writer->output, writer->matrix, "X"));
  return cyf_h5ad_write_encoding(writer->output, writer->matrix, "array", "0.2.0");
}

cyf_status cyf_h5ad_matrix_create(cyf_h5ad_writer *writer) {
  bool dense = writer->options.format == CYF_MATRIX_DENSE;
  if (writer->options.chunk_values == 0) {
    writer->options.chunk_values = dense ? (int64_t)DENSE_CHUNK_FACTOR * CYF_H5AD_CHUNK_VALUES : CYF_H5AD_CHUNK_VALUES;
  }
  return dense ? dense_create(writer) : sparse_create(writer);
}

/* Big-endian words of 8 or 16 bits and one byte more: what HDF5's N-bit filter makes of such integers. */
static void pack_nbit(const uint32_t *words, int64_t n, int bits, unsigned char *packed) {
  if (bits == 16) {
    for (int64_t i = 0; i < n; i++) {
      packed[2 * i] = (unsigned char)(words[i] >> 8);
      packed[2 * i + 1] = (unsigned char)words[i];
    }
  } else {
    for (int64_t i = 0; i < n; i++) packed[i] = (unsigned char)words[i];
  }
  packed[n * bits / 8] = 0;
}

/* Stores the pending chunk with `n` valid entries. We know the stored form, so the chunk goes to the file directly: ten
 * times as fast as through HDF5's own N-bit filter, which works bit by bit. */
static cyf_status stream_store(cyf_h5ad_writer *writer, cyf_chunk_stream *stream, const char *name, int64_t n) {
  int64_t chunk = writer->options.chunk_values;
  hsize_t offset = (hsize_t)stream->n_stored, extent = (hsize_t)(stream->n_stored + n);
  memset(stream->pending + n, 0, (size_t)(chunk - n) * sizeof(*stream->pending));
  CYF_TRY(cyf_h5_output_check(writer->output, H5Dset_extent(stream->dataset, &extent), name));
  stream->n_stored += n;
  const void *stored = writer->packed;
  size_t bytes = (size_t)chunk * sizeof(uint32_t);
  if (writer->deflater) {
    cyf_shuffle_bytes((const uint8_t *)stream->pending, chunk, sizeof(uint32_t), writer->shuffled);
    bytes = cyf_deflate(writer->deflater, writer->shuffled, bytes, writer->packed);
  } else if (stream->stored_bits < 32) {
    bytes = (size_t)(chunk * stream->stored_bits / 8 + 1);
    pack_nbit(stream->pending, chunk, stream->stored_bits, writer->packed);
  } else {
    stored = stream->pending;
  }
  const herr_t result = H5Dwrite_chunk(stream->dataset, H5P_DEFAULT, 0, &offset, bytes, stored);
  return cyf_h5_output_check(writer->output, result, name);
}

static cyf_status store_pending(cyf_h5ad_writer *writer) {
  int64_t n = writer->n_pending;
  if (n == 0) return CYF_OK;
  writer->n_pending = 0;
  CYF_TRY(stream_store(writer, &writer->indices, "X/indices", n));
  return stream_store(writer, &writer->values, "X/data", n);
}

/* Checks all rows before any of them is stored, so that a refused block leaves nothing behind. */
static cyf_status check_rows(const cyf_h5ad_writer *writer, const cyf_csr *rows) {
  bool counts = writer->options.format == CYF_MATRIX_CSR_NBIT;
  int bits = writer->options.data_bits;
  float most = !counts      ? 0
               : bits == 32 ? 2147483520.0f
                            : (float)((1 << (bits - 1)) - 1); /* the largest float below 2^31 */
  for (int64_t cell = 0; cell < rows->n_cells; cell++) {
    int32_t previous = -1;
    for (int64_t i = rows->indptr[cell]; i < rows->indptr[cell + 1]; i++) {
      int32_t gene = rows->indices[i];
      float value = rows->values[i];
      if (gene <= previous || gene >= writer->n_genes) {
        return CYF_FAIL(CYF_ERR_INTERNAL, "%s: gene %d after %d in appended cell %lld of %lld genes",
                        cyf_h5_output_path(writer->output), gene, previous, (long long)(writer->n_cells + cell),
                        (long long)writer->n_genes);
      }
      previous = gene;
      if (counts && !(value >= 0 && value <= most && value == (float)(int32_t)value)) {
        return CYF_FAIL(CYF_ERR_INPUT,
                        "%s: value %g of cell %lld, gene %d cannot be stored as a %d-bit count (0 to %.0f)",
                        cyf_h5_output_path(writer->output), (double)value, (long long)(writer->n_cells + cell), gene,
                        bits, (double)most);
      }
    }
  }
  return CYF_OK;
}

static void fill_pending(cyf_h5ad_writer *writer, const int32_t *indices, const float *values, int64_t n) {
  memcpy(writer->indices.pending + writer->n_pending, indices, (size_t)n * sizeof(*indices));
  uint32_t *to = writer->values.pending + writer->n_pending;
  if (writer->options.format == CYF_MATRIX_CSR_NBIT) {
    for (int64_t i = 0; i < n; i++) to[i] = (uint32_t)(int32_t)values[i];
  } else {
    memcpy(to, values, (size_t)n * sizeof(*values));
  }
  writer->n_pending += n;
}

static cyf_status append_sparse(cyf_h5ad_writer *writer, const cyf_csr *rows) {
  CYF_TRY(check_rows(writer, rows));
  const int64_t before = writer->stream.on ? 0 : writer->n_cells;
  if (before + rows->n_cells + 1 > writer->indptr_capacity) {
    int64_t capacity = 2 * (before + rows->n_cells + 1);
    CYF_TRY(cyf_realloc((void **)&writer->indptr, (size_t)capacity, sizeof(*writer->indptr)));
    writer->indptr_capacity = capacity;
  }
  int64_t first = rows->indptr[0], end = rows->indptr[rows->n_cells];
  for (int64_t cell = 0; cell < rows->n_cells; cell++) {
    writer->indptr[before + cell + 1] = writer->nnz + rows->indptr[cell + 1] - first;
  }
  if (writer->stream.on) CYF_TRY(cyf_h5ad_stream_bounds(writer, rows->n_cells, writer->indptr + 1));
  for (int64_t done = first, now; done < end; done += now) {
    int64_t room = writer->options.chunk_values - writer->n_pending;
    now = end - done < room ? end - done : room;
    fill_pending(writer, rows->indices + done, rows->values + done, now);
    if (writer->n_pending == writer->options.chunk_values) CYF_TRY(store_pending(writer));
  }
  writer->nnz += end - first;
  writer->n_cells += rows->n_cells;
  return CYF_OK;
}

static cyf_status append_dense(cyf_h5ad_writer *writer, int64_t n_cells, const float *values) {
  hsize_t extent[2] = {(hsize_t)(writer->n_cells + n_cells), (hsize_t)writer->n_genes};
  CYF_TRY(cyf_h5_output_check(writer->output, H5Dset_extent(writer->matrix, extent), "X"));
  CYF_TRY(cyf_h5_write_range(writer->output, writer->matrix, H5T_NATIVE_FLOAT, sizeof(float), writer->n_cells, n_cells,
                             writer->n_genes, "X", values));
  writer->n_cells += n_cells;
  return CYF_OK;
}

/* Appends sparse rows to a dense X, some at a time. */
static cyf_status append_spread(cyf_h5ad_writer *writer, const cyf_csr *rows) {
  cyf_status status = CYF_OK;
  float *values = NULL;
  int64_t width = writer->n_genes, step = width ? writer->options.chunk_values / width : rows->n_cells;
  if (step < 1) step = 1;
  CYF_TRY(check_rows(writer, rows));
  CYF_TRY(CYF_NEW(&values, step * width));
  for (int64_t first = 0; first < rows->n_cells; first += step) {
    int64_t now = rows->n_cells - first < step ? rows->n_cells - first : step;
    memset(values, 0, (size_t)(now * width) * sizeof(*values));
    for (int64_t cell = 0; cell < now; cell++) {
      for (int64_t i = rows->indptr[first + cell]; i < rows->indptr[first + cell + 1]; i++) {
        values[cell * width + rows->indices[i]] = rows->values[i];
      }
    }
    CYF_TRY_CLEANUP(append_dense(writer, now, values));
  }
cleanup:
  cyf_free(values);
  return status;
}

cyf_status cyf_h5ad_matrix_append_csr(cyf_h5ad_writer *writer, const cyf_csr *rows) {
  if (rows->n_genes != writer->n_genes) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "%s: rows of %lld genes appended to a file of %lld",
                    cyf_h5_output_path(writer->output), (long long)rows->n_genes, (long long)writer->n_genes);
  }
  if (rows->n_cells == 0) return CYF_OK;
  return writer->options.format == CYF_MATRIX_DENSE ? append_spread(writer, rows) : append_sparse(writer, rows);
}

static cyf_status write_bounds(const cyf_h5ad_writer *writer) {
  hid_t indptr = H5I_INVALID_HID;
  int64_t n = writer->n_cells + 1;
  CYF_TRY(cyf_h5_create_dataset(writer->output, writer->matrix, "indptr", cyf_h5ad_indptr_type(writer->nnz), 1, &n,
                                &indptr));
  const cyf_status status = cyf_h5_write_range(writer->output, indptr, H5T_NATIVE_INT64, sizeof(int64_t), 0, n, -1,
                                               "X/indptr", writer->indptr);
  cyf_h5_close_id(&indptr);
  return status;
}

cyf_status cyf_h5ad_matrix_finish(cyf_h5ad_writer *writer) {
  if (writer->options.format == CYF_MATRIX_DENSE) return CYF_OK;
  const int64_t shape[2] = {writer->n_cells, writer->n_genes};
  CYF_TRY(store_pending(writer));
  CYF_TRY(writer->stream.on ? cyf_h5ad_stream_finish(writer) : write_bounds(writer));
  return cyf_h5_write_ints_attribute(writer->output, writer->matrix, "shape", H5T_STD_I64LE, H5T_NATIVE_INT64, shape,
                                     2);
}

void cyf_h5ad_matrix_destroy(cyf_h5ad_writer *writer) {
  cyf_h5_close_id(&writer->indices.dataset);
  cyf_h5_close_id(&writer->values.dataset);
  cyf_h5_close_id(&writer->matrix);
  cyf_free(writer->indices.pending);
  cyf_free(writer->values.pending);
  cyf_deflater_destroy(&writer->deflater);
  cyf_free(writer->shuffled);
  cyf_free(writer->packed);
  cyf_free(writer->indptr);
}
