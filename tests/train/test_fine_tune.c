/* SPDX-License-Identifier: MIT */
/* Starting an autoencoder from SCimilarity's: matched genes keep their rows of the first and the last layer, the others
 * their initialisation, and everything between is taken over. */
#include <unistd.h>

#include "data/tensors/torch_file.h"
#include "golden.h"
#include "saved/published.h"
#include "train/fine_tune.h"

enum { N_GENES = 40, N_KNOWN = 25, SEED = 11 };

static char directory[1024];
static cyf_device *device;
static cyf_published published;
static cyf_autoencoder_config config; /* the directory's, but for the number of genes */
static int64_t n_old_genes;
static cyf_names genes;

/* The model's gene g: for g < N_KNOWN gene (7 g + 3) of the directory, behind them new ones. */
static int64_t old_gene(int64_t g) {
  return g < N_KNOWN ? (7 * g + 3) % n_old_genes : -1;
}

static int setup(void **state) {
  (void)state;
  const char *fresh = test_variable("CYTOFORGE_TORCH_FIXTURES");
  snprintf(directory, sizeof directory, "%s%s/scimilarity", fresh != NULL ? fresh : test_source(),
           fresh != NULL ? "" : "/tests/torch/fixtures");
  if (cyf_device_create_cpu(1, &device) != CYF_OK) return -1;
  if (cyf_published_open_scimilarity(directory, &published) != CYF_OK) return -1;
  if (cyf_published_autoencoder(&published, &config) != CYF_OK) return -1;
  n_old_genes = config.n_genes;
  config.n_genes = N_GENES;
  for (int64_t g = 0; g < N_GENES; g++) {
    char name[32];
    snprintf(name, sizeof name, "%s%lld", g < N_KNOWN ? "GENE" : "new", (long long)(g < N_KNOWN ? old_gene(g) : g));
    if (cyf_names_add(&genes, name, NULL) != CYF_OK) return -1;
  }
  return genes.n == N_GENES ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  cyf_published_close(&published);
  cyf_names_destroy(&genes);
  cyf_device_destroy(&device);
  return 0;
}

static cyf_autoencoder *make(bool started) {
  cyf_autoencoder *a = NULL;
  assert_ok(cyf_autoencoder_create(device, &config, 1, &a));
  assert_ok(cyf_autoencoder_init(a, SEED));
  if (started) assert_ok(cyf_autoencoder_start_from(a, directory, &genes));
  return a;
}

/* A tensor of the model in PyTorch's order; freed with cyf_free. */
static float *tensor_of(cyf_autoencoder *a, const char *name, const cyf_named_tensor **ret_tensor) {
  cyf_parameters *p = cyf_autoencoder_parameters(a);
  const cyf_named_tensor *tensor = cyf_layout_find(&p->layout, name);
  const float *flat = p->value; /* the CPU's memory is the host's */
  if (tensor == NULL) {
    tensor = cyf_layout_find(&p->buffer_layout, name);
    flat = p->buffer;
  }
  assert_non_null(tensor);
  float *values = NULL;
  assert_ok(CYF_NEW(&values, tensor->count));
  cyf_tensor_to_torch_order(tensor, flat, values);
  if (ret_tensor != NULL) *ret_tensor = tensor;
  return values;
}

/* rows x columns of the model against `old`: along the gene axis matched ones are the directory's, others as they were
 * initialised. */
static void check_by_gene(const char *name, bool genes_are_rows) {
  cyf_autoencoder *started = make(true), *fresh = make(false);
  const cyf_named_tensor *tensor = NULL;
  float *now = tensor_of(started, name, &tensor), *before = tensor_of(fresh, name, NULL), *old = NULL;
  const int64_t width = tensor->count / N_GENES;
  cyf_named_tensor in_file = *tensor;
  in_file.count = width * n_old_genes;
  assert_ok(CYF_NEW(&old, in_file.count));
  assert_ok(cyf_published_read(&published, &in_file, old));
  for (int64_t g = 0; g < N_GENES; g++)
    for (int64_t k = 0; k < width; k++) {
      const int64_t at = genes_are_rows ? g * width + k : k * N_GENES + g, o = old_gene(g);
      const float wanted = o < 0 ? before[at] : old[genes_are_rows ? o * width + k : k * n_old_genes + o];
      if (now[at] != wanted)
        fail_msg("%s: gene %lld, %lld: %g, not %g", name, (long long)g, (long long)k, now[at], wanted);
    }
  cyf_free(old);
  cyf_free(now);
  cyf_free(before);
  cyf_autoencoder_destroy(&started);
  cyf_autoencoder_destroy(&fresh);
}

static void matched_genes_keep_their_rows(void **state) {
  (void)state;
  char weight[64], bias[64];
  snprintf(weight, sizeof weight, "decoder.network.%d.weight", config.n_hidden);
  snprintf(bias, sizeof bias, "decoder.network.%d.bias", config.n_hidden);
  check_by_gene("encoder.network.0.1.weight", false);
  check_by_gene(weight, true);
  check_by_gene(bias, true);
}

static void everything_between_is_taken_over(void **state) {
  (void)state;
  static const char *const names[] = {
      "encoder.network.0.1.bias",   "encoder.network.0.2.running_var", "encoder.network.0.2.num_batches_tracked",
      "encoder.network.1.1.weight", "encoder.network.1.3.weight",      "decoder.network.0.0.weight"};
  cyf_autoencoder *started = make(true);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const cyf_named_tensor *tensor = NULL;
    float *now = tensor_of(started, names[i], &tensor), *old = NULL;
    assert_ok(CYF_NEW(&old, tensor->count));
    assert_ok(cyf_published_read(&published, tensor, old));
    assert_memory_equal(now, old, sizeof *now * (size_t)tensor->count);
    cyf_free(now);
    cyf_free(old);
  }
  cyf_autoencoder_destroy(&started);
}

/* The output of a model of counts is the logarithm of shares, for which the published last layer is of no use. The rest
 * is taken over. */
static void a_model_of_counts_keeps_its_last_layer(void **state) {
  (void)state;
  char weight[64];
  snprintf(weight, sizeof weight, "decoder.network.%d.weight", config.n_hidden);
  const char *const own[] = {weight, "library.weight", "dispersion.log_theta"}, *const taken =
                                                                                    "decoder.network.0.0.weight";
  config.likelihood = CYF_LIKELIHOOD_NB;
  cyf_autoencoder *started = make(true), *fresh = make(false);
  config.likelihood = CYF_LIKELIHOOD_MSE;
  const cyf_named_tensor *tensor = NULL;
  for (int i = 0; i < 3; i++) {
    float *now = tensor_of(started, own[i], &tensor), *before = tensor_of(fresh, own[i], NULL);
    assert_memory_equal(now, before, sizeof *now * (size_t)tensor->count);
    cyf_free(now);
    cyf_free(before);
  }
  float *now = tensor_of(started, taken, &tensor), *old = NULL;
  assert_ok(CYF_NEW(&old, tensor->count));
  assert_ok(cyf_published_read(&published, tensor, old));
  assert_memory_equal(now, old, sizeof *now * (size_t)tensor->count);
  cyf_free(now);
  cyf_free(old);
  cyf_autoencoder_destroy(&started);
  cyf_autoencoder_destroy(&fresh);
}

static void unsuitable_starts_are_refused(void **state) {
  (void)state;
  cyf_autoencoder *a = NULL;
  cyf_autoencoder_config other = config;
  other.hidden[1]++;
  assert_ok(cyf_autoencoder_create(device, &other, 1, &a));
  assert_int_equal(cyf_autoencoder_start_from(a, directory, &genes), CYF_ERR_CONFIG);
  assert_non_null(strstr(cyf_status_message(), "set autoencoder.hidden and autoencoder.latent to the former"));
  cyf_status_clear();
  cyf_autoencoder_destroy(&a);
  cyf_names strangers = {0};
  for (int64_t g = 0; g < N_GENES; g++) {
    char name[32];
    snprintf(name, sizeof name, "stranger%lld", (long long)g);
    assert_ok(cyf_names_add(&strangers, name, NULL));
  }
  a = make(false);
  assert_int_equal(cyf_autoencoder_start_from(a, directory, &strangers), CYF_ERR_INPUT);
  assert_non_null(strstr(cyf_status_message(), "none of the atlas' genes"));
  cyf_status_clear();
  assert_int_equal(cyf_autoencoder_start_from(a, "/no/such/directory", &genes), CYF_ERR_INPUT);
  cyf_status_clear();
  cyf_names_destroy(&strangers);
  cyf_autoencoder_destroy(&a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(matched_genes_keep_their_rows),
      cmocka_unit_test(everything_between_is_taken_over),
      cmocka_unit_test(a_model_of_counts_keeps_its_last_layer),
      cmocka_unit_test(unsuitable_starts_are_refused),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
