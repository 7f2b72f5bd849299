/* SPDX-License-Identifier: MIT */
/* Labels of `prepare`: which obs column of each input holds them, and one list of categories for all inputs. */
#include <stdio.h>
#include <string.h>

#include "base/config/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/prepare/inputs.h"

enum { MOST_UNUSED_SAID = 5 };

/* Cuts "COLUMN1,COLUMN2" at the commas. */
static cyf_status split_columns(const char *label, const char *text, cyf_names *columns) {
  for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    const size_t length = strcspn(at, ",");
    char *column = NULL;
    if (length == 0)
      return CYF_FAIL(CYF_ERR_USAGE, "--label wants COLUMN or NAME=COLUMN1,COLUMN2,..., not '%s'", label);
    CYF_TRY(cyf_format(&column, "%.*s", (int)length, at));
    const cyf_status status = cyf_names_add(columns, column, NULL);
    cyf_free(column);
    CYF_TRY(status);
  }
  return CYF_OK;
}

static cyf_status parse_label(cyf_prepare_job *job, int64_t a) {
  const char *text = job->options->labels[a], *equals = strchr(text, '=');
  if (!equals) {
    CYF_TRY(cyf_strdup(text, &job->attribute[a].name));
    CYF_TRY(cyf_names_add(&job->label_columns[a], text, NULL));
  } else {
    CYF_TRY(cyf_format(&job->attribute[a].name, "%.*s", (int)(equals - text), text));
    CYF_TRY(split_columns(text, equals + 1, &job->label_columns[a]));
  }
  if (job->attribute[a].name[0] == '\0')
    return CYF_FAIL(CYF_ERR_USAGE, "--label wants COLUMN or NAME=COLUMN1,COLUMN2,..., not '%s'", text);
  for (int64_t b = 0; b < a; b++)
    if (strcmp(job->attribute[a].name, job->attribute[b].name) == 0)
      return CYF_FAIL(CYF_ERR_USAGE, "label \"%s\" is given twice", job->attribute[a].name);
  return CYF_OK;
}

static cyf_status check_map(const cyf_prepare_job *job) {
  const cyf_label_map *map = &job->label_map;
  for (int64_t i = 0; i < map->n; i++) {
    if (cyf_prepare_find_label(job, map->attribute[i]) >= 0) continue;
    char list[512] = "none";
    size_t used = 0;
    for (int64_t a = 0; a < job->options->n_labels && used < sizeof list; a++)
      used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", a ? ", " : "", job->attribute[a].name);
    return CYF_FAIL(CYF_ERR_INPUT, "%s:%lld: there is no label \"%s\"; --label asks for: %s", map->path,
                    (long long)map->line[i], map->attribute[i], list);
  }
  return CYF_OK;
}

cyf_status cyf_prepare_start_labels(cyf_prepare_job *job) {
  const cyf_prepare_options *options = job->options;
  CYF_TRY(CYF_NEW(&job->attribute, options->n_labels));
  CYF_TRY(CYF_NEW(&job->label_columns, options->n_labels));
  CYF_TRY(CYF_NEW(&job->is_number, options->n_labels));
  for (int64_t a = 0; a < options->n_labels; a++) CYF_TRY(parse_label(job, a));
  if (!options->label_map_path) return CYF_OK;
  CYF_TRY(cyf_label_map_read(options->label_map_path, &job->label_map));
  return check_map(job);
}

int64_t cyf_prepare_find_label(const cyf_prepare_job *job, const char *name) {
  for (int64_t a = 0; a < job->options->n_labels; a++)
    if (strcmp(job->attribute[a].name, name) == 0) return a;
  return -1;
}

static const cyf_label_bins *bins_of(const cyf_prepare_options *options, const char *label) {
  for (int64_t i = 0; i < options->n_bins; i++)
    if (strcmp(options->bins[i].attribute, label) == 0) return &options->bins[i];
  return NULL;
}

/* Maps each number of the file's column to its bin. All bins become categories, used or not, so that they stay in
 * order.
 */
static cyf_status map_bins(const cyf_label_bins *bins, const cyf_label_column *column, cyf_attribute *attribute,
                           const char *path, int32_t *ret_codes) {
  CYF_TRY(cyf_label_bins_names(bins, &attribute->categories));
  for (int64_t c = 0; c < column->categories.n; c++) {
    int64_t bin = 0;
    const cyf_status status = cyf_label_bins_find(bins, column->categories.name[c], &bin);
    if (status == CYF_ERR_INPUT) {
      cyf_status_clear();
      return CYF_FAIL(CYF_ERR_INPUT, "%s: '%s' of label '%s' is no number, so --bins cannot place it", path,
                      column->categories.name[c], bins->attribute);
    }
    CYF_TRY(status);
    ret_codes[c] = (int32_t)bin;
  }
  return CYF_OK;
}

static cyf_status map_values(cyf_prepare_job *job, cyf_h5ad *file, int64_t a, cyf_prepare_input *input) {
  cyf_attribute *attribute = &job->attribute[a];
  cyf_label_column column = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_read_labels(file, input->label_column[a], &column));
  CYF_TRY_CLEANUP(CYF_NEW(&input->category[a], column.categories.n));
  input->n_categories[a] = column.categories.n;
  const cyf_label_bins *bins = bins_of(job->options, attribute->name);
  if (bins) {
    status = map_bins(bins, &column, attribute, input->path, input->category[a]);
    goto cleanup;
  }
  bool is_number = false;
  CYF_TRY_CLEANUP(cyf_h5ad_column_is_numeric(file, input->label_column[a], &is_number));
  job->is_number[a] = job->is_number[a] || is_number;
  for (int64_t c = 0; c < column.categories.n; c++) {
    const char *name = NULL;
    int64_t code = -1;
    CYF_TRY_CLEANUP(cyf_label_map_find(&job->label_map, attribute->name, column.categories.name[c], &name));
    if (name) CYF_TRY_CLEANUP(cyf_names_add(&attribute->categories, name, &code));
    input->category[a][c] = (int32_t)code;
  }
cleanup:
  cyf_label_column_destroy(&column);
  return status;
}

cyf_status cyf_prepare_map_labels(cyf_prepare_job *job, cyf_h5ad *file, cyf_prepare_input *input) {
  const int64_t n_labels = job->options->n_labels;
  CYF_TRY(CYF_NEW(&input->label_column, n_labels));
  CYF_TRY(CYF_NEW(&input->n_categories, n_labels));
  CYF_TRY(CYF_NEW(&input->category, n_labels));
  for (int64_t a = 0; a < n_labels; a++) {
    const cyf_names *columns = &job->label_columns[a];
    for (int64_t c = 0; c < columns->n && !input->label_column[a]; c++)
      if (cyf_h5ad_has_column(file, columns->name[c])) CYF_TRY(cyf_strdup(columns->name[c], &input->label_column[a]));
    if (input->label_column[a]) CYF_TRY(map_values(job, file, a, input));
  }
  return CYF_OK;
}

/* The failure for a label that no input has; it lists the columns of the first input. */
static cyf_status no_such_label(const cyf_prepare_job *job, int64_t a) {
  const cyf_names *wanted = &job->label_columns[a];
  cyf_h5ad *file = NULL;
  cyf_names columns = {0};
  char wanted_list[512], list[1024];
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_open(job->input[0].path, job->options->matrix, &file));
  CYF_TRY_CLEANUP(cyf_h5ad_list_columns(file, &columns));
  const char *nearest = cyf_nearest_name(wanted->name[0], (const char *const *)columns.name, (size_t)columns.n);
  status =
      CYF_FAIL(CYF_ERR_INPUT, "label \"%s\": no input has an obs column %s%s%s%s; %s has: %s", job->attribute[a].name,
               cyf_list_names(wanted->n, (const char *const *)wanted->name, wanted_list, sizeof wanted_list),
               nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "", job->input[0].path,
               cyf_list_names(columns.n, (const char *const *)columns.name, list, sizeof list));
cleanup:
  cyf_names_destroy(&columns);
  cyf_h5ad_close(&file);
  return status;
}

static void warn_of_unused(const cyf_label_map *map) {
  int64_t n_unused = 0;
  for (int64_t i = 0; i < map->n; i++) {
    if (map->used[i] || n_unused++ >= MOST_UNUSED_SAID) continue;
    cyf_warn("%s:%lld: no input has %s '%s', which is to become '%s'", map->path, (long long)map->line[i],
             map->attribute[i], map->from[i], map->to[i]);
  }
  if (n_unused > MOST_UNUSED_SAID)
    cyf_warn("%s: %lld more lines name values that no input has", map->path, (long long)(n_unused - MOST_UNUSED_SAID));
}

/* Of a label that several columns may hold, says how many inputs have which, so that a misspelt one shows. */
static void say_columns(const cyf_prepare_job *job, int64_t a) {
  const cyf_names *columns = &job->label_columns[a];
  for (int64_t c = 0; columns->n > 1 && c < columns->n; c++) {
    int64_t n = 0;
    for (int64_t i = 0; i < job->options->n_inputs; i++)
      n += job->input[i].label_column[a] && strcmp(job->input[i].label_column[a], columns->name[c]) == 0;
    cyf_info("label \"%s\": obs column %s of %lld of %lld inputs", job->attribute[a].name, columns->name[c],
             (long long)n, (long long)job->options->n_inputs);
  }
}

cyf_status cyf_prepare_check_labels(cyf_prepare_job *job) {
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    int64_t n_without = 0, first_without = -1;
    char list[512];
    for (int64_t i = job->options->n_inputs - 1; i >= 0; i--) {
      if (job->input[i].label_column[a]) continue;
      n_without++;
      first_without = i;
    }
    if (n_without == job->options->n_inputs) return no_such_label(job, a);
    if (n_without > 0)
      cyf_warn(
          "label \"%s\": %lld of %lld inputs, such as %s, have no obs column %s; their cells stay unlabelled",
          job->attribute[a].name, (long long)n_without, (long long)job->options->n_inputs,
          job->input[first_without].path,
          cyf_list_names(job->label_columns[a].n, (const char *const *)job->label_columns[a].name, list, sizeof list));
  }
  for (int64_t a = 0; a < job->options->n_labels; a++) say_columns(job, a);
  warn_of_unused(&job->label_map);
  return CYF_OK;
}

/* Marks the categories of the input's cells that are not dropped. */
static cyf_status mark_used(const cyf_prepare_job *job, const cyf_prepare_input *input, int64_t **used) {
  cyf_h5ad *file = NULL;
  cyf_label_column column = {0};
  cyf_status status = CYF_OK;
  if (!cyf_cells_are_wanted(&job->fates, input->first_cell, input->n_cells)) return CYF_OK;
  CYF_TRY_CLEANUP(cyf_h5ad_open(input->path, job->options->matrix, &file));
  for (int64_t a = 0; a < job->options->n_labels; a++) {
    if (!input->label_column[a]) continue;
    CYF_TRY_CLEANUP(cyf_h5ad_read_labels(file, input->label_column[a], &column));
    for (int64_t i = 0; i < input->n_cells; i++) {
      const int32_t code = column.code[i] < 0 ? -1 : input->category[a][column.code[i]];
      if (code >= 0 && !cyf_bit_get(job->fates.dropped, input->first_cell + i)) used[a][code] = 1;
    }
    cyf_label_column_destroy(&column);
  }
cleanup:
  cyf_label_column_destroy(&column);
  cyf_h5ad_close(&file);
  return status;
}

/* Renumbers the categories of one attribute; used[old code] becomes the new code. */
static cyf_status keep_used(cyf_prepare_job *job, int64_t a, int64_t *used) {
  cyf_attribute *attribute = &job->attribute[a];
  cyf_names left = {0};
  cyf_status status = CYF_OK;
  const int64_t n_before = attribute->categories.n;
  for (int64_t c = 0; c < n_before; c++) {
    int64_t code = -1;
    if (used[c]) CYF_TRY_CLEANUP(cyf_names_add(&left, attribute->categories.name[c], &code));
    used[c] = code;
  }
  for (int64_t i = 0; i < job->options->n_inputs; i++)
    for (int64_t c = 0; c < job->input[i].n_categories[a]; c++)
      if (job->input[i].category[a][c] >= 0) job->input[i].category[a][c] = (int32_t)used[job->input[i].category[a][c]];
  cyf_names_destroy(&attribute->categories);
  attribute->categories = left;
  if (attribute->categories.n < n_before)
    cyf_info("label \"%s\": %lld of %lld values are left", attribute->name, (long long)attribute->categories.n,
             (long long)n_before);
  return CYF_OK;
cleanup:
  cyf_names_destroy(&left);
  return status;
}

cyf_status cyf_prepare_drop_categories(cyf_prepare_job *job) {
  const int64_t n_labels = job->options->n_labels;
  int64_t **used = NULL; /* [n_labels][categories] */
  cyf_status status = CYF_NEW(&used, n_labels);
  for (int64_t a = 0; a < n_labels && status == CYF_OK; a++) status = CYF_NEW(&used[a], job->attribute[a].categories.n);
  for (int64_t i = job->rank; i < job->options->n_inputs && status == CYF_OK; i += job->size)
    status = mark_used(job, &job->input[i], used);
  CYF_TRY_CLEANUP(cyf_comm_agree(job->comm, status));
  for (int64_t a = 0; a < n_labels; a++) {
    CYF_TRY_CLEANUP(cyf_comm_max_int64(job->comm, used[a], job->attribute[a].categories.n));
    CYF_TRY_CLEANUP(cyf_comm_agree(job->comm, keep_used(job, a, used[a])));
  }
cleanup:
  for (int64_t a = 0; used && a < n_labels; a++) cyf_free(used[a]);
  cyf_free(used);
  return status;
}

void cyf_prepare_destroy_labels(cyf_prepare_job *job) {
  const int64_t n_labels = job->options->n_labels;
  for (int64_t i = 0; job->input && i < job->options->n_inputs; i++) {
    cyf_prepare_input *input = &job->input[i];
    for (int64_t a = 0; a < n_labels; a++) {
      if (input->label_column) cyf_free(input->label_column[a]);
      if (input->category) cyf_free(input->category[a]);
    }
    cyf_free(input->label_column);
    cyf_free(input->n_categories);
    cyf_free(input->category);
  }
  for (int64_t a = 0; a < n_labels; a++) {
    if (job->label_columns) cyf_names_destroy(&job->label_columns[a]);
    if (!job->attribute) continue;
    cyf_free(job->attribute[a].name);
    cyf_names_destroy(&job->attribute[a].categories);
    cyf_free(job->attribute[a].n_cells);
  }
  cyf_free(job->label_columns);
  cyf_free(job->is_number);
  cyf_free(job->attribute);
  cyf_label_map_destroy(&job->label_map);
}
