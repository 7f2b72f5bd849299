/* SPDX-License-Identifier: MIT */
#include "data/prepare/id_table.h"

#include <stdbool.h>
#include <string.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"

/* One entry of a hash table with open addressing and linear probing: 24 bytes. */
typedef struct id_slot {
  cyf_id_hash hash;
  int64_t cell_and_one; /* 0: free */
} id_slot;

struct cyf_id_table {
  int64_t n, n_slots; /* a power of two */
  id_slot *slot;
};

/* Seeds of the two checksums that make a hash. Any two would do; these are the first digits of e and of pi. */
static const uint64_t seeds[2] = {UINT64_C(2718281828459045235), UINT64_C(3141592653589793238)};

cyf_id_hash cyf_id_hash_make(const char *id) {
  const size_t length = strlen(id);
  return (cyf_id_hash){{cyf_checksum(seeds[0], id, length), cyf_checksum(seeds[1], id, length)}};
}

/* The entry that holds the hash, or the free one where it belongs. It is chosen by word[1], since word[0] chose the
 * rank (duplicates.c) and is the same in all hashes of a table, modulo the number of ranks. */
static id_slot *find_slot(const cyf_id_table *table, cyf_id_hash hash) {
  const uint64_t mask = (uint64_t)table->n_slots - 1;
  uint64_t at = hash.word[1] & mask;
  for (;; at = (at + 1) & mask) {
    id_slot *slot = &table->slot[at];
    const bool is_same = slot->hash.word[0] == hash.word[0] && slot->hash.word[1] == hash.word[1];
    if (slot->cell_and_one == 0 || is_same) return slot;
  }
}

static bool is_full(int64_t n, int64_t n_slots) {
  return n > n_slots / 4 * 3;
}

cyf_status cyf_id_table_create(int64_t n_expected, cyf_id_table **ret_table) {
  cyf_id_table *table = NULL;
  *ret_table = NULL;
  CYF_TRY(CYF_NEW(&table, 1));
  table->n_slots = 64;
  while (is_full(n_expected, table->n_slots)) table->n_slots *= 2;
  const cyf_status status = CYF_NEW(&table->slot, table->n_slots);
  if (status != CYF_OK) cyf_free(table);
  *ret_table = table;
  return status;
}

void cyf_id_table_destroy(cyf_id_table **table) {
  if (!table || !*table) return;
  cyf_free((*table)->slot);
  cyf_free(*table);
}

static cyf_status grow(cyf_id_table *table) {
  cyf_id_table larger = {.n = table->n, .n_slots = 2 * table->n_slots};
  CYF_TRY(CYF_NEW(&larger.slot, larger.n_slots));
  for (int64_t i = 0; i < table->n_slots; i++)
    if (table->slot[i].cell_and_one != 0) *find_slot(&larger, table->slot[i].hash) = table->slot[i];
  cyf_free(table->slot);
  *table = larger;
  return CYF_OK;
}

cyf_status cyf_id_table_add(cyf_id_table *table, cyf_id_hash hash, int64_t cell, int64_t *ret_repeated) {
  *ret_repeated = -1;
  id_slot *slot = find_slot(table, hash);
  if (slot->cell_and_one != 0) {
    const int64_t least = slot->cell_and_one - 1;
    *ret_repeated = cell > least ? cell : least;
    if (cell < least) slot->cell_and_one = cell + 1;
    return CYF_OK;
  }
  *slot = (id_slot){hash, cell + 1};
  return is_full(++table->n, table->n_slots) ? grow(table) : CYF_OK;
}

int64_t cyf_id_table_find(const cyf_id_table *table, cyf_id_hash hash) {
  return find_slot(table, hash)->cell_and_one - 1;
}
