/* SPDX-License-Identifier: MIT */
/** @file
 * The HDF5 file driver behind cyf_h5_open_file. Private to data/hdf5. */
#ifndef CYF_DATA_HDF5_HDF5_INPUT_DRIVER_H
#define CYF_DATA_HDF5_HDF5_INPUT_DRIVER_H

#include <hdf5.h>
#include <stdbool.h>

#include "base/files.h"

/** How reading a file, and the files that it links to, has gone so far. */
typedef struct cyf_h5_reads {
  int n_users;                /**< open files of the driver, and who made it */
  int error;                  /**< errno of the first read that failed, 0: none */
  bool ended;                 /**< a read came past the end that was not there when the file was opened */
  int file;                   /**< descriptor of the first file that was opened, -1: none is */
  cyf_file_identity identity; /**< of that file, then */
} cyf_h5_reads;

/** With one user, its maker; NULL where there is no memory. */
cyf_h5_reads *cyf_h5_reads_create(void);
/** Ends one use; the last one frees it. NULL-safe. */
void cyf_h5_reads_release(cyf_h5_reads *reads);
/** Makes a file access list use the driver, with one more user for each file that is opened through it. Returns a
 * negative number on failure. */
herr_t cyf_h5_reads_set_driver(hid_t access_list, cyf_h5_reads *reads);
/** Of an open file, or of the file of an open object; NULL where it is of another driver. Valid while that is open. */
const cyf_h5_reads *cyf_h5_reads_of(hid_t object);

#endif
