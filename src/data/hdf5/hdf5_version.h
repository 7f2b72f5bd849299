/* SPDX-License-Identifier: MIT */
#ifndef CYF_DATA_HDF5_HDF5_VERSION_H
#define CYF_DATA_HDF5_HDF5_VERSION_H

#include <stddef.h>

/** Writes HDF5's version, as loaded, and whether it is parallel, into text[size]. */
void cyf_hdf5_version(char *text, size_t size);

#endif
