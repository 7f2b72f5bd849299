/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/partial.h"
#include "cli/command.h"
#include "evaluate/report/evaluation_page.h"

static const cyf_usage usage = {
    .command = "evaluate",
    .arguments = "--real HELDOUT.h5ad --synthetic CELLS.h5ad [--train TRAIN.h5ad] [--label COLUMN] [options]",
    .text =
        "Compares synthetic with real cells: gene means and variances, MMD, integration LISI, real-or-synthetic AUC,\n"
        "marker genes, memorisation, label accuracy, overall and by type. The defaults are the published protocol (a\n"
        "forest of 1,000 trees of depth 5 on 50 joint components, 75/25). Each number stands beside its ceiling: what\n"
        "other real cells score in place of the synthetic ones, training cells with --train, else two halves of the\n"
        "real cells. Raw counts are log-normalised, and logarithms brought to the same scale; genes are matched by "
        "name to those of --real.",
    .examples =
        "  cytoforge evaluate --real atlas/heldout.h5ad --train atlas/train.h5ad --synthetic cells.h5ad \\\n"
        "    --label cell_type --report report      # a page with figures: report/index.html\n"
        "  cytoforge evaluate --real heldout.h5ad --synthetic cells.h5ad --json\n"
        "  cytoforge evaluate --real heldout.h5ad --synthetic cells.h5ad --protocol generation\n"
        "  cytoforge evaluate --real heldout.h5ad --synthetic cells.h5ad --label day --report report --path "
        "path.h5ad\n",
    .groups = {{"real", "cells to compare"}, {"report", "report"}, {"protocol", "measures"}, {"seed", "the run"}}};

typedef struct arguments {
  const char *real, *synthetic, *train, *label, *output, *gene_column, *values, *ceiling, *report, *path, *path_column,
      *path_label, *protocol;
  int64_t max_cells, seed, threads, components, trees, tree_depth, min_cells, markers;
  double test_fraction, perplexity;
  bool json, force;
} arguments;

enum { N_OPTIONS = 25 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OPTIONS] = {
      {"real", 0, CYF_OPTION_TEXT, &a->real, "A.h5ad", "real cells that the model has not seen"},
      {"synthetic", 0, CYF_OPTION_TEXT, &a->synthetic, "B.h5ad", "synthetic cells"},
      {"train", 0, CYF_OPTION_TEXT, &a->train, "T.h5ad",
       "training cells: ceilings, memorisation and the label classifier come from them"},
      {"label", 0, CYF_OPTION_TEXT, &a->label, "COLUMN", "obs column for everything by type"},
      {"ceiling", 0, CYF_OPTION_TEXT, &a->ceiling, "train|halves|none",
       "which cells stand in for the synthetic ones: training cells, or halves of the real ones (default: train where "
       "given, else halves)"},
      {"report", 0, CYF_OPTION_TEXT, &a->report, "DIR", "write DIR/index.html, a page with figures"},
      {"path", 0, CYF_OPTION_TEXT, &a->path, "P.h5ad", "cells along a generated path, drawn in the report"},
      {"path-column", 0, CYF_OPTION_TEXT, &a->path_column, "COLUMN",
       "obs column of --path with the place on it, 0 to 1 (default path_s)"},
      {"path-label", 0, CYF_OPTION_TEXT, &a->path_label, "COLUMN",
       "obs column of --real that colours the real cells around the path (default: --label)"},
      {"json", 0, CYF_OPTION_FLAG, &a->json, NULL, "print JSON instead of the table"},
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "FILE", "write the JSON to this file as well"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing -o or --report"},
      {"protocol", 0, CYF_OPTION_TEXT, &a->protocol, "scdiffusion|generation",
       "which measures: the published ones (default), or also energy distance, nearest neighbours, precision, recall "
       "and detected genes"},
      {"components", 0, CYF_OPTION_INT, &a->components, "N", "joint principal components (default 50)"},
      {"trees", 0, CYF_OPTION_INT, &a->trees, "N", "trees of the forest (default 1000)"},
      {"tree-depth", 0, CYF_OPTION_INT, &a->tree_depth, "N", "their depth (default 5)"},
      {"test-fraction", 0, CYF_OPTION_REAL, &a->test_fraction, "F",
       "share of the cells that the forest is tested on (default 0.25)"},
      {"lisi-perplexity", 0, CYF_OPTION_REAL, &a->perplexity, "P", "size of LISI's neighbourhoods (default 30)"},
      {"min-cells", 0, CYF_OPTION_INT, &a->min_cells, "N",
       "leave genes in fewer training (else real) cells out of correlations (default 3)"},
      {"markers", 0, CYF_OPTION_INT, &a->markers, "N", "marker genes of each type compared (default 50)"},
      {"gene-column", 0, CYF_OPTION_TEXT, &a->gene_column, "COLUMN",
       "var column with the gene names (default: the index)"},
      {"values", 0, CYF_OPTION_TEXT, &a->values, "KIND",
       "of files whose values do not tell: counts, fractional-counts, log1p[:TARGET] or log2[:TARGET]"},
      {"max-cells", 0, CYF_OPTION_INT, &a->max_cells, "N",
       "subsample larger files to this many cells; 0: never (default 5000)"},
      {"seed", 0, CYF_OPTION_INT, &a->seed, "S", "seed of subsamples and forests (default 0)"},
      {"threads", 0, CYF_OPTION_INT, &a->threads, "N", "CPU threads (default: all)"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static const arguments defaults = {.max_cells = 5000,
                                   .path_column = "path_s",
                                   .components = 50,
                                   .trees = 1000,
                                   .tree_depth = 5,
                                   .test_fraction = 0.25,
                                   .perplexity = 30.0,
                                   .min_cells = 3,
                                   .markers = 50};

static void help(FILE *stream) {
  arguments a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

/* The cells of the files, loaded. */
typedef struct sets {
  cyf_cell_set real, synthetic, train;
  cyf_cell_set path, real_by_attribute; /* with --path; the real cells again, labelled for its figure */
} sets;

static void sets_destroy(sets *s) {
  cyf_cell_set_destroy(&s->real);
  cyf_cell_set_destroy(&s->synthetic);
  cyf_cell_set_destroy(&s->train);
  cyf_cell_set_destroy(&s->path);
  cyf_cell_set_destroy(&s->real_by_attribute);
}

/* A column that was asked for by name must be there. */
static cyf_status need_labels(const char *option, const char *column, const cyf_cell_set *set) {
  if (column == NULL || set->has_labels) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s %s: %s", option, column, set->label_note != NULL ? set->label_note : "no labels");
}

/* Logarithms of a known and of an unknown target may be on two scales; the others were brought to one. */
static void check_scale(const cyf_cell_set *real, const cyf_cell_set *other) {
  const cyf_values *a = &real->values, *b = &other->values;
  char one[CYF_VALUES_TEXT_SIZE], two[CYF_VALUES_TEXT_SIZE];
  if (cyf_values_target_is_unknown(a) != cyf_values_target_is_unknown(b))
    cyf_warn("the values of %s are %s, and those of %s are %s: whether they are on one scale cannot be told",
             real->path, cyf_values_text(a, one), other->path, cyf_values_text(b, two));
}

/* Loads the cells of a path with their coordinate s (obs/path_s), and the real cells labelled by the path's attribute.
 */
static cyf_status load_path(const arguments *a, cyf_load_options options, sets *s) {
  const char *attribute = a->path_label != NULL ? a->path_label : a->label;
  options.label = a->path_column;
  CYF_TRY(cyf_cell_set_load(a->path, &options, &s->real.genes, &s->path));
  CYF_TRY(need_labels("--path-column", a->path_column, &s->path));
  cyf_cells path = cyf_cell_set_view(&s->path);
  CYF_TRY(cyf_path_check(&path));
  options.label = attribute;
  CYF_TRY(cyf_cell_set_load(a->real, &options, &s->real.genes, &s->real_by_attribute));
  return need_labels("--path-label", attribute, &s->real_by_attribute);
}

static cyf_status load(const arguments *a, sets *s) {
  cyf_load_options options = cyf_load_defaults();
  options.label = a->label;
  options.gene_column = a->gene_column;
  options.values = a->values;
  options.max_cells = a->max_cells;
  options.seed = (uint64_t)a->seed;
  CYF_TRY(cyf_cell_set_load(a->real, &options, NULL, &s->real));
  CYF_TRY(need_labels("--label", a->label, &s->real));
  CYF_TRY(cyf_cell_set_load(a->synthetic, &options, &s->real.genes, &s->synthetic));
  if (a->train != NULL) {
    CYF_TRY(cyf_cell_set_load(a->train, &options, &s->real.genes, &s->train));
    CYF_TRY(need_labels("--label", a->label, &s->train));
    check_scale(&s->real, &s->train);
  }
  check_scale(&s->real, &s->synthetic);
  return a->path != NULL ? load_path(a, options, s) : CYF_OK;
}

/* Without the option the kind stays AUTO, which has no word on the command line. */
static cyf_status read_ceiling(const char *text, cyf_ceiling_kind *ret_kind) {
  enum { FIRST = CYF_CEILING_AUTO + 1 };
  int chosen = 0;
  *ret_kind = CYF_CEILING_AUTO;
  if (text == NULL) return CYF_OK;
  CYF_TRY(
      cyf_words_choose(usage.command, "ceiling", CYF_CEILING_KINDS - FIRST, cyf_ceiling_words + FIRST, text, &chosen));
  *ret_kind = (cyf_ceiling_kind)(FIRST + chosen);
  return CYF_OK;
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

static cyf_status write_page(const arguments *a, const sets *s, const cyf_evaluation *evaluation) {
  cyf_cells real = cyf_cell_set_view(&s->real_by_attribute), path = cyf_cell_set_view(&s->path);
  const cyf_path_cells path_cells = {&real, &path};
  CYF_TRY(cyf_evaluation_write_page(evaluation, a->path != NULL ? &path_cells : NULL, a->report));
  cyf_info("wrote %s/index.html", a->report);
  return CYF_OK;
}

static cyf_status note_inputs(const arguments *a, cyf_inputs *inputs) {
  CYF_TRY(cyf_inputs_add(inputs, a->real));
  CYF_TRY(cyf_inputs_add(inputs, a->synthetic));
  CYF_TRY(cyf_inputs_add(inputs, a->train));
  return cyf_inputs_add(inputs, a->path);
}

static cyf_status compare(const arguments *a, const cyf_evaluate_options *options, cyf_inputs *inputs, sets *s) {
  CYF_TRY(note_inputs(a, inputs));
  CYF_TRY(load(a, s));
  CYF_TRY(cyf_inputs_check(inputs)); /* nothing is read any more */
  cyf_cells real = cyf_cell_set_view(&s->real), synthetic = cyf_cell_set_view(&s->synthetic);
  cyf_cells train = cyf_cell_set_view(&s->train);
  cyf_evaluation evaluation = {0};
  CYF_TRY(cyf_evaluate(&real, &synthetic, a->train != NULL ? &train : NULL, options, &evaluation));
  cyf_status status =
      a->json ? cyf_evaluation_print_json(&evaluation, stdout) : cyf_evaluation_print(&evaluation, stdout);
  if (status == CYF_OK && a->output != NULL) status = write_json(a, &evaluation);
  if (status == CYF_OK && a->report != NULL) status = write_page(a, s, &evaluation);
  cyf_evaluation_destroy(&evaluation);
  return status;
}

static cyf_status read_options(const arguments *a, cyf_evaluate_options *ret_options) {
  cyf_evaluate_options o = cyf_evaluate_defaults();
  if (a->max_cells < 0 || a->seed < 0 || a->min_cells < 0)
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: --max-cells, --min-cells and --seed cannot be negative");
  if (a->path != NULL && a->report == NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: --path is drawn in the report; --report DIR is needed");
  CYF_TRY(read_ceiling(a->ceiling, &o.ceiling));
  int protocol = CYF_PROTOCOL_SCDIFFUSION;
  if (a->protocol != NULL)
    CYF_TRY(cyf_words_choose(usage.command, "protocol", CYF_PROTOCOLS, cyf_protocol_words, a->protocol, &protocol));
  o.protocol = (cyf_protocol)protocol;
  o.seed = (uint64_t)a->seed;
  o.n_components = a->components;
  o.n_trees = a->trees;
  o.tree_depth = a->tree_depth;
  o.test_fraction = a->test_fraction;
  o.lisi_perplexity = a->perplexity;
  o.min_cells = a->min_cells;
  o.n_markers = a->markers;
  *ret_options = o;
  return CYF_OK;
}

static cyf_status evaluate(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  cyf_evaluate_options options;
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "evaluate: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->real, "--real A.h5ad"));
  CYF_TRY(cyf_need(&usage, a->synthetic, "--synthetic B.h5ad"));
  CYF_TRY(read_options(a, &options));
  if (a->output != NULL) CYF_TRY(cyf_check_output(a->output, a->force));
  if (a->report != NULL) CYF_TRY(cyf_check_output_folder(a->report, a->force));
  cyf_device *device = NULL; /* sets the thread numbers of OpenMP and BLAS */
  CYF_TRY(cyf_device_create_cpu((int)a->threads, &device));
  sets s = {0};
  cyf_status status = compare(a, &options, &context->inputs, &s);
  sets_destroy(&s);
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
