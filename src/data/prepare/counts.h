/* SPDX-License-Identifier: MIT */
/** @file
 * What `prepare` counts as it spills a unit of cells, and its form in the unit's file: so a run that goes on, on any
 * number of ranks, adds up the same numbers as one that was never stopped. */
#ifndef CYF_DATA_PREPARE_COUNTS_H
#define CYF_DATA_PREPARE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/atlas/atlas.h"

/** Of one gene over some cells. */
typedef struct cyf_value_counts {
  int64_t cells;     /**< in which it is detected */
  uint64_t checksum; /**< sum of entry checksums; modulo 2^48 once packed */
  int64_t sum;       /**< of counts; 0 where values are no counts */
} cyf_value_counts;

typedef struct cyf_gene_counts {
  cyf_value_counts train, heldout;
} cyf_gene_counts;

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

/** @{ */
/** Room for the counts of up to unit_cells cells; names for those only where with_names. */
cyf_status cyf_unit_counts_create(int64_t n_genes, const cyf_attribute *attribute, int64_t n_attributes,
                                  int64_t unit_cells, bool with_names, cyf_unit_counts *ret_counts);
void cyf_unit_counts_clear(cyf_unit_counts *counts);
/** @} */

void cyf_unit_counts_destroy(cyf_unit_counts *counts); /**< NULL-safe fields */
/** Packs the counts into fresh memory (cyf_free). */
cyf_status cyf_unit_counts_pack(const cyf_unit_counts *counts, uint8_t **ret_bytes, int64_t *ret_n_bytes);
/** Adds packed counts to `counts` (names are left out). Errors: CYF_ERR_IO when they are damaged. */
cyf_status cyf_unit_counts_add(const uint8_t *bytes, int64_t n_bytes, cyf_unit_counts *counts);
/** Checksums of the names in packed counts: of training or held-out cells; *ret_names points into `bytes`, unaligned.
 */
cyf_status cyf_unit_counts_names(const uint8_t *bytes, int64_t n_bytes, bool train, const uint8_t **ret_names,
                                 int64_t *ret_n);

#endif
