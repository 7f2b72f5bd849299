/* SPDX-License-Identifier: MIT */
/* The autoencoder on raw counts: its loss by a plain formula in double, gradients by finite differences, independence
 * of ranks, where training starts from, and draws. */
#include "kernels/math/normalisation.h"
#include "model/autoencoder.h"
#include "model_check.h"

enum { N_CELLS = 24, N_GENES = 37, N_LATENT = 5 };

static cyf_device *device;

static int setup(void **state) {
  (void)state;
  return cyf_device_create_cpu(1, &device) == CYF_OK ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  cyf_device_destroy(&device);
  return 0;
}

/* Counts, and what the model is given of them. */
typedef struct counted {
  double count[N_CELLS][N_GENES];
  float total[N_CELLS];
  cyf_csr_buffer buffer;
  cyf_csr cells;
} counted;

/* A Poisson draw by inversion: probabilities are added up until they exceed a uniform number. */
static double poisson(cyf_rng_stream *stream, double mean) {
  double left = cyf_rng_next_unit(stream), p = exp(-mean);
  int k = 0;
  for (; left > p && k < 1000; p *= mean / ++k) left -= p;
  return k;
}

/* Cell `empty` has no count (-1: none is). */
static void make_cells(int empty, counted *c) {
  int32_t indices[N_GENES];
  float values[N_GENES];
  *c = (counted){0};
  cyf_csr_buffer_clear(&c->buffer, N_GENES);
  for (int i = 0; i < N_CELLS; i++) {
    cyf_rng_stream stream;
    double total = 0;
    int64_t nnz = 0;
    cyf_rng_stream_init(&stream, cyf_rng_key_make(5, CYF_RNG_SYNTH), 0, (uint64_t)i);
    for (int g = 0; g < N_GENES; g++) {
      /* Half of the genes are silent, so that latents differ. */
      const double mean = 8 * fmax(0, cyf_rng_next_unit(&stream) - 0.5) * (1 + g % 4);
      c->count[i][g] = i == empty ? 0 : poisson(&stream, mean);
      total += c->count[i][g];
    }
    for (int g = 0; g < N_GENES; g++) {
      if (c->count[i][g] == 0) continue;
      indices[nnz] = g;
      values[nnz++] = (float)log1p(c->count[i][g] * CYF_NORMALISED_TOTAL / total);
    }
    c->total[i] = (float)total;
    assert_ok(cyf_csr_buffer_append(&c->buffer, nnz, indices, values));
  }
  c->cells = cyf_csr_view(&c->buffer);
}

static cyf_autoencoder *make_autoencoder(cyf_device *on) {
  const cyf_autoencoder_config config = {
      .n_genes = N_GENES, .latent = N_LATENT, .n_hidden = 2, .hidden = {16, 12}, .likelihood = CYF_LIKELIHOOD_NB};
  cyf_autoencoder *autoencoder = NULL;
  double share[N_GENES], log_theta[N_GENES];
  for (int g = 0; g < N_GENES; g++) {
    share[g] = (1.0 + g % 4) / (2.5 * N_GENES);
    log_theta[g] = 0.05 * g - 0.5;
  }
  if (cyf_autoencoder_create(on, &config, 1, &autoencoder) != CYF_OK) return NULL;
  if (cyf_autoencoder_init(autoencoder, 11) == CYF_OK &&
      cyf_autoencoder_start_counts(autoencoder, share, log_theta, 5, 0.6) == CYF_OK)
    return autoencoder;
  cyf_autoencoder_destroy(&autoencoder);
  return NULL;
}

typedef struct loss_context {
  cyf_autoencoder *autoencoder;
  const counted *data;
} loss_context;

static double train_loss(void *context) {
  const loss_context *c = context;
  double term[CYF_LOSS_TERMS] = {0};
  assert_ok(cyf_autoencoder_train_step(c->autoencoder, &c->data->cells, c->data->total, N_CELLS, NULL, term));
  return (term[0] + term[1]) / (double)(N_CELLS * N_GENES);
}

static void gradients_are_finite_differences(void **state) {
  (void)state;
  counted data;
  make_cells(-1, &data);
  loss_context context = {make_autoencoder(device), &data};
  assert_non_null(context.autoencoder);
  cyf_parameters *p = cyf_autoencoder_parameters(context.autoencoder);
  train_loss(&context);
  float *gradient = to_host(device, p->gradient, p->layout.total);
  check_finite_differences(p, gradient, 3e-6, 5e-3, train_loss, &context);
  cyf_free(gradient);
  cyf_csr_buffer_destroy(&data.buffer);
  cyf_autoencoder_destroy(&context.autoencoder);
}

/* -log NB(x; mu, theta) as written in the literature. */
static double nb_nll(double x, double mu, double theta) {
  return -(lgamma(x + theta) - lgamma(theta) - lgamma(x + 1) + theta * log(theta / (theta + mu)) +
           (x > 0 ? x * log(mu / (theta + mu)) : 0));
}

/* The decoder's weights are set to zero, so that every cell's shares, dispersions and total are those of the start;
 * then the validation sum is known. */
static void the_loss_follows_its_formula(void **state) {
  (void)state;
  counted data;
  make_cells(5, &data);
  cyf_autoencoder *autoencoder = make_autoencoder(device);
  assert_non_null(autoencoder);
  cyf_parameters *p = cyf_autoencoder_parameters(autoencoder);
  assert_ok(cyf_parameters_fill(p, "decoder.network.2.weight", 0));
  assert_ok(cyf_parameters_fill(p, "library.weight", 0));
  double sum = 0, expected = 0;
  assert_ok(cyf_autoencoder_validate(autoencoder, &data.cells, data.total, &sum));
  for (int i = 0; i < N_CELLS; i++) {
    const double r = (log((double)data.total[i]) - 5) / 0.6;
    if (data.total[i] > 0) expected += log((double)data.total[i]) + log(0.6) + 0.5 * log(2 * M_PI) + 0.5 * r * r;
    for (int g = 0; g < N_GENES; g++)
      expected +=
          nb_nll(data.count[i][g], (double)data.total[i] * (1.0 + g % 4) / (2.5 * N_GENES), exp(0.05 * g - 0.5));
  }
  assert_true(fabs(sum - expected) < 2e-6 * expected);
  cyf_csr_buffer_destroy(&data.buffer);
  cyf_autoencoder_destroy(&autoencoder);
}

/* ---- ranks ---- */

typedef struct rank_work {
  thread_rank rank;
  cyf_csr cells; /* this rank's share */
  const float *total;
  cyf_device *device;
  cyf_autoencoder *autoencoder;
  double term[CYF_LOSS_TERMS];
  cyf_status status;
} rank_work;

static void *train_as_rank(void *context) {
  rank_work *work = context;
  const cyf_reducer reducer = {thread_rank_sum, &work->rank};
  work->status =
      cyf_autoencoder_train_step(work->autoencoder, &work->cells, work->total, N_CELLS, &reducer, work->term);
  return NULL;
}

static void check_split_batch(int64_t n_first) {
  counted data;
  make_cells(5, &data);
  loss_context whole = {make_autoencoder(device), &data};
  assert_non_null(whole.autoencoder);
  const double loss = train_loss(&whole);
  cyf_parameters *p = cyf_autoencoder_parameters(whole.autoencoder);
  thread_sum shared;
  rank_work work[THREAD_RANKS] = {0};
  void *contexts[THREAD_RANKS];
  assert_int_equal(pthread_barrier_init(&shared.barrier, NULL, THREAD_RANKS), 0);
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    work[rank].rank = (thread_rank){.shared = &shared, .rank = rank};
    work[rank].cells = cyf_csr_rows(&data.cells, rank == 0 ? 0 : n_first, rank == 0 ? n_first : N_CELLS - n_first);
    work[rank].total = data.total + (rank == 0 ? 0 : n_first);
    assert_ok(cyf_device_create_cpu(1, &work[rank].device));
    work[rank].autoencoder = make_autoencoder(work[rank].device);
    assert_non_null(work[rank].autoencoder);
    contexts[rank] = &work[rank];
  }
  run_as_ranks(train_as_rank, contexts);
  for (int rank = 0; rank < THREAD_RANKS; rank++) assert_int_equal(work[rank].status, CYF_OK);
  assert_true(
      fabs((work[0].term[0] + work[0].term[1] + work[1].term[0] + work[1].term[1]) / (double)(N_CELLS * N_GENES) -
           loss) < 1e-6 * loss);
  cyf_parameters *p0 = cyf_autoencoder_parameters(work[0].autoencoder);
  cyf_parameters *p1 = cyf_autoencoder_parameters(work[1].autoencoder);
  assert_ok(device->ops->axpy(device, p->layout.total, 1.0, p1->gradient, p0->gradient));
  assert_true(device_error(device, p0->gradient, p->gradient, p->layout.total) < 1e-5);
  for (int rank = 0; rank < THREAD_RANKS; rank++) {
    cyf_autoencoder_destroy(&work[rank].autoencoder);
    cyf_device_destroy(&work[rank].device);
  }
  pthread_barrier_destroy(&shared.barrier);
  cyf_autoencoder_destroy(&whole.autoencoder);
  cyf_csr_buffer_destroy(&data.buffer);
}

static void ranks_make_one_batch(void **state) {
  (void)state;
  check_split_batch(7);
  check_split_batch(0); /* a rank without cells */
}

/* ---- decoding ---- */

/* A cell's means add up to the sum asked for. Many draws of one latent have counts whose mean is each gene's part of
 * the predicted totals. They depend on the position, not on the place in the batch. */
static void means_and_draws_follow_the_shares(void **state) {
  (void)state;
  enum { N_DRAWS = 4000 };
  cyf_autoencoder *autoencoder = make_autoencoder(device);
  assert_non_null(autoencoder);
  cyf_scratch *scratch = NULL;
  int64_t *position = NULL;
  assert_ok(cyf_scratch_create(device, &scratch));
  assert_ok(CYF_NEW(&position, N_DRAWS));
  float *latent = random_normals(device, 4, 1, N_LATENT), *means = to_device(device, NULL, N_GENES);
  float *all = to_device(device, NULL, (int64_t)N_DRAWS * N_LATENT);
  float *counts = to_device(device, NULL, (int64_t)N_DRAWS * N_GENES), *again = to_device(device, NULL, N_GENES);
  for (int64_t i = 0; i < N_DRAWS; i++) {
    position[i] = 3 * i + 1;
    assert_ok(device->ops->copy(device, all + i * N_LATENT, latent, N_LATENT * sizeof(float)));
  }
  assert_ok(cyf_autoencoder_decode_means(autoencoder, scratch, 1, latent, CYF_NORMALISED_TOTAL, means));
  assert_ok(cyf_autoencoder_decode_counts(autoencoder, scratch, N_DRAWS, all, 17, position, counts));
  assert_int_equal(cyf_scratch_mark(scratch), 0);
  float *m = to_host(device, means, N_GENES), *x = to_host(device, counts, (int64_t)N_DRAWS * N_GENES);
  double sum = 0, total = 0, of_gene[N_GENES] = {0};
  for (int g = 0; g < N_GENES; g++) sum += (double)m[g];
  assert_true(fabs(sum - CYF_NORMALISED_TOTAL) < 0.05);
  for (int64_t k = 0; k < (int64_t)N_DRAWS * N_GENES; k++) {
    assert_true(x[k] >= 0 && x[k] == rintf(x[k]));
    of_gene[k % N_GENES] += (double)x[k];
    total += (double)x[k];
  }
  for (int g = 0; g < N_GENES; g++) {
    const double share = (double)m[g] / sum;
    /* A gene's relative deviation is at least its dispersion's, here up to 1.3 (theta 0.6), over sqrt(draws). */
    assert_true(fabs(of_gene[g] / total - share) < 5 * 1.6 / sqrt(N_DRAWS) * share);
  }
  assert_ok(cyf_autoencoder_decode_counts(autoencoder, scratch, 1, latent, 17, &position[1234], again));
  float *alone = to_host(device, again, N_GENES);
  assert_memory_equal(alone, x + (ptrdiff_t)1234 * N_GENES, sizeof(float) * N_GENES);
  cyf_free(alone), cyf_free(x), cyf_free(m), cyf_free(position);
  float *const arrays[] = {latent, means, all, counts, again};
  for (int i = 0; i < 5; i++) device->ops->free(device, arrays[i]);
  cyf_scratch_destroy(&scratch);
  cyf_autoencoder_destroy(&autoencoder);
}

/* Each kind of model refuses the calls that are for the other kind. */
static void each_kind_of_model_says_what_it_is_not(void **state) {
  (void)state;
  const cyf_autoencoder_config config = {.n_genes = N_GENES, .latent = N_LATENT, .n_hidden = 1, .hidden = {16}};
  cyf_autoencoder *of_counts = make_autoencoder(device), *of_logs = NULL;
  cyf_scratch *scratch = NULL;
  const int64_t position = 0;
  float *latent = random_normals(device, 4, 1, N_LATENT), *out = to_device(device, NULL, N_GENES);
  assert_ok(cyf_scratch_create(device, &scratch));
  assert_ok(cyf_autoencoder_create(device, &config, 0, &of_logs));
  assert_null(cyf_layout_find(&cyf_autoencoder_parameters(of_logs)->layout, "dispersion.log_theta"));
  assert_int_equal(cyf_autoencoder_decode(of_counts, scratch, 1, latent, out), CYF_ERR_INTERNAL);
  cyf_status_clear();
  assert_int_equal(cyf_autoencoder_decode_means(of_logs, scratch, 1, latent, 1, out), CYF_ERR_INTERNAL);
  cyf_status_clear();
  assert_int_equal(cyf_autoencoder_decode_counts(of_logs, scratch, 1, latent, 1, &position, out), CYF_ERR_INTERNAL);
  cyf_status_clear();
  device->ops->free(device, latent);
  device->ops->free(device, out);
  cyf_scratch_destroy(&scratch);
  cyf_autoencoder_destroy(&of_counts);
  cyf_autoencoder_destroy(&of_logs);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_are_finite_differences),
      cmocka_unit_test(the_loss_follows_its_formula),
      cmocka_unit_test(ranks_make_one_batch),
      cmocka_unit_test(means_and_draws_follow_the_shares),
      cmocka_unit_test(each_kind_of_model_says_what_it_is_not),
  };
  return cmocka_run_group_tests_name("autoencoder_counts", tests, setup, teardown);
}
