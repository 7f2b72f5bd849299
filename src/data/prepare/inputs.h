/* SPDX-License-Identifier: MIT */
/** @file
 * What `prepare` takes in: genes and labels of the inputs fitted together, and cells chosen by their obs. */
#ifndef CYF_DATA_PREPARE_INPUTS_H
#define CYF_DATA_PREPARE_INPUTS_H

#include "data/prepare/job.h"

/* ---- genes: genes.c ---- */
/** Places the file's genes among those in use; without a gene list, new ones are added. `seen` collects the names of
 * all inputs. Local. */
cyf_status cyf_prepare_map_genes(cyf_prepare_job *job, cyf_h5ad *file, cyf_names *seen, cyf_prepare_input *input);
/** Prints how many genes of each input matched and warns of those with few. Local (the same on each rank). Errors:
 * CYF_ERR_INPUT for an input of which no gene matches. */
cyf_status cyf_prepare_check_genes(const cyf_prepare_job *job);

/* ---- labels: labels.c ---- */
/** Reads what labels the options ask for, and the label map; makes the attributes, without categories. Local. */
cyf_status cyf_prepare_start_labels(cyf_prepare_job *job);
/** Finds the file's label columns and adds their values, by way of the label map, to the attributes' categories. Local.
 */
cyf_status cyf_prepare_map_labels(cyf_prepare_job *job, cyf_h5ad *file, cyf_prepare_input *input);
/** After the last input: warns of inputs without a label and of entries of the map that nothing uses. Local. Errors:
 * CYF_ERR_INPUT for a label that no input has. */
cyf_status cyf_prepare_check_labels(cyf_prepare_job *job);
/** Place of the label of that name, -1 when absent. */
int64_t cyf_prepare_find_label(const cyf_prepare_job *job, const char *name);

/** @{ */
/** Removes the categories that no cell is left with; each rank reads its share of the inputs. Collective. */
cyf_status cyf_prepare_drop_categories(cyf_prepare_job *job);
void cyf_prepare_destroy_labels(cyf_prepare_job *job);
/** @} */

/* ---- duplicates: duplicates.c ---- */
/** Finds the cells whose id an earlier cell has, dropped cells aside, and does with them what the options say.
 * Collective. Errors: CYF_ERR_INPUT where they are refused, and where an input's ids are only row numbers; agreed. */
cyf_status cyf_prepare_find_duplicates(cyf_prepare_job *job);

/* ---- signals ---- */
/** Polled between pieces of work while nothing is on disk yet. */
static inline cyf_status cyf_prepare_check_early_signal(void) {
  return cyf_interrupt_requested() == 0 ? CYF_OK
                                        : CYF_FAIL(CYF_ERR_INTERRUPTED, "a signal came before anything was written");
}

/** The input that holds a cell of that number over all inputs. */
const cyf_prepare_input *cyf_prepare_input_of(const cyf_prepare_job *job, int64_t cell);

#endif
