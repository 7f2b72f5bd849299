/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/version.h"
#include "data/atlas/atlas.h"
#include "data/tensors/tensor_file.h"
#include "saved/model_file.h"

static const cyf_usage usage = {
    .command = "info",
    .arguments = "[FILE...]",
    .text =
        "Says what a file is: an h5ad, an atlas, a model or a checkpoint. Without a file: what\n"
        "was built in and how many GPUs are here, as --version does.",
    .examples = "  cytoforge info atlas\n  cytoforge info runs/first/model.h5\n"};

enum { SHOWN_CATEGORIES = 20 };

static void help(FILE *stream) {
  cyf_options_print_help(&usage, NULL, 0, stream);
}

/* Without any cells (an imported model does not know them) the names alone. */
static void print_categories(const char *name, const cyf_names *categories, const int64_t *n_cells) {
  bool any = false;
  for (int64_t c = 0; c < categories->n; c++) any = any || n_cells[c] > 0;
  printf("  %s: %lld categories\n", name, (long long)categories->n);
  for (int64_t c = 0; c < categories->n && c < SHOWN_CATEGORIES; c++)
    if (any)
      printf("    %-40s %lld cells\n", categories->name[c], (long long)n_cells[c]);
    else
      printf("    %s\n", categories->name[c]);
  if (categories->n > SHOWN_CATEGORIES)
    printf("    ... and %lld more\n", (long long)(categories->n - SHOWN_CATEGORIES));
}

static cyf_status describe_atlas(const char *path) {
  cyf_atlas *atlas = NULL;
  CYF_TRY(cyf_atlas_open(path, &atlas));
  int64_t bytes = 0;
  for (int64_t i = 0; i < atlas->n_shards; i++) bytes += cyf_file_size_bytes(atlas->shards[i].path);
  printf("%s: atlas\n", path);
  printf("  %lld cells x %lld genes, %s\n", (long long)atlas->n_cells, (long long)atlas->n_genes,
         cyf_expression_kind_name(atlas->kind));
  printf("  %lld stored values (%.0f a cell), %lld shard%s, %.1f MB (%.2f kB a cell)\n", (long long)atlas->nnz,
         (double)atlas->nnz / (double)atlas->n_cells, (long long)atlas->n_shards, atlas->n_shards == 1 ? "" : "s",
         (double)bytes / 1e6, (double)bytes / 1e3 / (double)atlas->n_cells);
  printf("  fingerprint %s\n", atlas->fingerprint);
  for (int64_t i = 0; i < atlas->n_attributes; i++)
    print_categories(atlas->attributes[i].name, &atlas->attributes[i].categories, atlas->attributes[i].n_cells);
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
    printf("%s: model of cytoforge %s, made %s\n", path, model->version, model->created);
    printf("  %lld genes (%s), latent %lld, latent scale %.6g\n", (long long)model->genes.n,
           cyf_expression_kind_name(model->kind), (long long)s->autoencoder.latent, model->latent_scale);
    printf("  autoencoder %.2f million parameters, decodes to %s; ",
           (double)cyf_autoencoder_parameters(model->autoencoder)->layout.total / 1e6,
           s->autoencoder.likelihood == CYF_LIKELIHOOD_NB ? "counts" : "log-normalised expression");
    if (model->denoiser != NULL)
      printf("denoiser %.2f million, T = %lld\n", (double)cyf_denoiser_parameters(model->denoiser)->layout.total / 1e6,
             (long long)s->diffusion.timesteps);
    else
      printf("no denoiser (encode and decode only)\n");
    printf("  atlas %s\n  made by: %s\n", model->atlas_fingerprint, model->command_line);
    if (model->runs != NULL) printf("  all that was run for it:\n");
    for (const char *line = model->runs; line != NULL && *line != '\0';) {
      const size_t length = strcspn(line, "\n");
      printf("    %.*s\n", (int)length, line);
      line += length + (line[length] == '\n');
    }
    for (int64_t i = 0; i < model->n_attributes; i++) {
      const cyf_model_attribute *a = &model->attributes[i];
      print_categories(a->name, &a->categories, a->n_cells);
      printf("    classifier: %s, condition of the denoiser: %s\n", a->classifier != NULL ? "yes" : "no",
             cyf_model_condition(model, a->name) >= 0 ? "yes" : "no");
      if (a->provenance != NULL) printf("    added later: %s\n", a->provenance);
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
    printf("%s: checkpoint of stage %s at step %lld of %lld\n", path, stage, (long long)step, (long long)planned);
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
  if (status == CYF_OK) {
    for (int64_t i = 0; i < column.n_cells; i++)
      if (column.code[i] >= 0) n_cells[column.code[i]]++;
    if (cyf_h5ad_column_is_numeric(file, name))
      printf("  %s: numbers, %lld distinct\n", name, (long long)column.categories.n);
    else
      print_categories(name, &column.categories, n_cells);
  }
  cyf_free(n_cells);
  cyf_label_column_destroy(&column);
  return status;
}

static cyf_status describe_h5ad(const char *path, cyf_h5ad *file) {
  cyf_expression_kind kind;
  cyf_names columns = {0};
  CYF_TRY(cyf_h5ad_detect_kind(file, 2000, &kind));
  printf("%s: h5ad, %lld cells x %lld genes, X is %s, %s\n", path, (long long)cyf_h5ad_n_cells(file),
         (long long)cyf_h5ad_n_genes(file), cyf_h5ad_layout(file), cyf_expression_kind_name(kind));
  CYF_TRY(cyf_h5ad_list_columns(file, &columns));
  cyf_status status = CYF_OK;
  for (int64_t i = 0; i < columns.n && status == CYF_OK; i++) status = describe_column(file, columns.name[i]);
  cyf_names_destroy(&columns);
  return status;
}

static cyf_status describe(const char *path) {
  if (cyf_is_directory(path)) return describe_atlas(path);
  cyf_tensor_file *own = NULL;
  if (cyf_tensor_file_open(path, &own) == CYF_OK) {
    cyf_status status = describe_own(path, own);
    cyf_tensor_file_close(&own);
    return status;
  }
  cyf_status_clear();
  cyf_h5ad *file = NULL;
  CYF_TRY(cyf_h5ad_open(path, NULL, &file));
  cyf_status status = describe_h5ad(path, file);
  cyf_h5ad_close(&file);
  return status;
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
