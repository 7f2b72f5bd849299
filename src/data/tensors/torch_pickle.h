/* SPDX-License-Identifier: MIT */
/** @file
 * The pickle of a state dict: dictionaries, lists, tuples, numbers, strings, and tensors over storages that lie
 * elsewhere. This is a reader of data, not an unpickler: it knows the opcodes of protocol 2 that torch.save writes and
 * the few globals that a state dict names, gives each of them one fixed meaning, and refuses everything else by name.
 * Nothing is imported, called or executed. Formats: Python's Lib/pickletools.py; torch/_utils.py and
 * torch/serialization.py for the globals. */
#ifndef CYF_DATA_TENSORS_TORCH_PICKLE_H
#define CYF_DATA_TENSORS_TORCH_PICKLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** What a storage's numbers are. */
typedef enum cyf_torch_type {
  CYF_TORCH_FLOAT32,
  CYF_TORCH_FLOAT64,
  CYF_TORCH_FLOAT16,
  CYF_TORCH_BFLOAT16,
  CYF_TORCH_INT64,
  CYF_TORCH_INT32,
  CYF_TORCH_INT16,
  CYF_TORCH_INT8,
  CYF_TORCH_UINT8,
  CYF_TORCH_BOOL,
  CYF_TORCH_N_TYPES
} cyf_torch_type;

enum { CYF_TORCH_DIMS_MAX = 8, CYF_TORCH_KEY_MAX = 20 };

/** @{ */
/** "float32" and so on, and bytes of one number. */
const char *cyf_torch_type_name(cyf_torch_type type);
int64_t cyf_torch_type_bytes(cyf_torch_type type);
/** @} */

typedef struct cyf_torch_storage {
  cyf_torch_type type;
  char key[CYF_TORCH_KEY_MAX + 1]; /**< decimal digits: the entry data/KEY of the archive */
  int64_t count;                   /**< numbers */
} cyf_torch_storage;

/** A view of a storage; every element lies inside it, and there are at most as many as it has. */
typedef struct cyf_torch_view {
  int64_t storage; /**< index */
  int64_t offset, count;
  int n_dims;
  int64_t shape[CYF_TORCH_DIMS_MAX], stride[CYF_TORCH_DIMS_MAX];
} cyf_torch_view;

typedef enum cyf_pickle_kind {
  CYF_PICKLE_NONE,
  CYF_PICKLE_BOOL,
  CYF_PICKLE_INT,
  CYF_PICKLE_REAL,
  CYF_PICKLE_TEXT,
  CYF_PICKLE_TUPLE,
  CYF_PICKLE_LIST,
  CYF_PICKLE_DICT,
  CYF_PICKLE_GLOBAL,
  CYF_PICKLE_STORAGE,
  CYF_PICKLE_TENSOR
} cyf_pickle_kind;

typedef struct cyf_pickle_value {
  cyf_pickle_kind kind;
  int64_t integer; /**< BOOL, INT; GLOBAL: private; STORAGE, TENSOR: index into storages, views */
  double real;
  const char *text; /**< TEXT: into the caller's bytes, n bytes, not terminated */
  int32_t *item;    /**< TUPLE, LIST: n values; DICT: n / 2 pairs of key and value, in their order */
  int64_t n, capacity;
} cyf_pickle_value;

typedef struct cyf_pickle {
  cyf_pickle_value *value; /**< value[root] is the whole */
  int64_t n_values;
  int32_t root;
  cyf_torch_storage *storage;
  int64_t n_storages;
  cyf_torch_view *view;
  int64_t n_views;
} cyf_pickle;

/** Reads the pickle; `name` stands for it in messages. The bytes are lent until destroy. Memory is bounded by about 200
 * bytes an opcode, and opcodes by a million; nothing recurses. Not collective. Errors: CYF_ERR_INPUT. */
cyf_status cyf_pickle_read(const char *name, const uint8_t *bytes, int64_t size, cyf_pickle *ret_pickle);
void cyf_pickle_destroy(cyf_pickle *pickle); /**< NULL-safe, zeroes */

/** The value of the dictionary's last entry under this key, -1 when absent (or `value` is no dictionary). */
int32_t cyf_pickle_get(const cyf_pickle *pickle, int32_t value, const char *key);

#endif
