/* SPDX-License-Identifier: MIT */
/** @file
 * LZF, HDF5's filter 32000, in which h5py and anndata write with compression="lzf". */
#ifndef CYF_DATA_HDF5_LZF_FILTER_H
#define CYF_DATA_HDF5_LZF_FILTER_H

#include <hdf5.h>

/** Makes HDF5 read LZF chunks in this process, by liblzf; none are written. The caller holds cyf_hdf5_lock(). Returns a
 * negative number where HDF5 does not take the filter; LZF then stays unreadable and is refused by its name. */
herr_t cyf_lzf_register(void);

#endif
