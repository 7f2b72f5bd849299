/* SPDX-License-Identifier: MIT */
/** @file
 * Texts of variable length as they lie in the file. HDF5 1.10 copies as many bytes of a text as its heap says. It makes
 * room for as many as the dataset or attribute says, and overruns that in a damaged file. The same holds for sequences
 * of variable length. Not collective. */
#ifndef CYF_DATA_HDF5_HDF5_HEAP_H
#define CYF_DATA_HDF5_HDF5_HEAP_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

/** The heaps of a file, in which its texts lie. */
typedef struct cyf_text_heap cyf_text_heap;

/** Opens the heaps of an open file, whose path is given. From then on HDF5 can read texts as cyf_stored_texts has them.
 * The caller closes the result with cyf_text_heap_close. NULL where the file's addresses are not of 8 bytes, as in very
 * old ones, or there is no memory. */
cyf_text_heap *cyf_text_heap_open(hid_t file, const char *path);
void cyf_text_heap_close(cyf_text_heap **heap); /**< NULL-safe */

/** Members of a compound that are looked at. */
enum { CYF_STORED_TEXTS_MAX = 64 };

/** How the texts of a type are read as they are stored: not the bytes, but where these lie in the heaps. */
typedef struct cyf_stored_texts {
  hid_t type;                          /**< for H5Dread and H5Aread; negative where n is 0 and it is no compound */
  size_t bytes;                        /**< of an element of that type */
  int n;                               /**< texts of an element; 0: the type has none */
  uint64_t unit[CYF_STORED_TEXTS_MAX]; /**< bytes of what a text's length counts */
} cyf_stored_texts;

/** Of a dataset's or an attribute's type: a text, a sequence of plain values, or a compound with such members. */
void cyf_stored_texts_of(hid_t type, cyf_stored_texts *ret_texts);
void cyf_stored_texts_destroy(cyf_stored_texts *texts);

/** Whether each text of elements[n] fits the room that HDF5 makes for it. True also where HDF5 itself refuses them. */
bool cyf_stored_texts_fit(cyf_text_heap *heap, const cyf_stored_texts *texts, uint64_t n, const uint8_t *elements);

#endif
