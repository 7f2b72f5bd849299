/* SPDX-License-Identifier: MIT */
/* CART with Gini impurity (Breiman et al. 1984) on ranks. */
#include "evaluate/measures/tree.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Below this many entries insertion sort is faster than passes of radix sort. */
enum { INSERTION_SORT_MAX = 48 };

static int compare_double(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Place of x among ascending distinct values; it is there. */
static uint32_t place_of(double x, const double *values, int64_t n) {
  int64_t low = 0, high = n - 1;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (values[middle] < x) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return (uint32_t)low;
}

cyf_status cyf_tree_data_create(int64_t n, int64_t n_dims, const double *points, const uint8_t *label,
                                cyf_tree_data *ret_data) {
  *ret_data = (cyf_tree_data){.n = n, .n_dims = n_dims, .label = label};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&ret_data->rank, n * n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_data->value, n * n_dims));
#pragma omp parallel for schedule(dynamic)
  for (int64_t k = 0; k < n_dims; k++) {
    double *value = ret_data->value + k * n;
    for (int64_t i = 0; i < n; i++) value[i] = points[i * n_dims + k];
    qsort(value, (size_t)n, sizeof(double), compare_double);
    int64_t n_distinct = 0;
    for (int64_t i = 0; i < n; i++) {
      if (i == 0 || value[i] != value[n_distinct - 1]) value[n_distinct++] = value[i];
    }
    for (int64_t i = 0; i < n; i++) ret_data->rank[k * n + i] = place_of(points[i * n_dims + k], value, n_distinct);
  }
cleanup:
  if (status != CYF_OK) cyf_tree_data_destroy(ret_data);
  return status;
}

void cyf_tree_data_destroy(cyf_tree_data *data) {
  cyf_free(data->rank);
  cyf_free(data->value);
  *data = (cyf_tree_data){0};
}

cyf_status cyf_tree_workspace_create(const cyf_tree_data *data, cyf_tree_workspace *ret_workspace) {
  cyf_status status = CYF_OK;
  *ret_workspace = (cyf_tree_workspace){0};
  CYF_TRY_CLEANUP(CYF_NEW(&ret_workspace->weight, data->n));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_workspace->sample, data->n));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_workspace->key, data->n));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_workspace->sorted, data->n));
  CYF_TRY_CLEANUP(CYF_NEW(&ret_workspace->feature, data->n_dims));
cleanup:
  if (status != CYF_OK) cyf_tree_workspace_destroy(ret_workspace);
  return status;
}

void cyf_tree_workspace_destroy(cyf_tree_workspace *workspace) {
  cyf_free(workspace->weight);
  cyf_free(workspace->sample);
  cyf_free(workspace->key);
  cyf_free(workspace->sorted);
  cyf_free(workspace->feature);
}

/* Sorts keys by their upper 32 bits, a byte at a time; returns where the result lies (keys or spare). */
static uint64_t *sort_by_rank(uint64_t *keys, uint64_t *spare, int64_t n, uint32_t rank_end) {
  if (n <= INSERTION_SORT_MAX) {
    for (int64_t i = 1; i < n; i++) {
      uint64_t key = keys[i];
      int64_t at = i;
      for (; at > 0 && keys[at - 1] > key; at--) keys[at] = keys[at - 1];
      keys[at] = key;
    }
    return keys;
  }
  for (int shift = 32; shift < 64 && ((uint64_t)rank_end << 32) >> shift; shift += 8) {
    int64_t place[257] = {0};
    for (int64_t i = 0; i < n; i++) place[((keys[i] >> shift) & 255) + 1]++;
    for (int digit = 0; digit < 256; digit++) place[digit + 1] += place[digit];
    for (int64_t i = 0; i < n; i++) spare[place[(keys[i] >> shift) & 255]++] = keys[i];
    uint64_t *swap = keys;
    keys = spare;
    spare = swap;
  }
  return keys;
}

typedef struct split {
  double score; /* sum over both sides of (n0^2 + n1^2) / n: largest where weighted Gini impurity is least */
  int32_t feature;
  uint32_t rank_left; /* the last rank that goes left */
  double threshold;
} split;

/* Tries every threshold of a feature on sample [begin, end) with class weights total[2]; false if it is constant. */
static bool try_feature(const cyf_tree_data *data, cyf_tree_workspace *workspace, int64_t begin, int64_t end,
                        const double total[2], int32_t feature, split *best) {
  const uint32_t *rank = data->rank + feature * data->n;
  const double *value = data->value + feature * data->n;
  uint32_t rank_end = 0;
  int64_t n = end - begin;
  for (int64_t j = 0; j < n; j++) {
    uint32_t point = workspace->sample[begin + j];
    workspace->key[j] = (uint64_t)rank[point] << 32 | (uint64_t)workspace->weight[point] << 1 | data->label[point];
    if (rank[point] > rank_end) rank_end = rank[point];
  }
  const uint64_t *key = sort_by_rank(workspace->key, workspace->sorted, n, rank_end);
  if (key[0] >> 32 == key[n - 1] >> 32) return false;
  double left[2] = {0.0, 0.0};
  for (int64_t j = 0; j + 1 < n; j++) {
    left[key[j] & 1] += (double)((uint32_t)key[j] >> 1);
    uint32_t here = (uint32_t)(key[j] >> 32), next = (uint32_t)(key[j + 1] >> 32);
    if (here == next) continue;
    double right[2] = {total[0] - left[0], total[1] - left[1]};
    double score = (left[0] * left[0] + left[1] * left[1]) / (left[0] + left[1]) +
                   (right[0] * right[0] + right[1] * right[1]) / (right[0] + right[1]);
    if (score > best->score) *best = (split){score, feature, here, value[here] + 0.5 * (value[next] - value[here])};
  }
  return true;
}

/* Draws features without replacement until n_features_tried were looked at and at least one was not constant. */
static split find_split(const cyf_tree_data *data, cyf_rng_stream *stream, cyf_tree_workspace *workspace, int64_t begin,
                        int64_t end, const double total[2]) {
  split best = {.score = -1.0, .feature = -1};
  bool found = false;
  for (int64_t k = 0; k < data->n_dims; k++) workspace->feature[k] = (int32_t)k;
  for (int64_t k = 0; k < data->n_dims && (k < data->n_features_tried || !found); k++) {
    int64_t other = k + (int64_t)cyf_rng_next_below(stream, (uint64_t)(data->n_dims - k));
    int32_t drawn = workspace->feature[other];
    workspace->feature[other] = workspace->feature[k];
    workspace->feature[k] = drawn;
    found = try_feature(data, workspace, begin, end, total, drawn, &best) || found;
  }
  return best;
}

/* Moves the points that go left to the front of sample [begin, end); returns where the right ones begin. */
static int64_t partition(const cyf_tree_data *data, uint32_t *sample, int64_t begin, int64_t end, const split *cut) {
  const uint32_t *rank = data->rank + cut->feature * data->n;
  int64_t middle = begin;
  for (int64_t j = begin; j < end; j++) {
    uint32_t point = sample[j];
    if (rank[point] > cut->rank_left) continue;
    sample[j] = sample[middle];
    sample[middle++] = point;
  }
  return middle;
}

static void grow_node(const cyf_tree_data *data, cyf_rng_stream *stream, cyf_tree_workspace *workspace, int64_t begin,
                      int64_t end, int64_t depth, cyf_tree_node *nodes, int64_t at) {
  double total[2] = {0.0, 0.0};
  for (int64_t j = begin; j < end; j++) {
    total[data->label[workspace->sample[j]]] += (double)workspace->weight[workspace->sample[j]];
  }
  nodes[at] = (cyf_tree_node){.feature = -1, .probability = total[1] / (total[0] + total[1])};
  if (depth == data->depth || total[0] == 0.0 || total[1] == 0.0) return;
  split cut = find_split(data, stream, workspace, begin, end, total);
  if (cut.feature < 0) return;
  int64_t middle = partition(data, workspace->sample, begin, end, &cut);
  nodes[at].feature = cut.feature;
  nodes[at].threshold = cut.threshold;
  grow_node(data, stream, workspace, begin, middle, depth + 1, nodes, 2 * at + 1);
  grow_node(data, stream, workspace, middle, end, depth + 1, nodes, 2 * at + 2);
}

void cyf_tree_grow(const cyf_tree_data *data, cyf_rng_stream *stream, cyf_tree_workspace *workspace,
                   cyf_tree_node *nodes) {
  int64_t n_in = 0;
  memset(workspace->weight, 0, (size_t)data->n * sizeof(uint32_t));
  for (int64_t i = 0; i < data->n; i++) workspace->weight[cyf_rng_next_below(stream, (uint64_t)data->n)]++;
  for (int64_t i = 0; i < data->n; i++) {
    if (workspace->weight[i]) workspace->sample[n_in++] = (uint32_t)i;
  }
  grow_node(data, stream, workspace, 0, n_in, 0, nodes, 0);
}
