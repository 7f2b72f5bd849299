/* SPDX-License-Identifier: MIT */
/** @file
 * The labels of a transfer: which cells of a file are taken to other labels, what they keep, and what obs says of them
 * afterwards. No function here is collective. */
#ifndef CYF_SAMPLE_TRANSFER_LABELS_H
#define CYF_SAMPLE_TRANSFER_LABELS_H

#include <stdbool.h>

#include "sample/conditions.h"

/** Which cells are to get which labels; texts belong to the caller. */
typedef struct cyf_transfer_labels_asked {
  const char *path;          /**< of the file with the start cells */
  const cyf_texts *to;       /**< ATTR=VALUE, at least one: labels that the cells are to get */
  const cyf_texts *from;     /**< ATTR=VALUE: only cells with these labels are taken */
  const cyf_texts *guidance; /**< as sample/guidance.h reads it */
} cyf_transfer_labels_asked;

/** A label that cells are to get, or must have. */
typedef struct cyf_transfer_label {
  int64_t attribute, code; /**< place in the model, and the value's code */
} cyf_transfer_label;

/** A column of obs. */
typedef struct cyf_transfer_column {
  cyf_label_column labels; /**< of the cells; owned */
  bool is_numeric;         /**< its categories are numbers */
} cyf_transfer_column;

/** The labels of the start cells. Owns its arrays. */
typedef struct cyf_transfer_labels {
  cyf_transfer_label *to; /**< [n_to] */
  int64_t n_to;
  cyf_transfer_column *column; /**< [n_columns] all obs columns of the file: of its cells, later of the start cells */
  int64_t n_columns;
  int64_t *row; /**< [n_rows] places in the file of the cells that can be taken, ascending */
  int64_t n_rows;
} cyf_transfer_labels;

/** Reads obs of the file and finds the cells that can be taken. They have all labels of `from`, and in each attribute
 * of `to` a label that the model knows. Cells that have all labels of `to` already are left out. The caller frees the
 * result with cyf_transfer_labels_destroy. Errors: CYF_ERR_USAGE (malformed, unknown attribute or value, an attribute
 * twice), CYF_ERR_INPUT (no such column, no cell that can be taken). */
cyf_status cyf_transfer_labels_read(const cyf_model *model, const cyf_transfer_labels_asked *asked,
                                    cyf_transfer_labels *ret_labels);
/** Keeps the labels of n start cells, which are row[n] of the file, in that order. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_transfer_labels_take(cyf_transfer_labels *labels, int64_t n, const int64_t *row);
/** Makes the conditions of n cells: under ret_own their own labels, under ret_target the same with those of `to`. Of
 * the other attributes, those that can guide and that the file has are kept; a cell whose label the model does not know
 * is asked for nothing there. Without asked->guidance, weights are 2 of `to` and 1 of what is kept. The caller frees
 * both with cyf_conditions_destroy. Errors: CYF_ERR_USAGE (nothing guides an attribute of `to`; guidance of an
 * attribute that is not asked for), CYF_ERR_MEMORY. */
cyf_status cyf_transfer_conditions(const cyf_model *model, const cyf_transfer_labels *labels, int64_t n,
                                   const cyf_transfer_labels_asked *asked, cyf_conditions *ret_own,
                                   cyf_conditions *ret_target);
/** Writes obs: the attributes of `to` as they are now, start_ATTR as they were, and all other columns of the file.
 * Errors: CYF_ERR_IO, CYF_ERR_MEMORY. */
cyf_status cyf_transfer_labels_write(const cyf_model *model, const cyf_transfer_labels *labels, int64_t n,
                                     cyf_h5ad_writer *writer);
/** Frees what the labels hold. NULL-safe. */
void cyf_transfer_labels_destroy(cyf_transfer_labels *labels);

#endif
