/* SPDX-License-Identifier: MIT */
/* What comes before HDF5 looks at a file. */
#include "data/h5ad/reader_internal.h"
#include "data/hdf5/file_sums.h"
#include "data/hdf5/hdf5_seal.h"
#include "data/hdf5/hdf5_walk.h"

cyf_status cyf_h5ad_look_first(const char *path) {
  bool is_sealed = false, has_sums = false;
  CYF_TRY(cyf_h5_seal_verify(path, &is_sealed)); /* a part of latents may be given as cells */
  CYF_TRY(cyf_file_sums_compare_cells(path, &has_sums));
  return is_sealed || has_sums ? CYF_OK : cyf_h5_walk_first(path);
}
