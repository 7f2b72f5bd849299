/* SPDX-License-Identifier: MIT */
/** @file
 * Where training on counts starts from: gene shares, dispersions and totals of some thousand cells. */
#ifndef CYF_TRAIN_COUNTS_START_H
#define CYF_TRAIN_COUNTS_START_H

#include "comm/comm.h"
#include "data/loader/loader.h"
#include "model/autoencoder.h"

/** Takes batches of `loader` until about 8,192 cells of the atlas were seen (an epoch at most) and gives their shares,
 * moment estimates of the dispersions and log totals to the autoencoder; the same on every rank. The loader has moved
 * on afterwards. Collective. Errors: as cyf_loader_next, agreed; CYF_ERR_INPUT where the cells hold no count. */
cyf_status cyf_start_from_counts(cyf_comm *comm, cyf_loader *loader, cyf_autoencoder *autoencoder);

#endif
