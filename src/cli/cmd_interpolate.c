/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdbool.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "model/diffusion/signal_share.h"
#include "sample/cells_out.h"
#include "sample/class_path.h"
#include "sample/decode.h"
#include "sample/guidance.h"
#include "sample/guides.h"
#include "sample/reverse.h"
#include "sample/start_cells.h"

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
        "--start real.h5ad --t-init 400 --guidance 4 -o path.h5ad\n"};

typedef struct arguments {
  const char *model, *start, *output, *matrix, *gene_column, *kind;
  cyf_class_path_asked path;
  cyf_texts where, guidance;
  cyf_reverse reverse;
  cyf_device_options compute;
  int64_t n_cells, t_init;
  double keep;
  bool force;
} arguments;

enum { N_OWN = 17, N_OPTIONS = N_OWN + CYF_REVERSE_OPTIONS + CYF_DEVICE_OPTIONS };

/* The share of the start cells' signal, in power, that is left unless --t-init or --keep says otherwise; below the
 * second a warning. */
static const double DEFAULT_KEEP = 0.1, ALMOST_NOTHING = 0.02;

/* Between two classes their gradients cancel in part, so that a path wants more than cells of one class
 * (benchmarks/results/interpolate.md). */
static const double DEFAULT_PATH_GUIDANCE = 5;
/* Under that much guidance the few long steps that are enough for cells of one class lead astray. */
static const char DEFAULT_PATH_METHOD[] = "ddpm", DEFAULT_PATH_STEPS[] = "100";
enum { N_DEFAULT_PATH_STEPS = 100 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OWN] = {
      {"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL", "model.h5 of a run"},
      {"attribute", 0, CYF_OPTION_TEXT, &a->path.attribute, "ATTR",
       "the attribute whose classes the path goes through"},
      {"from", 0, CYF_OPTION_TEXT, &a->path.from, "A", "class to start in"},
      {"to", 0, CYF_OPTION_TEXT, &a->path.to, "B", "class to end in"},
      {"path", 0, CYF_OPTION_TEXT, &a->path.path, "A,B,C", "two or more classes, instead of --from and --to"},
      {"points", 0, CYF_OPTION_INT, &a->path.n_points, "N", "points of the path, ends included (default 11)"},
      {"start", 0, CYF_OPTION_TEXT, &a->start, "REAL.h5ad", "real cells with the attribute in obs"},
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "PATH.h5ad", "file to write"},
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
      cyf_output_option(&a->kind),
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing file"}};
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
  cyf_model *model;
  cyf_class_path path;
  char *described; /* "10 -> 11" */
  double weight;   /* of the path's guidance */
  cyf_start_cells start;
  cyf_conditions conditions; /* --where, over all cells of the output */
  int t_init;
  cyf_signal signal;
  cyf_schedule *schedule; /* ends at t_init */
  cyf_sampler_config config;
  cyf_decoding decoding;
  cyf_scratch **scratch; /* [threads] */
  cyf_graph **graph;     /* [threads] of a step */
  cyf_cells_out out;
} interpolation;

static cyf_status check(const arguments *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "interpolate: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->model, "-m MODEL"));
  CYF_TRY(cyf_need(&usage, a->path.attribute, "--attribute ATTR"));
  CYF_TRY(cyf_need(&usage, a->start, "--start REAL.h5ad"));
  CYF_TRY(cyf_need(&usage, a->output, "-o PATH.h5ad"));
  CYF_TRY(cyf_reverse_check(&usage, &a->reverse));
  if (a->n_cells < 0) return CYF_FAIL(CYF_ERR_USAGE, "interpolate: -n cannot be negative");
  if (a->t_init >= 0 && a->keep >= 0)
    return CYF_FAIL(CYF_ERR_USAGE, "interpolate: --t-init and --keep say the same thing twice; give one of them");
  if (a->t_init < -1) return CYF_FAIL(CYF_ERR_USAGE, "interpolate: --t-init cannot be negative");
  if (a->keep != -1 && !(a->keep > 0 && a->keep < 1))
    return CYF_FAIL(CYF_ERR_USAGE, "interpolate: --keep wants a share between 0 and 1, not %g", a->keep);
  return cyf_check_output(a->output, a->force);
}

static cyf_status open_model(interpolation *p) {
  const arguments *a = p->arguments;
  CYF_TRY(cyf_model_load(a->model, p->device, &p->model));
  if (p->model->denoiser == NULL)
    return CYF_FAIL(CYF_ERR_INPUT, "%s has no denoiser, so it cannot sample; import it with --denoiser F", a->model);
  CYF_TRY(cyf_class_path_make(p->model, &a->path, &p->path));
  CYF_TRY(cyf_class_path_describe(&p->path, p->model, &p->described));
  if (a->t_init >= p->model->schedule->n)
    return CYF_FAIL(CYF_ERR_USAGE, "interpolate: --t-init %lld: the model's timesteps are 0 to %d",
                    (long long)a->t_init, p->model->schedule->n - 1);
  return CYF_OK;
}

/* How strongly the path guides, and the other attributes' conditions over all cells of the output. */
static cyf_status make_conditions(interpolation *p) {
  const arguments *a = p->arguments;
  const char *attribute = p->model->attributes[p->path.attribute].name;
  const cyf_conditions_asked asked = {.where = &a->where,
                                      .guidance = &a->guidance,
                                      .guided_otherwise = attribute,
                                      .n_cells = p->start.n * p->path.n_points};
  cyf_guidance guidance = {0};
  CYF_TRY(cyf_guidance_make(p->model, &a->guidance, &guidance));
  const bool said = guidance.has_common || !isnan(guidance.of[p->path.attribute]);
  p->weight = said ? cyf_guidance_of(&guidance, p->path.attribute) : DEFAULT_PATH_GUIDANCE;
  cyf_guidance_destroy(&guidance);
  CYF_TRY(cyf_conditions_make(p->model, &asked, &p->conditions));
  for (int64_t k = 0; k < p->conditions.n; k++) {
    cyf_guide guide; /* complaints come before sampling */
    if (p->conditions.item[k].attribute == p->path.attribute)
      return CYF_FAIL(CYF_ERR_USAGE, "--where %s=... contradicts the path, which goes through classes of '%s'",
                      attribute, attribute);
    CYF_TRY(cyf_choose_guide(p->model, p->conditions.item[k].attribute, CYF_GUIDANCE_CLASSIFIER, &guide));
  }
  if (p->conditions.n == CYF_GUIDES_MAX)
    return CYF_FAIL(CYF_ERR_USAGE, "at most %d conditions beside the path", CYF_GUIDES_MAX - 1);
  return CYF_OK;
}

/* What the command line leaves open, unless the model's configuration says how it is to be sampled. */
static cyf_reverse path_reverse(const cyf_reverse *asked, const cyf_settings *settings) {
  cyf_reverse reverse = *asked;
  if (strcmp(settings->sample.steps, "auto") != 0) return reverse;
  if (reverse.method == NULL) reverse.method = DEFAULT_PATH_METHOD;
  if (reverse.steps == NULL)
    reverse.steps = settings->diffusion.timesteps > N_DEFAULT_PATH_STEPS ? DEFAULT_PATH_STEPS : "all";
  return reverse;
}

/* Where the reverse process begins, and what is left of the start cells there. */
static cyf_status choose_start(interpolation *p) {
  const arguments *a = p->arguments;
  const cyf_schedule *full = p->model->schedule;
  const double rms = cyf_signal_rms(p->start.latent, p->start.n * p->out.width, p->model->latent_scale);
  const double keep = a->keep > 0 ? a->keep : DEFAULT_KEEP;
  p->t_init = a->t_init >= 0 ? (int)a->t_init : cyf_signal_timestep(full, rms, keep);
  p->signal = cyf_signal_at(full, rms, p->t_init);
  cyf_info("start: %lld cells, latent rms %.3g; at t_init %d signal %.3g beside noise %.3g: a share of %.3g is left",
           (long long)p->start.n, rms, p->t_init, p->signal.signal, p->signal.noise, p->signal.share);
  if (p->signal.share < ALMOST_NOTHING)
    cyf_warn(
        "almost nothing of the start cells survives t_init %d; with this model's latent_scale (%.3g) --t-init %d "
        "leaves "
        "a share of %.2g",
        p->t_init, p->model->latent_scale, cyf_signal_timestep(full, rms, DEFAULT_KEEP), DEFAULT_KEEP);
  const cyf_reverse reverse = path_reverse(&a->reverse, &p->model->settings);
  return cyf_reverse_make(&usage, &reverse, p->model, p->t_init, &p->schedule, &p->config);
}

static cyf_status open_rest(interpolation *p) {
  const int n_threads = p->device->n_threads;
  CYF_TRY(cyf_decoding_make(&usage, p->model, p->arguments->kind, p->arguments->reverse.seed, &p->decoding));
  p->out = (cyf_cells_out){.path = p->arguments->output,
                           .genes = &p->model->genes,
                           .n_cells = p->start.n * p->path.n_points,
                           .width = p->model->settings.autoencoder.latent,
                           .expression = p->decoding.output};
  CYF_TRY(make_conditions(p));
  CYF_TRY(choose_start(p));
  CYF_TRY(CYF_NEW(&p->scratch, n_threads));
  CYF_TRY(CYF_NEW(&p->graph, n_threads));
  for (int t = 0; t < n_threads; t++) CYF_TRY(cyf_scratch_create(p->device, &p->scratch[t]));
  return CYF_OK;
}

static void close_interpolation(interpolation *p) {
  cyf_cells_out_destroy(&p->out);
  for (int t = 0; p->scratch != NULL && t < p->device->n_threads; t++) cyf_scratch_destroy(&p->scratch[t]);
  for (int t = 0; p->graph != NULL && t < p->device->n_threads; t++)
    p->device->ops->graph_destroy(p->device, p->graph[t]);
  cyf_free(p->scratch);
  cyf_free(p->graph);
  cyf_schedule_destroy(&p->schedule);
  cyf_conditions_destroy(&p->conditions);
  cyf_start_cells_destroy(&p->start);
  cyf_class_path_destroy(&p->path);
  cyf_free(p->described);
  cyf_model_destroy(&p->model);
  cyf_device_destroy(&p->device);
}

/* Start cells [cell, cell + n) to one point, into x[n, width]; `first` is their place in the output. A cell's noise
 * goes by its number among the start cells, so that its way from point to point is smooth. */
static cyf_status run_point(const interpolation *p, int thread, int64_t first, int64_t cell, int64_t n, float *x) {
  cyf_device *device = p->device;
  cyf_scratch *scratch = p->scratch[thread];
  cyf_sampler_config config = p->config;
  const int64_t width = p->out.width, point = first / p->start.n;
  cyf_guide guides[CYF_GUIDES_MAX];
  int n_guides = 0;
  config.graph = &p->graph[thread];
  CYF_TRY(device->ops->upload(device, x, p->start.latent + cell * width, sizeof(float) * (size_t)(n * width)));
  CYF_TRY(device->ops->scale(device, n * width, p->model->latent_scale, x));
  CYF_TRY(cyf_sampler_start_from(device, p->schedule, p->config.seed, width, scratch, cell, n, x));
  CYF_TRY(cyf_make_guides(p->model, &p->conditions, CYF_GUIDANCE_CLASSIFIER, scratch, first, n, guides, &n_guides));
  if (p->weight > 0)
    CYF_TRY(cyf_class_path_guide(&p->path, p->model, scratch, point, n, p->weight, &guides[n_guides++]));
  CYF_TRY(cyf_sampler_run(&config, p->model->denoiser, n_guides, guides, scratch, cell, n, x));
  CYF_TRY(device->ops->scale(device, n * width, 1 / p->model->latent_scale, x));
  if (p->model->settings.diffusion.unit_length)
    CYF_TRY(device->ops->l2_normalize_forward(device, n, width, x, x, NULL));
  return device->ops->synchronize(device);
}

/* A block lies across points where the number of start cells is no multiple of its size. */
static cyf_status run_block(const interpolation *p, int thread, cyf_block *block) {
  cyf_device *device = p->device;
  cyf_scratch *scratch = p->scratch[thread];
  const int64_t width = p->out.width, first = block->index * cyf_sampler_block(device);
  float *x = NULL;
  CYF_TRY(cyf_scratch_floats(scratch, block->n_cells * width, &x));
  for (int64_t done = 0, n; done < block->n_cells; done += n) {
    const int64_t cell = (first + done) % p->start.n, left = block->n_cells - done;
    n = p->start.n - cell < left ? p->start.n - cell : left;
    const size_t mark = cyf_scratch_mark(scratch);
    const cyf_status status = run_point(p, thread, first + done, cell, n, x + done * width);
    cyf_scratch_release(scratch, mark);
    CYF_TRY(status);
  }
  CYF_TRY(device->ops->download(device, block->latent, x, sizeof(float) * (size_t)(block->n_cells * width)));
  CYF_TRY(device->ops->synchronize(device));
  int64_t position[CYF_SAMPLER_BLOCK_MAX]; /* counts too are drawn by the start cell */
  for (int64_t i = 0; i < block->n_cells; i++) position[i] = (first + i) % p->start.n;
  return cyf_decode_rows(&p->decoding, scratch, block->n_cells, x, position, &block->rows);
}

static cyf_status compute(void *context, int thread, cyf_block *block) {
  const interpolation *p = context;
  const size_t mark = cyf_scratch_mark(p->scratch[thread]);
  const cyf_status status = run_block(p, thread, block);
  cyf_scratch_release(p->scratch[thread], mark);
  return status;
}

static cyf_status emit(void *context, const cyf_block *block) {
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
    point[i] = i / p->start.n;
    s[i] = cyf_class_path_s(&p->path, point[i]);
    name[i] = p->start.name[i % p->start.n];
  }
  CYF_TRY_CLEANUP(cyf_h5ad_writer_add_numbers(p->out.writer, "path_s", s, n));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_add_integers(p->out.writer, "path_point", point, n));
  CYF_TRY_CLEANUP(cyf_h5ad_writer_add_texts(p->out.writer, "start_cell", name, n));
  status = cyf_conditions_write_labels(p->model, &p->conditions, p->out.writer);
cleanup:
  cyf_free(s);
  cyf_free(point);
  cyf_free(name);
  return status;
}

/* Rank 0: obs and provenance, then the file gets its name. */
static cyf_status finish(interpolation *p, const char *command_line) {
  const arguments *a = p->arguments;
  cyf_h5ad_writer *writer = p->out.writer;
  CYF_TRY(write_obs(p));
  CYF_TRY(cyf_cells_out_describe(&p->out, command_line, a->model, p->model->created));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "attribute", a->path.attribute));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "path", p->described));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "start", a->start));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "t_init", p->t_init));
  CYF_TRY(cyf_h5ad_writer_set_uns_real(writer, "signal_share", p->signal.share));
  CYF_TRY(cyf_h5ad_writer_set_uns_real(writer, "guidance", p->weight));
  CYF_TRY(cyf_h5ad_writer_set_uns_text(writer, "method", cyf_method_name(p->config.method)));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "steps", p->schedule->n));
  CYF_TRY(cyf_h5ad_writer_set_uns_int(writer, "seed", a->reverse.seed));
  CYF_TRY(cyf_cells_out_commit(&p->out));
  cyf_info("wrote %s: %lld cells x %lld genes", a->output, (long long)p->out.n_written, (long long)p->model->genes.n);
  return CYF_OK;
}

static cyf_status open_all(cyf_context *context, interpolation *p) {
  const arguments *a = p->arguments;
  CYF_TRY(cyf_open_wished_device(context->comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &p->device));
  CYF_TRY(cyf_comm_agree(context->comm, open_model(p)));
  const cyf_start_asked asked = {.path = a->start,
                                 .matrix = a->matrix,
                                 .gene_column = a->gene_column,
                                 .attribute = p->path.attribute,
                                 .code = p->path.code[0],
                                 .n = a->n_cells,
                                 .seed = (uint64_t)a->reverse.seed};
  CYF_TRY(cyf_start_cells_read(context->comm, p->model, &asked, &p->start));
  return cyf_comm_agree(context->comm, open_rest(p));
}

static cyf_status interpolate(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  interpolation p = {.arguments = a};
  cyf_status status;
  CYF_TRY(cyf_comm_agree(context->comm, check(a, extra)));
  CYF_TRY_CLEANUP(open_all(context, &p));
  cyf_info("interpolating %s %s: %lld points of %lld cells, %s, %d steps, guidance %g; %d ranks x %d threads",
           a->path.attribute, p.described, (long long)p.path.n_points, (long long)p.start.n,
           cyf_method_name(p.config.method), p.schedule->n, p.weight, cyf_comm_size(context->comm),
           p.device->n_threads);
  const cyf_block_job job = {.name = "interpolate",
                             .n_cells = p.out.n_cells,
                             .block_cells = cyf_sampler_block(p.device),
                             .n_genes = p.model->genes.n,
                             .width = p.out.width,
                             .n_threads = p.device->n_threads,
                             .context = &p,
                             .compute = compute,
                             .emit = emit};
  CYF_TRY_CLEANUP(cyf_run_blocks(context->comm, &job));
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
                                         .collective = true,
                                         .stops_itself = true,
                                         .run = run,
                                         .help = help};
