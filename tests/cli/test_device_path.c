/* SPDX-License-Identifier: MIT */
/* Whole commands on a device whose memory the host cannot touch: training with checkpoints and resuming, encoding,
 * decoding, sampling, paths. Everything they write is bit for bit what the CPU device gives. */
#include "atlas_fixture.h"
#include "cli/command.h"
#include "fenced_device.h"
#include "saved/model_file.h"

static bool fenced;

cyf_status __real_cyf_device_create_cpu(int n_threads, cyf_device **ret_device);
cyf_status __wrap_cyf_device_create_cpu(int n_threads, cyf_device **ret_device);

/* Stands in for cyf_device_create_cpu in all of the program (linked with --wrap). */
cyf_status __wrap_cyf_device_create_cpu(int n_threads, cyf_device **ret_device) {
  cyf_device *cpu = NULL;
  if (!fenced) return __real_cyf_device_create_cpu(n_threads, ret_device);
  CYF_TRY(__real_cyf_device_create_cpu(n_threads, &cpu));
  return fenced_device_create(cpu, ret_device);
}

enum { ARGUMENTS_MAX = 96 };

/* Runs a command line, words separated by blanks; "@" stands for the folder of the test. */
static cyf_status run(const fixture *shared, const cyf_command *command, const char *line) {
  char text[4096], *words[ARGUMENTS_MAX + 1], *at = text;
  int n = 0;
  for (const char *c = line; *c != '\0'; c++) {
    if (*c == '@')
      at += snprintf(at, sizeof text - (size_t)(at - text), "%s", shared->folder);
    else
      *at++ = *c;
  }
  *at = '\0';
  for (char *word = strtok(text, " "); word != NULL && n < ARGUMENTS_MAX; word = strtok(NULL, " ")) words[n++] = word;
  words[n] = NULL;
  cyf_context context = {.comm = shared->comm, .command_line = "cytoforge"};
  if (command->collective || shared->rank == 0) CYF_TRY(command->run(&context, n, words));
  return cyf_comm_barrier(shared->comm);
}

/* The same on the CPU device ("%" in the line is then "cpu") and on the fenced one ("fence"). */
static void run_both(const fixture *shared, const cyf_command *command, const char *line) {
  for (int f = 0; f < 2; f++) {
    char text[4096], *at = text;
    for (const char *c = line; *c != '\0'; c++)
      if (*c == '%')
        at = stpcpy(at, f ? "fence" : "cpu");
      else
        *at++ = *c;
    *at = '\0';
    const int64_t before = fenced_device_operations();
    fenced = f == 1;
    const cyf_status status = run(shared, command, text);
    fenced = false;
    if (status != CYF_OK) fail_msg("%s: %s (%s)", text, cyf_status_message(), cyf_status_where());
    assert_int_equal(fenced_device_operations() > before, f == 1);
  }
  assert_int_equal(fenced_device_leaks(), 0);
}

static void assert_same_parameters(const cyf_parameters *a, const cyf_parameters *b) {
  assert_int_equal(a->layout.total, b->layout.total);
  assert_memory_equal(a->value, b->value, sizeof(float) * (size_t)a->layout.total);
  if (a->buffer_layout.total > 0)
    assert_memory_equal(a->buffer, b->buffer, sizeof(float) * (size_t)a->buffer_layout.total);
}

static void assert_same_models(const fixture *shared, const char *name) {
  cyf_device *device = NULL;
  cyf_model *model[2] = {NULL, NULL};
  assert_ok(cyf_device_create_cpu(1, &device));
  for (int f = 0; f < 2; f++) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s-%s/model.h5", shared->folder, name, f ? "fence" : "cpu");
    assert_ok(cyf_model_load(path, device, &model[f]));
  }
  assert_same_parameters(cyf_autoencoder_parameters(model[0]->autoencoder),
                         cyf_autoencoder_parameters(model[1]->autoencoder));
  assert_same_parameters(cyf_denoiser_parameters(model[0]->denoiser), cyf_denoiser_parameters(model[1]->denoiser));
  assert_int_equal(model[0]->n_attributes, 2);
  int n_classifiers = 0;
  for (int64_t i = 0; i < model[0]->n_attributes; i++) {
    if (model[0]->attributes[i].classifier == NULL) continue;
    n_classifiers++;
    assert_same_parameters(cyf_classifier_parameters(model[0]->attributes[i].classifier),
                           cyf_classifier_parameters(model[1]->attributes[i].classifier));
  }
  assert_int_equal(n_classifiers, 2);
  for (int f = 0; f < 2; f++) cyf_model_destroy(&model[f]);
  cyf_device_destroy(&device);
}

static void assert_same_cells(const fixture *shared, const char *name) {
  cyf_csr_buffer rows[2] = {{0}, {0}};
  float *latent[2] = {NULL, NULL};
  int64_t width[2] = {0, 0}, n = 0;
  for (int f = 0; f < 2; f++) {
    char path[256];
    cyf_h5ad *file = NULL;
    snprintf(path, sizeof path, "%s/%s-%s.h5ad", shared->folder, name, f ? "fence" : "cpu");
    assert_ok(cyf_h5ad_open(path, NULL, &file));
    n = cyf_h5ad_n_cells(file);
    cyf_csr_buffer_clear(&rows[f], cyf_h5ad_n_genes(file));
    assert_ok(cyf_h5ad_read_rows(file, 0, n, &rows[f]));
    assert_ok(cyf_h5ad_read_obsm(file, "X_latent", &width[f], &latent[f]));
    cyf_h5ad_close(&file);
  }
  assert_int_equal(rows[0].n_cells, rows[1].n_cells);
  const int64_t nnz = rows[0].indptr[n];
  assert_true(nnz > 0);
  assert_memory_equal(rows[0].indptr, rows[1].indptr, sizeof(int64_t) * (size_t)(n + 1));
  assert_memory_equal(rows[0].indices, rows[1].indices, sizeof(int32_t) * (size_t)nnz);
  assert_memory_equal(rows[0].values, rows[1].values, sizeof(float) * (size_t)nnz);
  assert_int_equal(width[0], width[1]);
  assert_memory_equal(latent[0], latent[1], sizeof(float) * (size_t)(n * width[0]));
  for (int f = 0; f < 2; f++) {
    cyf_csr_buffer_destroy(&rows[f]);
    cyf_free(latent[f]);
  }
}

#define SMALL                                                                                                         \
  " --threads 1 --data @/atlas --set seed=3 --set autoencoder.hidden=[24,16] --set autoencoder.latent=8 --set "       \
  "denoiser.hidden=[24,16,8] --set classifier.hidden=[16,16,8] --set data.lanes=16 --set autoencoder.batch_cells=64 " \
  "--set denoiser.batch_cells=64 --set classifier.batch_cells=64 --set log.every=4 --set checkpoint.every=5 --set "   \
  "data.validation=0.1 --set autoencoder.validate_every=6 --set denoiser.validate_every=6 --set "                     \
  "classifier.validate_every=6 --set classifier.balance=sqrt --set autoencoder.clip_norm=0.05 --set "                 \
  "denoiser.accumulate=2 --set denoiser.ema_decay=0.9 --set diffusion.timesteps=50 --set diffusion.guide_below=50 "   \
  "--set autoencoder.ema_decay=0.8 --set classifier.patience=20 --set autoencoder.likelihood=mse "                    \
  "--set denoiser.conditions=[] "

static void data_are_made(void **state) {
  const fixture *shared = *state;
  assert_ok(run(shared, &cyf_cmd_synth, "synth -o @/cells.h5ad --cells 700 --genes 150 --types 3 --counts 300"));
  assert_ok(run(shared, &cyf_cmd_prepare,
                "prepare @/cells.h5ad -o @/atlas --label cell_type --label donor --shard-cells 200 --holdout 0.1"));
}

/* Every stage to its end; then the denoiser with conditions, stopped half way and gone on with. */
static void training_is_the_cpus(void **state) {
  const fixture *shared = *state;
  run_both(shared, &cyf_cmd_train,
           "train --out @/run-%" SMALL "--set autoencoder.steps=12 --set denoiser.steps=8 --set classifier.steps=12");
  assert_same_models(shared, "run");
  run_both(shared, &cyf_cmd_train,
           "train --out @/told-%" SMALL
           "--set autoencoder.steps=7 --set autoencoder.sync_batch_norm=false --set denoiser.steps=5 --set "
           "denoiser.conditions=[cell_type,donor] --set classifier.steps=5");
  run_both(shared, &cyf_cmd_train,
           "train --resume auto --out @/told-%" SMALL
           "--set autoencoder.steps=7 --set autoencoder.sync_batch_norm=false --set denoiser.steps=11 --set "
           "denoiser.conditions=[cell_type,donor] --set classifier.steps=9");
  assert_same_models(shared, "told");
}

/* An autoencoder of counts: what it learns, and what is drawn from it. */
static void counts_are_the_cpus(void **state) {
  const fixture *shared = *state;
  run_both(shared, &cyf_cmd_train,
           "train --out @/nb-%" SMALL
           "--set autoencoder.likelihood=nb --set autoencoder.steps=9 --set denoiser.steps=5 --set classifier.steps=5");
  assert_same_models(shared, "nb");
  run_both(shared, &cyf_cmd_sample, "sample -m @/nb-cpu/model.h5 --threads 2 -n 270 --steps 6 -o @/drawn-%.h5ad");
  assert_same_cells(shared, "drawn");
}

/* How often a run of a stage waits for the device. */
static int64_t waits_of(const fixture *shared, const char *stage, const char *likelihood, int n_steps) {
  char line[4096];
  snprintf(line, sizeof line,
           "train --stage %s --out @/waits-%s-%d" SMALL
           "--set autoencoder.steps=%d --set denoiser.steps=%d --set autoencoder.likelihood=%s --set log.every=100 "
           "--set checkpoint.every=0 --set autoencoder.validate_every=0 --set denoiser.validate_every=0",
           stage, likelihood, n_steps, n_steps, n_steps, likelihood);
  const int64_t before = fenced_device_waits();
  fenced = true;
  const cyf_status status = run(shared, &cyf_cmd_train, line);
  fenced = false;
  if (status != CYF_OK) fail_msg("%s: %s (%s)", line, cyf_status_message(), cyf_status_where());
  return fenced_device_waits() - before;
}

/* Twice as many steps wait no more often. With several ranks the sums over them wait, as MPI gets no device memory. */
static void steps_do_not_wait(void **state) {
  const fixture *shared = *state;
  static const char *const likelihoods[] = {"mse", "nb"}, *const stages[] = {"autoencoder", "encode", "denoiser"};
  if (shared->size > 1) return;
  for (int k = 0; k < 2; k++)
    for (int s = 0; s < 3; s++)
      assert_int_equal(waits_of(shared, stages[s], likelihoods[k], 10),
                       waits_of(shared, stages[s], likelihoods[k], 20));
}

/* Cells that stay in device memory: nothing of the training changes. */
static void resident_cells_train_the_same(void **state) {
  const fixture *shared = *state;
  run_both(shared, &cyf_cmd_train,
           "train --out @/resident-%" SMALL
           "--set data.residency=device --set autoencoder.steps=12 --set denoiser.steps=8 --set classifier.steps=12");
  assert_same_models(shared, "resident");
  cyf_device *device = NULL;
  cyf_model *model[2] = {NULL, NULL};
  static const char *const runs[] = {"run-cpu", "resident-cpu"};
  assert_ok(cyf_device_create_cpu(1, &device));
  for (int f = 0; f < 2; f++) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s/model.h5", shared->folder, runs[f]);
    assert_ok(cyf_model_load(path, device, &model[f]));
  }
  assert_same_parameters(cyf_autoencoder_parameters(model[0]->autoencoder),
                         cyf_autoencoder_parameters(model[1]->autoencoder));
  for (int f = 0; f < 2; f++) cyf_model_destroy(&model[f]);
  cyf_device_destroy(&device);
}

/* A gradient that is not finite ends a run on both, and on the fenced device leaves no checkpoint behind it. */
static void divergence_is_seen(void **state) {
  const fixture *shared = *state;
  for (int f = 0; f < 2; f++) {
    char line[4096];
    snprintf(line, sizeof line,
             "train --stage autoencoder --out @/diverged-%d" SMALL
             "--set autoencoder.steps=60 --set autoencoder.learning_rate=9 --set autoencoder.beta2=0 --set "
             "autoencoder.weight_decay=10 --set autoencoder.clip_norm=0",
             f);
    fenced = f == 1;
    const cyf_status status = run(shared, &cyf_cmd_train, line);
    fenced = false;
    assert_int_equal(status, CYF_ERR_NUMERIC);
    assert_non_null(strstr(cyf_status_message(), "not finite at step"));
    cyf_status_clear();
  }
}

static void sampling_is_the_cpus(void **state) {
  const fixture *shared = *state;
  static const char *const asked[] = {
      "-n 300 --method ddpm",
      "-n 300 --method ddim --steps 10 --eta 0.5 --where donor=donor_1",
      "-n 300 --method dpm++ --steps 8 --where cell_type=type_1 --guidance 3",
  };
  char line[1024], name[64];
  for (int i = 0; i < 3; i++) {
    snprintf(line, sizeof line, "sample -m @/run-cpu/model.h5 --threads 2 --seed 4 -o @/sample%d-%%.h5ad %s", i,
             asked[i]);
    snprintf(name, sizeof name, "sample%d", i);
    run_both(shared, &cyf_cmd_sample, line);
    assert_same_cells(shared, name);
  }
  run_both(shared, &cyf_cmd_sample,
           "sample -m @/told-cpu/model.h5 --threads 2 -n 300 --steps 6 --where cell_type=type_1 --where donor=donor_1 "
           "--guidance-mode free -o @/free-%.h5ad");
  assert_same_cells(shared, "free");
  run_both(
      shared, &cyf_cmd_interpolate,
      "interpolate -m @/run-cpu/model.h5 --threads 2 --attribute cell_type --from type_1 --to type_2 --points 4 -n 70 "
      "--steps 10 --start @/atlas/heldout.h5ad -o @/path-%.h5ad");
  assert_same_cells(shared, "path");
}

static void encoding_is_the_cpus(void **state) {
  const fixture *shared = *state;
  run_both(shared, &cyf_cmd_encode,
           "encode -m @/run-cpu/model.h5 --threads 2 @/atlas/heldout.h5ad -o @/encoded-%.h5ad");
  assert_same_cells(shared, "encoded");
  run_both(shared, &cyf_cmd_decode, "decode -m @/run-cpu/model.h5 --threads 2 @/encoded-cpu.h5ad -o @/decoded-%.h5ad");
  assert_same_cells(shared, "decoded");
  run_both(shared, &cyf_cmd_encode, "encode -m @/run-cpu/model.h5 @/atlas -o @/latents-%");
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(data_are_made),        TEST(training_is_the_cpus), TEST(resident_cells_train_the_same),
      TEST(counts_are_the_cpus),  TEST(steps_do_not_wait),    TEST(divergence_is_seen),
      TEST(encoding_is_the_cpus), TEST(sampling_is_the_cpus)};
  return FIXTURE_RUN(tests);
}
