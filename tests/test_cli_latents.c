/* Encoding an atlas as users do: on ranks, stopped and gone on with. */
#include "cli.h"

static int make_model(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 2500 --genes 300 --types 3 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --min-cells 0 --shard-cells 1100 && "
      "$cytoforge train -c $CYTOFORGE_SOURCE/configs/quickstart.yaml --data atlas --out run "
      "--set denoiser.steps=5 --set classifier.steps=5 --set autoencoder.steps=20 --set autoencoder.hidden=[32,32] "
      "--set autoencoder.latent=16 && test -f "
      "run/model.h5");
}

static long n_files(const char *pattern) {
  assert_int_equal(cli_run("ls %s 2>/dev/null | wc -l", pattern), 0);
  return atol(cli_output);
}

/* The parts do not depend on the ranks, to the bit. */
static void parts_are_the_same_for_any_ranks(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge encode -m run/model.h5 atlas -o one --precision float32");
  cli_expect_text("encode: 2500 cells in");
  cli_expect_text("16 x float32 a cell");
  assert_true(n_files("one/latents-*.h5") == 14); /* 2,500 / 16, in multiples of 64 */
  for (int ranks = 2; ranks <= 4; ranks += 2) {
    cli_expect(0, "mpirun -n %d $cytoforge encode -m run/model.h5 atlas -o many --precision float32", ranks);
    cli_expect(0, "for f in one/*.h5; do cmp $f many/$(basename $f) || exit 9; done; rm -r many");
  }
}

/* float16 is the nearest half of float32, and an h5ad of the same cells gives the same latents. */
static void finished_parts_are_kept(void **state) {
  (void)state;
  cli_expect(0, "mpirun -n 2 $cytoforge encode -m run/model.h5 atlas -o kept");
  cli_expect_text("float16");
  cli_expect(0,
             "rm kept/latents-00003.h5 kept/latents-00007.h5; ls -i kept > before; "
             "mpirun -n 3 $cytoforge encode -m run/model.h5 atlas -o kept");
  cli_expect_text("12 of 14 parts are there already");
  cli_expect_text("encode: 384 cells in"); /* two parts of 192 */
  cli_expect(0, "ls -i kept > after; cat before after | sort | uniq -d | wc -l");
  assert_int_equal(atol(cli_output), 12);
  /* Of another type nothing is kept. */
  cli_expect(0, "$cytoforge encode -m run/model.h5 atlas -o kept --precision float32");
  cli_expect_text("encode: 2500 cells in");
}

/* Killed while it writes, on two ranks; gone on with on three: the files are those of an uninterrupted run. */
static void a_killed_encoding_goes_on(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge encode -m run/model.h5 atlas -o whole");
  cli_expect(
      0,
      "OMP_NUM_THREADS=1 mpirun -n 2 $cytoforge encode -m run/model.h5 atlas -o part & pid=$!; "
      "n=0; while [ $n -lt 200 ] && [ $(ls part/latents-*.h5 2>/dev/null | wc -l) -lt 1 ]; do sleep 0.01; n=$((n+1)); "
      "done; kill -9 $(pgrep -P $pid -f 'encode -m run/model.h5' | head -1) 2>/dev/null; wait $pid; "
      "mpirun -n 3 $cytoforge encode -m run/model.h5 atlas -o part || exit 8; "
      "for f in whole/*.h5; do cmp $f part/$(basename $f) || exit 9; done; "
      "[ $(ls part | wc -l) = $(ls whole | wc -l) ] || exit 7");
}

static void wrong_requests_get_one_line(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge encode -m run/model.h5 atlas");
  cli_expect_text("-o FOLDER is needed");
  cli_expect(2, "$cytoforge encode -m run/model.h5 atlas -o x --precision float8");
  cli_expect_text("float16 or float32, not 'float8'");
  cli_expect(2, "$cytoforge encode -m run/model.h5 cells.h5ad -o x.h5ad --precision float16");
  cli_expect_text("--precision is for an atlas");
  cli_expect(0,
             "$cytoforge synth -o other.h5ad --cells 200 --genes 299 --types 2 && "
             "$cytoforge prepare other.h5ad -o other --label cell_type --min-cells 0");
  cli_expect(4, "mpirun -n 2 $cytoforge encode -m run/model.h5 other -o x");
  cli_expect_text("has other genes than the model");
  cli_expect_one_error("cytoforge: error:");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_are_the_same_for_any_ranks),
      cmocka_unit_test(finished_parts_are_kept),
      cmocka_unit_test(a_killed_encoding_goes_on),
      cmocka_unit_test(wrong_requests_get_one_line),
  };
  return cmocka_run_group_tests(tests, make_model, cli_teardown);
}
