/* SPDX-License-Identifier: MIT */
/** @file
 * Sizes in bytes as users write them. */
#ifndef CYF_CLI_SIZES_H
#define CYF_CLI_SIZES_H

#include <stdint.h>

#include "base/status.h"

/** Reads "4G", "800M", "1.5GiB" or "65536": K, M, G and T are powers of 1024, and B or iB may follow. `option` names
 * the option in the message. Not collective. Errors: CYF_ERR_USAGE. */
cyf_status cyf_parse_size(const char *text, const char *option, int64_t *ret_bytes);

#endif
