/* SPDX-License-Identifier: MIT */
/** @file
 * The HDF5 file driver that cyf_h5_output writes through. Private to hdf5_output*.c. */
#ifndef CYF_DATA_HDF5_HDF5_OUTPUT_DRIVER_H
#define CYF_DATA_HDF5_HDF5_OUTPUT_DRIVER_H

#include <hdf5.h>

/** Bytes that could not be written, kept so that HDF5 reads back what it wrote until the file is closed. */
typedef struct cyf_h5_unwritten {
  struct cyf_h5_unwritten *next; /**< of a later write */
  uint64_t address;
  size_t size;
  unsigned char bytes[];
} cyf_h5_unwritten;

/** Where the driver writes and what went wrong. Must outlive the HDF5 file. */
typedef struct cyf_h5_sink {
  int fd;    /**< open for reading and writing; the owner closes it */
  int error; /**< errno of the first write or read that failed, 0 when all went well */
  cyf_h5_unwritten *unwritten;
} cyf_h5_sink;

/** Makes a file access list use the driver on the sink. Returns a negative number on failure. */
herr_t cyf_h5_sink_set_driver(hid_t access_list, cyf_h5_sink *sink);
/** Frees the bytes that could not be written; called after the HDF5 file is closed. */
void cyf_h5_sink_clear(cyf_h5_sink *sink);

#endif
