/* SPDX-License-Identifier: MIT */
/* Files of our own of which any one byte is another, or that end early: refused before HDF5 looks at them, never taken
 * for right. */
#include <glob.h>

#include "base/checksum.h"
#include "cli.h"
#include "damage.h"
#include "data/hdf5/hdf5_seal.h"

enum { N_FLIPS = 200, N_CUTS = 40 };

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  const int code = cli_run(
      "$cytoforge synth -o cells.h5ad --cells 300 --genes 30 --types 2 --counts 300 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --min-genes 1 && "
      "$cytoforge train $fixed --data atlas --out run --set autoencoder.hidden=[8] --set autoencoder.latent=4 "
      "--set denoiser.hidden=[8,4] --set classifier.hidden=[4,4,4] --set autoencoder.steps=6 --set denoiser.steps=6 "
      "--set classifier.steps=6 --set checkpoint.every=2 && $cytoforge info run/checkpoints/*.h5 >listed");
  if (code != 0) print_error("%s\n", cli_output);
  return code == 0 ? 0 : -1;
}

/* Every byte of the seal, and as many places behind it; each bit at some of them. */
static void expect_every_change_found(const char *path) {
  const int64_t bytes = damage_size(path);
  uint64_t place = 7;
  bool is_sealed = false;
  assert_ok(cyf_h5_seal_verify(path, &is_sealed));
  assert_true(is_sealed);
  for (int i = 0; i < CYF_H5_SEAL_BYTES + N_FLIPS; i++) {
    place = cyf_checksum(place, &i, sizeof i); /* as good as random */
    const int64_t behind = CYF_H5_SEAL_BYTES + (int64_t)(place % (uint64_t)(bytes - CYF_H5_SEAL_BYTES));
    const int64_t at = i < CYF_H5_SEAL_BYTES ? i : behind;
    const unsigned char by = i % 9 == 8 ? 0xFF : (unsigned char)(1 << i % 9);
    damage_byte(path, at, by);
    assert_fails(cyf_h5_seal_verify(path, &is_sealed), CYF_ERR_INPUT, "damaged");
    damage_byte(path, at, by);
  }
  assert_ok(cyf_h5_seal_verify(path, &is_sealed));
}

static void expect_every_cut_found(const char *path) {
  const int64_t bytes = damage_size(path);
  bool is_sealed = false;
  cli_expect(0, "cp %s whole", path);
  for (int i = 0; i < N_CUTS; i++) {
    const int64_t left = 16 + (bytes - 17) * i / (N_CUTS - 1);
    cli_expect(0, "cp whole cut.h5");
    assert_int_equal(truncate("cut.h5", (off_t)left), 0);
    assert_fails(cyf_h5_seal_verify("cut.h5", &is_sealed), CYF_ERR_INPUT, "damaged");
  }
}

static void each_kind(void (*expect)(const char *path)) {
  static const char *const kinds[] = {"run/model.h5", "run/checkpoints/autoencoder-0*.h5",
                                      "run/checkpoints/denoiser-final.h5", "run/checkpoints/classifier*-final.h5",
                                      "run/latents/latents-00000.h5ad"};
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    glob_t found;
    assert_int_equal(glob(kinds[k], 0, NULL, &found), 0);
    expect(found.gl_pathv[0]);
    globfree(&found);
  }
}

static void every_changed_byte_is_found(void **state) {
  (void)state;
  each_kind(expect_every_change_found);
}

static void every_cut_is_found(void **state) {
  (void)state;
  each_kind(expect_every_cut_found);
}

/* Through the commands: an error that names the file, and no other result; latents are encoded anew. */
static void commands_refuse_or_mend(void **state) {
  (void)state;
  const int64_t bytes = damage_size("run/model.h5"), part_bytes = damage_size("run/latents/latents-00000.h5ad");
  cli_expect(0, "$cytoforge encode -m run/model.h5 cells.h5ad -o right.h5ad && cp -r run kept");
  for (int i = 0; i < 12; i++) {
    const int64_t at = bytes * (2 * i + 1) / 24;
    damage_byte("run/model.h5", at, 0x10);
    cli_expect(4, "$cytoforge sample -m run/model.h5 -n 2 --steps 2 -o out.h5ad");
    cli_expect_one_error("error: run/model.h5: damaged");
    cli_expect(4, "$cytoforge info run/model.h5");
    cli_expect_one_error("error: run/model.h5: damaged");
    damage_byte("run/model.h5", at, 0x10);
    damage_byte("run/latents/latents-00000.h5ad", part_bytes * (2 * i + 1) / 24, 0x10);
    cli_expect(0,
               "rm -rf run/checkpoints/denoiser* && $cytoforge train $fixed --data atlas --out run --resume auto "
               "--stage denoiser");
    cli_expect(0, "$cytoforge info run/model.h5 && cmp run/latents/latents-00000.h5ad kept/latents/latents-00000.h5ad");
  }
  cli_expect(0, "test ! -e out.h5ad");
}

/* A damaged step checkpoint is passed over for an older one; what only the final one has is refused. */
static void damaged_checkpoints_are_never_gone_on_from(void **state) {
  (void)state;
  cli_expect(0, "rm -rf run && cp -r kept run");
  glob_t found;
  assert_int_equal(glob("run/checkpoints/*-final.h5", 0, NULL, &found), 0);
  assert_true(found.gl_pathc >= 3);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    const int64_t at = damage_size(found.gl_pathv[i]) / 2;
    damage_byte(found.gl_pathv[i], at, 1);
    const int code = cli_run("$cytoforge train $fixed --data atlas --out run --resume auto");
    if (code != 4 && code != 0) fail_msg("%s: exit %d\n%s", found.gl_pathv[i], code, cli_output);
    if (code == 4) {
      cli_expect_text("damaged");
      damage_byte(found.gl_pathv[i], at, 1);
    }
  }
  globfree(&found);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_changed_byte_is_found),
                                     cmocka_unit_test(every_cut_is_found), cmocka_unit_test(commands_refuse_or_mend),
                                     cmocka_unit_test(damaged_checkpoints_are_never_gone_on_from)};
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
