/* SPDX-License-Identifier: MIT */
/* Times of the operations on this machine: bench_ops [threads] [repeats]. The gene-space operations are set against the
 * same work done densely by OpenBLAS; every figure is the median of several runs in this process. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/device.h"

/* ---- timing ---- */

typedef struct bench {
  cyf_device *device;
  const cyf_ops *ops;
  int repeats;
  int64_t n, genes, out; /* the gene-space problem */
  cyf_csr_buffer buffer;
  cyf_csr x;
  float *w, *d_w, *h, *y, *d_bias, *bias, *dense, *d_h;
  float *theta, *d_theta, *size;
} bench;

typedef cyf_status (*bench_body)(bench *b);

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median seconds of `repeats` runs after one that warms up; NAN on failure. */
static double median_s(bench *b, bench_body body) {
  enum { REPEATS_MAX = 101 };
  double seconds[REPEATS_MAX];
  if (body(b) != CYF_OK) return NAN;
  for (int r = 0; r < b->repeats; ++r) {
    const double start = cyf_clock_s();
    if (body(b) != CYF_OK) return NAN;
    seconds[r] = cyf_clock_s() - start;
  }
  qsort(seconds, (size_t)b->repeats, sizeof *seconds, ascending);
  return seconds[b->repeats / 2];
}

static uint64_t random_state = 1;
static double uniform(void) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (double)(random_state >> 11) * 0x1p-53;
}

static cyf_status random_floats(int64_t count, double scale, float **ret_floats) {
  CYF_TRY(CYF_NEW(ret_floats, count));
  for (int64_t k = 0; k < count; ++k) (*ret_floats)[k] = (float)(scale * (2 * uniform() - 1));
  return CYF_OK;
}

/* ---- the machine ---- */

enum { PEAK = 2048 };

static cyf_status peak_product(bench *b) {
  return b->ops->linear_forward(b->device, PEAK, PEAK, PEAK, b->w, b->d_w, NULL, false, b->y);
}

static cyf_status copy_arrays(bench *b) {
  const int64_t count = b->genes * b->out;
  /* A copy on all threads, as the operations make it. */
#pragma omp parallel for schedule(static) num_threads(b->device->n_threads)
  for (int64_t part = 0; part < 64; ++part) {
    const int64_t first = part * count / 64, last = (part + 1) * count / 64;
    memcpy(b->d_w + first, b->w + first, (size_t)(last - first) * sizeof *b->w);
  }
  return CYF_OK;
}

/* ---- gene space ---- */

static cyf_status dense_forward(bench *b) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)b->n, (blasint)b->out, (blasint)b->genes, 1.0f,
              b->dense, (blasint)b->genes, b->w, (blasint)b->out, 0.0f, b->y, (blasint)b->out);
  return CYF_OK;
}

static cyf_status dense_weight_grad(bench *b) {
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)b->genes, (blasint)b->out, (blasint)b->n, 1.0f,
              b->dense, (blasint)b->genes, b->h, (blasint)b->out, 1.0f, b->d_w, (blasint)b->out);
  return CYF_OK;
}

static cyf_status sparse_forward(bench *b) {
  return b->ops->gene_linear_forward(b->device, &b->x, b->out, b->w, b->bias, b->y);
}

static cyf_status sparse_weight_grad(bench *b) {
  return b->ops->gene_linear_weight_grad(b->device, &b->x, b->out, b->h, b->d_w, b->d_bias);
}

static cyf_status mse(bench *b, cyf_gene_mode mode, bool gradients) {
  double value;
  return b->ops->gene_mse(b->device, mode, &b->x, b->out, b->h, b->w, b->bias, 1e-6, &value, gradients ? b->d_h : NULL,
                          gradients ? b->d_w : NULL, gradients ? b->d_bias : NULL);
}

static cyf_status mse_dense(bench *b) {
  return mse(b, CYF_GENE_DENSE, true);
}
static cyf_status mse_gram(bench *b) {
  return mse(b, CYF_GENE_GRAM, true);
}
static cyf_status mse_auto(bench *b) {
  return mse(b, CYF_GENE_AUTO, true);
}
static cyf_status mse_dense_value(bench *b) {
  return mse(b, CYF_GENE_DENSE, false);
}
static cyf_status mse_gram_value(bench *b) {
  return mse(b, CYF_GENE_GRAM, false);
}
static cyf_status mse_auto_value(bench *b) {
  return mse(b, CYF_GENE_AUTO, false);
}

/* What a plain implementation does: the three products over whole [cells, genes] arrays, and the difference. */
static cyf_status mse_plain(bench *b) {
  const blasint n = (blasint)b->n, genes = (blasint)b->genes, out = (blasint)b->out;
  float *r;
  CYF_TRY(CYF_NEW(&r, b->n * b->genes));
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, genes, out, 1.0f, b->h, out, b->w, out, 0.0f, r, genes);
#pragma omp parallel for simd schedule(static)
  for (int64_t k = 0; k < b->n * b->genes; ++k) r[k] = 2e-6f * (r[k] + b->bias[k % b->genes] - b->dense[k]);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, out, genes, 1.0f, r, genes, b->w, out, 0.0f, b->d_h, out);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, genes, out, n, 1.0f, r, genes, b->h, out, 1.0f, b->d_w, out);
  cyf_free(r);
  return CYF_OK;
}

static cyf_status negative_binomial(bench *b) {
  double value;
  return b->ops->gene_nb(b->device, &b->x, b->size, b->out, b->h, b->w, b->bias, b->theta, 1e-6, &value, b->d_h, b->d_w,
                         b->d_bias, b->d_theta);
}

static cyf_status make_problem(bench *b, double density) {
  CYF_TRY(random_floats(b->genes * b->out, 0.05, &b->w));
  CYF_TRY(CYF_NEW(&b->d_w, b->genes * b->out));
  CYF_TRY(random_floats(b->n * b->out, 1.0, &b->h));
  CYF_TRY(CYF_NEW(&b->d_h, b->n * b->out));
  CYF_TRY(CYF_NEW(&b->y, PEAK * PEAK > b->n * b->out ? PEAK * PEAK : b->n * b->out));
  CYF_TRY(random_floats(b->genes > b->out ? b->genes : b->out, 0.1, &b->bias));
  CYF_TRY(CYF_NEW(&b->d_bias, b->genes > b->out ? b->genes : b->out));
  CYF_TRY(random_floats(b->genes, 1.0, &b->theta));
  CYF_TRY(CYF_NEW(&b->d_theta, b->genes));
  CYF_TRY(CYF_NEW(&b->size, b->n));
  CYF_TRY(CYF_NEW(&b->dense, b->n * b->genes));
  float *values;
  int32_t *genes;
  CYF_TRY(CYF_NEW(&values, b->genes));
  CYF_TRY(CYF_NEW(&genes, b->genes));
  cyf_csr_buffer_clear(&b->buffer, b->genes);
  for (int64_t i = 0; i < b->n; ++i) {
    int64_t nnz = 0;
    b->size[i] = 1.0f;
    for (int64_t g = 0; g < b->genes; ++g) {
      /* Genes differ in how often they are seen, as in data: density times 0 to 2. */
      if (uniform() >= density * 2.0 * (double)(g % 101) / 100.0) continue;
      genes[nnz] = (int32_t)g;
      values[nnz] = (float)(1 + (int)(3 * uniform()));
      b->dense[i * b->genes + g] = values[nnz++];
    }
    CYF_TRY(cyf_csr_buffer_append(&b->buffer, nnz, genes, values));
  }
  b->x = cyf_csr_view(&b->buffer);
  cyf_free(values);
  cyf_free(genes);
  return CYF_OK;
}

static void free_problem(bench *b) {
  float **all[] = {&b->w,      &b->d_w,   &b->h,       &b->d_h,  &b->y,    &b->bias,
                   &b->d_bias, &b->theta, &b->d_theta, &b->size, &b->dense};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) cyf_free(*all[k]);
  cyf_csr_buffer_destroy(&b->buffer);
}

static void print_against(const char *name, double seconds, double plain_s) {
  printf("  %-34s %9.2f ms   %6.2fx dense OpenBLAS\n", name, 1e3 * seconds, plain_s / seconds);
}

static cyf_status gene_space(bench *b) {
  CYF_TRY(make_problem(b, 0.05));
  printf("gene space: %lld cells x %lld genes x %lld, density %.3f\n", (long long)b->n, (long long)b->genes,
         (long long)b->out, (double)b->x.indptr[b->n] / (double)(b->n * b->genes));
  const double forward = median_s(b, dense_forward), weight = median_s(b, dense_weight_grad),
               plain = median_s(b, mse_plain);
  printf("  dense OpenBLAS: forward %.2f ms, weight gradient %.2f ms, squared error %.2f ms\n", 1e3 * forward,
         1e3 * weight, 1e3 * plain);
  print_against("gene_linear_forward", median_s(b, sparse_forward), forward);
  print_against("gene_linear_weight_grad", median_s(b, sparse_weight_grad), weight);
  print_against("gene_mse DENSE, gradients", median_s(b, mse_dense), plain);
  print_against("gene_mse GRAM, gradients", median_s(b, mse_gram), plain);
  print_against("gene_mse AUTO, gradients", median_s(b, mse_auto), plain);
  print_against("gene_mse DENSE, value", median_s(b, mse_dense_value), forward);
  print_against("gene_mse GRAM, value", median_s(b, mse_gram_value), forward);
  print_against("gene_mse AUTO, value", median_s(b, mse_auto_value), forward);
  print_against("gene_nb, gradients", median_s(b, negative_binomial), plain);
  return CYF_OK;
}

/* ---- the rest ---- */

enum { ROWS = 2048, COLUMNS = 1024 };

static cyf_status normals(bench *b) {
  return b->ops->fill_normal(b->device, ROWS, COLUMNS, (cyf_rng_key){{1, 2}}, 0, NULL, 0, b->d_w);
}
static cyf_status drop(bench *b) {
  return b->ops->dropout(b->device, ROWS, COLUMNS, b->w, 0.1, (cyf_rng_key){{1, 2}}, 0, NULL, b->d_w);
}
static cyf_status silu(bench *b) {
  return b->ops->silu_forward(b->device, ROWS * COLUMNS, b->w, b->d_w);
}
static cyf_status layer_norm(bench *b) {
  return b->ops->layer_norm_silu_forward(b->device, ROWS, COLUMNS, b->w, b->bias, b->bias, b->d_w, b->d_bias,
                                         b->d_theta);
}
static cyf_status layer_norm_back(bench *b) {
  return b->ops->layer_norm_silu_backward(b->device, ROWS, COLUMNS, b->w, b->w + ROWS * COLUMNS, b->bias, b->bias,
                                          b->d_bias, b->d_theta, b->d_w, b->y, b->y + COLUMNS);
}
static cyf_status column_sums(bench *b) {
  return b->ops->batch_norm_sums(b->device, ROWS, COLUMNS, b->w, (double *)b->d_w);
}
static cyf_status adamw(bench *b) {
  const cyf_adamw s = {.learning_rate = 5e-4,
                       .beta1 = 0.9,
                       .beta2 = 0.999,
                       .epsilon = 1e-8,
                       .weight_decay = 0.01,
                       .step = 1,
                       .gradient_scale = 1.0};
  const int64_t count = b->genes * b->out / 5;
  return b->ops->adamw(b->device, count, &s, b->d_w, b->d_w + count, b->d_w + 2 * count, b->d_w + 3 * count,
                       b->d_w + 4 * count, 0.999);
}

static void other_operations(bench *b) {
  const double elements = (double)ROWS * COLUMNS;
  printf("element-wise, %d x %d\n", ROWS, COLUMNS);
  printf("  %-34s %9.2f GB/s of 40 bytes a parameter\n", "adamw + moving average",
         40e-9 * (double)(b->genes * b->out / 5) / median_s(b, adamw));
  printf("  %-34s %9.2f ns an element\n", "fill_normal", 1e9 * median_s(b, normals) / elements);
  printf("  %-34s %9.2f ns an element\n", "dropout", 1e9 * median_s(b, drop) / elements);
  printf("  %-34s %9.2f ns an element\n", "silu_forward", 1e9 * median_s(b, silu) / elements);
  printf("  %-34s %9.2f ns an element\n", "layer_norm_silu_forward", 1e9 * median_s(b, layer_norm) / elements);
  printf("  %-34s %9.2f ns an element\n", "layer_norm_silu_backward", 1e9 * median_s(b, layer_norm_back) / elements);
  printf("  %-34s %9.2f ns an element\n", "batch_norm_sums", 1e9 * median_s(b, column_sums) / elements);
}

int main(int argc, char **argv) {
  bench b = {.repeats = argc > 2 ? atoi(argv[2]) : 7, .n = 512, .genes = 28231, .out = 1024};
  if (b.repeats < 1 || b.repeats > 101) b.repeats = 7;
  cyf_status status = cyf_device_create_cpu(argc > 1 ? atoi(argv[1]) : 0, &b.device);
  if (status == CYF_OK) {
    b.ops = b.device->ops;
    printf("%d threads, median of %d runs\n", b.device->n_threads, b.repeats);
    status = gene_space(&b);
  }
  if (status == CYF_OK) {
    printf("sgemm peak (%d cubed): %.1f GFLOP/s\n", PEAK, 2e-9 * pow(PEAK, 3) / median_s(&b, peak_product));
    printf("copy: %.1f GB/s read and written\n", 8e-9 * (double)(b.genes * b.out) / median_s(&b, copy_arrays));
    other_operations(&b);
    free_problem(&b);
    b.n = 128;
    b.genes = 15000;
    status = gene_space(&b);
  }
  if (status != CYF_OK) fprintf(stderr, "bench_ops: %s\n", cyf_status_message());
  free_problem(&b);
  cyf_device_destroy(&b.device);
  return (int)status;
}
