/* SPDX-License-Identifier: MIT */
/** @file
 * Encoding an atlas into the latent store (data/latents/latents.h). */
#ifndef CYF_TRAIN_ENCODE_H
#define CYF_TRAIN_ENCODE_H

#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/latents/latents.h"
#include "kernels/device.h"
#include "model/autoencoder.h"

/** Encodes every cell of the atlas into `directory`: unit-length latents, with running statistics, in blocks that
 * depend on the atlas alone, so that a cell's latent is the same for any number of ranks. Parts that are whole already
 * are kept; the others are shared out evenly. Memory: a part's latents and a block of cells. Logs progress and the
 * rate. The atlas must have the model's genes. Collective. Errors: CYF_ERR_INTERRUPTED after a signal (finished parts
 * stay), CYF_ERR_INPUT, CYF_ERR_IO; agreed over ranks. */
cyf_status cyf_encode_parts(cyf_comm *comm, cyf_device *device, const cyf_atlas *atlas, const cyf_autoencoder *model,
                            uint64_t model_checksum, cyf_latent_type type, const char *directory);

#endif
