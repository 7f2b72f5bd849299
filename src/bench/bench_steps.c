/* SPDX-License-Identifier: MIT */
#include "bench/bench_steps.h"

#include <string.h>

#include "base/memory.h"
#include "base/words.h"
#include "bench/bench_atlas.h"
#include "kernels/backend.h"
#include "train/stage_common.h"

struct cyf_bench_steps {
  cyf_comm *comm;
  cyf_device *device;
  const cyf_settings *settings;
  cyf_bench_shape shape;
  cyf_gradient_plane *plane;
  cyf_optimizer *optimizer;
  cyf_scratch *scratch; /* the batch */
  cyf_autoencoder *autoencoder;
  cyf_denoiser *denoiser;
  cyf_classifier *classifier;
  cyf_parameters *parameters;
  cyf_bench_atlas *atlas; /* NULL: cells are made up */
  cyf_csr cells;
  float *total; /* [n_local] counts a cell, for a likelihood of counts */
  float *x_t, *eps;
  int32_t *label, *t_host;
  cyf_loss_sums sums;
  cyf_graph *graph; /* of a denoiser's step */
};

static cyf_rng_key key_of(uint64_t what) {
  return cyf_rng_key_make(what, CYF_RNG_INIT);
}

/* Makes cells that each express one gene, drawn at random, of every range of (genes / expressed) genes. */
static cyf_status make_cells(cyf_bench_steps *s) {
  const int64_t n = s->shape.n_local, per_cell = (int64_t)s->shape.n_expressed, genes = s->shape.n_genes;
  cyf_csr host = {.n_cells = n, .n_genes = genes};
  int64_t *indptr = NULL;
  int32_t *indices = NULL;
  float *values = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&indptr, n + 1));
  CYF_TRY_CLEANUP(CYF_NEW(&indices, n * per_cell));
  CYF_TRY_CLEANUP(CYF_NEW(&values, n * per_cell));
  for (int64_t i = 0; i < n; i++) {
    indptr[i + 1] = (i + 1) * per_cell;
    for (int64_t j = 0; j < per_cell; j++) {
      uint32_t words[4];
      cyf_rng_block(key_of(1), (uint32_t)cyf_comm_rank(s->comm), (uint64_t)i, (uint32_t)j, words);
      const int64_t begin = j * genes / per_cell, end = (j + 1) * genes / per_cell;
      indices[i * per_cell + j] = (int32_t)(begin + (int64_t)(words[0] % (uint64_t)(end - begin)));
      values[i * per_cell + j] = (float)(0.5 + 3 * cyf_rng_unit(words[1]));
    }
  }
  host.indptr = indptr;
  host.indices = indices;
  host.values = values;
  CYF_TRY_CLEANUP(cyf_csr_to_device(s->device, s->scratch, &host, &s->cells));
  CYF_TRY_CLEANUP(s->device->ops->synchronize(s->device));
  if (s->device->host_memory) indptr = NULL, indices = NULL, values = NULL; /* the batch is these arrays */
cleanup:
  cyf_free(indptr);
  cyf_free(indices);
  cyf_free(values);
  return status;
}

static cyf_status make_totals(cyf_bench_steps *s) {
  const int64_t n = s->shape.n_local;
  float *host = NULL;
  CYF_TRY(cyf_scratch_floats(s->scratch, n, &s->total));
  CYF_TRY(CYF_NEW(&host, n));
  for (int64_t i = 0; i < n; i++) host[i] = 5000;
  cyf_status status = s->device->ops->upload(s->device, s->total, host, sizeof(float) * (size_t)n);
  if (status == CYF_OK) status = s->device->ops->synchronize(s->device);
  cyf_free(host);
  return status;
}

static cyf_status make_latents(cyf_bench_steps *s) {
  const int64_t n = s->shape.n_local, width = s->settings->autoencoder.latent;
  const cyf_ops *ops = s->device->ops;
  int32_t *label = NULL;
  CYF_TRY(cyf_scratch_floats(s->scratch, n * width, &s->x_t));
  CYF_TRY(cyf_scratch_floats(s->scratch, n * width, &s->eps));
  CYF_TRY(cyf_scratch_int32(s->scratch, n, &s->label));
  const int64_t first = cyf_comm_rank(s->comm) * n;
  CYF_TRY(ops->fill_normal(s->device, n, width, key_of(2), 0, NULL, first, s->x_t));
  CYF_TRY(ops->fill_normal(s->device, n, width, key_of(3), 0, NULL, first, s->eps));
  CYF_TRY(CYF_NEW(&s->t_host, n));
  CYF_TRY(CYF_NEW(&label, n));
  for (int64_t i = 0; i < n; i++) {
    uint32_t words[4];
    cyf_rng_block(key_of(4), 0, (uint64_t)(first + i), 0, words);
    s->t_host[i] = (int32_t)(words[0] % (uint64_t)s->settings->diffusion.timesteps);
    label[i] = (int32_t)(words[1] % (uint64_t)s->shape.n_classes);
  }
  cyf_status status = ops->upload(s->device, s->label, label, sizeof(int32_t) * (size_t)n);
  if (status == CYF_OK) status = ops->synchronize(s->device);
  cyf_free(label);
  return status;
}

static cyf_status make_autoencoder(cyf_bench_steps *s) {
  if (s->atlas != NULL) {
    s->shape.n_genes = cyf_bench_atlas_genes(s->atlas);
    s->shape.n_expressed = cyf_bench_atlas_expressed(s->atlas);
  }
  const cyf_autoencoder_config config = cyf_settings_autoencoder(s->settings, s->shape.n_genes);
  if (config.likelihood == CYF_LIKELIHOOD_NB && s->atlas == NULL)
    return CYF_FAIL(CYF_ERR_USAGE, "bench train: the made-up cells have no counts for autoencoder.likelihood: nb");
  CYF_TRY(cyf_autoencoder_create(s->device, &config, 1, &s->autoencoder));
  s->parameters = cyf_autoencoder_parameters(s->autoencoder);
  CYF_TRY(cyf_autoencoder_init(s->autoencoder, 0));
  if (s->atlas != NULL) return CYF_OK;
  CYF_TRY(make_totals(s));
  return make_cells(s);
}

static cyf_status make_denoiser(cyf_bench_steps *s) {
  int64_t n_classes[CYF_DENOISER_CONDITIONS_MAX];
  for (int k = 0; k < CYF_DENOISER_CONDITIONS_MAX; k++) n_classes[k] = s->shape.n_classes;
  const cyf_denoiser_config config = cyf_settings_denoiser(s->settings, n_classes);
  CYF_TRY(cyf_denoiser_create(s->device, &config, 1, &s->denoiser));
  s->parameters = cyf_denoiser_parameters(s->denoiser);
  CYF_TRY(cyf_denoiser_init(s->denoiser, 0));
  return make_latents(s);
}

static cyf_status make_classifier(cyf_bench_steps *s) {
  const cyf_classifier_config config = cyf_settings_classifier(s->settings, s->shape.n_classes);
  CYF_TRY(cyf_classifier_create(s->device, &config, 1, &s->classifier));
  s->parameters = cyf_classifier_parameters(s->classifier);
  CYF_TRY(cyf_classifier_init(s->classifier, 0));
  return make_latents(s);
}

/* What is measured of a stage of training. */
static const struct {
  const cyf_stage_type *type;
  cyf_status (*make)(cyf_bench_steps *s);
} measured[] = {
    {&cyf_stage_autoencoder, make_autoencoder},
    {&cyf_stage_denoiser, make_denoiser},
    {&cyf_stage_classifier, make_classifier},
};
enum { N_MEASURED = sizeof measured / sizeof measured[0] };

static cyf_status make(cyf_bench_steps *s) {
  const char *names[N_MEASURED];
  int stage = 0;
  for (int i = 0; i < N_MEASURED; i++) names[i] = measured[i].type->name;
  CYF_TRY(cyf_words_choose("bench train", "stage", N_MEASURED, names, s->shape.stage, &stage));
  CYF_TRY(cyf_scratch_create(s->device, &s->scratch));
  CYF_TRY(measured[stage].make(s));
  return cyf_optimizer_create(s->parameters, cyf_stage_settings_of(measured[stage].type, s->settings), &s->optimizer);
}

cyf_status cyf_bench_steps_create(cyf_comm *comm, cyf_device *device, const cyf_settings *settings,
                                  const cyf_bench_shape *shape, cyf_bench_steps **ret_steps) {
  cyf_bench_steps *s = NULL;
  *ret_steps = NULL;
  cyf_status status = CYF_NEW(&s, 1);
  if (status == CYF_OK) {
    *s = (cyf_bench_steps){.comm = comm, .device = device, .settings = settings, .shape = *shape};
    if (shape->data != NULL && strcmp(shape->stage, cyf_stage_autoencoder.name) != 0)
      status = CYF_FAIL(CYF_ERR_USAGE, "bench train: --data is for the %s; the %s trains on latents",
                        cyf_stage_autoencoder.name, shape->stage);
  }
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  if (shape->data != NULL)
    CYF_TRY_CLEANUP(cyf_bench_atlas_open(comm, device, settings, shape->data, shape->n_global, &s->atlas));
  status = make(s);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(cyf_gradient_plane_create(comm, device, settings->comm.bucket_mb << 20, &s->plane));
  *ret_steps = s;
  s = NULL;
cleanup:
  cyf_bench_steps_destroy(&s);
  return status;
}

void cyf_bench_steps_destroy(cyf_bench_steps **steps) {
  if (steps == NULL || *steps == NULL) return;
  cyf_bench_steps *s = *steps;
  const bool made_up = s->atlas == NULL;
  if (s->graph != NULL) s->device->ops->graph_destroy(s->device, s->graph);
  cyf_bench_atlas_close(&s->atlas);
  cyf_gradient_plane_destroy(&s->plane);
  cyf_optimizer_destroy(&s->optimizer);
  cyf_autoencoder_destroy(&s->autoencoder);
  cyf_denoiser_destroy(&s->denoiser);
  cyf_classifier_destroy(&s->classifier);
  if (s->device->host_memory && made_up) {
    void *arrays[] = {(void *)s->cells.indptr, (void *)s->cells.indices, (void *)s->cells.values};
    for (int i = 0; i < 3; i++) cyf_free(arrays[i]);
  }
  cyf_free(s->t_host);
  cyf_scratch_destroy(&s->scratch);
  cyf_free(*steps);
}

static cyf_status sum_statistics(void *context, double *values, int64_t count) {
  return cyf_gradient_plane_sum_doubles(context, values, count);
}

static cyf_status sum_ready(void *context, int64_t first, int64_t count) {
  return cyf_gradient_plane_ready(context, first, count);
}

/* The rows of distinct timesteps first, then one graph, as in train/stage_denoiser.c and train/loop.c. */
static cyf_status train_denoiser(cyf_bench_steps *s) {
  const int64_t n = s->shape.n_local, n_global = s->shape.n_global;
  const bool as_graph = !cyf_gradient_plane_sums_meanwhile(s->plane);
  const cyf_ops *ops = s->device->ops;
  cyf_denoiser_rows rows = {0};
  s->sums.weight = (double)(n * s->settings->autoencoder.latent);
  const size_t mark = cyf_scratch_mark(s->scratch);
  cyf_status status = cyf_denoiser_rows_find(s->denoiser, s->scratch, n, s->t_host, NULL, &rows);
  cyf_scratch_release(s->scratch, mark);
  CYF_TRY(status);
  if (as_graph) CYF_TRY(ops->graph_begin(s->device, &s->graph));
  status = cyf_denoiser_train_rows(s->denoiser, n, s->x_t, &rows, s->eps, n_global, &s->sums.loss);
  if (!as_graph) return status;
  const cyf_status ended = ops->graph_end(s->device, &s->graph, status == CYF_OK);
  return status != CYF_OK ? status : ended;
}

static cyf_status train_step(cyf_bench_steps *s, int64_t *ret_n_cells) {
  const cyf_reducer reducer = {sum_statistics, s->plane};
  const int64_t n = s->shape.n_local, n_global = s->shape.n_global;
  const float *total = s->total;
  *ret_n_cells = n_global;
  s->sums = (cyf_loss_sums){0};
  if (s->autoencoder != NULL) {
    if (s->atlas != NULL) CYF_TRY(cyf_bench_atlas_next(s->atlas, &s->cells, &total, ret_n_cells));
    s->sums.weight = (double)s->cells.n_cells * (double)s->shape.n_genes;
    return cyf_autoencoder_train_step(s->autoencoder, &s->cells, total, *ret_n_cells, &reducer, s->sums.term);
  }
  if (s->denoiser != NULL) return train_denoiser(s);
  return cyf_classifier_train_step(s->classifier, n, s->x_t, s->t_host, s->label, NULL, n_global, (double)n_global,
                                   NULL, &reducer, &s->sums);
}

cyf_status cyf_bench_steps_run(cyf_bench_steps *s, int64_t *ret_n_cells) {
  CYF_TRY(cyf_gradient_plane_begin(s->plane, s->parameters->gradient, s->parameters->layout.total));
  s->parameters->listener = (cyf_gradient_listener){sum_ready, s->plane};
  const cyf_status status = train_step(s, ret_n_cells);
  s->parameters->listener = (cyf_gradient_listener){0};
  CYF_TRY(status);
  CYF_TRY(cyf_gradient_plane_finish(s->plane));
  return cyf_optimizer_update(s->optimizer);
}

cyf_status cyf_bench_steps_wait(cyf_bench_steps *s) {
  return s->device->ops->synchronize(s->device);
}

double cyf_bench_steps_loss(const cyf_bench_steps *s) {
  return cyf_loss_sum(&s->sums) / s->sums.weight;
}

/* The number of rows that a weight is multiplied with for a rank's cells. A time path runs on distinct timesteps, and
 * one layer of the classifier (emb_layers3) is never used. */
static double rows_of(const cyf_bench_steps *s, const cyf_named_tensor *tensor) {
  const double n = (double)s->shape.n_local, n_times = (double)s->settings->diffusion.timesteps;
  if (tensor->kind == CYF_TENSOR_TRANSPOSED) return n * s->shape.n_expressed / (double)s->shape.n_genes;
  if (strstr(tensor->name, "emb_layers3") != NULL) return 0;
  const bool of_time = strstr(tensor->name, "time_embed") != NULL || strstr(tensor->name, "emb_layer") != NULL;
  return of_time && n_times < n ? n_times : n;
}

double cyf_bench_steps_flops(const cyf_bench_steps *s) {
  double products = 0;
  for (int64_t i = 0; i < s->parameters->layout.n_tensors; i++) {
    const cyf_named_tensor *tensor = &s->parameters->layout.tensors[i];
    if (tensor->n_dims == 2) products += (double)tensor->count * rows_of(s, tensor);
  }
  return 6 * products * cyf_comm_size(s->comm);
}

double cyf_bench_steps_bytes(const cyf_bench_steps *s) {
  const int passes = 4 * 2 + (s->optimizer->ema != NULL ? 2 : 0) + 3; /* of 4 bytes a parameter */
  const double entries = s->autoencoder != NULL ? (double)s->shape.n_local * s->shape.n_expressed : 0;
  return 4.0 * passes * (double)s->parameters->layout.total + 8.0 * entries;
}

const cyf_bench_shape *cyf_bench_steps_shape(const cyf_bench_steps *s) {
  return &s->shape;
}

const char *cyf_bench_steps_plane(const cyf_bench_steps *s) {
  return cyf_gradient_plane_name(s->plane);
}
