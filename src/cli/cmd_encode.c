/* SPDX-License-Identifier: MIT */
/* `cytoforge encode` and `decode`: expression to latents and back. Both read an h5ad file and write one with X, obs,
 * var and obsm/X_latent, so that each takes the other's output. */
#include <string.h>

#include "base/files.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/resources.h"
#include "cli/sampling_options.h"
#include "data/h5ad/look_together.h"
#include "data/h5ad/other_format.h"
#include "kernels/backend.h"
#include "kernels/finite.h"
#include "sample/cells_in.h"
#include "sample/cells_out.h"
#include "sample/decode.h"
#include "sample/encode_rows.h"
#include "saved/model_scale.h"
#include "saved/parameters_file.h"
#include "train/encode.h"

static const cyf_usage encode_usage = {
    .command = "encode",
    .arguments =
        "-m MODEL IN.h5ad -o OUT.h5ad [options]\n       [mpirun -n R] cytoforge encode -m MODEL ATLAS -o FOLDER",
    .text =
        "Encodes cells. OUT has the log-normalised expression over the model's genes in X, IN's obs, and the "
        "unit-length latents in\n"
        "obsm/X_latent. A cell's latent does not depend on the other cells.\n"
        "Of an atlas (a folder that prepare made) all ranks write latents with their labels into FOLDER, in parts; the "
        "same\n"
        "command goes on after a stop, on any number of ranks.",
    .examples =
        "  mpirun -n 2 cytoforge encode -m runs/first/model.h5 atlas/heldout.h5ad -o heldout_latent.h5ad\n"
        "  mpirun -n 8 cytoforge encode -m runs/first/model.h5 atlas -o latents --precision float32\n",
    .groups = {{"model", "model and output"},
               {"matrix", "reading cells"},
               {"precision", "what is written"},
               {"device", "computing"}}};

static const cyf_usage decode_usage = {
    .command = "decode",
    .arguments = "-m MODEL IN.h5ad -o OUT.h5ad [options]",
    .text =
        "Decodes obsm/X_latent of IN to X of OUT; obs and obsm/X_latent are kept. IN is what encode or sample wrote, "
        "or any "
        "h5ad with\n"
        "latents of this model. A model that was trained on counts draws them, the same for the same seed.",
    .examples =
        "  mpirun -n 2 cytoforge decode -m runs/first/model.h5 heldout_latent.h5ad -o heldout_decoded.h5ad\n"
        "  cytoforge decode -m runs/counts/model.h5 heldout_latent.h5ad --output mean -o heldout_means.h5ad\n",
    .groups = {{"model", "model and output"}, {"output", "what is written"}, {"device", "computing"}}};

typedef struct arguments {
  const char *model, *output, *matrix, *gene_column, *values, *precision, *kind;
  cyf_device_options compute;
  int64_t seed;
  bool force;
} arguments;

/* --precision is the type of latents on disk here, so the device's option of that name is left out. */
enum { N_MODEL = 3, N_DEVICE = CYF_DEVICE_OPTIONS - 1, N_COMMON = N_MODEL + N_DEVICE };
enum { N_ENCODE = 4, N_DECODE = 2, N_OPTIONS = N_COMMON + N_ENCODE, BLOCK_CELLS = 256 };

/* Writes the options of either command into o, which has room for N_OPTIONS; returns how many there are. */
static size_t list_options(arguments *a, bool encodes, cyf_option *o) {
  const cyf_option of_model[N_MODEL] = {{"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL", "model.h5 of a run"},
                                        {"out", 'o', CYF_OPTION_TEXT, &a->output, "OUT.h5ad", "file to write"},
                                        {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing file"}};
  const cyf_option of_encode[N_ENCODE] = {
      {"matrix", 0, CYF_OPTION_TEXT, &a->matrix, "NAME", "X (default), layers/NAME or raw/X"},
      {"gene-column", 0, CYF_OPTION_TEXT, &a->gene_column, "COLUMN",
       "var column with the gene names (default: the index)"},
      {"values", 0, CYF_OPTION_TEXT, &a->values, "KIND",
       "what IN's values are, where they do not tell: counts, fractional-counts, log1p[:TARGET] or log2[:TARGET]"},
      {"precision", 0, CYF_OPTION_TEXT, &a->precision, "float16|float32",
       "type of an atlas' latents (default: the model's latents.type)"}};
  const cyf_option of_decode[N_DECODE] = {
      cyf_output_option(&a->kind), {"seed", 0, CYF_OPTION_INT, &a->seed, "S", "seed of drawn counts (default 0)"}};
  const size_t n_own = encodes ? N_ENCODE : N_DECODE;
  cyf_option of_device[CYF_DEVICE_OPTIONS];
  cyf_device_list_options(&a->compute, of_device);
  for (size_t i = 0; i < N_MODEL; i++) o[i] = of_model[i];
  for (size_t i = 0; i < N_DEVICE; i++) o[N_MODEL + i] = of_device[i];
  for (size_t i = 0; i < n_own; i++) o[N_COMMON + i] = encodes ? of_encode[i] : of_decode[i];
  return N_COMMON + n_own;
}

static void print_help(const cyf_usage *usage, bool encodes, FILE *stream) {
  arguments a = {0};
  cyf_option options[N_OPTIONS];
  cyf_options_print_help(usage, options, list_options(&a, encodes, options), stream);
}

static void encode_help(FILE *stream) {
  print_help(&encode_usage, true, stream);
}
static void decode_help(FILE *stream) {
  print_help(&decode_usage, false, stream);
}

typedef struct conversion {
  bool encodes;
  const arguments *arguments;
  const char *input;
  cyf_device *device;
  cyf_model *model;
  cyf_cells_in in; /* encode */
  cyf_h5ad *file;  /* decode: the input, for its obs */
  float *latent;   /* decode: [n_cells, width] */
  cyf_decoding decoding;
  int64_t n_cells;
  cyf_scratch **scratch;
  cyf_cells_out out;
} conversion;

static cyf_status open_latents(conversion *c) {
  int64_t width = 0;
  CYF_TRY(cyf_h5ad_open(c->input, NULL, &c->file));
  c->n_cells = cyf_h5ad_n_cells(c->file);
  CYF_TRY(cyf_h5ad_read_obsm(c->file, "X_latent", &width, &c->latent));
  if (width != c->model->settings.autoencoder.latent)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: obsm/X_latent has %lld coordinates and the model %lld", c->input,
                    (long long)width, (long long)c->model->settings.autoencoder.latent);
  if (c->n_cells == 0) return CYF_FAIL(CYF_ERR_INPUT, "%s has no cells", c->input);
  const cyf_finite_rows said = {CYF_ERR_INPUT, c->input, "obsm/X_latent", "it cannot be decoded"};
  return cyf_rows_check_finite(c->n_cells, width, c->latent, 0, &said);
}

static cyf_status note_inputs(const conversion *c, cyf_inputs *inputs) {
  CYF_TRY(cyf_inputs_add(inputs, c->arguments->model));
  return cyf_inputs_add(inputs, c->input);
}

static cyf_status open_conversion(conversion *c) {
  const arguments *a = c->arguments;
  CYF_TRY(cyf_model_load(a->model, c->device, &c->model));
  c->decoding.output = CYF_OUTPUT_LOG;
  if (c->encodes) {
    CYF_TRY(cyf_cells_in_open(&(cyf_cells_asked){c->input, a->matrix, a->gene_column, a->values}, c->model, &c->in));
    c->n_cells = c->in.n_cells;
  } else {
    CYF_TRY(cyf_decoding_make(decode_usage.command, c->model, a->kind, a->seed, &c->decoding));
    CYF_TRY(open_latents(c));
  }
  CYF_TRY(CYF_NEW(&c->scratch, c->device->n_threads));
  for (int t = 0; t < c->device->n_threads; t++) CYF_TRY(cyf_scratch_create(c->device, &c->scratch[t]));
  c->out = (cyf_cells_out){.path = a->output,
                           .genes = &c->model->genes,
                           .n_cells = c->n_cells,
                           .width = c->model->settings.autoencoder.latent,
                           .expression = c->decoding.output,
                           .target = c->model->target};
  return CYF_OK;
}

static void close_conversion(conversion *c) {
  cyf_cells_out_destroy(&c->out);
  if (c->scratch != NULL)
    for (int t = 0; t < c->device->n_threads; t++) cyf_scratch_destroy(&c->scratch[t]);
  cyf_free(c->scratch);
  if (c->in.file != NULL) cyf_cells_in_close(&c->in);
  cyf_h5ad_close(&c->file);
  cyf_free(c->latent);
  cyf_model_destroy(&c->model);
  cyf_device_destroy(&c->device);
}

static cyf_status encode_block(conversion *c, cyf_scratch *scratch, cyf_cell_block *block) {
  const cyf_encoded_rows said = {c->input, "its latent", block->index * BLOCK_CELLS};
  CYF_TRY(cyf_cells_in_read(&c->in, said.first, block->n_cells, &block->rows));
  return cyf_encode_rows(c->model, scratch, &block->rows, &said, block->latent);
}

static cyf_status decode_block(conversion *c, cyf_scratch *scratch, cyf_cell_block *block) {
  cyf_device *device = c->device;
  int64_t n = block->n_cells, width = c->out.width;
  size_t bytes = sizeof(float) * (size_t)(n * width);
  float *latent = NULL;
  memcpy(block->latent, c->latent + block->index * BLOCK_CELLS * width, bytes);
  CYF_TRY(cyf_scratch_floats(scratch, n * width, &latent));
  CYF_TRY(device->ops->upload(device, latent, block->latent, bytes));
  int64_t position[BLOCK_CELLS];
  for (int64_t i = 0; i < n; i++) position[i] = block->index * BLOCK_CELLS + i;
  return cyf_decode_rows(&c->decoding, scratch, n, latent, position, &block->rows);
}

static cyf_status compute(void *context, int thread, cyf_cell_block *block) {
  conversion *c = context;
  cyf_scratch *scratch = c->scratch[thread];
  size_t mark = cyf_scratch_mark(scratch);
  cyf_status status = c->encodes ? encode_block(c, scratch, block) : decode_block(c, scratch, block);
  cyf_scratch_release(scratch, mark);
  return status;
}

static cyf_status emit(void *context, const cyf_cell_block *block) {
  return cyf_cells_out_append(&((conversion *)context)->out, block);
}

static cyf_status finish(conversion *c, const cyf_context *context) {
  CYF_TRY(cyf_copy_obs(c->encodes ? c->in.file : c->file, NULL, c->out.writer));
  CYF_TRY(cyf_cells_out_describe(&c->out, context->command_line, c->arguments->model, c->model->created));
  CYF_TRY(cyf_inputs_check(&context->inputs)); /* again: obs was still to be read */
  CYF_TRY(cyf_cells_out_commit(&c->out));
  cyf_info("wrote %s: %lld cells x %lld genes", c->arguments->output, (long long)c->n_cells,
           (long long)c->model->genes.n);
  return CYF_OK;
}

/* ---- an atlas ---- */

/* Gives the type that latents are stored as: the one asked for, or the one the model was trained with. */
static cyf_status choose_precision(const arguments *a, const cyf_model *model, cyf_latent_type *ret_type) {
  *ret_type = model->settings.latents.type;
  if (a->precision == NULL) return CYF_OK;
  int type = 0;
  CYF_TRY(cyf_words_choose("encode", "precision", CYF_LATENT_TYPES, cyf_latent_type_words, a->precision, &type));
  *ret_type = (cyf_latent_type)type;
  return CYF_OK;
}

static cyf_status check_genes(const cyf_model *model, const cyf_atlas *atlas) {
  const cyf_names *ours = &model->genes, *theirs = &atlas->genes;
  int64_t i = 0;
  while (i < ours->n && i < theirs->n && strcmp(ours->name[i], theirs->name[i]) == 0) i++;
  if (i == ours->n && i == theirs->n) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT,
                  "%s has other genes than the model (%lld and %lld, different from gene %lld on); prepare the atlas "
                  "with --genes, the list that `cytoforge export` writes as genes.txt",
                  atlas->directory, (long long)theirs->n, (long long)ours->n, (long long)i + 1);
}

/* One run at a time writes parts into the folder. */
static cyf_status claim_folder(const char *directory, int *ret_lock) {
  CYF_TRY(cyf_make_directory(directory));
  return cyf_lock_folder(directory, "encode", ret_lock);
}

static cyf_status encode_atlas(cyf_context *context, const arguments *a, const char *directory) {
  cyf_comm *comm = context->comm;
  cyf_device *device = NULL;
  cyf_model *model = NULL;
  cyf_atlas *atlas = NULL;
  cyf_rescaling rescaling = {0};
  cyf_latent_type type = CYF_LATENT_FLOAT16;
  uint64_t checksum = 0;
  int lock = -1;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_open_wished_device(comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &device));
  status = cyf_model_load(a->model, device, &model);
  if (status == CYF_OK) status = choose_precision(a, model, &type);
  if (status == CYF_OK) status = cyf_atlas_open(directory, &atlas);
  if (status == CYF_OK) status = check_genes(model, atlas);
  if (status == CYF_OK) status = cyf_model_atlas_rescaling(model, atlas, &rescaling);
  if (status == CYF_OK) status = cyf_parameters_checksum(cyf_autoencoder_parameters(model->autoencoder), &checksum);
  if (status == CYF_OK && cyf_comm_rank(comm) == 0) status = claim_folder(a->output, &lock);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(cyf_encode_parts(comm, device, atlas, &rescaling, model->autoencoder, checksum, type, a->output));
  status = cyf_report_resources(comm);
cleanup:
  cyf_lock_release_folder(a->output, &lock);
  cyf_atlas_close(&atlas);
  cyf_model_destroy(&model);
  cyf_device_destroy(&device);
  return status;
}

static cyf_status check(const cyf_usage *usage, const arguments *a, const cyf_texts *inputs) {
  CYF_TRY(cyf_need(usage, a->model, "-m MODEL"));
  CYF_TRY(cyf_need(usage, a->output, "-o OUT.h5ad"));
  if (a->precision != NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "encode: --precision is for an atlas; an h5ad's latents are float32");
  if (inputs->n != 1)
    return CYF_FAIL(CYF_ERR_USAGE, "%s: one input file is needed, not %lld", usage->command, (long long)inputs->n);
  return cyf_check_output(a->output, a->force);
}

static cyf_status convert(cyf_context *context, const cyf_usage *usage, bool encodes, const arguments *a,
                          const cyf_texts *inputs) {
  cyf_comm *comm = context->comm;
  CYF_TRY(cyf_comm_agree(comm, check(usage, a, inputs)));
  conversion c = {.encodes = encodes, .arguments = a, .input = inputs->item[0]};
  CYF_TRY(cyf_comm_agree(comm, note_inputs(&c, &context->inputs)));
  CYF_TRY(cyf_h5ad_look_together(comm, 1, &c.input));
  CYF_TRY(cyf_open_wished_device(comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &c.device));
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, open_conversion(&c)));
  cyf_block_job job = {.name = usage->command,
                       .n_cells = c.n_cells,
                       .block_cells = BLOCK_CELLS,
                       .n_genes = c.model->genes.n,
                       .width = c.out.width,
                       .n_threads = c.device->n_threads,
                       .context = &c,
                       .compute = compute,
                       .emit = emit};
  CYF_TRY_CLEANUP(cyf_run_blocks(comm, &job));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, cyf_inputs_check(&context->inputs)));
  status = cyf_comm_agree(comm, cyf_comm_rank(comm) == 0 ? finish(&c, context) : CYF_OK);
cleanup:
  close_conversion(&c);
  return status;
}

static cyf_status run(cyf_context *context, const cyf_usage *usage, bool encodes, int argc, char **argv) {
  arguments a = {0};
  cyf_texts inputs = {0};
  cyf_option options[N_OPTIONS];
  const size_t n_options = list_options(&a, encodes, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(usage, argc, argv, options, n_options, &inputs));
  bool of_atlas = false, exists = false;
  if (status == CYF_OK && encodes && inputs.n == 1)
    status = cyf_comm_agree(context->comm, cyf_is_directory(inputs.item[0], &of_atlas));
  if (status == CYF_OK && of_atlas) {
    status = cyf_comm_agree(context->comm, cyf_need(usage, a.model, "-m MODEL"));
    if (status == CYF_OK) status = cyf_comm_agree(context->comm, cyf_need(usage, a.output, "-o FOLDER"));
    if (status == CYF_OK) status = cyf_comm_agree(context->comm, cyf_other_format_check(inputs.item[0]));
    if (status == CYF_OK) status = cyf_comm_agree(context->comm, cyf_file_exists(a.output, &exists));
    if (status == CYF_OK && exists) /* parts that are there are kept or written anew */
      status = cyf_comm_agree(context->comm, cyf_check_output_folder(a.output, true));
    if (status == CYF_OK) status = encode_atlas(context, &a, inputs.item[0]);
  } else if (status == CYF_OK) {
    status = convert(context, usage, encodes, &a, &inputs);
  }
  cyf_options_free(options, n_options, &inputs);
  return status;
}

static cyf_status run_encode(cyf_context *context, int argc, char **argv) {
  return run(context, &encode_usage, true, argc, argv);
}
static cyf_status run_decode(cyf_context *context, int argc, char **argv) {
  return run(context, &decode_usage, false, argc, argv);
}

const cyf_command cyf_cmd_encode = {.name = "encode",
                                    .summary = "real cells to latents",
                                    .writes = true,
                                    .collective = true,
                                    .stops_itself = true,
                                    .run = run_encode,
                                    .help = encode_help};
const cyf_command cyf_cmd_decode = {.name = "decode",
                                    .summary = "latents to expression",
                                    .writes = true,
                                    .collective = true,
                                    .stops_itself = true,
                                    .run = run_decode,
                                    .help = decode_help};
