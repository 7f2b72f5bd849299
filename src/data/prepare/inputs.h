/* SPDX-License-Identifier: MIT */
/** @file
 * What `prepare` takes from its inputs: one list of genes and of labels for all of them, and duplicate cells. "Local"
 * means that a rank does it by itself (job.h). */
#ifndef CYF_DATA_PREPARE_INPUTS_H
#define CYF_DATA_PREPARE_INPUTS_H

#include "data/prepare/job.h"

/* ---- genes: genes.c ---- */

/** Finds each of the file's genes among those in use; without a gene list, new ones are added. `seen` collects the
 * names of all inputs. Local. Errors: CYF_ERR_INPUT. */
cyf_status cyf_prepare_map_genes(cyf_prepare_job *job, cyf_h5ad *file, cyf_names *seen, cyf_prepare_input *input);
/** Prints how many genes of each input matched, and warns of inputs with few. Local, the same on each rank. Errors:
 * CYF_ERR_INPUT for an input of which no gene matches. */
cyf_status cyf_prepare_check_genes(const cyf_prepare_job *job);

/** genes_join.c: says how much of the atlas was never measured, and takes the genes that all inputs have where these
 * are asked for. Local, the same on each rank. Errors: CYF_ERR_INPUT where too much was not measured for a union that
 * was not asked for, and where no gene is in all inputs. */
cyf_status cyf_prepare_join_genes(cyf_prepare_job *job);

/* ---- labels: labels.c ---- */

/** Makes the attributes that the options ask for, without categories, and reads the label map. Local. Errors:
 * CYF_ERR_USAGE, CYF_ERR_INPUT. */
cyf_status cyf_prepare_start_labels(cyf_prepare_job *job);
/** Finds the file's label columns and adds their values, as the label map renames them, to the attributes' categories.
 * Local. Errors: CYF_ERR_INPUT. */
cyf_status cyf_prepare_map_labels(cyf_prepare_job *job, cyf_h5ad *file, cyf_prepare_input *input);
/** After the last input: warns of inputs without a label and of entries of the map that nothing uses. Local. Errors:
 * CYF_ERR_INPUT for a label that no input has. */
cyf_status cyf_prepare_check_labels(cyf_prepare_job *job);
/** Index of the label of that name among the options', -1 when absent. */
int64_t cyf_prepare_find_label(const cyf_prepare_job *job, const char *name);

/** Removes the categories that none of the cells that are left has; each rank reads its share of the inputs.
 * Collective.
 */
cyf_status cyf_prepare_drop_categories(cyf_prepare_job *job);
/** Frees the attributes, their columns and the label map; also when they were never made. */
void cyf_prepare_destroy_labels(cyf_prepare_job *job);

/* ---- what is odd and is told: oddities.c ---- */

/** Whether a name is empty, blank, or a word such as nan, NA or unknown that stands where a name is missing. */
bool cyf_is_placeholder(const char *name);
/** Notes a gene's name in unnamed_genes where it is such a placeholder. Local. */
void cyf_prepare_note_gene(cyf_prepare_job *job, const cyf_prepare_input *input, const char *name);
/** Warns of the genes that were noted. Local, the same on each rank. */
void cyf_prepare_tell_genes(const cyf_prepare_job *job);
/** Warns of cells whose ids are placeholders: n on this rank, `first` the first of them over all inputs. Collective.
 * Errors, agreed: CYF_ERR_INPUT. */
cyf_status cyf_prepare_tell_ids(cyf_prepare_job *job, int64_t n, int64_t first);
/** Adds up rows with several entries for one gene; the cell is the first's. */
void cyf_repeating_rows_add(const cyf_repeating_rows *more, cyf_repeating_rows *rows);
/** Warns of the rows of all ranks. Collective. */
cyf_status cyf_prepare_tell_repeating(cyf_prepare_job *job, const cyf_repeating_rows *rows);
/** Warns of labels that are plain numbers. Local, the same on each rank. */
void cyf_prepare_tell_numbers(const cyf_prepare_job *job);
/** Once the training cells are counted, warns of labels with one class, with classes that look like no value, and with
 * classes of few cells. Local, the same on each rank. */
void cyf_prepare_tell_classes(const cyf_prepare_job *job);

/* ---- duplicates: duplicates.c ---- */

/** Finds the cells whose id an earlier cell has, dropped cells aside, and does with them what the options say.
 * Collective. Errors, agreed: CYF_ERR_INPUT where they are refused, and where an input's ids are only row numbers. */
cyf_status cyf_prepare_find_duplicates(cyf_prepare_job *job);

/* ---- signals ---- */

/** Fails with CYF_ERR_INTERRUPTED after a signal; called between pieces of work while nothing is on disk yet. */
static inline cyf_status cyf_prepare_check_early_signal(void) {
  return cyf_interrupt_requested() == 0 ? CYF_OK
                                        : CYF_FAIL(CYF_ERR_INTERRUPTED, "a signal came before anything was written");
}

#endif
