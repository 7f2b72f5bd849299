/* SPDX-License-Identifier: MIT */
/** @file
 * One classification tree of the random forest. Not collective. */
#ifndef CYF_EVALUATE_MEASURES_TREE_H
#define CYF_EVALUATE_MEASURES_TREE_H

#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

/** The deepest tree. */
enum { CYF_TREE_DEPTH_MAX = 10 };

/** A node. A tree is a complete binary tree in an array: the children of node i are 2 i + 1 (value <= threshold) and 2
 * i
 * + 2. */
typedef struct cyf_tree_node {
  int32_t feature; /**< -1: leaf */
  double threshold;
  double probability; /**< share of label 1 */
} cyf_tree_node;

/** The training points as ranks of their values, feature by feature. Sorting 32-bit ranks at every node is much faster
 * than sorting doubles; equal values have equal ranks. */
typedef struct cyf_tree_data {
  int64_t n, n_dims, n_features_tried, depth;
  uint32_t *rank; /**< [n_dims, n] place of point i's value among the feature's distinct values */
  double *value;  /**< [n_dims, n] the distinct values, ascending */
  const uint8_t *label;
} cyf_tree_data;

/** Ranks points [n, n_dims]; label [n], 0 or 1, is borrowed. The caller sets n_features_tried and depth afterwards.
 * Errors: CYF_ERR_MEMORY. */
cyf_status cyf_tree_data_create(int64_t n, int64_t n_dims, const double *points, const uint8_t *label,
                                cyf_tree_data *ret_data);
/** Frees the ranks and values and zeroes the struct. NULL-safe. */
void cyf_tree_data_destroy(cyf_tree_data *data);

/** Memory of one thread that grows trees. */
typedef struct cyf_tree_workspace {
  uint32_t *weight;       /**< [n] times a point is in the bootstrap sample */
  uint32_t *sample;       /**< [n] the points with weight, partitioned by node */
  uint64_t *key, *sorted; /**< [n] */
  int32_t *feature;       /**< [n_dims] */
} cyf_tree_workspace;

/** Allocates what one thread needs for trees on these data. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_tree_workspace_create(const cyf_tree_data *data, cyf_tree_workspace *ret_workspace);
/** Frees the memory and zeroes the struct. NULL-safe. */
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
