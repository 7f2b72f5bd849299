/* SPDX-License-Identifier: MIT */
/* Training that goes on from a model (train --init): what is taken over by name, what is new, what is held, and that
 * such a run can be resumed. */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "kernels/device_choice.h"
#include "saved/model_file.h"
#include "support.h"

#define MODEL                                                                                                   \
  "--threads 1 --set autoencoder.likelihood=nb --set autoencoder.hidden='[24, 20]' --set autoencoder.latent=8 " \
  "--set denoiser.hidden='[24, 16]' --set classifier.hidden='[16, 16, 8]' --set denoiser.conditions='[cell_type]' "
#define SHORT                                                                                                    \
  "--threads 1 --set autoencoder.steps=20 --set denoiser.steps=20 --set classifier.steps=20 --set data.lanes=4 " \
  "--set checkpoint.every=5 "
/* So little learning that weights stay what they were, to about 1e-5. */
#define STILL                                                                                                   \
  "--set autoencoder.learning_rate=1e-9 --set denoiser.learning_rate=1e-9 --set classifier.learning_rate=1e-9 " \
  "--set denoiser.ema_decay=0 --set autoencoder.weight_decay=0 --set denoiser.weight_decay=0 "
#define SECOND "$cytoforge train --init first/model.h5 --data atlas2 " SHORT

/* The second atlas has genes 31 to 60 (the first has 1 to 40), types 3 and 2 (the first has 1 and 2), and donors. */
static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  setenv("cytoforge", test_binary(), 1);
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 600 --genes 60 --types 3 --counts 300 && "
      "for i in $(seq 60); do printf 'GENE%%06d\\n' $i; done >genes && head -n 40 genes >g1 && tail -n 30 genes >g2 && "
      "$cytoforge prepare cells.h5ad -o atlas1 --label cell_type --genes g1 --min-genes 0 --keep cell_type=type_1 "
      "--keep cell_type=type_2 && "
      "$cytoforge prepare cells.h5ad -o atlas2 --label cell_type --label donor --genes g2 --min-genes 0 --keep "
      "cell_type=type_3 --keep cell_type=type_2 && "
      "$cytoforge train --data atlas1 --out first " MODEL SHORT);
}

/* ---- values ---- */

static cyf_device *device;

static cyf_model *load(const char *path) {
  cyf_model *model = NULL;
  if (device == NULL) assert_ok(cyf_device_create_cpu(1, &device));
  assert_ok(cyf_model_load(path, device, &model));
  return model;
}

static const cyf_named_tensor *find(const cyf_parameters *p, const char *name) {
  const cyf_named_tensor *tensor = cyf_layout_find(&p->layout, name);
  assert_non_null(tensor);
  return tensor;
}

/* Entry [row, column] of a tensor; the CPU's memory is the host's. */
static double entry(const cyf_parameters *p, const char *name, int64_t row, int64_t column) {
  const cyf_named_tensor *tensor = find(p, name);
  float *values = NULL;
  assert_ok(CYF_NEW(&values, tensor->count));
  cyf_tensor_to_torch_order(tensor, p->value, values);
  const double value = (double)values[row * (tensor->n_dims > 1 ? tensor->shape[1] : 1) + column];
  cyf_free(values);
  return value;
}

#define SAME(a, a_row, a_column, b, b_row, b_column, name) \
  TEST_AT_MOST(fabs(entry(a, name, a_row, a_column) - entry(b, name, b_row, b_column)), 1e-5)

static void check_genes(const cyf_model *from, const cyf_model *to) {
  const cyf_parameters *old = cyf_autoencoder_parameters(from->autoencoder);
  const cyf_parameters *new = cyf_autoencoder_parameters(to->autoencoder);
  for (int64_t g = 0; g < to->genes.n; g++) {
    const int64_t was = cyf_names_find(&from->genes, to->genes.name[g]);
    if (was < 0) continue;
    for (int64_t k = 0; k < 24; k++) {
      SAME(new, k, g, old, k, was, "encoder.network.0.1.weight");
      SAME(new, g, k, old, was, k, "decoder.network.2.weight");
    }
    SAME(new, g, 0, old, was, 0, "decoder.network.2.bias");
  }
  SAME(new, 3, 5, old, 3, 5, "decoder.network.0.0.weight");
}

/* Classes are found by name in the denoiser's table and in the classifier's last layer; type_1 is kept, behind. */
static void check_classes(const cyf_model *from, const cyf_model *to) {
  const cyf_model_attribute *a = &from->attributes[0], *b = &to->attributes[0];
  assert_int_equal(b->categories.n, 3);
  assert_string_equal(b->categories.name[2], "type_1");
  assert_int_equal(b->n_cells[2], a->n_cells[0]);
  for (int64_t c = 0; c < 3; c++) {
    const int64_t was = cyf_names_find(&a->categories, b->categories.name[c]);
    if (was < 0) continue;
    for (int64_t k = 0; k < 8; k++) {
      SAME(cyf_classifier_parameters(b->classifier), c, k, cyf_classifier_parameters(a->classifier), was, k,
           "out.weight");
      SAME(cyf_denoiser_parameters(to->denoiser), c, k, cyf_denoiser_parameters(from->denoiser), was, k,
           "layers.0.label_layer.0.weight");
    }
  }
  SAME(cyf_denoiser_parameters(to->denoiser), 3, 4, cyf_denoiser_parameters(from->denoiser), 2, 4,
       "layers.0.label_layer.0.weight"); /* the row of cells without a label */
  assert_non_null(to->attributes[1].classifier);
}

/* With next to no learning, everything that has a name in the first model is as it was there: on 1 and 2 ranks. */
static void weights_are_taken_over_by_name(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 2; ranks++) {
    cli_expect(0, "mpirun -n %d " SECOND STILL "--out second_%d --force", ranks, ranks);
    cli_expect_text("10 of 30 genes are the model's and keep their weights, 20 are new; 30 of its 40 are left out");
    cli_expect_text("label cell_type: 1 classes are the model's, 1 are new, 1 are the model's alone");
    cli_expect_text("label donor is new");
    char path[64];
    snprintf(path, sizeof path, "second_%d/model.h5", ranks);
    cyf_model *from = load("first/model.h5"), *to = load(path);
    check_genes(from, to);
    check_classes(from, to);
    assert_string_equal(to->settings.init, "first/model.h5");
    assert_non_null(strstr(to->runs, "\"init\": {\"model\": \"first/model.h5\""));
    cyf_model_destroy(&from);
    cyf_model_destroy(&to);
  }
  cli_expect(0,
             "$cytoforge sample -m second_1/model.h5 -n 20 --where cell_type=type_1 --threads 1 -o old.h5ad && "
             "$cytoforge sample -m second_1/model.h5 -n 20 --where cell_type=type_3 --threads 1 -o new.h5ad");
}

/* A run that was cut goes on to the same weights without a word of --init, and not with another one. */
static void resuming_needs_no_init(void **state) {
  (void)state;
  cli_expect(0, SECOND
             "--out whole && cp -r whole cut && cd cut && rm model.h5 checkpoints/classifier* "
             "checkpoints/denoiser-final.h5 checkpoints/denoiser-00000020.h5");
  cli_expect(0,
             "cp -r cut other && cp -r cut changed && mpirun -n 2 $cytoforge train --data atlas2 --out cut --resume "
             "auto --threads 1");
  cli_expect_text("denoiser: going on from step 15");
  cyf_model *a = load("whole/model.h5"), *b = load("cut/model.h5");
  SAME(cyf_denoiser_parameters(a->denoiser), 1, 2, cyf_denoiser_parameters(b->denoiser), 1, 2, "layers.0.fc.weight");
  SAME(cyf_classifier_parameters(a->attributes[0].classifier), 1, 2,
       cyf_classifier_parameters(b->attributes[0].classifier), 1, 2, "out.weight");
  cyf_model_destroy(&a);
  cyf_model_destroy(&b);
  cli_expect(3, "$cytoforge train --init whole/model.h5 --data atlas2 --out other --resume auto --threads 1");
  cli_expect_one_error("cytoforge: error");
  cli_expect(3,
             "cp first/model.h5 kept.h5 && cp whole/model.h5 first/model.h5 && "
             "$cytoforge train --data atlas2 --out changed --resume auto --threads 1; got=$?; cp kept.h5 "
             "first/model.h5; exit $got");
  cli_expect_one_error("cytoforge: error");
}

static void refused(int code, const char *what, const char *text) {
  cli_expect(code, "mpirun -n 2 $cytoforge train --data atlas2 --out refused %s", what);
  cli_expect_one_error("cytoforge: error");
  cli_expect_text(text);
  cli_expect(0, "! test -e refused");
}

static void bad_requests_are_refused(void **state) {
  (void)state;
  refused(3, "--init first/model.h5 --set autoencoder.hidden='[24, 24]'",
          "autoencoder.hidden is [24, 20] in the model");
  refused(3, "--init first/model.h5 --set autoencoder.likelihood=mse", "autoencoder.likelihood is nb in the model");
  refused(3, "--init first/model.h5 --set diffusion.unit_length=false", "diffusion.unit_length is true in the model");
  refused(3, "--init first/model.h5 --set autoencoder.init=somewhere", "autoencoder.init and init");
  refused(4, "--init nowhere.h5", "nowhere.h5");
  cli_expect(0, "head -c 20000 first/model.h5 >short.h5");
  refused(4, "--init short.h5", "short.h5");
  cli_expect(2, "$cytoforge train -m first/model.h5 --init first/model.h5 --stage classifier:cell_type --data atlas1");
  cli_expect(
      0,
      "tail -n 20 genes >g3 && $cytoforge prepare cells.h5ad -o atlas3 --genes g3 --min-genes 0 && mv atlas2 kept "
      "&& mv atlas3 atlas2");
  refused(4, "--init first/model.h5", "none of the genes of the atlas");
  cli_expect(0, "rm -r atlas2 && mv kept atlas2");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(weights_are_taken_over_by_name),
                                     cmocka_unit_test(resuming_needs_no_init),
                                     cmocka_unit_test(bad_requests_are_refused)};
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
