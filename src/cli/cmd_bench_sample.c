/* SPDX-License-Identifier: MIT */
/* `cytoforge bench sample`: cells a second of the reverse process, without decoding and writing. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "bench/bench.h"
#include "cli/cmd_bench.h"
#include "cli/device_options.h"
#include "kernels/backend.h"
#include "sample/generator.h"

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
        "  mpirun -n 2 cytoforge bench sample -m runs/first/model.h5 --guidance 2 -n 20000\n",
    .groups = {{"model", "what is sampled"},
               {"classes", "a made-up model"},
               {"json", "the measurement"},
               {"device", "computing"}}};

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
  cyf_generator generator;
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

/* Makes an untrained model of the settings' widths, with a classifier for one attribute whose classes have no names. */
static cyf_status make_model(const arguments *a, cyf_device *device, cyf_model *model) {
  int64_t n_classes[CYF_DENOISER_CONDITIONS_MAX];
  cyf_settings *settings = &model->settings;
  cyf_model_attribute *attribute = NULL;
  for (int k = 0; k < CYF_DENOISER_CONDITIONS_MAX; k++) n_classes[k] = a->n_classes;
  CYF_TRY(cyf_settings_load_fixed(a->overrides.n, (const char *const *)a->overrides.item, settings));
  const cyf_denoiser_config denoiser = cyf_settings_denoiser(settings, n_classes);
  const cyf_classifier_config classifier = cyf_settings_classifier(settings, a->n_classes);
  model->device = device;
  model->latent_scale = cyf_settings_latent_scale(settings);
  CYF_TRY(cyf_denoiser_create(device, &denoiser, 0, &model->denoiser));
  CYF_TRY(cyf_denoiser_init(model->denoiser, 0));
  CYF_TRY(cyf_model_make_place(model, "made up", &attribute));
  CYF_TRY(cyf_strdup("made up", &attribute->name));
  CYF_TRY(cyf_classifier_create(device, &classifier, 0, &attribute->classifier));
  CYF_TRY(cyf_classifier_init(attribute->classifier, 0));
  return cyf_schedule_create(settings->diffusion.betas, (int)settings->diffusion.timesteps, &model->schedule);
}

/* Asks cells for the classes of the first attribute that can guide, in turn, all with the same strength. */
static cyf_status make_conditions(const arguments *a, int64_t n_cells, cyf_generator *g) {
  cyf_condition *condition = NULL;
  cyf_guide guide;
  int64_t attribute = 0;
  while (attribute < g->model->n_attributes &&
         cyf_choose_guide(g->model, attribute, CYF_GUIDANCE_AUTO, &guide) != CYF_OK) {
    cyf_status_clear();
    attribute++;
  }
  if (attribute == g->model->n_attributes)
    return CYF_FAIL(CYF_ERR_USAGE, "bench sample: %s has no attribute that could guide", a->model);
  const int64_t n_classes = a->model != NULL ? g->model->attributes[attribute].categories.n : a->n_classes;
  g->conditions.n_cells = n_cells;
  CYF_TRY(cyf_conditions_add(g->model, attribute, &g->conditions, &condition));
  for (int64_t i = 0; i < n_cells; i++) {
    condition->code[i] = (int32_t)(i % n_classes);
    condition->weight[i] = (float)a->guidance;
  }
  return CYF_OK;
}

static cyf_status open_bench(bench *b, int64_t n_cells) {
  const arguments *a = b->arguments;
  cyf_generator *g = &b->generator;
  const cyf_generator_asked asked = {.command = usage.command,
                                     .reverse = {.method = a->method, .steps = a->steps},
                                     .t_last = -1,
                                     .is_latents_only = true};
  g->device = b->device;
  if (a->model != NULL) {
    CYF_TRY(cyf_generator_load(a->model, b->device, g));
  } else {
    CYF_TRY(CYF_NEW(&g->model, 1));
    CYF_TRY(make_model(a, b->device, g->model));
  }
  if (a->guidance > 0) CYF_TRY(make_conditions(a, n_cells, g));
  return cyf_generator_open(g, &asked);
}

static cyf_status compute(void *context, int thread, cyf_cell_block *block) {
  return cyf_generator_block(&((const bench *)context)->generator, thread, block);
}

static cyf_status emit(void *context, const cyf_cell_block *block) {
  (void)context, (void)block;
  return CYF_OK;
}

static cyf_status run_cells(cyf_comm *comm, bench *b, int64_t n_cells, double *ret_seconds) {
  cyf_block_job job = cyf_generator_job(&b->generator, "bench sample", n_cells);
  job.context = b;
  job.compute = compute;
  job.emit = emit;
  const double start_s = cyf_clock_s();
  CYF_TRY(cyf_run_blocks(comm, &job));
  *ret_seconds = cyf_clock_s() - start_s;
  return cyf_comm_max_double(comm, ret_seconds, 1);
}

/* The number of weights that every cell is multiplied with. Not counted are layers of the timestep, which run once a
 * step for all cells, and embeddings of labels, which are looked up. */
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

/* Multiplications and additions for a cell. Each step has one pass of the denoiser, two with classifier-free guidance.
 * Where a classifier guides, there are its forward pass and the backward pass to its input as well. */
static double flops_per_cell(const bench *b) {
  const cyf_generator *g = &b->generator;
  const cyf_schedule *schedule = g->schedule;
  const bool is_guided = g->conditions.n > 0;
  cyf_guide guide = {0};
  if (is_guided) (void)cyf_choose_guide(g->model, g->conditions.item[0].attribute, g->mode, &guide);
  const double denoiser = 2 * weights_of(cyf_denoiser_parameters(g->model->denoiser));
  double flops = schedule->n * denoiser * (is_guided && guide.classifier == NULL ? 2 : 1);
  for (int i = 0; i < schedule->n && guide.classifier != NULL; i++) {
    if (schedule->timestep[i] < g->config.guide_below)
      flops += 4 * weights_of(cyf_classifier_parameters((cyf_classifier *)guide.classifier));
  }
  return flops;
}

static void print(const bench *b, int n_ranks, double seconds, double product_flops_per_s) {
  const arguments *a = b->arguments;
  const cyf_generator *g = &b->generator;
  const double rate = (double)a->n_cells / seconds, flops = flops_per_cell(b);
  const double share = flops * rate / (product_flops_per_s * n_ranks);
  cyf_json json;
  if (!a->json) {
    cyf_print(stdout, "%s, %d steps, guidance %g, %s, %d rank%s: %.0f cells/s\n", cyf_method_name(g->config.method),
              g->schedule->n, a->guidance, b->device->ops->name, n_ranks, n_ranks > 1 ? "s" : "", rate);
    cyf_print(stdout, "  %.3g MFLOP a cell, %.2f of the rate of a large matrix product (%.3g TFLOP/s a rank)\n",
              flops / 1e6, share, product_flops_per_s / 1e12);
    return;
  }
  cyf_json_init(&json, stdout, true);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "model", a->model != NULL ? a->model : "made up");
  cyf_json_text(&json, "method", cyf_method_name(g->config.method));
  cyf_json_int(&json, "steps", g->schedule->n);
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
  cyf_print(stdout, "\n");
}

static cyf_status measure(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  cyf_comm *comm = context->comm;
  const int n_ranks = cyf_comm_size(comm);
  bench b = {.arguments = a};
  double seconds = 0, flops_per_s = 0, copy_per_s = 0;
  cyf_status status;
  CYF_TRY(cyf_comm_agree(comm, check(a, extra)));
  CYF_TRY(cyf_open_wished_device(comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &b.device));
  const int64_t round = (int64_t)n_ranks * b.device->n_threads * cyf_sampler_block(b.device);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, open_bench(&b, round > a->n_cells ? round : a->n_cells)));
  CYF_TRY_CLEANUP(run_cells(comm, &b, round, &seconds));
  CYF_TRY_CLEANUP(run_cells(comm, &b, a->n_cells, &seconds));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, cyf_bench_device(b.device, &flops_per_s, &copy_per_s)));
  if (cyf_comm_rank(comm) == 0) print(&b, n_ranks, seconds, flops_per_s);
cleanup:
  cyf_generator_close(&b.generator);
  cyf_device_destroy(&b.device);
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
