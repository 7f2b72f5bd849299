/* SPDX-License-Identifier: MIT */
/* What a file has, and what it has not. HDF5 answers "no" and "I cannot tell" in ways that are easily taken for one
 * another: here alone they are told apart. */
#include <string.h>

#include "data/hdf5/hdf5_file.h"

/* Called at once after a failed call, since any other one clears HDF5's reason. */
static cyf_status cannot_tell(hid_t location, const char *path, const char *where) {
  char reason[CYF_H5_REASON_SIZE], parent[CYF_H5_REASON_SIZE] = "", whole[2048];
  cyf_h5_reason(reason);
  CYF_TRY(cyf_h5_check_reads(location, where));
  const bool is_below = H5Iget_name(location, parent, sizeof parent) > 1; /* "/" is the file itself */
  snprintf(whole, sizeof whole, "%s%s%s", is_below ? parent + 1 : "", is_below ? "/" : "", path);
  return cyf_h5_unreadable(where, whole, "looked up", reason);
}

/* For the whole process, since the user says it once. */
static bool follows_links;

void cyf_h5_follow_links(bool follow) {
  follows_links = follow;
}

static cyf_status leaves_file(const char *where, const char *path, const char *what, const char *to) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: %s %s '%s', which may be anything by now; --follow-links reads it", where, path,
                  what, to);
}

static cyf_status check_link(hid_t location, const char *path, const char *where, const H5L_info_t *info) {
  char value[1024] = "";
  const char *file = NULL, *object = NULL;
  unsigned flags = 0;
  if (info->type != H5L_TYPE_EXTERNAL || follows_links) return CYF_OK;
  if (info->u.val_size > sizeof value || H5Lget_val(location, path, value, sizeof value, H5P_DEFAULT) < 0 ||
      H5Lunpack_elink_val(value, info->u.val_size, &flags, &file, &object) < 0)
    file = "a name of its own";
  return leaves_file(where, path, "is a link into another file,", file);
}

/* Whether a dataset's values lie in other files: in external storage, or as a view of datasets there. */
static cyf_status check_storage(hid_t dataset, const char *path, const char *where) {
  char file[1024] = "";
  hid_t creation = H5Dget_create_plist(dataset);
  size_t n_views = 0;
  cyf_status status = CYF_OK;
  if (H5Pget_external_count(creation) > 0) {
    (void)H5Pget_external(creation, 0, sizeof file - 1, file, NULL, NULL);
    status = leaves_file(where, path, "has its values in another file,", file);
  } else if (H5Pget_layout(creation) == H5D_VIRTUAL && H5Pget_virtual_count(creation, &n_views) >= 0) {
    for (size_t i = 0; i < n_views && status == CYF_OK; i++) {
      const ssize_t length = H5Pget_virtual_filename(creation, i, file, sizeof file);
      if (length != 1 || strcmp(file, ".") != 0) status = leaves_file(where, path, "is a view of another file,", file);
    }
  }
  H5Pclose(creation);
  return status;
}

/* Soft links may lead through links into other files. */
static cyf_status check_object(hid_t location, hid_t object, const char *path, const char *where) {
#if H5_VERSION_GE(1, 12, 0)
  H5O_info1_t of_location, of_object;
#else
  H5O_info_t of_location, of_object;
#endif
  if (follows_links) return CYF_OK;
  if (H5Oget_info2(location, &of_location, H5O_INFO_BASIC) >= 0 &&
      H5Oget_info2(object, &of_object, H5O_INFO_BASIC) >= 0 && of_location.fileno != of_object.fileno)
    return leaves_file(where, path, "leads into", "another file");
  return H5Iget_type(object) == H5I_DATASET ? check_storage(object, path, where) : CYF_OK;
}

/* Whether the link that is there leads to an object. */
static cyf_status link_leads_on(hid_t location, const char *path, const char *where, bool *ret_leads) {
  H5L_info_t info;
  const bool has_info = H5Lget_info(location, path, &info, H5P_DEFAULT) >= 0;
  if (has_info) CYF_TRY(check_link(location, path, where, &info));
  /* A link into another file, or along a path, that is not there is no damage. */
  const bool may_dangle = has_info && info.type != H5L_TYPE_HARD;
  const htri_t answer = H5Oexists_by_name(location, path, H5P_DEFAULT);
  *ret_leads = answer > 0;
  if (answer >= 0) return cyf_h5_check_reads(location, where);
  if (!may_dangle) return cannot_tell(location, path, where);
  H5Eclear2(H5E_DEFAULT);
  return cyf_h5_check_reads(location, where);
}

/* One more part of a path, whose parts before are groups. */
static cyf_status has_link(hid_t location, const char *path, const char *where, bool *ret_exists) {
  *ret_exists = true;
  if (strcmp(path, "/") == 0) return CYF_OK;
  const htri_t answer = H5Lexists(location, path, H5P_DEFAULT);
  if (answer < 0) return cannot_tell(location, path, where);
  *ret_exists = answer > 0;
  return answer > 0 ? link_leads_on(location, path, where, ret_exists) : cyf_h5_check_reads(location, where);
}

static cyf_status type_of(hid_t location, const char *path, const char *where, H5I_type_t *ret_type) {
  hid_t object = H5Oopen(location, path, H5P_DEFAULT);
  if (object < 0) return cannot_tell(location, path, where);
  *ret_type = H5Iget_type(object);
  const cyf_status status = check_object(location, object, path, where);
  cyf_h5_close_id(&object);
  return status == CYF_OK ? cyf_h5_check_reads(location, where) : status;
}

cyf_status cyf_h5_exists(hid_t location, const char *path, const char *where, bool *ret_exists) {
  char prefix[1024];
  const size_t length = strlen(path);
  *ret_exists = false;
  if (length == 0 || length >= sizeof(prefix)) return CYF_OK;
  for (size_t end = 1; end <= length; end++) {
    H5I_type_t type = H5I_GROUP;
    if (path[end] != '/' && path[end] != '\0') continue;
    memcpy(prefix, path, end);
    prefix[end] = '\0';
    CYF_TRY(has_link(location, prefix, where, ret_exists));
    if (*ret_exists && end < length) CYF_TRY(type_of(location, prefix, where, &type));
    *ret_exists = *ret_exists && type == H5I_GROUP;
    if (!*ret_exists) return CYF_OK;
  }
  return CYF_OK;
}

cyf_status cyf_h5_object_type(hid_t location, const char *path, const char *where, H5I_type_t *ret_type) {
  bool exists = false;
  *ret_type = H5I_BADID;
  CYF_TRY(cyf_h5_exists(location, path, where, &exists));
  return exists ? type_of(location, path, where, ret_type) : CYF_OK;
}

cyf_status cyf_h5_is_dataset(hid_t location, const char *path, const char *where, bool *ret_is) {
  H5I_type_t type = H5I_BADID;
  CYF_TRY(cyf_h5_object_type(location, path, where, &type));
  *ret_is = type == H5I_DATASET;
  return CYF_OK;
}

cyf_status cyf_h5_has_attribute(hid_t object, const char *attribute, const char *where, bool *ret_has) {
  const htri_t answer = H5Aexists(object, attribute);
  if (answer < 0) return cannot_tell(object, attribute, where);
  *ret_has = answer > 0;
  return cyf_h5_check_reads(object, where);
}
