/* SPDX-License-Identifier: MIT */
/* What the obs columns are. */
#include "data/h5ad/reader_internal.h"

bool cyf_h5ad_column_is_numeric(cyf_h5ad *file, const char *column) {
  cyf_hdf5_lock();
  cyf_column_kind kind = cyf_h5ad_column_kind(file, &file->obs, column);
  cyf_hdf5_unlock();
  return kind == CYF_COLUMN_INTEGER || kind == CYF_COLUMN_REAL;
}
