/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "bench/run_time.h"
#include "calibrate/calibrate.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/resources.h"
#include "train/add_classifier.h"
#include "train/run.h"
#include "train/stage_common.h"
#include "train/stages.h"

static const cyf_usage usage = {
    .command = "train",
    .arguments = "--data ATLAS (--out RUN [-c CONFIG.yaml] | -m MODEL --stage classifier:COLUMN) [options]",
    .text =
        "Trains the autoencoder, encodes the atlas, trains the denoiser and one classifier for each label column, and "
        "writes\n"
        "RUN/model.h5. What is not set is chosen by the atlas: the likelihood by its values, widths, steps and rates "
        "by "
        "its cells,\n"
        "and the denoiser is told its labels. The log says what was chosen and why, and how long the run will take; "
        "RUN/config.yaml\n"
        "keeps it. Checkpoints go to RUN/checkpoints; SIGTERM or SIGINT ends the run after one more.\n"
        "With -m, a classifier is added to a finished model, which otherwise stays as it is; the atlas may be another "
        "one of the same\n"
        "genes. With --init, a new run starts from a model's weights; genes, labels and classes are matched by name.",
    .examples =
        "  mpirun -n 2 cytoforge train --data atlas --out runs/first\n"
        "  mpirun -n 4 cytoforge train --data atlas --out runs/first --resume auto\n"
        "  mpirun -n 2 cytoforge train --data atlas --out runs/long --effort long --set seed=1\n"
        "  cytoforge train -c my.yaml --data atlas --out runs/b --stage classifier:donor --set "
        "classifier.steps=5000\n"
        "  cytoforge train --stage classifier:donor --data atlas -m runs/first/model.h5\n"
        "  cytoforge train --init runs/first/model.h5 --data atlas2 --out runs/second --set autoencoder.steps=300\n",
    .groups = {{"config", "what to train"}, {"resume", "going on and overriding"}, {"device", "computing"}}};

typedef struct arguments {
  const char *config, *data, *out, *model, *init, *stage, *resume, *effort;
  cyf_texts overrides;
  cyf_device_options compute;
  bool force;
  char stage_help[CYF_NAMES_LIST_BYTES + 32];
} arguments;

enum { N_OF_SETTINGS = 10, N_OPTIONS = N_OF_SETTINGS + CYF_DEVICE_OPTIONS };

static void list_options(arguments *a, cyf_option *o) {
  char stages[CYF_NAMES_LIST_BYTES];
  snprintf(a->stage_help, sizeof a->stage_help, "one of %s (default 'all')", cyf_stages_text(stages));
  const cyf_option table[N_OF_SETTINGS] = {
      {"config", 'c', CYF_OPTION_TEXT, &a->config, "CONFIG",
       "YAML configuration; what it leaves out is chosen by the atlas"},
      {"data", 0, CYF_OPTION_TEXT, &a->data, "ATLAS", "directory made by cytoforge prepare"},
      {"out", 0, CYF_OPTION_TEXT, &a->out, "RUN", "directory of the run"},
      {"model", 'm', CYF_OPTION_TEXT, &a->model, "MODEL",
       "add the classifier to this model (--out: where latents and checkpoints stay; default: beside it, removed)"},
      {"effort", 0, CYF_OPTION_TEXT, &a->effort, "quick|normal|long",
       "how many cells the stages see where their steps are not set: a quarter, the usual number, four times as many"},
      {"init", 0, CYF_OPTION_TEXT, &a->init, "MODEL",
       "start from this model: its genes and classes by name, its widths; new ones are added (setting init)"},
      {"stage", 0, CYF_OPTION_TEXT, &a->stage, "STAGE", a->stage_help},
      {"resume", 0, CYF_OPTION_TEXT, &a->resume, "auto", "go on from the newest checkpoints; finished stages are kept"},
      {"set", 0, CYF_OPTION_LIST, &a->overrides, "KEY=VALUE", "override one key of the configuration; may be repeated"},
      {"force", 0, CYF_OPTION_FLAG, &a->force, NULL,
       "start the stages over if RUN holds them already; with -m, replace the model's classifier"}};
  for (int i = 0; i < N_OF_SETTINGS; i++) o[i] = table[i];
  cyf_device_list_options(&a->compute, o + N_OF_SETTINGS);
}

static void help(FILE *stream) {
  arguments a = {.stage = "all"};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

static cyf_status check(const arguments *a, const cyf_texts *extra) {
  if (extra->n > 0) return CYF_FAIL(CYF_ERR_USAGE, "train: '%s' is no option", extra->item[0]);
  CYF_TRY(cyf_need(&usage, a->data, "--data ATLAS"));
  if (a->model == NULL) CYF_TRY(cyf_need(&usage, a->out, "--out RUN"));
  CYF_TRY(cyf_device_options_check(&a->compute));
  if (a->resume != NULL && strcmp(a->resume, "auto") != 0)
    return CYF_FAIL(CYF_ERR_USAGE, "train: --resume wants auto, not '%s'", a->resume);
  int effort = 0;
  if (a->effort != NULL)
    CYF_TRY(cyf_words_choose(usage.command, "effort", CYF_EFFORTS, cyf_effort_words, a->effort, &effort));
  if (a->resume != NULL && a->force && a->model == NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "train: --resume and --force contradict each other");
  if (a->model == NULL) return CYF_OK;
  if (a->init != NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "train: -m adds to a model, --init starts a run from one; give one of them");
  if (cyf_stage_column(&cyf_stage_classifier, a->stage) == NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "train: -m adds a classifier to a model: --stage classifier:COLUMN is needed");
  if (a->effort != NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "train: --effort is for whole runs; with -m, --set classifier.steps=N");
  if (a->config != NULL)
    return CYF_FAIL(CYF_ERR_USAGE,
                    "train: with -m the settings are the model's; --set classifier.KEY=VALUE changes the classifier's");
  return CYF_OK;
}

static cyf_status add_classifier(cyf_context *context, const arguments *a) {
  cyf_device *device = NULL;
  cyf_add_classifier_options options = {.model = a->model,
                                        .atlas = a->data,
                                        .attribute = cyf_stage_column(&cyf_stage_classifier, a->stage),
                                        .directory = a->out,
                                        .n_overrides = a->overrides.n,
                                        .overrides = a->overrides.item,
                                        .resume = a->resume != NULL,
                                        .force = a->force,
                                        .command_line = context->command_line};
  CYF_TRY(cyf_open_wished_device(context->comm, &a->compute, CYF_DEVICE_AUTO, CYF_PRECISION_BF16, &device));
  cyf_status status = cyf_add_classifier(context->comm, device, &options);
  if (status == CYF_OK) status = cyf_report_resources(context->comm);
  cyf_device_destroy(&device);
  return status;
}

enum { N_KEYS = 5 };

/* Options that belong to the run's settings: overrides[n + N_KEYS] are those of --set with these behind. */
static cyf_status list_overrides(const arguments *a, double timeout_s, char *own[N_KEYS], const char ***ret_overrides,
                                 int64_t *ret_n) {
  char timeout[32];
  snprintf(timeout, sizeof timeout, "%.17g", timeout_s);
  const char *const keys[N_KEYS] = {"effort", "init", "device", "precision", "comm.timeout_s"};
  const char *const values[N_KEYS] = {a->effort, a->init, a->compute.device, a->compute.precision,
                                      timeout_s > 0 ? timeout : NULL};
  CYF_TRY(CYF_NEW(ret_overrides, a->overrides.n + N_KEYS));
  for (int64_t i = 0; i < a->overrides.n; i++) (*ret_overrides)[i] = a->overrides.item[i];
  *ret_n = a->overrides.n;
  for (int i = 0; i < N_KEYS; i++) {
    if (values[i] == NULL) continue;
    CYF_TRY(cyf_format(&own[i], "%s=%s", keys[i], values[i]));
    (*ret_overrides)[(*ret_n)++] = own[i];
  }
  return CYF_OK;
}

/* The run may have had other stages to do than those that make a model. */
static cyf_status calibrate(cyf_comm *comm, cyf_device *device, const cyf_run_options *options) {
  char *path = NULL;
  bool exists = false;
  cyf_status status = cyf_path_join(options->directory, "model.h5", &path);
  if (status == CYF_OK) status = cyf_file_exists(path, &exists);
  status = cyf_comm_agree(comm, status);
  if (status == CYF_OK && exists) status = cyf_calibrate(comm, device, path, options->atlas);
  cyf_free(path);
  return status;
}

/* Cells that calibration generates: those of all labels that something guides. */
static int64_t n_calibrated(const cyf_run *run) {
  const cyf_atlas *atlas = cyf_run_atlas(run);
  int64_t n = 0;
  if (!cyf_run_settings(run)->sample.calibrate) return 0;
  for (int64_t a = 0; a < atlas->n_attributes; a++)
    if (cyf_n_classes(&atlas->attributes[a]) > 1) n += cyf_calibrate_n_cells(atlas->attributes[a].categories.n);
  return n;
}

static cyf_status run_stages(cyf_context *context, const arguments *a, const cyf_run_options *options) {
  const double start_s = cyf_clock_s();
  cyf_run *run = NULL;
  cyf_device *device = NULL;
  cyf_status status;
  CYF_TRY(cyf_run_open(context->comm, options, &run));
  const cyf_settings *settings = cyf_run_settings(run);
  cyf_comm_set_timeout(context->comm, settings->comm.timeout_s);
  CYF_TRY_CLEANUP(cyf_open_wished_device(context->comm, &a->compute, settings->device, settings->precision, &device));
  CYF_TRY_CLEANUP(cyf_bench_tell_run_time(context->comm, device, run, options->atlas, n_calibrated(run)));
  CYF_TRY_CLEANUP(cyf_run_train(run, device));
  CYF_TRY_CLEANUP(calibrate(context->comm, device, options));
  char took[16];
  cyf_clock_duration(cyf_clock_s() - start_s, took, sizeof took);
  cyf_info("done in %s", took);
  status = cyf_report_resources(context->comm);
cleanup:
  cyf_run_close(&run);
  cyf_device_destroy(&device);
  return status;
}

static cyf_status train(cyf_context *context, const arguments *a, const cyf_texts *extra) {
  char *own[N_KEYS] = {NULL};
  const char **overrides = NULL;
  int64_t n_overrides = 0;
  CYF_TRY(cyf_comm_agree(context->comm, check(a, extra)));
  if (a->model != NULL) return add_classifier(context, a);
  cyf_status status =
      cyf_comm_agree(context->comm, list_overrides(a, context->timeout_s, own, &overrides, &n_overrides));
  const cyf_run_options options = {.said = {a->config, n_overrides, overrides},
                                   .atlas = a->data,
                                   .directory = a->out,
                                   .stage = a->stage,
                                   .resume = a->resume != NULL,
                                   .force = a->force,
                                   .command_line = context->command_line};
  if (status == CYF_OK) status = run_stages(context, a, &options);
  cyf_free(overrides);
  for (int i = 0; i < N_KEYS; i++) cyf_free(own[i]);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  arguments a = {.stage = "all"};
  cyf_texts extra = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_comm_agree(context->comm, cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &extra));
  if (status == CYF_OK) status = train(context, &a, &extra);
  cyf_options_free(options, N_OPTIONS, &extra);
  return status;
}

const cyf_command cyf_cmd_train = {.name = "train",
                                   .summary = "train the model's stages on an atlas, ending in model.h5",
                                   .writes = true,
                                   .collective = true,
                                   .stops_itself = true,
                                   .run = run,
                                   .help = help};
