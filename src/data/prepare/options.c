/* SPDX-License-Identifier: MIT */
#include "data/prepare/options.h"

#define NO_COUNT(field) 0
#define COUNT(field) offsetof(cyf_prepare_options, n_##field)
#define COUNT_TEXT NO_COUNT
#define COUNT_MATRIX NO_COUNT
#define COUNT_FILE NO_COUNT
#define COUNT_TEXTS COUNT
#define COUNT_INPUTS COUNT
#define COUNT_BINS COUNT
#define COUNT_INTEGER NO_COUNT
#define COUNT_SIZE NO_COUNT
#define COUNT_SEED NO_COUNT
#define COUNT_REAL NO_COUNT
#define COUNT_FLAG NO_COUNT
#define COUNT_GZIP NO_COUNT
#define COUNT_DUPLICATES NO_COUNT
#define COUNT_GENES_JOIN NO_COUNT

#define ROW(kind, field, journal, name) \
  {CYF_PREPARE_##kind, offsetof(cyf_prepare_options, field), COUNT_##kind(field), journal, name},

const cyf_prepare_option cyf_prepare_option_table[CYF_PREPARE_N_OPTIONS] = {CYF_PREPARE_OPTIONS(ROW)};
