/* SPDX-License-Identifier: MIT */
/** @file
 * Real cells taken to other labels, as control cells to a treatment. A cell is noised without chance, by the reverse
 * process run backwards under its own labels (DDIM inversion; Song et al. 2021, section 4.3). The noise then says which
 * of the cells with these labels it is. The reverse process goes back from there under the new labels. */
#ifndef CYF_SAMPLE_TRANSFER_H
#define CYF_SAMPLE_TRANSFER_H

#include "sample/generator.h"
#include "sample/start_cells.h"
#include "sample/transfer_labels.h"

/** A transfer: its start cells, and what they are and become. Owns its members. */
typedef struct cyf_transfer {
  cyf_start_cells start;
  cyf_transfer_labels labels;
  cyf_conditions own;    /**< labels of the start cells as they are; the generator's conditions are the new ones */
  cyf_start_noise noise; /**< how far the start cells are noised */
} cyf_transfer;

/** `asked` with what it leaves open filled in: ddim and 50 steps (all, where the model has no more), of which those up
 * to t_init are taken. */
cyf_reverse cyf_transfer_reverse(const cyf_reverse *asked, const cyf_settings *settings);
/** Makes the block's cells, as cyf_generator_block does. The generator's schedule ends at transfer->noise.t_init; its
 * conditions are the labels that the start cells are to have. Not collective. Errors: those of cyf_generator_block. */
cyf_status cyf_transfer_block(const cyf_transfer *transfer, const cyf_generator *generator, int thread,
                              cyf_cell_block *block);
/** Frees what the transfer holds; a zeroed one holds nothing. */
void cyf_transfer_destroy(cyf_transfer *transfer);

#endif
