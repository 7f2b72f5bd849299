/* SPDX-License-Identifier: MIT */
#include "data/synth/synth_model.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

/* Parameters of the model in synth.h. */
static const double marker_fraction = 0.05;
static const double donor_log_sd = 0.15, donor_factor_max = 1.35;
static const double library_log_sd = 0.35, library_max_ratio = 3.0;

/* The tables bound the rates of clusters of cells of this library size over the mean. For larger cells clusters are
 * proposed in proportion, which is a bound since rates are concave in the mean. For smaller cells, one in thirty, as
 * many are proposed as at this size. */
static const double base_ratio = 0.5;

/* More slots a gene mean fewer proposals in vain, since lengths are rounded up to slots, but larger tables. At 8, one
 * proposal in fifteen is in vain. */
enum { SLOTS_A_GENE = 8 };

/* Rate of clusters of a gene with expected count mu: -log P(count = 0). */
static double cluster_rate(double mu) {
  return CYF_SYNTH_SIZE * log1p(mu / CYF_SYNTH_SIZE);
}

static double normal_of(const cyf_synth_model *model, uint32_t draw, uint64_t position) {
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, model->key, draw, position);
  return cyf_rng_next_normal(&stream);
}

/* By how much the type raises the logarithm of the gene's share: 0 unless it is a marker. */
static double marker_lift(const cyf_synth_model *model, int64_t type, int64_t gene) {
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, model->key, CYF_SYNTH_DRAW_MARKERS, (uint64_t)type << 32 | (uint64_t)gene);
  return cyf_rng_next_unit(&stream) < marker_fraction ? 1 + fabs(cyf_rng_next_normal(&stream)) : 0;
}

/* Expected share of the genes that a cell of the profile exp(sigma z + lift) expresses. The mean over library sizes is
 * taken by Gauss-Hermite quadrature of three points. */
static double expressed_share(const cyf_synth_model *model, const double *z, const double *lift, double sigma) {
  static const double point[3] = {-1.7320508075688772, 0, 1.7320508075688772}, weight[3] = {1.0 / 6, 2.0 / 3, 1.0 / 6};
  double total = 0, expressed = 0;
  for (int64_t g = 0; g < model->n_genes; g++) total += exp(sigma * z[g] + lift[g]);
  for (int i = 0; i < 3; i++) {
    const double library = model->mean_counts * exp(library_log_sd * point[i] - library_log_sd * library_log_sd / 2);
    for (int64_t g = 0; g < model->n_genes; g++)
      expressed -= weight[i] * expm1(-cluster_rate(library * exp(sigma * z[g] + lift[g]) / total));
  }
  return expressed / (double)model->n_genes;
}

/* Finds the sigma at which cells express the wanted share of genes, which falls with sigma. Where even a uniform
 * profile expresses too few, sigma is 0. */
static double solve_sigma(const cyf_synth_model *model, const double *z, const double *lift, double wanted) {
  double low = 0, high = 6;
  for (int i = 0; i < 24; i++) {
    const double middle = (low + high) / 2;
    if (expressed_share(model, z, lift, middle) > wanted) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return (low + high) / 2;
}

/* Lays the genes out in slots. Gene g gets ceil(rate / slot_rate) of them, at least one, so that they bound its rate of
 * clusters at library sizes up to base_ratio times the mean. `top` is the largest share that a cell may give to each.
 */
static cyf_status make_table(const cyf_synth_model *model, const float *top, cyf_synth_table *table) {
  const int64_t n = model->n_genes;
  const double mean_max = model->base_library * donor_factor_max, margin = 1 + 1e-5; /* float32's errors */
  double total = 0;
  for (int64_t g = 0; g < n; g++) total += cluster_rate(mean_max * (double)top[g]);
  table->slot_rate = total / (double)(SLOTS_A_GENE * n);
  const int64_t n_words = ((SLOTS_A_GENE + 1) * n + 1) / 64 + 2; /* rounding up adds less than a slot a gene */
  CYF_TRY(CYF_NEW(&table->bound, n + 1));
  CYF_TRY(CYF_NEW(&table->words, n_words));
  int64_t slot = 0;
  for (int64_t g = 0; g <= n; g++) { /* g = n is no gene: proposals beyond the end of the line fall on it */
    table->words[slot / 64].first |= UINT64_C(1) << (slot % 64);
    table->bound[g] = 1;
    if (g == n) break;
    double n_slots = ceil(margin * cluster_rate(mean_max * (double)top[g]) / table->slot_rate);
    if (n_slots < 1) n_slots = 1;
    table->bound[g] = (float)(n_slots * table->slot_rate);
    slot += (int64_t)n_slots;
  }
  table->n_slots = slot;
  int32_t before = -1;
  for (int64_t w = 0; w < n_words; w++) {
    table->words[w].gene_before = before;
    before += __builtin_popcountll(table->words[w].first);
  }
  return CYF_OK;
}

static void make_share(const cyf_synth_model *model, int64_t type, const double *z) {
  float *share = model->share + type * (model->n_genes + 1);
  double total = 0;
  for (int64_t g = 0; g < model->n_genes; g++) {
    share[g] = (float)exp(model->sigma * z[g] + marker_lift(model, type, g));
    total += (double)share[g];
  }
  for (int64_t g = 0; g < model->n_genes; g++) share[g] = (float)((double)share[g] / total);
  share[model->n_genes] = 0;
}

/* Makes a table for each type, and for each segment of the path. A cell of the path lies between the ends of its
 * segment, so the larger share of the two ends bounds the cell's. */
static cyf_status make_type_tables(cyf_synth_model *model) {
  const int64_t n = model->n_genes;
  const float *first = model->share, *second = model->share + (n + 1);
  float *top = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&top, n));
  for (int64_t t = 0; t < model->n_tables; t++) {
    if (model->n_types < 2 || t >= CYF_SYNTH_SEGMENTS) {
      const int64_t type = model->n_types < 2 ? 0 : t - CYF_SYNTH_SEGMENTS + 2;
      CYF_TRY_CLEANUP(make_table(model, model->share + type * (n + 1), &model->table[t]));
      continue;
    }
    const float u = (float)t / CYF_SYNTH_SEGMENTS, v = (float)(t + 1) / CYF_SYNTH_SEGMENTS;
    for (int64_t g = 0; g < n; g++)
      top[g] = fmaxf((1 - u) * first[g] + u * second[g], (1 - v) * first[g] + v * second[g]);
    CYF_TRY_CLEANUP(make_table(model, top, &model->table[t]));
  }
cleanup:
  cyf_free(top);
  return status;
}

static cyf_status make_donors(cyf_synth_model *model) {
  const int64_t n = model->n_genes;
  CYF_TRY(CYF_NEW(&model->donor_factor, model->n_donors * (n + 1)));
  for (int64_t d = 0; d < model->n_donors; d++) {
    float *of_donor = model->donor_factor + d * (n + 1);
    for (int64_t g = 0; g < n; g++) {
      const double factor = exp(donor_log_sd * normal_of(model, CYF_SYNTH_DRAW_DONORS, (uint64_t)(d * n + g)));
      of_donor[g] = (float)(factor < donor_factor_max ? factor : donor_factor_max);
    }
    of_donor[n] = 1;
  }
  return CYF_OK;
}

static cyf_status make_type_weights(cyf_synth_model *model) {
  CYF_TRY(CYF_NEW(&model->type_weight, model->n_types));
  double total = 0;
  for (int64_t t = 0; t < model->n_types; t++) model->type_weight[t] = total += 1 / sqrt((double)t + 1);
  for (int64_t t = 0; t < model->n_types; t++) model->type_weight[t] /= total;
  return CYF_OK;
}

static cyf_status make_profiles(const cyf_synth_options *options, cyf_synth_model *model) {
  double *z = NULL, *lift = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&z, model->n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&lift, model->n_genes));
  for (int64_t g = 0; g < model->n_genes; g++) {
    z[g] = normal_of(model, CYF_SYNTH_DRAW_BASE, (uint64_t)g);
    lift[g] = marker_lift(model, 0, g);
  }
  model->sigma = solve_sigma(model, z, lift, options->expressed_fraction);
  CYF_TRY_CLEANUP(CYF_NEW(&model->share, model->n_types * (model->n_genes + 1)));
  for (int64_t t = 0; t < model->n_types; t++) make_share(model, t, z);
cleanup:
  cyf_free(z);
  cyf_free(lift);
  return status;
}

static cyf_status make_parts(const cyf_synth_options *options, cyf_synth_model *model) {
  CYF_TRY(make_profiles(options, model));
  model->n_tables = model->n_types < 2 ? 1 : CYF_SYNTH_SEGMENTS + model->n_types - 2;
  CYF_TRY(CYF_NEW(&model->table, model->n_tables));
  CYF_TRY(make_type_tables(model));
  CYF_TRY(make_donors(model));
  return make_type_weights(model);
}

cyf_status cyf_synth_model_create(const cyf_synth_options *options, cyf_synth_model **ret_model) {
  *ret_model = NULL;
  cyf_synth_model *model = NULL;
  CYF_TRY(CYF_NEW(&model, 1));
  model->n_genes = options->n_genes;
  model->n_types = options->n_types;
  model->n_donors = options->n_donors;
  model->mean_counts = options->mean_counts;
  model->base_library = options->mean_counts * base_ratio;
  model->key = cyf_rng_key_make(options->seed, CYF_RNG_SYNTH);
  const cyf_status status = make_parts(options, model);
  if (status != CYF_OK) {
    cyf_synth_model_destroy(&model);
    return status;
  }
  *ret_model = model;
  return CYF_OK;
}

void cyf_synth_model_destroy(cyf_synth_model **model_at) {
  if (!model_at || !*model_at) return;
  cyf_synth_model *model = *model_at;
  for (int64_t t = 0; model->table && t < model->n_tables; t++) {
    cyf_free(model->table[t].bound);
    cyf_free(model->table[t].words);
  }
  cyf_free(model->table);
  cyf_free(model->share);
  cyf_free(model->donor_factor);
  cyf_free(model->type_weight);
  cyf_free(*model_at);
}

void cyf_synth_draw_obs(const cyf_synth_model *model, int64_t index, cyf_synth_cell *ret_cell) {
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, model->key, CYF_SYNTH_DRAW_CELL, (uint64_t)index);
  const double u = cyf_rng_next_unit(&stream);
  ret_cell->type = 0;
  while (ret_cell->type < model->n_types - 1 && u >= model->type_weight[ret_cell->type]) ret_cell->type++;
  ret_cell->donor = (int32_t)cyf_rng_next_below(&stream, (uint64_t)model->n_donors);
  const double v = cyf_rng_next_unit(&stream);
  ret_cell->pseudotime = model->n_types < 2 || ret_cell->type > 1 ? NAN : (v + ret_cell->type) / 2;
  const double ratio = exp(library_log_sd * cyf_rng_next_normal(&stream) - library_log_sd * library_log_sd / 2);
  ret_cell->library_size = model->mean_counts * (ratio < library_max_ratio ? ratio : library_max_ratio);
}

double cyf_synth_expected_count(const cyf_synth_model *model, const cyf_synth_cell *cell, int64_t gene) {
  const int64_t stride = model->n_genes + 1;
  const float *first = model->share, *second = model->share + stride;
  const double share = isnan(cell->pseudotime)
                           ? (double)model->share[cell->type * stride + gene]
                           : (1 - cell->pseudotime) * (double)first[gene] + cell->pseudotime * (double)second[gene];
  return cell->library_size * share * (double)model->donor_factor[cell->donor * stride + gene];
}

double cyf_synth_count_bound(const cyf_synth_model *model) {
  float most = 0;
  for (int64_t i = 0; i < model->n_types * (model->n_genes + 1); i++) most = fmaxf(most, model->share[i]);
  return 16 * (model->mean_counts * library_max_ratio * donor_factor_max * (double)most + 1);
}
