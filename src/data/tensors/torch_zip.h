/* SPDX-License-Identifier: MIT */
/** @file
 * The container that torch.save writes since PyTorch 1.6: a zip archive of entries in one folder, stored without
 * compression. The folder is "archive" or the file's name without its ending.
 *
 * Nothing is written to disk, and no more memory is taken than the file has bytes. Not collective. No other file uses
 * libzip. */
#ifndef CYF_DATA_TENSORS_TORCH_ZIP_H
#define CYF_DATA_TENSORS_TORCH_ZIP_H

#include <stdint.h>

#include "base/status.h"

/** An open archive. */
typedef struct cyf_torch_zip cyf_torch_zip;

/** Opens the archive and checks its whole directory. Entries must lie in one folder, have plain names that come once,
 * be stored without compression, and lie within the file without overlapping. Errors: CYF_ERR_INPUT, also for the
 * format before PyTorch 1.6, where the message says how to convert. */
cyf_status cyf_torch_zip_open(const char *path, cyf_torch_zip **ret_zip);
/** Closes the archive; NULL-safe, sets NULL. */
void cyf_torch_zip_close(cyf_torch_zip **zip);

/** Index of the entry FOLDER/name, -1 when absent. */
int64_t cyf_torch_zip_find(const cyf_torch_zip *zip, const char *name);
/** Bytes of an entry's contents. */
int64_t cyf_torch_zip_size_bytes(const cyf_torch_zip *zip, int64_t entry);

/** Reads an entry's contents and checks them against its CRC; the caller frees *ret_bytes with cyf_free. Errors:
 * CYF_ERR_INPUT. */
cyf_status cyf_torch_zip_read(cyf_torch_zip *zip, int64_t entry, uint8_t **ret_bytes);
/** The version of libzip that was loaded. */
const char *cyf_torch_zip_version(void);

#endif
