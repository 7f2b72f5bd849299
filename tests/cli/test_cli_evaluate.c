/* SPDX-License-Identifier: MIT */
/* `cytoforge evaluate` as users run it: the page, the path, and what it refuses. */
#include "cli.h"

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 900 --genes 120 --types 3 --counts 400 --seed 1 && "
      "$cytoforge synth -o other.h5ad --cells 60 --genes 90 --types 2 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --holdout 0.3");
}

#define EVALUATE "$cytoforge evaluate --real atlas/heldout.h5ad --trees 50 "

static void the_page_opens_without_a_network(void **state) {
  (void)state;
  cli_expect(0, EVALUATE "--train atlas/train.h5ad --synthetic atlas/heldout.h5ad --label cell_type --report report");
  cli_expect_text("marker genes in common");
  cli_expect_text("nearest training cell");
  cli_expect(0, "cat report/index.html | tr '>' '\\n' | grep -v base64 | head -c 60000");
  cli_expect_text("How real are these cells?");
  cli_expect_text("<svg role=\"img\"");
  cli_expect_text("var(--ink)");
  cli_expect(0, "ls report");
  cli_expect_text("by_class.svg");
  cli_expect_text("evaluation.json");
  /* Nothing is fetched, and no figure's names clash with another's. */
  cli_expect(1, "grep -oE '(src|href)=\"https?:|url\\(https?:|<script|@import' report/index.html");
  cli_expect(0, "grep -oE ' id=\"[^\"]+\"' report/index.html | sort | uniq -d | wc -l");
  cli_expect_text("0");
  cli_expect(5, EVALUATE "--synthetic atlas/heldout.h5ad --report report");
  cli_expect_text("--force");
}

static void a_path_is_drawn_among_the_real_cells(void **state) {
  (void)state;
  cli_expect(0, EVALUATE
             "--synthetic atlas/train.h5ad --label cell_type --ceiling halves --report walk "
             "--path cells.h5ad --path-column pseudotime && ls walk && grep -c 'Generated path' walk/index.html");
  cli_expect_text("path.svg");
  cli_expect_text("one half of the real cells");
  cli_expect(4, EVALUATE "--synthetic atlas/train.h5ad --report other --path atlas/train.h5ad");
  cli_expect_text("--path-column path_s: ");
  cli_expect_text("it has: 'cell_type'");
  cli_expect(4, EVALUATE "--synthetic atlas/train.h5ad --report other --path atlas/train.h5ad --path-column cell_type");
  cli_expect_text("numbers from 0 to 1");
  cli_expect(2, EVALUATE "--synthetic atlas/train.h5ad --path atlas/train.h5ad");
  cli_expect_text("--report DIR is needed");
}

static void a_protocol_chooses_the_measures(void **state) {
  (void)state;
  cli_expect(0, EVALUATE
             "--train atlas/train.h5ad --synthetic atlas/heldout.h5ad | grep -c -E 'energy|precision|KS'; "
             "true");
  cli_expect_text("0");
  cli_expect(0, EVALUATE "--train atlas/train.h5ad --synthetic atlas/heldout.h5ad --protocol generation --report wide");
  /* The real cells themselves: nothing between them, each beside its twin. */
  cli_expect_text("nearest of the same set         0.0000");
  cli_expect_text("precision                       1.0000");
  cli_expect_text("detected genes, KS              0.0000");
  cli_expect(0, "grep -c 'neighbourhood of a real cell' wide/index.html");
  cli_expect(0,
             EVALUATE "--synthetic atlas/train.h5ad --protocol generation --json | grep -c detected_genes_wasserstein");
  cli_expect(2, EVALUATE "--synthetic atlas/train.h5ad --protocol generaton");
  cli_expect_text("'generation'");
}

static void refusals_say_what_is_possible(void **state) {
  (void)state;
  cli_expect(4, EVALUATE "--synthetic other.h5ad");
  cli_expect_text("genes compared, the first is 'GENE");
  cli_expect_one_error("cytoforge: error");
  cli_expect(4, EVALUATE "--synthetic atlas/train.h5ad --label tissue");
  cli_expect_text("it has: 'cell_type'");
  cli_expect_one_error("cytoforge: error");
  cli_expect(4, EVALUATE "--synthetic cells.h5ad --train cells.h5ad --label donor");
  cli_expect_text("--label donor: atlas/heldout.h5ad has no obs column 'donor'");
  cli_expect(2, EVALUATE "--synthetic atlas/train.h5ad --ceiling roof");
  cli_expect_text("--ceiling wants one of 'train', 'halves', 'none', not");
  cli_expect(2, EVALUATE "--synthetic atlas/train.h5ad --ceiling train");
  cli_expect_text("halves, none");
  cli_expect(2, EVALUATE "--synthetic atlas/train.h5ad --tree-depth 40");
  cli_expect_text("depth 1 to 10");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_page_opens_without_a_network),
      cmocka_unit_test(a_path_is_drawn_among_the_real_cells),
      cmocka_unit_test(a_protocol_chooses_the_measures),
      cmocka_unit_test(refusals_say_what_is_possible),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
