/* SPDX-License-Identifier: MIT */
/** @file
 * Cell ids by their hashes: which of them came before. */
#ifndef CYF_DATA_PREPARE_ID_TABLE_H
#define CYF_DATA_PREPARE_ID_TABLE_H

#include <stdint.h>

#include "base/status.h"

/** 128 bits that stand for an id. Two of n different ids share them with a chance of about n^2 / 2^129: 10^-23 at 100
 * million cells, so that ids themselves need not be kept or compared. */
typedef struct cyf_id_hash {
  uint64_t word[2];
} cyf_id_hash;

cyf_id_hash cyf_id_hash_make(const char *id);

/** The least cell of each id. Memory follows the distinct ids, not the cells: 32 to 64 bytes each. */
typedef struct cyf_id_table cyf_id_table;

/** n_expected: distinct ids for which there is room at once. */
cyf_status cyf_id_table_create(int64_t n_expected, cyf_id_table **ret_table);
void cyf_id_table_destroy(cyf_id_table **table); /**< NULL-safe */
/** Enters a cell. *ret_repeated is -1 when the id is new, otherwise the greater of this cell and the least one so far:
 * over all calls, in any order, each cell but the least of its id is returned once. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_id_table_add(cyf_id_table *table, cyf_id_hash hash, int64_t cell, int64_t *ret_repeated);
/** The least cell of the id, -1 when absent. */
int64_t cyf_id_table_find(const cyf_id_table *table, cyf_id_hash hash);

#endif
