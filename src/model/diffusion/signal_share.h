/* SPDX-License-Identifier: MIT */
/** @file
 * How much of a cell is left once it is noised to a timestep. */
#ifndef CYF_MODEL_DIFFUSION_SIGNAL_SHARE_H
#define CYF_MODEL_DIFFUSION_SIGNAL_SHARE_H

#include <stdint.h>

#include "model/diffusion/schedule.h"

/** At timestep t a latent of this root mean square r a coordinate (scaled as it is diffused) is the signal
 * sqrt(alpha_bar) r beside the noise sqrt(1 - alpha_bar); the share is that of the power. */
typedef struct cyf_signal {
  double signal, noise, share;
} cyf_signal;

cyf_signal cyf_signal_at(const cyf_schedule *full, double rms, int t);
/** The latest timestep that leaves at least this share, 0 where none does. */
int cyf_signal_timestep(const cyf_schedule *full, double rms, double share);
/** Root mean square of `count` values times scale. */
double cyf_signal_rms(const float *values, int64_t count, double scale);

#endif
