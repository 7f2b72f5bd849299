/* SPDX-License-Identifier: MIT */
#include "data/tables/labels.h"

#include "base/memory.h"

void cyf_label_column_destroy(cyf_label_column *column) {
  if (!column) return;
  cyf_free(column->attribute);
  cyf_names_destroy(&column->categories);
  cyf_free(column->code);
  *column = (cyf_label_column){0};
}
