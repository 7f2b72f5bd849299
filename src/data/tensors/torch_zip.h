/* SPDX-License-Identifier: MIT */
/** @file
 * PyTorch's container: a zip archive of entries that are stored without compression in one folder (torch.save since
 * PyTorch 1.6; the folder is "archive" or the stem of the file's name). Nothing is ever written to disk, and no more
 * memory is taken than the file has bytes. The only user of libzip. */
#ifndef CYF_DATA_TENSORS_TORCH_ZIP_H
#define CYF_DATA_TENSORS_TORCH_ZIP_H

#include <stdint.h>

#include "base/status.h"

typedef struct cyf_torch_zip cyf_torch_zip;

/** Opens the archive and checks all of its directory: entries of one folder, plain names, each once, stored, within the
 * file and not over one another. Not collective. Errors: CYF_ERR_INPUT, also for the format before PyTorch 1.6 (the
 * message says how to convert). */
cyf_status cyf_torch_zip_open(const char *path, cyf_torch_zip **ret_zip);
void cyf_torch_zip_close(cyf_torch_zip **zip); /**< NULL-safe, sets NULL */

/** @{ */
/** Place of the entry FOLDER/name, -1 when absent. */
int64_t cyf_torch_zip_find(const cyf_torch_zip *zip, const char *name);
int64_t cyf_torch_zip_size_bytes(const cyf_torch_zip *zip, int64_t entry);
/** @} */

/** The entry's bytes, checked against its CRC; freed with cyf_free. Errors: CYF_ERR_INPUT. */
cyf_status cyf_torch_zip_read(cyf_torch_zip *zip, int64_t entry, uint8_t **ret_bytes);
/** libzip's version, as loaded. */
const char *cyf_torch_zip_version(void);

#endif
