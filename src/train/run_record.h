/* SPDX-License-Identifier: MIT */
/** @file
 * RUN/runs.jsonl: what was run in a folder, a JSON object a command. Lines are added and never rewritten; model.h5
 * holds a copy. Rank 0. */
#ifndef CYF_TRAIN_RUN_RECORD_H
#define CYF_TRAIN_RUN_RECORD_H

#include <stdbool.h>

#include "saved/model_file.h"
#include "train/run_settings.h"

/** One command, for the record. */
typedef struct cyf_run_entry {
  const char *command_line; /**< or NULL */
  const char *device;       /**< "cpu, fp32" */
  int n_ranks;
  const char *atlas;     /**< fingerprint */
  const char *config;    /**< file, or NULL */
  const cyf_model *init; /**< that training starts from, or NULL */
  const cyf_setting_changes *changes;
} cyf_run_entry;

/** A line of JSON with its newline, freed with cyf_free. Errors: CYF_ERR_INPUT (config cannot be read). */
cyf_status cyf_run_entry_text(const cyf_run_entry *entry, char **ret_text);

/** The record that a model holds, or one line of what its file says where it is from before there were records. Freed
 * with cyf_free. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_run_record_of_model(const cyf_model *model, char **ret_text);

/** Appends lines to the folder's record and flushes them to disk; `lines` end in a newline. Errors: CYF_ERR_IO. */
cyf_status cyf_run_record_append(const char *directory, const char *lines);

/** The whole record; "" where there is none. Freed with cyf_free. Errors: CYF_ERR_INPUT, CYF_ERR_MEMORY. */
cyf_status cyf_run_record_read(const char *directory, char **ret_text);

/** Whether a command of the record was given a configuration file with these very bytes. Errors: CYF_ERR_INPUT. */
cyf_status cyf_run_record_knows_config(const char *record, const char *config, bool *ret_knows);

#endif
