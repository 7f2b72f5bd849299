/* SPDX-License-Identifier: MIT */
/** @file
 * Files of cells that all ranks are about to open: one rank looks at each of them before HDF5 does. */
#ifndef CYF_DATA_H5AD_LOOK_TOGETHER_H
#define CYF_DATA_H5AD_LOOK_TOGETHER_H

#include "comm/comm.h"

/** Has each of paths[n], which are the same on every rank, walked by one rank (data/hdf5/hdf5_walk.h), and shares what
 * comes of it. Files go to ranks in turn. A rank that sees another file under the name walks it itself, later. NULL,
 * and what cannot be looked at, is left to whoever opens it. Collective. Errors, the same on every rank: CYF_ERR_INPUT
 * naming a file that is damaged, CYF_ERR_IO, CYF_ERR_COMM, CYF_ERR_MEMORY. */
cyf_status cyf_h5ad_look_together(cyf_comm *comm, int64_t n, const char *const *paths);

#endif
