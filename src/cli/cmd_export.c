/* SPDX-License-Identifier: MIT */
/* export: a model's weights for PyTorch. */
#include <string.h>

#include "base/files.h"
#include "cli/command.h"
#include "saved/export.h"

static const cyf_usage usage = {
    .command = "export",
    .arguments = "-m MODEL --format safetensors|pytorch-names -o DIR",
    .text =
        "Writes a model's weights as safetensors files with PyTorch's tensor names, bit for bit, beside its genes, its "
        "labels and a\n"
        "README on loading them. safetensors: one file, each name behind its module's (autoencoder., denoiser., "
        "classifiers.0.).\n"
        "pytorch-names: a file a module, with exactly the names of the published state dicts.",
    .examples = "  cytoforge export -m runs/first/model.h5 --format pytorch-names -o weights\n"};

typedef struct arguments {
  const char *model, *format, *output;
  bool force;
} arguments;

enum { N_OPTIONS = 4 };

static void list_options(arguments *a, cyf_option *o) {
  const cyf_option table[N_OPTIONS] = {
      {"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL", "model.h5 of a run or of import"},
      {"format", 0, CYF_OPTION_TEXT, &a->format, "safetensors|pytorch-names", "one file, or one a module"},
      {"out", 'o', CYF_OPTION_TEXT, &a->output, "DIR", "directory to make"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL, "write into an existing directory"}};
  for (int i = 0; i < N_OPTIONS; i++) o[i] = table[i];
}

static void help(FILE *stream) {
  arguments a = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

static cyf_status check(const arguments *a, const cyf_texts *extra, cyf_export_format *ret_format) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "export: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->model, "-m MODEL"));
  CYF_TRY(cyf_need(&usage, a->format, "--format safetensors|pytorch-names"));
  CYF_TRY(cyf_need(&usage, a->output, "-o DIR"));
  const bool one = strcmp(a->format, "safetensors") == 0;
  if (!one && strcmp(a->format, "pytorch-names") != 0)
    return CYF_FAIL(CYF_ERR_USAGE, "export: --format wants safetensors or pytorch-names, not '%s'", a->format);
  *ret_format = one ? CYF_EXPORT_SAFETENSORS : CYF_EXPORT_PYTORCH_NAMES;
  return cyf_check_output_folder(a->output, a->force);
}

static cyf_status export_model(const arguments *a, cyf_export_format format) {
  cyf_device *device = NULL;
  cyf_model *model = NULL;
  cyf_status status;
  CYF_TRY(cyf_device_create_cpu(0, &device));
  CYF_TRY_CLEANUP(cyf_model_load(a->model, device, &model));
  CYF_TRY_CLEANUP(cyf_model_export(model, format, a->output));
cleanup:
  cyf_model_destroy(&model);
  cyf_device_destroy(&device);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  (void)context;
  arguments a = {0};
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  cyf_export_format format = CYF_EXPORT_SAFETENSORS;
  list_options(&a, options);
  cyf_status status = cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra);
  if (status == CYF_OK) status = check(&a, &extra, &format);
  if (status == CYF_OK) status = export_model(&a, format);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_export = {
    .name = "export", .summary = "write a model's weights for PyTorch", .writes = true, .run = run, .help = help};
