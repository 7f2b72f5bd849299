/* SPDX-License-Identifier: MIT */
/* N-bit chunks, as in an atlas' shards and held-out cells, unpacked from their stored bytes. HDF5's own filter unpacks
 * bit by bit and then converts value by value, at a tenth of the speed. */
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/reader_internal.h"

int cyf_h5ad_packed_bits(hid_t dataset) {
  int bits = 0;
  unsigned flags, config;
  size_t n_values = 0;
  hid_t type = H5Dget_type(dataset), creation = H5Dget_create_plist(dataset);
  if (H5Tget_class(type) == H5T_INTEGER && H5Tget_order(type) == H5T_ORDER_LE && H5Tget_sign(type) == H5T_SGN_2 &&
      H5Tget_offset(type) == 0 && H5Pget_layout(creation) == H5D_CHUNKED && H5Pget_nfilters(creation) == 1 &&
      H5Pget_filter2(creation, 0, &flags, &n_values, NULL, 0, NULL, &config) == H5Z_FILTER_NBIT) {
    const size_t precision = H5Tget_precision(type);
    if ((precision == 8 || precision == 16) && precision < 8 * H5Tget_size(type)) bits = (int)precision;
  }
  cyf_h5_close_id(&creation);
  cyf_h5_close_id(&type);
  return bits;
}

/* Entries [from, to) of a chunk, sign-extended. Exactly one of the outputs is given. */
static void unpack(const unsigned char *packed, int bits, int64_t from, int64_t to, int32_t *integers, float *reals) {
  for (int64_t i = from; i < to; i++) {
    const int32_t value = bits == 8 ? (int8_t)packed[i] : (int16_t)(packed[2 * i] << 8 | packed[2 * i + 1]);
    if (integers) {
      integers[i - from] = value;
    } else {
      reals[i - from] = (float)value;
    }
  }
}

/* One stored chunk; false where it is not in the plain packed form (not stored, or stored without the filter). */
static bool read_chunk(hid_t dataset, hsize_t offset, size_t bytes, unsigned char *packed) {
  hsize_t stored = 0;
  uint32_t skipped = 0;
  const bool have = H5Dget_chunk_storage_size(dataset, &offset, &stored) >= 0 && stored == bytes &&
                    H5Dread_chunk(dataset, H5P_DEFAULT, &offset, &skipped, packed) >= 0 && skipped == 0;
  if (!have) H5Eclear2(H5E_DEFAULT);
  return have;
}

cyf_status cyf_h5ad_packed_read(hid_t dataset, int bits, int64_t first, int64_t n, int32_t *integers, float *reals,
                                bool *ret_done) {
  hsize_t dim = 0, stored = 0, offset = 0;
  unsigned char *packed = NULL;
  hid_t creation = H5Dget_create_plist(dataset);
  const bool one_dimension = H5Pget_chunk(creation, 1, &dim) == 1;
  cyf_h5_close_id(&creation);
  *ret_done = false;
  const int64_t chunk = (int64_t)dim;
  if (!one_dimension || n == 0) return CYF_OK;
  /* A damaged file may claim chunks of any size: memory is taken only where the stored size, which the file bounds, is
   * the claimed one. */
  const size_t bytes = (size_t)chunk * (size_t)bits / 8 + 1;
  offset = (hsize_t)(first / chunk * chunk);
  if (H5Dget_chunk_storage_size(dataset, &offset, &stored) < 0 || stored != bytes) {
    H5Eclear2(H5E_DEFAULT);
    return CYF_OK;
  }
  CYF_TRY(cyf_alloc(bytes, 1, (void **)&packed));
  bool whole = true;
  for (int64_t at = first, next; at < first + n && whole; at = next) {
    const int64_t start = at / chunk * chunk;
    next = start + chunk < first + n ? start + chunk : first + n;
    whole = read_chunk(dataset, (hsize_t)start, bytes, packed);
    if (whole)
      unpack(packed, bits, at - start, next - start, integers ? integers + (at - first) : NULL,
             reals ? reals + (at - first) : NULL);
  }
  cyf_free(packed);
  *ret_done = whole;
  return CYF_OK;
}
