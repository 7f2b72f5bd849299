/* SPDX-License-Identifier: MIT */
/** @file
 * DPM-Solver++(2M), Lu et al. 2022 (arXiv 2211.01095), algorithm 2. It solves the probability-flow equation for the
 * predicted x_0. Its variable is lambda = log(sqrt(alpha_bar) / sqrt(1 - alpha_bar)), half the log signal-to-noise
 * ratio. */
#ifndef CYF_MODEL_DIFFUSION_MULTISTEP_H
#define CYF_MODEL_DIFFUSION_MULTISTEP_H

#include <stdbool.h>

#include "kernels/backend.h"
#include "model/diffusion/schedule.h"

/** Coefficients of step i of the schedule, 0 <= i < n, on the way from its last step (i = n - 1) to x_0 (i = 0). Steps
 * are of second order, but for two. The first one taken has no step before it, and the last one goes to lambda =
 * infinity. Both are of first order, which is DDIM with eta 0. clip: clip x_0 to [-1, 1]. Not collective. */
cyf_multistep cyf_multistep_make(const cyf_schedule *schedule, int i, bool clip);

#endif
