/* SPDX-License-Identifier: MIT */
#include "data/tensors/torch_file.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "data/tables/labels.h"
#include "data/tensors/torch_convert.h"
#include "data/tensors/torch_zip.h"

enum { PICKLE_BYTES_MAX = 64 << 20, NAME_BYTES_MAX = 1024 };

struct cyf_torch_file {
  char *path;
  cyf_torch_zip *zip;
  uint8_t *bytes; /* of data.pkl, into which the pickle's texts point */
  cyf_pickle pickle;
  cyf_names names;
  cyf_torch_tensor *tensor; /* [names.n] */
  int64_t *view, *entry;    /* [names.n] index of each tensor's view in the pickle, and of its storage in the archive */
};

/* Refuses big-endian numbers. The entry "byteorder", which PyTorch writes since 2.1, says "little" or "big". */
static cyf_status check_byte_order(cyf_torch_file *f) {
  int64_t entry = cyf_torch_zip_find(f->zip, "byteorder");
  uint8_t *bytes = NULL;
  if (entry < 0) return CYF_OK;
  int64_t n = cyf_torch_zip_size_bytes(f->zip, entry);
  if (n == 6) CYF_TRY(cyf_torch_zip_read(f->zip, entry, &bytes));
  bool little = n == 6 && memcmp(bytes, "little", 6) == 0;
  cyf_free(bytes);
  if (little) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: its numbers are not little-endian; save it again on such a machine", f->path);
}

static cyf_status read_pickle(cyf_torch_file *f) {
  int64_t entry = cyf_torch_zip_find(f->zip, "data.pkl");
  if (entry < 0) return CYF_FAIL(CYF_ERR_INPUT, "%s is no PyTorch checkpoint: the archive holds no data.pkl", f->path);
  int64_t size = cyf_torch_zip_size_bytes(f->zip, entry);
  if (size > PICKLE_BYTES_MAX)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: data.pkl has %lld bytes; no state dict needs more than %d", f->path,
                    (long long)size, PICKLE_BYTES_MAX);
  CYF_TRY(cyf_torch_zip_read(f->zip, entry, &f->bytes));
  return cyf_pickle_read(f->path, f->bytes, size, &f->pickle);
}

/* Finds a tensor's storage in the archive, which must have as many bytes as its numbers take. */
static cyf_status find_storage(const cyf_torch_file *f, const char *name, const cyf_torch_storage *storage,
                               int64_t *ret_entry) {
  char path[CYF_TORCH_KEY_MAX + 8];
  snprintf(path, sizeof path, "data/%s", storage->key);
  *ret_entry = cyf_torch_zip_find(f->zip, path);
  if (*ret_entry < 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: the numbers of %s (%s) are missing", f->path, name, path);
  int64_t bytes = cyf_torch_zip_size_bytes(f->zip, *ret_entry), each = cyf_torch_type_bytes(storage->type);
  if (bytes % each == 0 && bytes / each == storage->count) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: the numbers of %s (%s) take %lld bytes, but %lld %s numbers are announced",
                  f->path, name, path, (long long)bytes, (long long)storage->count, cyf_torch_type_name(storage->type));
}

static cyf_status add_tensor(cyf_torch_file *f, const cyf_pickle_value *key, int64_t view_index) {
  char name[NAME_BYTES_MAX + 1] = "";
  if (key->n > NAME_BYTES_MAX || memchr(key->text, '\0', (size_t)key->n) != NULL)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: a tensor's name is longer than %d bytes or holds a NUL", f->path,
                    NAME_BYTES_MAX);
  memcpy(name, key->text, (size_t)key->n);
  const cyf_torch_view *view = &f->pickle.view[view_index];
  const cyf_torch_storage *storage = &f->pickle.storage[view->storage];
  int64_t i = f->names.n;
  CYF_TRY(cyf_names_add(&f->names, name, NULL));
  if (f->names.n == i) return CYF_FAIL(CYF_ERR_INPUT, "%s: tensor %s is there twice", f->path, name);
  cyf_torch_tensor *tensor = &f->tensor[i];
  *tensor = (cyf_torch_tensor){.type = storage->type, .n_dims = view->n_dims, .count = view->count};
  memcpy(tensor->shape, view->shape, sizeof tensor->shape);
  f->view[i] = view_index;
  return find_storage(f, name, storage, &f->entry[i]);
}

/* Lists the tensors of the state dict, which is the pickle's root or stands in it under "state_dict". */
static cyf_status list_tensors(cyf_torch_file *f) {
  const cyf_pickle *p = &f->pickle;
  int32_t root = p->root, inner = cyf_pickle_get(p, p->root, "state_dict");
  if (inner >= 0 && p->value[inner].kind == CYF_PICKLE_DICT) root = inner;
  const cyf_pickle_value *dict = &p->value[root];
  if (dict->kind != CYF_PICKLE_DICT)
    return CYF_FAIL(CYF_ERR_INPUT, "%s holds no state dict (save model.state_dict())", f->path);
  CYF_TRY(CYF_NEW(&f->tensor, dict->n / 2));
  CYF_TRY(CYF_NEW(&f->view, dict->n / 2));
  CYF_TRY(CYF_NEW(&f->entry, dict->n / 2));
  for (int64_t i = 0; i + 1 < dict->n; i += 2) {
    const cyf_pickle_value *key = &p->value[dict->item[i]], *value = &p->value[dict->item[i + 1]];
    if (key->kind == CYF_PICKLE_TEXT && value->kind == CYF_PICKLE_TENSOR) CYF_TRY(add_tensor(f, key, value->integer));
  }
  for (int64_t i = 0; i < f->names.n; i++) f->tensor[i].name = f->names.name[i];
  if (f->names.n == 0)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: its dictionary holds no tensors, neither directly nor under 'state_dict'",
                    f->path);
  return CYF_OK;
}

cyf_status cyf_torch_file_open(const char *path, cyf_torch_file **ret_file) {
  *ret_file = NULL;
  cyf_torch_file *f = NULL;
  cyf_status status;
  CYF_TRY(CYF_NEW(&f, 1));
  CYF_TRY_CLEANUP(cyf_strdup(path, &f->path));
  CYF_TRY_CLEANUP(cyf_torch_zip_open(path, &f->zip));
  CYF_TRY_CLEANUP(check_byte_order(f));
  CYF_TRY_CLEANUP(read_pickle(f));
  CYF_TRY_CLEANUP(list_tensors(f));
  *ret_file = f;
cleanup:
  if (status != CYF_OK) cyf_torch_file_close(&f);
  return status;
}

void cyf_torch_file_close(cyf_torch_file **file) {
  if (file == NULL || *file == NULL) return;
  cyf_torch_file *f = *file;
  cyf_torch_zip_close(&f->zip);
  cyf_pickle_destroy(&f->pickle);
  cyf_names_destroy(&f->names);
  cyf_free(f->tensor);
  cyf_free(f->view);
  cyf_free(f->entry);
  cyf_free(f->bytes);
  cyf_free(f->path);
  cyf_free(*file);
}

const char *cyf_torch_file_path(const cyf_torch_file *file) {
  return file->path;
}
int64_t cyf_torch_file_n_tensors(const cyf_torch_file *file) {
  return file->names.n;
}
const cyf_torch_tensor *cyf_torch_file_tensor(const cyf_torch_file *file, int64_t index) {
  return &file->tensor[index];
}
int64_t cyf_torch_file_find(const cyf_torch_file *file, const char *name) {
  return cyf_names_find(&file->names, name);
}

/* Converts the numbers of a strided view, in row-major order. */
static void gather(const cyf_torch_view *view, cyf_torch_type type, const uint8_t *bytes, float *values) {
  int64_t index[CYF_TORCH_DIMS_MAX] = {0}, at = view->offset;
  for (int64_t e = 0; e < view->count; e++) {
    values[e] = cyf_torch_to_float(type, bytes, at);
    for (int d = view->n_dims - 1; d >= 0; d--) {
      at += view->stride[d];
      if (++index[d] < view->shape[d]) break;
      at -= view->shape[d] * view->stride[d];
      index[d] = 0;
    }
  }
}

cyf_status cyf_torch_file_read_floats(cyf_torch_file *file, int64_t index, float *values) {
  uint8_t *bytes = NULL;
  CYF_TRY(cyf_torch_zip_read(file->zip, file->entry[index], &bytes));
  gather(&file->pickle.view[file->view[index]], file->tensor[index].type, bytes, values);
  cyf_free(bytes);
  return CYF_OK;
}
