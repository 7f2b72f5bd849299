/* SPDX-License-Identifier: MIT */
/** @file
 * Seals: a checksum over the whole of an HDF5 file, in front of it, that is compared before HDF5 looks at the file.
 * HDF5 1.10 loops or crashes on files of which one byte is another; so it gets no such file of ours. The seal fills the
 * file's user block, which HDF5's readers skip: h5py and anndata open sealed files as any other. Format:
 * docs/checkpoints.md. Not collective; without the lock of HDF5. */
#ifndef CYF_DATA_HDF5_HDF5_SEAL_H
#define CYF_DATA_HDF5_HDF5_SEAL_H

#include <stdbool.h>

#include "base/status.h"

/** Bytes of the seal, which HDF5 calls the user block; the HDF5 file follows. */
enum { CYF_H5_SEAL_BYTES = 512 };

/** Writes the seal of the open file, whose first CYF_H5_SEAL_BYTES were left free. `path`: for messages. Errors:
 * CYF_ERR_IO. */
cyf_status cyf_h5_seal_write(int file, const char *path);

/** Compares a file with its seal. *ret_is_sealed: false where it has none, as files of cytoforge 0.1 and other
 * programs' files; nothing is known of it then. Errors: CYF_ERR_INPUT where the file is not what was sealed, or was
 * sealed by a newer version; CYF_ERR_IO where it cannot be read. */
cyf_status cyf_h5_seal_verify(const char *path, bool *ret_is_sealed);

#endif
