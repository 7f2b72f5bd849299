/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/log.h"
#include "base/memory.h"
#include "train/latent_batch.h"
#include "train/stage_common.h"
#include "train/start_model.h"

typedef struct classifier_stage {
  const cyf_stage_environment *env;
  int64_t attribute;
  cyf_classifier *model;
  cyf_latent_loader *train, *validation;
  cyf_latent_batch batch;
  cyf_noised noised;
  cyf_scratch *scratch; /* validation */
  float *class_weight;  /* [classes] device, NULL: ones */
  float *class_weight_host;
} classifier_stage;

static cyf_status sum_over_ranks(void *context, double *values, int64_t count) {
  classifier_stage *s = context;
  return cyf_gradient_plane_sum_doubles(s->env->loop.plane, values, count);
}

static cyf_status open_loader(classifier_stage *s, cyf_split split, cyf_cursor start, cyf_latent_loader **loader) {
  cyf_loader_options options = cyf_stage_loader_options(s->env, &s->env->loop.settings->classifier.stage, split);
  options.sampling = CYF_SAMPLING_PLAIN; /* classes are weighted in the loss instead (classifier.balance) */
  return cyf_stage_open_latents(s->env, &options, s->attribute, start, loader);
}

static cyf_status open_stream(void *context, cyf_cursor start) {
  classifier_stage *s = context;
  return open_loader(s, CYF_SPLIT_TRAIN, start, &s->train);
}

static cyf_status fetch(void *context, cyf_cursor *ret_cursor, int64_t *ret_n_global) {
  classifier_stage *s = context;
  CYF_TRY(cyf_latent_loader_next(s->train, &s->batch));
  *ret_cursor = s->batch.cursor;
  *ret_n_global = s->batch.n_global;
  return CYF_OK;
}

static const int32_t *labels_of(const classifier_stage *s, const cyf_latent_batch *batch) {
  return batch->codes + s->attribute * batch->n_local;
}

/* Gives the sum of the cells' class weights over the global batch, by which the loss is divided. Collective. */
static cyf_status global_weight(classifier_stage *s, double *ret_weight) {
  *ret_weight = (double)s->batch.n_global; /* the loader gives labelled cells only */
  if (s->class_weight == NULL) return CYF_OK;
  const int32_t *label = labels_of(s, &s->batch);
  double sum = 0;
  for (int64_t i = 0; i < s->batch.n_local; i++) sum += (double)s->class_weight_host[label[i]];
  CYF_TRY(cyf_comm_sum_double(s->env->loop.comm, &sum, 1));
  *ret_weight = sum;
  return CYF_OK;
}

static void add_result(const cyf_loss_sums *result, cyf_loss_sums *sums) {
  sums->loss += result->loss;
  sums->weight += result->weight;
  sums->n_correct += result->n_correct;
  sums->n_labelled += result->n_labelled;
}

static cyf_status train(void *context, uint32_t draw, cyf_loss_sums *ret_sums) {
  classifier_stage *s = context;
  cyf_noised *b = &s->noised;
  const cyf_settings *settings = s->env->loop.settings;
  double weight_global = 0;
  CYF_TRY(global_weight(s, &weight_global));
  CYF_TRY(cyf_noised_make(b, &s->batch, s->batch.position, draw, (int32_t)settings->diffusion.guide_below,
                          labels_of(s, &s->batch)));
  /* Each attribute has a seed of its own, so that classifiers trained on the same batches do not share dropout masks.
   */
  uint64_t seed = (uint64_t)settings->seed + ((uint64_t)s->attribute << 48);
  cyf_dropout_stream dropout = {cyf_rng_key_make(seed, CYF_RNG_DROPOUT), draw, b->position};
  cyf_reducer reducer = {sum_over_ranks, s};
  return cyf_classifier_train_step(s->model, b->n, b->x_t, b->t_host, b->label, s->class_weight, s->batch.n_global,
                                   weight_global, settings->classifier.dropout > 0 ? &dropout : NULL, &reducer,
                                   ret_sums);
}

static cyf_status validate_batch(classifier_stage *s, const cyf_latent_batch *batch, cyf_loss_sums *sums) {
  cyf_noised *b = &s->noised;
  cyf_device *device = s->env->device;
  int64_t classes = cyf_classifier_get_config(s->model)->n_classes;
  CYF_TRY(cyf_noised_make(b, batch, batch->cell, CYF_VALIDATION_DRAW,
                          (int32_t)s->env->loop.settings->diffusion.guide_below, labels_of(s, batch)));
  size_t mark = cyf_scratch_mark(s->scratch);
  float *logits = NULL;
  cyf_loss_sums result = {0};
  CYF_TRY(cyf_scratch_floats(s->scratch, b->n * classes, &logits));
  CYF_TRY(cyf_classifier_logits(s->model, s->scratch, b->n, b->x_t, b->t_host, logits));
  CYF_TRY(device->ops->cross_entropy(device, b->n, classes, logits, b->label, s->class_weight, 0, &result.loss,
                                     &result.weight, &result.n_correct, &result.n_labelled, NULL));
  CYF_TRY(device->ops->synchronize(device));
  cyf_scratch_release(s->scratch, mark);
  add_result(&result, sums);
  return CYF_OK;
}

static cyf_status validate(void *context, cyf_loss_sums *sums) {
  classifier_stage *s = context;
  int64_t n_batches = cyf_latent_loader_batches_per_epoch(s->validation);
  for (int64_t i = 0; i < n_batches; i++) {
    cyf_latent_batch batch;
    CYF_TRY(cyf_latent_loader_next(s->validation, &batch));
    if (batch.n_local > 0) CYF_TRY(validate_batch(s, &batch, sums));
  }
  return CYF_OK;
}

/* The weight of a class is its frequency to the power -1/2 or -1 (cyf_balance), scaled so that the mean over cells
 * is 1. Classes without cells weigh 0. */
static cyf_status make_class_weights(classifier_stage *s) {
  cyf_balance balance = s->env->loop.settings->classifier.balance;
  if (balance == CYF_BALANCE_NONE) return CYF_OK;
  const cyf_attribute *attribute = &s->env->atlas->attributes[s->attribute];
  int64_t n = attribute->categories.n;
  double power = balance == CYF_BALANCE_SQRT ? -0.5 : -1.0, mean = 0, total = 0;
  CYF_TRY(CYF_NEW(&s->class_weight_host, n));
  for (int64_t c = 0; c < n; c++) {
    double cells = (double)attribute->n_cells[c];
    double weight = cells > 0 ? pow(cells, power) : 0;
    s->class_weight_host[c] = (float)weight;
    mean += weight * cells;
    total += cells;
  }
  mean /= total;
  for (int64_t c = 0; c < n; c++) s->class_weight_host[c] = (float)((double)s->class_weight_host[c] / mean);
  cyf_device *device = s->env->device;
  size_t bytes = sizeof(float) * (size_t)n;
  CYF_TRY(device->ops->alloc(device, bytes, (void **)&s->class_weight));
  return device->ops->upload(device, s->class_weight, s->class_weight_host, bytes);
}

static cyf_status create(classifier_stage *s) {
  const cyf_settings *settings = s->env->loop.settings;
  int64_t n_classes = s->env->atlas->attributes[s->attribute].categories.n;
  cyf_classifier_config config = cyf_settings_classifier(settings, n_classes);
  CYF_TRY(cyf_classifier_create(s->env->device, &config, 1, &s->model));
  CYF_TRY(cyf_classifier_init(s->model, (uint64_t)settings->seed));
  if (s->env->init != NULL)
    CYF_TRY(cyf_start_classifier(s->env->init, &s->env->atlas->attributes[s->attribute], s->model));
  CYF_TRY(cyf_noised_create(s->env->device, settings, &s->noised));
  CYF_TRY(make_class_weights(s));
  return cyf_scratch_create(s->env->device, &s->scratch);
}

static void destroy(classifier_stage *s) {
  cyf_latent_loader_destroy(&s->train);
  cyf_latent_loader_destroy(&s->validation);
  cyf_noised_destroy(&s->noised);
  cyf_scratch_destroy(&s->scratch);
  s->env->device->ops->free(s->env->device, s->class_weight);
  cyf_free(s->class_weight_host);
  cyf_classifier_destroy(&s->model);
}

/* With `--stage all` a column that has one class, or hardly a cell for each class, is passed over: it would make the
 * run fail at its last stages. */
static bool takes_column(const cyf_attribute *attribute) {
  int64_t n_classes = cyf_n_classes(attribute), n_labelled = 0;
  for (int64_t c = 0; c < attribute->categories.n; c++) n_labelled += attribute->n_cells[c];
  if (n_classes < 2) {
    cyf_info("label column %s has fewer than two classes: no classifier", attribute->name);
    return false;
  }
  if (n_labelled < 3 * n_classes) {
    cyf_warn(
        "label column %s has %lld labelled cells of %lld classes: too few for a classifier; --stage classifier:%s "
        "insists",
        attribute->name, (long long)n_labelled, (long long)n_classes, attribute->name);
    return false;
  }
  return true;
}

static cyf_identity identity(const cyf_stage_environment *environment, int64_t attribute) {
  const cyf_settings *settings = environment->loop.settings;
  cyf_identity identity = cyf_stage_identity_begin(environment, &cyf_stage_classifier);
  cyf_stage_identity_add_diffusion(environment, &identity);
  cyf_stage_identity_add_widths("classifier.hidden", &settings->classifier.hidden, &identity);
  cyf_identity_add(&identity, true, "label column", "%s", environment->atlas->attributes[attribute].name);
  cyf_identity_add(&identity, true, "diffusion.guide_below", "%lld", (long long)settings->diffusion.guide_below);
  cyf_identity_add(&identity, false, "classifier.dropout", "%.17g", settings->classifier.dropout);
  cyf_identity_add(&identity, false, "classifier.balance", "%d", settings->classifier.balance);
  return identity;
}

static cyf_status train_stage(classifier_stage *s) {
  const cyf_stage_environment *environment = s->env;
  const cyf_settings *settings = environment->loop.settings;
  CYF_TRY(cyf_comm_agree(environment->loop.comm, create(s)));
  CYF_TRY(open_stream(s, (cyf_cursor){0, 0}));
  bool validates = settings->data.validation > 0 && settings->classifier.stage.validate_every > 0;
  if (validates) CYF_TRY(open_loader(s, CYF_SPLIT_VALIDATION, (cyf_cursor){0, 0}, &s->validation));
  cyf_stage stage = {.parameters = cyf_classifier_parameters(s->model),
                     .context = s,
                     .cells_per_epoch = cyf_latent_loader_n_cells(s->train),
                     .batches_per_epoch = cyf_latent_loader_batches_per_epoch(s->train),
                     .open = open_stream,
                     .fetch = fetch,
                     .train = train,
                     .validate = validates && cyf_latent_loader_n_cells(s->validation) > 0 ? validate : NULL};
  cyf_info("classifier:%s: %lld classes, %lld labelled cells an epoch in %lld batches",
           environment->atlas->attributes[s->attribute].name, (long long)cyf_classifier_get_config(s->model)->n_classes,
           (long long)stage.cells_per_epoch, (long long)stage.batches_per_epoch);
  return cyf_stage_train(environment, &cyf_stage_classifier, s->attribute, &stage);
}

static cyf_status run(cyf_stage_environment *environment, int64_t attribute) {
  classifier_stage s = {.env = environment, .attribute = attribute};
  const cyf_status status = train_stage(&s);
  destroy(&s);
  return status;
}

/* A classifier that was trained on other latents, before the autoencoder was trained anew, is left out. */
static cyf_status collect(cyf_stage_environment *environment, int64_t attribute, cyf_model *model) {
  const cyf_attribute *of = &environment->atlas->attributes[attribute];
  cyf_classifier **classifier = &model->attributes[attribute].classifier;
  const cyf_classifier_config config = cyf_settings_classifier(environment->loop.settings, of->categories.n);
  CYF_TRY(cyf_classifier_create(environment->device, &config, 0, classifier));
  const cyf_status status =
      cyf_stage_load(environment, &cyf_stage_classifier, attribute, cyf_classifier_parameters(*classifier));
  if (status == CYF_OK) return CYF_OK;
  cyf_classifier_destroy(classifier);
  if (status != CYF_ERR_CONFIG) return status;
  cyf_warn("model.h5 leaves out the classifier of %s: %s", of->name, cyf_status_message());
  cyf_status_clear();
  return CYF_OK;
}

const cyf_stage_type cyf_stage_classifier = {.name = "classifier",
                                             .per_column = true,
                                             .before = &cyf_stage_encode,
                                             .updates_model = true,
                                             .settings_offset = CYF_STAGE_SETTINGS(classifier),
                                             .takes_column = takes_column,
                                             .find_column = cyf_find_classifiable,
                                             .identity = identity,
                                             .run = run,
                                             .collect = collect};
