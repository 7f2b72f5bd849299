/* SPDX-License-Identifier: MIT */
#include "base/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

const cyf_input *cyf_inputs_find(const cyf_inputs *inputs, const char *path) {
  for (int64_t i = 0; i < inputs->n; i++)
    if (strcmp(inputs->item[i].path, path) == 0) return &inputs->item[i];
  return NULL;
}

cyf_status cyf_inputs_add(cyf_inputs *inputs, const char *path) {
  cyf_file_identity identity;
  if (!path || cyf_inputs_find(inputs, path)) return CYF_OK;
  CYF_TRY(cyf_file_identify(path, &identity));
  if (!identity.is_regular) return CYF_OK;
  if (inputs->n == inputs->capacity) {
    const int64_t capacity = inputs->capacity ? 2 * inputs->capacity : 8;
    CYF_TRY(cyf_realloc((void **)&inputs->item, (size_t)capacity, sizeof(*inputs->item)));
    inputs->capacity = capacity;
  }
  cyf_input *item = &inputs->item[inputs->n];
  *item = (cyf_input){.identity = identity};
  CYF_TRY(cyf_strdup(path, &item->path));
  inputs->n++;
  return CYF_OK;
}

static bool ends_in(const char *name, const char *const *suffixes) {
  const size_t length = strlen(name);
  for (; *suffixes; suffixes++)
    if (length >= strlen(*suffixes) && strcmp(name + length - strlen(*suffixes), *suffixes) == 0) return true;
  return false;
}

cyf_status cyf_inputs_add_folder(cyf_inputs *inputs, const char *directory, const char *const *suffixes) {
  DIR *folder = directory ? opendir(directory) : NULL;
  if (!directory || (!folder && (errno == ENOENT || errno == ENOTDIR))) return CYF_OK;
  if (!folder) return CYF_FAIL(cyf_input_error(errno), "%s: cannot be listed: %s", directory, strerror(errno));
  cyf_status status = CYF_OK;
  const struct dirent *entry = NULL;
  while (status == CYF_OK && (errno = 0, entry = readdir(folder)) != NULL) {
    char *path = NULL;
    if (!ends_in(entry->d_name, suffixes)) continue;
    status = cyf_path_join(directory, entry->d_name, &path);
    if (status == CYF_OK) status = cyf_inputs_add(inputs, path);
    cyf_free(path);
  }
  if (status == CYF_OK && errno != 0)
    status = CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(errno));
  closedir(folder);
  return status;
}

cyf_status cyf_inputs_check(const cyf_inputs *inputs) {
  for (int64_t i = 0; i < inputs->n; i++) {
    const cyf_input *item = &inputs->item[i];
    cyf_file_identity now;
    CYF_TRY(cyf_file_identify(item->path, &now));
    CYF_TRY(cyf_file_check_same(item->path, &item->identity, &now));
  }
  return CYF_OK;
}

void cyf_inputs_destroy(cyf_inputs *inputs) {
  if (!inputs) return;
  for (int64_t i = 0; i < inputs->n; i++) cyf_free(inputs->item[i].path);
  cyf_free(inputs->item);
  inputs->n = inputs->capacity = 0;
}
