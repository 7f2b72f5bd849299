/* SPDX-License-Identifier: MIT */
#include "evaluate/measures/markers.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

/* A positive value of a gene, in the order of genes. */
typedef struct column_entry {
  float value;
  int32_t class_code;
} column_entry;

typedef struct columns {
  int64_t n_cells;  /* labelled */
  int64_t *n_class; /* [n_classes] cells */
  int64_t *begin;   /* [n_genes + 1] */
  column_entry *entry;
} columns;

static void columns_destroy(columns *c) {
  cyf_free(c->n_class);
  cyf_free(c->begin);
  cyf_free(c->entry);
}

/* Gathers the positive values gene by gene. */
static cyf_status columns_create(const cyf_rows *rows, const int32_t *class_code, int64_t n_classes, columns *c) {
  cyf_status status = CYF_OK;
  int64_t *at = NULL;
  CYF_TRY_CLEANUP(CYF_NEW(&c->n_class, n_classes));
  CYF_TRY_CLEANUP(CYF_NEW(&c->begin, rows->n_genes + 1));
  CYF_TRY_CLEANUP(CYF_NEW(&at, rows->n_genes));
  for (int64_t i = 0; i < rows->n_cells; i++) {
    if (class_code[i] < 0) continue;
    c->n_cells++;
    c->n_class[class_code[i]]++;
    for (int64_t p = 0; p < rows->row[i].nnz; p++) c->begin[rows->row[i].index[p] + 1] += rows->row[i].value[p] > 0.0f;
  }
  for (int64_t gene = 0; gene < rows->n_genes; gene++) {
    c->begin[gene + 1] += c->begin[gene];
    at[gene] = c->begin[gene];
  }
  CYF_TRY_CLEANUP(CYF_NEW(&c->entry, c->begin[rows->n_genes]));
  for (int64_t i = 0; i < rows->n_cells; i++) {
    for (int64_t p = 0; class_code[i] >= 0 && p < rows->row[i].nnz; p++) {
      if (!(rows->row[i].value[p] > 0.0f)) continue;
      c->entry[at[rows->row[i].index[p]]++] = (column_entry){rows->row[i].value[p], class_code[i]};
    }
  }
cleanup:
  cyf_free(at);
  return status;
}

static int compare_entries(const void *a, const void *b) {
  const column_entry *x = a, *y = b;
  return (x->value > y->value) - (x->value < y->value);
}

static double cubed_less_one(int64_t t) {
  double count = (double)t;
  return count * count * count - count;
}

/* z of all classes for one gene; entry [n] is sorted here. All the zeros tie: they hold the lowest ranks. */
static void test_gene(const columns *c, column_entry *entry, int64_t n, int64_t n_classes, int64_t stride, double *z) {
  int64_t n_zero = c->n_cells - n;
  double zero_rank = 0.5 * (double)(n_zero + 1), ties = cubed_less_one(n_zero), total = (double)c->n_cells;
  int64_t n_values = n_zero > 0; /* different ones */
  qsort(entry, (size_t)n, sizeof(column_entry), compare_entries);
  for (int64_t k = 0; k < n_classes; k++) z[k * stride] = (double)c->n_class[k] * zero_rank;
  for (int64_t first = 0, last; first < n; first = last) {
    for (last = first + 1; last < n && entry[last].value == entry[first].value;) last++;
    double rank = (double)n_zero + 0.5 * (double)(first + 1 + last);
    ties += cubed_less_one(last - first);
    n_values++;
    for (int64_t i = first; i < last; i++) z[entry[i].class_code * stride] += rank - zero_rank;
  }
  for (int64_t k = 0; k < n_classes; k++) {
    double in = (double)c->n_class[k], out = total - in;
    double variance = in * out / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    bool can_tell = in > 0.0 && out > 0.0 && n_values > 1;
    z[k * stride] = can_tell ? (z[k * stride] - 0.5 * in * (total + 1.0)) / sqrt(variance) : 0.0;
  }
}

cyf_status cyf_rank_sum(const cyf_rows *rows, const int32_t *class_code, int64_t n_classes, double *z) {
  columns c = {0};
  cyf_status status = columns_create(rows, class_code, n_classes, &c);
  if (status == CYF_OK) {
#pragma omp parallel for schedule(dynamic, 64)
    for (int64_t gene = 0; gene < rows->n_genes; gene++) {
      test_gene(&c, c.entry + c.begin[gene], c.begin[gene + 1] - c.begin[gene], n_classes, rows->n_genes, z + gene);
    }
  }
  columns_destroy(&c);
  return status;
}

typedef struct scored_gene {
  double z;
  int64_t gene;
} scored_gene;

static int compare_scored(const void *a, const void *b) {
  const scored_gene *x = a, *y = b;
  if (x->z != y->z) return x->z < y->z ? 1 : -1;
  return (x->gene > y->gene) - (x->gene < y->gene);
}

static int compare_int64(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

cyf_status cyf_top_genes(int64_t n_genes, const double *z, int64_t n_top, int64_t *gene) {
  scored_gene *scored = NULL;
  CYF_TRY(CYF_NEW(&scored, n_genes));
  for (int64_t i = 0; i < n_genes; i++) scored[i] = (scored_gene){z[i], i};
  qsort(scored, (size_t)n_genes, sizeof(scored_gene), compare_scored);
  for (int64_t i = 0; i < n_top; i++) gene[i] = scored[i].gene;
  qsort(gene, (size_t)n_top, sizeof(int64_t), compare_int64);
  cyf_free(scored);
  return CYF_OK;
}

int64_t cyf_count_shared(int64_t n, const int64_t *a, const int64_t *b) {
  int64_t n_shared = 0;
  for (int64_t i = 0, j = 0; i < n && j < n;) {
    n_shared += a[i] == b[j];
    if (a[i] < b[j]) {
      i++;
    } else if (a[i] > b[j]) {
      j++;
    } else {
      i++;
      j++;
    }
  }
  return n_shared;
}
