/* SPDX-License-Identifier: MIT */
/* Filters that datasets are stored with, and whether this HDF5 has them. */
#include "data/hdf5/hdf5_file.h"

/* The name of a registered filter that HDF5 itself has not, as its users call it; NULL for any other. */
static const char *filter_name(H5Z_filter_t filter) {
  static const struct {
    H5Z_filter_t filter;
    const char *name;
  } known[] = {{307, "bzip2"},        {32000, "lzf"}, {32001, "blosc"}, {32004, "lz4"},
               {32008, "bitshuffle"}, {32013, "zfp"}, {32015, "zstd"},  {32026, "blosc2"}};
  for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
    if (known[i].filter == filter) return known[i].name;
  return NULL;
}

cyf_status cyf_h5_check_filters(hid_t dataset, const char *where, const char *name) {
  cyf_status status = CYF_OK;
  hid_t creation = H5Dget_create_plist(dataset);
  for (int i = 0; i < H5Pget_nfilters(creation) && status == CYF_OK; i++) {
    unsigned flags, config;
    size_t n_values = 0;
    char stored[64] = "";
    const H5Z_filter_t filter =
        H5Pget_filter2(creation, (unsigned)i, &flags, &n_values, NULL, sizeof(stored), stored, &config);
    const char *known = filter_name(filter);
    if (H5Zfilter_avail(filter) > 0) continue;
    status = CYF_FAIL(CYF_ERR_INPUT,
                      "%s: %s is compressed with HDF5 filter %d (%s), which this HDF5 lacks; write the file anew with "
                      "gzip or lzf",
                      where, name, (int)filter,
                      known       ? known
                      : stored[0] ? stored
                                  : "unnamed");
  }
  H5Pclose(creation);
  return status;
}
