/* SPDX-License-Identifier: MIT */
/** @file
 * Options that the commands which sample or decode share. */
#ifndef CYF_CLI_SAMPLING_OPTIONS_H
#define CYF_CLI_SAMPLING_OPTIONS_H

#include "cli/options.h"
#include "sample/reverse.h"

/** The number of rows that cyf_reverse_list_options writes. */
enum { CYF_REVERSE_OPTIONS = 5 };
/** Writes options[CYF_REVERSE_OPTIONS], rows of a command's table that are read into `reverse`: --method, --steps,
 * --eta,
 * --clip and --seed. */
void cyf_reverse_list_options(cyf_reverse *reverse, cyf_option *options);
/** The row of --output, which is read into *text. */
cyf_option cyf_output_option(const char **text);

#endif
