/* SPDX-License-Identifier: MIT */
#include "data/loader/balance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static cyf_status no_such_label(const cyf_atlas *atlas, const char *name) {
  char list[512] = "";
  for (int64_t a = 0; a < atlas->n_attributes; a++) {
    const size_t used = strlen(list);
    snprintf(list + used, sizeof(list) - used, "%s%s", a ? ", " : "", atlas->attributes[a].name);
  }
  return CYF_FAIL(CYF_ERR_CONFIG, "data.balance_label: '%s' is no label of %s, which has: %s", name, atlas->directory,
                  atlas->n_attributes ? list : "none");
}

static double by_size(cyf_sampling sampling, double n_k) {
  if (n_k == 0) return 0;
  return sampling == CYF_SAMPLING_UNIFORM ? 1 / n_k : 1 / sqrt(n_k);
}

/* How often a cell of a small category may be emitted for once without weights. Ten cells that are seen more often are
 * learnt by heart, and generated cells are then copies of them (benchmarks/rare.sh). */
static const double MOST_GENTLE = 4;

/* Scales weight[n] so that an epoch has as many cells as without them, none of them above `most`. What is cut off goes
 * to the other categories, which may bring one more of them to `most`: each round does so to one at least. */
static void scale_weights(const cyf_attribute *attribute, double most, double *weight) {
  const int64_t n = attribute->categories.n;
  bool cuts = true;
  for (int64_t round = 0; round <= n && cuts; round++) {
    double n_free = 0, n_weighted = 0;
    cuts = false;
    for (int64_t k = 0; k < n; k++) {
      const double n_k = (double)attribute->n_cells[k];
      n_free += weight[k] < most ? n_k : n_k * (1 - most);
      if (weight[k] < most) n_weighted += n_k * weight[k];
    }
    for (int64_t k = 0; k < n && n_weighted > 0; k++) {
      if (weight[k] >= most) continue;
      weight[k] *= n_free / n_weighted;
      if (weight[k] < most) continue;
      weight[k] = most;
      cuts = true;
    }
  }
}

cyf_status cyf_balance_make(const cyf_atlas *atlas, const cyf_loader_options *options, cyf_cell_weights *ret_balance) {
  *ret_balance = (cyf_cell_weights){.attribute = -1};
  if (options->sampling == CYF_SAMPLING_PLAIN) return CYF_OK;
  const char *name = options->balance_label ? options->balance_label : "";
  const int64_t a = cyf_atlas_find_attribute(atlas, name);
  if (a < 0) return no_such_label(atlas, name);
  const cyf_attribute *attribute = &atlas->attributes[a];
  const int64_t n = attribute->categories.n;
  CYF_TRY(CYF_NEW(&ret_balance->weight, n + 1));
  for (int64_t k = 0; k < n; k++)
    ret_balance->weight[k + 1] = by_size(options->sampling, (double)attribute->n_cells[k]);
  scale_weights(attribute, options->sampling == CYF_SAMPLING_GENTLE ? MOST_GENTLE : INFINITY, ret_balance->weight + 1);
  ret_balance->weight[0] = 1;
  ret_balance->attribute = a;
  ret_balance->key = cyf_rng_key_make(options->seed, CYF_RNG_BALANCE);
  return CYF_OK;
}

void cyf_balance_destroy(cyf_cell_weights *balance) {
  if (balance) cyf_free(balance->weight);
}

int64_t cyf_balance_whole(const cyf_cell_weights *balance, int32_t code) {
  return (int64_t)balance->weight[code + 1];
}

static double fraction(const cyf_cell_weights *balance, int32_t code) {
  const double weight = balance->weight[code + 1];
  return weight - floor(weight);
}

static double sum_fractions(const cyf_cell_weights *balance, int64_t n, const int32_t *codes, const bool *in_split) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    if (in_split[i]) sum += fraction(balance, codes[i]);
  return sum;
}

int64_t cyf_balance_count(const cyf_cell_weights *balance, int64_t n, const int32_t *codes, const bool *in_split) {
  int64_t count = llround(sum_fractions(balance, n, codes, in_split));
  for (int64_t i = 0; i < n; i++)
    if (in_split[i]) count += cyf_balance_whole(balance, codes[i]);
  return count;
}

void cyf_balance_extra(const cyf_cell_weights *balance, int64_t epoch, int64_t lane, int64_t n, const int32_t *codes,
                       const bool *in_split, uint8_t *ret_extra) {
  memset(ret_extra, 0, (size_t)((n + 7) / 8));
  const double sum = sum_fractions(balance, n, codes, in_split);
  const int64_t wanted = llround(sum);
  if (wanted == 0) return;
  /* The chances are scaled a little, so that they add up to a whole number of cells. */
  const double stretch = (double)wanted / sum;
  uint32_t words[4];
  cyf_rng_block(balance->key, (uint32_t)epoch, (uint64_t)lane, 0, words);
  const cyf_rng_key order = {{words[0], words[1]}};
  double passed = cyf_rng_unit(words[2]);
  int64_t chosen = 0;
  /* One pass over the cells does it. Rounding may leave a cell over at its very end, which a second pass takes. */
  for (int walk = 0; walk < 2 && chosen < wanted; walk++) {
    for (int64_t j = 0; j < n && chosen < wanted; j++) {
      const int64_t i = (int64_t)cyf_rng_permute(order, (uint64_t)n, (uint64_t)j);
      const double chance = in_split[i] ? fraction(balance, codes[i]) * stretch : 0;
      if (chance == 0 || cyf_balance_has_extra(ret_extra, i)) continue;
      passed += chance;
      if (passed < (double)(chosen + 1) && walk == 0) continue;
      ret_extra[i / 8] = (uint8_t)(ret_extra[i / 8] | 1u << (i % 8));
      chosen++;
    }
  }
}
