/* SPDX-License-Identifier: MIT */
/* A read that fails is told, whichever read it is: the command ends with a code and a line, or with the result that it
 * has without the fault. It never takes what cannot be read for absent, and no signal ends it. */
#include "data/atlas/atlas.h"
#include "data/h5ad/reader.h"
#include "faults.h"

enum { CODE_INPUT = 4, CODE_IO = 5 };

/* ---- what the commands make without a fault ---- */

static char expected_atlas[64], *expected_info, *expected_genes;
static float *expected_latents;
static int64_t expected_width, expected_cells;

static void read_fingerprint(const char *path, char fingerprint[64]) {
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(path, &atlas));
  snprintf(fingerprint, 64, "%s", atlas->fingerprint);
  cyf_atlas_close(&atlas);
}

static void read_latents(const char *path, float **ret_latents) {
  cyf_h5ad *file = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &expected_width, ret_latents));
  expected_cells = cyf_h5ad_n_cells(file);
  cyf_h5ad_close(&file);
}

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  if (cli_run(
          "$cytoforge synth -o cells.h5ad --cells 60 --genes 30 --types 2 --counts 300 && "
          "$cytoforge prepare cells.h5ad -o atlas --label cell_type --min-genes 1 --holdout 0.2 && "
          "$cytoforge train --data atlas --out run --set autoencoder.steps=2 --set denoiser.steps=2 "
          "--set classifier.steps=2 --set data.validation=0 --set autoencoder.hidden=[8] --set autoencoder.latent=4 "
          "--set denoiser.hidden=[8,4] --set classifier.hidden=[4,4,4] && "
          "$cytoforge encode -m run/model.h5 cells.h5ad -o latents.h5ad") != 0) {
    print_error("%s\n", cli_output);
    return -1;
  }
  read_fingerprint("atlas", expected_atlas);
  read_latents("latents.h5ad", &expected_latents);
  assert_ok(cyf_read_text_file("atlas/genes.tsv", &expected_genes));
  cli_expect(0, "$cytoforge info cells.h5ad");
  expected_info = strdup(cli_output);
  return 0;
}

/* ---- comparing by values ---- */

static bool atlas_is_right(void) {
  char fingerprint[64], *genes = NULL;
  read_fingerprint("out", fingerprint);
  assert_ok(cyf_read_text_file("out/genes.tsv", &genes));
  const bool same = strcmp(fingerprint, expected_atlas) == 0 && strcmp(genes, expected_genes) == 0;
  cyf_free(genes);
  return same && cli_run("cmp atlas/heldout.h5ad out/heldout.h5ad && cmp atlas/train.h5ad out/train.h5ad") == 0;
}

static bool latents_are_right(void) {
  float *latents = NULL;
  read_latents("out.h5ad", &latents);
  const size_t bytes = (size_t)(expected_cells * expected_width) * sizeof *latents;
  const bool same = memcmp(latents, expected_latents, bytes) == 0;
  cyf_free(latents);
  return same;
}

static bool info_is_right(void) {
  return strcmp(cli_output, expected_info) == 0;
}

typedef struct command {
  const char *clear, *arguments;
  bool (*is_right)(void);
  const char *output; /* absent after a failure; NULL: none */
} command;

static const command prepare = {"rm -rf out out.partial",
                                "prepare cells.h5ad -o out --label cell_type --min-genes 1 --holdout 0.2",
                                atlas_is_right, "out/manifest.yaml"},
                     info = {"true", "info cells.h5ad", info_is_right, NULL},
                     encode = {"rm -f out.h5ad*", "encode -m run/model.h5 cells.h5ad -o out.h5ad", latents_are_right,
                               "out.h5ad"};

/* Lets the first, the (1 + stride)-th... call that matches fail, until there are no more. `code`: how a failure must
 * end. */
static void every_call(const command *c, const char *call, const char *kind, const char *path, int64_t stride,
                       int code) {
  int64_t n_failed = 0, n_right = 0;
  for (int64_t at = 1;; at += stride) {
    const fault f = {call, kind, path, at, 1};
    const fault_outcome outcome = fault_run(&f, c->clear, "", c->arguments);
    if (outcome.hit == 0) break;
    if (outcome.code == 0) {
      if (!c->is_right())
        fail_msg("%s of %s at call %lld of %s: exit 0 with another result", kind, call, (long long)at, path);
      n_right++;
      continue;
    }
    n_failed++;
    if (outcome.code != code) {
      print_error("%s of %s at call %lld of %s: exit %d, wanted %d\n%s\n", kind, call, (long long)at, path,
                  outcome.code, code, cli_output);
      assert_int_equal(outcome.code, code);
    }
    cli_expect_one_error("cytoforge: error");
    if (c->output != NULL) assert_int_not_equal(access(c->output, F_OK), 0);
  }
  assert_true(n_failed + n_right > 0); /* an injection that was never reached shows nothing */
  if (code != 0) assert_true(n_failed > 0);
  print_message("%s, %s of %s: %lld injected, %lld told, %lld with the right result\n", path, kind, call,
                (long long)(n_failed + n_right), (long long)n_failed, (long long)n_right);
}

static void a_failed_read_of_the_cells_is_told(void **state) {
  (void)state;
  every_call(&info, "read", "EIO", "cells.h5ad", 1, CODE_IO);
  every_call(&prepare, "read", "EIO", "cells.h5ad", 5, CODE_IO);
  every_call(&encode, "read", "EIO", "cells.h5ad", 2, CODE_IO);
}

static void a_failed_read_of_a_model_is_told(void **state) {
  (void)state;
  every_call(&encode, "read", "EIO", "run/model.h5", 11, CODE_IO);
}

static void a_file_that_ends_early_is_told(void **state) {
  (void)state;
  every_call(&info, "read", "eof", "cells.h5ad", 5, CODE_INPUT);
  every_call(&prepare, "read", "eof", "cells.h5ad", 17, CODE_INPUT);
}

static void short_and_interrupted_reads_are_gone_on_with(void **state) {
  (void)state;
  every_call(&info, "read", "short", "cells.h5ad", 9, 0);
  every_call(&info, "read", "EINTR", "cells.h5ad", 9, 0);
  every_call(&prepare, "read", "EINTR", "*", 53, 0);
  every_call(&prepare, "read", "short", "*", 53, 0);
}

static void what_cannot_be_looked_up_is_not_absent(void **state) {
  (void)state;
  every_call(&prepare, "stat", "EIO", "*", 5, CODE_IO);
  every_call(&prepare, "list", "EIO", "*", 3, CODE_IO);
  every_call(&encode, "stat", "EIO", "*", 2, CODE_IO);
}

static void a_failed_read_of_what_was_written_is_told(void **state) {
  (void)state;
  every_call(&prepare, "read", "EIO", "out.partial/*", 7, CODE_IO);
}

int main(int argc, char **argv) {
  (void)argc, (void)argv;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_failed_read_of_the_cells_is_told),
      cmocka_unit_test(a_failed_read_of_a_model_is_told),
      cmocka_unit_test(a_file_that_ends_early_is_told),
      cmocka_unit_test(short_and_interrupted_reads_are_gone_on_with),
      cmocka_unit_test(what_cannot_be_looked_up_is_not_absent),
      cmocka_unit_test(a_failed_read_of_what_was_written_is_told),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
