/* SPDX-License-Identifier: MIT */
#include "saved/settings.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/latents/latents.h"
#include "data/loader/loader.h"
#include "model/diffusion/methods.h"
#include "model/diffusion/schedule.h"

/* The reader of configuration files (base/config) writes a choice through an int *, whatever enumeration the member
 * is. */
_Static_assert(sizeof(cyf_loader_io) == sizeof(int), "an enumeration is as large as an int");

#define AT(member) offsetof(cyf_settings, member)
/* The bounds of a key whose values have none: a lower bound above the upper one. */
#define UNBOUNDED 1, 0

/* The keys of one stage's optimiser. The sections autoencoder, denoiser and classifier all have them, each with its own
 * defaults. */
#define STAGE_FIELD(section, key, TYPE, DEFAULT, LEAST, MOST, HELP) \
  { #section "." #key, CYF_CONFIG_##TYPE, AT(section.stage.key), DEFAULT, LEAST, MOST, NULL, HELP }
#define STAGE_FIELDS(section, DECAY, EMA, EMA_WARMUP)                                                               \
  STAGE_FIELD(section, steps, INT, "auto", 1, 1e12, "parameter updates"),                                           \
      STAGE_FIELD(section, batch_cells, INT, "auto", 1, 1e9,                                                        \
                  "cells of one batch over all ranks; a multiple of data.lanes"),                                   \
      STAGE_FIELD(section, accumulate, INT, "1", 1, 1e6, "batches whose gradients are averaged into one update"),   \
      STAGE_FIELD(section, learning_rate, REAL, "auto", 1e-12, 10, "AdamW's peak learning rate"),                   \
      STAGE_FIELD(section, weight_decay, REAL, DECAY, 0, 10, "AdamW's decoupled weight decay, on every parameter"), \
      STAGE_FIELD(section, beta1, REAL, "0.9", 0, 0.999999, "AdamW's first-moment decay"),                          \
      STAGE_FIELD(section, beta2, REAL, "0.999", 0, 0.999999, "AdamW's second-moment decay"),                       \
      {#section ".rate_schedule",                                                                                   \
       CYF_CONFIG_CHOICE,                                                                                           \
       AT(section.stage.rate_schedule),                                                                             \
       "auto",                                                                                                      \
       UNBOUNDED,                                                                                                   \
       cyf_rate_schedule_words,                                                                                     \
       "learning rate after the warm-up: held, or down to zero at the last step"},                                  \
      STAGE_FIELD(section, warmup_steps, INT, "0", 0, 1e12, "steps over which the rate rises linearly from zero"),  \
      STAGE_FIELD(section, clip_norm, REAL, "0", 0, 1e12, "largest L2 norm of the gradient; 0: no clipping"),       \
      STAGE_FIELD(section, ema_decay, REAL, EMA, 0, 0.99999999,                                                     \
                  "decay of the averaged weights, which are the ones used; 0: none"),                               \
      STAGE_FIELD(section, ema_warmup, BOOL, EMA_WARMUP, 1, 0, "use min(ema_decay, (1+n)/(10+n)) at update n"),     \
      STAGE_FIELD(section, validate_every, INT, "auto", 0, 1e12, "steps between validations; 0: never"),            \
      STAGE_FIELD(section, patience, INT, "0", 0, 1e9,                                                              \
                  "stop after this many validations without a better one and take the best; 0: never stop early")

static const cyf_config_field fields[] = {
    {"seed", CYF_CONFIG_INT, AT(seed), "0", 0, 9e18, NULL, "seed of everything random in the run"},
    {"effort", CYF_CONFIG_CHOICE, AT(effort), "normal", UNBOUNDED, cyf_effort_words,
     "how many cells a stage sees where its steps are auto: a quarter, the usual number, or four times as many"},
    {"init", CYF_CONFIG_STRING, AT(init), "", UNBOUNDED, NULL,
     "model.h5 of a run whose weights, widths and classes training starts from (train --init); \"\": none"},
    {"device", CYF_CONFIG_CHOICE, AT(device), "auto", UNBOUNDED, cyf_device_wish_words,
     "what to train on unless --device says otherwise; auto: a GPU where there is one"},
    {"precision", CYF_CONFIG_CHOICE, AT(precision), "bf16", UNBOUNDED, cyf_precision_words,
     "a GPU's matrix products unless --precision says otherwise; all else, and the CPU, is float32"},

    {"data.lanes", CYF_CONFIG_INT, AT(data.lanes), "64", 1, 65536, NULL,
     "streams the atlas is cut into; at least the number of ranks"},
    {"data.block_cells", CYF_CONFIG_INT, AT(data.block_cells), "128", 1, 1e6, NULL, "cells of one contiguous read"},
    {"data.window_blocks", CYF_CONFIG_INT, AT(data.window_blocks), "8", 1, 4096, NULL,
     "blocks of a lane whose cells are shuffled together"},
    {"data.prefetch_batches", CYF_CONFIG_INT, AT(data.prefetch_batches), "3", 1, 1024, NULL,
     "batches the loader keeps ready"},
    {"data.decode_threads", CYF_CONFIG_INT, AT(data.decode_threads), "1", 1, 1024, NULL,
     "threads a rank decodes batches with, beside the reader; with a GPU give it the rank's CPUs"},
    {"data.io", CYF_CONFIG_CHOICE, AT(data.io), "auto", UNBOUNDED, cyf_loader_io_words,
     "read stored chunks through the page cache, past it, or through HDF5's MPI-IO driver; auto: posix where a "
     "machine's cells fit its memory, else direct"},
    {"data.verify", CYF_CONFIG_CHOICE, AT(data.verify), "first", UNBOUNDED, cyf_verify_words,
     "when stored bytes are compared with the checksums of the atlas: the first time they are read, always, or never"},
    {"data.residency", CYF_CONFIG_CHOICE, AT(data.residency), "stream", UNBOUNDED, cyf_residency_words,
     "read cells from disk each epoch, keep a rank's cells in its memory, as stored, once they were read, or read them "
     "all into the memory of its GPU (without one: its own) first"},
    {"data.balance", CYF_CONFIG_CHOICE, AT(data.balance), "none", UNBOUNDED, cyf_sampling_words,
     "the autoencoder and the denoiser see cells by 1/sqrt(n) or 1/n of their data.balance_label, n its cells; gentle: "
     "by 1/sqrt(n), but at most four times as often as without"},
    {"data.balance_label", CYF_CONFIG_STRING, AT(data.balance_label), "", UNBOUNDED, NULL,
     "label column for data.balance"},
    {"data.validation", CYF_CONFIG_REAL, AT(data.validation), "0.05", 0, 0.5, NULL,
     "fraction of the cells kept for validation"},

    {"comm.timeout_s", CYF_CONFIG_REAL, AT(comm.timeout_s), "1800", 0.1, 1e7, NULL,
     "seconds a rank waits for its peers before the run ends"},
    {"comm.bucket_mb", CYF_CONFIG_INT, AT(comm.bucket_mb), "2", 1, 1024, NULL, "MiB of gradients summed at a time"},

    {"autoencoder.hidden", CYF_CONFIG_INT_LIST, AT(autoencoder.hidden), "auto", 1, 65536, NULL,
     "encoder widths; the decoder mirrors them"},
    {"autoencoder.latent", CYF_CONFIG_INT, AT(autoencoder.latent), "auto", 2, 65536, NULL, "latent coordinates"},
    {"autoencoder.likelihood", CYF_CONFIG_CHOICE, AT(autoencoder.likelihood), "auto", UNBOUNDED, cyf_likelihood_words,
     "squared error of log-normalised expression, as published, or a negative binomial of raw counts, which sampling "
     "can draw; auto: nb where the atlas holds counts"},
    {"autoencoder.sync_batch_norm", CYF_CONFIG_BOOL, AT(autoencoder.sync_batch_norm), "true", UNBOUNDED, NULL,
     "batch statistics over all ranks (false: each rank's own, and results depend on the number of ranks)"},
    {"autoencoder.init", CYF_CONFIG_STRING, AT(autoencoder.init), "", UNBOUNDED, NULL,
     "SCimilarity directory (encoder.ckpt, decoder.ckpt, gene_order.tsv) whose weights training starts from; \"\": "
     "none"},
    STAGE_FIELDS(autoencoder, "0.01", "0", "true"),

    {"latents.type", CYF_CONFIG_CHOICE, AT(latents.type), "float16", UNBOUNDED, cyf_latent_type_words,
     "how encoded cells are stored"},

    {"diffusion.timesteps", CYF_CONFIG_INT, AT(diffusion.timesteps), "1000", 2, 100000, NULL, "T"},
    {"diffusion.betas", CYF_CONFIG_CHOICE, AT(diffusion.betas), "linear", UNBOUNDED, cyf_beta_schedule_words,
     "noise schedule"},
    {"diffusion.latent_scale", CYF_CONFIG_STRING, AT(diffusion.latent_scale), "auto", UNBOUNDED, NULL,
     "factor on latents before diffusion: a number, or auto = sqrt(autoencoder.latent), which gives unit variance"},
    {"diffusion.unit_length", CYF_CONFIG_BOOL, AT(diffusion.unit_length), "true", UNBOUNDED, NULL,
     "normalise sampled latents to unit length before decoding, as the encoder does"},
    {"diffusion.guide_below", CYF_CONFIG_INT, AT(diffusion.guide_below), "1000", 0, 100000, NULL,
     "classifiers are trained on and guide timesteps below this"},

    {"denoiser.hidden", CYF_CONFIG_INT_LIST, AT(denoiser.hidden), "auto", 1, 65536, NULL,
     "widths down; mirrored up with skip sums"},
    {"denoiser.conditions", CYF_CONFIG_TEXT_LIST, AT(denoiser.conditions), "auto", UNBOUNDED, NULL,
     "label columns the denoiser itself is told, for classifier-free guidance; []: none; auto: all, at most 8"},
    {"denoiser.label_dropout", CYF_CONFIG_REAL, AT(denoiser.label_dropout), "0.1", 0, 1, NULL,
     "rate at which a training cell loses one of these labels, and at which it loses them all"},
    STAGE_FIELDS(denoiser, "1e-4", "auto", "true"),

    {"classifier.hidden", CYF_CONFIG_INT_LIST, AT(classifier.hidden), "auto", 1, 65536, NULL,
     "three widths of each attribute's classifier"},
    {"classifier.dropout", CYF_CONFIG_REAL, AT(classifier.dropout), "0.1", 0, 0.95, NULL, "dropout rate"},
    {"classifier.balance", CYF_CONFIG_CHOICE, AT(classifier.balance), "none", UNBOUNDED, cyf_balance_words,
     "weight of a class in the loss: 1, its frequency to the power -1/2, or -1"},
    STAGE_FIELDS(classifier, "0", "0", "true"),

    {"sample.method", CYF_CONFIG_CHOICE, AT(sample.method), "dpm++", UNBOUNDED, cyf_sampler_method_words,
     "reverse process of sampling unless --method says otherwise"},
    {"sample.steps", CYF_CONFIG_STRING, AT(sample.steps), "auto", UNBOUNDED, NULL,
     "its steps unless --steps says otherwise: a number, all, lambdaN, ddimN or numbers a section; "
     "auto: " CYF_SAMPLER_STEPS},
    {"sample.calibrate", CYF_CONFIG_BOOL, AT(sample.calibrate), "true", UNBOUNDED, NULL,
     "find the usual strength of guidance of each class when training ends: as well told as real cells"},

    {"checkpoint.every", CYF_CONFIG_INT, AT(checkpoint.every), "1000", 0, 1e12, NULL,
     "steps between checkpoints; 0: only at the end of a stage and when stopped"},
    {"checkpoint.keep", CYF_CONFIG_INT, AT(checkpoint.keep), "2", 1, 10000, NULL,
     "checkpoints of a stage that are kept"},
    {"log.every", CYF_CONFIG_INT, AT(log.every), "50", 1, 1e12, NULL, "steps between lines of metrics.jsonl"},
};

static const cyf_config_schema schema = {fields, sizeof fields / sizeof fields[0]};

const cyf_config_schema *cyf_settings_schema(void) {
  return &schema;
}

/* What is at auto is chosen to agree with the other values (train/auto_settings.h), and checked once it is. */
static bool is_auto(int64_t value) {
  return value == INT64_MIN;
}

static cyf_status check_stage(const char *name, const cyf_settings *settings, const cyf_stage_settings *stage) {
  int64_t lanes = settings->data.lanes;
  if (!is_auto(stage->batch_cells) && stage->batch_cells % lanes != 0) {
    int64_t up = (stage->batch_cells / lanes + 1) * lanes;
    return CYF_FAIL(
        CYF_ERR_CONFIG,
        "%s.batch_cells is %lld, which is not a multiple of data.lanes (%lld); the next valid number is %lld", name,
        (long long)stage->batch_cells, (long long)lanes, (long long)up);
  }
  if (!is_auto(stage->steps) && stage->warmup_steps > stage->steps)
    return CYF_FAIL(CYF_ERR_CONFIG, "%s.warmup_steps (%lld) is more than %s.steps (%lld)", name,
                    (long long)stage->warmup_steps, name, (long long)stage->steps);
  if (stage->patience > 0 && (stage->validate_every == 0 || settings->data.validation == 0))
    return CYF_FAIL(CYF_ERR_CONFIG, "%s.patience needs %s.validate_every and data.validation above 0", name, name);
  return CYF_OK;
}

static cyf_status check_latent_scale(const cyf_settings *settings) {
  const char *text = settings->diffusion.latent_scale;
  if (strcmp(text, "auto") == 0) return CYF_OK;
  char *end = NULL;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(value) || value <= 0)
    return CYF_FAIL(CYF_ERR_CONFIG, "diffusion.latent_scale is '%s'; it must be auto or a number above 0", text);
  return CYF_OK;
}

/* sample.steps is tried on the schedule now, so that a mistake is not found by the first sample after a week of
 * training. */
static cyf_status check_sampling(const cyf_settings *settings) {
  cyf_schedule *full = NULL, *respaced = NULL;
  if (strcmp(settings->sample.steps, "auto") == 0) return CYF_OK;
  cyf_status status = cyf_schedule_create(settings->diffusion.betas, (int)settings->diffusion.timesteps, &full);
  if (status == CYF_OK) status = cyf_schedule_respace(full, settings->sample.steps, -1, &respaced);
  cyf_schedule_destroy(&respaced);
  cyf_schedule_destroy(&full);
  if (status != CYF_ERR_USAGE) return status;
  char *message = NULL;
  CYF_TRY(cyf_format(&message, "sample.%s", cyf_status_message()));
  cyf_status_set(CYF_ERR_CONFIG, message);
  cyf_free(message);
  return CYF_ERR_CONFIG;
}

static cyf_status check_data(const cyf_settings *settings) {
  if (settings->data.balance != CYF_SAMPLING_PLAIN && settings->data.balance_label[0] == '\0')
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "data.balance needs data.balance_label, the label column whose values are balanced");
  return CYF_OK;
}

cyf_status cyf_settings_check(const cyf_settings *settings) {
  CYF_TRY(check_data(settings));
  CYF_TRY(check_stage("autoencoder", settings, &settings->autoencoder.stage));
  CYF_TRY(check_stage("denoiser", settings, &settings->denoiser.stage));
  CYF_TRY(check_stage("classifier", settings, &settings->classifier.stage));
  CYF_TRY(check_latent_scale(settings));
  CYF_TRY(check_sampling(settings));
  if (settings->autoencoder.hidden.n == 0)
    return CYF_FAIL(CYF_ERR_CONFIG, "autoencoder.hidden needs at least one width");
  if (settings->denoiser.hidden.n == 0 || settings->denoiser.hidden.n == 1)
    return CYF_FAIL(CYF_ERR_CONFIG, "denoiser.hidden needs at least two widths");
  const cyf_config_texts *conditions = &settings->denoiser.conditions;
  if (conditions->n > CYF_DENOISER_CONDITIONS_MAX)
    return CYF_FAIL(CYF_ERR_CONFIG, "denoiser.conditions names %d label columns; at most %d are possible",
                    conditions->n, CYF_DENOISER_CONDITIONS_MAX);
  for (int i = 0; i < conditions->n; i++)
    for (int k = 0; k < i; k++)
      if (strcmp(conditions->value[i], conditions->value[k]) == 0)
        return CYF_FAIL(CYF_ERR_CONFIG, "denoiser.conditions names '%s' twice", conditions->value[i]);
  if (settings->classifier.hidden.n >= 0 && settings->classifier.hidden.n != 3)
    return CYF_FAIL(CYF_ERR_CONFIG, "classifier.hidden needs three widths, not %d", settings->classifier.hidden.n);
  if (settings->diffusion.guide_below > settings->diffusion.timesteps)
    return CYF_FAIL(CYF_ERR_CONFIG, "diffusion.guide_below (%lld) is more than diffusion.timesteps (%lld)",
                    (long long)settings->diffusion.guide_below, (long long)settings->diffusion.timesteps);
  return CYF_OK;
}

cyf_status cyf_settings_load(const char *path, int64_t n_overrides, const char *const *overrides,
                             cyf_settings *ret_settings) {
  CYF_TRY(cyf_config_defaults(&schema, ret_settings));
  cyf_status status = CYF_OK;
  if (path != NULL) status = cyf_config_read(&schema, path, ret_settings);
  for (int64_t i = 0; status == CYF_OK && i < n_overrides; i++)
    status = cyf_config_set(&schema, overrides[i], ret_settings);
  if (status == CYF_OK) status = cyf_settings_check(ret_settings);
  if (status != CYF_OK) cyf_settings_destroy(ret_settings);
  return status;
}

void cyf_settings_destroy(cyf_settings *settings) {
  if (settings != NULL) cyf_config_destroy_strings(&schema, settings);
}

void cyf_settings_describe_precision(const cyf_settings *settings, const cyf_device *device, char ret_text[16]) {
  const cyf_precision precision = device->host_memory ? CYF_PRECISION_FP32 : settings->precision;
  snprintf(ret_text, 16, "%.8s, %s", device->ops->name, cyf_precision_words[precision]);
}

cyf_autoencoder_config cyf_settings_autoencoder(const cyf_settings *settings, int64_t n_genes) {
  cyf_autoencoder_config config = {
      .n_genes = n_genes, .latent = settings->autoencoder.latent, .likelihood = settings->autoencoder.likelihood};
  config.n_hidden = settings->autoencoder.hidden.n;
  memcpy(config.hidden, settings->autoencoder.hidden.value, sizeof(int64_t) * (size_t)config.n_hidden);
  return config;
}

cyf_denoiser_config cyf_settings_denoiser(const cyf_settings *settings, const int64_t *n_classes) {
  cyf_denoiser_config config = {.latent = settings->autoencoder.latent};
  config.n_hidden = settings->denoiser.hidden.n;
  memcpy(config.hidden, settings->denoiser.hidden.value, sizeof(int64_t) * (size_t)config.n_hidden);
  config.n_conditions = settings->denoiser.conditions.n;
  for (int k = 0; k < config.n_conditions; k++) config.n_classes[k] = n_classes[k];
  return config;
}

cyf_classifier_config cyf_settings_classifier(const cyf_settings *settings, int64_t n_classes) {
  cyf_classifier_config config = {
      .latent = settings->autoencoder.latent, .n_classes = n_classes, .dropout = settings->classifier.dropout};
  memcpy(config.hidden, settings->classifier.hidden.value, sizeof config.hidden);
  return config;
}

double cyf_settings_latent_scale(const cyf_settings *settings) {
  if (strcmp(settings->diffusion.latent_scale, "auto") == 0) return sqrt((double)settings->autoencoder.latent);
  return strtod(settings->diffusion.latent_scale, NULL);
}
