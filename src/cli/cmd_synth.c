/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "cli/command.h"
#include "cli/resources.h"
#include "data/synth/synth.h"

static const cyf_usage usage = {
    .command = "synth",
    .arguments =
        "-o OUT.h5ad --cells N --genes G --types K [options]\n"
        "       [mpirun -n R] cytoforge synth -o FOLDER --files F --cells N ...",
    .text =
        "Simulates raw counts (negative binomial) with cell types, donors and a differentiation path from the first\n"
        "type to the second; obs gets cell_type, donor and pseudotime. Streams: N can be millions.\n"
        "With --files the ranks of mpirun write a folder of files; the cells are the same for any number of files, "
        "ranks\n"
        "and threads.",
    .examples =
        "  cytoforge synth -o cells.h5ad --cells 4000 --genes 2000 --types 5\n"
        "  mpirun -n 2 cytoforge synth -o atlas_in --files 8 --compact --cells 2e6 --genes 28231 --types 30 \\\n"
        "    --donors 20 --counts 3000 --expressed 0.053\n",
    .groups = {{"out", "output and size"},
               {"types", "what the cells are like"},
               {"files", "many files"},
               {"threads", "the run"}}};

typedef struct arguments {
  cyf_synth_options synth;
  int64_t n_files; /* 0: one file, not a folder */
  int64_t threads;
} arguments;

/* How long ranks wait for one that still writes its file. Simulating an atlas may take days. */
static const double FILE_TIMEOUT_S = 1e7;

enum { N_OPTIONS = 12 };

static void list_options(arguments *all, cyf_option *o) {
  cyf_synth_options *a = &all->synth;
  const cyf_option table[N_OPTIONS] = {
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "OUT.h5ad", "file to write; with --files a folder"},
      {"cells", 0, CYF_OPTION_INT, &a->n_cells, "N", "cells (default 4000)"},
      {"genes", 0, CYF_OPTION_INT, &a->n_genes, "G", "genes (default 2000)"},
      {"types", 0, CYF_OPTION_INT, &a->n_types, "K", "cell types (default 5)"},
      {"donors", 0, CYF_OPTION_INT, &a->n_donors, "D", "donors (default 4)"},
      {"counts", 0, CYF_OPTION_REAL, &a->mean_counts, "C", "mean counts a cell (default 3000)"},
      {"expressed", 0, CYF_OPTION_REAL, &a->expressed_fraction, "F",
       "share of genes expressed in a cell, about (default 0.1)"},
      {"files", 0, CYF_OPTION_INT, &all->n_files, "F", "write a folder of F files, on all ranks"},
      {"compact", 0, CYF_OPTION_FLAG, &a->compact, NULL,
       "store integers of 16 bits: half the size, read more slowly by h5py"},
      {"threads", 0, CYF_OPTION_INT, &all->threads, "T", "threads a rank (default: its share of the CPUs)"},
      {"seed", 0, CYF_OPTION_INT, &a->seed, "S", "seed (default 0)"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing file"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static const arguments defaults = {
    .synth = {
        .n_cells = 4000, .n_genes = 2000, .n_types = 5, .n_donors = 4, .mean_counts = 3000, .expressed_fraction = 0.1}};

static void help(FILE *stream) {
  arguments a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

static cyf_status check(const arguments *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "synth: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->synth.output, a->n_files != 0 ? "-o FOLDER" : "-o OUT.h5ad"));
  if (a->n_files < 0 || a->threads < 0)
    return CYF_FAIL(CYF_ERR_USAGE, "synth: --files and --threads cannot be negative");
  return a->n_files == 0 ? cyf_check_output(a->synth.output, a->synth.force) : CYF_OK;
}

static cyf_status simulate(cyf_context *context, arguments *a, const cyf_texts *extra) {
  cyf_comm *comm = context->comm;
  CYF_TRY(cyf_comm_agree(comm, check(a, extra)));
  a->synth.n_threads = cyf_choose_threads(comm, a->threads);
  cyf_comm_set_timeout(comm, FILE_TIMEOUT_S);
  if (a->n_files > 0) {
    CYF_TRY(cyf_synth_files(comm, &a->synth, a->n_files));
    cyf_info("wrote %s: %lld files", a->synth.output, (long long)a->n_files);
  } else {
    CYF_TRY(cyf_comm_agree(comm, cyf_comm_rank(comm) == 0 ? cyf_synth(&a->synth) : CYF_OK));
    cyf_info("wrote %s: %lld cells x %lld genes, %lld types, %lld donors", a->synth.output, (long long)a->synth.n_cells,
             (long long)a->synth.n_genes, (long long)a->synth.n_types, (long long)a->synth.n_donors);
  }
  return cyf_report_resources(comm);
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  arguments a = defaults;
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra));
  if (status == CYF_OK) status = simulate(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_synth = {.name = "synth",
                                   .summary = "simulate single-cell counts for trying things out",
                                   .writes = true,
                                   .collective = true,
                                   .stops_itself = true,
                                   .run = run,
                                   .help = help};
