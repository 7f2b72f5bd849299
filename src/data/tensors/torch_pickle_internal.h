/* SPDX-License-Identifier: MIT */
/** @file
 * Shared by the files of the pickle reader; not for others. */
#ifndef CYF_DATA_TENSORS_TORCH_PICKLE_INTERNAL_H
#define CYF_DATA_TENSORS_TORCH_PICKLE_INTERNAL_H

#include "data/tensors/torch_pickle.h"

/** The globals that are known. Storage types follow in the order of cyf_torch_type. */
typedef enum cyf_pickle_global {
  CYF_GLOBAL_ORDERED_DICT,
  CYF_GLOBAL_REBUILD_TENSOR,
  CYF_GLOBAL_REBUILD_PARAMETER,
  CYF_GLOBAL_STORAGE
} cyf_pickle_global;

typedef struct cyf_pickle_reader {
  const char *name;
  const uint8_t *bytes;
  int64_t size, at;
  cyf_pickle *p;
  int64_t values_capacity, storages_capacity, views_capacity;
  int32_t *stack;
  int64_t n_stack, stack_capacity;
  int32_t *memo; /**< -1: empty */
  int64_t n_memo;
} cyf_pickle_reader;

/** The error for an opcode that is not read, by its name. */
cyf_status cyf_pickle_refuse_opcode(const cyf_pickle_reader *r, uint8_t code);

/** Stands on the stack for a mark, where values are indices. */
enum { CYF_PICKLE_MARK = -1 };

/** The error for damage at the place that is being read. */
cyf_status cyf_pickle_broken(const cyf_pickle_reader *r, const char *why);

/** A new value on the stack; *ret_value is valid until the next push. */
cyf_status cyf_pickle_push(cyf_pickle_reader *r, cyf_pickle_kind kind, cyf_pickle_value **ret_value);
/** A value that is there already, or a mark. */
cyf_status cyf_pickle_push_index(cyf_pickle_reader *r, int32_t value);
/** Takes the value on top. Errors: CYF_ERR_INPUT where there is none above the last mark. */
cyf_status cyf_pickle_pop(cyf_pickle_reader *r, int32_t *ret_value);
/** The value on top, which stays. Errors: as above. */
cyf_status cyf_pickle_peek(const cyf_pickle_reader *r, int32_t *ret_value);
/** Adds an item to a list or a dictionary. */
cyf_status cyf_pickle_append(cyf_pickle_value *to, int32_t item);

/** GLOBAL module name. Errors: CYF_ERR_INPUT for one that is not known, naming it. */
cyf_status cyf_pickle_global_push(cyf_pickle_reader *r, const char *module, int64_t module_n, const char *name,
                                  int64_t name_n);
/** REDUCE: callable and arguments from the stack, the result onto it. */
cyf_status cyf_pickle_reduce(cyf_pickle_reader *r);
/** BINPERSID: a storage from its description on the stack. */
cyf_status cyf_pickle_persistent(cyf_pickle_reader *r);
/** BUILD: a dictionary's further attributes (a state dict's _metadata) are passed over. */
cyf_status cyf_pickle_build(cyf_pickle_reader *r);

#endif
