/* SPDX-License-Identifier: MIT */
/* `cytoforge bench train`: the time of a training step, and the rates that the device's matrix products and copies
 * reach. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "bench/bench.h"
#include "bench/bench_steps.h"
#include "cli/cmd_bench.h"
#include "cli/device_options.h"
#include "kernels/backend.h"
#include "train/stages.h"

static const cyf_usage usage = {
    .command = "bench train",
    .arguments = "[--stage autoencoder|denoiser|classifier] [--data ATLAS] [options]",
    .text =
        "Measures the time of a training step on made-up cells that lie in the device's memory, or on an atlas (the\n"
        "autoencoder, loader included), beside a large matrix product and a copy by the same device. The first steps "
        "are\n"
        "not counted. Steps are timed one by one, then as many without a wait between them, which gives cells/s.",
    .examples =
        "  cytoforge bench train --stage autoencoder --genes 28231 --nnz 1500 --batch 8192 --steps 50\n"
        "  cytoforge bench train --data atlas --residency device --batch 8192 --device cuda --json\n"
        "  mpirun -n 2 cytoforge bench train --stage denoiser --batch 4096 --device cuda --precision bf16 --json\n",
    .groups = {{"stage", "what is trained"},
               {"genes", "made-up cells"},
               {"batch", "the measurement"},
               {"device", "computing"}}};

typedef struct arguments {
  const char *stage, *data, *residency;
  cyf_texts overrides;
  int64_t n_genes, n_expressed, n_classes, batch, n_steps;
  bool json;
  cyf_device_options compute;
} arguments;

static const arguments defaults = {.n_genes = 28231, .n_expressed = 1500, .n_classes = 20, .batch = 512, .n_steps = 20};

enum { N_OWN = 10, N_OPTIONS = N_OWN + CYF_DEVICE_OPTIONS, N_WARM = 3 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OWN] = {
      {"stage", 0, CYF_OPTION_TEXT, &a->stage, "autoencoder|denoiser|classifier",
       "stage of training (default autoencoder)"},
      {"data", 0, CYF_OPTION_TEXT, &a->data, "ATLAS", "cells of this atlas in place of made-up ones"},
      {"residency", 0, CYF_OPTION_TEXT, &a->residency, "stream|host|device",
       "where the atlas' cells stay (default: data.residency, stream)"},
      {"genes", 0, CYF_OPTION_INT, &a->n_genes, "G", "genes (default 28231)"},
      {"nnz", 0, CYF_OPTION_INT, &a->n_expressed, "N", "genes that a cell expresses (default 1500)"},
      {"classes", 0, CYF_OPTION_INT, &a->n_classes, "C", "classes of the classifier (default 20)"},
      {"batch", 0, CYF_OPTION_INT, &a->batch, "B", "cells of a batch over all ranks (default 512)"},
      {"steps", 0, CYF_OPTION_INT, &a->n_steps, "S", "steps that are timed (default 20)"},
      {"set", 0, CYF_OPTION_LIST, &a->overrides, "KEY=VALUE", "one key of the configuration; may be repeated"},
      {"json", 0, CYF_OPTION_FLAG, &a->json, NULL, "print one JSON object"}};
  for (int i = 0; i < N_OWN; i++) o[i] = table[i];
  cyf_device_list_options(&a->compute, o + N_OWN);
}

void cyf_bench_train_help(FILE *stream) {
  arguments a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

typedef struct measurement {
  double median_s, least_s, p90_s; /* of a step */
  double cells_per_s;              /* of steps that are not waited for */
  double flops, bytes, product_flops_per_s, copy_bytes_per_s;
  double first_loss, last_loss;
  const char *residency; /* of an atlas' cells */
} measurement;

static cyf_status check(const arguments *a, const cyf_texts *extra, int n_ranks) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "bench train: '%s' is no option", extra->item[0]);
  if (a->n_genes < 1 || a->n_expressed < 1 || a->n_expressed > a->n_genes || a->n_classes < 2 || a->n_steps < 1)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "bench train: --genes, --nnz (at most --genes) and --steps must be positive, --classes at least 2");
  if (a->residency != NULL && a->data == NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "bench train: --residency is of an atlas (--data ATLAS)");
  if (a->batch < n_ranks || a->batch % n_ranks != 0)
    return CYF_FAIL(CYF_ERR_USAGE, "bench train: --batch %lld is not a multiple of the %d ranks", (long long)a->batch,
                    n_ranks);
  return CYF_OK;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* All ranks stop together when one of them got a signal. Collective. */
static cyf_status check_signal(cyf_comm *comm) {
  double stop = cyf_interrupt_requested() != 0;
  CYF_TRY(cyf_comm_max_double(comm, &stop, 1));
  return stop > 0 ? cyf_comm_agree(comm, CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal")) : CYF_OK;
}

/* Times each step by itself, up to the device's last operation. */
static cyf_status time_each(cyf_comm *comm, cyf_bench_steps *steps, int64_t n, double *seconds, measurement *m) {
  int64_t n_cells = 0;
  for (int64_t i = -N_WARM; i < n; i++) {
    CYF_TRY(check_signal(comm));
    const double start_s = cyf_clock_s();
    CYF_TRY(cyf_bench_steps_run(steps, &n_cells));
    CYF_TRY(cyf_bench_steps_wait(steps));
    if (i >= 0) seconds[i] = cyf_clock_s() - start_s;
    if (i == -N_WARM) m->first_loss = cyf_bench_steps_loss(steps);
  }
  CYF_TRY(cyf_comm_max_double(comm, seconds, n)); /* a step ends with its slowest rank */
  qsort(seconds, (size_t)n, sizeof *seconds, compare);
  m->least_s = seconds[0];
  m->median_s = seconds[n / 2];
  m->p90_s = seconds[(9 * n - 1) / 10];
  return CYF_OK;
}

/* Times all steps together, run as training runs them: the host goes on while the device works. */
static cyf_status time_together(cyf_comm *comm, cyf_bench_steps *steps, int64_t n, measurement *m) {
  int64_t total = 0, n_cells = 0;
  const double start_s = cyf_clock_s();
  for (int64_t i = 0; i < n; i++) {
    CYF_TRY(check_signal(comm));
    CYF_TRY(cyf_bench_steps_run(steps, &n_cells));
    total += n_cells;
  }
  CYF_TRY(cyf_bench_steps_wait(steps));
  double seconds = cyf_clock_s() - start_s;
  CYF_TRY(cyf_comm_max_double(comm, &seconds, 1));
  m->cells_per_s = (double)total / seconds;
  return CYF_OK;
}

static cyf_status time_steps(cyf_comm *comm, cyf_bench_steps *steps, int64_t n, measurement *m) {
  double *seconds = NULL;
  cyf_status status;
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&seconds, n)));
  CYF_TRY_CLEANUP(time_each(comm, steps, n, seconds, m));
  CYF_TRY_CLEANUP(time_together(comm, steps, n, m));
  m->last_loss = cyf_bench_steps_loss(steps);
  m->flops = cyf_bench_steps_flops(steps);
  m->bytes = cyf_bench_steps_bytes(steps);
cleanup:
  cyf_free(seconds);
  return status;
}

/* Seconds of a step at the rate of steps that are not waited for. */
static double step_seconds(const arguments *a, const measurement *m) {
  return (double)a->batch / m->cells_per_s;
}

static double share_of_product(const arguments *a, const measurement *m, int n_ranks) {
  return m->flops / step_seconds(a, m) / (m->product_flops_per_s * n_ranks);
}

static double share_of_copy(const arguments *a, const measurement *m) {
  return m->bytes / step_seconds(a, m) / m->copy_bytes_per_s;
}

static void print_json(const arguments *a, const cyf_device *device, const cyf_bench_steps *steps, int n_ranks,
                       const measurement *m) {
  const cyf_bench_shape *shape = cyf_bench_steps_shape(steps);
  cyf_json json;
  cyf_json_init(&json, stdout, true);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "stage", a->stage);
  cyf_json_text(&json, "device", device->ops->name);
  cyf_json_text(&json, "plane", cyf_bench_steps_plane(steps));
  if (a->data != NULL) cyf_json_text(&json, "atlas", a->data);
  if (a->data != NULL) cyf_json_text(&json, "residency", m->residency);
  cyf_json_int(&json, "ranks", n_ranks);
  cyf_json_int(&json, "threads", device->n_threads);
  cyf_json_int(&json, "n_genes", shape->n_genes);
  cyf_json_real(&json, "values_per_cell", shape->n_expressed);
  cyf_json_int(&json, "batch_cells", a->batch);
  cyf_json_int(&json, "steps", a->n_steps);
  cyf_json_real(&json, "step_median_s", m->median_s);
  cyf_json_real(&json, "step_min_s", m->least_s);
  cyf_json_real(&json, "step_p90_s", m->p90_s);
  cyf_json_real(&json, "cells_per_s", m->cells_per_s);
  cyf_json_real(&json, "step_flops", m->flops);
  cyf_json_real(&json, "product_flops_per_s", m->product_flops_per_s);
  cyf_json_real(&json, "share_of_product_rate", share_of_product(a, m, n_ranks));
  cyf_json_real(&json, "step_bytes", m->bytes);
  cyf_json_real(&json, "copy_bytes_per_s", m->copy_bytes_per_s);
  cyf_json_real(&json, "share_of_copy_rate", share_of_copy(a, m));
  cyf_json_real(&json, "first_loss", m->first_loss);
  cyf_json_real(&json, "last_loss", m->last_loss);
  cyf_json_object_end(&json);
  cyf_print(stdout, "\n");
}

static void print_text(const arguments *a, const cyf_device *device, const cyf_bench_steps *steps, int n_ranks,
                       const measurement *m) {
  cyf_print(stdout, "%s, %s, %d rank%s (%s), batch %lld: %.0f cells/s\n", a->stage, device->ops->name, n_ranks,
            n_ranks > 1 ? "s" : "", cyf_bench_steps_plane(steps), (long long)a->batch, m->cells_per_s);
  cyf_print(stdout, "  a step: median %.3g ms, least %.3g, 90 of 100 within %.3g\n", 1e3 * m->median_s,
            1e3 * m->least_s, 1e3 * m->p90_s);
  cyf_print(stdout, "  %.3g GFLOP a step, %.2f of the rate of a large matrix product (%.3g TFLOP/s a rank)\n",
            m->flops / 1e9, share_of_product(a, m, n_ranks), m->product_flops_per_s / 1e12);
  cyf_print(stdout, "  at least %.3g MB moved a step and rank, %.2f of the rate of a copy (%.3g GB/s a rank)\n",
            m->bytes / 1e6, share_of_copy(a, m), m->copy_bytes_per_s / 1e9);
}

/* --residency is short for data.residency of the configuration. */
static cyf_status load_settings(const arguments *a, cyf_settings *ret_settings) {
  char residency[64];
  const char **items = NULL;
  const int64_t n = a->overrides.n;
  CYF_TRY(CYF_NEW(&items, n + 1));
  for (int64_t i = 0; i < n; i++) items[i] = a->overrides.item[i];
  snprintf(residency, sizeof residency, "data.residency=%s", a->residency != NULL ? a->residency : "");
  items[n] = residency;
  const cyf_status status = cyf_settings_load_fixed(n + (a->residency != NULL), items, ret_settings);
  cyf_free(items);
  return status;
}

static cyf_status bench(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  cyf_comm *comm = context->comm;
  const int n_ranks = cyf_comm_size(comm);
  cyf_settings settings = {0};
  cyf_device *device = NULL;
  cyf_bench_steps *steps = NULL;
  measurement m = {0};
  cyf_status status = check(a, extra, n_ranks);
  if (status == CYF_OK) status = load_settings(a, &settings);
  CYF_TRY(cyf_comm_agree(comm, status));
  const cyf_bench_shape shape = {.stage = a->stage,
                                 .data = a->data,
                                 .n_genes = a->n_genes,
                                 .n_expressed = (double)a->n_expressed,
                                 .n_classes = a->n_classes,
                                 .n_local = a->batch / n_ranks,
                                 .n_global = a->batch};
  CYF_TRY_CLEANUP(cyf_open_wished_device(comm, &a->compute, settings.device, settings.precision, &device));
  CYF_TRY_CLEANUP(cyf_bench_steps_create(comm, device, &settings, &shape, &steps));
  m.residency = cyf_residency_words[settings.data.residency];
  CYF_TRY_CLEANUP(time_steps(comm, steps, a->n_steps, &m));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, cyf_bench_device(device, &m.product_flops_per_s, &m.copy_bytes_per_s)));
  if (cyf_comm_rank(comm) == 0) (a->json ? print_json : print_text)(a, device, steps, n_ranks, &m);
cleanup:
  cyf_bench_steps_destroy(&steps);
  cyf_device_destroy(&device);
  cyf_settings_destroy(&settings);
  return status;
}

cyf_status cyf_bench_train(cyf_context *context, int argc, char **argv) {
  arguments a = defaults;
  a.stage = cyf_stage_autoencoder.name;
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra));
  if (status == CYF_OK) status = bench(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}
