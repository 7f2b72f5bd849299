/* `cytoforge bench train`: the time of a training step, beside what the device's matrix products and copies reach. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/bench.h"
#include "cli/bench_steps.h"
#include "cli/device_options.h"
#include "kernels/backend.h"

static const cyf_usage usage = {
    .command = "bench train",
    .arguments = "[--stage autoencoder|denoiser|classifier] [options]",
    .text =
        "Measures the time of a training step on made-up cells that lie in the device's memory, beside a large matrix\n"
        "product and a copy by the same device. The first steps are not counted.",
    .examples =
        "  cytoforge bench train --stage autoencoder --genes 28231 --nnz 1500 --batch 8192 --steps 50\n"
        "  mpirun -n 2 cytoforge bench train --stage denoiser --batch 4096 --device cuda --precision bf16 --json\n"};

typedef struct arguments {
  const char *stage;
  cyf_texts overrides;
  int64_t n_genes, n_expressed, n_classes, batch, n_steps;
  bool json;
  cyf_device_options compute;
} arguments;

static const arguments defaults = {
    .stage = "autoencoder", .n_genes = 28231, .n_expressed = 1500, .n_classes = 20, .batch = 512, .n_steps = 20};

enum { N_OWN = 8, N_OPTIONS = N_OWN + CYF_DEVICE_OPTIONS, N_WARM = 3 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OWN] = {
      {"stage", 0, CYF_OPTION_TEXT, &a->stage, "STAGE", "autoencoder (default), denoiser or classifier"},
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
  double flops, product_flops_per_s, copy_bytes_per_s;
  double first_loss, last_loss;
} measurement;

static cyf_status check(const arguments *a, const cyf_texts *extra, int n_ranks) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "bench train: '%s' is no option", extra->item[0]);
  if (a->n_genes < 1 || a->n_expressed < 1 || a->n_expressed > a->n_genes || a->n_classes < 2 || a->n_steps < 1)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "bench train: --genes, --nnz (at most --genes) and --steps must be positive, --classes at least 2");
  if (a->batch < n_ranks || a->batch % n_ranks != 0)
    return CYF_FAIL(CYF_ERR_USAGE, "bench train: --batch %lld is not a multiple of the %d ranks", (long long)a->batch,
                    n_ranks);
  return CYF_OK;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Square matrices [n, n] on the device. */
typedef struct product {
  int64_t n;
  float *x, *w, *y;
} product;

static cyf_status multiply(cyf_device *d, const product *p) {
  return d->ops->linear_forward(d, p->n, p->n, p->n, p->x, p->w, NULL, false, p->y);
}

static cyf_status copy(cyf_device *d, const product *p) {
  return d->ops->copy(d, p->y, p->x, sizeof(float) * (size_t)(p->n * p->n));
}

static cyf_status time_call(cyf_device *d, cyf_status (*call)(cyf_device *, const product *), const product *p,
                            double *ret_s) {
  int64_t n = 1;
  for (*ret_s = 0;; n *= 2) { /* until it lasts for a tenth of a second */
    const double start_s = cyf_clock_s();
    for (int64_t i = 0; i < n; i++) CYF_TRY(call(d, p));
    CYF_TRY(d->ops->synchronize(d));
    const double seconds = cyf_clock_s() - start_s;
    *ret_s = seconds / (double)n;
    if (seconds > 0.1 && n > 1) return CYF_OK;
  }
}

/* A product of two square matrices, 8,192 wide on a GPU and 1,024 on the CPU, and a copy of one of them. */
static cyf_status measure_device(cyf_device *d, measurement *m) {
  product p = {.n = d->host_memory ? 1024 : 8192};
  const size_t bytes = sizeof(float) * (size_t)(p.n * p.n);
  const double side = (double)p.n;
  double seconds = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(d->ops->alloc(d, bytes, (void **)&p.x));
  CYF_TRY_CLEANUP(d->ops->alloc(d, bytes, (void **)&p.w));
  CYF_TRY_CLEANUP(d->ops->alloc(d, bytes, (void **)&p.y));
  CYF_TRY_CLEANUP(d->ops->fill_normal(d, p.n, p.n, cyf_rng_key_make(1, CYF_RNG_NOISE), 0, NULL, 0, p.x));
  CYF_TRY_CLEANUP(d->ops->fill_normal(d, p.n, p.n, cyf_rng_key_make(2, CYF_RNG_NOISE), 0, NULL, 0, p.w));
  CYF_TRY_CLEANUP(time_call(d, multiply, &p, &seconds));
  m->product_flops_per_s = 2 * side * side * side / seconds;
  CYF_TRY_CLEANUP(time_call(d, copy, &p, &seconds));
  m->copy_bytes_per_s = 2 * (double)bytes / seconds; /* read and written */
cleanup:
  d->ops->free(d, p.x);
  d->ops->free(d, p.w);
  d->ops->free(d, p.y);
  return status;
}

static cyf_status time_steps(cyf_comm *comm, cyf_bench_steps *steps, int64_t n, measurement *m) {
  double *seconds = NULL;
  cyf_status status;
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&seconds, n)));
  for (int64_t i = -N_WARM; i < n; i++) {
    double stop = cyf_interrupt_requested() != 0;
    CYF_TRY_CLEANUP(cyf_comm_max_double(comm, &stop, 1));
    if (stop > 0) CYF_TRY_CLEANUP(cyf_comm_agree(comm, CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal")));
    const double start_s = cyf_clock_s();
    CYF_TRY_CLEANUP(cyf_bench_steps_run(steps));
    if (i >= 0) seconds[i] = cyf_clock_s() - start_s;
    if (i == -N_WARM) m->first_loss = cyf_bench_steps_loss(steps);
  }
  CYF_TRY_CLEANUP(cyf_comm_max_double(comm, seconds, n)); /* a step is over when its slowest rank is through */
  qsort(seconds, (size_t)n, sizeof *seconds, compare);
  m->least_s = seconds[0];
  m->median_s = seconds[n / 2];
  m->p90_s = seconds[(9 * n - 1) / 10];
  m->last_loss = cyf_bench_steps_loss(steps);
  m->flops = cyf_bench_steps_flops(steps);
cleanup:
  cyf_free(seconds);
  return status;
}

static double share_of_product(const measurement *m, int n_ranks) {
  return m->flops / m->median_s / (m->product_flops_per_s * n_ranks);
}

static void print_json(const arguments *a, const cyf_device *device, const char *plane, int n_ranks,
                       const measurement *m) {
  cyf_json json;
  cyf_json_init(&json, stdout, true);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "stage", a->stage);
  cyf_json_text(&json, "device", device->ops->name);
  cyf_json_text(&json, "plane", plane);
  cyf_json_int(&json, "ranks", n_ranks);
  cyf_json_int(&json, "threads", device->n_threads);
  cyf_json_int(&json, "n_genes", a->n_genes);
  cyf_json_int(&json, "values_per_cell", a->n_expressed);
  cyf_json_int(&json, "batch_cells", a->batch);
  cyf_json_int(&json, "steps", a->n_steps);
  cyf_json_real(&json, "step_median_s", m->median_s);
  cyf_json_real(&json, "step_min_s", m->least_s);
  cyf_json_real(&json, "step_p90_s", m->p90_s);
  cyf_json_real(&json, "cells_per_s", (double)a->batch / m->median_s);
  cyf_json_real(&json, "step_flops", m->flops);
  cyf_json_real(&json, "product_flops_per_s", m->product_flops_per_s);
  cyf_json_real(&json, "share_of_product_rate", share_of_product(m, n_ranks));
  cyf_json_real(&json, "copy_bytes_per_s", m->copy_bytes_per_s);
  cyf_json_real(&json, "first_loss", m->first_loss);
  cyf_json_real(&json, "last_loss", m->last_loss);
  cyf_json_object_end(&json);
  printf("\n");
}

static void print_text(const arguments *a, const cyf_device *device, const char *plane, int n_ranks,
                       const measurement *m) {
  printf("%s, %s, %d rank%s (%s), batch %lld: %.0f cells/s\n", a->stage, device->ops->name, n_ranks,
         n_ranks > 1 ? "s" : "", plane, (long long)a->batch, (double)a->batch / m->median_s);
  printf("  a step: median %.3g ms, least %.3g, 90 of 100 within %.3g\n", 1e3 * m->median_s, 1e3 * m->least_s,
         1e3 * m->p90_s);
  printf("  %.3g GFLOP a step, %.2f of the rate of a large matrix product (%.3g TFLOP/s a rank)\n", m->flops / 1e9,
         share_of_product(m, n_ranks), m->product_flops_per_s / 1e12);
  printf("  copies: %.3g GB/s a rank\n", m->copy_bytes_per_s / 1e9);
}

static cyf_status bench(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  cyf_comm *comm = context->comm;
  const int n_ranks = cyf_comm_size(comm);
  cyf_settings settings = {0};
  cyf_device *device = NULL;
  cyf_bench_steps *steps = NULL;
  measurement m = {0};
  cyf_status status = check(a, extra, n_ranks);
  if (status == CYF_OK) status = cyf_settings_load(NULL, a->overrides.n, a->overrides.item, &settings);
  CYF_TRY(cyf_comm_agree(comm, status));
  const cyf_bench_shape shape = {.stage = a->stage,
                                 .n_genes = a->n_genes,
                                 .n_expressed = a->n_expressed,
                                 .n_classes = a->n_classes,
                                 .n_local = a->batch / n_ranks,
                                 .n_global = a->batch};
  CYF_TRY_CLEANUP(cyf_open_wished_device(comm, &a->compute, (cyf_device_wish)settings.device,
                                         cyf_settings_precision(&settings), &device));
  CYF_TRY_CLEANUP(cyf_bench_steps_create(comm, device, &settings, &shape, &steps));
  CYF_TRY_CLEANUP(time_steps(comm, steps, a->n_steps, &m));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, measure_device(device, &m)));
  if (cyf_comm_rank(comm) == 0)
    (a->json ? print_json : print_text)(a, device, cyf_bench_steps_plane(steps), n_ranks, &m);
cleanup:
  cyf_bench_steps_destroy(&steps);
  cyf_device_destroy(&device);
  cyf_settings_destroy(&settings);
  return status;
}

cyf_status cyf_bench_train(cyf_context *context, int argc, char **argv) {
  arguments a = defaults;
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra));
  if (status == CYF_OK) status = bench(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}
