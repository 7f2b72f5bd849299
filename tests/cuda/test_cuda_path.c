/* SPDX-License-Identifier: MIT */
/* Whole commands on the emulated CUDA device beside the CPU's: training steps of the autoencoder, the denoiser and the
 * classifiers, encoding, and sampling. What they make agrees to float32's rounding, grown by a few steps. */
#include "atlas_fixture.h"
#include "cli/command.h"
#include "cuda_runtime_api.h"
#include "kernels/cuda/cuda_device.h"
#include "saved/model_file.h"

static bool emulated;

cyf_status __real_cyf_device_create_cpu(int n_threads, cyf_device **ret_device);
cyf_status __wrap_cyf_device_create_cpu(int n_threads, cyf_device **ret_device);

/* Stands in for cyf_device_create_cpu in all of the program (linked with --wrap). Commands are told --device cpu, since
 * by themselves they would find the emulated GPU and take bf16. */
cyf_status __wrap_cyf_device_create_cpu(int n_threads, cyf_device **ret_device) {
  if (!emulated) return __real_cyf_device_create_cpu(n_threads, ret_device);
  return cyf_device_create_cuda(0, n_threads, CYF_PRECISION_FP32, ret_device);
}

enum { ARGUMENTS_MAX = 96 };

/* Runs a command line, words separated by blanks, on the CPU or the emulated device; "@" stands for the folder of the
 * test, "%" for the device. */
static void run(const fixture *shared, const cyf_command *command, const char *line, bool on_cuda) {
  char text[4096], *words[ARGUMENTS_MAX + 1], *at = text;
  int n = 0;
  for (const char *c = line; *c != '\0'; c++) {
    if (*c == '@') {
      at = stpcpy(at, shared->folder);
    } else if (*c == '%') {
      at = stpcpy(at, on_cuda ? "cuda" : "cpu");
    } else {
      *at++ = *c;
    }
  }
  *at = '\0';
  for (char *word = strtok(text, " "); word != NULL && n < ARGUMENTS_MAX; word = strtok(NULL, " ")) words[n++] = word;
  words[n] = NULL;
  cyf_context context = {.comm = shared->comm, .command_line = "cytoforge"};
  const int64_t before = emulator_launches(), n_graphs = emulator_graphs().launched;
  emulated = on_cuda;
  const cyf_status status = command->run(&context, n, words);
  emulated = false;
  if (status != CYF_OK) fail_msg("%s: %s (%s)", line, cyf_status_message(), cyf_status_where());
  assert_int_equal(emulator_launches() > before, on_cuda);
  const bool has_steps = command == &cyf_cmd_sample || (command == &cyf_cmd_train && strstr(line, "--stage") == NULL);
  assert_int_equal(emulator_graphs().launched > n_graphs, on_cuda && has_steps);
  assert_int_equal(emulator_bytes_in_use(), 0);
}

static void run_both(const fixture *shared, const cyf_command *command, const char *line) {
  run(shared, command, line, false);
  run(shared, command, line, true);
}

/* sum|a - b| / sum|b|: AdamW moves a parameter whose gradient is rounding alone by a whole step, so the largest
 * difference says nothing. */
static void assert_near(const char *what, const float *a, const float *b, int64_t count, double tolerance) {
  double difference = 0.0, size = 0.0;
  for (int64_t k = 0; k < count; k++) {
    difference += fabs((double)a[k] - (double)b[k]);
    size += fabs((double)b[k]);
  }
  if (!(difference <= tolerance * size)) fail_msg("%s: relative difference %g", what, difference / size);
}

static void assert_near_parameters(const char *what, const cyf_parameters *a, const cyf_parameters *b) {
  assert_int_equal(a->layout.total, b->layout.total);
  assert_near(what, a->value, b->value, a->layout.total, 1e-3);
  assert_near(what, a->buffer, b->buffer, a->buffer_layout.total, 1e-3);
}

static void data_are_made(void **state) {
  const fixture *shared = *state;
  run(shared, &cyf_cmd_synth, "synth -o @/cells.h5ad --cells 300 --genes 90 --types 3 --counts 300", false);
  run(shared, &cyf_cmd_prepare, "prepare @/cells.h5ad -o @/atlas --label cell_type --holdout 0.1", false);
}

#define SMALL                                                                                                          \
  " --device cpu --threads 1 --data @/atlas --set seed=3 --set autoencoder.hidden=[24,16] --set autoencoder.latent=8 " \
  "--set "                                                                                                             \
  "denoiser.hidden=[24,16,8] --set classifier.hidden=[16,16,8] --set data.lanes=16 --set autoencoder.batch_cells=64 "  \
  "--set denoiser.batch_cells=64 --set classifier.batch_cells=64 --set data.validation=0.1 --set "                     \
  "diffusion.timesteps=50 --set diffusion.guide_below=50 --set autoencoder.steps=5 --set denoiser.steps=4 --set "      \
  "classifier.steps=4 --set autoencoder.likelihood=mse --set denoiser.conditions=[] "

static void training_is_near_the_cpus(void **state) {
  const fixture *shared = *state;
  cyf_device *device = NULL;
  cyf_model *model[2] = {NULL, NULL};
  run_both(shared, &cyf_cmd_train, "train --out @/run-%" SMALL);
  assert_ok(__real_cyf_device_create_cpu(1, &device));
  for (int f = 0; f < 2; f++) {
    char path[256];
    snprintf(path, sizeof path, "%s/run-%s/model.h5", shared->folder, f ? "cuda" : "cpu");
    assert_ok(cyf_model_load(path, device, &model[f]));
  }
  assert_near_parameters("autoencoder", cyf_autoencoder_parameters(model[1]->autoencoder),
                         cyf_autoencoder_parameters(model[0]->autoencoder));
  assert_near_parameters("denoiser", cyf_denoiser_parameters(model[1]->denoiser),
                         cyf_denoiser_parameters(model[0]->denoiser));
  assert_near_parameters("classifier", cyf_classifier_parameters(model[1]->attributes[0].classifier),
                         cyf_classifier_parameters(model[0]->attributes[0].classifier));
  for (int f = 0; f < 2; f++) cyf_model_destroy(&model[f]);
  cyf_device_destroy(&device);
}

static void counts_train(void **state) {
  run_both(*state, &cyf_cmd_train, "train --stage autoencoder --out @/nb-%" SMALL "--set autoencoder.likelihood=nb");
}

static void assert_near_latents(const fixture *shared, const char *name) {
  float *latent[2] = {NULL, NULL};
  int64_t width = 0, n = 0;
  for (int f = 0; f < 2; f++) {
    char path[256];
    cyf_h5ad *file = NULL;
    snprintf(path, sizeof path, "%s/%s-%s.h5ad", shared->folder, name, f ? "cuda" : "cpu");
    assert_ok(cyf_h5ad_open(path, NULL, &file));
    n = cyf_h5ad_n_cells(file);
    assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &width, &latent[f]));
    cyf_h5ad_close(&file);
  }
  assert_near(name, latent[1], latent[0], n * width, 1e-4);
  for (int f = 0; f < 2; f++) cyf_free(latent[f]);
}

/* More than a block of the GPU's; with sanitizers, which make emulated threads fifteen times slower, of the CPU's. */
#ifdef __SANITIZE_ADDRESS__
#define SAMPLED "260"
#else
#define SAMPLED "2100"
#endif

static void encoding_and_sampling_are_near_the_cpus(void **state) {
  const fixture *shared = *state;
  run_both(shared, &cyf_cmd_encode,
           "encode -m @/run-cpu/model.h5 --device cpu --threads 1 @/atlas/heldout.h5ad -o @/encoded-%.h5ad");
  assert_near_latents(shared, "encoded");
  run_both(shared, &cyf_cmd_sample,
           "sample -m @/run-cpu/model.h5 --device cpu --threads 1 -n " SAMPLED
           " --method ddim --steps 6 --eta 0.5 -o @/ddim-%.h5ad");
  assert_near_latents(shared, "ddim");
  run_both(shared, &cyf_cmd_sample,
           "sample -m @/run-cpu/model.h5 --device cpu --threads 1 -n 40 --method dpm++ --steps 6 --where "
           "cell_type=type_1 --guidance 2 "
           "-o @/multi-%.h5ad");
  assert_near_latents(shared, "multi");
  run_both(shared, &cyf_cmd_sample,
           "sample -m @/run-cpu/model.h5 --device cpu --threads 1 -n 40 --method ddpm --steps 8 -o @/ddpm-%.h5ad");
  assert_near_latents(shared, "ddpm");
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {TEST(data_are_made), TEST(training_is_near_the_cpus), TEST(counts_train),
                                     TEST(encoding_and_sampling_are_near_the_cpus)};
  return FIXTURE_RUN(tests);
}
