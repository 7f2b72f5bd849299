/* SPDX-License-Identifier: MIT */
/** @file
 * The lock of HDF5, one for the whole process. */
#ifndef CYF_DATA_HDF5_HDF5_LOCK_H
#define CYF_DATA_HDF5_HDF5_LOCK_H

/** @{ */
/** Take and give back the lock. HDF5 1.10 as Debian builds it is not thread-safe, so every HDF5 call of the process is
 * made between these two, whatever the file or thread.
 *
 * The lock is recursive: a function that holds it may call another that takes it. The first call also switches off
 * HDF5's own printing of errors, which cytoforge reports in messages of one line. Not collective; never to be held
 * while waiting for another rank or thread. */
void cyf_hdf5_lock(void);
void cyf_hdf5_unlock(void);
/** @} */

#endif
