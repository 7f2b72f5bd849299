/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/sampling_options.h"
#include "data/h5ad/look_together.h"
#include "sample/cells_out.h"
#include "sample/fill.h"
#include "sample/generator.h"
#include "sample/predict.h"

static const cyf_usage usage = {
    .command = "sample",
    .arguments =
        "-m MODEL (-n N | --each ATTR=N | --fill REAL.h5ad --by ATTR --to N | --like REAL.h5ad --by ATTR |\n"
        "       --requests TABLE) -o OUT.h5ad [options]",
    .text =
        "Samples cells. The same seed gives the same cells on any number of ranks. OUT has X, the "
        "requested\n"
        "labels in obs, obsm/X_latent, and where it came from in uns/cytoforge. A table of requests has a column an "
        "attribute, `count`\n"
        "and, where wanted, `guidance`; obs then has each cell's row in `request`. With --guidance-mode free, guidance "
        "W makes\n"
        "eps() + W (eps(label) - eps()): 1 is the plain conditional model, more sharpens. With --fill, OUT has the "
        "real "
        "cells first and\n"
        "the generated ones behind them, over the model's genes, with `origin` (real or generated) in obs. Where cells "
        "are "
        "asked for no\n"
        "label of an attribute that has a classifier, theirs stands in predicted_ATTR.",
    .examples =
        "  mpirun -n 2 cytoforge sample -m runs/first/model.h5 -n 1000 -o cells.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 -n 500 --where cell_type=\"B cell\" -o b_cells.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 --each cell_type=200 -o every_type.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 --fill real.h5ad --by cell_type --to 200 -o balanced.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 --like atlas/heldout.h5ad --by cell_type -o like_heldout.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 -n 500 --where cell_type=\"B cell\" --where donor=d101 --guidance "
        "cell_type=2,donor=1 -o b_d101.h5ad\n"
        "  cytoforge sample -m runs/first/model.h5 --requests requests.csv -o many.h5ad\n"
        "  cytoforge sample -m runs/counts/model.h5 -n 500 --output log -o log_normalised.h5ad\n",
    .groups = {{"model", "model and output"},
               {"where", "which cells"},
               {"fill", "real cells topped up"},
               {"guidance", "guidance"},
               {"output", "what is written"},
               {"method", "sampling"},
               {"device", "computing"}}};

typedef struct arguments {
  const char *model, *output, *like, *by, *requests, *guidance_mode, *kind;
  const char *fill, *matrix, *gene_column, *values;
  cyf_texts where, each, guidance;
  cyf_reverse reverse;
  cyf_device_options compute;
  int64_t n_cells, to;
  bool force;
} arguments;

enum { N_OWN = 17, N_OPTIONS = N_OWN + CYF_REVERSE_OPTIONS + CYF_DEVICE_OPTIONS };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OWN] = {
      {"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL", "model.h5 of a run"},
      {"cells", 'n', CYF_OPTION_INT, &a->n_cells, "N", "cells to sample (with --like: as many as it has)"},
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "OUT.h5ad", "file to write"},
      {"where", 0, CYF_OPTION_LIST, &a->where, "ATTR=VALUE",
       "only cells with this label; may be repeated for other attributes"},
      {"each", 0, CYF_OPTION_LIST, &a->each, "ATTR=N", "N cells of every class of ATTR that has training cells"},
      {"like", 0, CYF_OPTION_TEXT, &a->like, "REAL.h5ad", "labels in the proportions of this file's column --by"},
      {"by", 0, CYF_OPTION_TEXT, &a->by, "ATTR", "the column of --like or --fill"},
      {"requests", 0, CYF_OPTION_TEXT, &a->requests, "TABLE", "CSV of what to sample: attributes, count, guidance"},
      {"fill", 0, CYF_OPTION_TEXT, &a->fill, "REAL.h5ad",
       "generate what the classes that this file has lack to --to cells, and write both"},
      {"to", 0, CYF_OPTION_INT, &a->to, "N", "cells that a class is to come to"},
      {"matrix", 0, CYF_OPTION_TEXT, &a->matrix, "NAME", "of --fill: X (default), layers/NAME or raw/X"},
      {"gene-column", 0, CYF_OPTION_TEXT, &a->gene_column, "COLUMN",
       "of --fill: var column with the gene names (default: the index)"},
      {"values", 0, CYF_OPTION_TEXT, &a->values, "KIND",
       "of --fill, where values do not tell: counts, fractional-counts, log1p[:TARGET] or log2[:TARGET]"},
      {"guidance", 0, CYF_OPTION_LIST, &a->guidance, "W|ATTR=W,..",
       "strength of guidance, one for all or one each (default: as calibrated for each class)"},
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

typedef struct sampling {
  const arguments *arguments;
  cyf_device *device;
  cyf_generator generator;
  cyf_fill fill;             /* the real cells; of no file without --fill */
  cyf_prediction prediction; /* of attributes that some generated cells have no label of */
  char *guidance;            /* as text, for the log and the file */
  cyf_cells_out out;
} sampling;

static cyf_status check(const arguments *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "sample: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->model, "-m MODEL"));
  CYF_TRY(cyf_need(&usage, a->output, "-o OUT.h5ad"));
  if (a->n_cells < 0) return CYF_FAIL(CYF_ERR_USAGE, "sample: -n cannot be negative");
  if (a->each.n > 1) return CYF_FAIL(CYF_ERR_USAGE, "sample: --each is for one attribute; --requests takes any table");
  if (a->fill == NULL && (a->matrix != NULL || a->gene_column != NULL || a->values != NULL))
    return CYF_FAIL(CYF_ERR_USAGE, "sample: --matrix, --gene-column and --values are for the file of --fill");
  CYF_TRY(cyf_reverse_check(usage.command, &a->reverse));
  return cyf_check_output(a->output, a->force);
}

static cyf_status note_inputs(const arguments *a, cyf_inputs *inputs) {
  CYF_TRY(cyf_inputs_add(inputs, a->model));
  CYF_TRY(cyf_inputs_add(inputs, a->like));
  CYF_TRY(cyf_inputs_add(inputs, a->fill));
  return cyf_inputs_add(inputs, a->requests);
}

/* The codes that cells were asked to have of the attribute; NULL: of none. */
static const int32_t *asked_codes(const cyf_conditions *conditions, int64_t attribute) {
  for (int64_t k = 0; k < conditions->n; k++)
    if (conditions->item[k].attribute == attribute) return conditions->item[k].code;
  return NULL;
}

/* Attributes that some cells are asked nothing of get predicted labels. */
static cyf_status open_prediction(sampling *s) {
  const cyf_model *model = s->generator.model;
  const cyf_conditions *c = &s->generator.conditions;
  bool *wanted = NULL;
  CYF_TRY(CYF_NEW(&wanted, model->n_attributes));
  for (int64_t a = 0; a < model->n_attributes; a++) {
    const int32_t *code = asked_codes(c, a);
    wanted[a] = code == NULL;
    for (int64_t i = 0; i < c->n_cells && !wanted[a]; i++) wanted[a] = code[i] < 0;
  }
  const cyf_status status = cyf_prediction_make(model, wanted, c->n_cells, false, &s->prediction);
  cyf_free(wanted);
  return status;
}

static cyf_status open_sampling(sampling *s) {
  const arguments *a = s->arguments;
  cyf_generator *g = &s->generator;
  cyf_guidance_mode mode = CYF_GUIDANCE_AUTO;
  CYF_TRY(cyf_guidance_mode_parse(usage.command, a->guidance_mode, &mode));
  const cyf_conditions_asked conditions = {.where = &a->where,
                                           .like = a->like,
                                           .by = a->by,
                                           .each = a->each.n > 0 ? a->each.item[0] : NULL,
                                           .fill = a->fill,
                                           .fill_to = a->to,
                                           .requests = a->requests,
                                           .guidance = &a->guidance,
                                           .by_classifiers = mode == CYF_GUIDANCE_CLASSIFIER,
                                           .n_cells = a->n_cells,
                                           .seed = (uint64_t)a->reverse.seed};
  const cyf_generator_asked asked = {.command = usage.command,
                                     .conditions = &conditions,
                                     .mode = mode,
                                     .reverse = a->reverse,
                                     .t_last = -1,
                                     .output = a->kind};
  CYF_TRY(cyf_generator_load(a->model, s->device, g));
  CYF_TRY(cyf_generator_open(g, &asked));
  const cyf_cells_asked real = {a->fill, a->matrix, a->gene_column, a->values};
  if (a->fill != NULL) CYF_TRY(cyf_fill_open(&real, g->model, g->decoding.output, &s->fill));
  CYF_TRY(open_prediction(s));
  cyf_conditions_warn_of_few(g->model, &g->conditions);
  CYF_TRY(cyf_conditions_describe_guidance(g->model, &g->conditions, &s->guidance));
  s->out = (cyf_cells_out){.path = a->output,
                           .genes = &g->model->genes,
                           .n_cells = s->fill.in.n_cells + g->conditions.n_cells,
                           .width = g->width,
                           .expression = g->decoding.output,
                           .target = g->model->target};
  return CYF_OK;
}

static void close_sampling(sampling *s) {
  cyf_cells_out_destroy(&s->out);
  cyf_fill_close(&s->fill);
  cyf_prediction_destroy(&s->prediction);
  cyf_generator_close(&s->generator);
  cyf_free(s->guidance);
  cyf_device_destroy(&s->device);
}

static cyf_status compute(void *context, int thread, cyf_cell_block *block) {
  const sampling *s = context;
  cyf_scratch *scratch = s->generator.scratch[thread];
  CYF_TRY(cyf_generator_block(&s->generator, thread, block));
  const size_t mark = cyf_scratch_mark(scratch);
  const cyf_status status = cyf_prediction_block(&s->prediction, scratch, block);
  cyf_scratch_release(scratch, mark);
  return status;
}

static cyf_status compute_real(void *context, int thread, cyf_cell_block *block) {
  sampling *s = context;
  cyf_scratch *scratch = s->generator.scratch[thread];
  const size_t mark = cyf_scratch_mark(scratch);
  const cyf_status status = cyf_fill_block(&s->fill, scratch, block);
  cyf_scratch_release(scratch, mark);
  return status;
}

static cyf_status emit_real(void *context, const cyf_cell_block *block) {
  return cyf_cells_out_append(&((sampling *)context)->out, block);
}

static cyf_status emit(void *context, const cyf_cell_block *block) {
  sampling *s = context;
  cyf_prediction_take(&s->prediction, block);
  return cyf_cells_out_append(&s->out, block);
}

static cyf_status write_predicted(const sampling *s) {
  const cyf_prediction *p = &s->prediction;
  for (int64_t k = 0; k < p->n; k++) {
    const int32_t *known = asked_codes(&s->generator.conditions, p->item[k].attribute);
    CYF_TRY(cyf_predicted_write_labels(p, &p->item[k], s->fill.in.n_cells, known, s->out.writer));
  }
  return CYF_OK;
}

static cyf_status write_labels(const sampling *s) {
  const cyf_conditions *conditions = &s->generator.conditions;
  if (s->fill.is_open) return cyf_fill_write_obs(&s->fill, conditions, s->out.writer);
  CYF_TRY(cyf_conditions_write_labels(s->generator.model, conditions, s->out.writer));
  if (conditions->request == NULL) return CYF_OK;
  return cyf_h5ad_writer_add_integers(s->out.writer, "request", conditions->request, conditions->n_cells);
}

/* Writes labels and provenance, after which the file gets its name. Rank 0. */
static cyf_status finish(sampling *s, const cyf_context *context) {
  const arguments *a = s->arguments;
  const cyf_generator *g = &s->generator;
  cyf_h5ad_writer *writer = s->out.writer;
  CYF_TRY(write_labels(s));
  CYF_TRY(write_predicted(s));
  CYF_TRY(cyf_cells_out_describe(&s->out, context->command_line, a->model, g->model->created));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "method", cyf_method_name(g->config.method)));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "steps", g->schedule->n));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "guidance", s->guidance));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "seed", a->reverse.seed));
  if (a->fill != NULL) CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "filled", a->fill));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "atlas", g->model->atlas_fingerprint));
  CYF_TRY(cyf_inputs_check(&context->inputs)); /* again: obs of --fill was still to be read */
  CYF_TRY(cyf_cells_out_commit(&s->out));
  cyf_info("wrote %s: %lld cells x %lld genes", a->output, (long long)s->out.n_written, (long long)g->model->genes.n);
  return CYF_OK;
}

/* Real cells first, where there are some. Collective. */
static cyf_status make_cells(cyf_comm *comm, sampling *s) {
  const cyf_generator *g = &s->generator;
  cyf_block_job job = cyf_generator_job(g, "sample", g->conditions.n_cells);
  job.context = s;
  if (s->fill.is_open) {
    cyf_block_job real = job;
    real.name = "real cells";
    real.n_cells = s->fill.in.n_cells;
    real.block_cells = CYF_FILL_BLOCK_CELLS;
    real.compute = compute_real;
    real.emit = emit_real;
    CYF_TRY(cyf_run_blocks(comm, &real));
  }
  job.width += s->prediction.n_numbers;
  job.compute = compute;
  job.emit = emit;
  return cyf_run_blocks(comm, &job);
}

static cyf_status sample(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  sampling s = {.arguments = a};
  cyf_status status;
  CYF_TRY(cyf_comm_agree(context->comm, check(a, extra)));
  CYF_TRY(cyf_comm_agree(context->comm, note_inputs(a, &context->inputs)));
  CYF_TRY(cyf_h5ad_look_together(context->comm, 1, &a->like));
  CYF_TRY(cyf_h5ad_look_together(context->comm, 1, &a->fill));
  CYF_TRY(cyf_open_wished_device(context->comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &s.device));
  CYF_TRY_CLEANUP(cyf_comm_agree(context->comm, open_sampling(&s)));
  const cyf_generator *g = &s.generator;
  cyf_info("sampling %lld cells: %s, %d steps, %lld conditions, guidance %s; %d ranks x %d threads",
           (long long)g->conditions.n_cells, cyf_method_name(g->config.method), g->schedule->n,
           (long long)g->conditions.n, s.guidance, cyf_comm_size(context->comm), g->n_threads);
  CYF_TRY_CLEANUP(make_cells(context->comm, &s));
  CYF_TRY_CLEANUP(cyf_generator_judge_guidance(context->comm, g));
  CYF_TRY_CLEANUP(cyf_comm_agree(context->comm, cyf_inputs_check(&context->inputs)));
  status = cyf_comm_rank(context->comm) == 0 ? finish(&s, context) : CYF_OK;
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
                                    .writes = true,
                                    .collective = true,
                                    .stops_itself = true,
                                    .run = run,
                                    .help = help};
