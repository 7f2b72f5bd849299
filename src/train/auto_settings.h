/* SPDX-License-Identifier: MIT */
/** @file
 * Values for the settings that are at auto (base/config/config.h), by what an atlas holds.
 * benchmarks/results/defaults.md has the figures behind them. No function here is collective. */
#ifndef CYF_TRAIN_AUTO_SETTINGS_H
#define CYF_TRAIN_AUTO_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "data/atlas/atlas.h"
#include "saved/settings.h"

/** A label column, as far as settings depend on it. */
typedef struct cyf_auto_label {
  const char *name;
  int64_t n_classes; /**< that have cells */
  int64_t n_cells;   /**< that have a label */
} cyf_auto_label;

/** What settings are chosen by. */
typedef struct cyf_auto_facts {
  int64_t n_cells, n_genes;
  bool has_counts;              /**< the values are whole counts */
  const cyf_auto_label *labels; /**< [n_labels] */
  int64_t n_labels;
} cyf_auto_facts;

/** Gives every setting that is at auto a value that agrees with those that were said, and logs each with the reason. It
 * warns where the values are no counts. The same facts and settings give the same values anywhere. Errors:
 * CYF_ERR_CONFIG where a chosen value contradicts one that was said (cyf_settings_check), CYF_ERR_MEMORY. */
cyf_status cyf_auto_settings_choose(const cyf_auto_facts *facts, cyf_settings *settings);
/** The same by an atlas. */
cyf_status cyf_auto_settings_for_atlas(const cyf_atlas *atlas, cyf_settings *settings);

#endif
