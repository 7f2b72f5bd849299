/* SPDX-License-Identifier: MIT */
/* Settings that have a value for each key: those of finished models and of runs, and those that no atlas chooses. */
#include "base/files.h"
#include "base/memory.h"
#include "base/text_sum.h"
#include "saved/settings.h"

static cyf_status check_chosen(const char *name, const cyf_settings *settings) {
  const cyf_config_schema *schema = cyf_settings_schema();
  for (size_t i = 0; i < schema->n_fields; i++)
    if (cyf_config_is_auto(&schema->fields[i], settings))
      return CYF_FAIL(CYF_ERR_CONFIG, "%s: '%s' must have a value here; auto is chosen where an atlas is trained on",
                      name, schema->fields[i].path);
  return CYF_OK;
}

/* What stood in place of auto in cytoforge 0.1: the published values but for the steps. Texts that it kept may lack
 * keys that came later. */
static const char *const fixed[] = {
    "autoencoder.hidden=[1024, 1024, 1024]",
    "autoencoder.latent=128",
    "autoencoder.likelihood=mse",
    "autoencoder.steps=20000",
    "autoencoder.batch_cells=128",
    "autoencoder.learning_rate=5e-4",
    "autoencoder.rate_schedule=constant",
    "autoencoder.validate_every=500",
    "denoiser.hidden=[512, 512, 256, 128]",
    "denoiser.conditions=[]",
    "denoiser.steps=50000",
    "denoiser.batch_cells=128",
    "denoiser.learning_rate=1e-4",
    "denoiser.rate_schedule=linear",
    "denoiser.ema_decay=0.9999",
    "denoiser.validate_every=500",
    "classifier.hidden=[512, 512, 256]",
    "classifier.steps=20000",
    "classifier.batch_cells=128",
    "classifier.learning_rate=3e-4",
    "classifier.rate_schedule=constant",
    "classifier.validate_every=500",
    "sample.calibrate=false",
};

/* The defaults, with a value for each key. */
static cyf_status load_fixed(cyf_settings *ret_settings) {
  CYF_TRY(cyf_config_defaults(cyf_settings_schema(), ret_settings));
  cyf_status status = CYF_OK;
  for (size_t i = 0; status == CYF_OK && i < sizeof fixed / sizeof *fixed; i++)
    status = cyf_config_set(cyf_settings_schema(), fixed[i], ret_settings);
  if (status != CYF_OK) cyf_settings_destroy(ret_settings);
  return status;
}

cyf_status cyf_settings_load_fixed(int64_t n_overrides, const char *const *overrides, cyf_settings *ret_settings) {
  CYF_TRY(load_fixed(ret_settings));
  cyf_status status = CYF_OK;
  for (int64_t i = 0; status == CYF_OK && i < n_overrides; i++)
    status = cyf_config_set(cyf_settings_schema(), overrides[i], ret_settings);
  if (status == CYF_OK) status = check_chosen("the command line", ret_settings);
  if (status == CYF_OK) status = cyf_settings_check(ret_settings);
  if (status != CYF_OK) cyf_settings_destroy(ret_settings);
  return status;
}

cyf_status cyf_settings_load_text(const char *name, const char *text, cyf_settings *ret_settings) {
  CYF_TRY(load_fixed(ret_settings));
  cyf_status status = cyf_config_read_text(cyf_settings_schema(), name, text, ret_settings);
  if (status == CYF_OK) status = check_chosen(name, ret_settings);
  if (status == CYF_OK) status = cyf_settings_check(ret_settings);
  if (status != CYF_OK) cyf_settings_destroy(ret_settings);
  return status;
}

cyf_status cyf_settings_read_file(const char *path, cyf_settings *ret_settings) {
  char *text = NULL;
  CYF_TRY(cyf_read_text_file(path, &text));
  cyf_status status = cyf_text_sum_verify(path, text);
  if (status == CYF_OK) status = cyf_settings_load_text(path, text, ret_settings);
  cyf_free(text);
  return status;
}

cyf_status cyf_settings_copy(const cyf_settings *from, int64_t n_overrides, const char *const *overrides,
                             cyf_settings *ret_settings) {
  char *text = NULL;
  CYF_TRY(cyf_config_to_text(cyf_settings_schema(), from, &text));
  cyf_status status = cyf_settings_load_text("settings", text, ret_settings);
  cyf_free(text);
  CYF_TRY(status);
  for (int64_t i = 0; status == CYF_OK && i < n_overrides; i++)
    status = cyf_config_set(cyf_settings_schema(), overrides[i], ret_settings);
  if (status == CYF_OK) status = check_chosen("the command line", ret_settings);
  if (status == CYF_OK) status = cyf_settings_check(ret_settings);
  if (status != CYF_OK) cyf_settings_destroy(ret_settings);
  return status;
}
