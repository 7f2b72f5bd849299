/* `cytoforge bench`: how fast an atlas streams on this machine; `bench train` and `bench sample` have files of their
 * own.
 */
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "cli/resources.h"
#include "data/loader.h"

static const cyf_usage usage = {
    .command = "bench",
    .arguments = "loader --data ATLAS [options]",
    .text =
        "Measures how fast the loader makes batches of log-normalised cells in memory, all ranks together, beside a\n"
        "plain sequential read of the same files. Warm by default: the files are read once before.",
    .examples =
        "  cytoforge bench loader --data atlas --batch 4096\n"
        "  cytoforge bench loader --data atlas --cold --json\n"
        "  mpirun -n 4 --bind-to none cytoforge bench loader --data atlas --batch 16384 --seconds 30\n"};

typedef struct arguments {
  const char *data, *io, *residency;
  cyf_loader_options loader;
  int64_t threads, epochs, seed;
  double seconds;
  bool cold, json;
} arguments;

enum { N_OPTIONS = 14 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OPTIONS] = {
      {"data", 0, CYF_OPTION_TEXT, &a->data, "ATLAS", "atlas that `prepare` made"},
      {"batch", 0, CYF_OPTION_INT, &a->loader.batch_cells, "N", "cells of a batch over all ranks (default 4096)"},
      {"lanes", 0, CYF_OPTION_INT, &a->loader.n_lanes, "L", "lanes (default 64)"},
      {"block", 0, CYF_OPTION_INT, &a->loader.block_cells, "N", "cells of one contiguous read (default 128)"},
      {"window", 0, CYF_OPTION_INT, &a->loader.window_blocks, "N", "blocks shuffled together (default 8)"},
      {"prefetch", 0, CYF_OPTION_INT, &a->loader.prefetch_batches, "N", "batches kept ready (default 3)"},
      {"io", 0, CYF_OPTION_TEXT, &a->io, "HOW", "posix (default) or mpio"},
      {"residency", 0, CYF_OPTION_TEXT, &a->residency, "WHERE",
       "stream (default) or host: keep the stored cells in memory"},
      {"threads", 0, CYF_OPTION_INT, &a->threads, "N", "threads a rank (default: its share of the CPUs)"},
      {"seconds", 0, CYF_OPTION_REAL, &a->seconds, "S", "how long to measure (default 10)"},
      {"epochs", 0, CYF_OPTION_INT, &a->epochs, "N", "measure whole epochs instead (--cold: 1)"},
      {"seed", 0, CYF_OPTION_INT, &a->seed, "S", "seed of the order (default 0)"},
      {"cold", 0, CYF_OPTION_FLAG, &a->cold, NULL, "drop the files from the page cache before reading"},
      {"json", 0, CYF_OPTION_FLAG, &a->json, NULL, "print one JSON object"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static const arguments defaults = {.io = "posix",
                                   .residency = "stream",
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
  fprintf(stream, "\n");
  cyf_bench_train_help(stream);
  fprintf(stream, "\n");
  cyf_bench_sample_help(stream);
}

/* What was measured, over all ranks. */
typedef struct measurement {
  int64_t n_cells, n_values, n_batches, bytes, read_bytes, cpu_ns;
  double seconds, read_seconds; /* of the slowest rank */
} measurement;

static cyf_status choose(const char *option, const char *value, const char *first, const char *second, int *ret_index) {
  *ret_index = strcmp(value, second) == 0;
  if (*ret_index || strcmp(value, first) == 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_USAGE, "bench: %s is %s or %s, not '%s'", option, first, second, value);
}

static cyf_status check(arguments *a, const cyf_texts *extra) {
  if (extra->n != 1 || strcmp(extra->item[0], "loader") != 0)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "bench: say what to measure: cytoforge bench loader --data ATLAS, bench train or bench sample");
  CYF_TRY(cyf_need(&usage, a->data, "--data ATLAS"));
  int io = 0, residency = 0;
  CYF_TRY(choose("--io", a->io, "posix", "mpio", &io));
  CYF_TRY(choose("--residency", a->residency, "stream", "host", &residency));
  if (!(a->seconds > 0) || a->epochs < 0 || a->seed < 0 || a->threads < 0)
    return CYF_FAIL(CYF_ERR_USAGE, "bench: --seconds must be positive, --epochs, --seed and --threads not negative");
  a->loader.io = io ? CYF_LOADER_MPIO : CYF_LOADER_POSIX;
  a->loader.residency = residency ? CYF_RESIDENCY_HOST : CYF_RESIDENCY_STREAM;
  a->loader.seed = (uint64_t)a->seed;
  if (a->cold && a->epochs == 0) a->epochs = 1;
  return CYF_OK;
}

/* Drops the caches on every machine. */
static cyf_status drop_cache(cyf_comm *comm, const cyf_atlas *atlas) {
  CYF_TRY(cyf_comm_barrier(comm));
  return cyf_comm_agree(comm, cyf_comm_local_rank(comm) == 0 ? cyf_bench_drop_cache(atlas) : CYF_OK);
}

/* A plain read of all files; warm: of files that were read just before. */
static cyf_status measure_read(cyf_comm *comm, const arguments *a, const cyf_atlas *atlas, measurement *m) {
  const int rank = cyf_comm_rank(comm), size = cyf_comm_size(comm);
  if (a->cold) {
    CYF_TRY(drop_cache(comm, atlas));
  } else {
    CYF_TRY(cyf_comm_agree(comm, cyf_bench_read(atlas, rank, size, &m->read_bytes, &m->read_seconds)));
  }
  CYF_TRY(cyf_comm_agree(comm, cyf_bench_read(atlas, rank, size, &m->read_bytes, &m->read_seconds)));
  return a->cold ? drop_cache(comm, atlas) : CYF_OK;
}

/* Takes batches until the time or the epochs are over. Not collective. */
static cyf_status take_batches(const arguments *a, cyf_loader *loader, measurement *m) {
  const double start = cyf_clock_s();
  const int64_t cpu_start = cyf_cpu_time_ns();
  const int64_t n_most = a->epochs * cyf_loader_batches_per_epoch(loader);
  while (a->epochs > 0 ? m->n_batches < n_most : cyf_clock_s() - start < a->seconds) {
    cyf_batch batch;
    if (cyf_interrupt_requested()) return CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal");
    CYF_TRY(cyf_loader_next(loader, &batch));
    m->n_cells += batch.cells.n_cells;
    m->n_values += batch.cells.indptr[batch.cells.n_cells];
    m->n_batches++;
  }
  m->seconds = cyf_clock_s() - start;
  m->cpu_ns = cyf_cpu_time_ns() - cpu_start;
  m->bytes = cyf_loader_bytes_read(loader);
  return CYF_OK;
}

static cyf_status measure(cyf_comm *comm, const arguments *a, const cyf_atlas *atlas, measurement *m) {
  cyf_loader *loader = NULL;
  CYF_TRY(measure_read(comm, a, atlas, m));
  CYF_TRY(cyf_loader_create(comm, atlas, &a->loader, (cyf_cursor){0, 0}, &loader));
  cyf_status status = take_batches(a, loader, m);
  status = cyf_comm_agree(comm, status);
  cyf_loader_destroy(&loader);
  CYF_TRY(status);
  int64_t sums[6] = {m->n_cells, m->n_values, m->n_batches, m->bytes, m->read_bytes, m->cpu_ns};
  double most[2] = {m->seconds, m->read_seconds};
  CYF_TRY(cyf_comm_sum_int64(comm, sums, 6));
  CYF_TRY(cyf_comm_max_double(comm, most, 2));
  *m = (measurement){sums[0], sums[1], sums[2] / cyf_comm_size(comm), sums[3], sums[4], sums[5], most[0], most[1]};
  return CYF_OK;
}

/* How fast cells come, over how fast the files' bytes come: what is read twice at the blocks' ends does not count. */
static double of_plain_read(const cyf_atlas *atlas, const measurement *m) {
  const double cells_of_read = (double)atlas->n_cells / m->read_seconds;
  return (double)m->n_cells / m->seconds / cells_of_read;
}

static void print_json(cyf_comm *comm, const arguments *a, const cyf_atlas *atlas, const measurement *m,
                       int64_t memory) {
  cyf_json json;
  cyf_json_init(&json, stdout, true);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "atlas", atlas->directory);
  cyf_json_int(&json, "atlas_cells", atlas->n_cells);
  cyf_json_int(&json, "n_genes", atlas->n_genes);
  cyf_json_real(&json, "values_per_cell", (double)m->n_values / (double)m->n_cells);
  cyf_json_real(&json, "stored_bytes_per_cell", (double)m->read_bytes / (double)atlas->n_cells);
  cyf_json_int(&json, "ranks", cyf_comm_size(comm));
  cyf_json_int(&json, "threads", a->loader.decode_threads);
  cyf_json_int(&json, "batch_cells", a->loader.batch_cells);
  cyf_json_int(&json, "lanes", a->loader.n_lanes);
  cyf_json_int(&json, "block_cells", a->loader.block_cells);
  cyf_json_int(&json, "window_blocks", a->loader.window_blocks);
  cyf_json_text(&json, "io", a->io);
  cyf_json_text(&json, "residency", a->residency);
  cyf_json_bool(&json, "cold", a->cold);
  cyf_json_int(&json, "n_cells", m->n_cells);
  cyf_json_real(&json, "seconds", m->seconds);
  cyf_json_real(&json, "cells_per_s", (double)m->n_cells / m->seconds);
  cyf_json_real(&json, "cpu_seconds", (double)m->cpu_ns / 1e9);
  cyf_json_real(&json, "cells_per_cpu_s", (double)m->n_cells / ((double)m->cpu_ns / 1e9));
  cyf_json_real(&json, "chunk_bytes_per_s", (double)m->bytes / m->seconds);
  cyf_json_real(&json, "plain_read_bytes_per_s", (double)m->read_bytes / m->read_seconds);
  cyf_json_real(&json, "of_plain_read", of_plain_read(atlas, m));
  cyf_json_int(&json, "peak_memory_bytes", memory);
  cyf_json_object_end(&json);
  printf("\n");
}

static void print_text(cyf_comm *comm, const arguments *a, const cyf_atlas *atlas, const measurement *m,
                       int64_t memory) {
  printf("loader, %s, %d rank%s x %d thread%s, batch %lld: %.0f cells/s\n", a->cold ? "cold" : "warm",
         cyf_comm_size(comm), cyf_comm_size(comm) > 1 ? "s" : "", a->loader.decode_threads,
         a->loader.decode_threads > 1 ? "s" : "", (long long)a->loader.batch_cells, (double)m->n_cells / m->seconds);
  printf("  %lld cells in %.2f s and %.2f CPU s (%.0f cells a CPU second), %lld genes, %.0f values a cell\n",
         (long long)m->n_cells, m->seconds, (double)m->cpu_ns / 1e9, (double)m->n_cells / ((double)m->cpu_ns / 1e9),
         (long long)atlas->n_genes, (double)m->n_values / (double)m->n_cells);
  printf("  stored chunks %.2f GB/s; a plain read of the same files %.2f GB/s; cells at %.2f of its rate\n",
         (double)m->bytes / m->seconds / 1e9, (double)m->read_bytes / m->read_seconds / 1e9, of_plain_read(atlas, m));
  printf("  peak memory %.2f GB a rank at most\n", (double)memory / 1e9);
}

static cyf_status bench(cyf_context *context, arguments *a, const cyf_texts *extra) {
  cyf_comm *comm = context->comm;
  cyf_atlas *atlas = NULL;
  cyf_device *device = NULL;
  measurement m = {0};
  cyf_status status = check(a, extra);
  if (status == CYF_OK) status = cyf_open_device(comm, a->threads, &device);
  if (status == CYF_OK) status = cyf_atlas_open(a->data, &atlas);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  a->loader.decode_threads = device->n_threads;
  CYF_TRY_CLEANUP(measure(comm, a, atlas, &m));
  int64_t memory = cyf_peak_memory_bytes();
  CYF_TRY_CLEANUP(cyf_comm_max_int64(comm, &memory, 1));
  if (cyf_comm_rank(comm) == 0) (a->json ? print_json : print_text)(comm, a, atlas, &m, memory);
cleanup:
  cyf_atlas_close(&atlas);
  cyf_device_destroy(&device);
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
