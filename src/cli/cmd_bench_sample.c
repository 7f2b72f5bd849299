/* SPDX-License-Identifier: MIT */
/* `cytoforge bench sample`: cells a second of the reverse process, without decoding and writing. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "bench/bench.h"
#include "cli/cmd_bench.h"
#include "cli/device_options.h"
#include "kernels/backend.h"
#include "sample/blocks.h"
#include "sample/choice.h"

static const cyf_usage usage = {
    .command = "bench sample",
    .arguments = "[-m MODEL] [--method " CYF_SAMPLER_WORDS "] [--steps K] [--guidance W] [options]",
    .text =
        "Measures how fast the reverse process makes latents (without decoding them), all ranks together, beside a "
        "large\n"
        "matrix product by the same device: of a model, or of one made up with the settings' widths. A first round of\n"
        "blocks is not counted.",
    .examples =
        "  cytoforge bench sample --method dpm++ --steps lambda15 --device cuda --json\n"
        "  mpirun -n 2 cytoforge bench sample -m runs/first/model.h5 --guidance 2 -n 20000\n"};

typedef struct arguments {
  const char *model, *method, *steps;
  cyf_texts overrides;
  int64_t n_cells, n_classes;
  double guidance;
  bool json;
  cyf_device_options compute;
} arguments;

static const arguments defaults = {.n_cells = 10000, .n_classes = 20};

enum { N_OWN = 8, N_OPTIONS = N_OWN + CYF_DEVICE_OPTIONS };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OWN] = {
      {"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL", "model.h5 of a run (default: made up)"},
      {"cells", 'n', CYF_OPTION_INT, &a->n_cells, "N", "cells to sample (default 10000)"},
      {"method", 0, CYF_OPTION_TEXT, &a->method, CYF_SAMPLER_WORDS, "reverse process (default: the model's)"},
      {"steps", 0, CYF_OPTION_TEXT, &a->steps, "K", "steps, as for sample (default: the model's)"},
      {"guidance", 0, CYF_OPTION_REAL, &a->guidance, "W",
       "guide by labels of the model's first attribute that can (default 0: not)"},
      {"classes", 0, CYF_OPTION_INT, &a->n_classes, "C", "classes of a made-up model (default 20)"},
      {"set", 0, CYF_OPTION_LIST, &a->overrides, "KEY=VALUE", "one key of a made-up model's configuration"},
      {"json", 0, CYF_OPTION_FLAG, &a->json, NULL, "print one JSON object"}};
  for (int i = 0; i < N_OWN; i++) o[i] = table[i];
  cyf_device_list_options(&a->compute, o + N_OWN);
}

void cyf_bench_sample_help(FILE *stream) {
  arguments a = defaults;
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

typedef struct bench {
  const arguments *arguments;
  cyf_device *device;
  cyf_model *model;      /* NULL: made up, and then the next three are owned */
  cyf_settings settings; /* likewise */
  cyf_denoiser *denoiser;
  cyf_classifier *classifier;
  cyf_schedule *full;     /* likewise */
  cyf_schedule *schedule; /* respaced */
  cyf_sampler_config config;
  cyf_guide guide; /* without labels and weights */
  int64_t n_classes;
  cyf_scratch **scratch; /* [threads] */
  cyf_graph **graph;     /* [threads] */
} bench;

static cyf_status check(const arguments *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "bench sample: '%s' is no option", extra->item[0]);
  if (a->n_cells < 1 || a->n_classes < 2 || a->guidance < 0)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "bench sample: -n must be positive, --classes at least 2 and --guidance not negative");
  if (a->model != NULL && a->overrides.n > 0)
    return CYF_FAIL(CYF_ERR_USAGE, "bench sample: --set is of a made-up model; %s has its settings", a->model);
  return CYF_OK;
}

/* The first attribute that can guide. */
static cyf_status choose_guide(bench *b) {
  for (int64_t k = 0; k < b->model->n_attributes; k++) {
    b->n_classes = b->model->attributes[k].categories.n;
    if (cyf_choose_guide(b->model, k, CYF_GUIDANCE_AUTO, &b->guide) == CYF_OK) return CYF_OK;
    cyf_status_clear();
  }
  return CYF_FAIL(CYF_ERR_USAGE, "bench sample: %s has no attribute that could guide", b->arguments->model);
}

static cyf_status open_model(bench *b) {
  CYF_TRY(cyf_model_load(b->arguments->model, b->device, &b->model));
  if (b->model->denoiser == NULL)
    return CYF_FAIL(CYF_ERR_INPUT, "%s has no denoiser, so it cannot sample", b->arguments->model);
  b->denoiser = b->model->denoiser;
  b->full = b->model->schedule;
  return b->arguments->guidance > 0 ? choose_guide(b) : CYF_OK;
}

static cyf_status make_model(bench *b) {
  const arguments *a = b->arguments;
  CYF_TRY(cyf_settings_load(NULL, a->overrides.n, (const char *const *)a->overrides.item, &b->settings));
  const cyf_denoiser_config denoiser = cyf_settings_denoiser(&b->settings, NULL);
  const cyf_classifier_config classifier = cyf_settings_classifier(&b->settings, a->n_classes);
  CYF_TRY(cyf_denoiser_create(b->device, &denoiser, 0, &b->denoiser));
  CYF_TRY(cyf_denoiser_init(b->denoiser, 0));
  CYF_TRY(cyf_classifier_create(b->device, &classifier, 0, &b->classifier));
  CYF_TRY(cyf_classifier_init(b->classifier, 0));
  b->guide.classifier = b->classifier;
  b->n_classes = a->n_classes;
  return cyf_schedule_create((cyf_beta_schedule)b->settings.diffusion.betas, (int)b->settings.diffusion.timesteps,
                             &b->full);
}

static cyf_status open_bench(bench *b) {
  const arguments *a = b->arguments;
  const char *steps = NULL;
  CYF_TRY(a->model != NULL ? open_model(b) : make_model(b));
  const cyf_settings *settings = b->model != NULL ? &b->model->settings : &b->settings;
  CYF_TRY(cyf_choose_method(&usage, settings, a->method, a->steps, &b->config.method, &steps));
  CYF_TRY(cyf_schedule_respace(b->full, steps, -1, &b->schedule));
  b->config.schedule = b->schedule;
  b->config.guide_below = (int)settings->diffusion.guide_below;
  CYF_TRY(CYF_NEW(&b->scratch, b->device->n_threads));
  CYF_TRY(CYF_NEW(&b->graph, b->device->n_threads));
  for (int t = 0; t < b->device->n_threads; t++) CYF_TRY(cyf_scratch_create(b->device, &b->scratch[t]));
  return CYF_OK;
}

static void close_bench(bench *b) {
  for (int t = 0; b->scratch != NULL && t < b->device->n_threads; t++) cyf_scratch_destroy(&b->scratch[t]);
  for (int t = 0; b->graph != NULL && t < b->device->n_threads; t++)
    b->device->ops->graph_destroy(b->device, b->graph[t]);
  cyf_free(b->scratch);
  cyf_free(b->graph);
  cyf_schedule_destroy(&b->schedule);
  if (b->model == NULL) {
    cyf_schedule_destroy(&b->full);
    cyf_denoiser_destroy(&b->denoiser);
    cyf_classifier_destroy(&b->classifier);
    cyf_settings_destroy(&b->settings);
  }
  cyf_model_destroy(&b->model);
  cyf_device_destroy(&b->device);
}

/* Labels in turn, all of the same weight. */
static cyf_status fill_guide(const bench *b, cyf_scratch *scratch, int64_t first, int64_t n, cyf_guide *guide) {
  int32_t label_host[CYF_SAMPLER_BLOCK_MAX], *label = NULL;
  float weight_host[CYF_SAMPLER_BLOCK_MAX], *weight = NULL;
  cyf_device *d = b->device;
  for (int64_t i = 0; i < n; i++) {
    label_host[i] = (int32_t)((first + i) % b->n_classes);
    weight_host[i] = (float)b->arguments->guidance;
  }
  CYF_TRY(cyf_scratch_int32(scratch, n, &label));
  CYF_TRY(cyf_scratch_floats(scratch, n, &weight));
  CYF_TRY(d->ops->upload(d, label, label_host, sizeof(int32_t) * (size_t)n));
  CYF_TRY(d->ops->upload(d, weight, weight_host, sizeof(float) * (size_t)n));
  *guide = b->guide;
  guide->n_terms = 1;
  guide->label = label;
  guide->weight = weight;
  return CYF_OK;
}

static cyf_status sample_block(const bench *b, int thread, cyf_block *block) {
  cyf_device *d = b->device;
  cyf_scratch *scratch = b->scratch[thread];
  const int64_t n = block->n_cells, first = block->index * cyf_sampler_block(d);
  const int64_t width = cyf_denoiser_get_config(b->denoiser)->latent;
  const int n_guides = b->arguments->guidance > 0;
  cyf_sampler_config config = b->config;
  cyf_guide guide = {0};
  float *x = NULL;
  config.graph = &b->graph[thread];
  CYF_TRY(cyf_scratch_floats(scratch, n * width, &x));
  CYF_TRY(cyf_sampler_start(d, 0, width, first, n, x));
  if (n_guides > 0) CYF_TRY(fill_guide(b, scratch, first, n, &guide));
  CYF_TRY(cyf_sampler_run(&config, b->denoiser, n_guides, &guide, scratch, first, n, x));
  CYF_TRY(d->ops->download(d, block->latent, x, sizeof(float) * (size_t)(n * width)));
  CYF_TRY(d->ops->synchronize(d));
  for (int64_t i = 0; i < n; i++) CYF_TRY(cyf_csr_buffer_append(&block->rows, 0, NULL, NULL)); /* nothing is decoded */
  return CYF_OK;
}

static cyf_status compute(void *context, int thread, cyf_block *block) {
  const bench *b = context;
  const size_t mark = cyf_scratch_mark(b->scratch[thread]);
  const cyf_status status = sample_block(b, thread, block);
  cyf_scratch_release(b->scratch[thread], mark);
  return status;
}

static cyf_status emit(void *context, const cyf_block *block) {
  (void)context, (void)block;
  return CYF_OK;
}

static cyf_status run_cells(cyf_comm *comm, bench *b, int64_t n_cells, double *ret_seconds) {
  const cyf_block_job job = {.name = "bench sample",
                             .n_cells = n_cells,
                             .block_cells = cyf_sampler_block(b->device),
                             .n_genes = 1,
                             .width = cyf_denoiser_get_config(b->denoiser)->latent,
                             .n_threads = b->device->n_threads,
                             .context = b,
                             .compute = compute,
                             .emit = emit};
  const double start_s = cyf_clock_s();
  CYF_TRY(cyf_run_blocks(comm, &job));
  *ret_seconds = cyf_clock_s() - start_s;
  return cyf_comm_max_double(comm, ret_seconds, 1);
}

/* Weights that every cell is multiplied with; layers of the timestep run once a step, rows of labels are looked up. */
static double weights_of(const cyf_parameters *parameters) {
  double weights = 0;
  for (int64_t i = 0; i < parameters->layout.n_tensors; i++) {
    const cyf_named_tensor *tensor = &parameters->layout.tensors[i];
    const bool is_row = strstr(tensor->name, "time_embed") != NULL || strstr(tensor->name, "emb_layer") != NULL ||
                        strstr(tensor->name, "label_layer") != NULL;
    if (tensor->n_dims == 2 && !is_row) weights += (double)tensor->count;
  }
  return weights;
}

/* Multiplications and additions a cell: a pass of the denoiser a step (two with classifier-free guidance), and where a
 * classifier guides, its pass forward and that to its input. */
static double flops_per_cell(const bench *b) {
  const bool guided = b->arguments->guidance > 0;
  const cyf_classifier *classifier = guided ? b->guide.classifier : NULL;
  const double denoiser = 2 * weights_of(cyf_denoiser_parameters(b->denoiser));
  double flops = b->schedule->n * denoiser * (guided && classifier == NULL ? 2 : 1);
  for (int i = 0; i < b->schedule->n && classifier != NULL; i++) {
    if (b->schedule->timestep[i] < b->config.guide_below)
      flops += 4 * weights_of(cyf_classifier_parameters((cyf_classifier *)classifier));
  }
  return flops;
}

static void print(const bench *b, int n_ranks, double seconds, double product_flops_per_s) {
  const arguments *a = b->arguments;
  const double rate = (double)a->n_cells / seconds, flops = flops_per_cell(b);
  const double share = flops * rate / (product_flops_per_s * n_ranks);
  cyf_json json;
  if (!a->json) {
    printf("%s, %d steps, guidance %g, %s, %d rank%s: %.0f cells/s\n", cyf_method_name(b->config.method),
           b->schedule->n, a->guidance, b->device->ops->name, n_ranks, n_ranks > 1 ? "s" : "", rate);
    printf("  %.3g MFLOP a cell, %.2f of the rate of a large matrix product (%.3g TFLOP/s a rank)\n", flops / 1e6,
           share, product_flops_per_s / 1e12);
    return;
  }
  cyf_json_init(&json, stdout, true);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "model", a->model != NULL ? a->model : "made up");
  cyf_json_text(&json, "method", cyf_method_name(b->config.method));
  cyf_json_int(&json, "steps", b->schedule->n);
  cyf_json_real(&json, "guidance", a->guidance);
  cyf_json_text(&json, "device", b->device->ops->name);
  cyf_json_int(&json, "ranks", n_ranks);
  cyf_json_int(&json, "threads", b->device->n_threads);
  cyf_json_int(&json, "n_cells", a->n_cells);
  cyf_json_real(&json, "seconds", seconds);
  cyf_json_real(&json, "cells_per_s", rate);
  cyf_json_real(&json, "flops_per_cell", flops);
  cyf_json_real(&json, "product_flops_per_s", product_flops_per_s);
  cyf_json_real(&json, "share_of_product_rate", share);
  cyf_json_object_end(&json);
  printf("\n");
}

static cyf_status measure(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  cyf_comm *comm = context->comm;
  const int n_ranks = cyf_comm_size(comm);
  bench b = {.arguments = a};
  double seconds = 0, flops_per_s = 0, copy_per_s = 0;
  cyf_status status;
  CYF_TRY(cyf_comm_agree(comm, check(a, extra)));
  CYF_TRY(cyf_open_wished_device(comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &b.device));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, open_bench(&b)));
  const int64_t round = (int64_t)n_ranks * b.device->n_threads * cyf_sampler_block(b.device);
  CYF_TRY_CLEANUP(run_cells(comm, &b, round, &seconds));
  CYF_TRY_CLEANUP(run_cells(comm, &b, a->n_cells, &seconds));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, cyf_bench_device(b.device, &flops_per_s, &copy_per_s)));
  if (cyf_comm_rank(comm) == 0) print(&b, n_ranks, seconds, flops_per_s);
cleanup:
  close_bench(&b);
  return status;
}

cyf_status cyf_bench_sample(cyf_context *context, int argc, char **argv) {
  arguments a = defaults;
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra));
  if (status == CYF_OK) status = measure(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}
