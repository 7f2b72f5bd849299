#include <stdlib.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "evaluate/evaluate.h"

static const cyf_usage usage = {
    .command = "evaluate",
    .arguments = "--real HELDOUT.h5ad --synthetic CELLS.h5ad [--train TRAIN.h5ad] [--label COLUMN] [--json] [options]",
    .text =
        "Compares synthetic with real cells: gene means (Spearman, Pearson), MMD, integration LISI, real-or-synthetic "
        "AUC, label\n"
        "accuracy, detected genes. With --train, each number stands beside its ceiling: training against held-out "
        "cells at equal\n"
        "numbers. Raw counts are log-normalised; genes are matched by name to those of --real.",
    .examples =
        "  cytoforge evaluate --real atlas/heldout.h5ad --train atlas/train.h5ad --synthetic cells.h5ad --label "
        "cell_type\n"};

typedef struct arguments {
  const char *real, *synthetic, *train, *label, *output, *gene_column;
  int64_t max_cells, seed, threads;
  bool json, force;
} arguments;

enum { N_OPTIONS = 11 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OPTIONS] = {
      {"real", 0, CYF_OPTION_TEXT, &a->real, "A.h5ad", "real cells that the model has not seen"},
      {"synthetic", 0, CYF_OPTION_TEXT, &a->synthetic, "B.h5ad", "synthetic cells"},
      {"train", 0, CYF_OPTION_TEXT, &a->train, "T.h5ad",
       "training cells: ceilings and the label classifier come from them"},
      {"label", 0, CYF_OPTION_TEXT, &a->label, "COLUMN", "obs column for label accuracy"},
      {"gene-column", 0, CYF_OPTION_TEXT, &a->gene_column, "COLUMN",
       "var column with the gene names (default: the index)"},
      {"json", 0, CYF_OPTION_FLAG, &a->json, NULL, "print JSON instead of the table"},
      {"output", 'o', CYF_OPTION_TEXT, &a->output, "FILE", "write the JSON to this file as well"},
      {"max-cells", 0, CYF_OPTION_INT, &a->max_cells, "N",
       "subsample larger files to this many cells; 0: never (default 5000)"},
      {"seed", 0, CYF_OPTION_INT, &a->seed, "S", "seed of subsamples and forests (default 0)"},
      {"threads", 0, CYF_OPTION_INT, &a->threads, "N", "CPU threads (default: all)"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing --output"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static const arguments defaults = {.max_cells = 5000};

static void help(FILE *stream) {
  arguments a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

/* The three files, loaded. */
typedef struct sets {
  cyf_cell_set real, synthetic, train;
} sets;

/* A label column that was asked for by name must be there. */
static cyf_status need_labels(const arguments *a, const cyf_cell_set *set) {
  if (a->label == NULL || set->has_labels) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "--label %s: %s", a->label, set->label_note != NULL ? set->label_note : "no labels");
}

static cyf_status load(const arguments *a, sets *s) {
  cyf_load_options options = cyf_load_defaults();
  options.label = a->label;
  options.gene_column = a->gene_column;
  options.max_cells = a->max_cells;
  options.seed = (uint64_t)a->seed;
  CYF_TRY(cyf_cell_set_load(a->real, &options, NULL, &s->real));
  CYF_TRY(need_labels(a, &s->real));
  CYF_TRY(cyf_cell_set_load(a->synthetic, &options, &s->real.genes, &s->synthetic));
  if (a->train == NULL) return CYF_OK;
  CYF_TRY(cyf_cell_set_load(a->train, &options, &s->real.genes, &s->train));
  return need_labels(a, &s->train);
}

static cyf_status write_json(const arguments *a, const cyf_evaluation *evaluation) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL) return CYF_FAIL(CYF_ERR_MEMORY, "out of memory");
  cyf_status status = cyf_evaluation_print_json(evaluation, stream);
  fclose(stream);
  if (status == CYF_OK) status = cyf_write_text_file(a->output, text);
  free(text);
  return status;
}

static cyf_status compare(const arguments *a, sets *s) {
  cyf_evaluate_options options = cyf_evaluate_defaults();
  options.seed = (uint64_t)a->seed;
  CYF_TRY(load(a, s));
  cyf_cells real = cyf_cell_set_view(&s->real), synthetic = cyf_cell_set_view(&s->synthetic);
  cyf_cells train = cyf_cell_set_view(&s->train);
  cyf_evaluation evaluation = {0};
  CYF_TRY(cyf_evaluate(&real, &synthetic, a->train != NULL ? &train : NULL, &options, &evaluation));
  cyf_status status =
      a->json ? cyf_evaluation_print_json(&evaluation, stdout) : cyf_evaluation_print(&evaluation, stdout);
  if (status == CYF_OK && a->output != NULL) status = write_json(a, &evaluation);
  cyf_evaluation_destroy(&evaluation);
  return status;
}

static cyf_status evaluate(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "evaluate: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->real, "--real A.h5ad"));
  CYF_TRY(cyf_need(&usage, a->synthetic, "--synthetic B.h5ad"));
  if (a->max_cells < 0 || a->seed < 0)
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: --max-cells and --seed cannot be negative");
  if (a->output != NULL) CYF_TRY(cyf_check_output(a->output, a->force));
  (void)context;
  cyf_device *device = NULL; /* sets the thread numbers of OpenMP and BLAS */
  CYF_TRY(cyf_device_create_cpu((int)a->threads, &device));
  sets s = {0};
  cyf_status status = compare(a, &s);
  cyf_cell_set_destroy(&s.real);
  cyf_cell_set_destroy(&s.synthetic);
  cyf_cell_set_destroy(&s.train);
  cyf_device_destroy(&device);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  arguments a = defaults;
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra);
  if (status == CYF_OK) status = evaluate(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_evaluate = {
    .name = "evaluate", .summary = "how real the cells are, each number beside its ceiling", .run = run, .help = help};
