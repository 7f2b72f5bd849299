/* SPDX-License-Identifier: MIT */
/** @file
 * What the elements of an HDF5 dataset are. A column, a name or a value is read exactly, or refused by what it is; so
 * every class of HDF5's types has its word here. Callers hold cyf_hdf5_lock(). */
#ifndef CYF_DATA_HDF5_HDF5_TYPES_H
#define CYF_DATA_HDF5_HDF5_TYPES_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { CYF_H5_TYPE_TEXT_SIZE = 96 };

/** How elements can be read without loss. */
typedef enum cyf_h5_element {
  CYF_H5_TEXT,         /**< strings of fixed or variable length */
  CYF_H5_INTEGER,      /**< signed, or unsigned of up to 63 bits: as int64 */
  CYF_H5_UNSIGNED,     /**< of 64 bits: as uint64 */
  CYF_H5_BITS,         /**< bit fields of up to 64 bits: as uint64, through H5T_NATIVE_B64, as h5py takes them */
  CYF_H5_HALF,         /**< IEEE binary16: as double */
  CYF_H5_SINGLE,       /**< reals whose every value float32 holds: as double */
  CYF_H5_DOUBLE,       /**< reals whose every value float64 holds */
  CYF_H5_LONG_DOUBLE,  /**< wider reals that long double holds */
  CYF_H5_ENUMERATION,  /**< cyf_h5_members */
  CYF_H5_NOT_READABLE, /**< anything else: cyf_h5_type_text says what */
} cyf_h5_element;

cyf_h5_element cyf_h5_element_of(hid_t type);
/** What the type is, in words for a message: "bit fields", "opaque bytes", "references". Returns `text`. */
const char *cyf_h5_type_text(hid_t type, char text[CYF_H5_TYPE_TEXT_SIZE]);

/** The members of an enumeration, in the order of their values. */
typedef struct cyf_h5_members {
  int64_t n;
  char **name;
  int64_t *value; /**< as int64; of an unsigned base of 64 bits the same bits */
  bool is_unsigned;
  /** FALSE and TRUE in any case, and perhaps NA (hdf5r's logical), and nothing else: then places of these; na -1 where
   * there is none */
  bool is_boolean;
  int64_t no, yes, na;
} cyf_h5_members;

/** Reads the members of an enumeration. Errors: CYF_ERR_INPUT naming `name` of the file `where`. ret_members is
 * destroyed by the caller, also after an error. */
cyf_status cyf_h5_members_read(hid_t type, const char *where, const char *name, cyf_h5_members *ret_members);
void cyf_h5_members_destroy(cyf_h5_members *members); /**< NULL-safe fields */
/** Place of the member of that value; -1: none. */
int64_t cyf_h5_members_find(const cyf_h5_members *members, int64_t value);
/** Whether an enumeration is FALSE = 0 and TRUE = 1 alone, so that its values are those of the Booleans. */
bool cyf_h5_is_plain_boolean(hid_t type);

#endif
