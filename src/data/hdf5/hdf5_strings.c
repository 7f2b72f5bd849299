/* SPDX-License-Identifier: MIT */
/* Reading HDF5 strings: variable-length and fixed-length, in datasets, compound fields and attributes. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/hdf5/hdf5_file.h"

/* How strings of a type of the file are held in memory while they are read. */
typedef struct string_type {
  hid_t memory; /* char * or `size` bytes; where a field is asked for, a compound type of that one field */
  bool variable;
  H5T_str_t padding; /* fixed */
  size_t size;       /* bytes an element in memory */
  hid_t transfer;    /* variable, of a dataset: stored lengths stand before the texts; H5P_DEFAULT: they do not */
} string_type;

enum { LENGTH_BYTES = 16 /* before a text, as aligned as malloc's */ };

/* HDF5 hands over variable-length text as a char * alone, though the file holds a length: a text with a NUL inside
 * would look shorter than it is. So its memory is ours, with the size that HDF5 asked for in front. */
static void *allocate_text(size_t bytes, void *context) {
  (void)context;
  char *block = malloc(LENGTH_BYTES + bytes);
  if (!block) return NULL;
  memcpy(block, &bytes, sizeof(bytes));
  return block + LENGTH_BYTES;
}

static void free_text(void *text, void *context) {
  (void)context;
  if (text) free((char *)text - LENGTH_BYTES);
}

static void close_type(string_type *type) {
  cyf_h5_close_id(&type->memory);
  if (type->transfer != H5P_DEFAULT) cyf_h5_close_id(&type->transfer);
}

/* Asks for stored lengths of variable-length texts of a dataset. */
static cyf_status measure(string_type *type, const char *where, const char *name) {
  if (!type->variable) return CYF_OK;
  type->transfer = H5Pcreate(H5P_DATASET_XFER);
  if (type->transfer >= 0 && H5Pset_vlen_mem_manager(type->transfer, allocate_text, NULL, free_text, NULL) >= 0)
    return CYF_OK;
  return CYF_FAIL(CYF_ERR_MEMORY, "%s: no memory to read %s", where, name);
}

static bool is_utf8(const char *text) {
  const unsigned char *c = (const unsigned char *)text;
  while (*c) {
    int more = *c < 0x80                   ? 0
               : (*c >= 0xC2 && *c < 0xE0) ? 1
               : (*c >= 0xE0 && *c < 0xF0) ? 2
               : (*c >= 0xF0 && *c < 0xF5) ? 3
                                           : -1;
    if (more < 0) return false;
    if ((*c == 0xE0 && c[1] < 0xA0) || (*c == 0xED && c[1] > 0x9F) || (*c == 0xF0 && c[1] < 0x90) ||
        (*c == 0xF4 && c[1] > 0x8F)) {
      return false; /* overlong, a surrogate half, or beyond U+10FFFF */
    }
    for (c++; more > 0; more--, c++) {
      if ((*c & 0xC0) != 0x80) return false;
    }
  }
  return true;
}

/* Makes the memory type for a file's string type; false where that is no string. */
static bool make_string_type(hid_t file_type, const char *field, string_type *ret_type) {
  hid_t type = H5I_INVALID_HID;
  if (field) {
    int member = H5Tget_class(file_type) == H5T_COMPOUND ? H5Tget_member_index(file_type, field) : -1;
    if (member < 0) return false;
    type = H5Tget_member_type(file_type, (unsigned)member);
  } else {
    type = H5Tcopy(file_type);
  }
  if (H5Tget_class(type) != H5T_STRING) {
    cyf_h5_close_id(&type);
    return false;
  }
  ret_type->variable = H5Tis_variable_str(type) > 0;
  ret_type->padding = ret_type->variable ? H5T_STR_NULLTERM : H5Tget_strpad(type);
  ret_type->transfer = H5P_DEFAULT;
  ret_type->size = H5Tget_size(type);
  ret_type->memory = type; /* a copy of the file's type, since HDF5 does not convert between character sets */
  if (field) {
    hid_t compound = H5Tcreate(H5T_COMPOUND, ret_type->size);
    H5Tinsert(compound, field, 0, type);
    cyf_h5_close_id(&type);
    ret_type->memory = compound;
  }
  return true;
}

/* The text of one element in memory, and its length without padding: spaces where the type says so, and NULs at the
 * end. (Some writers of variable-length text store the NUL of a C string.) Of a type that ends at the first NUL, what
 * follows it is no text. */
static const char *element_text(const string_type *type, const char *element, size_t *ret_length) {
  const char *text = element;
  size_t length = type->size;
  if (type->variable) {
    memcpy(&text, element, sizeof(text));
    length = text ? strlen(text) : 0;
    if (!text || type->transfer == H5P_DEFAULT) {
      *ret_length = length;
      return text ? text : "";
    }
    memcpy(&length, text - LENGTH_BYTES, sizeof(length));
  } else if (type->padding == H5T_STR_NULLTERM) {
    length = strnlen(element, type->size);
  }
  while (type->padding == H5T_STR_SPACEPAD && length > 0 && text[length - 1] == ' ') length--;
  while (length > 0 && text[length - 1] == '\0') length--;
  *ret_length = length;
  return text;
}

static cyf_status copy_elements(const string_type *type, const char *elements, int64_t first, int64_t n,
                                const char *where, const char *name, char **ret_texts) {
  for (int64_t i = 0; i < n; i++) {
    size_t length = 0;
    const char *text = element_text(type, elements + (size_t)i * type->size, &length);
    if (memchr(text, '\0', length))
      return CYF_FAIL(CYF_ERR_INPUT, "%s: element %lld of %s has a NUL byte within its text", where,
                      (long long)(first + i), name);
    CYF_TRY(cyf_alloc(length + 1, 1, (void **)&ret_texts[i]));
    memcpy(ret_texts[i], text, length);
    if (!is_utf8(ret_texts[i])) {
      return CYF_FAIL(CYF_ERR_INPUT, "%s: element %lld of %s is not UTF-8 text", where, (long long)(first + i), name);
    }
  }
  return CYF_OK;
}

bool cyf_h5_holds_strings(hid_t dataset, const char *field) {
  string_type type = {.memory = H5I_INVALID_HID, .transfer = H5P_DEFAULT};
  hid_t file_type = H5Dget_type(dataset);
  const bool holds = make_string_type(file_type, field, &type);
  close_type(&type);
  cyf_h5_close_id(&file_type);
  return holds;
}

/* Frees what HDF5 allocated for n variable-length strings in memory. */
static void reclaim(const string_type *type, int64_t n, void *elements) {
  if (!type->variable) return;
  hsize_t count = (hsize_t)n;
  hid_t space = H5Screate_simple(1, &count, NULL);
  H5Dvlen_reclaim(type->memory, space, type->transfer, elements);
  cyf_h5_close_id(&space);
}

cyf_status cyf_h5_read_strings(hid_t dataset, const char *field, int64_t first, int64_t n, const char *where,
                               const char *name, char **ret_texts) {
  cyf_status status = CYF_OK;
  char *elements = NULL;
  string_type type = {.memory = H5I_INVALID_HID, .transfer = H5P_DEFAULT};
  hid_t file_type = H5Dget_type(dataset);
  int64_t done = 0;
  memset(ret_texts, 0, (size_t)n * sizeof(*ret_texts));
  if (!make_string_type(file_type, field, &type)) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s does not hold strings", where, name);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(measure(&type, where, name));
  int64_t block = n < CYF_H5_STRING_BLOCK ? n : CYF_H5_STRING_BLOCK;
  while (block > 1 && (size_t)block > CYF_H5_TRANSFER_BYTES / type.size) block /= 2;
  CYF_TRY_CLEANUP(cyf_alloc((size_t)block, type.size, (void **)&elements));
  for (; done < n && status == CYF_OK; done += block) {
    int64_t now = n - done < block ? n - done : block;
    memset(elements, 0, (size_t)now * type.size);
    CYF_TRY_CLEANUP(cyf_h5_read_range_by(dataset, type.memory, type.size, first + done, now, -1, type.transfer, where,
                                         name, elements));
    status = copy_elements(&type, elements, first + done, now, where, name, ret_texts + done);
    reclaim(&type, now, elements);
  }
cleanup:
  if (status != CYF_OK) {
    for (int64_t i = 0; i < n; i++) cyf_free(ret_texts[i]);
  }
  cyf_free(elements);
  close_type(&type);
  cyf_h5_close_id(&file_type);
  return status;
}

void cyf_h5_free_strings(char ***texts, int64_t n) {
  if (!*texts) return;
  for (int64_t i = 0; i < n; i++) cyf_free((*texts)[i]);
  cyf_free(*texts);
}

cyf_status cyf_h5_read_text(hid_t dataset, const char *where, const char *name, char **ret_text) {
  cyf_status status = CYF_OK;
  char *element = NULL;
  string_type type = {.memory = H5I_INVALID_HID, .transfer = H5P_DEFAULT};
  hid_t file_type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  *ret_text = NULL;
  if (H5Sget_simple_extent_npoints(space) != 1 || !make_string_type(file_type, NULL, &type)) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: %s is not one string", where, name);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(measure(&type, where, name));
  CYF_TRY_CLEANUP(cyf_alloc(1, type.size, (void **)&element));
  if (H5Dread(dataset, type.memory, H5S_ALL, H5S_ALL, type.transfer, element) < 0) {
    status = cyf_h5_cannot_read(dataset, where, name);
    goto cleanup;
  }
  status = copy_elements(&type, element, 0, 1, where, name, ret_text);
  reclaim(&type, 1, element);
  if (status != CYF_OK) cyf_free(*ret_text);
cleanup:
  cyf_free(element);
  close_type(&type);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&file_type);
  return status;
}

cyf_status cyf_h5_read_texts_attribute(hid_t object, const char *attribute, const char *where, char ***ret_texts,
                                       int64_t *ret_n) {
  cyf_status status = CYF_OK;
  char *elements = NULL;
  string_type type = {.memory = H5I_INVALID_HID, .transfer = H5P_DEFAULT};
  hid_t id = H5I_INVALID_HID, file_type = H5I_INVALID_HID, space = H5I_INVALID_HID;
  bool has = false;
  *ret_texts = NULL;
  *ret_n = 0;
  CYF_TRY(cyf_h5_has_attribute(object, attribute, where, &has));
  if (!has) return CYF_OK;
  id = H5Aopen(object, attribute, H5P_DEFAULT);
  file_type = H5Aget_type(id);
  space = H5Aget_space(id);
  int64_t n = H5Sget_simple_extent_npoints(space);
  if (id < 0 || file_type < 0 || n < 0) {
    n = 0;
    status = cyf_h5_cannot_read(object, where, attribute);
    goto cleanup;
  }
  if (n == 0 || !make_string_type(file_type, NULL, &type)) goto cleanup;
  CYF_TRY_CLEANUP(cyf_alloc((size_t)n, type.size, (void **)&elements));
  CYF_TRY_CLEANUP(CYF_NEW(ret_texts, n));
  if (H5Aread(id, type.memory, elements) < 0) {
    status = cyf_h5_cannot_read(object, where, attribute);
    goto cleanup;
  }
  status = copy_elements(&type, elements, 0, n, where, attribute, *ret_texts);
  reclaim(&type, n, elements);
  *ret_n = n;
cleanup:
  if (status != CYF_OK) {
    cyf_h5_free_strings(ret_texts, n);
    *ret_n = 0;
  }
  cyf_free(elements);
  close_type(&type);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&file_type);
  cyf_h5_close_id(&id);
  return status;
}

cyf_status cyf_h5_read_text_attribute(hid_t object, const char *attribute, const char *where, char **ret_text) {
  char **texts = NULL;
  int64_t n = 0;
  *ret_text = NULL;
  CYF_TRY(cyf_h5_read_texts_attribute(object, attribute, where, &texts, &n));
  if (n > 0) {
    *ret_text = texts[0];
    texts[0] = NULL;
  }
  cyf_h5_free_strings(&texts, n);
  return CYF_OK;
}
