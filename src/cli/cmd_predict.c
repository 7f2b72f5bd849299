/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "data/h5ad/look_together.h"
#include "sample/cells_in.h"
#include "sample/cells_out.h"
#include "sample/encode_rows.h"
#include "sample/predict.h"

static const cyf_usage usage = {
    .command = "predict",
    .arguments = "-m MODEL IN.h5ad -o OUT.h5ad [options]",
    .text =
        "Labels of cells, real or generated, by the model's classifiers. Each cell is encoded, and the classifiers are "
        "asked at\n"
        "timestep 0. For each attribute ATTR that has a classifier, OUT has predicted_ATTR and "
        "predicted_ATTR_probability in obs and\n"
        "obsm/probabilities_ATTR, a column a class in the order of predicted_ATTR's categories. IN's obs is kept; X "
        "and\n"
        "obsm/X_latent are as encode writes them. A cell's labels do not depend on the other cells.",
    .examples =
        "  cytoforge predict -m runs/first/model.h5 new.h5ad -o labelled.h5ad\n"
        "  mpirun -n 2 cytoforge predict -m runs/first/model.h5 atlas/heldout.h5ad -o heldout_labels.h5ad\n",
    .groups = {{"model", "model and output"}, {"matrix", "reading cells"}, {"device", "computing"}}};

typedef struct arguments {
  const char *model, *output, *matrix, *gene_column, *values;
  cyf_device_options compute;
  bool force;
} arguments;

enum { N_OWN = 6, N_OPTIONS = N_OWN + CYF_DEVICE_OPTIONS, BLOCK_CELLS = 256 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OWN] = {
      {"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL", "model.h5 of a run"},
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "OUT.h5ad", "file to write"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing file"},
      {"matrix", 0, CYF_OPTION_TEXT, &a->matrix, "NAME", "X (default), layers/NAME or raw/X"},
      {"gene-column", 0, CYF_OPTION_TEXT, &a->gene_column, "COLUMN",
       "var column with the gene names (default: the index)"},
      {"values", 0, CYF_OPTION_TEXT, &a->values, "KIND",
       "what IN's values are, where they do not tell: counts, fractional-counts, log1p[:TARGET] or log2[:TARGET]"}};
  for (int i = 0; i < N_OWN; i++) o[i] = table[i];
  cyf_device_list_options(&a->compute, o + N_OWN);
}

static void help(FILE *stream) {
  arguments a = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

typedef struct predicting {
  const arguments *arguments;
  const char *input;
  cyf_device *device;
  cyf_model *model;
  cyf_cells_in in;
  cyf_prediction prediction;
  cyf_scratch **scratch; /* [threads] */
  cyf_cells_out out;
} predicting;

static cyf_status check(const arguments *a, const cyf_texts *inputs) {
  CYF_TRY(cyf_need(&usage, a->model, "-m MODEL"));
  CYF_TRY(cyf_need(&usage, a->output, "-o OUT.h5ad"));
  if (inputs->n != 1)
    return CYF_FAIL(CYF_ERR_USAGE, "predict: one input file is needed, not %lld", (long long)inputs->n);
  return cyf_check_output(a->output, a->force);
}

static cyf_status note_inputs(const predicting *p, cyf_inputs *inputs) {
  CYF_TRY(cyf_inputs_add(inputs, p->arguments->model));
  return cyf_inputs_add(inputs, p->input);
}

static cyf_status open_predicting(predicting *p) {
  const arguments *a = p->arguments;
  CYF_TRY(cyf_model_load(a->model, p->device, &p->model));
  CYF_TRY(cyf_cells_in_open(&(cyf_cells_asked){p->input, a->matrix, a->gene_column, a->values}, p->model, &p->in));
  CYF_TRY(cyf_prediction_make(p->model, NULL, p->in.n_cells, true, &p->prediction));
  if (p->prediction.n == 0)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "%s has no classifier, so it cannot predict labels; train one with --stage "
                    "classifier:COLUMN",
                    a->model);
  CYF_TRY(CYF_NEW(&p->scratch, p->device->n_threads));
  for (int t = 0; t < p->device->n_threads; t++) CYF_TRY(cyf_scratch_create(p->device, &p->scratch[t]));
  p->out = (cyf_cells_out){.path = a->output,
                           .genes = &p->model->genes,
                           .n_cells = p->in.n_cells,
                           .width = p->model->settings.autoencoder.latent,
                           .expression = CYF_OUTPUT_LOG,
                           .target = p->model->target};
  return CYF_OK;
}

static void close_predicting(predicting *p) {
  cyf_cells_out_destroy(&p->out);
  cyf_prediction_destroy(&p->prediction);
  for (int t = 0; p->scratch != NULL && t < p->device->n_threads; t++) cyf_scratch_destroy(&p->scratch[t]);
  cyf_free(p->scratch);
  if (p->in.file != NULL) cyf_cells_in_close(&p->in);
  cyf_model_destroy(&p->model);
  cyf_device_destroy(&p->device);
}

static cyf_status predict_block(predicting *p, cyf_scratch *scratch, cyf_cell_block *block) {
  const cyf_encoded_rows said = {p->input, "its latent", block->index * BLOCK_CELLS};
  CYF_TRY(cyf_cells_in_read(&p->in, said.first, block->n_cells, &block->rows));
  CYF_TRY(cyf_encode_rows(p->model, scratch, &block->rows, &said, block->latent));
  return cyf_prediction_block(&p->prediction, scratch, block);
}

static cyf_status compute(void *context, int thread, cyf_cell_block *block) {
  predicting *p = context;
  const size_t mark = cyf_scratch_mark(p->scratch[thread]);
  const cyf_status status = predict_block(p, p->scratch[thread], block);
  cyf_scratch_release(p->scratch[thread], mark);
  return status;
}

static cyf_status emit(void *context, const cyf_cell_block *block) {
  predicting *p = context;
  cyf_prediction_take(&p->prediction, block);
  return cyf_cells_out_append(&p->out, block);
}

/* The columns that the command writes itself, also where IN has them from an earlier run. */
static cyf_status list_written(const predicting *p, cyf_names *names) {
  for (int64_t k = 0; k < p->prediction.n; k++) {
    const char *attribute = p->model->attributes[p->prediction.item[k].attribute].name;
    char *name = NULL, *longer = NULL;
    CYF_TRY(cyf_predicted_name(attribute, &name));
    cyf_status status = cyf_names_add(names, name, NULL);
    if (status == CYF_OK) status = cyf_format(&longer, "%s_probability", name);
    if (status == CYF_OK) status = cyf_names_add(names, longer, NULL);
    cyf_free(name);
    cyf_free(longer);
    CYF_TRY(status);
  }
  return CYF_OK;
}

static cyf_status write_obs(const predicting *p) {
  cyf_names written = {0};
  cyf_status status = list_written(p, &written);
  if (status == CYF_OK) status = cyf_copy_obs(p->in.file, &written, p->out.writer);
  cyf_names_destroy(&written);
  return status == CYF_OK ? cyf_prediction_write(&p->prediction, p->out.writer) : status;
}

/* Writes obs and provenance, after which the file gets its name. Rank 0. */
static cyf_status finish(predicting *p, const cyf_context *context) {
  CYF_TRY(write_obs(p));
  CYF_TRY(cyf_cells_out_describe(&p->out, context->command_line, p->arguments->model, p->model->created));
  CYF_TRY(cyf_inputs_check(&context->inputs)); /* again: obs was still to be read */
  CYF_TRY(cyf_cells_out_commit(&p->out));
  for (int64_t k = 0; k < p->prediction.n; k++) {
    const cyf_predicted *item = &p->prediction.item[k];
    double sum = 0;
    for (int64_t i = 0; i < p->prediction.n_cells; i++) sum += item->best[i];
    cyf_info("%s: %lld classes, mean probability of the predicted one %.3f", p->model->attributes[item->attribute].name,
             (long long)item->n_classes, sum / (double)p->prediction.n_cells);
  }
  cyf_info("wrote %s: %lld cells x %lld genes", p->arguments->output, (long long)p->in.n_cells,
           (long long)p->model->genes.n);
  return CYF_OK;
}

static cyf_status predict(cyf_context *context, const arguments *a, const cyf_texts *inputs) {
  cyf_comm *comm = context->comm;
  CYF_TRY(cyf_comm_agree(comm, check(a, inputs)));
  predicting p = {.arguments = a, .input = inputs->item[0]};
  cyf_status status;
  CYF_TRY(cyf_comm_agree(comm, note_inputs(&p, &context->inputs)));
  CYF_TRY(cyf_h5ad_look_together(comm, 1, &p.input));
  CYF_TRY(cyf_open_wished_device(comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &p.device));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, open_predicting(&p)));
  const cyf_block_job job = {.name = "predict",
                             .n_cells = p.in.n_cells,
                             .block_cells = BLOCK_CELLS,
                             .n_genes = p.model->genes.n,
                             .width = p.out.width + p.prediction.n_numbers,
                             .n_threads = p.device->n_threads,
                             .context = &p,
                             .compute = compute,
                             .emit = emit};
  CYF_TRY_CLEANUP(cyf_run_blocks(comm, &job));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, cyf_inputs_check(&context->inputs)));
  status = cyf_comm_agree(comm, cyf_comm_rank(comm) == 0 ? finish(&p, context) : CYF_OK);
cleanup:
  close_predicting(&p);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  arguments a = {0};
  cyf_texts inputs = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &inputs));
  if (status == CYF_OK) status = predict(context, &a, &inputs);
  cyf_options_free(options, N_OPTIONS, &inputs);
  return status;
}

const cyf_command cyf_cmd_predict = {.name = "predict",
                                     .summary = "labels of cells, with probabilities",
                                     .writes = true,
                                     .collective = true,
                                     .stops_itself = true,
                                     .run = run,
                                     .help = help};
