/* SPDX-License-Identifier: MIT */
/* import: published PyTorch weights, or an export's, to a model. */
#include <string.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "saved/import.h"

static const cyf_usage usage = {
    .command = "import",
    .arguments =
        "DIR | --autoencoder F | --scimilarity DIR [--denoiser F] [--classifier ATTR=F[,LABELS.txt]]... [--genes LIST] "
        "-o model.h5",
    .text =
        "Makes a model of PyTorch checkpoints (torch.save, state dicts; safetensors): scDiffusion's autoencoder, "
        "denoiser and\n"
        "classifiers, or SCimilarity's encoder.ckpt, decoder.ckpt and gene_order.tsv. Shapes are inferred from the "
        "tensors. Nothing\n"
        "in the files is executed. Without a denoiser the model encodes and decodes only. DIR is a folder that export "
        "wrote (or its\n"
        "model.safetensors): the model comes back with every setting.",
    .examples =
        "  cytoforge import weights -o model.h5\n"
        "  cytoforge import --scimilarity model_v1.1 -o scimilarity.h5\n"
        "  cytoforge import --autoencoder model_seed=0_step=150000.pt --genes genes.txt --denoiser "
        "ema_0.9999_600000.pt "
        "\\\n"
        "    --classifier cell_type=model200000.pt,cell_types.txt -o scdiffusion.h5\n",
    .groups = {{"autoencoder", "what is imported"}, {"genes", "genes and output"}}};

typedef struct arguments {
  const char *folder, *autoencoder, *scimilarity, *denoiser, *genes, *output;
  cyf_texts classifiers;
  bool force;
} arguments;

enum { N_OPTIONS = 7 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OPTIONS] = {
      {"autoencoder", 0, CYF_OPTION_TEXT, &a->autoencoder, "F", "state dict of encoder and decoder"},
      {"scimilarity", 0, CYF_OPTION_TEXT, &a->scimilarity, "DIR",
       "directory of encoder.ckpt, decoder.ckpt and gene_order.tsv"},
      {"denoiser", 0, CYF_OPTION_TEXT, &a->denoiser, "F", "state dict of the denoiser (its EMA is the better one)"},
      {"classifier", 0, CYF_OPTION_LIST, &a->classifiers, "ATTR=F[,LABELS.txt]",
       "an attribute's classifier and its labels, one a line in the order of the classes; may be repeated; an export's "
       "file names its labels itself"},
      {"genes", 0, CYF_OPTION_TEXT, &a->genes, "LIST",
       "genes, one a line in the order of training (default: DIR/gene_order.tsv, or those an export's file names)"},
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "model.h5", "file to write"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "replace an existing file"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static void help(FILE *stream) {
  arguments a = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

/* "ATTR=F" or "ATTR=F,LABELS": cut at the first '=' and the last ','. The parts point into *ret_copy, freed with
 * cyf_free. */
static cyf_status parse_classifier(const char *text, char **ret_copy, cyf_import_classifier *ret_classifier) {
  CYF_TRY(cyf_strdup(text, ret_copy));
  char *equals = strchr(*ret_copy, '='), *comma = equals != NULL ? strrchr(equals, ',') : NULL;
  if (equals == NULL || equals == *ret_copy || equals[1] == '\0' || comma == equals + 1 ||
      (comma != NULL && comma[1] == '\0'))
    return CYF_FAIL(CYF_ERR_USAGE, "import: --classifier wants ATTR=F[,LABELS.txt], not '%s'", text);
  *equals = '\0';
  if (comma != NULL) *comma = '\0';
  *ret_classifier = (cyf_import_classifier){*ret_copy, equals + 1, comma != NULL ? comma + 1 : NULL};
  return CYF_OK;
}

static cyf_status check(arguments *a, const cyf_texts *extra) {
  if (extra->n > 1) return CYF_FAIL(CYF_ERR_USAGE, "import: '%s' is one folder too many", extra->item[1]);
  if (extra->n == 1) a->folder = extra->item[0];
  const bool others = a->denoiser != NULL || a->genes != NULL || a->classifiers.n > 0;
  if ((a->autoencoder != NULL) + (a->scimilarity != NULL) + (a->folder != NULL) != 1)
    return CYF_FAIL(CYF_ERR_USAGE, "import: one of DIR, --autoencoder F and --scimilarity DIR is needed");
  if (a->folder != NULL && others)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "import: '%s' is taken whole; --denoiser, --classifier and --genes go with single files",
                    a->folder);
  CYF_TRY(cyf_need(&usage, a->output, "-o model.h5"));
  return cyf_check_output(a->output, a->force);
}

static cyf_status note_inputs(const cyf_import_options *options, cyf_inputs *inputs) {
  static const char *const of_scimilarity[] = {".ckpt", ".tsv", NULL}, *const of_export[] = {".safetensors", NULL};
  CYF_TRY(cyf_inputs_add_folder(inputs, options->scimilarity, of_scimilarity));
  CYF_TRY(cyf_inputs_add_folder(inputs, options->folder, of_export));
  CYF_TRY(cyf_inputs_add(inputs, options->folder));
  CYF_TRY(cyf_inputs_add(inputs, options->autoencoder));
  CYF_TRY(cyf_inputs_add(inputs, options->denoiser));
  CYF_TRY(cyf_inputs_add(inputs, options->genes));
  for (int64_t i = 0; i < options->n_classifiers; i++) {
    CYF_TRY(cyf_inputs_add(inputs, options->classifiers[i].weights));
    CYF_TRY(cyf_inputs_add(inputs, options->classifiers[i].labels));
  }
  return CYF_OK;
}

static cyf_status import_model(const cyf_import_options *options, const char *output, cyf_inputs *inputs) {
  cyf_device *device = NULL;
  cyf_model *model = NULL;
  int64_t bytes = 0;
  int lock = -1;
  cyf_status status;
  CYF_TRY(note_inputs(options, inputs));
  CYF_TRY(cyf_device_create_cpu(0, &device));
  CYF_TRY_CLEANUP(cyf_model_import(options, device, &model));
  CYF_TRY_CLEANUP(cyf_inputs_check(inputs));
  CYF_TRY_CLEANUP(cyf_model_lock(output, "import", 0, &lock));
  CYF_TRY_CLEANUP(cyf_model_save(model, output));
  CYF_TRY_CLEANUP(cyf_file_size_bytes(output, &bytes));
  cyf_info("wrote %s (%.1f MB)", output, (double)bytes / 1e6);
cleanup:
  cyf_model_unlock(output, &lock);
  cyf_model_destroy(&model);
  cyf_device_destroy(&device);
  return status;
}

static cyf_status run_checked(cyf_context *context, const arguments *a) {
  const int64_t n = a->classifiers.n;
  char **copies = NULL;
  cyf_import_classifier *classifiers = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&copies, n));
  CYF_TRY_CLEANUP(CYF_NEW(&classifiers, n));
  for (int64_t i = 0; i < n; i++)
    CYF_TRY_CLEANUP(parse_classifier(a->classifiers.item[i], &copies[i], &classifiers[i]));
  const cyf_import_options options = {.folder = a->folder,
                                      .autoencoder = a->autoencoder,
                                      .scimilarity = a->scimilarity,
                                      .denoiser = a->denoiser,
                                      .genes = a->genes,
                                      .classifiers = classifiers,
                                      .n_classifiers = n,
                                      .command_line = context->command_line};
  CYF_TRY_CLEANUP(import_model(&options, a->output, &context->inputs));
cleanup:
  for (int64_t i = 0; i < n && copies != NULL; i++) cyf_free(copies[i]);
  cyf_free(copies);
  cyf_free(classifiers);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  arguments a = {0};
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra);
  if (status == CYF_OK) status = check(&a, &extra);
  if (status == CYF_OK) status = run_checked(context, &a);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_import = {.name = "import",
                                    .summary = "make a model of PyTorch checkpoints or of an export",
                                    .writes = true,
                                    .run = run,
                                    .help = help};
