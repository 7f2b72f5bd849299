/* SPDX-License-Identifier: MIT */
#include "data/hdf5/hdf5_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "data/hdf5/hdf5_file.h"

enum { WIDEST_INTEGER_BYTES = 8, WIDEST_REAL_MANTISSA = 63 /* long double's, without the bit before the point */ };

static cyf_h5_element integer_element(hid_t type) {
  if (H5Tget_size(type) > WIDEST_INTEGER_BYTES) return CYF_H5_NOT_READABLE;
  return H5Tget_sign(type) == H5T_SGN_NONE && H5Tget_precision(type) == 64 ? CYF_H5_UNSIGNED : CYF_H5_INTEGER;
}

static cyf_h5_element real_element(hid_t type) {
  size_t sign = 0, exponent_at = 0, exponent_bits = 0, mantissa_at = 0, mantissa_bits = 0;
  if (H5Tget_fields(type, &sign, &exponent_at, &exponent_bits, &mantissa_at, &mantissa_bits) < 0)
    return CYF_H5_NOT_READABLE;
  /* x87 stores the bit before the point, which a mantissa without one implies */
  if (H5Tget_norm(type) != H5T_NORM_IMPLIED && mantissa_bits > 0) mantissa_bits--;
  if (mantissa_bits == 10 && exponent_bits == 5) return CYF_H5_HALF;
  if (mantissa_bits <= 23 && exponent_bits <= 8) return CYF_H5_SINGLE;
  if (mantissa_bits <= 52 && exponent_bits <= 11) return CYF_H5_DOUBLE;
  return mantissa_bits <= WIDEST_REAL_MANTISSA && exponent_bits <= 15 ? CYF_H5_LONG_DOUBLE : CYF_H5_NOT_READABLE;
}

static cyf_h5_element enumeration_element(hid_t type) {
  hid_t base = H5Tget_super(type);
  const bool fits = H5Tget_size(base) <= WIDEST_INTEGER_BYTES && H5Tget_nmembers(type) > 0;
  cyf_h5_close_id(&base);
  return fits ? CYF_H5_ENUMERATION : CYF_H5_NOT_READABLE;
}

cyf_h5_element cyf_h5_element_of(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      return CYF_H5_TEXT;
    case H5T_INTEGER:
      return integer_element(type);
    case H5T_BITFIELD:
      return H5Tget_size(type) <= WIDEST_INTEGER_BYTES ? CYF_H5_BITS : CYF_H5_NOT_READABLE;
    case H5T_FLOAT:
      return real_element(type);
    case H5T_ENUM:
      return enumeration_element(type);
    default:
      return CYF_H5_NOT_READABLE;
  }
}

const char *cyf_h5_type_text(hid_t type, char text[CYF_H5_TYPE_TEXT_SIZE]) {
  const int bits = (int)(8 * H5Tget_size(type));
  const size_t size = CYF_H5_TYPE_TEXT_SIZE;
  char *tag = NULL;
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      snprintf(text, size, "strings");
      break;
    case H5T_INTEGER:
      snprintf(text, size, "integers of %d bits", bits);
      break;
    case H5T_FLOAT:
      snprintf(text, size, "real numbers of %d bits", bits);
      break;
    case H5T_BITFIELD:
      snprintf(text, size, "bit fields of %d bits", bits);
      break;
    case H5T_ENUM:
      snprintf(text, size, "an enumeration of %d members over %d bits", H5Tget_nmembers(type), bits);
      break;
    case H5T_OPAQUE:
      tag = H5Tget_tag(type);
      snprintf(text, size, "opaque bytes%s%.40s%s", tag && *tag ? " (" : "", tag ? tag : "", tag && *tag ? ")" : "");
      H5free_memory(tag);
      break;
    case H5T_REFERENCE:
      snprintf(text, size, "references");
      break;
    case H5T_COMPOUND:
      snprintf(text, size, "compounds of %d members", H5Tget_nmembers(type));
      break;
    case H5T_VLEN:
      snprintf(text, size, "lists of varying length");
      break;
    case H5T_ARRAY:
      snprintf(text, size, "arrays");
      break;
    case H5T_TIME:
      snprintf(text, size, "HDF5 times");
      break;
    default:
      snprintf(text, size, "elements of an unknown type");
      break;
  }
  return text;
}

void cyf_h5_members_destroy(cyf_h5_members *members) {
  cyf_h5_free_strings(&members->name, members->n);
  cyf_free(members->value);
  *members = (cyf_h5_members){0};
}

static bool comes_before(const cyf_h5_members *members, int64_t a, int64_t b) {
  return members->is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
}

/* One member in the file's byte order, put in its place among those before. */
static cyf_status insert_member(hid_t type, hid_t base, unsigned member, cyf_h5_members *members) {
  unsigned char bytes[WIDEST_INTEGER_BYTES] = {0};
  int64_t value = 0;
  const hid_t memory = members->is_unsigned ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64;
  char *name = H5Tget_member_name(type, member), *copy = NULL;
  const bool is_read = name && H5Tget_member_value(type, member, bytes) >= 0 &&
                       H5Tconvert(base, memory, 1, bytes, NULL, H5P_DEFAULT) >= 0;
  cyf_status status = is_read ? cyf_strdup(name, &copy) : CYF_FAIL(CYF_ERR_INPUT, "member %u cannot be read", member);
  H5free_memory(name);
  CYF_TRY(status);
  memcpy(&value, bytes, sizeof(value));
  int64_t at = members->n++;
  for (; at > 0 && comes_before(members, value, members->value[at - 1]); at--) {
    members->value[at] = members->value[at - 1];
    members->name[at] = members->name[at - 1];
  }
  members->value[at] = value;
  members->name[at] = copy;
  return CYF_OK;
}

/* Names alone say what is false: FALSE may be any value. */
static void find_booleans(cyf_h5_members *members) {
  members->no = members->yes = members->na = -1;
  for (int64_t m = 0; m < members->n; m++) {
    if (strcasecmp(members->name[m], "FALSE") == 0) members->no = m;
    if (strcasecmp(members->name[m], "TRUE") == 0) members->yes = m;
    if (strcasecmp(members->name[m], "NA") == 0) members->na = m;
  }
  members->is_boolean = members->no >= 0 && members->yes >= 0 && members->n == (members->na >= 0 ? 3 : 2);
}

cyf_status cyf_h5_members_read(hid_t type, const char *where, const char *name, cyf_h5_members *ret_members) {
  char text[CYF_H5_TYPE_TEXT_SIZE];
  *ret_members = (cyf_h5_members){0};
  if (cyf_h5_element_of(type) != CYF_H5_ENUMERATION)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: %s holds %s, which cannot be read", where, name, cyf_h5_type_text(type, text));
  hid_t base = H5Tget_super(type);
  const int n = H5Tget_nmembers(type);
  cyf_status status = CYF_OK;
  ret_members->is_unsigned = H5Tget_sign(base) == H5T_SGN_NONE;
  CYF_TRY_CLEANUP(CYF_NEW(&ret_members->name, n));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_members->value, n));
  for (int m = 0; m < n; m++) CYF_TRY_CLEANUP(insert_member(type, base, (unsigned)m, ret_members));
  find_booleans(ret_members);
cleanup:
  cyf_h5_close_id(&base);
  return status;
}

int64_t cyf_h5_members_find(const cyf_h5_members *members, int64_t value) {
  int64_t low = 0, high = members->n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (comes_before(members, members->value[middle], value))
      low = middle + 1;
    else
      high = middle;
  }
  return low < members->n && members->value[low] == value ? low : -1;
}

bool cyf_h5_is_plain_boolean(hid_t type) {
  cyf_h5_members members = {0};
  if (H5Tget_class(type) != H5T_ENUM) return false;
  const bool is_read = cyf_h5_members_read(type, "", "", &members) == CYF_OK;
  if (!is_read) cyf_status_clear();
  const bool is = is_read && members.is_boolean && members.na < 0 && members.value[members.no] == 0 &&
                  members.value[members.yes] == 1;
  cyf_h5_members_destroy(&members);
  return is;
}
