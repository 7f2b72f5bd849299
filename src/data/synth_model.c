#include "data/synth_model.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

/* Parameters of the model in synth.h. */
static const double nb_size = 2.0;
static const double marker_fraction = 0.05;
static const double donor_log_sd = 0.15, donor_factor_max = 1.35;
static const double library_log_sd = 0.35, library_max_ratio = 3.0;
static const double level_ratio[CYF_SYNTH_LEVELS] = {
    0.85, 1.3, 3.0}; /* library sizes over their mean, the last library_max_ratio */

/* Streams of the simulator's key: the `step` of the counter tells what is drawn. */
enum { DRAW_CELL, DRAW_BASE, DRAW_MARKERS, DRAW_DONORS };

double cyf_synth_size(void) {
  return nb_size;
}

/* Rate of clusters of a gene with expected count mu: -log P(count = 0). */
static double cluster_rate(double mu) {
  return nb_size * log1p(mu / nb_size);
}

static double normal_of(const cyf_synth_model *model, uint32_t draw, uint64_t position) {
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, model->key, draw, position);
  return cyf_rng_next_normal(&stream);
}

/* Log-fold of a gene in a type: 0 unless it is a marker. */
static double marker_lift(const cyf_synth_model *model, int64_t type, int64_t gene) {
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, model->key, DRAW_MARKERS, (uint64_t)type << 32 | (uint64_t)gene);
  return cyf_rng_next_unit(&stream) < marker_fraction ? 1 + fabs(cyf_rng_next_normal(&stream)) : 0;
}

/* Share of genes that cells with the profile exp(sigma z + lift) express: over library sizes by Gauss and Hermite's
 * rule of three points. */
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

/* The share falls with sigma; where even an even profile expresses too few genes, sigma is 0. */
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

/* Walker's alias method (Vose 1991): each gene is one of n boxes of equal weight, shared with at most one other. */
static cyf_status build_alias(cyf_synth_table *table, int64_t n) {
  double *weight = NULL;
  int32_t *small = NULL;
  int64_t n_small = 0, n_large = 0;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&weight, n));
  CYF_TRY_CLEANUP(CYF_NEW(&small, n)); /* light ones grow from the front, heavy ones from the back */
  for (int64_t g = 0; g < n; g++) {
    weight[g] = (double)table->rate[g] / table->total_rate * (double)n;
    table->keep[g] = 1;
    table->other[g] = (int32_t)g;
    if (weight[g] < 1) {
      small[n_small++] = (int32_t)g;
    } else {
      small[n - ++n_large] = (int32_t)g;
    }
  }
  while (n_small > 0 && n_large > 0) {
    const int32_t light = small[--n_small], heavy = small[n - n_large];
    table->keep[light] = (float)weight[light];
    table->other[light] = heavy;
    weight[heavy] -= 1 - weight[light];
    if (weight[heavy] < 1) {
      n_large--;
      small[n_small++] = heavy;
    }
  }
cleanup:
  cyf_free(weight);
  cyf_free(small);
  return status;
}

static cyf_status make_table(const cyf_synth_model *model, const float *share, double mean_max,
                             cyf_synth_table *table) {
  const int64_t n = model->n_genes;
  CYF_TRY(CYF_NEW(&table->keep, n));
  CYF_TRY(CYF_NEW(&table->other, n));
  CYF_TRY(CYF_NEW(&table->rate, n));
  for (int64_t g = 0; g < n; g++) {
    table->rate[g] = (float)cluster_rate(mean_max * (double)share[g]);
    table->total_rate += (double)table->rate[g];
  }
  return build_alias(table, n);
}

static cyf_status make_type(const cyf_synth_model *model, int64_t type, const double *z) {
  float *share = model->share + type * model->n_genes;
  double total = 0;
  for (int64_t g = 0; g < model->n_genes; g++) {
    share[g] = (float)exp(model->sigma * z[g] + marker_lift(model, type, g));
    total += (double)share[g];
  }
  for (int64_t g = 0; g < model->n_genes; g++) share[g] = (float)((double)share[g] / total);
  for (int l = 0; l < CYF_SYNTH_LEVELS; l++)
    CYF_TRY(make_table(model, share, model->mean_counts * level_ratio[l] * donor_factor_max,
                       &model->table[type * CYF_SYNTH_LEVELS + l]));
  return CYF_OK;
}

static cyf_status make_tables(const cyf_synth_options *options, cyf_synth_model *model) {
  double *z = NULL, *lift = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&z, model->n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&lift, model->n_genes));
  for (int64_t g = 0; g < model->n_genes; g++) {
    z[g] = normal_of(model, DRAW_BASE, (uint64_t)g);
    lift[g] = marker_lift(model, 0, g);
  }
  model->sigma = solve_sigma(model, z, lift, options->expressed_fraction);
  CYF_TRY_CLEANUP(CYF_NEW(&model->share, model->n_types * model->n_genes));
  CYF_TRY_CLEANUP(CYF_NEW(&model->table, model->n_types * CYF_SYNTH_LEVELS));
  for (int64_t t = 0; t < model->n_types; t++) CYF_TRY_CLEANUP(make_type(model, t, z));
  CYF_TRY_CLEANUP(CYF_NEW(&model->donor_factor, model->n_donors * model->n_genes));
  for (int64_t i = 0; i < model->n_donors * model->n_genes; i++) {
    const double factor = exp(donor_log_sd * normal_of(model, DRAW_DONORS, (uint64_t)i));
    model->donor_factor[i] = (float)(factor < donor_factor_max ? factor : donor_factor_max);
  }
  CYF_TRY_CLEANUP(CYF_NEW(&model->type_weight, model->n_types));
  double total = 0;
  for (int64_t t = 0; t < model->n_types; t++) model->type_weight[t] = total += 1 / sqrt((double)t + 1);
  for (int64_t t = 0; t < model->n_types; t++) model->type_weight[t] /= total;
cleanup:
  cyf_free(z);
  cyf_free(lift);
  return status;
}

cyf_status cyf_synth_model_create(const cyf_synth_options *options, cyf_synth_model **ret_model) {
  *ret_model = NULL;
  cyf_synth_model *model = NULL;
  CYF_TRY(CYF_NEW(&model, 1));
  model->n_genes = options->n_genes;
  model->n_types = options->n_types;
  model->n_donors = options->n_donors;
  model->mean_counts = options->mean_counts;
  model->key = cyf_rng_key_make(options->seed, CYF_RNG_SYNTH);
  const cyf_status status = make_tables(options, model);
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
  for (int64_t t = 0; model->table && t < model->n_types * CYF_SYNTH_LEVELS; t++) {
    cyf_free(model->table[t].keep);
    cyf_free(model->table[t].other);
    cyf_free(model->table[t].rate);
  }
  cyf_free(model->table);
  cyf_free(model->share);
  cyf_free(model->donor_factor);
  cyf_free(model->type_weight);
  cyf_free(*model_at);
}

cyf_status cyf_synth_scratch_make(const cyf_synth_model *model, cyf_synth_scratch *scratch) {
  CYF_TRY(CYF_NEW(&scratch->count, model->n_genes));
  CYF_TRY(CYF_NEW(&scratch->occupied, (model->n_genes + 63) / 64));
  CYF_TRY(CYF_NEW(&scratch->indices, model->n_genes));
  return CYF_NEW(&scratch->values, model->n_genes);
}

void cyf_synth_scratch_destroy(cyf_synth_scratch *scratch) {
  cyf_free(scratch->count);
  cyf_free(scratch->occupied);
  cyf_free(scratch->indices);
  cyf_free(scratch->values);
}

static void draw_obs(const cyf_synth_model *model, cyf_rng_stream *stream, cyf_synth_cell *cell) {
  const double u = cyf_rng_next_unit(stream);
  cell->type = 0;
  while (cell->type < model->n_types - 1 && u >= model->type_weight[cell->type]) cell->type++;
  cell->donor = (int32_t)cyf_rng_next_below(stream, (uint64_t)model->n_donors);
  const double v = cyf_rng_next_unit(stream);
  cell->pseudotime = model->n_types < 2 || cell->type > 1 ? NAN : (v + cell->type) / 2;
  const double ratio = exp(library_log_sd * cyf_rng_next_normal(stream) - library_log_sd * library_log_sd / 2);
  cell->library_size = model->mean_counts * (ratio < library_max_ratio ? ratio : library_max_ratio);
}

double cyf_synth_expected_count(const cyf_synth_model *model, const cyf_synth_cell *cell, int64_t gene) {
  const float *first = model->share, *second = model->share + model->n_genes;
  const double share = isnan(cell->pseudotime)
                           ? (double)model->share[cell->type * model->n_genes + gene]
                           : (1 - cell->pseudotime) * (double)first[gene] + cell->pseudotime * (double)second[gene];
  return cell->library_size * share * (double)model->donor_factor[cell->donor * model->n_genes + gene];
}

/* A logarithmic variable with parameter q by Kemp's second method (Kemp, Applied Statistics 1981). */
static int32_t draw_cluster_size(cyf_rng_stream *stream, double q) {
  const double v = cyf_rng_next_unit(stream);
  if (v >= q) return 1;
  const double r = -expm1(cyf_rng_next_unit(stream) * log1p(-q));
  if (v <= r * r) return (int32_t)(1 + log(v) / log(r));
  return v <= r ? 2 : 1;
}

static int64_t draw_gene(const cyf_synth_table *table, int64_t n_genes, cyf_rng_stream *stream) {
  const int64_t gene = (int64_t)cyf_rng_below(cyf_rng_next(stream), (uint32_t)n_genes);
  return cyf_rng_next_unit(stream) < (double)table->keep[gene] ? gene : table->other[gene];
}

/* Adds the cell's counts to scratch->count. On the path, clusters are proposed from both ends' tables: their rates
 * together bound those of any mixture, since the rate is concave in the mean and zero at zero. */
static void draw_counts(const cyf_synth_model *model, const cyf_synth_cell *cell, cyf_rng_stream *stream,
                        cyf_synth_scratch *scratch) {
  const bool on_path = !isnan(cell->pseudotime);
  int level = 0;
  while (level < CYF_SYNTH_LEVELS - 1 && cell->library_size > model->mean_counts * level_ratio[level]) level++;
  const cyf_synth_table *first = &model->table[(on_path ? 0 : cell->type) * CYF_SYNTH_LEVELS + level];
  const cyf_synth_table *second = on_path ? &model->table[CYF_SYNTH_LEVELS + level] : NULL;
  const double total = first->total_rate + (second ? second->total_rate : 0);
  const int64_t n_proposed = cyf_rng_next_poisson(stream, total);
  for (int64_t i = 0; i < n_proposed; i++) {
    const bool from_second = second && cyf_rng_next_unit(stream) * total >= first->total_rate;
    const int64_t gene = draw_gene(from_second ? second : first, model->n_genes, stream);
    const double mu = cyf_synth_expected_count(model, cell, gene);
    const double bound = (double)first->rate[gene] + (second ? (double)second->rate[gene] : 0);
    if (cyf_rng_next_unit(stream) * bound >= cluster_rate(mu)) continue;
    scratch->count[gene] += draw_cluster_size(stream, mu / (mu + nb_size));
    scratch->occupied[gene / 64] |= UINT64_C(1) << (gene % 64);
  }
}

void cyf_synth_draw_cell(const cyf_synth_model *model, int64_t cell, cyf_synth_scratch *scratch,
                         cyf_synth_cell *ret_cell, int64_t *ret_nnz) {
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, model->key, DRAW_CELL, (uint64_t)cell);
  draw_obs(model, &stream, ret_cell);
  draw_counts(model, ret_cell, &stream, scratch);
  int64_t n = 0;
  for (int64_t w = 0; w < (model->n_genes + 63) / 64; w++) {
    for (uint64_t word = scratch->occupied[w]; word != 0; word &= word - 1) {
      const int64_t gene = w * 64 + __builtin_ctzll(word);
      scratch->indices[n] = (int32_t)gene;
      scratch->values[n++] = (float)scratch->count[gene];
      scratch->count[gene] = 0;
    }
    scratch->occupied[w] = 0;
  }
  *ret_nnz = n;
}
