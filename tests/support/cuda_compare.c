/* SPDX-License-Identifier: MIT */
#include "cuda_compare_frame.h"

/* Runs the same operations three times with other arguments each time: directly, as a recorded graph, and with the
 * graph's arguments exchanged. */
static void compare_graph(compare *c) {
  const both x = normals(c, 500, 1), y = normals(c, 500, 1);
  cyf_graph *graph[2] = {NULL, NULL};
  double value[2];
  for (int pass = 0; pass < 3; ++pass) {
    ON_BOTH(c, graph_begin(d, &graph[s]));
    ON_BOTH(c, axpy(d, 500, 0.5 + pass, F(x), F(y)));
    ON_BOTH(c, squared_error(d, 500, F(x), F(y), 1, &value[s], NULL));
    ON_BOTH(c, graph_end(d, &graph[s], true));
    same_scalar(c, "graph", value, 1e-6);
    same(c, "graph", y, 1e-6);
  }
  for (int s = 0; s < 2; ++s) c->device[s]->ops->graph_destroy(c->device[s], graph[s]);
  release(c);
}

static void compare_shape(compare *c, int64_t n, int64_t k) {
  char shape[64];
  snprintf(shape, sizeof shape, "%lld x %lld", (long long)n, (long long)k);
  c->shape = shape;
  compare_memory(c, n, k);
  compare_linear(c, n, k, 21);
  compare_linear(c, n, 16, k);
  for (int act = CYF_IDENTITY; act <= CYF_SILU; ++act) compare_batch_norm(c, n, k, (cyf_activation)act);
  compare_rows(c, n, k);
  compare_elements(c, n, k);
  compare_random(c, n, k);
  compare_labels(c, n, k);
  compare_diffusion(c, n, k);
  compare_optimizer(c, n * k);
  compare_sparse(c, n, k);
  compare_gene_linear(c, n, k, 24);
  compare_gene_mse(c, n, k, 18);
  compare_gene_nb(c, n, k, 18);
  compare_counts(c, n, k);
  for (int type = CYF_COUNT_UINT8; type <= CYF_COUNT_FLOAT32; ++type) compare_expand(c, n, k, (cyf_count_type)type);
  c->shape = "";
}

void compare_all(cyf_device *cpu, cyf_device *device, cyf_precision precision, bool large, compare_report *report) {
  static const int64_t edge[][2] = {{0, 5}, {1, 1}, {3, 67}, {33, 128}, {300, 45}, {9, 1000}};
  static const int64_t big[][2] = {{2048, 1024}, {128, 28231}}; /* cells and columns; the CPU takes seconds for them */
  compare c = {.device = {cpu, device}, .report = report, .random = {7}, .shape = ""};
  c.product_tolerance = precision == CYF_PRECISION_FP32 ? 1e-5 : precision == CYF_PRECISION_TF32 ? 5e-3 : 4e-2;
  c.draw_tolerance = 0.05;
  *report = (compare_report){0};
  for (size_t k = 0; k < sizeof edge / sizeof *edge; ++k) compare_shape(&c, edge[k][0], edge[k][1]);
  if (large) {
    for (size_t k = 0; k < sizeof big / sizeof *big; ++k) compare_shape(&c, big[k][0], big[k][1]);
  }
  compare_graph(&c);
}

int compare_empty_slots(const cyf_ops *ops, const char *name) {
  int empty = 0;
  /* The table holds a name and then nothing but functions. */
  for (size_t at = sizeof(const char *); at < sizeof *ops; at += sizeof(void (*)(void))) {
    void (*slot)(void);
    memcpy(&slot, (const char *)ops + at, sizeof slot);
    if (slot) continue;
    printf("FAILED %s: slot %zu of the table is empty\n", name, at / sizeof slot);
    ++empty;
  }
  return empty;
}
