/* SPDX-License-Identifier: MIT */
/** @file
 * Columns that real cells bring along from their file into a file of generated ones. No function here is collective. */
#ifndef CYF_SAMPLE_CARRIED_COLUMN_H
#define CYF_SAMPLE_CARRIED_COLUMN_H

#include <stdbool.h>

#include "data/h5ad/writer.h"
#include "data/tables/labels.h"

/** Writes an obs column of n cells under a name, which may be another than the column's own. The first labels->n_cells
 * have the labels, the others none. is_numeric: the labels are numbers. They are written as float64, but as text, with
 * a warning, where a whole number is too large for float64 to hold. Errors: those of cyf_h5ad_writer_add_labels,
 * CYF_ERR_MEMORY. */
cyf_status cyf_write_carried_column(const cyf_label_column *labels, bool is_numeric, const char *name, int64_t n,
                                    cyf_h5ad_writer *writer);

#endif
