/* SPDX-License-Identifier: MIT */
/* A model that is exported and imported is the same model, in every member, and samples the same cells. Models are of
 * expression, of counts, conditioned, with added classifiers, with difficult names, and of SCimilarity. Where
 * CYTOFORGE_TORCH_EXPORTED names a folder, each export is left there with what cytoforge computes, for
 * tests/torch/check_modules.py. */
#include "cli.h"
#include "data/h5ad/reader.h"
#include "export_results.h"
#include "saved/model_file.h"
#include "saved/parameters_file.h"
#include "torch_fixtures.h"

enum { N_CELLS = 20 };

static cyf_device *device;
static const char *const formats[] = {"safetensors", "pytorch-names"};

/* ---- the models ---- */

static cyf_model *load(const char *path) {
  cyf_model *model = NULL;
  assert_ok(cyf_model_load(path, device, &model));
  return model;
}

static void rename_text(char **text, const char *name) {
  cyf_free(*text);
  assert_ok(cyf_strdup(name, text));
}

/* Replaces the first names, which keep their codes. */
static void rename_names(cyf_names *names, int64_t n, const char *const *first) {
  cyf_names renamed = {0};
  for (int64_t i = 0; i < names->n; i++) assert_ok(cyf_names_add(&renamed, i < n ? first[i] : names->name[i], NULL));
  assert_int_equal(renamed.n, names->n);
  cyf_names_destroy(names);
  *names = renamed;
}

static void set(cyf_model *model, int64_t n, const char *const *overrides) {
  cyf_settings changed;
  assert_ok(cyf_settings_copy(&model->settings, n, overrides, &changed));
  cyf_settings_destroy(&model->settings);
  model->settings = changed;
  model->latent_scale = cyf_settings_latent_scale(&changed);
}

/* A classifier of other widths than the model's, as `train` adds it to a finished model. */
static void add_classifier(cyf_model *model, const char *name) {
  const cyf_classifier_config config = {.latent = 8, .n_classes = 3, .hidden = {12, 20, 10}, .dropout = 0.1};
  cyf_model_attribute *place = NULL;
  assert_ok(cyf_model_make_place(model, name, &place));
  assert_ok(cyf_strdup(name, &place->name));
  for (int i = 0; i < 3; i++) {
    char label[32];
    snprintf(label, sizeof label, "added/%d, or \"%d\"", i, i);
    assert_ok(cyf_names_add(&place->categories, label, NULL));
  }
  assert_ok(CYF_NEW(&place->n_cells, 3));
  for (int i = 0; i < 3; i++) place->n_cells[i] = i + INT64_C(9007199254740993); /* no float64 */
  assert_ok(cyf_strdup("atlas of another day\nby: \"train\"", &place->provenance));
  assert_ok(cyf_classifier_create(device, &config, 0, &place->classifier));
  assert_ok(cyf_classifier_init(place->classifier, 5));
}

static void make_added(void) {
  cyf_model *model = load("mse.h5");
  add_classifier(model, "stage");
  assert_ok(cyf_model_save(model, "added.h5"));
  cyf_model_destroy(&model);
}

static void make_named(void) {
  static const char *const genes[] = {"HLA-A/B", "a gene", "γδ-TCR",      "ENSG00000139618.17",
                                      "\"q\"",   "tab\t1", "back\\slash", "line\n1"};
  static const char *const types[] = {"T cell / γδ", "B, \"x\"=1", " spaces  "};
  static const char *const overrides[] = {"diffusion.latent_scale=8", "diffusion.unit_length=false",
                                          "diffusion.betas=cosine", "diffusion.guide_below=700",
                                          "denoiser.conditions=[cell type / é]"};
  cyf_model *model = load("conditioned.h5");
  assert_string_equal(model->attributes[0].name, "cell_type");
  rename_names(&model->genes, 8, genes);
  rename_names(&model->attributes[0].categories, 3, types);
  rename_text(&model->attributes[0].name, "cell type / é");
  cyf_classifier_destroy(&model->attributes[0].classifier); /* a condition without a classifier */
  add_classifier(model, "one/two=3, 日本");
  add_classifier(model, "𝛼 beyond the first plane");
  set(model, 5, overrides);
  assert_ok(cyf_model_save(model, "named.h5"));
  cyf_model_destroy(&model);
}

static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  assert_ok(cyf_device_create_cpu(1, &device));
  setenv("fixtures", fixtures_folder(), 1);
  if (cli_run("cp '%s'/tests/files-0.1/*.h5 . && chmod u+w *.h5", test_source()) != 0) return -1;
  make_added();
  make_named();
  return cli_run(
      "$cytoforge import --scimilarity $fixtures/scimilarity -o scimilarity.h5 && "
      "$cytoforge import --scimilarity $fixtures/scimilarity --denoiser $fixtures/denoiser.pt "
      "--classifier cell_type=$fixtures/classifier.pt,$fixtures/labels.txt -o published.h5");
}

static int teardown(void **state) {
  cyf_device_destroy(&device);
  return cli_teardown(state);
}

/* ---- the same model ---- */

static uint64_t sum_of(const cyf_parameters *parameters) {
  uint64_t sum = 0;
  assert_ok(cyf_parameters_checksum(parameters, &sum));
  return sum;
}

static void assert_same_names(const cyf_names *a, const cyf_names *b) {
  assert_int_equal(a->n, b->n);
  for (int64_t i = 0; i < a->n; i++) assert_string_equal(a->name[i], b->name[i]);
}

static void assert_same_attribute(const cyf_model_attribute *a, const cyf_model_attribute *b) {
  assert_string_equal(a->name, b->name);
  assert_same_names(&a->categories, &b->categories);
  assert_memory_equal(a->n_cells, b->n_cells, sizeof *a->n_cells * (size_t)a->categories.n);
  assert_int_equal(a->classifier != NULL, b->classifier != NULL);
  assert_int_equal(a->provenance != NULL, b->provenance != NULL);
  if (a->provenance != NULL) assert_string_equal(a->provenance, b->provenance);
  if (a->classifier == NULL) return;
  assert_memory_equal(cyf_classifier_get_config(a->classifier), cyf_classifier_get_config(b->classifier),
                      sizeof(cyf_classifier_config));
  assert_int_equal(sum_of(cyf_classifier_parameters(a->classifier)), sum_of(cyf_classifier_parameters(b->classifier)));
}

static void assert_same_model(const char *path_a, const char *path_b) {
  cyf_model *a = load(path_a), *b = load(path_b);
  char *config_a = NULL, *config_b = NULL;
  assert_ok(cyf_config_to_text(cyf_settings_schema(), &a->settings, &config_a));
  assert_ok(cyf_config_to_text(cyf_settings_schema(), &b->settings, &config_b));
  assert_string_equal(config_a, config_b);
  assert_true(a->latent_scale == b->latent_scale);
  assert_int_equal(a->kind, b->kind);
  assert_string_equal(a->atlas_fingerprint, b->atlas_fingerprint);
  assert_same_names(&a->genes, &b->genes);
  assert_int_equal(sum_of(cyf_autoencoder_parameters(a->autoencoder)),
                   sum_of(cyf_autoencoder_parameters(b->autoencoder)));
  assert_int_equal(a->denoiser != NULL, b->denoiser != NULL);
  if (a->denoiser != NULL) {
    assert_memory_equal(cyf_denoiser_get_config(a->denoiser), cyf_denoiser_get_config(b->denoiser),
                        sizeof(cyf_denoiser_config));
    assert_int_equal(sum_of(cyf_denoiser_parameters(a->denoiser)), sum_of(cyf_denoiser_parameters(b->denoiser)));
  }
  assert_int_equal(a->n_attributes, b->n_attributes);
  for (int64_t i = 0; i < a->n_attributes; i++) assert_same_attribute(&a->attributes[i], &b->attributes[i]);
  cyf_free(config_a);
  cyf_free(config_b);
  cyf_model_destroy(&a);
  cyf_model_destroy(&b);
}

/* ---- the same cells ---- */

static void read_cells(const char *path, cyf_csr_buffer *rows, float **ret_latents, int64_t *ret_width) {
  cyf_h5ad *file = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), N_CELLS);
  cyf_csr_buffer_clear(rows, cyf_h5ad_n_genes(file));
  assert_ok(cyf_h5ad_read_rows(file, 0, N_CELLS, rows));
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", ret_width, ret_latents));
  cyf_h5ad_close(&file);
}

static void assert_same_cells(const char *path_a, const char *path_b) {
  cyf_csr_buffer a = {0}, b = {0};
  float *latents_a = NULL, *latents_b = NULL;
  int64_t width_a = 0, width_b = 0;
  read_cells(path_a, &a, &latents_a, &width_a);
  read_cells(path_b, &b, &latents_b, &width_b);
  assert_int_equal(width_a, width_b);
  assert_memory_equal(latents_a, latents_b, sizeof *latents_a * (size_t)(N_CELLS * width_a));
  assert_memory_equal(a.indptr, b.indptr, sizeof *a.indptr * (N_CELLS + 1));
  assert_true(a.indptr[N_CELLS] > N_CELLS);
  assert_memory_equal(a.indices, b.indices, sizeof *a.indices * (size_t)a.indptr[N_CELLS]);
  assert_memory_equal(a.values, b.values, sizeof *a.values * (size_t)a.indptr[N_CELLS]);
  cyf_csr_buffer_destroy(&a);
  cyf_csr_buffer_destroy(&b);
  cyf_free(latents_a);
  cyf_free(latents_b);
}

static void sample(const char *model, const char *options, const char *out) {
  cli_expect(0, "$cytoforge sample -m %s -n %d --seed 3 --device cpu --threads 1 --steps 20 %s -o %s --force", model,
             N_CELLS, options, out);
}

/* MODEL.h5 through both formats. options: of sampling; NULL: the model cannot sample. */
static void check_round_trip(const char *model, const char *options) {
  char path[64], back[64];
  snprintf(path, sizeof path, "%s.h5", model);
  if (options != NULL) sample(path, options, "then.h5ad");
  for (int i = 0; i < 2; i++) {
    snprintf(back, sizeof back, "%s-%s.h5", model, formats[i]);
    cli_expect(0, "$cytoforge export -m %s --format %s -o %s-%s", path, formats[i], model, formats[i]);
    cli_expect(0, "$cytoforge import %s-%s -o %s", model, formats[i], back);
    assert_null(strstr(cli_output, "WARN"));
    assert_same_model(path, back);
    if (options != NULL) sample(back, options, "now.h5ad");
    if (options != NULL) assert_same_cells("then.h5ad", "now.h5ad");
    cli_expect(0,
               "$cytoforge export -m %s --format %s -o again && cp %s again.h5 && diff -r again %s-%s && rm -r again",
               back, formats[i], back, model, formats[i]);
  }
}

static void expression_with_two_classifiers(void **state) {
  (void)state;
  check_round_trip("mse", "--where cell_type=type_1 --where donor=donor_2");
}

static void counts(void **state) {
  (void)state;
  check_round_trip("nb", "--where cell_type=type_2");
}

static void conditions(void **state) {
  (void)state;
  check_round_trip("conditioned", "--where cell_type=type_3 --guidance-mode free");
}

static void an_added_classifier(void **state) {
  (void)state;
  check_round_trip("added", "--where cell_type=type_1 --where stage='added/2, or \"2\"'");
}

static void names_and_every_setting(void **state) {
  (void)state;
  check_round_trip("named", "--where 'cell type / é=T cell / γδ' --guidance-mode free");
}

static void published_weights(void **state) {
  (void)state;
  check_round_trip("scimilarity", NULL);
  check_round_trip("published", "--where cell_type='type 1/é'");
}

/* ---- single files ---- */

static void single_files_carry_the_settings(void **state) {
  (void)state;
  cli_expect(0,
             "$cytoforge import --autoencoder named-pytorch-names/autoencoder.safetensors --denoiser "
             "named-pytorch-names/denoiser.safetensors --classifier donor=named-pytorch-names/classifier_1.safetensors "
             "--classifier '𝛼 beyond the first plane=named-pytorch-names/classifier_3.safetensors' -o some.h5");
  cli_expect_text("the classifier of 'one/two=3, 日本' is not among the files");
  sample("named.h5", "--where 'cell type / é=B, \"x\"=1' --guidance-mode free", "then.h5ad");
  sample("some.h5", "--where 'cell type / é=B, \"x\"=1' --guidance-mode free", "now.h5ad");
  assert_same_cells("then.h5ad", "now.h5ad");
  cli_expect(0,
             "$cytoforge import --autoencoder mse-safetensors/model.safetensors --denoiser "
             "mse-safetensors/model.safetensors --classifier cell_type=mse-pytorch-names/classifier_0.safetensors "
             "--classifier donor=mse-safetensors/model.safetensors,mse-pytorch-names/labels_1.txt --genes "
             "mse-safetensors/genes.txt -o whole.h5");
  assert_null(strstr(cli_output, "WARN"));
  assert_same_model("mse.h5", "whole.h5");
  cli_expect(0, "$cytoforge import mse-safetensors/model.safetensors -o file.h5");
  assert_same_model("mse.h5", "file.h5");
}

static void what_would_give_other_cells_is_refused(void **state) {
  (void)state;
  const char *import = "$cytoforge import -o x.h5";
  const char *mse = "--autoencoder mse-pytorch-names/autoencoder.safetensors";
  cli_expect(4, "%s %s --denoiser nb-pytorch-names/denoiser.safetensors", import, mse);
  cli_expect_text("were exported from different models");
  cli_expect(4, "%s %s --classifier donor=mse-pytorch-names/classifier_0.safetensors", import, mse);
  cli_expect_text("was exported as classifier_0, but the classifier of 'donor' is classifier_1");
  cli_expect(2, "%s %s --classifier other=mse-pytorch-names/classifier_0.safetensors", import, mse);
  cli_expect_text("no attribute 'other'");
  cli_expect(4, "tac mse-safetensors/genes.txt > turned.txt; %s %s --genes turned.txt", import, mse);
  cli_expect_text("turned.txt lists other genes");
  cli_expect(4,
             "tac mse-safetensors/labels_0.txt > turned.txt; %s %s --classifier "
             "cell_type=mse-pytorch-names/classifier_0.safetensors,turned.txt",
             import, mse);
  cli_expect_text("turned.txt lists other labels");
  cli_expect(4, "cp -r mse-pytorch-names less && rm less/classifier_1.safetensors && %s less", import);
  cli_expect_text("less/classifier_1.safetensors");
  cli_expect(4, "cp -r mse-pytorch-names both && cp mse-safetensors/model.safetensors both && %s both", import);
  cli_expect_text("move one of the two exports away");
  cli_expect(4, "%s .", import);
  cli_expect_text("is no export");
  cli_expect(2, "%s mse-safetensors --genes turned.txt", import);
  cli_expect(2, "%s mse-safetensors nb-safetensors", import);
  cli_expect(4, "cp -r nb-pytorch-names mixed && cp mse-pytorch-names/denoiser.safetensors mixed && %s mixed", import);
  cli_expect_text("were exported from different models");
  assert_int_not_equal(access("x.h5", F_OK), 0);
}

/* A file that another program wrote, or version 0.1.0: tensors as they are, metadata without ours. */
static void strip(const char *from, const char *to) {
  cli_expect(0, "LC_ALL=C sed 's/\"cytoforge\\(\\|_module\\|_checksum\\)\": /\"cytoforgX\\1\": /g' %s > %s", from, to);
  cli_expect(1, "cmp -s %s %s", from, to);
}

static void missing_settings_are_named(void **state) {
  (void)state;
  const char *import = "$cytoforge import -o bare.h5 --force --genes mse-safetensors/genes.txt";
  strip("mse-pytorch-names/autoencoder.safetensors", "autoencoder.safetensors");
  strip("mse-pytorch-names/denoiser.safetensors", "denoiser.safetensors");
  strip("nb-pytorch-names/autoencoder.safetensors", "counts.safetensors");
  strip("conditioned-pytorch-names/denoiser.safetensors", "conditioned.safetensors");
  cli_expect(4, "$cytoforge import . -o bare.h5");
  cli_expect_text("carries no settings");
  cli_expect(2, "$cytoforge import --autoencoder autoencoder.safetensors -o bare.h5");
  cli_expect_text("--genes LIST is needed");
  cli_expect(0, "%s --autoencoder autoencoder.safetensors --denoiser denoiser.safetensors", import);
  cli_expect_text("denoiser.safetensors carries no settings: the published ones are taken");
  cli_expect(4, "%s --autoencoder autoencoder.safetensors --denoiser conditioned.safetensors", import);
  cli_expect_text("a denoiser with 1 conditions");
  cli_expect(0, "%s --autoencoder mse-pytorch-names/autoencoder.safetensors --denoiser denoiser.safetensors", import);
  cli_expect_text("denoiser.safetensors carries no settings: those of");
  cli_expect(0, "%s --autoencoder autoencoder.safetensors --denoiser mse-pytorch-names/denoiser.safetensors", import);
  assert_null(strstr(cli_output, "carries no settings"));
  cli_expect(0, "%s --autoencoder counts.safetensors", import);
  cli_expect(0, "$cytoforge info bare.h5");
  cli_expect_text("decodes to counts");
}

/* ---- for PyTorch ---- */

static void what_torch_is_to_compute(void **state) {
  (void)state;
  static const char *const models[] = {"mse", "nb", "conditioned", "added", "named", "scimilarity", "published"};
  const char *keep = test_variable("CYTOFORGE_TORCH_EXPORTED");
  cyf_scratch *scratch = NULL;
  if (keep == NULL) skip();
  assert_ok(cyf_scratch_create(device, &scratch));
  for (int i = 0; i < 14; i++) {
    char folder[256], path[64];
    snprintf(folder, sizeof folder, "%s-%s", models[i / 2], formats[i % 2]);
    snprintf(path, sizeof path, "%s.h5", models[i / 2]);
    cyf_model *model = load(path);
    teach_autoencoder(model, scratch, folder);
    if (model->denoiser != NULL) teach_denoiser(model, scratch, folder);
    cyf_model_destroy(&model);
    cli_expect(0, "mkdir -p '%s/models' && cp -r %s '%s/models'", keep, folder, keep);
  }
  cyf_scratch_destroy(&scratch);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(expression_with_two_classifiers),
      cmocka_unit_test(counts),
      cmocka_unit_test(conditions),
      cmocka_unit_test(an_added_classifier),
      cmocka_unit_test(names_and_every_setting),
      cmocka_unit_test(published_weights),
      cmocka_unit_test(single_files_carry_the_settings),
      cmocka_unit_test(what_would_give_other_cells_is_refused),
      cmocka_unit_test(missing_settings_are_named),
      cmocka_unit_test(what_torch_is_to_compute),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
