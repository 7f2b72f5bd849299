/* SPDX-License-Identifier: MIT */
/* What cytoforge computes of an exported model, in files of float32 beside the export, for
 * tests/torch/check_modules.py. */
#ifndef CYF_TESTS_EXPORT_RESULTS_H
#define CYF_TESTS_EXPORT_RESULTS_H

#include <math.h>

#include "check.h"
#include "dense_rows.h"
#include "kernels/backend.h"
#include "saved/model_file.h"

enum { N_TAUGHT = 12 };

static inline void write_floats(const char *folder, const char *name, const float *values, int64_t n) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  assert_ok(cyf_write_bytes_file(path, values, sizeof *values * (size_t)n));
}

/* Deterministic, in [-2, 2). */
static inline float some_number(int64_t i) {
  return (float)((i * 7919 + 13) % 4001) / 1000.25F - 2;
}

static inline void teach_autoencoder(const cyf_model *model, cyf_scratch *scratch, const char *folder) {
  const int64_t n_genes = model->genes.n, latent = model->settings.autoencoder.latent;
  double *dense = NULL;
  float *x = NULL, *code = NULL, *decoded = NULL;
  cyf_csr_buffer rows = {0};
  assert_ok(CYF_NEW(&dense, N_TAUGHT * n_genes));
  assert_ok(CYF_NEW(&x, N_TAUGHT * n_genes));
  assert_ok(CYF_NEW(&code, N_TAUGHT * latent));
  assert_ok(CYF_NEW(&decoded, N_TAUGHT * n_genes));
  for (int64_t i = 0; i < N_TAUGHT * n_genes; i++) {
    x[i] = fmaxf(some_number(i), 0) * 2;
    dense[i] = (double)x[i];
  }
  cyf_csr_buffer_clear(&rows, n_genes);
  assert_ok(append_dense(N_TAUGHT, n_genes, dense, &rows));
  const cyf_csr cells = cyf_csr_view(&rows);
  assert_ok(cyf_autoencoder_encode(model->autoencoder, scratch, &cells, code));
  if (model->settings.autoencoder.likelihood == CYF_LIKELIHOOD_NB) {
    assert_ok(cyf_autoencoder_decode_means(model->autoencoder, scratch, N_TAUGHT, code, 1e4, decoded));
    for (int64_t i = 0; i < N_TAUGHT * n_genes; i++) decoded[i] = log1pf(decoded[i]);
  } else {
    assert_ok(cyf_autoencoder_decode(model->autoencoder, scratch, N_TAUGHT, code, decoded));
  }
  write_floats(folder, "x.bin", x, N_TAUGHT * n_genes);
  write_floats(folder, "latents.bin", code, N_TAUGHT * latent);
  write_floats(folder, "decoded.bin", decoded, N_TAUGHT * n_genes);
  cyf_free(dense);
  cyf_free(x);
  cyf_free(code);
  cyf_free(decoded);
  cyf_csr_buffer_destroy(&rows);
}

/* labels.bin holds codes, -1 for a cell that has none. */
static inline void teach_denoiser(const cyf_model *model, cyf_scratch *scratch, const char *folder) {
  const cyf_denoiser_config *config = cyf_denoiser_get_config(model->denoiser);
  const int64_t n = N_TAUGHT * config->latent, n_labels = config->n_conditions * N_TAUGHT;
  float *x_t = NULL, *noise = NULL, logits[N_TAUGHT * 8], as_floats[N_TAUGHT * CYF_DENOISER_CONDITIONS_MAX];
  int32_t t[N_TAUGHT], labels[N_TAUGHT * CYF_DENOISER_CONDITIONS_MAX];
  assert_ok(CYF_NEW(&x_t, n));
  assert_ok(CYF_NEW(&noise, n));
  for (int64_t i = 0; i < n; i++) x_t[i] = some_number(3 * i);
  for (int i = 0; i < N_TAUGHT; i++) t[i] = i * 83;
  for (int64_t i = 0; i < n_labels; i++) labels[i] = (int32_t)(i % (config->n_classes[i / N_TAUGHT] + 1)) - 1;
  assert_ok(cyf_denoiser_eval_many(model->denoiser, scratch, N_TAUGHT, x_t, t, n_labels > 0 ? labels : NULL, noise));
  write_floats(folder, "x_t.bin", x_t, n);
  write_floats(folder, "noise.bin", noise, n);
  for (int i = 0; i < N_TAUGHT; i++) as_floats[i] = (float)t[i];
  write_floats(folder, "t.bin", as_floats, N_TAUGHT);
  for (int64_t i = 0; i < n_labels; i++) as_floats[i] = (float)labels[i];
  write_floats(folder, "labels.bin", as_floats, n_labels);
  for (int64_t k = 0; k < model->n_attributes; k++) {
    const cyf_model_attribute *attribute = &model->attributes[k];
    char name[32];
    if (attribute->classifier == NULL) continue;
    assert_true(attribute->categories.n <= 8);
    assert_ok(cyf_classifier_logits(attribute->classifier, scratch, N_TAUGHT, x_t, t, logits));
    snprintf(name, sizeof name, "logits_%lld.bin", (long long)k);
    write_floats(folder, name, logits, N_TAUGHT * attribute->categories.n);
  }
  cyf_free(x_t);
  cyf_free(noise);
}

#endif
