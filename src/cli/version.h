/* SPDX-License-Identifier: MIT */
/** @file
 * `cytoforge --version` and `cytoforge info`. */
#ifndef CYF_CLI_VERSION_H
#define CYF_CLI_VERSION_H

#include <stdio.h>

/** Prints the version, the compiler and build type, and the libraries that were compiled in or are loaded, a line each.
 * Not collective. */
void cyf_print_version(FILE *stream);

#endif
