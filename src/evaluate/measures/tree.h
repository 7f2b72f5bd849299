/* SPDX-License-Identifier: MIT */
/** @file
 * One classification tree of the forest. */
#ifndef CYF_EVALUATE_MEASURES_TREE_H
#define CYF_EVALUATE_MEASURES_TREE_H

#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

enum { CYF_TREE_DEPTH_MAX = 10 };

/** Trees are complete binary arrays: the children of node i are 2 i + 1 (value <= threshold) and 2 i + 2. */
typedef struct cyf_tree_node {
  int32_t feature; /**< -1: leaf */
  double threshold;
  double probability; /**< share of label 1 */
} cyf_tree_node;

/** The training points in the form that splitting wants. Sorting 32-bit ranks is much faster than sorting doubles anew
 * at every node, and ranks of equal values are equal. */
typedef struct cyf_tree_data {
  int64_t n, n_dims, n_features_tried, depth;
  uint32_t *rank; /**< [n_dims, n] place of point i's value among the feature's distinct values */
  double *value;  /**< [n_dims, n] the distinct values, ascending */
  const uint8_t *label;
} cyf_tree_data;

cyf_status cyf_tree_data_create(int64_t n, int64_t n_dims, const double *points, const uint8_t *label,
                                cyf_tree_data *ret_data);
void cyf_tree_data_destroy(cyf_tree_data *data);

/** Memory of one thread that grows trees. */
typedef struct cyf_tree_workspace {
  uint32_t *weight;       /**< [n] times a point is in the bootstrap sample */
  uint32_t *sample;       /**< [n] the points with weight, partitioned by node */
  uint64_t *key, *sorted; /**< [n] */
  int32_t *feature;       /**< [n_dims] */
} cyf_tree_workspace;

cyf_status cyf_tree_workspace_create(const cyf_tree_data *data, cyf_tree_workspace *ret_workspace);
void cyf_tree_workspace_destroy(cyf_tree_workspace *workspace);

/** Grows one tree on a bootstrap sample; nodes [2^(depth + 1) - 1] are filled. All randomness comes from the stream. */
void cyf_tree_grow(const cyf_tree_data *data, cyf_rng_stream *stream, cyf_tree_workspace *workspace,
                   cyf_tree_node *nodes);

/** The probability that the tree gives to a point. */
static inline double cyf_tree_probability(const cyf_tree_node *nodes, const double *point) {
  int64_t at = 0;
  while (nodes[at].feature >= 0) at = 2 * at + (point[nodes[at].feature] <= nodes[at].threshold ? 1 : 2);
  return nodes[at].probability;
}

#endif
