/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/resources.h"
#include "cli/sizes.h"
#include "data/prepare/input_list.h"
#include "data/prepare/prepare.h"

static const cyf_usage usage = {
    .command = "prepare",
    .arguments = "IN.h5ad... -o ATLAS --label COLUMN [options]",
    .text =
        "Turns h5ad files into an atlas: filtered, aligned to one gene list, shuffled, in shards that every rank can "
        "stream.\n"
        "Raw counts stay raw; values that are already log-normalised are used as they are; a mix is refused. What "
        "values "
        "are\n"
        "is judged by the values, file by file; files on different log scales are brought to one where that is exact.\n"
        "Genes are matched by name; Ensembl ids match whatever their version. Genes of one name within a file are not\n"
        "added up: the first keeps the name. IN.h5ad may be a quoted pattern. In --keep and --holdout-where a COLUMN "
        "that\n"
        "names a label means its merged values, an empty VALUE means cells without one, and != any other than VALUE.\n"
        "A run that was stopped or killed leaves ATLAS.partial: the same command goes on from there, on any number of "
        "ranks.",
    .examples =
        "  cytoforge prepare pbmc.h5ad -o pbmc_atlas --label cell_type --holdout 0.2\n"
        "  mpirun -n 4 cytoforge prepare a.h5ad b.h5ad -o atlas --label cell_type --label donor --genes "
        "gene_order.tsv\n"
        "  cytoforge prepare *.h5ad -o atlas --label cell_type --memory 2G --dry-run\n"
        "  cytoforge prepare *.h5ad -o atlas --label cell_type --compress gzip\n"
        "  cytoforge prepare embryo.h5ad -o atlas --label embryo_time_min --bins embryo_time_min=300,400,500,600\n"
        "  mpirun -n 4 cytoforge prepare 'census/*.h5ad' -o atlas --label cell_type=cell_type,author_cell_type \\\n"
        "    --label donor=donor_id --label-map names.tsv --gene-column feature_name --keep is_primary_data=True \\\n"
        "    --keep tissue=blood --keep 'tissue=bone marrow' --duplicates drop \\\n"
        "    --holdout-where 'donor=D12,cell_type=B cell' --holdout-where donor=D7\n",
    .groups = {{"out", "inputs and output"},
               {"label", "labels"},
               {"keep", "which cells"},
               {"matrix", "values and genes"},
               {"holdout", "held-out cells"},
               {"seed", "the atlas on disk"},
               {"dry-run", "the run"}}};

/* The options of cyf_prepare, and what the command line gives where that is not yet what cyf_prepare takes. */
typedef struct arguments {
  cyf_prepare_options prepare;
  const char *text[CYF_PREPARE_N_OPTIONS];
  cyf_texts list[CYF_PREPARE_N_OPTIONS];
  cyf_label_bins *parsed_bins; /* one for each --bins */
  const char *inputs_from;
} arguments;

/* Each named row of data/prepare/options.h, in the order of --help, and one that only the command line has. */
enum { INPUTS_FROM = -1, N_OPTIONS = CYF_PREPARE_N_NAMED + 1 };

static const struct {
  int row;
  char letter;
  const char *value_name, *help;
} option_lines[] = {
    {CYF_PREPARE_ROW_output, 'o', "ATLAS", "directory to make"},
    {INPUTS_FROM, 0, "FILE", "more inputs, one path a line, relative to FILE's folder; # begins a comment"},
    {CYF_PREPARE_ROW_labels, 0, "COLUMN",
     "obs column to keep as labels, or NAME=COLUMN1,COLUMN2: the first that a file has; may be repeated"},
    {CYF_PREPARE_ROW_label_map_path, 0, "FILE",
     "table of attribute, from, to: renames and merges labels' values; an empty to: no label"},
    {CYF_PREPARE_ROW_keep, 0, "COLUMN=VALUE",
     "keep only such cells (!= excludes); values of one column are alternatives, columns must all be met"},
    {CYF_PREPARE_ROW_duplicates, 0, "keep|refuse|drop",
     "what to do with cells that have an earlier cell's id (default keep, said in the log)"},
    {CYF_PREPARE_ROW_id_column, 0, "COLUMN", "obs column that identifies cells (default: the index)"},
    {CYF_PREPARE_ROW_bins, 0, "LABEL=E1,E2,..",
     "make classes of a numeric label: <E1, E1..E2, ..., >=En; may be repeated"},
    {CYF_PREPARE_ROW_matrix, 0, "NAME", "X (default), layers/NAME or raw/X"},
    {CYF_PREPARE_ROW_values, 0, "KIND",
     "what values are, where they do not tell: counts, fractional-counts, log1p[:TARGET] or log2[:TARGET]"},
    {CYF_PREPARE_ROW_fractions, 0, "WHAT",
     "fractional counts: round (default; to whole numbers at random, the same for the same seed) or keep"},
    {CYF_PREPARE_ROW_genes_path, 0, "LIST",
     "gene list to align to, one symbol or Ensembl id a line (default: the inputs' genes)"},
    {CYF_PREPARE_ROW_genes_join, 0, "WHICH",
     "where inputs differ in their genes: union, intersection, or auto: a union of few zeros (default; not with "
     "--genes)"},
    {CYF_PREPARE_ROW_gene_column, 0, "COLUMN",
     "var column with the gene names (default: the index); COLUMN1,COLUMN2: the first that a file has"},
    {CYF_PREPARE_ROW_min_genes, 0, "N", "drop cells with fewer detected genes (default 10)"},
    {CYF_PREPARE_ROW_min_cells, 0, "N", "drop genes detected in fewer training cells (default 3; not with --genes)"},
    {CYF_PREPARE_ROW_holdout, 0, "F",
     "keep this share of the cells out: ATLAS/heldout.h5ad, and ATLAS/train.h5ad beside it"},
    {CYF_PREPARE_ROW_holdout_where, 0, "COND",
     "COLUMN=VALUE[,COLUMN2=VALUE2]: hold out all such cells; may be repeated; --holdout then applies to the rest"},
    {CYF_PREPARE_ROW_seed, 0, "S", "seed of the shuffle and the hold-out (default 0)"},
    {CYF_PREPARE_ROW_cells_per_shard, 0, "N", "cells a shard (default: about 256 MB)"},
    {CYF_PREPARE_ROW_memory_bytes, 0, "SIZE",
     "memory a rank may take, such as 2G or 800M (default: a quarter of the machine's or the job's for its ranks, at "
     "most 4G)"},
    {CYF_PREPARE_ROW_compress, 0, "none|gzip",
     "gzip: shards of about 0.4 of the size, for disks below 0.2 GB/s a core (default none)"},
    {CYF_PREPARE_ROW_dry_run, 0, NULL,
     "print sizes, memory and time, and write nothing; cells are counted before --min-genes"},
    {CYF_PREPARE_ROW_fresh, 0, NULL, "begin anew where a stopped run could be gone on with"},
    {CYF_PREPARE_ROW_force, 0, NULL, "replace an existing atlas"},
};

_Static_assert(sizeof(option_lines) / sizeof(*option_lines) == N_OPTIONS, "an option lacks its help");

static void *field_of(arguments *a, size_t offset) {
  return (char *)&a->prepare + offset;
}

/* Gives the kind of option that a row is on the command line, and the target of its value. */
static cyf_option_kind how_read(arguments *a, int row, void **ret_target) {
  const cyf_prepare_option *option = &cyf_prepare_option_table[row];
  *ret_target = field_of(a, option->offset);
  switch (option->kind) {
    case CYF_PREPARE_TEXT:
    case CYF_PREPARE_MATRIX:
    case CYF_PREPARE_FILE:
      return CYF_OPTION_TEXT;
    case CYF_PREPARE_INTEGER:
    case CYF_PREPARE_SEED: /* checked to be no less than 0 */
      return CYF_OPTION_INT;
    case CYF_PREPARE_REAL:
      return CYF_OPTION_REAL;
    case CYF_PREPARE_FLAG:
      return CYF_OPTION_FLAG;
    case CYF_PREPARE_SIZE:
    case CYF_PREPARE_GZIP:
    case CYF_PREPARE_DUPLICATES:
    case CYF_PREPARE_GENES_JOIN:
      *ret_target = &a->text[row];
      return CYF_OPTION_TEXT;
    case CYF_PREPARE_TEXTS:
    case CYF_PREPARE_INPUTS:
    case CYF_PREPARE_BINS:
      break;
  }
  *ret_target = &a->list[row];
  return CYF_OPTION_LIST;
}

static void list_options(arguments *a, cyf_option *o) {
  for (int i = 0; i < N_OPTIONS; i++) {
    const int row = option_lines[i].row;
    o[i] = (cyf_option){"inputs-from",   option_lines[i].letter,     CYF_OPTION_TEXT,
                        &a->inputs_from, option_lines[i].value_name, option_lines[i].help};
    if (row == INPUTS_FROM) continue;
    o[i].name = cyf_prepare_option_table[row].name;
    o[i].kind = how_read(a, row, &o[i].target);
  }
}

static const arguments defaults = {.prepare = {.min_genes = 10, .min_cells = 3}};

static void help(FILE *stream) {
  arguments a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

static cyf_status parse_duplicates(const char *text, cyf_duplicates *ret_duplicates) {
  int chosen = CYF_DUPLICATES_KEEP;
  CYF_TRY(cyf_words_choose(usage.command, "duplicates", CYF_N_DUPLICATES, cyf_duplicates_words, text, &chosen));
  *ret_duplicates = (cyf_duplicates)chosen;
  return CYF_OK;
}

static cyf_status parse_genes_join(const char *text, cyf_genes_join *ret_join) {
  int chosen = CYF_GENES_JOIN_AUTO;
  CYF_TRY(cyf_words_choose(usage.command, "genes-join", CYF_N_GENES_JOINS, cyf_genes_join_words, text, &chosen));
  *ret_join = (cyf_genes_join)chosen;
  return CYF_OK;
}

static cyf_status parse_gzip(const char *text, const char *name, bool *ret_gzip) {
  *ret_gzip = strcmp(text, "gzip") == 0;
  if (!*ret_gzip && strcmp(text, "none") != 0)
    return CYF_FAIL(CYF_ERR_USAGE, "prepare: --%s wants none or gzip, not '%s'", name, text);
  return CYF_OK;
}

static cyf_status check(arguments *a, const cyf_texts *inputs) {
  CYF_TRY(cyf_need(&usage, inputs->n > 0 ? inputs->item[0] : a->inputs_from, "at least one input file"));
  CYF_TRY(cyf_need(&usage, a->prepare.output, "-o ATLAS"));
  if (!(a->prepare.holdout >= 0 && a->prepare.holdout < 1))
    return CYF_FAIL(CYF_ERR_USAGE, "prepare: --holdout wants a share in [0, 1), not %g", a->prepare.holdout);
  if ((int64_t)a->prepare.seed < 0 || a->prepare.min_genes < 0 || a->prepare.min_cells < 0 ||
      a->prepare.cells_per_shard < 0)
    return CYF_FAIL(CYF_ERR_USAGE, "prepare: --seed, --min-genes, --min-cells and --shard-cells cannot be negative");
  return CYF_OK;
}

/* Checks that bins i are of a label that --label names, and that no earlier ones are. */
static cyf_status check_bins(const arguments *a, int64_t i) {
  const cyf_texts *labels = &a->list[CYF_PREPARE_ROW_labels];
  const char *name = a->parsed_bins[i].attribute;
  bool is_label = false;
  for (int64_t k = 0; k < labels->n; k++) {
    const size_t length = strcspn(labels->item[k], "="); /* NAME, or NAME=COLUMN1,COLUMN2 */
    is_label = is_label || (strlen(name) == length && strncmp(labels->item[k], name, length) == 0);
  }
  if (!is_label) return CYF_FAIL(CYF_ERR_USAGE, "prepare: --bins of '%s' needs --label %s", name, name);
  for (int64_t k = 0; k < i; k++)
    if (strcmp(a->parsed_bins[k].attribute, name) == 0)
      return CYF_FAIL(CYF_ERR_USAGE, "prepare: two --bins of '%s'", name);
  return CYF_OK;
}

static cyf_status parse_bins(arguments *a, const cyf_texts *bins) {
  CYF_TRY(CYF_NEW(&a->parsed_bins, bins->n));
  for (int64_t i = 0; i < bins->n; i++) {
    CYF_TRY(cyf_label_bins_parse(bins->item[i], &a->parsed_bins[i]));
    CYF_TRY(check_bins(a, i));
  }
  return CYF_OK;
}

/* Fills the field of a row that was given as a text. */
static cyf_status parse_text(arguments *a, int row) {
  const cyf_prepare_option *option = &cyf_prepare_option_table[row];
  void *field = field_of(a, option->offset);
  if (a->text[row] == NULL) return CYF_OK;
  if (option->kind == CYF_PREPARE_DUPLICATES) return parse_duplicates(a->text[row], field);
  if (option->kind == CYF_PREPARE_GENES_JOIN) return parse_genes_join(a->text[row], field);
  if (option->kind == CYF_PREPARE_GZIP) return parse_gzip(a->text[row], option->name, field);
  char name[32];
  snprintf(name, sizeof(name), "--%s", option->name);
  return cyf_parse_size(a->text[row], name, field);
}

/* Fills the field of a row that was given as a list. */
static cyf_status take_list(arguments *a, int row) {
  const cyf_prepare_option *option = &cyf_prepare_option_table[row];
  if (option->name[0] == '\0' || option->count_offset == 0) return CYF_OK;
  const void *list = a->list[row].item;
  if (option->kind == CYF_PREPARE_BINS) {
    CYF_TRY(parse_bins(a, &a->list[row]));
    list = a->parsed_bins;
  }
  memcpy(field_of(a, option->offset), &list, sizeof(list));
  *(int64_t *)field_of(a, option->count_offset) = a->list[row].n;
  return CYF_OK;
}

static cyf_status parse_given(arguments *a) {
  for (int row = 0; row < CYF_PREPARE_N_OPTIONS; row++) {
    CYF_TRY(parse_text(a, row));
    CYF_TRY(take_list(a, row));
  }
  return CYF_OK;
}

static cyf_status prepare(cyf_context *context, arguments *a, const cyf_texts *inputs) {
  cyf_names paths = {0};
  cyf_status status = check(a, inputs);
  if (status == CYF_OK) status = parse_given(a);
  CYF_TRY(cyf_comm_agree(context->comm, status));
  CYF_TRY(cyf_input_list_make(context->comm, inputs->item, inputs->n, a->inputs_from, &paths));
  a->prepare.inputs = (const char *const *)paths.name;
  a->prepare.n_inputs = paths.n;
  a->prepare.command_line = context->command_line;
  (void)cyf_choose_threads(context->comm, 0); /* the threads inflate gzip-compressed inputs */
  if (a->prepare.n_labels == 0)
    cyf_warn("no --label was given: the model will have no classifiers, so cells of a type cannot be asked for");
  cyf_prepare_summary s;
  status = cyf_prepare(context->comm, &a->prepare, &s);
  cyf_names_destroy(&paths);
  CYF_TRY(status);
  return a->prepare.dry_run ? CYF_OK : cyf_report_resources(context->comm);
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  arguments a = defaults;
  cyf_texts inputs = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &inputs));
  if (status == CYF_OK) status = prepare(context, &a, &inputs);
  for (int64_t i = 0; a.parsed_bins != NULL && i < a.list[CYF_PREPARE_ROW_bins].n; i++)
    cyf_label_bins_destroy(&a.parsed_bins[i]);
  cyf_free(a.parsed_bins);
  cyf_options_free(options, N_OPTIONS, &inputs);
  return status;
}

const cyf_command cyf_cmd_prepare = {.name = "prepare",
                                     .summary = "h5ad files to an atlas that ranks can stream",
                                     .writes = true,
                                     .collective = true,
                                     .stops_itself = true,
                                     .run = run,
                                     .help = help};
