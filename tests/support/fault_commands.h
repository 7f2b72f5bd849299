/* SPDX-License-Identifier: MIT */
/* Commands that are run under faults, what they make without one, and the judgement: the same, by values, or a code and
 * a line. */
#ifndef CYF_TESTS_FAULT_COMMANDS_H
#define CYF_TESTS_FAULT_COMMANDS_H

#include "data/atlas/atlas.h"
#include "data/h5ad/reader.h"
#include "faults.h"

enum { CODE_INPUT = 4, CODE_IO = 5 };

/* ---- what the commands make without a fault ---- */

static char expected_atlas[64], *expected_info, *expected_genes;
static float *expected_latents;
static int64_t expected_width, expected_cells;

static inline void read_fingerprint(const char *path, char fingerprint[64]) {
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(path, &atlas));
  snprintf(fingerprint, 64, "%s", atlas->fingerprint);
  cyf_atlas_close(&atlas);
}

static inline void read_latents(const char *path, float **ret_latents) {
  cyf_h5ad *file = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &expected_width, ret_latents));
  expected_cells = cyf_h5ad_n_cells(file);
  cyf_h5ad_close(&file);
}

#define PREPARE "prepare cells.h5ad -o %s --label cell_type --min-genes 1 --holdout 0.2"
#define TRAIN                                                                                              \
  "train --data atlas --out %s --set autoencoder.steps=2 --set denoiser.steps=2 --set classifier.steps=2 " \
  "--set data.validation=0 --set log.every=1 --set autoencoder.hidden=[8] --set autoencoder.latent=4 "     \
  "--set denoiser.hidden=[8,4] --set classifier.hidden=[4,4,4] --set autoencoder.likelihood=mse "          \
  "--set denoiser.conditions=[]"
static char prepare_arguments[256], train_arguments[512];

static inline int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  if (cli_run("$cytoforge synth -o cells.h5ad --cells 60 --genes 30 --types 2 --counts 300 && "
              "$cytoforge " PREPARE " && $cytoforge " TRAIN " && "
              "$cytoforge encode -m run/model.h5 cells.h5ad -o latents.h5ad",
              "atlas", "run") != 0) {
    print_error("%s\n", cli_output);
    return -1;
  }
  read_fingerprint("atlas", expected_atlas);
  read_latents("latents.h5ad", &expected_latents);
  assert_ok(cyf_read_text_file("atlas/genes.tsv", &expected_genes));
  cli_expect(0, "$cytoforge info cells.h5ad");
  expected_info = strdup(cli_output);
  snprintf(prepare_arguments, sizeof prepare_arguments, PREPARE, "out");
  snprintf(train_arguments, sizeof train_arguments, TRAIN, "out");
  return 0;
}

/* ---- comparing by values ---- */

static inline bool atlas_is_right(void) {
  char fingerprint[64], *genes = NULL;
  read_fingerprint("out", fingerprint);
  assert_ok(cyf_read_text_file("out/genes.tsv", &genes));
  const bool same = strcmp(fingerprint, expected_atlas) == 0 && strcmp(genes, expected_genes) == 0;
  cyf_free(genes);
  /* Equal values give equal bytes. */
  return same && cli_run("for f in shard-00000 heldout train; do cmp atlas/$f.h5ad out/$f.h5ad || exit 1; done") == 0;
}

static inline bool latents_are_right(void) {
  float *latents = NULL;
  read_latents("out.h5ad", &latents);
  const size_t bytes = (size_t)(expected_cells * expected_width) * sizeof *latents;
  const bool same = memcmp(latents, expected_latents, bytes) == 0;
  cyf_free(latents);
  return same;
}

/* The model encodes as the expected one does. */
static inline bool model_is_right(void) {
  return cli_run("rm -f out.h5ad; $cytoforge encode -m out/model.h5 cells.h5ad -o out.h5ad") == 0 &&
         latents_are_right();
}

/* And the run has as many lines of figures, and a classifier. */
static inline bool run_is_right(void) {
  return cli_run(
             "test $(grep -c loss out/metrics.jsonl) = $(grep -c loss run/metrics.jsonl) && "
             "for r in run out; do $cytoforge info $r/model.h5 | grep -v -e made -e '\"time\"' > info.$r; done && "
             "cmp info.run info.out") == 0 &&
         model_is_right();
}

static inline bool info_is_right(void) {
  return strcmp(cli_output, expected_info) == 0;
}

typedef struct command {
  const char *clear, *arguments;
  bool (*is_right)(void);
  const char *output; /* absent after a failure, or right; NULL: none */
  bool (*output_is_right)(void);
} command;

static const command prepare = {"rm -rf out out.partial", prepare_arguments, atlas_is_right, "out/manifest.yaml",
                                atlas_is_right},
                     train = {"rm -rf out", train_arguments, run_is_right, "out/model.h5", model_is_right},
                     info = {"true", "info cells.h5ad", info_is_right, NULL, NULL},
                     encode = {"rm -f out.h5ad*", "encode -m run/model.h5 cells.h5ad -o out.h5ad", latents_are_right,
                               "out.h5ad", latents_are_right};

/* Lets the first, the (1 + stride)-th... call that matches fail, until there are no more. `code`: how a failure must
 * end. */
static inline void every_call(const command *c, const char *call, const char *kind, const char *path, int64_t stride,
                              int code) {
  int64_t n_failed = 0, n_right = 0;
  for (int64_t at = 1;; at += stride) {
    const fault f = {call, kind, path, at, 1, NULL};
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
    if (c->output != NULL && access(c->output, F_OK) == 0 && !c->output_is_right())
      fail_msg("%s of %s at call %lld of %s: another result has the output's name", kind, call, (long long)at, path);
  }
  assert_true(n_failed + n_right > 0); /* an injection that was never reached shows nothing */
  if (code != 0) assert_true(n_failed > 0);
  print_message("%s, %s of %s: %lld injected, %lld told, %lld with the right result\n", path, kind, call,
                (long long)(n_failed + n_right), (long long)n_failed, (long long)n_right);
}

#endif
