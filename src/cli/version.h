/* SPDX-License-Identifier: MIT */
/** @file
 * `cytoforge --version` and `cytoforge info`. */
#ifndef CYF_CLI_VERSION_H
#define CYF_CLI_VERSION_H

#include <stdio.h>

/** What was compiled in and what is loaded, a line each. */
void cyf_print_version(FILE *stream);

#endif
