/* SPDX-License-Identifier: MIT */
/** @file
 * Sizes in bytes as users write them. */
#ifndef CYF_CLI_SIZES_H
#define CYF_CLI_SIZES_H

#include <stdint.h>

#include "base/status.h"

/** "4G", "800M", "1.5GiB", "65536": with K, M, G or T (powers of 1024; a B or iB may follow). `option` is for the
 * message. Errors: CYF_ERR_USAGE. */
cyf_status cyf_parse_size(const char *text, const char *option, int64_t *ret_bytes);

#endif
