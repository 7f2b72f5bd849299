/* SPDX-License-Identifier: MIT */
/** @file
 * Files and folders of cells that are not .h5ad: what they are, and one line that makes an .h5ad of them. Not
 * collective. */
#ifndef CYF_DATA_H5AD_OTHER_FORMAT_H
#define CYF_DATA_H5AD_OTHER_FORMAT_H

#include "base/status.h"

/** Fails where the path is a folder, or a file other than HDF5, of a known format. Known are zarr stores, 10x matrix
 * folders, Matrix Market, R, tables as text, and what is compressed. Anything else passes, also what cannot be read,
 * since whoever opens it says so. Errors: CYF_ERR_INPUT. */
cyf_status cyf_other_format_check(const char *path);
/** The failure for a path that is `what`. In `line`, the command that makes an .h5ad of it, '<' stands for the path and
 * '>' for the file to write: beside it, with another ending. Returns CYF_ERR_INPUT. */
cyf_status cyf_other_format_is(const char *path, const char *what, const char *line);

#endif
