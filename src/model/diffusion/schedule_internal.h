/* SPDX-License-Identifier: MIT */
/** @file
 * Shared by the files of the schedule; not for others. */
#ifndef CYF_MODEL_DIFFUSION_SCHEDULE_INTERNAL_H
#define CYF_MODEL_DIFFUSION_SCHEDULE_INTERNAL_H

#include "model/diffusion/schedule.h"

/** A schedule of n steps with all arrays zero. */
cyf_status cyf_schedule_allocate(int n, int n_original, cyf_schedule **ret_schedule);

/** Everything that follows from beta[n]. */
void cyf_schedule_derive(cyf_schedule *schedule);

#endif
