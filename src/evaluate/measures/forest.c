/* SPDX-License-Identifier: MIT */
/* Random forest and the real-or-synthetic test. */
#include <math.h>
#include <string.h>

#include "base/failure.h"
#include "base/memory.h"
#include "evaluate/measures/metrics.h"
#include "evaluate/measures/rows.h"
#include "evaluate/measures/tree.h"

/* Fewer points of a set than this cannot be split into a training and a test part that mean anything. */
enum { LEAST_POINTS_A_SET = 4 };

static cyf_status grow_trees(const cyf_tree_data *data, const cyf_forest_options *options, int64_t n_nodes,
                             cyf_tree_node *nodes) {
  cyf_rng_key key = cyf_rng_key_make(options->seed, CYF_RNG_EVALUATE);
  cyf_failure failure = CYF_FAILURE_NONE;
#pragma omp parallel
  {
    cyf_tree_workspace workspace;
    cyf_status status = cyf_tree_workspace_create(data, &workspace);
    cyf_failure_note(&failure, status);
#pragma omp barrier
    const bool failed = cyf_failure_is_noted(&failure); /* in any of the threads */
#pragma omp for schedule(dynamic)
    for (int64_t t = 0; t < options->n_trees; t++) {
      if (failed) continue;
      cyf_rng_stream stream;
      cyf_rng_stream_init(&stream, key, CYF_USE_FOREST, (uint64_t)t);
      cyf_tree_grow(data, &stream, &workspace, nodes + t * n_nodes);
    }
    if (status == CYF_OK) cyf_tree_workspace_destroy(&workspace);
  }
  return cyf_failure_raise(&failure);
}

cyf_status cyf_forest_predict(int64_t n, int64_t n_dims, const double *points, const uint8_t *label, int64_t n_new,
                              const double *new_points, const cyf_forest_options *options, double *probability) {
  cyf_status status = CYF_OK;
  cyf_tree_data data = {0};
  cyf_tree_node *nodes = NULL;
  if (options->depth < 1 || options->depth > CYF_TREE_DEPTH_MAX || options->n_trees < 1 || n < 1 || n > INT32_MAX) {
    return CYF_FAIL(CYF_ERR_USAGE,
                    "random forest: %lld trees of depth %lld on %lld points; valid: 1 or more trees of depth 1 to %d",
                    (long long)options->n_trees, (long long)options->depth, (long long)n, CYF_TREE_DEPTH_MAX);
  }
  int64_t n_nodes = ((int64_t)2 << options->depth) - 1;
  CYF_TRY_CLEANUP(cyf_tree_data_create(n, n_dims, points, label, &data));
  data.depth = options->depth;
  data.n_features_tried =
      options->n_features_tried > 0 ? options->n_features_tried : (int64_t)floor(sqrt((double)n_dims));
  CYF_TRY_CLEANUP(CYF_NEW(&nodes, options->n_trees * n_nodes));
  CYF_TRY_CLEANUP(grow_trees(&data, options, n_nodes, nodes));
  /* Trees are summed in order for each point: the same result, to the last bit, for any number of threads. */
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n_new; i++) {
    double sum = 0.0;
    for (int64_t t = 0; t < options->n_trees; t++)
      sum += cyf_tree_probability(nodes + t * n_nodes, new_points + i * n_dims);
    probability[i] = sum / (double)options->n_trees;
  }
cleanup:
  cyf_tree_data_destroy(&data);
  cyf_free(nodes);
  return status;
}

/* Copies set members [first, first + n) into the test part (those chosen) or the training part. */
static void deal_points(int64_t first, int64_t n, uint8_t label, const int64_t *chosen, int64_t n_chosen,
                        int64_t n_dims, const double *points, double *part[2], uint8_t *part_label[2],
                        int64_t n_part[2]) {
  size_t bytes = (size_t)n_dims * sizeof(double);
  for (int64_t i = 0, c = 0; i < n; i++) {
    int is_test = c < n_chosen && chosen[c] == i;
    c += is_test;
    memcpy(part[is_test] + n_part[is_test] * n_dims, points + (first + i) * n_dims, bytes);
    part_label[is_test][n_part[is_test]++] = label;
  }
}

static int64_t test_count(int64_t n, double fraction) {
  int64_t count = (int64_t)floor((double)n * fraction + 0.5);
  return count < 1 ? 1 : count > n - 1 ? n - 1 : count;
}

cyf_status cyf_forest_auc(int64_t n_a, int64_t n_b, int64_t n_dims, const double *points, double test_fraction,
                          const cyf_forest_options *options, double *ret_auc) {
  cyf_status status = CYF_OK;
  int64_t n = n_a + n_b, n_part[2] = {0, 0}, *chosen_a = NULL, *chosen_b = NULL;
  double *part[2] = {NULL, NULL}, *probability = NULL;
  uint8_t *part_label[2] = {NULL, NULL};
  *ret_auc = NAN;
  if (n_a < LEAST_POINTS_A_SET || n_b < LEAST_POINTS_A_SET) return CYF_OK;
  int64_t n_test_a = test_count(n_a, test_fraction), n_test_b = test_count(n_b, test_fraction);
  int64_t n_test = n_test_a + n_test_b;
  /* Two streams: A and B of equal size must not be split by the same permutation. */
  CYF_TRY_CLEANUP(cyf_choose(options->seed, CYF_USE_SPLIT_A, n_a, n_test_a, &chosen_a));
  CYF_TRY_CLEANUP(cyf_choose(options->seed, CYF_USE_SPLIT_B, n_b, n_test_b, &chosen_b));
  int64_t sizes[2] = {n - n_test, n_test};
  for (int p = 0; p < 2; p++) {
    CYF_TRY_CLEANUP(CYF_NEW(&part[p], sizes[p] * n_dims));
    CYF_TRY_CLEANUP(CYF_NEW(&part_label[p], sizes[p]));
  }
  CYF_TRY_CLEANUP(CYF_NEW(&probability, n_test));
  deal_points(0, n_a, 0, chosen_a, n_test_a, n_dims, points, part, part_label, n_part);
  deal_points(n_a, n_b, 1, chosen_b, n_test_b, n_dims, points, part, part_label, n_part);
  CYF_TRY_CLEANUP(
      cyf_forest_predict(n_part[0], n_dims, part[0], part_label[0], n_part[1], part[1], options, probability));
  CYF_TRY_CLEANUP(cyf_auc(n_part[1], probability, part_label[1], ret_auc));
cleanup:
  cyf_free(chosen_a);
  cyf_free(chosen_b);
  for (int p = 0; p < 2; p++) {
    cyf_free(part[p]);
    cyf_free(part_label[p]);
  }
  cyf_free(probability);
  return status;
}
