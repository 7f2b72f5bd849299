#include "base/log.h"
#include "cli/command.h"
#include "data/synth.h"

static const cyf_usage usage = {
    .command = "synth",
    .arguments = "-o OUT.h5ad --cells N --genes G --types K [options]",
    .text =
        "Simulates raw counts (negative binomial) with cell types, donors and a differentiation path from the first\n"
        "type to the second; obs gets cell_type, donor and pseudotime. Streams: N can be millions.",
    .examples = "  cytoforge synth -o cells.h5ad --cells 4000 --genes 2000 --types 5\n"};

enum { N_OPTIONS = 9 };

static void list_options(cyf_synth_options *a, cyf_option *o) {
  const cyf_option table[N_OPTIONS] = {
      {"output", 'o', CYF_OPTION_TEXT, &a->output, "OUT.h5ad", "file to write"},
      {"cells", 0, CYF_OPTION_INT, &a->n_cells, "N", "cells (default 4000)"},
      {"genes", 0, CYF_OPTION_INT, &a->n_genes, "G", "genes (default 2000)"},
      {"types", 0, CYF_OPTION_INT, &a->n_types, "K", "cell types (default 5)"},
      {"donors", 0, CYF_OPTION_INT, &a->n_donors, "D", "donors (default 4)"},
      {"counts", 0, CYF_OPTION_REAL, &a->mean_counts, "C", "mean counts a cell (default 3000)"},
      {"expressed", 0, CYF_OPTION_REAL, &a->expressed_fraction, "F",
       "share of genes expressed in a cell, about (default 0.1)"},
      {"seed", 0, CYF_OPTION_INT, &a->seed, "S", "seed (default 0)"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing file"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static const cyf_synth_options defaults = {
    .n_cells = 4000, .n_genes = 2000, .n_types = 5, .n_donors = 4, .mean_counts = 3000, .expressed_fraction = 0.1};

static void help(FILE *stream) {
  cyf_synth_options a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

static cyf_status simulate(const cyf_synth_options *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "synth: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->output, "-o OUT.h5ad"));
  CYF_TRY(cyf_check_output(a->output, a->force));
  CYF_TRY(cyf_synth(a));
  cyf_info("wrote %s: %lld cells x %lld genes, %lld types, %lld donors", a->output, (long long)a->n_cells,
           (long long)a->n_genes, (long long)a->n_types, (long long)a->n_donors);
  return CYF_OK;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  (void)context;
  cyf_synth_options a = defaults;
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra);
  if (status == CYF_OK) status = simulate(&a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_synth = {.name = "synth",
                                   .summary = "simulate single-cell counts for trying things out",
                                   .stops_itself = true,
                                   .run = run,
                                   .help = help};
