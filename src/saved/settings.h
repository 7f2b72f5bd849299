/* SPDX-License-Identifier: MIT */
/** @file
 * The settings of a run: what a configuration file, such as those in configs/, may hold. The table in settings.c is the
 * only place where keys, defaults, ranges and meanings stand; `cytoforge config` prints it. No function here is
 * collective. */
#ifndef CYF_SAVED_SETTINGS_H
#define CYF_SAVED_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config/config.h"
#include "base/status.h"
#include "base/words.h"
#include "data/latents/latents.h"
#include "data/loader/loader.h"
#include "kernels/device.h"
#include "kernels/device_choice.h"
#include "model/autoencoder.h"
#include "model/classifier.h"
#include "model/denoiser.h"
#include "model/diffusion/sampler.h"
#include "model/diffusion/schedule.h"

/** How the learning rate goes on after its warm-up: held, or down to zero along a line or half a cosine. */
typedef enum cyf_rate_schedule {
  CYF_RATE_CONSTANT,
  CYF_RATE_LINEAR,
  CYF_RATE_COSINE,
  CYF_RATE_SCHEDULES
} cyf_rate_schedule;
/** The words of cyf_rate_schedule, in its order. */
static const char *const cyf_rate_schedule_words[] = {"constant", "linear", "cosine", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_rate_schedule_words) == CYF_RATE_SCHEDULES, "a word for each schedule");
/** What a class weighs in the classifiers' loss: 1, its frequency to the power -1/2, or to the power -1. */
typedef enum cyf_balance { CYF_BALANCE_NONE, CYF_BALANCE_SQRT, CYF_BALANCE_UNIFORM, CYF_BALANCES } cyf_balance;
/** The words of cyf_balance, in its order. */
static const char *const cyf_balance_words[] = {"none", "sqrt", "uniform", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_balance_words) == CYF_BALANCES, "a word for each balance");

/** How many cells the stages see where their steps are auto (train/auto_settings.h). */
typedef enum cyf_effort { CYF_EFFORT_QUICK, CYF_EFFORT_NORMAL, CYF_EFFORT_LONG, CYF_EFFORTS } cyf_effort;
/** The words of cyf_effort, in its order. */
static const char *const cyf_effort_words[] = {"quick", "normal", "long", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_effort_words) == CYF_EFFORTS, "a word for each effort");

/** How one stage is trained. The autoencoder, the denoiser and the classifiers each have a copy. */
typedef struct cyf_stage_settings {
  int64_t steps;       /**< parameter updates */
  int64_t batch_cells; /**< global batch of one forward pass, over all ranks */
  int64_t accumulate;  /**< batches summed into one update */
  double learning_rate, weight_decay, beta1, beta2;
  cyf_rate_schedule rate_schedule;
  int64_t warmup_steps;
  double clip_norm;       /**< largest L2 norm of the gradient; 0: no clipping */
  double ema_decay;       /**< of the exponential moving average (EMA) of the weights; 0: none is kept */
  bool ema_warmup;        /**< the decay of update n is min(ema_decay, (1 + n) / (10 + n)) */
  int64_t validate_every; /**< steps; 0: never */
  int64_t patience;       /**< validations without improvement before stopping; 0: off */
} cyf_stage_settings;

/** All settings of a run, by the sections of its file. `cytoforge config` explains each key. Owns its texts. */
typedef struct cyf_settings {
  int64_t seed;
  cyf_effort effort;
  char *init; /**< model.h5 of a run to start from, "" for none */
  cyf_device_wish device;
  cyf_precision precision;
  struct {
    int64_t lanes, block_cells, window_blocks, prefetch_batches, decode_threads;
    cyf_loader_io io;
    cyf_verify verify;
    cyf_residency residency;
    double validation;
    cyf_sampling balance;
    char *balance_label; /**< attribute, "" for none */
  } data;
  struct {
    double timeout_s;
    int64_t bucket_mb;
  } comm;
  struct {
    cyf_config_ints hidden;
    int64_t latent;
    cyf_likelihood likelihood;
    bool sync_batch_norm;
    char *init; /**< SCimilarity directory to start from, "" for none */
    cyf_stage_settings stage;
  } autoencoder;
  struct {
    cyf_latent_type type;
  } latents;
  struct {
    int64_t timesteps;
    cyf_beta_schedule betas;
    char *latent_scale; /**< "auto" or a number */
    bool unit_length;   /**< sampled latents are normalised before decoding */
    int64_t guide_below;
  } diffusion;
  struct {
    cyf_config_ints hidden;
    cyf_config_texts conditions; /**< label columns; none: unconditional, as published */
    double label_dropout;
    cyf_stage_settings stage;
  } denoiser;
  struct {
    cyf_config_ints hidden;
    double dropout;
    cyf_balance balance;
    cyf_stage_settings stage;
  } classifier;
  struct {
    cyf_sampler_method method;
    char *steps;
    bool calibrate;
  } sample; /**< what the sample command does when nothing is said */
  struct {
    int64_t every, keep;
  } checkpoint;
  struct {
    int64_t every;
  } log;
} cyf_settings;

/** The table of all keys, for printing, reading and writing settings; static. */
const cyf_config_schema *cyf_settings_schema(void);
/** Takes the defaults, then the file (path NULL: none), then each override "KEY=VALUE", and checks the values against
 * each other. Some are left at auto (base/config/config.h) for train/auto_settings.h to choose; nothing else takes such
 * settings. The caller frees the result with cyf_settings_destroy. Errors: CYF_ERR_CONFIG. */
cyf_status cyf_settings_load(const char *path, int64_t n_overrides, const char *const *overrides,
                             cyf_settings *ret_settings);
/** As cyf_settings_load, for what has no atlas to choose by: keys whose default is auto have their former default, the
 * published value but for the steps. Errors: CYF_ERR_CONFIG, also where an override says auto. */
cyf_status cyf_settings_load_fixed(int64_t n_overrides, const char *const *overrides, cyf_settings *ret_settings);
/** The same from the text that a run or a model file keeps. name: what messages call it. */
cyf_status cyf_settings_load_text(const char *name, const char *text, cyf_settings *ret_settings);
/** The file of settings that a run keeps: the text of cyf_config_to_text, as cyf_text_sum_write writes it. Its checksum
 * is verified; a file without one, which an older version wrote, is taken as it is. Not collective. Errors:
 * CYF_ERR_INPUT where the text is another, CYF_ERR_CONFIG, CYF_ERR_IO. */
cyf_status cyf_settings_read_file(const char *path, cyf_settings *ret_settings);
/** Checks the values against each other, which no one key can show. Errors: CYF_ERR_CONFIG. */
cyf_status cyf_settings_check(const cyf_settings *settings);
/** Copies settings without any auto and applies each override "KEY=VALUE". The caller frees the copy with
 * cyf_settings_destroy. Errors: CYF_ERR_CONFIG, also where an override says auto. */
cyf_status cyf_settings_copy(const cyf_settings *from, int64_t n_overrides, const char *const *overrides,
                             cyf_settings *ret_settings);
/** Frees what the settings hold, not the struct. NULL-safe. */
void cyf_settings_destroy(cyf_settings *settings);

/** Writes the device and the precision of its matrix products: "cpu, fp32" or "cuda, bf16". The CPU computes in fp32
 * whatever settings->precision is. */
void cyf_settings_describe_precision(const cyf_settings *settings, const cyf_device *device, char ret_text[16]);

/** The autoencoder's shape for an atlas of n_genes genes. */
cyf_autoencoder_config cyf_settings_autoencoder(const cyf_settings *settings, int64_t n_genes);

/** @{ */
/** The shapes of the denoiser and of a classifier. n_classes: for the denoiser those of each label column of
 * denoiser.conditions (NULL where there are none); for a classifier its own. */
cyf_denoiser_config cyf_settings_denoiser(const cyf_settings *settings, const int64_t *n_classes);
cyf_classifier_config cyf_settings_classifier(const cyf_settings *settings, int64_t n_classes);
/** @} */

/** The factor that unit-length latents are multiplied by before they are diffused: sqrt(width of a latent) for "auto"
 * (docs/decisions.md, "latents are scaled before diffusion"). */
double cyf_settings_latent_scale(const cyf_settings *settings);

#endif
