/* SPDX-License-Identifier: MIT */
/* Local inverse Simpson's index (Korsunsky et al., Nature Methods 16, 2019). */
#include <math.h>
#include <string.h>

#include "base/failure.h"
#include "base/memory.h"
#include "evaluate/measures/metrics.h"
#include "evaluate/measures/points.h"

enum { MAX_BISECTIONS = 100 };
#define ENTROPY_TOLERANCE 1e-8

typedef struct neighbour {
  double d2;
  int64_t point;
} neighbour;

/* Nearer first; equal distances by index, so that the choice is settled. */
static inline int is_farther(neighbour a, neighbour b) {
  return a.d2 != b.d2 ? a.d2 > b.d2 : a.point > b.point;
}

/* Restores the heap (farthest on top) after its top changed. */
static void sift_down(neighbour *heap, int64_t n) {
  neighbour top = heap[0];
  int64_t at = 0;
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= n) break;
    if (child + 1 < n && is_farther(heap[child + 1], heap[child])) child++;
    if (!is_farther(heap[child], top)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = top;
}

static void push(neighbour *heap, int64_t n_held, neighbour new_one) {
  int64_t at = n_held;
  while (at > 0 && is_farther(new_one, heap[(at - 1) / 2])) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = new_one;
}

/* The n_wanted nearest other points of point i, in heap order. */
static void find_nearest(int64_t n, int64_t n_dims, const double *points, int64_t i, int64_t n_wanted,
                         neighbour *heap) {
  int64_t n_held = 0;
  for (int64_t j = 0; j < n; j++) {
    if (j == i) continue;
    neighbour candidate = {cyf_squared_distance(n_dims, points + i * n_dims, points + j * n_dims), j};
    if (n_held < n_wanted) {
      push(heap, n_held++, candidate);
    } else if (is_farther(heap[0], candidate)) {
      heap[0] = candidate;
      sift_down(heap, n_wanted);
    }
  }
}

/* Weights exp(-beta d) (not yet summing to one, the nearest has 1) and their entropy. Distances are taken from the
 * nearest: it changes no normalised weight and keeps exp from underflowing everywhere. */
static double weigh(int64_t n, const double *distance, double beta, double *weight, double *ret_sum) {
  double sum = 0.0, moment = 0.0;
  for (int64_t k = 0; k < n; k++) {
    weight[k] = exp(-beta * distance[k]);
    sum += weight[k];
    moment += weight[k] * distance[k];
  }
  *ret_sum = sum;
  return log(sum) + beta * moment / sum;
}

/* LISI from n distances; by bisection on beta, entropy falls as beta grows. */
static double lisi_of_neighbours(int64_t n, double *distance, const uint8_t *is_b, double perplexity, double *weight) {
  double nearest = INFINITY, low = 0.0, high = INFINITY, beta = 1.0, sum = 0.0;
  for (int64_t k = 0; k < n; k++) nearest = fmin(nearest, distance[k]);
  for (int64_t k = 0; k < n; k++) distance[k] -= nearest;
  double target = log(perplexity);
  for (int step = 0; step < MAX_BISECTIONS; step++) {
    double excess = weigh(n, distance, beta, weight, &sum) - target;
    if (fabs(excess) < ENTROPY_TOLERANCE) break;
    if (excess > 0.0) {
      low = beta;
      beta = isinf(high) ? 2.0 * beta : 0.5 * (beta + high);
    } else {
      high = beta;
      beta = 0.5 * (beta + low);
    }
    if (!(beta < 1e300)) break; /* all at one distance: no beta lowers the entropy, the last weights are uniform */
  }
  double b = 0.0;
  for (int64_t k = 0; k < n; k++) b += is_b[k] ? weight[k] / sum : 0.0;
  return 1.0 / (b * b + (1.0 - b) * (1.0 - b));
}

cyf_status cyf_lisi(int64_t n_a, int64_t n_b, int64_t n_dims, const double *points, double perplexity, double *lisi) {
  int64_t n = n_a + n_b;
  int64_t n_neighbours = (int64_t)(3.0 * perplexity) - 1;
  if (n_neighbours > n - 1) n_neighbours = n - 1;
  if (n_neighbours < 1) {
    for (int64_t i = 0; i < n; i++) lisi[i] = NAN;
    return CYF_OK;
  }
  double used_perplexity = fmax(1.0, fmin(perplexity, (double)(n_neighbours + 1) / 3.0));
  cyf_failure failure = CYF_FAILURE_NONE;
#pragma omp parallel
  {
    neighbour *heap = NULL;
    double *distance = NULL; /* then weights */
    uint8_t *is_b = NULL;
    cyf_status status = CYF_NEW(&heap, n_neighbours);
    if (status == CYF_OK) status = CYF_NEW(&distance, 2 * n_neighbours);
    if (status == CYF_OK) status = CYF_NEW(&is_b, n_neighbours);
    cyf_failure_note(&failure, status);
#pragma omp barrier
    const bool failed = cyf_failure_is_noted(&failure); /* in any of the threads */
#pragma omp for schedule(dynamic, 32)
    for (int64_t i = 0; i < n; i++) {
      if (failed) continue;
      find_nearest(n, n_dims, points, i, n_neighbours, heap);
      for (int64_t k = 0; k < n_neighbours; k++) {
        distance[k] = sqrt(heap[k].d2);
        is_b[k] = heap[k].point >= n_a;
      }
      lisi[i] = lisi_of_neighbours(n_neighbours, distance, is_b, used_perplexity, distance + n_neighbours);
    }
    cyf_free(heap);
    cyf_free(distance);
    cyf_free(is_b);
  }
  return cyf_failure_raise(&failure);
}
