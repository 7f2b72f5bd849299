/* SPDX-License-Identifier: MIT */
/* import, export and fine-tuning through the program, against what PyTorch computed (tests/torch/make_fixtures.py).
 * Errors are max|a - b| / max|b|, 1e-4 at most. */
#include <math.h>

#include "cli.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "data/tensors/torch_file.h"
#include "dense_rows.h"
#include "torch_fixtures.h"

static const double TOLERANCE = 1e-4;
static char fixtures[512];
static int64_t n_cells, n_genes, n_latent, n_sampled;

/* counts.h5ad, and a model of everything. */
static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  snprintf(fixtures, sizeof fixtures, "%s", fixtures_folder());
  setenv("fixtures", fixtures, 1);
  n_cells = fixture_shape("cells");
  n_genes = fixture_shape("genes");
  n_latent = fixture_shape("latent");
  n_sampled = fixture_shape("sampled");
  const cyf_h5ad_options options = {.format = CYF_MATRIX_DENSE};
  cyf_h5ad_writer *writer = NULL;
  cyf_names genes = {0};
  float *counts = fixture_floats("counts.bin", n_cells * n_genes);
  double *dense = NULL;
  cyf_csr_buffer rows = {0};
  assert_ok(CYF_NEW(&dense, n_cells * n_genes));
  for (int64_t i = 0; i < n_cells * n_genes; i++) dense[i] = (double)counts[i];
  cyf_csr_buffer_clear(&rows, n_genes);
  assert_ok(append_dense(n_cells, n_genes, dense, &rows));
  const cyf_csr matrix = cyf_csr_view(&rows);
  for (int64_t g = 0; g < n_genes; g++) {
    char name[32];
    snprintf(name, sizeof name, "GENE%lld", (long long)g);
    assert_ok(cyf_names_add(&genes, name, NULL));
  }
  assert_ok(cyf_h5ad_writer_create("counts.h5ad", n_genes, &options, &writer));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  assert_ok(cyf_h5ad_writer_append_csr(writer, &matrix));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
  cyf_free(dense);
  free(counts);
  return cli_run(
      "$cytoforge import --autoencoder $fixtures/autoencoder.pt --genes $fixtures/scimilarity/gene_order.tsv "
      "--denoiser "
      "$fixtures/denoiser.pt --classifier cell_type=$fixtures/classifier.pt,$fixtures/labels.txt -o model.h5");
}

/* ---- comparing ---- */

static void check_against(const char *what, const float *got, const char *name, int64_t count) {
  float *wanted = fixture_floats(name, count);
  double difference = 0, largest = 0;
  for (int64_t i = 0; i < count; i++) {
    assert_true(isfinite(got[i]));
    difference = fmax(difference, fabs((double)got[i] - (double)wanted[i]));
    largest = fmax(largest, fabs((double)wanted[i]));
  }
  assert_true(largest > 0);
  print_message("%s against %s: %.2g (tolerance %g)\n", what, name, difference / largest, TOLERANCE);
  assert_true(difference / largest <= TOLERANCE);
  free(wanted);
}

/* X and obsm/X_latent of a file; a NULL name is not compared. */
static void check_h5ad(const char *path, int64_t n, const char *latent_name, const char *x_name) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  float *latent = NULL, *dense = NULL;
  int64_t width = 0;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), n);
  assert_int_equal(cyf_h5ad_n_genes(file), n_genes);
  assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &width, &latent));
  assert_int_equal(width, n_latent);
  if (latent_name != NULL) check_against(path, latent, latent_name, n * width);
  cyf_csr_buffer_clear(&rows, n_genes);
  assert_ok(cyf_h5ad_read_rows(file, 0, n, &rows));
  assert_ok(CYF_NEW(&dense, n * n_genes));
  for (int64_t i = 0; i < n; i++)
    for (int64_t e = rows.indptr[i]; e < rows.indptr[i + 1]; e++) dense[i * n_genes + rows.indices[e]] = rows.values[e];
  if (x_name != NULL) check_against(path, dense, x_name, n * n_genes);
  cyf_free(dense);
  cyf_free(latent);
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
}

/* ---- import ---- */

static void check_encode_and_decode(const char *model) {
  cli_expect(0, "$cytoforge encode -m %s counts.h5ad -o encoded.h5ad --force", model);
  check_h5ad("encoded.h5ad", n_cells, "latent.bin", NULL);
  cli_expect(0, "$cytoforge decode -m %s encoded.h5ad -o decoded.h5ad --force", model);
  check_h5ad("decoded.h5ad", n_cells, "latent.bin", "decoded.bin");
}

static void encode_and_decode_agree_with_torch(void **state) {
  (void)state;
  check_encode_and_decode("model.h5");
}

static void every_form_of_the_autoencoder_gives_the_same_model(void **state) {
  (void)state;
  static const char *const forms[] = {"autoencoder_archive.pt", "autoencoder_strided.pt", "autoencoder_parameters.pt"};
  for (int i = 0; i < 3; i++) {
    cli_expect(0,
               "$cytoforge import --autoencoder $fixtures/%s --genes $fixtures/scimilarity/gene_order.tsv -o form.h5 "
               "--force",
               forms[i]);
    check_encode_and_decode("form.h5");
  }
  cli_expect(0, "$cytoforge import --scimilarity $fixtures/scimilarity -o scimilarity.h5");
  check_encode_and_decode("scimilarity.h5");
}

static void sample(const char *options, const char *name) {
  cli_expect(0, "$cytoforge sample -m model.h5 -n %lld --method ddim --steps %lld --seed %lld %s -o %s.h5ad",
             (long long)n_sampled, (long long)fixture_shape("steps"), (long long)fixture_shape("seed"), options, name);
}

static void deterministic_sampling_agrees_with_torch(void **state) {
  (void)state;
  char guided[64];
  snprintf(guided, sizeof guided, "--guidance 2 --where cell_type='type %lld/é'", (long long)fixture_shape("label"));
  sample("", "plain");
  check_h5ad("plain.h5ad", n_sampled, "plain_latent.bin", "plain_decoded.bin");
  sample(guided, "guided");
  check_h5ad("guided.h5ad", n_sampled, "guided_latent.bin", "guided_decoded.bin");
}

static void shapes_are_reported(void **state) {
  (void)state;
  char text[128];
  cli_expect(0,
             "$cytoforge import --scimilarity $fixtures/scimilarity --denoiser $fixtures/denoiser.pt --classifier "
             "\"cell type\"=$fixtures/classifier.pt,$fixtures/labels.txt -o reported.h5");
  snprintf(text, sizeof text, "%lld genes, hidden [%lld, ", (long long)n_genes, (long long)fixture_shape("hidden"));
  cli_expect_text(text);
  snprintf(text, sizeof text, "denoiser.pt: hidden [%lld, ", (long long)fixture_shape("denoiser"));
  cli_expect_text(text);
  snprintf(text, sizeof text, "%lld classes", (long long)fixture_shape("classes"));
  cli_expect_text(text);
  cli_expect(0, "$cytoforge info reported.h5");
  cli_expect_text("cell type: 5 categories");
  cli_expect_text("classifier: yes");
}

static void without_a_denoiser_there_is_no_sampling(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge import --scimilarity $fixtures/scimilarity -o bare.h5");
  cli_expect_text("will encode and decode, not sample");
  cli_expect(0, "$cytoforge info bare.h5");
  cli_expect_text("no denoiser");
  cli_expect(4, "mpirun -n 2 $cytoforge sample -m bare.h5 -n 10 -o x.h5ad");
  cli_expect_one_error("bare.h5 has no denoiser");
  assert_int_not_equal(access("x.h5ad", F_OK), 0);
}

static void what_does_not_fit_is_refused(void **state) {
  (void)state;
  const char *import = "$cytoforge import --scimilarity $fixtures/scimilarity -o x.h5";
  cli_expect(4, "%s --denoiser $fixtures/denoiser_other.pt", import);
  cli_expect_text("latent coordinates, but the autoencoder has");
  cli_expect(4, "%s --denoiser $fixtures/denoiser_diverged.pt", import);
  cli_expect_text("tensor out2.bias holds nan");
  cli_expect(4, "%s --denoiser $fixtures/classifier.pt", import);
  cli_expect_text("is no denoiser of scDiffusion");
  cli_expect(4, "%s --classifier t=$fixtures/classifier.pt,$fixtures/scimilarity/gene_order.tsv", import);
  cli_expect_text("classes apart");
  cli_expect(4, "%s --genes $fixtures/labels.txt", import);
  cli_expect_text("lists 5 genes, but the autoencoder");
  cli_expect(4,
             "$cytoforge import --autoencoder $fixtures/scimilarity/encoder.ckpt --genes $fixtures/labels.txt -o x.h5");
  cli_expect_text("is no autoencoder");
  cli_expect(2, "$cytoforge import --autoencoder $fixtures/autoencoder.pt -o x.h5");
  cli_expect_text("--genes LIST is needed");
  cli_expect(2, "$cytoforge import -o x.h5");
  cli_expect(2, "%s --autoencoder $fixtures/autoencoder.pt", import);
  cli_expect(2, "%s --classifier cell_type", import);
  cli_expect_text("ATTR=F[,LABELS.txt]");
  cli_expect(5, "$cytoforge import --scimilarity $fixtures/scimilarity -o model.h5");
  cli_expect(4, "$cytoforge import --autoencoder $fixtures/evil.pt --genes $fixtures/labels.txt -o x.h5");
  cli_expect_text("posix.system, which is refused");
  assert_int_not_equal(access("executed", F_OK), 0);
  cli_expect(4, "$cytoforge import --autoencoder $fixtures/legacy.pt --genes $fixtures/labels.txt -o x.h5");
  cli_expect_text("torch.save(torch.load(");
  assert_int_not_equal(access("x.h5", F_OK), 0);
}

/* ---- export ---- */

/* Every tensor of a checkpoint stands in the safetensors file, with its shape and bit for bit. */
static void check_exported(const char *safetensors, const char *prefix, const char *checkpoint) {
  size_t size = 0;
  unsigned char *bytes = fixture_bytes(safetensors, &size);
  cyf_torch_file *file = NULL;
  uint64_t length = 0;
  memcpy(&length, bytes, sizeof length);
  assert_true(length % 8 == 0 && length + 8 <= size);
  char *header = calloc(1, length + 1);
  memcpy(header, bytes + 8, length);
  assert_ok(cyf_torch_file_open(fixture(checkpoint), &file));
  for (int64_t i = 0; i < cyf_torch_file_n_tensors(file); i++) {
    const cyf_torch_tensor *tensor = cyf_torch_file_tensor(file, i);
    const bool counter = tensor->type == CYF_TORCH_INT64;
    char wanted[512], shape[64] = "";
    for (int d = 0; d < tensor->n_dims; d++)
      snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", d ? ", " : "",
               (long long)tensor->shape[d]);
    snprintf(wanted, sizeof wanted, "\"%s%s\": {\"dtype\": \"%s\", \"shape\": [%s], \"data_offsets\": [", prefix,
             tensor->name, counter ? "I64" : "F32", shape);
    const char *at = strstr(header, wanted);
    if (at == NULL) fail_msg("%s: no %s in %s", safetensors, wanted, header);
    const size_t offset = (size_t)atoll(at + strlen(wanted));
    float *values = NULL;
    assert_ok(CYF_NEW(&values, tensor->count));
    assert_ok(cyf_torch_file_read_floats(file, i, values));
    const unsigned char *data = bytes + 8 + length + offset;
    int64_t count = 0;
    if (counter) {
      memcpy(&count, data, sizeof count);
      assert_int_equal(count, (int64_t)values[0]);
    } else {
      assert_memory_equal(data, values, sizeof *values * (size_t)tensor->count);
    }
    cyf_free(values);
  }
  cyf_torch_file_close(&file);
  free(header);
  free(bytes);
}

static void exported_numbers_are_bit_for_bit(void **state) {
  (void)state;
  cli_expect(0, "$cytoforge export -m model.h5 --format pytorch-names -o names");
  check_exported("names/autoencoder.safetensors", "", "autoencoder.pt");
  check_exported("names/denoiser.safetensors", "", "denoiser.pt");
  check_exported("names/classifier_0.safetensors", "", "classifier.pt");
  cli_expect(0,
             "cmp names/genes.txt $fixtures/scimilarity/gene_order.tsv && cmp names/labels_0.txt $fixtures/labels.txt");
  cli_expect(0, "grep load_state_dict names/README");
  cli_expect(0, "$cytoforge export -m model.h5 --format safetensors -o one");
  check_exported("one/model.safetensors", "autoencoder.", "autoencoder.pt");
  check_exported("one/model.safetensors", "denoiser.", "denoiser.pt");
  check_exported("one/model.safetensors", "classifiers.0.", "classifier.pt");
  cli_expect(5, "$cytoforge export -m model.h5 --format safetensors -o one");
  cli_expect(2, "$cytoforge export -m model.h5 --format onnx -o two");
  cli_expect_text("safetensors or pytorch-names");
  /* Where the caller loads the exported files into torch modules (tests/scripts/torch_run.sh). */
  const char *keep = test_variable("CYTOFORGE_TORCH_EXPORTED");
  if (keep != NULL) cli_expect(0, "cp -r names one '%s'", keep);
}

/* ---- fine-tuning ---- */

static void training_starts_from_scimilarity(void **state) {
  (void)state;
  char hidden[64] = "", line[256], text[128];
  FILE *shapes = fopen(fixture("shapes.txt"), "r");
  assert_non_null(shapes);
  long a, b, c;
  while (fgets(line, sizeof line, shapes) != NULL)
    if (sscanf(line, "hidden %ld %ld %ld", &a, &b, &c) == 3)
      snprintf(hidden, sizeof hidden, "[%ld, %ld, %ld]", a, b, c);
  fclose(shapes);
  /* 30 genes of the simulator's 40 are known to the directory, in another order. */
  cli_expect(
      0,
      "$cytoforge synth -o cells.h5ad --cells 400 --genes 40 --types 2 --counts 300 && $cytoforge prepare "
      "cells.h5ad -o atlas --min-genes 0 --min-cells 0 && mkdir start && cp $fixtures/scimilarity/*.ckpt start && "
      "{ seq -f GENE%%06g 40 -1 11; seq -f other%%g 1 %lld; } > start/gene_order.tsv",
      (long long)n_genes - 30);
  cli_expect(
      0,
      "mpirun -n 2 $cytoforge train $fixed --data atlas --out run --stage autoencoder --set autoencoder.steps=20 --set "
      "autoencoder.init=start --set autoencoder.latent=%lld --set autoencoder.hidden='%s'",
      (long long)n_latent, hidden);
  snprintf(text, sizeof text, "30 of 40 genes are among its %lld and keep their weights, 10 are new",
           (long long)n_genes);
  cli_expect_text(text);
  cli_expect(
      3,
      "mpirun -n 2 $cytoforge train $fixed --data atlas --out other --stage autoencoder --set autoencoder.init=start "
      "--set autoencoder.hidden='[8]'");
  cli_expect_one_error("cytoforge: error");
  cli_expect_text("set autoencoder.hidden and autoencoder.latent to the former");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(encode_and_decode_agree_with_torch),
      cmocka_unit_test(every_form_of_the_autoencoder_gives_the_same_model),
      cmocka_unit_test(deterministic_sampling_agrees_with_torch),
      cmocka_unit_test(shapes_are_reported),
      cmocka_unit_test(without_a_denoiser_there_is_no_sampling),
      cmocka_unit_test(what_does_not_fit_is_refused),
      cmocka_unit_test(exported_numbers_are_bit_for_bit),
      cmocka_unit_test(training_starts_from_scimilarity),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
