/* SPDX-License-Identifier: MIT */
/** @file
 * What is printed for a person. Names in files may hold anything, also sequences that command a terminal; none of them
 * gets there. Whoever prints a text that a file or a user gave uses these functions and no printf. Not collective. */
#ifndef CYF_BASE_TERMINAL_H
#define CYF_BASE_TERMINAL_H

#include <stdarg.h>
#include <stdio.h>

/** Prints to the stream as fprintf does, but for what %s inserts. Control characters there, bytes that are no UTF-8,
 * and characters that turn the direction of writing are shown: "\n", "\x1b", "\u202e". The format's own characters are
 * printed as they are. Takes %d %i %u %x %X %c %e %f %g %p %s with flags, width, precision (also '*') and h, l, ll, z.
 * From another conversion on, the format itself is printed. */
void cyf_print(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** As cyf_print into memory: a text to be freed with free(), NULL where there is no memory. */
char *cyf_terminal_text(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

#endif
