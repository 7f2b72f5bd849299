/* SPDX-License-Identifier: MIT */
/** @file
 * --requests: a table of what to sample in one run. */
#ifndef CYF_SAMPLE_REQUESTS_H
#define CYF_SAMPLE_REQUESTS_H

#include "sample/conditions.h"

/** Reads asked->requests (data/tables/csv.h): columns named as attributes of the model (an empty field: not asked for),
 * `count` (cells, at least 1) and, where wanted, `guidance` (as the option; it takes precedence). Every --where holds
 * for all rows. Fills conditions, weights and request. Errors: CYF_ERR_USAGE and CYF_ERR_INPUT naming file and line. */
cyf_status cyf_requests_read(const cyf_model *model, const cyf_conditions_asked *asked, cyf_conditions *conditions);

#endif
