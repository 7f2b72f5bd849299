/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/version.h"
#include "data/atlas/atlas.h"
#include "data/h5ad/other_format.h"
#include "data/hdf5/hdf5_seal.h"
#include "data/tensors/tensor_file.h"
#include "saved/model_file.h"

static const cyf_usage usage = {
    .command = "info",
    .arguments = "[FILE...]",
    .text =
        "Says what a file is: an h5ad, an atlas, a model or a checkpoint. Without a file: what\n"
        "was built in and how many GPUs are here, as --version does.",
    .examples = "  cytoforge info atlas\n  cytoforge info runs/first/model.h5\n"};

enum { SHOWN_CATEGORIES = 20, JUDGED_CELLS_MOST = 2000 };

static void help(FILE *stream) {
  cyf_options_print_help(&usage, NULL, 0, stream);
}

/* Lists the categories with their cells. An imported model does not know these numbers, so it gets the names alone.
 * guidance: the calibrated strength of each category; NULL: there is none. */
static void print_categories(const char *name, const cyf_names *categories, const int64_t *n_cells,
                             const double *guidance) {
  bool any = false;
  for (int64_t c = 0; c < categories->n; c++) any = any || n_cells[c] > 0;
  cyf_print(stdout, "  %s: %lld categories\n", name, (long long)categories->n);
  for (int64_t c = 0; c < categories->n && c < SHOWN_CATEGORIES; c++) {
    if (any)
      cyf_print(stdout, "    %-40s %lld cells", categories->name[c], (long long)n_cells[c]);
    else
      cyf_print(stdout, "    %s", categories->name[c]);
    if (guidance != NULL && (!any || n_cells[c] > 0)) cyf_print(stdout, ", guidance %g", guidance[c]);
    cyf_print(stdout, "\n");
  }
  if (categories->n > SHOWN_CATEGORIES)
    cyf_print(stdout, "    ... and %lld more\n", (long long)(categories->n - SHOWN_CATEGORIES));
}

/* The scale of logarithms; "" for counts, which are normalised as they are read. */
static const char *target_text(cyf_expression_kind kind, double target, char text[40]) {
  text[0] = '\0';
  if (cyf_expression_is_counted(kind)) return text;
  if (target > 0)
    snprintf(text, 40, " (log1p, target %.10g)", target);
  else
    snprintf(text, 40, " (log1p, target unknown)");
  return text;
}

static cyf_status describe_atlas(const char *path) {
  cyf_atlas *atlas = NULL;
  CYF_TRY(cyf_atlas_open(path, &atlas));
  int64_t bytes = 0;
  for (int64_t i = 0; i < atlas->n_shards; i++) bytes += atlas->shards[i].bytes;
  cyf_print(stdout, "%s: atlas\n", path);
  char target[40];
  cyf_print(stdout, "  %lld cells x %lld genes, %s%s\n", (long long)atlas->n_cells, (long long)atlas->n_genes,
            cyf_expression_kind_name(atlas->kind), target_text(atlas->kind, atlas->target, target));
  cyf_print(stdout, "  %lld stored values (%.0f a cell), %lld shard%s, %.1f MB (%.2f kB a cell)\n",
            (long long)atlas->nnz, (double)atlas->nnz / (double)atlas->n_cells, (long long)atlas->n_shards,
            atlas->n_shards == 1 ? "" : "s", (double)bytes / 1e6, (double)bytes / 1e3 / (double)atlas->n_cells);
  cyf_print(stdout, "  fingerprint %s\n", atlas->fingerprint);
  for (int64_t i = 0; i < atlas->n_attributes; i++)
    print_categories(atlas->attributes[i].name, &atlas->attributes[i].categories, atlas->attributes[i].n_cells, NULL);
  cyf_atlas_close(&atlas);
  return CYF_OK;
}

static cyf_status describe_model(const char *path) {
  cyf_device *device = NULL;
  cyf_model *model = NULL;
  CYF_TRY(cyf_device_create_cpu(1, &device));
  cyf_status status = cyf_model_load(path, device, &model);
  if (status == CYF_OK) {
    const cyf_settings *s = &model->settings;
    cyf_print(stdout, "%s: model of cytoforge %s, made %s\n", path, model->version, model->created);
    char target[40];
    cyf_print(stdout, "  %lld genes (%s%s), latent %lld, latent scale %.6g\n", (long long)model->genes.n,
              cyf_expression_kind_name(model->kind), target_text(model->kind, model->target, target),
              (long long)s->autoencoder.latent, model->latent_scale);
    cyf_print(stdout, "  autoencoder %.2f million parameters, decodes to %s; ",
              (double)cyf_autoencoder_parameters(model->autoencoder)->layout.total / 1e6,
              s->autoencoder.likelihood == CYF_LIKELIHOOD_NB ? "counts" : "log-normalised expression");
    if (model->denoiser != NULL)
      cyf_print(stdout, "denoiser %.2f million, T = %lld\n",
                (double)cyf_denoiser_parameters(model->denoiser)->layout.total / 1e6,
                (long long)s->diffusion.timesteps);
    else
      cyf_print(stdout, "no denoiser (encode and decode only)\n");
    cyf_print(stdout, "  atlas %s\n  made by: %s\n", model->atlas_fingerprint, model->command_line);
    if (model->runs != NULL) cyf_print(stdout, "  all that was run for it:\n");
    for (const char *line = model->runs; line != NULL && *line != '\0';) {
      const size_t length = strcspn(line, "\n");
      cyf_print(stdout, "    %.*s\n", (int)length, line);
      line += length + (line[length] == '\n');
    }
    for (int64_t i = 0; i < model->n_attributes; i++) {
      const cyf_model_attribute *a = &model->attributes[i];
      print_categories(a->name, &a->categories, a->n_cells, a->guidance);
      cyf_print(stdout, "    classifier: %s, condition of the denoiser: %s\n", a->classifier != NULL ? "yes" : "no",
                cyf_model_condition(model, a->name) >= 0 ? "yes" : "no");
      if (a->provenance != NULL) cyf_print(stdout, "    added later: %s\n", a->provenance);
    }
  }
  cyf_model_destroy(&model);
  cyf_device_destroy(&device);
  return status;
}

static cyf_status describe_checkpoint(const char *path, cyf_tensor_file *file) {
  char *stage = NULL;
  int64_t step = 0, planned = 0;
  CYF_TRY(cyf_tensor_file_read_text(file, "stage", &stage));
  cyf_status status = cyf_tensor_file_read_int(file, "state/step", &step);
  if (status == CYF_OK) status = cyf_tensor_file_read_int(file, "planned_steps", &planned);
  if (status == CYF_OK)
    cyf_print(stdout, "%s: checkpoint of stage %s at step %lld of %lld\n", path, stage, (long long)step,
              (long long)planned);
  cyf_free(stage);
  return status;
}

/* A file cytoforge wrote through tensor_file: a model or a checkpoint. */
static cyf_status describe_own(const char *path, cyf_tensor_file *file) {
  char *kind = NULL;
  CYF_TRY(cyf_tensor_file_read_text(file, "kind", &kind));
  bool is_checkpoint = strcmp(kind, "checkpoint") == 0;
  cyf_free(kind);
  return is_checkpoint ? describe_checkpoint(path, file) : describe_model(path);
}

static cyf_status describe_column(cyf_h5ad *file, const char *name) {
  cyf_label_column column = {0};
  int64_t *n_cells = NULL;
  CYF_TRY(cyf_h5ad_read_labels(file, name, &column));
  cyf_status status = CYF_NEW(&n_cells, column.categories.n);
  bool is_numeric = false;
  if (status == CYF_OK) status = cyf_h5ad_column_is_numeric(file, name, &is_numeric);
  if (status == CYF_OK) {
    for (int64_t i = 0; i < column.n_cells; i++)
      if (column.code[i] >= 0) n_cells[column.code[i]]++;
    if (is_numeric)
      cyf_print(stdout, "  %s: numbers, %lld distinct\n", name, (long long)column.categories.n);
    else
      print_categories(name, &column.categories, n_cells, NULL);
  }
  cyf_free(n_cells);
  cyf_label_column_destroy(&column);
  return status;
}

static const char *note_on(const cyf_values *values, bool is_usable) {
  if (values->kind == CYF_VALUES_UNKNOWN && is_usable)
    return ": taken for log-normalised unless --values says otherwise";
  if (values->kind == CYF_VALUES_UNKNOWN && values->n_not_finite == 0) return ": --values must say what they are";
  return is_usable ? "" : ": cannot be used";
}

/* One line of a matrix: its form and what its values are, or why it cannot be read. */
static cyf_status describe_matrix(const char *path, const char *matrix, bool is_first, bool *ret_usable) {
  char text[CYF_VALUES_TEXT_SIZE];
  cyf_h5ad *file = NULL;
  cyf_values values = {0};
  cyf_status status = cyf_h5ad_open(path, matrix, &file);
  if (status == CYF_OK) status = cyf_h5ad_judge_values(file, JUDGED_CELLS_MOST, &values);
  const bool is_usable = cyf_values_are_usable(&values);
  *ret_usable = status == CYF_OK && is_usable;
  if (status == CYF_ERR_INPUT) {
    cyf_print(stdout, "%s%s cannot be read: %s\n", is_first ? ", " : "  ", matrix, cyf_status_message());
    cyf_status_clear();
    status = CYF_OK;
  } else if (status == CYF_OK) {
    cyf_print(stdout, "%s%s is %s, %s%s", is_first ? ", " : "  ", matrix, cyf_h5ad_layout(file),
              cyf_values_text(&values, text), note_on(&values, is_usable));
    if (!is_first) cyf_print(stdout, ", %lld genes", (long long)cyf_h5ad_n_genes(file));
    if (values.kind == CYF_VALUES_COUNTS && values.n_odd > 0)
      cyf_print(stdout, ", but for %lld value%s such as %g in cell %lld", (long long)values.n_odd,
                values.n_odd == 1 ? "" : "s", values.odd_value, (long long)values.odd_cell);
    cyf_print(stdout, "\n");
  }
  cyf_h5ad_close(&file);
  return status;
}

/* X and every other matrix, and which of them can be used. */
static cyf_status describe_matrices(const char *path) {
  cyf_names matrices = {0}, usable = {0};
  char list[1024];
  cyf_status status = cyf_h5ad_list_matrices(path, &matrices);
  const bool has_x = status == CYF_OK && matrices.n > 0 && strcmp(matrices.name[0], "X") == 0;
  bool x_is_usable = false;
  if (status == CYF_OK && !has_x) cyf_print(stdout, ", no X\n");
  for (int64_t m = 0; m < matrices.n && status == CYF_OK; m++) {
    bool is_usable = false;
    status = describe_matrix(path, matrices.name[m], has_x && m == 0, &is_usable);
    if (has_x && m == 0) x_is_usable = is_usable;
    if (status == CYF_OK && is_usable) status = cyf_names_add(&usable, matrices.name[m], NULL);
  }
  if (status == CYF_OK && !x_is_usable && usable.n > 0)
    cyf_print(stdout, "  --matrix takes %s\n",
              cyf_list_names(usable.n, (const char *const *)usable.name, list, sizeof list));
  if (status == CYF_OK && usable.n == 0) cyf_print(stdout, "  no matrix of the file can be used as it is\n");
  cyf_names_destroy(&matrices);
  cyf_names_destroy(&usable);
  return status;
}

static cyf_status describe_columns(cyf_h5ad *file) {
  cyf_names columns = {0}, unreadable = {0};
  cyf_status status = cyf_h5ad_list_columns(file, &columns);
  for (int64_t i = 0; i < columns.n && status == CYF_OK; i++) {
    status = describe_column(file, columns.name[i]);
    if (status != CYF_ERR_INPUT) continue;
    cyf_print(stdout, "  %s: cannot be read: %s\n", columns.name[i], cyf_status_message());
    cyf_status_clear();
    status = CYF_OK;
  }
  if (status == CYF_OK) status = cyf_h5ad_list_unreadable(file, &unreadable);
  for (int64_t i = 0; i < unreadable.n; i++) cyf_print(stdout, "  %s: cannot be read\n", unreadable.name[i]);
  cyf_names_destroy(&columns);
  cyf_names_destroy(&unreadable);
  return status;
}

static cyf_status describe_h5ad(const char *path) {
  cyf_h5ad *file = NULL;
  CYF_TRY(cyf_h5ad_open_tables(path, &file));
  cyf_print(stdout, "%s: h5ad, %lld cells x %lld genes", path, (long long)cyf_h5ad_n_cells(file),
            (long long)cyf_h5ad_n_genes(file));
  cyf_status status = describe_matrices(path);
  if (status == CYF_OK) status = describe_columns(file);
  cyf_h5ad_close(&file);
  return status;
}

static cyf_status describe(const char *path) {
  bool is_directory = false;
  CYF_TRY(cyf_is_directory(path, &is_directory));
  if (is_directory) {
    CYF_TRY(cyf_other_format_check(path));
    return describe_atlas(path);
  }
  cyf_tensor_file *own = NULL;
  bool is_sealed = false;
  CYF_TRY(cyf_h5_seal_verify(path, &is_sealed)); /* a damaged file of ours is not tried as another */
  cyf_status status = cyf_tensor_file_open(path, &own);
  if (status == CYF_OK) {
    status = describe_own(path, own);
    cyf_tensor_file_close(&own);
    return status;
  }
  if (status != CYF_ERR_INPUT) return status;
  cyf_status_clear();
  return describe_h5ad(path);
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  (void)context;
  cyf_texts paths = {0};
  cyf_status status = cyf_options_parse(&usage, argc, argv, NULL, 0, &paths);
  if (status == CYF_OK && paths.n == 0) cyf_print_version(stdout);
  for (int64_t i = 0; i < paths.n && status == CYF_OK; i++) status = describe(paths.item[i]);
  cyf_free(paths.item);
  return status;
}

const cyf_command cyf_cmd_info = {
    .name = "info", .summary = "say what a file is, or what was built in", .run = run, .help = help};
