/* SPDX-License-Identifier: MIT */
/** @file
 * cytoforge_modules.py as a text; the build makes it of the file beside this one (cmake/text.cmake). */
#ifndef CYF_SAVED_PYTHON_MODULES_H
#define CYF_SAVED_PYTHON_MODULES_H

extern const char cyf_python_modules[];

#endif
