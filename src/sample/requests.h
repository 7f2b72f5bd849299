/* SPDX-License-Identifier: MIT */
/** @file
 * The table of --requests: what to sample in one run. */
#ifndef CYF_SAMPLE_REQUESTS_H
#define CYF_SAMPLE_REQUESTS_H

#include "sample/conditions.h"

/** Reads the table asked->requests (data/tables/csv.h), a row for each request, into `conditions`, weights included.
 * The column `count` gives a row's number of cells, at least 1. `guidance`, which may be missing, is as the option and
 * takes precedence over it. Every other column is named as an attribute of the model; an empty field asks nothing of
 * it. asked->where holds for all rows. Not collective. Errors: CYF_ERR_USAGE and CYF_ERR_INPUT naming file and line. */
cyf_status cyf_requests_read(const cyf_model *model, const cyf_conditions_asked *asked, cyf_conditions *conditions);

#endif
