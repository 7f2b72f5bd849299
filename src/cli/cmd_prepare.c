/* SPDX-License-Identifier: MIT */
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
        "Raw counts stay raw; values that are already log-normalised are used as they are; a mix is refused.\n"
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
        "    --holdout-where 'donor=D12,cell_type=B cell' --holdout-where donor=D7\n"};

typedef struct arguments {
  cyf_prepare_options prepare;
  cyf_texts labels, bins, keep, holdout_where;
  cyf_label_bins *parsed_bins; /* [bins.n] */
  const char *inputs_from, *duplicates;
  int64_t seed;
  const char *memory, *compress;
} arguments;

enum { N_OPTIONS = 22 };

static void list_options(arguments *a, cyf_option *o) {
  cyf_prepare_options *p = &a->prepare;
  const cyf_option table[N_OPTIONS] = {
      {"out", 'o', CYF_OPTION_TEXT, &p->output, "ATLAS", "directory to make"},
      {"inputs-from", 0, CYF_OPTION_TEXT, &a->inputs_from, "FILE",
       "more inputs, one path a line, relative to FILE's folder; # begins a comment"},
      {"label", 0, CYF_OPTION_LIST, &a->labels, "COLUMN",
       "obs column to keep as labels, or NAME=COLUMN1,COLUMN2: the first that a file has; may be repeated"},
      {"label-map", 0, CYF_OPTION_TEXT, &p->label_map_path, "FILE",
       "table of attribute, from, to: renames and merges labels' values; an empty to: no label"},
      {"keep", 0, CYF_OPTION_LIST, &a->keep, "COLUMN=VALUE",
       "keep only such cells (!= excludes); values of one column are alternatives, columns must all be met"},
      {"duplicates", 0, CYF_OPTION_TEXT, &a->duplicates, "WHAT",
       "cells with an earlier cell's id: keep (default, said in the log), refuse or drop"},
      {"id-column", 0, CYF_OPTION_TEXT, &p->id_column, "COLUMN",
       "obs column that identifies cells (default: the index)"},
      {"bins", 0, CYF_OPTION_LIST, &a->bins, "LABEL=E1,E2,..",
       "make classes of a numeric label: <E1, E1..E2, ..., >=En; may be repeated"},
      {"matrix", 0, CYF_OPTION_TEXT, &p->matrix, "NAME", "X (default), layers/NAME or raw/X"},
      {"genes", 0, CYF_OPTION_TEXT, &p->genes_path, "LIST",
       "gene list to align to, one symbol or Ensembl id a line (default: the inputs' genes)"},
      {"gene-column", 0, CYF_OPTION_TEXT, &p->gene_column, "COLUMN",
       "var column with the gene names (default: the index); COLUMN1,COLUMN2: the first that a file has"},
      {"min-genes", 0, CYF_OPTION_INT, &p->min_genes, "N", "drop cells with fewer detected genes (default 10)"},
      {"min-cells", 0, CYF_OPTION_INT, &p->min_cells, "N",
       "drop genes detected in fewer training cells (default 3; not with --genes)"},
      {"holdout", 0, CYF_OPTION_REAL, &p->holdout, "F",
       "keep this share of the cells out: ATLAS/heldout.h5ad, and ATLAS/train.h5ad beside it"},
      {"holdout-where", 0, CYF_OPTION_LIST, &a->holdout_where, "COND",
       "COLUMN=VALUE[,COLUMN2=VALUE2]: hold out all such cells; may be repeated; --holdout then applies to the rest"},
      {"seed", 0, CYF_OPTION_INT, &a->seed, "S", "seed of the shuffle and the hold-out (default 0)"},
      {"shard-cells", 0, CYF_OPTION_INT, &p->cells_per_shard, "N", "cells a shard (default: about 256 MB)"},
      {"memory", 0, CYF_OPTION_TEXT, &a->memory, "SIZE",
       "memory a rank may take, such as 2G or 800M (default: a quarter of the machine's or the job's for its ranks, at "
       "most 4G)"},
      {"compress", 0, CYF_OPTION_TEXT, &a->compress, "none|gzip",
       "gzip: shards of about 0.4 of the size, for disks below 0.2 GB/s a core (default none)"},
      {"dry-run", 0, CYF_OPTION_FLAG, &p->dry_run, NULL,
       "print sizes, memory and time, and write nothing; cells are counted before --min-genes"},
      {"fresh", 0, CYF_OPTION_FLAG, &p->fresh, NULL, "begin anew where a stopped run could be gone on with"},
      {"force", 0, CYF_OPTION_FLAG, &p->force, NULL, "replace an existing atlas"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static const arguments defaults = {.prepare = {.min_genes = 10, .min_cells = 3}, .compress = "none"};

static void help(FILE *stream) {
  arguments a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

static cyf_status read_duplicates(const char *text, cyf_duplicates *ret_duplicates) {
  static const char *const names[] = {"keep", "refuse", "drop"};
  *ret_duplicates = CYF_DUPLICATES_KEEP;
  for (int i = 0; text != NULL && i < 3; i++) {
    *ret_duplicates = (cyf_duplicates)i;
    if (strcmp(text, names[i]) == 0) return CYF_OK;
  }
  return text == NULL ? CYF_OK
                      : CYF_FAIL(CYF_ERR_USAGE, "prepare: --duplicates wants keep, refuse or drop, not '%s'", text);
}

static cyf_status check(arguments *a, const cyf_texts *inputs) {
  CYF_TRY(cyf_need(&usage, inputs->n > 0 ? inputs->item[0] : a->inputs_from, "at least one input file"));
  CYF_TRY(cyf_need(&usage, a->prepare.output, "-o ATLAS"));
  if (!(a->prepare.holdout >= 0 && a->prepare.holdout < 1))
    return CYF_FAIL(CYF_ERR_USAGE, "prepare: --holdout wants a share in [0, 1), not %g", a->prepare.holdout);
  CYF_TRY(read_duplicates(a->duplicates, &a->prepare.duplicates));
  if (strcmp(a->compress, "none") != 0 && strcmp(a->compress, "gzip") != 0)
    return CYF_FAIL(CYF_ERR_USAGE, "prepare: --compress wants none or gzip, not '%s'", a->compress);
  if (a->seed < 0 || a->prepare.min_genes < 0 || a->prepare.min_cells < 0 || a->prepare.cells_per_shard < 0)
    return CYF_FAIL(CYF_ERR_USAGE, "prepare: --seed, --min-genes, --min-cells and --shard-cells cannot be negative");
  return CYF_OK;
}

/* Each names one of the labels, once. */
static cyf_status check_bins(const arguments *a, int64_t i) {
  const char *name = a->parsed_bins[i].attribute;
  bool is_label = false;
  for (int64_t k = 0; k < a->labels.n; k++) {
    const size_t length = strcspn(a->labels.item[k], "="); /* NAME, or NAME=COLUMN1,COLUMN2 */
    is_label = is_label || (strlen(name) == length && strncmp(a->labels.item[k], name, length) == 0);
  }
  if (!is_label) return CYF_FAIL(CYF_ERR_USAGE, "prepare: --bins of '%s' needs --label %s", name, name);
  for (int64_t k = 0; k < i; k++)
    if (strcmp(a->parsed_bins[k].attribute, name) == 0)
      return CYF_FAIL(CYF_ERR_USAGE, "prepare: two --bins of '%s'", name);
  return CYF_OK;
}

static cyf_status parse_bins(arguments *a) {
  CYF_TRY(CYF_NEW(&a->parsed_bins, a->bins.n));
  for (int64_t i = 0; i < a->bins.n; i++) {
    CYF_TRY(cyf_label_bins_parse(a->bins.item[i], &a->parsed_bins[i]));
    CYF_TRY(check_bins(a, i));
  }
  a->prepare.bins = a->parsed_bins;
  a->prepare.n_bins = a->bins.n;
  return CYF_OK;
}

static cyf_status prepare(cyf_context *context, arguments *a, const cyf_texts *inputs) {
  cyf_names paths = {0};
  cyf_status status = check(a, inputs);
  if (status == CYF_OK) status = parse_bins(a);
  if (status == CYF_OK && a->memory) status = cyf_parse_size(a->memory, "--memory", &a->prepare.memory_bytes);
  CYF_TRY(cyf_comm_agree(context->comm, status));
  CYF_TRY(cyf_input_list_make(context->comm, inputs->item, inputs->n, a->inputs_from, &paths));
  a->prepare.inputs = (const char *const *)paths.name;
  a->prepare.n_inputs = paths.n;
  a->prepare.labels = a->labels.item;
  a->prepare.n_labels = a->labels.n;
  a->prepare.keep = a->keep.item;
  a->prepare.n_keep = a->keep.n;
  a->prepare.holdout_where = a->holdout_where.item;
  a->prepare.n_holdout_where = a->holdout_where.n;
  a->prepare.seed = (uint64_t)a->seed;
  a->prepare.compress = strcmp(a->compress, "gzip") == 0;
  a->prepare.command_line = context->command_line;
  (void)cyf_choose_threads(context->comm, 0); /* they inflate gzip-compressed inputs */
  if (a->labels.n == 0)
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
  for (int64_t i = 0; a.parsed_bins != NULL && i < a.bins.n; i++) cyf_label_bins_destroy(&a.parsed_bins[i]);
  cyf_free(a.parsed_bins);
  cyf_options_free(options, N_OPTIONS, &inputs);
  return status;
}

const cyf_command cyf_cmd_prepare = {.name = "prepare",
                                     .summary = "h5ad files to an atlas that ranks can stream",
                                     .collective = true,
                                     .stops_itself = true,
                                     .run = run,
                                     .help = help};
