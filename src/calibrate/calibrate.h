/* SPDX-License-Identifier: MIT */
/** @file
 * The strength of guidance that a model has by default: such that a classifier tells generated cells of a class as
 * often as real ones, and not more often. */
#ifndef CYF_CALIBRATE_CALIBRATE_H
#define CYF_CALIBRATE_CALIBRATE_H

#include <stdint.h>

#include "comm/comm.h"
#include "kernels/device.h"

/** Calibrates guidance of each attribute that the atlas has too and that something guides, and writes the strengths
 * into the model's file (cyf_model_attribute.guidance), which otherwise stays as it is.
 *
 * A linear discriminant analysis on 50 principal components of the real cells' log-expression is the judge. It is
 * cross-fitted: each real cell is told by a classifier that has not seen it, one of five, and each generated cell by
 * one of the five. Cells are generated with the attribute's label alone, by the model's usual guide and sampler, drawn
 * and normalised like the real ones, at strengths from 1 to 4. calibrate/strengths.h says what is chosen. The numbers
 * are the same for any number of ranks.
 *
 * Where cells of a strength are not finite there is no calibration of that attribute, which is warned of. A model
 * without a denoiser is left alone, and so is one whose settings say sample.calibrate: false. device: the model is
 * loaded to it. Collective. Errors, agreed: those of cyf_model_load, cyf_atlas_open, cyf_model_lock and cyf_model_save;
 * CYF_ERR_INTERRUPTED after a signal. */
cyf_status cyf_calibrate(cyf_comm *comm, cyf_device *device, const char *model_path, const char *atlas_path);

/** The number of cells that are generated for an attribute of so many classes. */
int64_t cyf_calibrate_n_cells(int64_t n_classes);

#endif
