/* SPDX-License-Identifier: MIT */
/* Layouts of named tensors in one flat buffer. */
#include "kernels/tensor.h"

#include <string.h>

#include "base/memory.h"

enum { ALIGNMENT_FLOATS = 16, FIRST_CAPACITY = 16 };

static cyf_status grow(cyf_layout *layout) {
  if (layout->n_tensors < layout->capacity) return CYF_OK;
  const int64_t capacity = layout->capacity ? 2 * layout->capacity : FIRST_CAPACITY;
  CYF_TRY(cyf_realloc((void **)&layout->tensors, (size_t)capacity, sizeof *layout->tensors));
  layout->capacity = capacity;
  return CYF_OK;
}

int64_t cyf_layout_room(int64_t count) {
  return (count + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
}

cyf_status cyf_layout_add(cyf_layout *layout, const char *name, cyf_tensor_kind kind, int n_dims, int64_t rows,
                          int64_t columns, int64_t *ret_offset) {
  if (strlen(name) >= CYF_TENSOR_NAME_MAX) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "tensor name '%s' has more than %d bytes", name, CYF_TENSOR_NAME_MAX - 1);
  }
  if (cyf_layout_find(layout, name)) return CYF_FAIL(CYF_ERR_INTERNAL, "tensor '%s' is laid out twice", name);
  if (n_dims < 0 || n_dims > 2 || (n_dims > 0 && rows < 0) || (n_dims > 1 && columns < 0)) {
    return CYF_FAIL(CYF_ERR_INTERNAL, "tensor '%s' has no valid shape", name);
  }
  int64_t count = 1;
  if (n_dims > 0) count = rows;
  if (n_dims > 1 && __builtin_mul_overflow(rows, columns, &count)) {
    return CYF_FAIL(CYF_ERR_MEMORY, "tensor '%s' of %lld x %lld elements exceeds the address space", name,
                    (long long)rows, (long long)columns);
  }
  CYF_TRY(grow(layout));
  cyf_named_tensor *tensor = &layout->tensors[layout->n_tensors++];
  *tensor = (cyf_named_tensor){.kind = kind, .n_dims = n_dims, .offset = layout->total, .count = count};
  memcpy(tensor->name, name, strlen(name) + 1);
  if (n_dims > 0) tensor->shape[0] = rows;
  if (n_dims > 1) tensor->shape[1] = columns;
  layout->total += cyf_layout_room(count);
  if (ret_offset) *ret_offset = tensor->offset;
  return CYF_OK;
}

const cyf_named_tensor *cyf_layout_find(const cyf_layout *layout, const char *name) {
  for (int64_t i = 0; i < layout->n_tensors; ++i) {
    if (strcmp(layout->tensors[i].name, name) == 0) return &layout->tensors[i];
  }
  return NULL;
}

void cyf_layout_destroy(cyf_layout *layout) {
  if (!layout) return;
  cyf_free(layout->tensors);
  *layout = (cyf_layout){0};
}

/* to[j, i] = from[i, j], from [rows, columns], in square tiles so that both sides stay within a few cache lines. */
static void transpose(int64_t rows, int64_t columns, const float *from, float *to) {
  enum { TILE = 32 };
  for (int64_t row0 = 0; row0 < rows; row0 += TILE) {
    const int64_t row1 = row0 + TILE < rows ? row0 + TILE : rows;
    for (int64_t column0 = 0; column0 < columns; column0 += TILE) {
      const int64_t column1 = column0 + TILE < columns ? column0 + TILE : columns;
      for (int64_t i = row0; i < row1; ++i) {
        for (int64_t j = column0; j < column1; ++j) to[j * rows + i] = from[i * columns + j];
      }
    }
  }
}

void cyf_tensor_to_torch_order(const cyf_named_tensor *tensor, const float *flat_host, float *torch_order) {
  const float *memory = flat_host + tensor->offset;
  if (tensor->kind == CYF_TENSOR_TRANSPOSED && tensor->n_dims == 2) {
    transpose(tensor->shape[1], tensor->shape[0], memory, torch_order);
  } else {
    memcpy(torch_order, memory, (size_t)tensor->count * sizeof *memory);
  }
}

void cyf_tensor_from_torch_order(const cyf_named_tensor *tensor, const float *torch_order, float *flat_host) {
  float *memory = flat_host + tensor->offset;
  if (tensor->kind == CYF_TENSOR_TRANSPOSED && tensor->n_dims == 2) {
    transpose(tensor->shape[0], tensor->shape[1], torch_order, memory);
  } else {
    memcpy(memory, torch_order, (size_t)tensor->count * sizeof *memory);
  }
}
