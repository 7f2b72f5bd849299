/* SPDX-License-Identifier: MIT */
/** @file
 * Initial values for training on counts (autoencoder.likelihood: nb): gene shares, dispersions and totals of some
 * thousand cells. */
#ifndef CYF_TRAIN_COUNTS_START_H
#define CYF_TRAIN_COUNTS_START_H

#include "comm/comm.h"
#include "data/loader/loader.h"
#include "model/autoencoder.h"

/** Takes batches of `loader` until about 8,192 cells of the atlas were seen, an epoch at most. From them the
 * autoencoder gets each gene's share of all counts, its dispersion by the method of moments, and the cells' log totals;
 * the same on every rank. Batches that were taken are gone from the loader. Collective. Errors: those of
 * cyf_loader_next, agreed; CYF_ERR_INPUT where the cells hold no count. */
cyf_status cyf_start_from_counts(cyf_comm *comm, cyf_loader *loader, cyf_autoencoder *autoencoder);

#endif
