/* SPDX-License-Identifier: MIT */
/* Attributes of numbers. */
#include "data/hdf5/hdf5_file.h"
#include "data/hdf5/hdf5_types.h"

/* Turns values of an enumeration of FALSE and TRUE into 0 and 1. */
static cyf_status to_booleans(hid_t type, int64_t n, const char *where, const char *attribute, int64_t *values) {
  cyf_h5_members members = {0};
  cyf_status status = cyf_h5_members_read(type, where, attribute, &members);
  for (int64_t i = 0; i < n && status == CYF_OK; i++) {
    const int64_t member = cyf_h5_members_find(&members, values[i]);
    if (!members.is_boolean || member < 0 || member == members.na)
      status = CYF_FAIL(CYF_ERR_INPUT, "%s: attribute %s is neither FALSE nor TRUE", where, attribute);
    values[i] = member == members.yes;
  }
  cyf_h5_members_destroy(&members);
  return status;
}

cyf_status cyf_h5_read_int_attribute(hid_t object, const char *attribute, const char *where, int64_t max,
                                     int64_t *values, int64_t *ret_n) {
  bool has = false;
  *ret_n = 0;
  CYF_TRY(cyf_h5_has_attribute(object, attribute, where, &has));
  if (!has) return CYF_OK;
  hid_t id = H5Aopen(object, attribute, H5P_DEFAULT);
  hid_t type = H5Aget_type(id), space = H5Aget_space(id);
  int64_t n = H5Sget_simple_extent_npoints(space);
  H5T_class_t class = H5Tget_class(type);
  bool fits = n >= 0 && n <= max && (class == H5T_INTEGER || class == H5T_ENUM);
  herr_t result = fits ? H5Aread(id, H5T_NATIVE_INT64, values) : 0;
  const cyf_status status =
      class == H5T_ENUM && fits && result >= 0 ? to_booleans(type, n, where, attribute, values) : CYF_OK;
  cyf_h5_close_id(&space);
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&id);
  if (n < 0 || result < 0) return cyf_h5_cannot_read(object, where, attribute);
  if (!fits)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: attribute %s is not up to %lld integers", where, attribute, (long long)max);
  CYF_TRY(status);
  *ret_n = n;
  return CYF_OK;
}
