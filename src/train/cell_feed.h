/* SPDX-License-Identifier: MIT */
/** @file
 * The cell feed: batches of cells on their way to the device. They are uploaded as narrow integers, the way they are
 * stored, and expanded to values there. A batch is uploaded while the device still works on the one before. No function
 * here is collective. */
#ifndef CYF_TRAIN_CELL_FEED_H
#define CYF_TRAIN_CELL_FEED_H

#include "data/loader/loader.h"
#include "kernels/backend.h"

/** The feed of one stream of batches. */
typedef struct cyf_cell_feed cyf_cell_feed;

/** Makes a feed without a batch; the device must outlive it. The caller frees it with cyf_cell_feed_destroy. Errors:
 * CYF_ERR_MEMORY, CYF_ERR_DEVICE. */
cyf_status cyf_cell_feed_create(cyf_device *device, cyf_cell_feed **ret_feed);
/** Waits for the device, frees the feed and sets *feed to NULL. NULL-safe. */
void cyf_cell_feed_destroy(cyf_cell_feed **feed);

/** The form of batches that reaches this device fastest: VALUES (cyf_batch_form) where its memory is the host's, else
 * COMPACT. */
cyf_batch_form cyf_cell_feed_form(const cyf_device *device);

/** Gives the batch's cells [n_local, genes] and their totals[n_local] in device memory, which belongs to the feed.
 * Operations that are queued before the next call may read them. A batch that holds VALUES, on a device whose memory is
 * the host's, is given back as it is. The host waits for the device only where a batch needs more memory than all
 * before it. The batch's own memory must stay as it is until cyf_cell_feed_wait. Errors: CYF_ERR_MEMORY,
 * CYF_ERR_DEVICE, CYF_ERR_INTERNAL (VALUES for a device with memory of its own). */
cyf_status cyf_cell_feed_put(cyf_cell_feed *feed, const cyf_batch *batch, cyf_csr *ret_cells, const float **ret_total);
/** Waits until the last batch has been copied from host memory, so that the loader may use that memory again. Errors:
 * CYF_ERR_DEVICE. */
cyf_status cyf_cell_feed_wait(cyf_cell_feed *feed);

#endif
