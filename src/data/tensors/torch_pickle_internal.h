/* SPDX-License-Identifier: MIT */
/** @file
 * Shared by the files of the pickle reader; not for others.
 *
 * A pickle is a program for a machine with a stack of values. Opcodes push values onto the stack, or take some off it
 * and push what is made of them. A mark on the stack tells a later opcode how far down to take values. The memo is a
 * numbered list of values that were met before and may be pushed again. */
#ifndef CYF_DATA_TENSORS_TORCH_PICKLE_INTERNAL_H
#define CYF_DATA_TENSORS_TORCH_PICKLE_INTERNAL_H

#include "data/tensors/torch_pickle.h"

/** The globals that are known: Python's functions and types that a state dict names. From CYF_GLOBAL_STORAGE on they
 * are the storage types, in the order of cyf_torch_type. */
typedef enum cyf_pickle_global {
  CYF_GLOBAL_ORDERED_DICT,
  CYF_GLOBAL_REBUILD_TENSOR,
  CYF_GLOBAL_REBUILD_PARAMETER,
  CYF_GLOBAL_STORAGE
} cyf_pickle_global;

/** The reader's state. */
typedef struct cyf_pickle_reader {
  const char *name; /**< for messages */
  const uint8_t *bytes;
  int64_t size, at; /**< bytes[at] is read next */
  cyf_pickle *p;    /**< what has been read */
  int64_t values_capacity, storages_capacity, views_capacity;
  int32_t *stack; /**< [n_stack] indices of values, or CYF_PICKLE_MARK */
  int64_t n_stack, stack_capacity;
  int32_t *memo; /**< [n_memo] indices of values; -1: none */
  int64_t n_memo;
} cyf_pickle_reader;

/** The error for an opcode that is not read, by its name. */
cyf_status cyf_pickle_refuse_opcode(const cyf_pickle_reader *r, uint8_t code);

/** What stands on the stack for a mark. */
enum { CYF_PICKLE_MARK = -1 };

/** The error for damage at the byte that is being read. */
cyf_status cyf_pickle_broken(const cyf_pickle_reader *r, const char *why);

/** Pushes a new value onto the stack; *ret_value, which may be NULL, is valid until the next push. */
cyf_status cyf_pickle_push(cyf_pickle_reader *r, cyf_pickle_kind kind, cyf_pickle_value **ret_value);
/** Pushes a value that was made before, or a mark. */
cyf_status cyf_pickle_push_index(cyf_pickle_reader *r, int32_t value);
/** Takes the top value off the stack. Errors: CYF_ERR_INPUT where there is none above the last mark. */
cyf_status cyf_pickle_pop(cyf_pickle_reader *r, int32_t *ret_value);
/** The top value, which stays on the stack. Errors: as cyf_pickle_pop. */
cyf_status cyf_pickle_peek(const cyf_pickle_reader *r, int32_t *ret_value);
/** Adds an item to a list or a dictionary. */
cyf_status cyf_pickle_append(cyf_pickle_value *to, int32_t item);

/** Opcode GLOBAL: pushes the global of that module and name, texts of module_n and name_n bytes. Errors: CYF_ERR_INPUT,
 * naming it, where it is not known. */
cyf_status cyf_pickle_global_push(cyf_pickle_reader *r, const char *module, int64_t module_n, const char *name,
                                  int64_t name_n);
/** Opcode REDUCE, in Python a call: takes arguments and a global off the stack and pushes what the global makes of
 * them: an empty dictionary or a tensor. */
cyf_status cyf_pickle_reduce(cyf_pickle_reader *r);
/** Opcode BINPERSID: takes a storage's description off the stack and pushes the storage. */
cyf_status cyf_pickle_persistent(cyf_pickle_reader *r);
/** Opcode BUILD: takes a dictionary's further attributes (a state dict's _metadata) off the stack and forgets them. */
cyf_status cyf_pickle_build(cyf_pickle_reader *r);

#endif
