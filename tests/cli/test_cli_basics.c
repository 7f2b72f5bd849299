/* SPDX-License-Identifier: MIT */
/* Help, version, configuration and exit codes of the program. */
#include "base/log.h"
#include "cli.h"
#include "data/latents/latents.h"
#include "data/loader/loader.h"
#include "data/prepare/options.h"
#include "evaluate/evaluate.h"
#include "kernels/device_choice.h"
#include "sample/choice.h"
#include "sample/decode.h"

static void help_shows_every_command_with_an_example(void **state) {
  (void)state;
  static const char *const commands[] = {"prepare", "train",  "sample",   "interpolate", "transfer",
                                         "encode",  "decode", "evaluate", "import",      "export",
                                         "info",    "synth",  "config",   "bench",       "predict"};
  cli_expect(0, "$cytoforge --help");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    cli_expect(0, "$cytoforge --help");
    cli_expect_text(commands[i]);
    char usage[64];
    cli_expect(0, "$cytoforge %s --help", commands[i]);
    snprintf(usage, sizeof usage, "usage: cytoforge %s", commands[i]);
    cli_expect_text(usage);
    cli_expect_text("examples:");
  }
}

/* A group is named by its first option: a name that no option has would lose the heading. */
static void help_prints_the_heading_of_every_group(void **state) {
  (void)state;
  cli_expect(
      0,
      "cat \"$CYTOFORGE_SOURCE\"/src/cli/cmd_*.c | tr '\\n' ' ' | "
      "grep -oE '[.]command = \"[^\"]*\"|[{]\"[^\"]*\", +\"[^\"]*\"[}]' > groups.txt; n=0; "
      "while IFS='\"' read -r kind first comma heading rest; do case $kind in "
      "*command*) command=$first; $cytoforge $command --help > help.txt || exit 8;; "
      "*) grep -qx \"$heading:\" help.txt || { echo \"$command: no heading $heading\"; exit 9; }; n=$((n + 1));; "
      "esac; done < groups.txt; test $n -gt 40");
}

static void help_has_the_words_of_every_choice(void **state) {
  static const struct {
    const char *command;
    const char *const *words;
  } choices[] = {{"", cyf_log_level_words},
                 {"prepare", cyf_duplicates_words},
                 {"sample", cyf_sampler_method_words},
                 {"sample", cyf_guidance_mode_words},
                 {"sample", cyf_expression_output_words},
                 {"encode", cyf_latent_type_words},
                 {"evaluate", cyf_ceiling_words + CYF_CEILING_AUTO + 1},
                 {"train", cyf_device_wish_words},
                 {"train", cyf_precision_words},
                 {"bench train", cyf_residency_words}};
  (void)state;
  for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
    char text[CYF_WORDS_TEXT_MAX];
    cyf_words_text(choices[i].words, text);
    cli_expect(0, "$cytoforge %s --help", choices[i].command);
    cli_expect_text(text);
  }
}

static void version_lists_what_was_compiled_in(void **state) {
  (void)state;
  static const char *const commands[] = {"--version", "info"};
  for (int i = 0; i < 2; i++) {
    cli_expect(0, "$cytoforge %s", commands[i]);
    cli_expect_text("MPI        Open MPI");
    cli_expect_text("(parallel)");
    cli_expect_text("OpenBLAS");
    cli_expect_text("libyaml");
    cli_expect_text("backends   cpu");
  }
}

static void wrong_words_end_with_2_and_the_nearest_right_one(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge");
  cli_expect(2, "$cytoforge trian");
  cli_expect_text("did you mean train?");
  cli_expect(2, "$cytoforge sample --guidence 2");
  cli_expect_text("did you mean --guidance?");
  cli_expect(2, "$cytoforge sample -n ten");
  cli_expect_text("--cells wants a whole number, not 'ten'");
  cli_expect(2, "$cytoforge sample -n 5 -o x.h5ad");
  cli_expect_text("-m MODEL is needed");
  cli_expect(2, "$cytoforge train $fixed --out");
  cli_expect_text("--out wants a value");
}

static void config_prints_every_key_and_reads_its_own_output(void **state) {
  (void)state;
  cli_expect(
      0,
      "$cytoforge config > all.yaml; $cytoforge config all.yaml > again.yaml; cmp all.yaml again.yaml; cat all.yaml");
  cli_expect_text("latent_scale");
  cli_expect_text("AdamW's peak learning rate");
  cli_expect(0,
             "for c in paper atlas-22m; do $cytoforge config $CYTOFORGE_SOURCE/configs/$c.yaml > $c.yaml || "
             "exit 9; done");
}

static void config_complains_with_file_line_column_and_the_nearest_key(void **state) {
  (void)state;
  cli_expect(0,
             "printf 'denoiser:\\n  batch_cell: 128\\n' > a.yaml; printf 'denoiser:\\n  steps: many\\n' > b.yaml; "
             "printf 'data:\\n  validation: 0.9\\n' > c.yaml");
  cli_expect(3, "$cytoforge config a.yaml");
  cli_expect_text("a.yaml:2:3:");
  cli_expect_text("did you mean 'denoiser.batch_cells'");
  cli_expect(3, "$cytoforge config b.yaml");
  cli_expect_text("b.yaml:2:10:");
  cli_expect(3, "$cytoforge config c.yaml");
  cli_expect_text("c.yaml:2:15:");
  cli_expect(3, "$cytoforge config --set denoiser.batch_cells=100");
  cli_expect_text("the next valid number is 128");
  cli_expect(3, "$cytoforge config --set denoiser.stepz=100");
  cli_expect_text("did you mean 'denoiser.steps'");
  cli_expect(3, "$cytoforge config --set sample.steps=lamda15");
  cli_expect_text("sample.steps \"lamda15\": expected");
  cli_expect(3, "$cytoforge config --set sample.steps=5000");
  cli_expect(4, "$cytoforge config nowhere.yaml");
  cli_expect_text("nowhere.yaml");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(help_shows_every_command_with_an_example),
      cmocka_unit_test(help_prints_the_heading_of_every_group),
      cmocka_unit_test(help_has_the_words_of_every_choice),
      cmocka_unit_test(version_lists_what_was_compiled_in),
      cmocka_unit_test(wrong_words_end_with_2_and_the_nearest_right_one),
      cmocka_unit_test(config_prints_every_key_and_reads_its_own_output),
      cmocka_unit_test(config_complains_with_file_line_column_and_the_nearest_key),
  };
  return cmocka_run_group_tests(tests, cli_setup, cli_teardown);
}
