/* SPDX-License-Identifier: MIT */
#include "data/tensors/safetensors_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json_read.h"
#include "base/memory.h"
#include "base/names.h"
#include "data/tensors/safetensors_sum.h"
#include "data/tensors/torch_convert.h"

/* The format's own bound on headers. */
enum { HEADER_BYTES_MAX = 100000000, LENGTH_BYTES = 8 };

struct cyf_safetensors_file {
  char *path;
  int descriptor;
  int64_t data_begin, data_bytes;
  cyf_json_document header;
  int64_t n_in_all;
  cyf_names names;          /* of listed tensors */
  cyf_torch_tensor *tensor; /* [names.n] */
  int64_t *begin;           /* [names.n] of the numbers, into the data */
};

/* What every tensor of the file takes of it. */
typedef struct range {
  int64_t begin, end;
} range;

static cyf_status read_at(const cyf_safetensors_file *f, int64_t offset, int64_t n, void *bytes) {
  int64_t done = 0;
  while (done < n) {
    const ssize_t got = pread(f->descriptor, (char *)bytes + done, (size_t)(n - done), offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CYF_FAIL(cyf_input_error(errno), "%s: cannot be read: %s", f->path, strerror(errno));
    if (got == 0) return CYF_FAIL(CYF_ERR_INPUT, "%s: ends early, at byte %lld", f->path, (long long)(offset + done));
    done += got;
  }
  return CYF_OK;
}

/* A length of eight bytes, little-endian as this machine is. */
static bool plausible(const uint8_t head[LENGTH_BYTES + 1], uint64_t *ret_length) {
  memcpy(ret_length, head, sizeof *ret_length);
  return *ret_length >= 2 && *ret_length <= HEADER_BYTES_MAX && head[LENGTH_BYTES] == '{';
}

bool cyf_safetensors_is_one(const char *path) {
  uint8_t head[LENGTH_BYTES + 1];
  uint64_t length = 0;
  const int descriptor = cyf_open_file(path, O_RDONLY);
  if (descriptor < 0) return false;
  const bool whole = pread(descriptor, head, sizeof head, 0) == (ssize_t)sizeof head;
  close(descriptor);
  return whole && plausible(head, &length);
}

/* Where the file carries a checksum, as ours do, everything in it is what was written. */
static cyf_status verify_sum(const cyf_safetensors_file *f, const char *header, int64_t n) {
  const int64_t digits_at = cyf_safetensors_find_sum(header, n);
  uint64_t sum = 0;
  char digits[sizeof CYF_SAFETENSORS_NO_SUM];
  if (digits_at < 0) return CYF_OK;
  CYF_TRY(cyf_safetensors_sum(f->path, f->descriptor, LENGTH_BYTES + digits_at, &sum));
  snprintf(digits, sizeof digits, "%016" PRIx64, sum);
  if (memcmp(digits, header + digits_at, sizeof digits - 1) == 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: is damaged: its checksum is %s where %.16s was written", f->path, digits,
                  header + digits_at);
}

static cyf_status read_header(cyf_safetensors_file *f) {
  uint8_t head[LENGTH_BYTES + 1];
  uint64_t length = 0;
  char *text = NULL;
  int64_t size = 0;
  f->descriptor = cyf_open_file(f->path, O_RDONLY);
  if (f->descriptor < 0) return CYF_FAIL(cyf_input_error(errno), "cannot open %s: %s", f->path, strerror(errno));
  CYF_TRY(cyf_file_size_bytes(f->path, &size));
  CYF_TRY(read_at(f, 0, sizeof head, head));
  if (!plausible(head, &length)) return CYF_FAIL(CYF_ERR_INPUT, "%s is no safetensors file", f->path);
  f->data_begin = LENGTH_BYTES + (int64_t)length;
  f->data_bytes = size - f->data_begin;
  if (f->data_bytes < 0)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: announces a header of %lld bytes, but has %lld in all", f->path,
                    (long long)length, (long long)size);
  CYF_TRY(CYF_NEW(&text, length));
  cyf_status status = read_at(f, LENGTH_BYTES, (int64_t)length, text);
  if (status == CYF_OK) status = verify_sum(f, text, (int64_t)length);
  if (status == CYF_OK) status = cyf_json_parse(f->path, text, length, &f->header);
  cyf_free(text);
  return status;
}

static bool find_type(const char *word, cyf_torch_type *ret_type) {
  static const struct {
    const char *word;
    cyf_torch_type type;
  } types[] = {{"F32", CYF_TORCH_FLOAT32}, {"F64", CYF_TORCH_FLOAT64},   {"F16", CYF_TORCH_FLOAT16},
               {"I64", CYF_TORCH_INT64},   {"BF16", CYF_TORCH_BFLOAT16}, {"I32", CYF_TORCH_INT32},
               {"I16", CYF_TORCH_INT16},   {"I8", CYF_TORCH_INT8},       {"U8", CYF_TORCH_UINT8},
               {"BOOL", CYF_TORCH_BOOL}};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strcmp(types[i].word, word) == 0) {
      *ret_type = types[i].type;
      return true;
    }
  return false;
}

static cyf_status wrong(const cyf_safetensors_file *f, const char *tensor, const char *what) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: tensor %s %s", f->path, tensor, what);
}

/* One entry of the header, checked for itself. */
static cyf_status read_entry(const cyf_safetensors_file *f, int64_t entry, cyf_torch_tensor *ret_tensor,
                             range *ret_range) {
  const cyf_json_document *d = &f->header;
  const char *name = d->value[entry].key, *type = cyf_json_text_of(d, cyf_json_get(d, entry, "dtype"));
  const int64_t shape = cyf_json_get(d, entry, "shape"), offsets = cyf_json_get(d, entry, "data_offsets");
  cyf_torch_tensor t = {.name = name, .count = 1};
  if (type == NULL || !find_type(type, &t.type)) return wrong(f, name, "has a type that is not known");
  if (shape < 0 || d->value[shape].kind != CYF_JSON_ARRAY || d->value[shape].count > CYF_TORCH_DIMS_MAX)
    return wrong(f, name, "has no shape of up to eight dimensions");
  for (int64_t i = d->value[shape].first; i >= 0; i = d->value[i].next) {
    int64_t *extent = &t.shape[t.n_dims++];
    if (!cyf_json_int_of(d, i, extent) || *extent < 0 || __builtin_mul_overflow(t.count, *extent, &t.count))
      return wrong(f, name, "has a shape that is impossible");
  }
  const bool two = offsets >= 0 && d->value[offsets].kind == CYF_JSON_ARRAY && d->value[offsets].count == 2;
  const int64_t from = two ? d->value[offsets].first : -1, to = two ? d->value[from].next : -1;
  int64_t bytes = 0;
  if (!cyf_json_int_of(d, from, &ret_range->begin) || !cyf_json_int_of(d, to, &ret_range->end) ||
      ret_range->begin < 0 || ret_range->end > f->data_bytes || ret_range->begin > ret_range->end)
    return wrong(f, name, "lies outside the file");
  if (__builtin_mul_overflow(t.count, cyf_torch_type_bytes(t.type), &bytes) ||
      bytes != ret_range->end - ret_range->begin)
    return wrong(f, name, "has a shape and a place of different sizes");
  *ret_tensor = t;
  return CYF_OK;
}

static int by_begin(const void *a, const void *b) {
  const range *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

static cyf_status check_ranges(const cyf_safetensors_file *f, int64_t n, range *ranges) {
  int64_t end = 0;
  qsort(ranges, (size_t)n, sizeof *ranges, by_begin);
  for (int64_t i = 0; i < n; i++) {
    if (ranges[i].begin != end) break;
    end = ranges[i].end;
  }
  if (end == f->data_bytes) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT,
                  "%s: its tensors overlap, leave gaps or end before the file does (after %lld of %lld bytes)", f->path,
                  (long long)end, (long long)f->data_bytes);
}

static cyf_status list_tensor(cyf_safetensors_file *f, const cyf_torch_tensor *tensor, const range *place,
                              const char *prefix) {
  const size_t n_prefix = strlen(prefix);
  if (strncmp(tensor->name, prefix, n_prefix) != 0) return CYF_OK;
  const int64_t i = f->names.n;
  CYF_TRY(cyf_names_add(&f->names, tensor->name + n_prefix, NULL));
  if (f->names.n == i) return wrong(f, tensor->name, "is there twice");
  f->tensor[i] = *tensor;
  f->tensor[i].name += n_prefix;
  f->begin[i] = place->begin;
  return CYF_OK;
}

static cyf_status list_tensors(cyf_safetensors_file *f, const char *prefix) {
  const cyf_json_document *d = &f->header;
  range *ranges = NULL;
  int64_t n = 0;
  cyf_status status;
  if (d->value[0].kind != CYF_JSON_OBJECT) return CYF_FAIL(CYF_ERR_INPUT, "%s is no safetensors file", f->path);
  CYF_TRY_CLEANUP(CYF_NEW(&ranges, d->value[0].count));
  CYF_TRY_CLEANUP(CYF_NEW(&f->tensor, d->value[0].count));
  CYF_TRY_CLEANUP(CYF_NEW(&f->begin, d->value[0].count));
  for (int64_t entry = d->value[0].first; entry >= 0; entry = d->value[entry].next) {
    cyf_torch_tensor tensor;
    if (strcmp(d->value[entry].key, "__metadata__") == 0) continue;
    CYF_TRY_CLEANUP(read_entry(f, entry, &tensor, &ranges[n]));
    CYF_TRY_CLEANUP(list_tensor(f, &tensor, &ranges[n++], prefix));
  }
  f->n_in_all = n;
  CYF_TRY_CLEANUP(check_ranges(f, n, ranges));
  if (f->names.n == 0)
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: holds no tensor%s%s", f->path, prefix[0] != '\0' ? " of " : "", prefix);
cleanup:
  cyf_free(ranges);
  return status;
}

cyf_status cyf_safetensors_open(const char *path, const char *prefix, cyf_safetensors_file **ret_file) {
  cyf_safetensors_file *f = NULL;
  cyf_status status;
  *ret_file = NULL;
  CYF_TRY(CYF_NEW(&f, 1));
  f->descriptor = -1;
  CYF_TRY_CLEANUP(cyf_strdup(path, &f->path));
  CYF_TRY_CLEANUP(read_header(f));
  CYF_TRY_CLEANUP(list_tensors(f, prefix));
  *ret_file = f;
cleanup:
  if (status != CYF_OK) cyf_safetensors_close(&f);
  return status;
}

void cyf_safetensors_close(cyf_safetensors_file **file) {
  if (file == NULL || *file == NULL) return;
  cyf_safetensors_file *f = *file;
  if (f->descriptor >= 0) close(f->descriptor);
  cyf_json_document_destroy(&f->header);
  cyf_names_destroy(&f->names);
  cyf_free(f->tensor);
  cyf_free(f->begin);
  cyf_free(f->path);
  cyf_free(*file);
}

const char *cyf_safetensors_metadata(const cyf_safetensors_file *file, const char *key) {
  const cyf_json_document *d = &file->header;
  return cyf_json_text_of(d, cyf_json_get(d, cyf_json_get(d, 0, "__metadata__"), key));
}
int64_t cyf_safetensors_n_tensors(const cyf_safetensors_file *file) {
  return file->names.n;
}
int64_t cyf_safetensors_n_tensors_in_all(const cyf_safetensors_file *file) {
  return file->n_in_all;
}
const cyf_torch_tensor *cyf_safetensors_tensor(const cyf_safetensors_file *file, int64_t index) {
  return &file->tensor[index];
}
int64_t cyf_safetensors_find(const cyf_safetensors_file *file, const char *name) {
  return cyf_names_find(&file->names, name);
}

cyf_status cyf_safetensors_read_floats(cyf_safetensors_file *file, int64_t index, float *values) {
  const cyf_torch_tensor *tensor = &file->tensor[index];
  const int64_t bytes = tensor->count * cyf_torch_type_bytes(tensor->type);
  uint8_t *stored = NULL;
  CYF_TRY(CYF_NEW(&stored, bytes));
  const cyf_status status = read_at(file, file->data_begin + file->begin[index], bytes, stored);
  for (int64_t i = 0; status == CYF_OK && i < tensor->count; i++)
    values[i] = cyf_torch_to_float(tensor->type, stored, i);
  cyf_free(stored);
  return status;
}
