/* SPDX-License-Identifier: MIT */
/* Encoding an atlas as users do: on ranks, stopped and gone on with. */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "data/h5ad/reader.h"
#include "data/latents/latents_internal.h"

static int make_model(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 2500 --genes 300 --types 3 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --min-cells 0 --shard-cells 1100 && "
      "$cytoforge train $fixed --data atlas --out run "
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
  assert_true(n_files("one/latents-*.h5ad") == 14); /* 2,500 / 16, in multiples of 64 */
  for (int ranks = 2; ranks <= 4; ranks += 2) {
    cli_expect(0, "mpirun -n %d $cytoforge encode -m run/model.h5 atlas -o many --precision float32", ranks);
    cli_expect(0, "for f in one/*.h5ad; do cmp $f many/$(basename $f) || exit 9; done; rm -r many");
  }
}

static void finished_parts_are_kept(void **state) {
  (void)state;
  cli_expect(0, "mpirun -n 2 $cytoforge encode -m run/model.h5 atlas -o kept");
  cli_expect_text("float16");
  cli_expect(0,
             "rm kept/latents-00003.h5ad kept/latents-00007.h5ad; ls -i kept > before; "
             "mpirun -n 3 $cytoforge encode -m run/model.h5 atlas -o kept");
  cli_expect_text("12 of 14 parts are there already");
  cli_expect_text("encode: 384 cells in"); /* two parts of 192 */
  cli_expect(0, "ls -i kept > after; cat before after | sort | uniq -d | wc -l");
  assert_int_equal(atol(cli_output), 12);
  /* Of another type nothing is kept, and parts behind the last, of a longer atlas, go. */
  cli_expect(0,
             "for i in 14 15; do cp kept/latents-00001.h5ad kept/latents-000$i.h5ad; done; rm kept/latents-00002.h5ad; "
             "mpirun -n 2 $cytoforge encode -m run/model.h5 atlas -o kept --precision float32");
  cli_expect_text("2 parts in kept, of an atlas of more cells, are removed");
  cli_expect_text("13 parts in kept are damaged or of another atlas, autoencoder or type, and are written anew");
  cli_expect_text("encode: 2500 cells in");
  assert_int_equal(n_files("kept/latents-*.h5ad"), 14);
}

/* obsm/X_latent of a file as float32, n cells of 16; free with cyf_free. */
static float *read_latents(const char *path, int64_t n) {
  cyf_h5ad *file = NULL;
  float *latents = NULL;
  int64_t width = 0;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), n);
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &width, &latents));
  assert_int_equal(width, 16);
  cyf_h5ad_close(&file);
  return latents;
}

static void read_store(const char *directory, float *ret_latents) {
  for (int part = 0; part < 14; part++) {
    char path[64];
    snprintf(path, sizeof path, "%s/latents-%05d.h5ad", directory, part);
    const int64_t n = part < 13 ? 192 : 2500 - 13 * 192;
    float *latents = read_latents(path, n);
    for (int64_t i = 0; i < n * 16; i++) ret_latents[part * 192 * 16 + i] = latents[i];
    cyf_free(latents);
  }
}

/* A cell's latent is its own whatever stands beside it: blocks of 1,024 cells of a part, of 256 cells of an h5ad, on
 * one thread and on two. float16 is the nearest half of float32. */
static void latents_do_not_depend_on_neighbours_or_threads(void **state) {
  (void)state;
  static float one[2500 * 16], two[2500 * 16], half[2500 * 16];
  double worst = 0;
  cli_expect(0,
             "$cytoforge encode -m run/model.h5 atlas -o threads1 --precision float32 --threads 1 && "
             "$cytoforge encode -m run/model.h5 atlas -o threads2 --precision float32 --threads 2 && "
             "$cytoforge encode -m run/model.h5 atlas -o halves --precision float16 --threads 1");
  read_store("threads1", one);
  read_store("threads2", two);
  read_store("halves", half);
  for (int64_t i = 0; i < 2500 * 16; i++) {
    _Float16 nearest;
    float value = 0;
    cyf_latents_narrow(1, &one[i], &nearest);
    cyf_latents_widen(1, &nearest, &value);
    assert_true(half[i] == value);
    worst = fmax(worst, fabs((double)one[i] - (double)two[i]));
  }
  int64_t first = 0;
  for (int shard = 0; first < 2500; shard++) {
    char path[64];
    const int64_t left = 2500 - first;
    cli_expect(0, "mpirun -n 2 $cytoforge encode -m run/model.h5 atlas/shard-%05d.h5ad -o shard-%d.h5ad", shard, shard);
    snprintf(path, sizeof path, "shard-%d.h5ad", shard);
    cyf_h5ad *file = NULL;
    assert_ok(cyf_h5ad_open(path, NULL, &file));
    const int64_t n = cyf_h5ad_n_cells(file);
    cyf_h5ad_close(&file);
    assert_true(n > 256 && n <= left);
    float *latents = read_latents(path, n);
    for (int64_t i = 0; i < n * 16; i++) worst = fmax(worst, fabs((double)latents[i] - (double)one[first * 16 + i]));
    cyf_free(latents);
    first += n;
  }
  print_message("latents of other blocks and threads differ by at most %.2g (tolerance 1e-6)\n", worst);
  assert_true(worst <= 1e-6);
}

/* A part is an AnnData file like any other: it can be decoded. */
static void a_part_can_be_decoded(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge encode -m run/model.h5 atlas -o parts && "
             "$cytoforge decode -m run/model.h5 parts/latents-00002.h5ad -o decoded.h5ad");
  cli_expect_text("192 cells x 300 genes");
}

/* An encoding whose two ranks are killed after its first parts and before its last goes on, on three ranks. Its files
 * are those of a run that was never stopped. A run that ends before it is killed is tried again. */
static void a_killed_encoding_goes_on(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge synth -o more.h5ad --cells 40000 --genes 300 --types 3 && "
             "$cytoforge prepare more.h5ad -o more --label cell_type --label donor --min-cells 0 --min-genes 0 && "
             "$cytoforge encode -m run/model.h5 more -o whole --threads 1");
  cli_expect(0,
             "for i in $(seq 20); do rm -rf part; "
             "  mpirun -n 2 $cytoforge encode -m run/model.h5 more -o part --threads 1 & pid=$!; "
             "  until ls part/latents-*.h5ad > /dev/null 2>&1 || ! kill -0 $pid 2> /dev/null; do sleep 0.005; done; "
             "  pkill -KILL -P $pid; wait $pid; "
             "  n=$(ls part/latents-*.h5ad | wc -l); [ $n -lt 16 ] && break; "
             "done; "
             "echo there: $n; [ $n -ge 1 ] && [ $n -lt 16 ]");
  const char *there = strstr(cli_output, "there: ");
  assert_non_null(there);
  const long n = atol(there + strlen("there: "));
  char text[64];
  snprintf(text, sizeof text, "%ld of 16 parts are there already", n);
  cli_expect(0, "mpirun -n 3 $cytoforge encode -m run/model.h5 more -o part");
  cli_expect_text(text);
  cli_expect(0,
             "for f in whole/*; do cmp $f part/$(basename $f) || exit 9; done; [ \"$(ls whole)\" = \"$(ls part)\" ]");
}

static void wrong_requests_get_one_line(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge encode -m run/model.h5 atlas");
  cli_expect_text("-o FOLDER is needed");
  cli_expect(2, "$cytoforge encode -m run/model.h5 atlas -o x --precision float8");
  cli_expect_text("'float16', 'float32', not 'float8'");
  cli_expect(5, "mkfifo fifo; $cytoforge encode -m nowhere.h5 atlas -o fifo; code=$?; test -p fifo && exit $code");
  cli_expect_text("fifo exists and is no directory");
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
      cmocka_unit_test(latents_do_not_depend_on_neighbours_or_threads),
      cmocka_unit_test(a_part_can_be_decoded),
      cmocka_unit_test(a_killed_encoding_goes_on),
      cmocka_unit_test(wrong_requests_get_one_line),
  };
  return cmocka_run_group_tests(tests, make_model, cli_teardown);
}
