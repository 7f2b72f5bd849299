/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "model/diffusion/sampler.h"
#include "sample/cells_out.h"
#include "sample/choice.h"
#include "sample/conditions.h"
#include "sample/decode.h"
#include "sample/guides.h"
#include "sample/reverse.h"

static const cyf_usage usage = {
    .command = "sample",
    .arguments = "-m MODEL (-n N | --like REAL.h5ad --by ATTR | --requests TABLE) -o OUT.h5ad [options]",
    .text =
        "Samples cells. The same seed gives the same cells on any number of ranks. OUT has X, the "
        "requested\n"
        "labels in obs, obsm/X_latent, and where it came from in uns/cytoforge. A table of requests has a column an "
        "attribute, `count`\n"
        "and, where wanted, `guidance`; obs then has each cell's row in `request`. With --guidance-mode free, guidance "
        "W makes\n"
        "eps() + W (eps(label) - eps()): 1 is the plain conditional model, more sharpens.",
    .examples =
        "  mpirun -n 2 cytoforge sample -m runs/first/model.h5 -n 1000 -o cells.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 -n 500 --where cell_type=\"B cell\" -o b_cells.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 --like atlas/heldout.h5ad --by cell_type -o like_heldout.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 -n 500 --where cell_type=\"B cell\" --where donor=d101 --guidance "
        "cell_type=2,donor=1 -o b_d101.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 --requests requests.csv -o many.h5ad\n"
        "  cytoforge sample -m runs/counts/model.h5 -n 500 --output log -o log_normalised.h5ad\n"};

typedef struct arguments {
  const char *model, *output, *like, *by, *requests, *guidance_mode, *kind;
  cyf_texts where, guidance;
  cyf_reverse reverse;
  cyf_device_options compute;
  int64_t n_cells;
  bool force;
} arguments;

enum { N_OWN = 11, N_OPTIONS = N_OWN + CYF_REVERSE_OPTIONS + CYF_DEVICE_OPTIONS };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OWN] = {
      {"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL", "model.h5 of a run"},
      {"cells", 'n', CYF_OPTION_INT, &a->n_cells, "N", "cells to sample (with --like: as many as it has)"},
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "OUT.h5ad", "file to write"},
      {"where", 0, CYF_OPTION_LIST, &a->where, "ATTR=VALUE",
       "only cells with this label; may be repeated for other attributes"},
      {"like", 0, CYF_OPTION_TEXT, &a->like, "REAL.h5ad", "labels in the proportions of this file's column --by"},
      {"by", 0, CYF_OPTION_TEXT, &a->by, "ATTR", "the column of --like"},
      {"requests", 0, CYF_OPTION_TEXT, &a->requests, "TABLE", "CSV of what to sample: attributes, count, guidance"},
      {"guidance", 0, CYF_OPTION_LIST, &a->guidance, "W|ATTR=W,..",
       "strength of guidance, one for all or one each (default 2, as published)"},
      {"guidance-mode", 0, CYF_OPTION_TEXT, &a->guidance_mode, "auto|classifier|free",
       "by classifiers, or by a denoiser that is told labels (auto: so where it is)"},
      cyf_output_option(&a->kind),
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing file"}};
  for (int i = 0; i < N_OWN; i++) o[i] = table[i];
  cyf_reverse_list_options(&a->reverse, o + N_OWN);
  cyf_device_list_options(&a->compute, o + N_OWN + CYF_REVERSE_OPTIONS);
}

static void help(FILE *stream) {
  arguments a = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

/* A sampling run. */
typedef struct sampling {
  const arguments *arguments;
  cyf_device *device;
  cyf_model *model;
  cyf_conditions conditions;
  cyf_guidance_mode mode;
  char *guidance;         /* for people */
  cyf_schedule *schedule; /* respaced */
  cyf_sampler_config config;
  cyf_decoding decoding;
  cyf_scratch **scratch; /* [threads] */
  cyf_graph **graph;     /* [threads] of a step */
  int n_threads;
  cyf_cells_out out;
} sampling;

static cyf_status check(const arguments *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "sample: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->model, "-m MODEL"));
  CYF_TRY(cyf_need(&usage, a->output, "-o OUT.h5ad"));
  if (a->n_cells < 0) return CYF_FAIL(CYF_ERR_USAGE, "sample: -n cannot be negative");
  CYF_TRY(cyf_reverse_check(&usage, &a->reverse));
  return cyf_check_output(a->output, a->force);
}

static cyf_status open_sampling(sampling *s) {
  const arguments *a = s->arguments;
  CYF_TRY(cyf_model_load(a->model, s->device, &s->model));
  if (s->model->denoiser == NULL)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "%s has no denoiser, so it cannot sample (encode and decode work); import it with --denoiser F",
                    a->model);
  cyf_conditions_asked asked = {.where = &a->where,
                                .like = a->like,
                                .by = a->by,
                                .requests = a->requests,
                                .guidance = &a->guidance,
                                .n_cells = a->n_cells,
                                .seed = (uint64_t)a->reverse.seed};
  CYF_TRY(cyf_conditions_make(s->model, &asked, &s->conditions));
  CYF_TRY(cyf_conditions_describe_guidance(s->model, &s->conditions, &s->guidance));
  cyf_guide guide; /* complaints come before sampling */
  CYF_TRY(cyf_guidance_mode_parse(&usage, a->guidance_mode, &s->mode));
  for (int64_t k = 0; k < s->conditions.n; k++)
    CYF_TRY(cyf_choose_guide(s->model, s->conditions.item[k].attribute, s->mode, &guide));
  CYF_TRY(cyf_reverse_make(&usage, &a->reverse, s->model, -1, &s->schedule, &s->config));
  CYF_TRY(cyf_decoding_make(&usage, s->model, a->kind, a->reverse.seed, &s->decoding));
  s->n_threads = s->device->n_threads;
  CYF_TRY(CYF_NEW(&s->scratch, s->n_threads));
  CYF_TRY(CYF_NEW(&s->graph, s->n_threads));
  for (int t = 0; t < s->n_threads; t++) CYF_TRY(cyf_scratch_create(s->device, &s->scratch[t]));
  s->out = (cyf_cells_out){.path = a->output,
                           .genes = &s->model->genes,
                           .n_cells = s->conditions.n_cells,
                           .width = s->model->settings.autoencoder.latent,
                           .expression = s->decoding.output};
  return CYF_OK;
}

static void close_sampling(sampling *s) {
  cyf_cells_out_destroy(&s->out);
  if (s->scratch != NULL)
    for (int t = 0; t < s->n_threads; t++) cyf_scratch_destroy(&s->scratch[t]);
  if (s->graph != NULL)
    for (int t = 0; t < s->n_threads; t++) s->device->ops->graph_destroy(s->device, s->graph[t]);
  cyf_free(s->scratch);
  cyf_free(s->graph);
  cyf_schedule_destroy(&s->schedule);
  cyf_conditions_destroy(&s->conditions);
  cyf_free(s->guidance);
  cyf_model_destroy(&s->model);
  cyf_device_destroy(&s->device);
}

static cyf_status sample_block(const sampling *s, int thread, cyf_block *block) {
  cyf_device *device = s->device;
  cyf_scratch *scratch = s->scratch[thread];
  cyf_sampler_config config = s->config;
  config.graph = &s->graph[thread];
  int64_t n = block->n_cells, width = s->out.width, first = block->index * cyf_sampler_block(device);
  cyf_guide guides[CYF_GUIDES_MAX];
  int n_guides = 0;
  float *x = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, n * width, &x));
  CYF_TRY(cyf_sampler_start(device, s->config.seed, width, first, n, x));
  CYF_TRY(cyf_make_guides(s->model, &s->conditions, s->mode, scratch, first, n, guides, &n_guides));
  CYF_TRY(cyf_sampler_run(&config, s->model->denoiser, n_guides, guides, scratch, first, n, x));
  CYF_TRY(device->ops->scale(device, n * width, 1 / s->model->latent_scale, x));
  if (s->model->settings.diffusion.unit_length)
    CYF_TRY(device->ops->l2_normalize_forward(device, n, width, x, x, NULL));
  CYF_TRY(device->ops->download(device, block->latent, x, sizeof(float) * (size_t)(n * width)));
  CYF_TRY(device->ops->synchronize(device));
  int64_t position[CYF_SAMPLER_BLOCK_MAX];
  for (int64_t i = 0; i < n; i++) position[i] = first + i;
  return cyf_decode_rows(&s->decoding, scratch, n, x, position, &block->rows);
}

static cyf_status compute(void *context, int thread, cyf_block *block) {
  const sampling *s = context;
  size_t mark = cyf_scratch_mark(s->scratch[thread]);
  cyf_status status = sample_block(s, thread, block);
  cyf_scratch_release(s->scratch[thread], mark);
  return status;
}

static cyf_status emit(void *context, const cyf_block *block) {
  sampling *s = context;
  return cyf_cells_out_append(&s->out, block);
}

static cyf_status write_labels(const sampling *s) {
  CYF_TRY(cyf_conditions_write_labels(s->model, &s->conditions, s->out.writer));
  if (s->conditions.request == NULL) return CYF_OK;
  return cyf_h5ad_writer_add_integers(s->out.writer, "request", s->conditions.request, s->conditions.n_cells);
}

/* Rank 0: labels and provenance, then the file gets its name. */
static cyf_status finish(sampling *s, const char *command_line) {
  const arguments *a = s->arguments;
  cyf_h5ad_writer *writer = s->out.writer;
  CYF_TRY(write_labels(s));
  CYF_TRY(cyf_cells_out_describe(&s->out, command_line, a->model, s->model->created));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "method", cyf_method_name(s->config.method)));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "steps", s->schedule->n));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "guidance", s->guidance));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "seed", a->reverse.seed));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "atlas", s->model->atlas_fingerprint));
  CYF_TRY(cyf_cells_out_commit(&s->out));
  cyf_info("wrote %s: %lld cells x %lld genes", a->output, (long long)s->out.n_written, (long long)s->model->genes.n);
  return CYF_OK;
}

static cyf_status sample(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  sampling s = {.arguments = a};
  cyf_status status;
  CYF_TRY(cyf_comm_agree(context->comm, check(a, extra)));
  CYF_TRY(cyf_open_wished_device(context->comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &s.device));
  CYF_TRY_CLEANUP(cyf_comm_agree(context->comm, open_sampling(&s)));
  cyf_info("sampling %lld cells: %s, %d steps, %lld conditions, guidance %s; %d ranks x %d threads",
           (long long)s.conditions.n_cells, cyf_method_name(s.config.method), s.schedule->n, (long long)s.conditions.n,
           s.guidance, cyf_comm_size(context->comm), s.n_threads);
  cyf_block_job job = {.name = "sample",
                       .n_cells = s.conditions.n_cells,
                       .block_cells = cyf_sampler_block(s.device),
                       .n_genes = s.model->genes.n,
                       .width = s.out.width,
                       .n_threads = s.n_threads,
                       .context = &s,
                       .compute = compute,
                       .emit = emit};
  CYF_TRY_CLEANUP(cyf_run_blocks(context->comm, &job));
  status = cyf_comm_rank(context->comm) == 0 ? finish(&s, context->command_line) : CYF_OK;
  status = cyf_comm_agree(context->comm, status);
cleanup:
  close_sampling(&s);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  arguments a = {0};
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra));
  if (status == CYF_OK) status = sample(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_sample = {.name = "sample",
                                    .summary = "sample cells from a model",
                                    .collective = true,
                                    .stops_itself = true,
                                    .run = run,
                                    .help = help};
