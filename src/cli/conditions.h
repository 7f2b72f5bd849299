/* What the user asked sampled cells to be: labels by name, one code a cell. */
#ifndef CYF_CLI_CONDITIONS_H
#define CYF_CLI_CONDITIONS_H

#include "cli/options.h"
#include "train/model_file.h"

typedef struct cyf_condition {
  int64_t attribute; /* index in the model */
  int32_t *code;     /* [n_cells] */
} cyf_condition;

typedef struct cyf_conditions {
  cyf_condition *item;
  int64_t n;
  int64_t n_cells;
} cyf_conditions;

/* From `--where ATTR=VALUE` (split at the first '='; every cell gets the value) and `--like FILE --by ATTR` (the file's
 * proportions by largest remainder, dealt to cells in an order keyed by the seed). n_cells 0 with --like: as many as
 * the file has labelled cells. Errors: CYF_ERR_USAGE (malformed, unknown attribute or value with the known ones, an
 * attribute twice), CYF_ERR_INPUT (the file). */
cyf_status cyf_conditions_make(const cyf_model *model, const cyf_texts *where, const char *like, const char *by,
                               int64_t n_cells, uint64_t seed, cyf_conditions *ret_conditions);
void cyf_conditions_destroy(cyf_conditions *conditions); /* NULL-safe */

#endif
