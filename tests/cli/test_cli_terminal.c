/* SPDX-License-Identifier: MIT */
/* Labels that would command a terminal, through every command: nothing of them reaches standard output or the log, and
 * files keep the exact name. */
#include "atlas_fixture.h"
#include "base/utf8.h"
#include "cli.h"

/* Clears the screen; sets the window's title; a C1 command and a change of direction. */
static const char *const hostile[3] = {"\x1b[2Jcleared", "\x1b]0;title\x07",
                                       "one\xc2\x9b"
                                       "31m\ntwo\xe2\x80\xae"};

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  const fixture_file file = {
      .n_cells = 300, .n_genes = 60, .gene_stride = 5, .seed = 3, .types = {hostile[0], hostile[1], hostile[2]}};
  fixture_write(&file, "cells.h5ad");
  return 0;
}

/* Every character of the last output has a shape; lines end in a line feed alone. */
static void expect_printable(const char *arguments) {
  for (const char *at = cli_output; *at != '\0';) {
    uint32_t code = 0;
    const int n = cyf_utf8_decode(at, &code);
    if (n == 0 || (*at != '\n' && (cyf_utf8_is_control(code) || cyf_utf8_turns_direction(code))))
      fail_msg("%s: byte %d of its output is 0x%02x", arguments, (int)(at - cli_output), (unsigned)(unsigned char)*at);
    at += n > 0 ? n : 1;
  }
}

static void every_command_prints_names_without_their_commands(void **state) {
  (void)state;
#define SMALL                                                                                                    \
  "--set autoencoder.hidden=[8] --set autoencoder.latent=4 --set denoiser.hidden=[8,4] --set data.validation=0 " \
  "--set classifier.hidden=[4,4,4] --set autoencoder.steps=3 --set denoiser.steps=3 --set classifier.steps=3 "   \
  "--set autoencoder.likelihood=mse --set denoiser.conditions=[]"
  static const struct {
    int code;
    const char *arguments;
  } commands[] = {
      {0, "info cells.h5ad"},
      {0, "prepare cells.h5ad -o atlas --label \"cell type\" --min-genes 1 --min-cells 0"},
      {0, "info atlas"},
      {0, "train --data atlas --out run " SMALL},
      {0, "info run/model.h5"},
      {0, "--log-ranks all encode -m run/model.h5 cells.h5ad -o latents.h5ad"},
      {0, "sample -m run/model.h5 -n 30 --steps 2 --where \"cell type=$(printf '\\033[2Jcleared')\" -o drawn.h5ad"},
      {0, "info drawn.h5ad"},
      {0, "evaluate --real cells.h5ad --synthetic drawn.h5ad --label \"cell type\""},
      {0, "evaluate --real cells.h5ad --synthetic drawn.h5ad --label \"cell type\" --json"},
      {2, "sample -m run/model.h5 -n 1 --where \"cell type=$(printf '\\033[2Jcleaned')\" -o no.h5ad"},
      {4, "info \"$(printf 'no\\033[31m\\302\\23331m.h5ad')\""},
      {2, "\"$(printf '\\033[31mred')\""},
      {4, "prepare cells.h5ad -o other --label \"$(printf 'x\\033[31m\\342\\200\\256')\""},
  };
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    cli_expect(commands[i].code, "%s $cytoforge %s", "", commands[i].arguments);
    expect_printable(commands[i].arguments);
  }
  cli_expect(0, "$cytoforge info atlas");
  cli_expect_text("\\x1b[2Jcleared");
  cli_expect_text("one\\u009b31m\\ntwo\\u202e");
}

static void files_keep_the_exact_names(void **state) {
  (void)state;
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open("atlas", &atlas));
  for (int i = 0; i < 3; i++) assert_true(cyf_names_find(&atlas->attributes[0].categories, hostile[i]) >= 0);
  cyf_atlas_close(&atlas);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_command_prints_names_without_their_commands),
                                     cmocka_unit_test(files_keep_the_exact_names)};
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
