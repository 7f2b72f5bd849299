/* SPDX-License-Identifier: MIT */
/** @file
 * The process-wide HDF5 lock. */
#ifndef CYF_DATA_HDF5_HDF5_LOCK_H
#define CYF_DATA_HDF5_HDF5_LOCK_H

/** @{ */
/** HDF5 1.10 as Debian builds it is not thread-safe: every HDF5 call of the process happens between these two, whatever
 * the file or thread. The lock is recursive, so that a function that holds it may call another that takes it. The first
 * call also switches HDF5's own error printing off: what failed is told in cytoforge's one-line messages. Not
 * collective; never hold it while waiting for another rank or thread. */
void cyf_hdf5_lock(void);
void cyf_hdf5_unlock(void);
/** @} */

#endif
