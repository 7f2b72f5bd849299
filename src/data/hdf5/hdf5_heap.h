/* SPDX-License-Identifier: MIT */
/** @file
 * Texts of variable length as they lie in the file. HDF5 1.10 copies as many bytes of a text as its heap says into room
 * for as many as the dataset says, and overruns it in a damaged file. Not collective. */
#ifndef CYF_DATA_HDF5_HDF5_HEAP_H
#define CYF_DATA_HDF5_HDF5_HEAP_H

#include <hdf5.h>
#include <stdbool.h>

/** Whether every text of an open dataset fits the room that HDF5 makes for it. `path` is its file. True also for
 * datasets of other types, and where the texts are stored in chunks or HDF5 itself refuses them. */
bool cyf_h5_texts_fit(hid_t dataset, const char *path);

#endif
