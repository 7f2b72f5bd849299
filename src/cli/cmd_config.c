/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "saved/settings.h"

static const cyf_usage usage = {
    .command = "config",
    .arguments = "[CONFIG.yaml] [--set KEY=VALUE]...",
    .text =
        "Prints the resolved configuration: every key, its value here, its default, its range and its meaning.\n"
        "The output is itself a configuration file. Without CONFIG.yaml, the defaults.",
    .examples =
        "  cytoforge config configs/paper.yaml --set denoiser.steps=1000\n"
        "  cytoforge config > my.yaml\n"};

typedef struct arguments {
  cyf_texts overrides;
} arguments;

enum { N_OPTIONS = 1 };

static void list_options(arguments *a, cyf_option *o) {
  o[0] = (cyf_option){"set", 0, CYF_OPTION_LIST, &a->overrides, "KEY=VALUE", "override one key; may be repeated"};
}

static void help(FILE *stream) {
  arguments a = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_options_print_help(&usage, options, N_OPTIONS, stream);
}

static cyf_status print_settings(const arguments *a, const cyf_texts *inputs) {
  if (inputs->n > 1) return CYF_FAIL(CYF_ERR_USAGE, "config: one file at a time; '%s' is a second", inputs->item[1]);
  cyf_settings settings;
  CYF_TRY(cyf_settings_load(inputs->n == 1 ? inputs->item[0] : NULL, a->overrides.n, a->overrides.item, &settings));
  cyf_status status = cyf_config_print(cyf_settings_schema(), &settings, 1, stdout);
  cyf_settings_destroy(&settings);
  return status;
}

static cyf_status run(cyf_context *context, int argc, char **argv) {
  (void)context;
  arguments a = {0};
  cyf_texts inputs = {0};
  cyf_option options[N_OPTIONS];
  list_options(&a, options);
  cyf_status status = cyf_options_parse(&usage, argc, argv, options, N_OPTIONS, &inputs);
  if (status == CYF_OK) status = print_settings(&a, &inputs);
  cyf_options_free(options, N_OPTIONS, &inputs);
  return status;
}

const cyf_command cyf_cmd_config = {.name = "config",
                                    .summary = "print the resolved configuration with every default and its meaning",
                                    .run = run,
                                    .help = help};
