/* SPDX-License-Identifier: MIT */
/** @file
 * Reading the pickle of a state dict: dictionaries, lists, tuples, numbers, strings, and tensors over storages that lie
 * elsewhere. A storage is PyTorch's flat array of numbers, of which tensors are views.
 *
 * This reads data and is no general unpickler. It knows the opcodes of protocol 2 that torch.save writes, and the few
 * globals (Python's names of functions and types) that a state dict uses. Each has one fixed meaning, and everything
 * else is refused by name. Nothing is imported, called or executed. Not collective. Formats: Python's
 * Lib/pickletools.py, and for the globals torch/_utils.py and torch/serialization.py. */
#ifndef CYF_DATA_TENSORS_TORCH_PICKLE_H
#define CYF_DATA_TENSORS_TORCH_PICKLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** The type of a storage's numbers. */
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

/** Most dimensions of a tensor, and digits of a storage's key, that are read. */
enum { CYF_TORCH_DIMS_MAX = 8, CYF_TORCH_KEY_MAX = 20 };

/** The type as a word: "float32" and so on. */
const char *cyf_torch_type_name(cyf_torch_type type);
/** Bytes of one number. */
int64_t cyf_torch_type_bytes(cyf_torch_type type);

/** A flat array of numbers, which lies in another entry of the archive. */
typedef struct cyf_torch_storage {
  cyf_torch_type type;
  char key[CYF_TORCH_KEY_MAX + 1]; /**< decimal digits: the entry data/KEY of the archive */
  int64_t count;                   /**< numbers */
} cyf_torch_storage;

/** A tensor: a view of a storage. Every element was checked to lie inside it, and there are at most as many as it has.
 */
typedef struct cyf_torch_view {
  int64_t storage;       /**< index of the storage */
  int64_t offset, count; /**< where the first element lies, and how many there are */
  int n_dims;
  int64_t shape[CYF_TORCH_DIMS_MAX], stride[CYF_TORCH_DIMS_MAX];
} cyf_torch_view;

/** What a value is. */
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

/** A value of the pickle. Values refer to each other by their indices in cyf_pickle. */
typedef struct cyf_pickle_value {
  cyf_pickle_kind kind;
  int64_t
      integer; /**< BOOL, INT: itself; STORAGE, TENSOR: index among storages, views; GLOBAL: which, for the reader */
  double real;
  const char *text; /**< TEXT: n bytes within the caller's, without a NUL at the end */
  int32_t *item;    /**< TUPLE, LIST: n values; DICT: n / 2 pairs of key and value, in their order */
  int64_t n, capacity;
} cyf_pickle_value;

/** A pickle that was read. */
typedef struct cyf_pickle {
  cyf_pickle_value *value; /**< value[root] holds all others */
  int64_t n_values;
  int32_t root;
  cyf_torch_storage *storage;
  int64_t n_storages;
  cyf_torch_view *view;
  int64_t n_views;
} cyf_pickle;

/** Reads a pickle of bytes[size], which must stay until destroy; `name` stands for it in messages.
 *
 * Files may be hostile: memory is at most about 200 bytes an opcode, there are at most a million opcodes, and nothing
 * recurses. Errors: CYF_ERR_INPUT; *ret_pickle is empty then. */
cyf_status cyf_pickle_read(const char *name, const uint8_t *bytes, int64_t size, cyf_pickle *ret_pickle);
/** Frees the pickle's memory and zeroes it; NULL-safe. */
void cyf_pickle_destroy(cyf_pickle *pickle);

/** Index of the value under this key in the dictionary `value`, of the last where there are several. -1 when the key is
 * absent or `value` is no dictionary. */
int32_t cyf_pickle_get(const cyf_pickle *pickle, int32_t value, const char *key);

#endif
