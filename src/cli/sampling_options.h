/* SPDX-License-Identifier: MIT */
/** @file
 * Options that the commands which sample or decode share. */
#ifndef CYF_CLI_SAMPLING_OPTIONS_H
#define CYF_CLI_SAMPLING_OPTIONS_H

#include "cli/options.h"
#include "sample/reverse.h"

enum { CYF_REVERSE_OPTIONS = 5 };
/** Fills CYF_REVERSE_OPTIONS rows of a table: --method, --steps, --eta, --clip, --seed. */
void cyf_reverse_list_options(cyf_reverse *reverse, cyf_option *options);
/** The row of --output. */
cyf_option cyf_output_option(const char **text);

#endif
