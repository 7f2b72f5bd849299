/* SPDX-License-Identifier: MIT */
/** @file
 * Cells of an atlas to compare generated ones with: as many of each class of a label as there can be. */
#ifndef CYF_CALIBRATE_REAL_CELLS_H
#define CYF_CALIBRATE_REAL_CELLS_H

#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "kernels/csr.h"
#include "saved/settings.h"

/** The cells. Owns its members. */
typedef struct cyf_real_cells {
  cyf_csr_buffer rows; /**< [n_cells, genes] log-normalised */
  int32_t *code;       /**< [n_cells] class of each; none is negative */
} cyf_real_cells;

/** The most cells that are taken: about 100 MB of an atlas of 2,000 detected genes a cell. */
enum { CYF_REAL_CELLS_MAX = 6000 };

/** Streams the atlas and keeps the cells with a label of the attribute, by their places in the atlas. An atlas of more
 * than CYF_REAL_CELLS_MAX cells gives that many, each class about as many as the others. The cells depend on the atlas
 * and the settings `data` alone, not on the number of ranks. Rank 0 gets them, the others none. The caller frees them
 * with cyf_real_cells_destroy. Collective. Errors, agreed: those of cyf_loader_create and cyf_loader_next,
 * CYF_ERR_COMM, CYF_ERR_MEMORY. */
cyf_status cyf_real_cells_read(cyf_comm *comm, const cyf_atlas *atlas, const cyf_settings *settings, int64_t attribute,
                               cyf_real_cells *ret_cells);
/** Frees what the struct holds and zeroes it. NULL-safe. */
void cyf_real_cells_destroy(cyf_real_cells *cells);

#endif
