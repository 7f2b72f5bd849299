/* SPDX-License-Identifier: MIT */
/** @file
 * How much of a cell is left once it is noised to a timestep. Not collective. */
#ifndef CYF_MODEL_DIFFUSION_SIGNAL_SHARE_H
#define CYF_MODEL_DIFFUSION_SIGNAL_SHARE_H

#include <stdint.h>

#include "model/diffusion/schedule.h"

/** What a noised latent consists of. rms is the root mean square of its coordinates before, as scaled for diffusion. */
typedef struct cyf_signal {
  double signal; /**< sqrt(alpha_bar) * rms: the root mean square of what is left of the latent */
  double noise;  /**< sqrt(1 - alpha_bar): that of the noise */
  double share;  /**< signal^2 / (signal^2 + noise^2): the signal's part of the power */
} cyf_signal;

/** The signal and the noise at timestep t of a full schedule. */
cyf_signal cyf_signal_at(const cyf_schedule *full, double rms, int t);
/** The latest timestep that leaves at least this share of the power, 0 where none does. */
int cyf_signal_timestep(const cyf_schedule *full, double rms, double share);
/** Root mean square of scale * values[count], which are on the host. */
double cyf_signal_rms(const float *values, int64_t count, double scale);

#endif
