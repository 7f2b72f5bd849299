/* SPDX-License-Identifier: MIT */
/** @file
 * Batches of cells on their way to the device: uploaded as they are stored, expanded there, the next one while the
 * device still works on the last. */
#ifndef CYF_TRAIN_CELL_FEED_H
#define CYF_TRAIN_CELL_FEED_H

#include "data/loader/loader.h"
#include "kernels/backend.h"

typedef struct cyf_cell_feed cyf_cell_feed;

/** Not collective. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_cell_feed_create(cyf_device *device, cyf_cell_feed **ret_feed);
/** Waits for the device. NULL-safe. */
void cyf_cell_feed_destroy(cyf_cell_feed **feed);

/** The form of batches that reaches this device fastest: VALUES where its memory is the host's, else COMPACT. */
cyf_batch_form cyf_cell_feed_form(const cyf_device *device);

/** The batch as cells in device memory, with their totals[n_local], for operations queued until the next call; the
 * batch itself where it holds VALUES and the device's memory is the host's. The host does not wait for the device,
 * except where a batch needs more memory than all before it. The batch's memory must stay until cyf_cell_feed_wait. */
cyf_status cyf_cell_feed_put(cyf_cell_feed *feed, const cyf_batch *batch, cyf_csr *ret_cells, const float **ret_total);
/** Waits until the last batch has been read from the host's memory, so that the loader may have it back. */
cyf_status cyf_cell_feed_wait(cyf_cell_feed *feed);

#endif
