/* SPDX-License-Identifier: MIT */
/* Writing HDF5 strings: of variable length, as anndata does, or of fixed length in sealed files. And groups, which have
 * some as attributes. */
#include <string.h>

#include "base/memory.h"
#include "data/hdf5/hdf5_file.h"

enum { DIGITS = 24 };

hid_t cyf_h5_text_type(void) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/* Texts as HDF5 takes them: pointers to them, or cells of one size that are filled up with zeros. */
typedef struct text_form {
  hid_t type;
  size_t size; /* bytes an element in memory */
  bool is_fixed;
} text_form;

static text_form form_of(const cyf_h5_output *output, size_t longest) {
  if (!cyf_h5_output_is_sealed(output)) return (text_form){.type = cyf_h5_text_type(), .size = sizeof(char *)};
  text_form form = {.type = H5Tcopy(H5T_C_S1), .size = longest > 0 ? longest : 1, .is_fixed = true}; /* 0: no size */
  H5Tset_size(form.type, form.size);
  H5Tset_cset(form.type, H5T_CSET_UTF8);
  H5Tset_strpad(form.type, H5T_STR_NULLPAD);
  return form;
}

static size_t longest_of(char *const *texts, int64_t n) {
  size_t longest = 0;
  for (int64_t i = 0; i < n; i++) {
    const size_t length = strlen(texts[i]);
    if (length > longest) longest = length;
  }
  return longest;
}

/* Elements for HDF5 of n texts: *ret_own, to be freed, or the texts themselves where it is NULL. */
static cyf_status pack(const text_form *form, char *const *texts, int64_t n, char **ret_own) {
  *ret_own = NULL;
  if (!form->is_fixed) return CYF_OK;
  CYF_TRY(cyf_alloc((size_t)(n > 0 ? n : 1), form->size, (void **)ret_own));
  for (int64_t i = 0; i < n; i++) memcpy(*ret_own + (size_t)i * form->size, texts[i], strlen(texts[i]));
  return CYF_OK;
}

cyf_status cyf_h5_write_texts_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                        char *const *texts, int64_t n) {
  const hsize_t dims = n < 0 ? 1 : (hsize_t)n;
  const int64_t n_texts = (int64_t)dims;
  text_form form = form_of(output, longest_of(texts, n_texts));
  char *own = NULL;
  cyf_status status = pack(&form, texts, n_texts, &own);
  hid_t space = n < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dims, NULL);
  hid_t id = status == CYF_OK ? H5Acreate2(object, attribute, form.type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
  const void *elements = own ? (const void *)own : (const void *)texts;
  const herr_t result = id < 0 ? -1 : n_texts > 0 ? H5Awrite(id, form.type, elements) : 0;
  if (status == CYF_OK) status = cyf_h5_output_check(output, result, attribute);
  cyf_h5_close_id(&id);
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&form.type);
  cyf_free(own);
  return status;
}

cyf_status cyf_h5_write_text_attribute(const cyf_h5_output *output, hid_t object, const char *attribute,
                                       const char *text) {
  char *one = (char *)(uintptr_t)text; /* it is only read */
  return cyf_h5_write_texts_attribute(output, object, attribute, &one, -1);
}

/* Writes the strings [first, first + n) of `texts`; where that is NULL, these numbers in decimal. */
static cyf_status write_string_block(const cyf_h5_output *output, hid_t dataset, const text_form *form,
                                     const char *name, char *const *texts, int64_t first, int64_t n) {
  cyf_status status = CYF_OK;
  char *digits = NULL, *own = NULL, **pointers = NULL;
  if (texts == NULL) {
    CYF_TRY_CLEANUP(CYF_NEW(&digits, n * DIGITS));
    CYF_TRY_CLEANUP(CYF_NEW(&pointers, n));
    for (int64_t i = 0; i < n; i++) {
      pointers[i] = digits + i * DIGITS;
      snprintf(pointers[i], DIGITS, "%lld", (long long)(first + i));
    }
  }
  char *const *block = texts ? texts + first : pointers;
  CYF_TRY_CLEANUP(pack(form, block, n, &own));
  CYF_TRY_CLEANUP(cyf_h5_write_range(output, dataset, form->type, form->size, first, n, -1, name,
                                     own ? (const void *)own : (const void *)block));
cleanup:
  cyf_free(own);
  cyf_free(digits);
  cyf_free(pointers);
  return status;
}

cyf_status cyf_h5_write_strings(const cyf_h5_output *output, hid_t parent, const char *name, char *const *texts,
                                int64_t n, hid_t *ret_dataset) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  text_form form = form_of(output, texts ? longest_of(texts, n) : DIGITS);
  CYF_TRY_CLEANUP(cyf_h5_create_dataset(output, parent, name, form.type, 1, &n, &dataset));
  for (int64_t first = 0; first < n; first += CYF_H5_STRING_BLOCK) {
    int64_t now = n - first < CYF_H5_STRING_BLOCK ? n - first : CYF_H5_STRING_BLOCK;
    CYF_TRY_CLEANUP(write_string_block(output, dataset, &form, name, texts, first, now));
  }
  if (ret_dataset) {
    *ret_dataset = dataset;
    dataset = H5I_INVALID_HID;
  }
cleanup:
  cyf_h5_close_id(&dataset);
  cyf_h5_close_id(&form.type);
  return status;
}

cyf_status cyf_h5_write_text(const cyf_h5_output *output, hid_t parent, const char *name, const char *text,
                             hid_t *ret_dataset) {
  cyf_status status = CYF_OK;
  hid_t dataset = H5I_INVALID_HID;
  char *one = (char *)(uintptr_t)text, *own = NULL;
  text_form form = form_of(output, strlen(text));
  CYF_TRY_CLEANUP(pack(&form, &one, 1, &own));
  CYF_TRY_CLEANUP(cyf_h5_create_dataset(output, parent, name, form.type, 0, NULL, &dataset));
  const void *element = own ? (const void *)own : (const void *)&one;
  CYF_TRY_CLEANUP(
      cyf_h5_output_check(output, H5Dwrite(dataset, form.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, element), name));
  if (ret_dataset) {
    *ret_dataset = dataset;
    dataset = H5I_INVALID_HID;
  }
cleanup:
  cyf_free(own);
  cyf_h5_close_id(&dataset);
  cyf_h5_close_id(&form.type);
  return status;
}

cyf_status cyf_h5_create_group(const cyf_h5_output *output, hid_t parent, const char *name, const char *type,
                               const char *version, hid_t *ret_group) {
  cyf_status status = CYF_OK;
  hid_t links = cyf_h5_intermediate_groups();
  hid_t group = H5Gcreate2(parent, name, links, H5P_DEFAULT, H5P_DEFAULT);
  cyf_h5_close_id(&links);
  CYF_TRY_CLEANUP(cyf_h5_output_check(output, group, name));
  if (type) {
    CYF_TRY_CLEANUP(cyf_h5_write_text_attribute(output, group, "encoding-type", type));
    CYF_TRY_CLEANUP(cyf_h5_write_text_attribute(output, group, "encoding-version", version));
  }
  if (ret_group) {
    *ret_group = group;
    group = H5I_INVALID_HID;
  }
cleanup:
  cyf_h5_close_id(&group);
  return status;
}
