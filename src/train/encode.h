/* SPDX-License-Identifier: MIT */
/** @file
 * Encoding an atlas into the latent store (data/latents/latents.h). */
#ifndef CYF_TRAIN_ENCODE_H
#define CYF_TRAIN_ENCODE_H

#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/h5ad/values.h"
#include "data/latents/latents.h"
#include "kernels/device.h"
#include "model/autoencoder.h"

/** Encodes every cell of the atlas, whose genes must be the model's, and writes the latents to `directory`. Latents
 * have unit length; batch norms use their running statistics. Cells are encoded in blocks that depend on the atlas
 * alone, so a cell's latent is the same for any number of ranks. Files (parts) that are whole already are kept; ranks
 * share the others evenly. rescaling: of the atlas' cells to
 * the model's scale. model_checksum: of the model's weights (cyf_parameters_checksum), kept in each file. Memory:
 * a part's latents and two blocks of cells. Logs progress and the rate. Collective. Errors: CYF_ERR_INTERRUPTED after a
 * signal (finished parts stay), CYF_ERR_INPUT, CYF_ERR_IO; agreed over ranks. */
cyf_status cyf_encode_parts(cyf_comm *comm, cyf_device *device, const cyf_atlas *atlas, const cyf_rescaling *rescaling,
                            const cyf_autoencoder *model, uint64_t model_checksum, cyf_latent_type type,
                            const char *directory);
/** The rescaling of an atlas' cells for a model that is trained on them. */
cyf_rescaling cyf_encode_own_rescaling(const cyf_atlas *atlas);

#endif
