#ifndef CYF_DATA_VERSION_HDF5_H
#define CYF_DATA_VERSION_HDF5_H

#include <stddef.h>

/* Writes HDF5's version, as loaded, and whether it is parallel, into text[size]. */
void cyf_hdf5_version(char *text, size_t size);

#endif
