/* SPDX-License-Identifier: MIT */
/* gzip-compressed arrays, as anndata writes them. Stored chunks are fetched as they are and inflated by all threads of
 * the process. HDF5's own filter works on one chunk at a time, and that at half the speed. */
#include <string.h>

#include "base/failure.h"
#include "base/memory.h"
#include "data/h5ad/reader_internal.h"
#include "data/hdf5/deflate.h"

enum {
  CHUNK_VALUES_MOST = 1 << 18, /* larger chunks are left to HDF5, which keeps an inflated one for the next read */
  FILTERS_MOST = 2
};

static cyf_number_type number_type(hid_t type) {
  const struct {
    cyf_number_type number;
    hid_t stored;
  } known[] = {{CYF_NUMBER_INT32, H5T_STD_I32LE},    {CYF_NUMBER_INT64, H5T_STD_I64LE},
               {CYF_NUMBER_UINT16, H5T_STD_U16LE},   {CYF_NUMBER_UINT32, H5T_STD_U32LE},
               {CYF_NUMBER_FLOAT32, H5T_IEEE_F32LE}, {CYF_NUMBER_FLOAT64, H5T_IEEE_F64LE}};
  for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
    if (H5Tequal(type, known[i].stored) > 0) return known[i].number;
  return CYF_NUMBER_OTHER;
}

static size_t number_bytes(cyf_number_type type) {
  return type == CYF_NUMBER_UINT16 ? 2 : type == CYF_NUMBER_INT64 || type == CYF_NUMBER_FLOAT64 ? 8 : 4;
}

void cyf_h5ad_deflated_form(hid_t dataset, cyf_deflated_form *ret_form) {
  hid_t type = H5Dget_type(dataset), creation = H5Dget_create_plist(dataset);
  hsize_t chunk = 0;
  H5Z_filter_t filter[FILTERS_MOST] = {0};
  *ret_form = (cyf_deflated_form){.type = CYF_NUMBER_OTHER};
  const bool chunked = H5Pget_layout(creation) == H5D_CHUNKED && H5Pget_chunk(creation, 1, &chunk) == 1;
  const int n_filters = chunked ? H5Pget_nfilters(creation) : 0;
  for (int i = 0; i < n_filters && i < FILTERS_MOST; i++) {
    unsigned flags, config;
    size_t n_values = 0;
    filter[i] = H5Pget_filter2(creation, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &config);
  }
  const bool shuffled = n_filters == 2 && filter[0] == H5Z_FILTER_SHUFFLE;
  if ((shuffled || n_filters == 1) && filter[n_filters - 1] == H5Z_FILTER_DEFLATE && chunk <= CHUNK_VALUES_MOST)
    *ret_form = (cyf_deflated_form){number_type(type), shuffled, (int64_t)chunk};
  cyf_h5_close_id(&creation);
  cyf_h5_close_id(&type);
}

static int32_t clamp(int64_t value) {
  return (int32_t)(value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value);
}

/* Converts numbers stored as `stored_type` to one of the outputs; integers are clamped to int32 as HDF5 does it. */
#define CONVERT(stored_type)                                         \
  for (int64_t i = 0; i < n; i++) {                                  \
    stored_type value;                                               \
    memcpy(&value, from + (size_t)i * sizeof(value), sizeof(value)); \
    if (reals) {                                                     \
      reals[i] = (float)value;                                       \
    } else {                                                         \
      integers[i] = clamp((int64_t)value);                           \
    }                                                                \
  }                                                                  \
  break

static void convert(cyf_number_type type, const uint8_t *from, int64_t n, int32_t *integers, float *reals) {
  switch (type) {
    case CYF_NUMBER_INT32:
      CONVERT(int32_t);
    case CYF_NUMBER_INT64:
      CONVERT(int64_t);
    case CYF_NUMBER_UINT16:
      CONVERT(uint16_t);
    case CYF_NUMBER_UINT32:
      CONVERT(uint32_t);
    case CYF_NUMBER_FLOAT32:
      CONVERT(float);
    default:
      CONVERT(double);
  }
}

/* The chunks of one read: stored bytes one after another. */
typedef struct fetched {
  int64_t first_chunk, n_chunks;
  int64_t *start; /* [n_chunks + 1] in bytes */
  uint8_t *bytes;
} fetched;

/* Fetches the chunks that hold entries [first, first + n); *ret_all is false where one is not stored as expected. */
static cyf_status fetch(hid_t dataset, int64_t chunk, int64_t first, int64_t n, fetched *chunks, bool *ret_all) {
  chunks->first_chunk = first / chunk;
  chunks->n_chunks = (first + n - 1) / chunk - chunks->first_chunk + 1;
  CYF_TRY(CYF_NEW(&chunks->start, chunks->n_chunks + 1));
  *ret_all = true;
  for (int64_t c = 0; c < chunks->n_chunks && *ret_all; c++) {
    const hsize_t offset = (hsize_t)((chunks->first_chunk + c) * chunk);
    hsize_t stored = 0;
    *ret_all = H5Dget_chunk_storage_size(dataset, &offset, &stored) >= 0 && stored > 0;
    chunks->start[c + 1] = chunks->start[c] + (int64_t)stored;
  }
  if (*ret_all) CYF_TRY(CYF_NEW(&chunks->bytes, chunks->start[chunks->n_chunks]));
  for (int64_t c = 0; c < chunks->n_chunks && *ret_all; c++) {
    const hsize_t offset = (hsize_t)((chunks->first_chunk + c) * chunk);
    uint32_t skipped = 0;
    *ret_all =
        H5Dread_chunk(dataset, H5P_DEFAULT, &offset, &skipped, chunks->bytes + chunks->start[c]) >= 0 && skipped == 0;
  }
  if (!*ret_all) H5Eclear2(H5E_DEFAULT);
  return CYF_OK;
}

/* Inflates chunk c into scratch (two chunks long) and converts its part of entries [first, first + n). */
static bool expand(const cyf_deflated_form *form, const fetched *chunks, int64_t c, int64_t first, int64_t n,
                   uint8_t *scratch, int32_t *integers, float *reals) {
  const size_t width = number_bytes(form->type), bytes = (size_t)form->chunk_values * width;
  const int64_t start = (chunks->first_chunk + c) * form->chunk_values, end = start + form->chunk_values;
  const int64_t from = start > first ? start : first, to = end < first + n ? end : first + n;
  uint8_t *inflated = scratch, *ordered = scratch;
  if (!cyf_inflate(chunks->bytes + chunks->start[c], (size_t)(chunks->start[c + 1] - chunks->start[c]), inflated,
                   bytes))
    return false;
  if (form->shuffled) {
    ordered = scratch + bytes;
    cyf_unshuffle_bytes(inflated, form->chunk_values, width, ordered);
  }
  convert(form->type, ordered + (size_t)(from - start) * width, to - from, integers ? integers + (from - first) : NULL,
          reals ? reals + (from - first) : NULL);
  return true;
}

cyf_status cyf_h5ad_deflated_read(hid_t dataset, const cyf_deflated_form *form, int64_t first, int64_t n,
                                  int32_t *integers, float *reals, bool *ret_done) {
  fetched chunks = {0};
  bool all = false;
  *ret_done = false;
  if (n == 0) return CYF_OK;
  cyf_status status = fetch(dataset, form->chunk_values, first, n, &chunks, &all);
  if (status == CYF_OK && all) {
    const size_t scratch_bytes = 2 * (size_t)form->chunk_values * number_bytes(form->type);
    cyf_failure failure = CYF_FAILURE_NONE;
    int n_failed = 0;
#pragma omp parallel reduction(+ : n_failed)
    {
      uint8_t *scratch = NULL;
      cyf_failure_note(&failure, CYF_NEW(&scratch, scratch_bytes));
#pragma omp for schedule(dynamic)
      for (int64_t c = 0; c < chunks.n_chunks; c++)
        if (scratch && !expand(form, &chunks, c, first, n, scratch, integers, reals)) n_failed++;
      cyf_free(scratch);
    }
    /* Otherwise HDF5 reads it, and says what is wrong. */
    *ret_done = n_failed == 0 && !cyf_failure_is_noted(&failure);
  }
  cyf_free(chunks.bytes);
  cyf_free(chunks.start);
  return status;
}
