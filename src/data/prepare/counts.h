/* SPDX-License-Identifier: MIT */
/** @file
 * What `prepare` counts as it spills a unit of cells, and the form of these numbers in the unit's file.
 *
 * A run that goes on after a stop, on any number of ranks, thus adds up the same numbers as one that was never stopped.
 * Not collective. */
#ifndef CYF_DATA_PREPARE_COUNTS_H
#define CYF_DATA_PREPARE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/atlas/atlas.h"

/** What is counted of one gene over some cells. */
typedef struct cyf_value_counts {
  int64_t cells;     /**< in how many it is detected */
  uint64_t checksum; /**< sum of entry checksums; modulo 2^48 once packed */
  int64_t sum;       /**< of counts; 0 where values are no counts */
} cyf_value_counts;

/** One gene over the training cells and over those held out. */
typedef struct cyf_gene_counts {
  cyf_value_counts train, heldout;
} cyf_gene_counts;

/** What is counted of a unit, or of several that were added up. */
typedef struct cyf_unit_counts {
  int64_t n_genes, n_attributes;
  cyf_gene_counts *gene;  /**< [n_genes] */
  int64_t **label_cells;  /**< [n_attributes][categories] training cells */
  int64_t *n_categories;  /**< [n_attributes] */
  int64_t label_checksum; /**< sum of training cells' label checksums, modulo 2^48 */
  int64_t heldout_label_checksum;
  int64_t n_train, n_heldout;
  uint64_t *train_name, *heldout_name; /**< checksums of the cells' names in order; NULL where none is kept */
} cyf_unit_counts;

/** Makes counts of zero for up to unit_cells cells, with checksums of their names only where with_names. The caller
 * destroys *ret_counts, also after an error. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_unit_counts_create(int64_t n_genes, const cyf_attribute *attribute, int64_t n_attributes,
                                  int64_t unit_cells, bool with_names, cyf_unit_counts *ret_counts);
/** Sets all counts to zero, for the next unit. */
void cyf_unit_counts_clear(cyf_unit_counts *counts);
/** Frees what the struct points to; its fields may be NULL. */
void cyf_unit_counts_destroy(cyf_unit_counts *counts);
/** Packs the counts into fresh memory, which the caller frees with cyf_free. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_unit_counts_pack(const cyf_unit_counts *counts, uint8_t **ret_bytes, int64_t *ret_n_bytes);
/** Adds packed counts to `counts`, all but the names. Errors: CYF_ERR_IO when they are damaged. */
cyf_status cyf_unit_counts_add(const uint8_t *bytes, int64_t n_bytes, cyf_unit_counts *counts);
/** Finds the checksums of names in packed counts, of training or of held-out cells. *ret_names, [*ret_n] numbers of 64
 * bits, points into `bytes` and is unaligned. Errors: CYF_ERR_IO when they are damaged. */
cyf_status cyf_unit_counts_names(const uint8_t *bytes, int64_t n_bytes, bool train, const uint8_t **ret_names,
                                 int64_t *ret_n);

#endif
