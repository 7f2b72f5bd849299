/* SPDX-License-Identifier: MIT */
/* `cytoforge bench loader`: how fast an atlas streams on this machine. `bench train` and `bench sample` have files of
 * their own. */
#include "cli/cmd_bench.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "bench/bench_loader.h"
#include "cli/command.h"
#include "cli/resources.h"
#include "data/loader/loader.h"

static const cyf_usage usage = {
    .command = "bench",
    .arguments = "loader --data ATLAS [options]",
    .text =
        "Measures how fast the loader makes batches of log-normalised cells in memory, all ranks together, beside a\n"
        "plain sequential read of the same files. Warm by default: the files are read once before. With --cold an "
        "epoch and\n"
        "a plain read take turns, after an epoch that does not count.",
    .examples =
        "  cytoforge bench loader --data atlas --batch 4096\n"
        "  cytoforge bench loader --data atlas --cold --json\n"
        "  mpirun -n 4 --bind-to none cytoforge bench loader --data atlas --batch 16384 --seconds 30\n",
    .groups = {{"data", "what is read"}, {"io", "how it is read"}, {"seconds", "the measurement"}}};

typedef struct arguments {
  const char *data, *io, *residency, *verify;
  cyf_loader_options loader;
  int64_t threads, epochs, seed;
  double seconds;
  bool cold, json;
} arguments;

enum { N_OPTIONS = 15 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OPTIONS] = {
      {"data", 0, CYF_OPTION_TEXT, &a->data, "ATLAS", "atlas that `prepare` made"},
      {"batch", 0, CYF_OPTION_INT, &a->loader.batch_cells, "N", "cells of a batch over all ranks (default 4096)"},
      {"lanes", 0, CYF_OPTION_INT, &a->loader.n_lanes, "L", "lanes (default 64)"},
      {"block", 0, CYF_OPTION_INT, &a->loader.block_cells, "N", "cells of one contiguous read (default 128)"},
      {"window", 0, CYF_OPTION_INT, &a->loader.window_blocks, "N", "blocks shuffled together (default 8)"},
      {"prefetch", 0, CYF_OPTION_INT, &a->loader.prefetch_batches, "N", "batches kept ready (default 3)"},
      {"io", 0, CYF_OPTION_TEXT, &a->io, "HOW",
       "posix (through the page cache), direct (past it), mpio or auto (default): direct with --cold, which stands for "
       "an "
       "atlas larger than memory, or where it is; else posix"},
      {"residency", 0, CYF_OPTION_TEXT, &a->residency, "WHERE",
       "stream (default) or host: keep the stored cells in memory"},
      {"verify", 0, CYF_OPTION_TEXT, &a->verify, "WHEN",
       "compare what is read with its checksums: first (default: the first time), always or never"},
      {"threads", 0, CYF_OPTION_INT, &a->threads, "N", "threads a rank (default: its share of the CPUs)"},
      {"seconds", 0, CYF_OPTION_REAL, &a->seconds, "S", "how long to measure (default 10)"},
      {"epochs", 0, CYF_OPTION_INT, &a->epochs, "N", "measure whole epochs instead (--cold: 3)"},
      {"seed", 0, CYF_OPTION_INT, &a->seed, "S", "seed of the order (default 0)"},
      {"cold", 0, CYF_OPTION_FLAG, &a->cold, NULL,
       "drop the files from the page cache before each epoch and plain read"},
      {"json", 0, CYF_OPTION_FLAG, &a->json, NULL, "print one JSON object"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static const arguments defaults = {.io = "auto",
                                   .residency = "stream",
                                   .verify = "first",
                                   .seconds = 10,
                                   .loader = {.batch_cells = 4096,
                                              .n_lanes = 64,
                                              .block_cells = 128,
                                              .window_blocks = 8,
                                              .prefetch_batches = 3,
                                              .split = CYF_SPLIT_ALL,
                                              .shuffle = true}};

static void help(FILE *stream) {
  arguments a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
  cyf_print(stream, "\n");
  cyf_bench_train_help(stream);
  cyf_print(stream, "\n");
  cyf_bench_sample_help(stream);
}

static cyf_status check(arguments *a, const cyf_texts *extra) {
  if (extra->n != 1 || strcmp(extra->item[0], "loader") != 0)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "bench: say what to measure: cytoforge bench loader --data ATLAS, bench train or bench sample");
  CYF_TRY(cyf_need(&usage, a->data, "--data ATLAS"));
  int io = 0, residency = 0;
  CYF_TRY(cyf_words_choose(usage.command, "io", CYF_LOADER_IOS, cyf_loader_io_words, a->io, &io));
  CYF_TRY(cyf_words_choose(usage.command, "residency", CYF_RESIDENCY_DEVICE, cyf_residency_words, a->residency,
                           &residency));
  if (!(a->seconds > 0) || a->epochs < 0 || a->seed < 0 || a->threads < 0)
    return CYF_FAIL(CYF_ERR_USAGE, "bench: --seconds must be positive, --epochs, --seed and --threads not negative");
  a->loader.io = io;
  if (a->cold && io == CYF_LOADER_AUTO) a->loader.io = CYF_LOADER_DIRECT;
  a->loader.residency = residency;
  a->loader.seed = (uint64_t)a->seed;
  if (a->cold && a->epochs == 0) a->epochs = 3;
  return CYF_OK;
}

static double cells_per_s(const cyf_bench_round *round) {
  return (double)round->n_cells / round->seconds;
}

static void print_rounds_json(const cyf_atlas *atlas, const cyf_loader_bench *bench, cyf_json *json) {
  cyf_json_array_begin(json, "rounds");
  for (int64_t r = 0; r < bench->n_rounds; r++) {
    const cyf_bench_round *round = &bench->round[r];
    cyf_json_object_begin(json, NULL);
    cyf_json_real(json, "seconds", round->seconds);
    cyf_json_real(json, "cells_per_s", cells_per_s(round));
    cyf_json_real(json, "plain_read_bytes_per_s", (double)round->read_bytes / round->read_seconds);
    cyf_json_real(json, "of_plain_read", cyf_bench_round_ratio(atlas, round));
    cyf_json_object_end(json);
  }
  cyf_json_array_end(json);
}

static void print_json(cyf_comm *comm, const arguments *a, const cyf_atlas *atlas, const cyf_loader_bench *bench,
                       int64_t memory) {
  const cyf_bench_round *m = &bench->sum;
  cyf_json json;
  cyf_json_init(&json, stdout, true);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "atlas", atlas->directory);
  cyf_json_int(&json, "atlas_cells", atlas->n_cells);
  cyf_json_int(&json, "n_genes", atlas->n_genes);
  cyf_json_real(&json, "values_per_cell", (double)m->n_values / (double)m->n_cells);
  cyf_json_real(&json, "stored_bytes_per_cell", (double)bench->round[0].read_bytes / (double)atlas->n_cells);
  cyf_json_int(&json, "ranks", cyf_comm_size(comm));
  cyf_json_int(&json, "threads", a->loader.decode_threads);
  cyf_json_int(&json, "batch_cells", a->loader.batch_cells);
  cyf_json_int(&json, "lanes", a->loader.n_lanes);
  cyf_json_int(&json, "block_cells", a->loader.block_cells);
  cyf_json_int(&json, "window_blocks", a->loader.window_blocks);
  cyf_json_text(&json, "io", cyf_loader_io_words[bench->io]);
  cyf_json_text(&json, "residency", a->residency);
  cyf_json_bool(&json, "cold", a->cold);
  cyf_json_int(&json, "n_cells", m->n_cells);
  cyf_json_real(&json, "seconds", m->seconds);
  cyf_json_real(&json, "cells_per_s", cells_per_s(m));
  cyf_json_real(&json, "cpu_seconds", (double)m->cpu_ns / 1e9);
  cyf_json_real(&json, "cells_per_cpu_s", (double)m->n_cells / ((double)m->cpu_ns / 1e9));
  cyf_json_real(&json, "chunk_bytes_per_s", (double)m->bytes / m->seconds);
  cyf_json_real(&json, "plain_read_bytes_per_s", (double)m->read_bytes / m->read_seconds);
  cyf_json_real(&json, "of_plain_read", bench->of_plain_read);
  print_rounds_json(atlas, bench, &json);
  cyf_json_int(&json, "peak_memory_bytes", memory);
  cyf_json_object_end(&json);
  cyf_print(stdout, "\n");
}

static void print_text(cyf_comm *comm, const arguments *a, const cyf_atlas *atlas, const cyf_loader_bench *bench,
                       int64_t memory) {
  const cyf_bench_round *m = &bench->sum;
  cyf_print(stdout, "loader, %s (%s), %d rank%s x %d thread%s, batch %lld: %.0f cells/s\n", a->cold ? "cold" : "warm",
            cyf_loader_io_words[bench->io], cyf_comm_size(comm), cyf_comm_size(comm) > 1 ? "s" : "",
            a->loader.decode_threads, a->loader.decode_threads > 1 ? "s" : "", (long long)a->loader.batch_cells,
            cells_per_s(m));
  cyf_print(stdout, "  %lld cells in %.2f s and %.2f CPU s (%.0f cells a CPU second), %lld genes, %.0f values a cell\n",
            (long long)m->n_cells, m->seconds, (double)m->cpu_ns / 1e9, (double)m->n_cells / ((double)m->cpu_ns / 1e9),
            (long long)atlas->n_genes, (double)m->n_values / (double)m->n_cells);
  cyf_print(stdout, "  stored chunks %.2f GB/s; a plain read of the same files %.2f GB/s; cells at %.2f of its rate\n",
            (double)m->bytes / m->seconds / 1e9, (double)m->read_bytes / m->read_seconds / 1e9, bench->of_plain_read);
  for (int64_t r = 0; a->cold && r < bench->n_rounds; r++)
    cyf_print(stdout, "  round %lld: %.0f cells/s after a plain read at %.2f GB/s: %.2f of its rate\n",
              (long long)r + 1, cells_per_s(&bench->round[r]),
              (double)bench->round[r].read_bytes / bench->round[r].read_seconds / 1e9,
              cyf_bench_round_ratio(atlas, &bench->round[r]));
  cyf_print(stdout, "  peak memory %.2f GB a rank at most\n", (double)memory / 1e9);
}

static cyf_status bench(cyf_context *context, arguments *a, const cyf_texts *extra) {
  cyf_comm *comm = context->comm;
  cyf_atlas *atlas = NULL;
  cyf_loader_bench measured = {0};
  cyf_status status = check(a, extra);
  int verify = CYF_VERIFY_FIRST;
  if (status == CYF_OK)
    status = cyf_words_choose(usage.command, "verify", CYF_VERIFIES, cyf_verify_words, a->verify, &verify);
  if (status == CYF_OK) status = cyf_atlas_open(a->data, &atlas);
  if (status == CYF_OK) atlas->verify = (cyf_verify)verify;
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  a->loader.decode_threads = cyf_choose_threads(comm, a->threads);
  CYF_TRY_CLEANUP(cyf_loader_bench_run(comm, atlas, &a->loader, a->cold, a->seconds, a->epochs, &measured));
  int64_t memory = cyf_peak_memory_bytes();
  CYF_TRY_CLEANUP(cyf_comm_max_int64(comm, &memory, 1));
  if (cyf_comm_rank(comm) == 0) (a->json ? print_json : print_text)(comm, a, atlas, &measured, memory);
cleanup:
  cyf_loader_bench_destroy(&measured);
  cyf_atlas_close(&atlas);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "train") == 0) return cyf_bench_train(context, argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "sample") == 0) return cyf_bench_sample(context, argc - 1, argv + 1);
  arguments a = defaults;
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra));
  if (status == CYF_OK) status = bench(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_bench = {.name = "bench",
                                   .summary = "measure how fast an atlas streams, models train and cells are sampled",
                                   .collective = true,
                                   .stops_itself = true,
                                   .run = run,
                                   .help = help};
