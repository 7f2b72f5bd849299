/* SPDX-License-Identifier: MIT */
#include "data/tensors/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/partial.h"
#include "data/tensors/safetensors_sum.h"

enum { NAME_BYTES = 256 };

/* The state of going through all tensors: once for the header, once for the numbers. */
typedef struct walk {
  int n_parts;
  const cyf_safetensors_part *parts;
  int n_texts;
  const cyf_safetensors_text *texts;
  cyf_json json;
  FILE *file;
  int64_t offset;
  float *values; /* of one tensor in PyTorch's order */
} walk;

typedef cyf_status visitor(walk *w, const cyf_safetensors_part *part, const cyf_named_tensor *tensor);

/* Calls `visit` for every tensor, counters first, so that their 8 bytes are aligned in the file. */
static cyf_status visit_all(walk *w, visitor *visit) {
  for (int counters = 1; counters >= 0; counters--)
    for (int k = 0; k < w->n_parts; k++)
      for (int64_t i = 0; i < w->parts[k].layout->n_tensors; i++) {
        const cyf_named_tensor *tensor = &w->parts[k].layout->tensors[i];
        if ((tensor->kind == CYF_TENSOR_COUNTER) == counters) CYF_TRY(visit(w, &w->parts[k], tensor));
      }
  return CYF_OK;
}

static int64_t bytes_of(const cyf_named_tensor *tensor) {
  return tensor->kind == CYF_TENSOR_COUNTER ? (int64_t)sizeof(int64_t) : tensor->count * (int64_t)sizeof(float);
}

static cyf_status describe(walk *w, const cyf_safetensors_part *part, const cyf_named_tensor *tensor) {
  char name[NAME_BYTES];
  snprintf(name, sizeof name, "%s%s", part->prefix, tensor->name);
  cyf_json_object_begin(&w->json, name);
  cyf_json_text(&w->json, "dtype", tensor->kind == CYF_TENSOR_COUNTER ? "I64" : "F32");
  cyf_json_array_begin(&w->json, "shape");
  for (int d = 0; d < tensor->n_dims; d++) cyf_json_int(&w->json, NULL, tensor->shape[d]);
  cyf_json_array_end(&w->json);
  cyf_json_array_begin(&w->json, "data_offsets");
  cyf_json_int(&w->json, NULL, w->offset);
  w->offset += bytes_of(tensor);
  cyf_json_int(&w->json, NULL, w->offset);
  cyf_json_array_end(&w->json);
  cyf_json_object_end(&w->json);
  return CYF_OK;
}

static cyf_status write_values(walk *w, const cyf_safetensors_part *part, const cyf_named_tensor *tensor) {
  const void *bytes = w->values;
  int64_t counter = 0;
  if (tensor->kind == CYF_TENSOR_COUNTER) {
    counter = (int64_t)part->flat[tensor->offset];
    bytes = &counter;
  } else {
    CYF_TRY(cyf_realloc((void **)&w->values, (size_t)tensor->count, sizeof *w->values));
    cyf_tensor_to_torch_order(tensor, part->flat, w->values);
    bytes = w->values;
  }
  size_t n = (size_t)bytes_of(tensor);
  if (fwrite(bytes, 1, n, w->file) != n) return CYF_ERR_IO;
  return CYF_OK;
}

/* Makes the JSON header, padded with spaces to a multiple of 8 bytes. */
static cyf_status make_header(walk *w, char **ret_header, size_t *ret_size) {
  char *text = NULL;
  FILE *stream = open_memstream(&text, ret_size);
  if (stream == NULL) return CYF_FAIL(CYF_ERR_MEMORY, "safetensors: no memory for the header");
  cyf_json_init(&w->json, stream, false);
  cyf_json_object_begin(&w->json, NULL);
  cyf_json_object_begin(&w->json, "__metadata__");
  cyf_json_text(&w->json, CYF_SAFETENSORS_SUM, CYF_SAFETENSORS_NO_SUM);
  for (int i = 0; i < w->n_texts; i++) cyf_json_text(&w->json, w->texts[i].key, w->texts[i].value);
  cyf_json_object_end(&w->json);
  cyf_status status = visit_all(w, describe);
  cyf_json_object_end(&w->json);
  fflush(stream);
  while (*ret_size % 8 != 0) {
    fputc(' ', stream);
    fflush(stream);
  }
  if (fclose(stream) != 0 && status == CYF_OK)
    status = CYF_FAIL(CYF_ERR_MEMORY, "safetensors: no memory for the header");
  if (status == CYF_OK) status = CYF_NEW(ret_header, *ret_size + 1);
  if (status == CYF_OK) memcpy(*ret_header, text, *ret_size);
  free(text);
  return status;
}

/* Sums what was written, and writes the sum's digits in place of the zeros. */
static bool write_sum(walk *w, const char *path, int64_t digits_at) {
  uint64_t sum = 0;
  char digits[sizeof CYF_SAFETENSORS_NO_SUM];
  if (fflush(w->file) != 0 || cyf_safetensors_sum(path, fileno(w->file), digits_at, &sum) != CYF_OK) return false;
  snprintf(digits, sizeof digits, "%016" PRIx64, sum);
  return fseek(w->file, digits_at, SEEK_SET) == 0 && fputs(digits, w->file) >= 0;
}

/* Takes the descriptor over. */
static cyf_status write_file(walk *w, const char *path, int file) {
  char *header = NULL;
  size_t size = 0;
  w->file = fdopen(file, "wb");
  if (w->file == NULL) close(file);
  cyf_status status = make_header(w, &header, &size);
  errno = 0;
  bool well = status == CYF_OK && w->file != NULL;
  uint64_t length = size;
  well = well && fwrite(&length, sizeof length, 1, w->file) == 1 && fwrite(header, 1, size, w->file) == size;
  if (well) status = visit_all(w, write_values);
  well = well && status == CYF_OK &&
         write_sum(w, path, (int64_t)sizeof length + cyf_safetensors_find_sum(header, (int64_t)size));
  if (w->file != NULL && fclose(w->file) != 0) well = false;
  if (!well && (status == CYF_OK || status == CYF_ERR_IO))
    status = CYF_FAIL(CYF_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  cyf_free(header);
  return status;
}

cyf_status cyf_safetensors_write(const char *path, int n_texts, const cyf_safetensors_text *texts, int n_parts,
                                 const cyf_safetensors_part *parts) {
  walk w = {.n_parts = n_parts, .parts = parts, .n_texts = n_texts, .texts = texts};
  cyf_partial partial;
  int file = -1;
  CYF_TRY(cyf_partial_create(path, &partial, &file));
  cyf_status status = write_file(&w, path, file);
  if (status == CYF_OK) status = cyf_partial_commit(&partial, path);
  cyf_partial_discard(&partial);
  cyf_free(w.values);
  return status;
}
