/* SPDX-License-Identifier: MIT */
#include <stdbool.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/sampling_options.h"
#include "data/h5ad/look_together.h"
#include "sample/cells_out.h"
#include "sample/path.h"

static const cyf_usage usage = {
    .command = "interpolate",
    .arguments = "-m MODEL --attribute ATTR --from A --to B --start REAL.h5ad -o PATH.h5ad [options]",
    .text =
        "Cells on the way from one class to another (gradient interpolation): real cells of the first class are noised "
        "to timestep\n"
        "t_init, and the reverse process starts there, guided by (1 - s) times the gradient of one class and s times "
        "that of the\n"
        "next. Every start cell is taken to every point with the same noise. obs of OUT: path_s, path_point, "
        "start_cell. The same\n"
        "seed gives the same cells on any number of ranks. Without --method and --steps: ddpm over 100 steps, those "
        "below t_init.",
    .examples =
        "  cytoforge interpolate -m runs/first/model.h5 --attribute day --from 10 --to 11 --points 11 --start "
        "atlas/train.h5ad -n 500 -o path.h5ad\n"
        "  mpirun -n 2 cytoforge interpolate -m runs/first/model.h5 --attribute day --path 10,10.5,11 --points 21 "
        "--start real.h5ad --t-init 400 --guidance 4 -o path.h5ad\n",
    .groups = {{"model", "model and output"},
               {"attribute", "path"},
               {"start", "start cells"},
               {"guidance", "guidance"},
               {"matrix", "reading the start cells"},
               {"output", "what is written"},
               {"method", "sampling"},
               {"device", "computing"}}};

typedef struct arguments {
  const char *model, *start, *output, *matrix, *gene_column, *values, *kind;
  cyf_class_path_asked path;
  cyf_texts where, guidance;
  cyf_reverse reverse;
  cyf_device_options compute;
  int64_t n_cells, t_init;
  double keep;
  bool force;
} arguments;

enum { N_OWN = 18, N_OPTIONS = N_OWN + CYF_REVERSE_OPTIONS + CYF_DEVICE_OPTIONS };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OWN] = {
      {"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL", "model.h5 of a run"},
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "PATH.h5ad", "file to write"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing file"},
      {"attribute", 0, CYF_OPTION_TEXT, &a->path.attribute, "ATTR",
       "the attribute whose classes the path goes through"},
      {"from", 0, CYF_OPTION_TEXT, &a->path.from, "A", "class to start in"},
      {"to", 0, CYF_OPTION_TEXT, &a->path.to, "B", "class to end in"},
      {"path", 0, CYF_OPTION_TEXT, &a->path.path, "A,B,C", "two or more classes, instead of --from and --to"},
      {"points", 0, CYF_OPTION_INT, &a->path.n_points, "N", "points of the path, ends included (default 11)"},
      {"start", 0, CYF_OPTION_TEXT, &a->start, "REAL.h5ad", "real cells with the attribute in obs"},
      {"cells", 'n', CYF_OPTION_INT, &a->n_cells, "N", "start cells, each taken to every point (default: all of A)"},
      {"t-init", 0, CYF_OPTION_INT, &a->t_init, "T",
       "timestep to noise the start cells to (default: what --keep gives)"},
      {"keep", 0, CYF_OPTION_REAL, &a->keep, "SHARE",
       "choose t_init so that this share of the signal's power is left (default 0.1)"},
      {"guidance", 0, CYF_OPTION_LIST, &a->guidance, "W|ATTR=W,..",
       "strength of the classifiers (default 5 along the path, 2 of --where)"},
      {"where", 0, CYF_OPTION_LIST, &a->where, "ATTR=VALUE", "guide towards this label of another attribute all along"},
      {"matrix", 0, CYF_OPTION_TEXT, &a->matrix, "NAME", "of --start: X (default), layers/NAME or raw/X"},
      {"gene-column", 0, CYF_OPTION_TEXT, &a->gene_column, "COLUMN",
       "of --start: var column with the gene names (default: the index)"},
      {"values", 0, CYF_OPTION_TEXT, &a->values, "KIND",
       "of --start, where values do not tell: counts, fractional-counts, log1p[:TARGET] or log2[:TARGET]"},
      cyf_output_option(&a->kind)};
  for (int i = 0; i < N_OWN; i++) o[i] = table[i];
  cyf_reverse_list_options(&a->reverse, o + N_OWN);
  cyf_device_list_options(&a->compute, o + N_OWN + CYF_REVERSE_OPTIONS);
}

static arguments make_defaults(void) {
  return (arguments){.path = {.n_points = 11}, .t_init = -1, .keep = -1};
}

static void help(FILE *stream) {
  arguments a = make_defaults();
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

typedef struct interpolation {
  const arguments *arguments;
  cyf_device *device;
  cyf_generator generator; /* its conditions: --where, over all cells of the output */
  cyf_path path;
  char *described; /* "10 -> 11" */
  cyf_cells_out out;
} interpolation;

static cyf_status check(const arguments *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "interpolate: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->model, "-m MODEL"));
  CYF_TRY(cyf_need(&usage, a->path.attribute, "--attribute ATTR"));
  CYF_TRY(cyf_need(&usage, a->start, "--start REAL.h5ad"));
  CYF_TRY(cyf_need(&usage, a->output, "-o PATH.h5ad"));
  CYF_TRY(cyf_reverse_check(usage.command, &a->reverse));
  if (a->n_cells < 0) return CYF_FAIL(CYF_ERR_USAGE, "interpolate: -n cannot be negative");
  if (a->t_init >= 0 && a->keep >= 0)
    return CYF_FAIL(CYF_ERR_USAGE, "interpolate: --t-init and --keep say the same thing twice; give one of them");
  if (a->t_init < -1) return CYF_FAIL(CYF_ERR_USAGE, "interpolate: --t-init cannot be negative");
  if (a->keep != -1 && !(a->keep > 0 && a->keep < 1))
    return CYF_FAIL(CYF_ERR_USAGE, "interpolate: --keep wants a share between 0 and 1, not %g", a->keep);
  return cyf_check_output(a->output, a->force);
}

static cyf_status note_inputs(const arguments *a, cyf_inputs *inputs) {
  CYF_TRY(cyf_inputs_add(inputs, a->model));
  return cyf_inputs_add(inputs, a->start);
}

static cyf_status open_model(interpolation *p) {
  const arguments *a = p->arguments;
  CYF_TRY(cyf_generator_load(a->model, p->device, &p->generator));
  const cyf_model *model = p->generator.model;
  CYF_TRY(cyf_class_path_make(model, &a->path, &p->path.classes));
  CYF_TRY(cyf_class_path_describe(&p->path.classes, model, &p->described));
  if (a->t_init >= model->schedule->n)
    return CYF_FAIL(CYF_ERR_USAGE, "interpolate: --t-init %lld: the model's timesteps are 0 to %d",
                    (long long)a->t_init, model->schedule->n - 1);
  return CYF_OK;
}

/* Checks that the conditions are of other attributes than the path's and leave one of the CYF_GUIDES_MAX guides to it.
 */
static cyf_status check_conditions(const interpolation *p) {
  const cyf_conditions *conditions = &p->generator.conditions;
  const char *attribute = p->arguments->path.attribute;
  for (int64_t k = 0; k < conditions->n; k++)
    if (conditions->item[k].attribute == p->path.classes.attribute)
      return CYF_FAIL(CYF_ERR_USAGE, "--where %s=... contradicts the path, which goes through classes of '%s'",
                      attribute, attribute);
  if (conditions->n == CYF_GUIDES_MAX)
    return CYF_FAIL(CYF_ERR_USAGE, "at most %d conditions beside the path", CYF_GUIDES_MAX - 1);
  return CYF_OK;
}

static cyf_status open_rest(interpolation *p) {
  const arguments *a = p->arguments;
  cyf_generator *g = &p->generator;
  const cyf_conditions_asked conditions = {.where = &a->where,
                                           .guidance = &a->guidance,
                                           .guided_otherwise = a->path.attribute,
                                           .n_cells = p->path.start.n * p->path.classes.n_points};
  CYF_TRY(cyf_path_choose_weight(&p->path, g->model, &a->guidance));
  cyf_path_choose_start(&p->path, g->model, a->t_init, a->keep);
  const cyf_generator_asked asked = {.command = usage.command,
                                     .conditions = &conditions,
                                     .mode = CYF_GUIDANCE_CLASSIFIER,
                                     .reverse = cyf_path_reverse(&a->reverse, &g->model->settings),
                                     .t_last = p->path.noise.t_init,
                                     .output = a->kind};
  CYF_TRY(cyf_generator_open(g, &asked));
  p->out = (cyf_cells_out){.path = a->output,
                           .genes = &g->model->genes,
                           .n_cells = g->conditions.n_cells,
                           .width = g->width,
                           .expression = g->decoding.output,
                           .target = g->model->target};
  return check_conditions(p);
}

static void close_interpolation(interpolation *p) {
  cyf_cells_out_destroy(&p->out);
  cyf_path_destroy(&p->path);
  cyf_generator_close(&p->generator);
  cyf_free(p->described);
  cyf_device_destroy(&p->device);
}

static cyf_status compute(void *context, int thread, cyf_cell_block *block) {
  const interpolation *p = context;
  return cyf_path_block(&p->path, &p->generator, thread, block);
}

static cyf_status emit(void *context, const cyf_cell_block *block) {
  return cyf_cells_out_append(&((interpolation *)context)->out, block);
}

static cyf_status write_obs(const interpolation *p) {
  const int64_t n = p->out.n_cells;
  double *s = NULL;
  int64_t *point = NULL;
  char **name = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&s, n));
  CYF_TRY_CLEANUP(CYF_NEW(&point, n));
  CYF_TRY_CLEANUP(CYF_NEW(&name, n));
  for (int64_t i = 0; i < n; i++) {
    point[i] = i / p->path.start.n;
    s[i] = cyf_class_path_s(&p->path.classes, point[i]);
    name[i] = p->path.start.name[i % p->path.start.n];
  }
  CYF_TRY_CLEANUP(cyf_h5ad_writer_add_numbers(p->out.writer, "path_s", s, n));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_add_integers(p->out.writer, "path_point", point, n));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_add_texts(p->out.writer, "start_cell", name, n));
  status = cyf_conditions_write_labels(p->generator.model, &p->generator.conditions, p->out.writer);
cleanup:
  cyf_free(s);
  cyf_free(point);
  cyf_free(name);
  return status;
}

/* Writes obs and provenance, after which the file gets its name. Rank 0. */
static cyf_status finish(interpolation *p, const char *command_line) {
  const arguments *a = p->arguments;
  const cyf_generator *g = &p->generator;
  cyf_h5ad_writer *writer = p->out.writer;
  CYF_TRY(write_obs(p));
  CYF_TRY(cyf_cells_out_describe(&p->out, command_line, a->model, g->model->created));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "attribute", a->path.attribute));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "path", p->described));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "start", a->start));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "t_init", p->path.noise.t_init));
  CYF_TRY(cyf_h5ad_writer_set_uns_real(writer, "signal_share", p->path.noise.signal.share));
  CYF_TRY(cyf_h5ad_writer_set_uns_real(writer, "guidance", p->path.weight));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "method", cyf_method_name(g->config.method)));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "steps", g->schedule->n));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "seed", a->reverse.seed));
  CYF_TRY(cyf_cells_out_commit(&p->out));
  cyf_info("wrote %s: %lld cells x %lld genes", a->output, (long long)p->out.n_written, (long long)g->model->genes.n);
  return CYF_OK;
}

static cyf_status open_all(cyf_context *context, interpolation *p) {
  const arguments *a = p->arguments;
  CYF_TRY(cyf_open_wished_device(context->comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &p->device));
  CYF_TRY(cyf_comm_agree(context->comm, open_model(p)));
  const cyf_start_asked asked = {.cells = {a->start, a->matrix, a->gene_column, a->values},
                                 .attribute = p->path.classes.attribute,
                                 .code = p->path.classes.code[0],
                                 .n = a->n_cells,
                                 .seed = (uint64_t)a->reverse.seed};
  CYF_TRY(cyf_start_cells_read(context->comm, p->generator.model, &asked, &p->path.start));
  return cyf_comm_agree(context->comm, open_rest(p));
}

static cyf_status interpolate(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  interpolation p = {.arguments = a};
  cyf_status status;
  CYF_TRY(cyf_comm_agree(context->comm, check(a, extra)));
  CYF_TRY(cyf_comm_agree(context->comm, note_inputs(a, &context->inputs)));
  CYF_TRY(cyf_h5ad_look_together(context->comm, 1, &a->start));
  CYF_TRY_CLEANUP(open_all(context, &p));
  const cyf_generator *g = &p.generator;
  cyf_info("interpolating %s %s: %lld points of %lld cells, %s, %d steps, guidance %g; %d ranks x %d threads",
           a->path.attribute, p.described, (long long)p.path.classes.n_points, (long long)p.path.start.n,
           cyf_method_name(g->config.method), g->schedule->n, p.path.weight, cyf_comm_size(context->comm),
           g->n_threads);
  cyf_block_job job = cyf_generator_job(g, "interpolate", p.out.n_cells);
  job.context = &p;
  job.compute = compute;
  job.emit = emit;
  CYF_TRY_CLEANUP(cyf_run_blocks(context->comm, &job));
  CYF_TRY_CLEANUP(cyf_generator_judge_guidance(context->comm, g));
  CYF_TRY_CLEANUP(cyf_comm_agree(context->comm, cyf_inputs_check(&context->inputs)));
  status =
      cyf_comm_agree(context->comm, cyf_comm_rank(context->comm) == 0 ? finish(&p, context->command_line) : CYF_OK);
cleanup:
  close_interpolation(&p);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  arguments a = make_defaults();
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra));
  if (status == CYF_OK) status = interpolate(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_interpolate = {.name = "interpolate",
                                         .summary = "cells on the way from one class to another",
                                         .writes = true,
                                         .collective = true,
                                         .stops_itself = true,
                                         .run = run,
                                         .help = help};
