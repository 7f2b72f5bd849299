/* SPDX-License-Identifier: MIT */
#include "data/tensors/torch_zip.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zip.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/tables/labels.h"
#include "data/tensors/torch_zip_layout.h"

struct cyf_torch_zip {
  char *path;
  zip_t *zip;
  cyf_names names; /* entries in their order, without the folder */
  int64_t *size_bytes;
};

/* What a file of torch.save before PyTorch 1.6 begins with: a pickle (protocol 2) of the number 0x1950a86a20f9469cfc6c.
 */
static const uint8_t legacy_magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                       0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};

static cyf_status check_magic(const char *path) {
  bool is_directory = false;
  CYF_TRY(cyf_is_directory(path, &is_directory));
  if (is_directory) return CYF_FAIL(CYF_ERR_INPUT, "%s is a directory, not a PyTorch checkpoint", path);
  FILE *file = fopen(path, "rb");
  if (file == NULL) return CYF_FAIL(cyf_input_error(errno), "%s cannot be opened: %s", path, strerror(errno));
  uint8_t head[sizeof legacy_magic] = {0};
  size_t n = fread(head, 1, sizeof head, file);
  const int error = ferror(file) ? errno : 0;
  fclose(file);
  if (error != 0) return CYF_FAIL(CYF_ERR_IO, "%s cannot be read: %s", path, strerror(error));
  if (n == sizeof head && memcmp(head, legacy_magic, sizeof head) == 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s is in PyTorch's format before version 1.6, which is not read; convert it once in Python: "
                    "torch.save(torch.load('%s', map_location='cpu'), 'new.pt')",
                    path, path);
  if (n < 4 || memcmp(head, "PK\3\4", 4) != 0)
    return CYF_FAIL(CYF_ERR_INPUT, "%s is no PyTorch checkpoint: it is not the zip archive that torch.save writes",
                    path);
  return CYF_OK;
}

/* Whether the name is a relative path that leads nowhere outside the archive. */
static bool name_is_plain(const char *name) {
  if (name[0] == '/' || name[0] == '\0' || strchr(name, '\\') != NULL) return false;
  for (const char *part = name; part != NULL; part = strchr(part, '/')) {
    if (*part == '/') part++;
    size_t n = strcspn(part, "/");
    if ((n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.')) return false;
  }
  return true;
}

static cyf_status read_entry(cyf_torch_zip *z, const cyf_zip_extent *extent, size_t *folder, const char **first) {
  zip_stat_t stat;
  if (zip_stat_index(z->zip, (zip_uint64_t)extent->entry, ZIP_FL_UNCHANGED, &stat) != 0 || stat.name == NULL)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: %s", z->path, zip_strerror(z->zip));
  if (stat.size != (zip_uint64_t)extent->size_bytes || stat.comp_method != ZIP_CM_STORE)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: the size of entry '%.80s' is told in two ways", z->path, stat.name);
  if (!name_is_plain(stat.name))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: entry '%.80s' has a name that leads out of the archive", z->path, stat.name);
  if (extent->entry == 0) {
    *first = stat.name;
    *folder = strcspn(stat.name, "/");
  }
  if (strncmp(stat.name, *first, *folder) != 0 || stat.name[*folder] != '/')
    return CYF_FAIL(CYF_ERR_INPUT, "%s: entry '%.80s' is not in one folder with the others, as torch.save writes them",
                    z->path, stat.name);
  int64_t n_before = z->names.n;
  CYF_TRY(cyf_names_add(&z->names, stat.name + *folder + 1, NULL));
  if (z->names.n == n_before) return CYF_FAIL(CYF_ERR_INPUT, "%s: entry '%.80s' is there twice", z->path, stat.name);
  z->size_bytes[extent->entry] = extent->size_bytes;
  return CYF_OK;
}

static cyf_status open_zip(cyf_torch_zip *z) {
  cyf_zip_extent *extents = NULL;
  int64_t n = 0;
  int code = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(check_magic(z->path));
  CYF_TRY_CLEANUP(cyf_zip_layout_read(z->path, &extents, &n));
  z->zip = zip_open(z->path, ZIP_RDONLY, &code);
  if (z->zip == NULL) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: the zip archive cannot be read: %s", z->path, zip_error_strerror(&error));
    zip_error_fini(&error);
    goto cleanup;
  }
  if (zip_get_num_entries(z->zip, ZIP_FL_UNCHANGED) != n) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: the zip archive has two directories", z->path);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(CYF_NEW(&z->size_bytes, n));
  size_t folder = 0;
  const char *first = NULL;
  for (int64_t i = 0; i < n; i++) CYF_TRY_CLEANUP(read_entry(z, &extents[i], &folder, &first));
cleanup:
  cyf_free(extents);
  return status;
}

cyf_status cyf_torch_zip_open(const char *path, cyf_torch_zip **ret_zip) {
  *ret_zip = NULL;
  cyf_torch_zip *z = NULL;
  CYF_TRY(CYF_NEW(&z, 1));
  cyf_status status = cyf_strdup(path, &z->path);
  if (status == CYF_OK) status = open_zip(z);
  if (status == CYF_OK)
    *ret_zip = z;
  else
    cyf_torch_zip_close(&z);
  return status;
}

void cyf_torch_zip_close(cyf_torch_zip **zip) {
  if (zip == NULL || *zip == NULL) return;
  if ((*zip)->zip != NULL) zip_discard((*zip)->zip);
  cyf_names_destroy(&(*zip)->names);
  cyf_free((*zip)->size_bytes);
  cyf_free((*zip)->path);
  cyf_free(*zip);
}

const char *cyf_torch_zip_version(void) {
  return zip_libzip_version();
}

int64_t cyf_torch_zip_find(const cyf_torch_zip *zip, const char *name) {
  return cyf_names_find(&zip->names, name);
}

int64_t cyf_torch_zip_size_bytes(const cyf_torch_zip *zip, int64_t entry) {
  return zip->size_bytes[entry];
}

/* Reads an entry. Asking for one byte past its size lets libzip reach the end, where it compares the CRC. */
static cyf_status read_contents(const cyf_torch_zip *zip, zip_file_t *file, int64_t entry, uint8_t *bytes) {
  int64_t n = zip->size_bytes[entry], done = 0;
  uint8_t beyond;
  while (done < n) {
    zip_int64_t got = zip_fread(file, bytes + done, (zip_uint64_t)(n - done));
    if (got <= 0) break;
    done += got;
  }
  if (done == n && zip_fread(file, &beyond, 1) == 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: entry '%s' is damaged: %s", zip->path, zip->names.name[entry],
                  zip_file_strerror(file));
}

cyf_status cyf_torch_zip_read(cyf_torch_zip *zip, int64_t entry, uint8_t **ret_bytes) {
  *ret_bytes = NULL;
  zip_file_t *file = zip_fopen_index(zip->zip, (zip_uint64_t)entry, ZIP_FL_UNCHANGED);
  if (file == NULL)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: entry '%s': %s", zip->path, zip->names.name[entry], zip_strerror(zip->zip));
  cyf_status status = CYF_NEW(ret_bytes, zip->size_bytes[entry]);
  if (status == CYF_OK) status = read_contents(zip, file, entry, *ret_bytes);
  zip_fclose(file);
  if (status != CYF_OK) cyf_free(*ret_bytes);
  return status;
}
