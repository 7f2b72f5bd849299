/* SPDX-License-Identifier: MIT */
/** @file
 * Texts that end with a checksum of themselves: a last line, which YAML reads as a comment. Not collective. */
#ifndef CYF_BASE_TEXT_SUM_H
#define CYF_BASE_TEXT_SUM_H

#include "base/status.h"

/** Writes a text, whose last line is ended, and the line with its checksum. Errors: CYF_ERR_IO, CYF_ERR_MEMORY. */
cyf_status cyf_text_sum_write(const char *path, const char *text);

/** Compares a text that was read from `path` with its last line; one without such a line, which an older version
 * wrote, is taken as it is. Errors: CYF_ERR_INPUT naming the path. */
cyf_status cyf_text_sum_verify(const char *path, const char *text);

#endif
