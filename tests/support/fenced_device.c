/* SPDX-License-Identifier: MIT */
#include "fenced_device.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"

enum { PAGE = 4096, ALLOCATIONS_MAX = 4096 };
static const size_t RESERVED = (size_t)64 << 30; /* of address space; pages are only made when used */

/* Something that has been asked for and is not there yet. */
typedef enum late_kind { LATE_SCALAR, LATE_DOWNLOAD, LATE_UPLOAD } late_kind;
typedef struct late {
  struct late *next;
  late_kind kind;
  int64_t number; /* in the order of calls */
  void *to;
  const void *from; /* uploads: host memory, read when it happens */
  size_t bytes;
  char value[]; /* the others: taken when asked for */
} late;

struct cyf_event {
  int64_t number; /* of the calls before it */
};

typedef struct fence {
  cyf_device base;
  cyf_device *cpu;
  pthread_mutex_t mutex;
  char *memory, *top;
  struct {
    char *at;
    size_t bytes; /* SIZE_MAX: freed */
  } allocation[ALLOCATIONS_MAX];
  int n_allocations;
  struct {
    char *at;
    size_t bytes;
  } host[ALLOCATIONS_MAX]; /* of alloc_host; at NULL: freed */
  int n_host;
  int depth; /* operations that run now */
  int64_t n_calls;
  late *first_late;
} fence;

static atomic_llong n_operations, n_waits, n_leaks;

int64_t fenced_device_operations(void) {
  return n_operations;
}
int64_t fenced_device_waits(void) {
  return n_waits;
}
int64_t fenced_device_leaks(void) {
  return n_leaks;
}

/* ---- the fence ---- */

static void protect(fence *f, int how) {
  if (f->top > f->memory) (void)mprotect(f->memory, (size_t)(f->top - f->memory), how);
}

static void enter(fence *f) {
  pthread_mutex_lock(&f->mutex);
  if (f->depth++ == 0) protect(f, PROT_READ | PROT_WRITE);
  f->n_calls++;
  pthread_mutex_unlock(&f->mutex);
  n_operations++;
}

static void leave(fence *f) {
  pthread_mutex_lock(&f->mutex);
  if (--f->depth == 0) protect(f, PROT_NONE);
  pthread_mutex_unlock(&f->mutex);
}

/* Whether [pointer, pointer + bytes) lies in one allocation. */
static bool is_own(fence *f, const void *pointer, size_t bytes) {
  bool own = false;
  const char *at = pointer;
  pthread_mutex_lock(&f->mutex);
  for (int i = 0; i < f->n_allocations && !own; i++) {
    const size_t size = f->allocation[i].bytes;
    own = size != SIZE_MAX && at >= f->allocation[i].at && bytes <= size &&
          (size_t)(at - f->allocation[i].at) <= size - bytes;
  }
  pthread_mutex_unlock(&f->mutex);
  return own;
}

static bool is_fenced_address(const fence *f, const void *pointer) {
  return (const char *)pointer >= f->memory && (const char *)pointer < f->memory + RESERVED;
}

static cyf_status check_device(fence *f, const char *slot, const char *name, const void *pointer, size_t bytes) {
  if (bytes == 0 || is_own(f, pointer, bytes)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "%s: %s is not %zu bytes of device memory", slot, name, bytes);
}

static cyf_status check_host(fence *f, const char *slot, const char *name, const void *pointer) {
  if (!is_fenced_address(f, pointer)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "%s: %s is device memory", slot, name);
}

/* The device on which this thread records a graph. */
static _Thread_local const fence *recording_on;

static cyf_status check_not_recording(fence *f, const char *slot) {
  if (recording_on != f) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERNAL, "%s: not between graph_begin and graph_end", slot);
}

static cyf_status check_csr(fence *f, const char *slot, const cyf_csr *x) {
  CYF_TRY(check_device(f, slot, "indptr", x->indptr, sizeof(int64_t) * (size_t)(x->n_cells + 1)));
  const int64_t first = x->indptr[0], n = x->indptr[x->n_cells] - first;
  CYF_TRY(check_device(f, slot, "indices", x->indices + first, sizeof(int32_t) * (size_t)n));
  return check_device(f, slot, "values", x->values + first, sizeof(float) * (size_t)n);
}

/* ---- what comes late ---- */

static cyf_status postpone(fence *f, late_kind kind, void *to, const void *from, size_t bytes) {
  late *item = NULL;
  CYF_TRY(cyf_alloc(1, sizeof *item + bytes, (void **)&item));
  *item = (late){.kind = kind, .to = to, .from = from, .bytes = bytes};
  if (kind != LATE_UPLOAD && bytes > 0) {
    memcpy(item->value, from, bytes);
    memset(to, 0xFF, bytes);
  }
  pthread_mutex_lock(&f->mutex);
  item->number = f->n_calls;
  late **end = &f->first_late;
  while (*end) end = &(*end)->next;
  *end = item;
  pthread_mutex_unlock(&f->mutex);
  return CYF_OK;
}

/* Does what was asked for up to a call, of some kinds. The fence is open. */
static void catch_up(fence *f, int64_t number, bool scalars, bool downloads, bool uploads) {
  pthread_mutex_lock(&f->mutex);
  for (late **at = &f->first_late; *at;) {
    late *item = *at;
    const bool due = item->kind == LATE_SCALAR ? scalars : item->kind == LATE_DOWNLOAD ? downloads : uploads;
    if (!due || item->number > number) {
      at = &item->next;
      continue;
    }
    memcpy(item->to, item->kind == LATE_UPLOAD ? item->from : item->value, item->bytes);
    *at = item->next;
    cyf_free(item);
  }
  pthread_mutex_unlock(&f->mutex);
}

/* ---- operations ---- */

/* Within an operation: complain unless `pointer` is `count` elements of device memory; MAY also takes NULL. */
#define IN(pointer, count) \
  if (status == CYF_OK) status = check_device(f, slot, #pointer, pointer, sizeof *(pointer) * (size_t)(count))
#define MAY(pointer, count) \
  if (pointer) IN(pointer, count)
#define SPARSE(x) \
  if (status == CYF_OK) status = check_csr(f, slot, x)
#define UNPACK(...) __VA_ARGS__
/* A slot of the table: its parameters behind d, the arguments of the CPU's behind the device, the checks. */
#define OPERATION(name, parameters, arguments, checks)                          \
  static cyf_status fenced_##name(cyf_device *d, UNPACK parameters) {           \
    fence *f = (fence *)d;                                                      \
    const char *slot = #name;                                                   \
    cyf_status status = CYF_OK;                                                 \
    enter(f);                                                                   \
    checks;                                                                     \
    if (status == CYF_OK) status = f->cpu->ops->name(f->cpu, UNPACK arguments); \
    leave(f);                                                                   \
    return status;                                                              \
  }
/* The same where `late_scalars` hands values over that the operation has put into local variables. */
#define OPERATION_WITH_SCALARS(name, parameters, locals, arguments, checks, late_scalars) \
  static cyf_status fenced_##name(cyf_device *d, UNPACK parameters) {                     \
    fence *f = (fence *)d;                                                                \
    const char *slot = #name;                                                             \
    cyf_status status = CYF_OK;                                                           \
    locals;                                                                               \
    enter(f);                                                                             \
    checks;                                                                               \
    if (status == CYF_OK) status = f->cpu->ops->name(f->cpu, UNPACK arguments);           \
    leave(f);                                                                             \
    late_scalars;                                                                         \
    return status;                                                                        \
  }
#define SCALAR(to, local)                                                                 \
  if (status == CYF_OK && (to)) {                                                         \
    status = check_host(f, slot, #to, to);                                                \
    if (status == CYF_OK) status = postpone(f, LATE_SCALAR, to, &(local), sizeof(local)); \
  }

/* clang-format off */
OPERATION(copy, (void *to, const void *from, size_t bytes), (to, from, bytes),
          IN((char *)to, bytes); IN((const char *)from, bytes))
OPERATION(zero, (void *memory, size_t bytes), (memory, bytes), IN((char *)memory, bytes))
OPERATION(csr_expand, (const cyf_compact *x, int64_t n, const int64_t *row, const int64_t *indptr, int64_t nnz, int32_t *indices,
                       float *values, float *counts), (x, n, row, indptr, nnz, indices, values, counts),
          IN(x->indptr, x->n_cells + 1); MAY(x->factor, x->n_cells); MAY(row, n); MAY(indptr, n + 1);
          const int64_t stored = status == CYF_OK ? x->indptr[x->n_cells] : 0;
          IN((const char *)x->indices, (size_t)stored * cyf_index_bytes(x->index_type));
          IN((const char *)x->counts, (size_t)stored * cyf_count_bytes(x->count_type));
          IN(indices, nnz); MAY(values, nnz); MAY(counts, nnz))
OPERATION_WITH_SCALARS(sparse_count, (int64_t n, int64_t c, const float *x, int64_t *indptr, int64_t *ret_n), int64_t n_odd = 0,
                       (n, c, x, indptr, &n_odd), IN(x, n * c); IN(indptr, n + 1), SCALAR(ret_n, n_odd))
OPERATION(sparse_fill, (int64_t n, int64_t c, const float *x, const int64_t *indptr, int32_t *indices, float *values),
          (n, c, x, indptr, indices, values), IN(x, n * c); IN(indptr, n + 1);
          const int64_t nnz = status == CYF_OK ? indptr[n] : 0; IN(indices, nnz); IN(values, nnz))
OPERATION(linear_forward, (int64_t n, int64_t in, int64_t out, const float *x, const float *w, const float *bias, bool accumulate, float *y),
          (n, in, out, x, w, bias, accumulate, y), IN(x, n * in); IN(w, out * in); MAY(bias, out); IN(y, n * out))
OPERATION(linear_input_grad, (int64_t n, int64_t in, int64_t out, const float *d_y, const float *w, bool accumulate, float *d_x),
          (n, in, out, d_y, w, accumulate, d_x), IN(d_y, n * out); IN(w, out * in); IN(d_x, n * in))
OPERATION(linear_weight_grad, (int64_t n, int64_t in, int64_t out, const float *x, const float *d_y, float *d_w, float *d_bias),
          (n, in, out, x, d_y, d_w, d_bias), IN(x, n * in); IN(d_y, n * out); IN(d_w, out * in); MAY(d_bias, out))
OPERATION(gene_linear_forward, (const cyf_csr *x, int64_t out, const float *w, const float *bias, float *y), (x, out, w, bias, y),
          SPARSE(x); IN(w, x->n_genes * out); IN(bias, out); IN(y, x->n_cells * out))
OPERATION(gene_linear_weight_grad, (const cyf_csr *x, int64_t out, const float *d_y, float *d_w, float *d_bias), (x, out, d_y, d_w, d_bias),
          SPARSE(x); IN(d_y, x->n_cells * out); IN(d_w, x->n_genes * out); IN(d_bias, out))
OPERATION_WITH_SCALARS(gene_mse, (cyf_gene_mode mode, const cyf_csr *x, int64_t hidden, const float *h, const float *w, const float *bias,
                                  double scale, double *ret_sum, float *d_h, float *d_w, float *d_bias), double sum = 0,
                       (mode, x, hidden, h, w, bias, scale, &sum, d_h, d_w, d_bias),
                       SPARSE(x); IN(h, x->n_cells * hidden); IN(w, x->n_genes * hidden); IN(bias, x->n_genes);
                       MAY(d_h, x->n_cells * hidden); MAY(d_w, x->n_genes * hidden); MAY(d_bias, x->n_genes), SCALAR(ret_sum, sum))
OPERATION_WITH_SCALARS(gene_nb, (const cyf_csr *x, const float *size, int64_t hidden, const float *h, const float *w, const float *bias,
                                 const float *log_theta, double scale, double *ret_sum, float *d_h, float *d_w, float *d_bias, float *d_log_theta),
                       double sum = 0, (x, size, hidden, h, w, bias, log_theta, scale, &sum, d_h, d_w, d_bias, d_log_theta),
                       SPARSE(x); IN(size, x->n_cells); IN(h, x->n_cells * hidden); IN(w, x->n_genes * hidden); IN(bias, x->n_genes);
                       IN(log_theta, x->n_genes); MAY(d_h, x->n_cells * hidden); MAY(d_w, x->n_genes * hidden); MAY(d_bias, x->n_genes);
                       MAY(d_log_theta, x->n_genes), SCALAR(ret_sum, sum))
OPERATION(csr_counts, (const cyf_csr *x, const float *total, double target_sum, float *counts), (x, total, target_sum, counts),
          SPARSE(x); IN(total, x->n_cells); const int64_t nnz = status == CYF_OK ? x->indptr[x->n_cells] : 0; IN(counts, nnz))
OPERATION(gene_decode, (int64_t n, int64_t hidden, int64_t genes, const float *h, const float *w, const float *bias, float *y),
          (n, hidden, genes, h, w, bias, y), IN(h, n * hidden); IN(w, genes * hidden); IN(bias, genes); IN(y, n * genes))
OPERATION(batch_norm_sums, (int64_t n, int64_t c, const float *x, double *sums), (n, c, x, sums), IN(x, n * c); IN(sums, 2 * c))
OPERATION(batch_norm_finish, (int64_t c, double n_total, const double *sums, double momentum, float *mean, float *inv_std, float *running_mean,
                              float *running_var), (c, n_total, sums, momentum, mean, inv_std, running_mean, running_var),
          IN(sums, 2 * c); IN(mean, c); IN(inv_std, c); MAY(running_mean, c); MAY(running_var, c))
OPERATION(batch_norm_running, (int64_t c, const float *running_mean, const float *running_var, float *mean, float *inv_std),
          (c, running_mean, running_var, mean, inv_std), IN(running_mean, c); IN(running_var, c); IN(mean, c); IN(inv_std, c))
OPERATION(batch_norm_forward, (int64_t n, int64_t c, const float *x, const float *mean, const float *inv_std, const float *gamma,
                               const float *beta, cyf_activation act, const float *slope, float *y),
          (n, c, x, mean, inv_std, gamma, beta, act, slope, y),
          IN(x, n * c); IN(mean, c); IN(inv_std, c); IN(gamma, c); IN(beta, c); MAY(slope, 1); IN(y, n * c))
OPERATION(batch_norm_backward_sums, (int64_t n, int64_t c, const float *x, const float *d_y, const float *mean, const float *inv_std,
                                     const float *gamma, const float *beta, cyf_activation act, const float *slope, double *sums, float *d_slope),
          (n, c, x, d_y, mean, inv_std, gamma, beta, act, slope, sums, d_slope),
          IN(x, n * c); IN(d_y, n * c); IN(mean, c); IN(inv_std, c); IN(gamma, c); IN(beta, c); MAY(slope, 1); IN(sums, 2 * c); MAY(d_slope, 1))
OPERATION(batch_norm_backward, (int64_t n, int64_t c, const float *x, const float *d_y, const float *mean, const float *inv_std,
                                const float *gamma, const float *beta, cyf_activation act, const float *slope, const double *sums,
                                double n_total, float *d_x), (n, c, x, d_y, mean, inv_std, gamma, beta, act, slope, sums, n_total, d_x),
          IN(x, n * c); IN(d_y, n * c); IN(mean, c); IN(inv_std, c); IN(gamma, c); IN(beta, c); MAY(slope, 1); MAY(sums, 2 * c); IN(d_x, n * c))
OPERATION(batch_norm_param_grad, (int64_t c, const double *sums, float *d_gamma, float *d_beta), (c, sums, d_gamma, d_beta),
          IN(sums, 2 * c); IN(d_gamma, c); IN(d_beta, c))
OPERATION(layer_norm_silu_forward, (int64_t n, int64_t c, const float *x, const float *gamma, const float *beta, float *y, float *mean,
                                    float *inv_std), (n, c, x, gamma, beta, y, mean, inv_std),
          IN(x, n * c); IN(gamma, c); IN(beta, c); IN(y, n * c); MAY(mean, n); MAY(inv_std, n))
OPERATION(layer_norm_silu_backward, (int64_t n, int64_t c, const float *x, const float *d_y, const float *gamma, const float *beta,
                                     const float *mean, const float *inv_std, float *d_x, float *d_gamma, float *d_beta),
          (n, c, x, d_y, gamma, beta, mean, inv_std, d_x, d_gamma, d_beta),
          IN(x, n * c); IN(d_y, n * c); IN(gamma, c); IN(beta, c); IN(mean, n); IN(inv_std, n); IN(d_x, n * c); MAY(d_gamma, c); MAY(d_beta, c))
OPERATION(silu_forward, (int64_t count, const float *x, float *y), (count, x, y), IN(x, count); IN(y, count))
OPERATION(silu_backward, (int64_t count, const float *x, const float *d_y, bool accumulate, float *d_x), (count, x, d_y, accumulate, d_x),
          IN(x, count); IN(d_y, count); IN(d_x, count))
OPERATION(add_rows, (int64_t n, int64_t c, const float *table, const int32_t *row, float *y), (n, c, table, row, y),
          IN(table, c); MAY(row, n); IN(y, n * c))
OPERATION(sum_rows, (int64_t n, int64_t c, const float *d_y, const int32_t *row, int64_t n_rows, float *d_table),
          (n, c, d_y, row, n_rows, d_table), IN(d_y, n * c); MAY(row, n); IN(d_table, n_rows * c))
OPERATION(axpy, (int64_t count, double alpha, const float *x, float *y), (count, alpha, x, y), IN(x, count); IN(y, count))
OPERATION(scale, (int64_t count, double alpha, float *y), (count, alpha, y), IN(y, count))
OPERATION(l2_normalize_forward, (int64_t n, int64_t c, const float *x, float *y, float *norm), (n, c, x, y, norm),
          IN(x, n * c); IN(y, n * c); MAY(norm, n))
OPERATION(l2_normalize_backward, (int64_t n, int64_t c, const float *y, const float *norm, const float *d_y, float *d_x),
          (n, c, y, norm, d_y, d_x), IN(y, n * c); IN(norm, n); IN(d_y, n * c); IN(d_x, n * c))
OPERATION(dropout, (int64_t n, int64_t c, const float *x, double rate, cyf_rng_key key, uint32_t step, const int64_t *position, float *y),
          (n, c, x, rate, key, step, position, y), IN(x, n * c); MAY(position, n); IN(y, n * c))
OPERATION(fill_normal, (int64_t n, int64_t c, cyf_rng_key key, uint32_t step, const int64_t *position, int64_t first, float *out),
          (n, c, key, step, position, first, out), MAY(position, n); IN(out, n * c))
OPERATION(fill_timesteps, (int64_t n, cyf_rng_key key, uint32_t step, const int64_t *position, int32_t least, int32_t bound, int32_t *out),
          (n, key, step, position, least, bound, out), MAY(position, n); IN(out, n))
OPERATION_WITH_SCALARS(squared_error, (int64_t count, const float *prediction, const float *target, double scale, double *ret_sum,
                                       float *d_prediction), double sum = 0, (count, prediction, target, scale, &sum, d_prediction),
                       IN(prediction, count); IN(target, count); MAY(d_prediction, count), SCALAR(ret_sum, sum))
OPERATION_WITH_SCALARS(cross_entropy, (int64_t n, int64_t classes, const float *logits, const int32_t *label, const float *class_weight,
                                       double scale, double *ret_loss, double *ret_weight, int64_t *ret_correct, int64_t *ret_labelled,
                                       float *d_logits), double loss = 0; double weight = 0; int64_t correct = 0; int64_t labelled = 0,
                       (n, classes, logits, label, class_weight, scale, &loss, &weight, &correct, &labelled, d_logits),
                       IN(logits, n * classes); IN(label, n); MAY(class_weight, classes); MAY(d_logits, n * classes),
                       SCALAR(ret_loss, loss) SCALAR(ret_weight, weight) SCALAR(ret_correct, correct) SCALAR(ret_labelled, labelled))
OPERATION(log_prob_grad, (int64_t n, int64_t classes, const float *logits, const int32_t *label, const float *w, float *d_logits),
          (n, classes, logits, label, w, d_logits), IN(logits, n * classes); IN(label, n); IN(w, n); IN(d_logits, n * classes))
OPERATION_WITH_SCALARS(library_nll, (int64_t n, const float *head, const float *total, double scale, double *ret_sum, float *d_head),
                       double sum = 0, (n, head, total, scale, &sum, d_head), IN(head, 2 * n); IN(total, n); MAY(d_head, 2 * n), SCALAR(ret_sum, sum))
OPERATION(library_size, (int64_t n, const float *head, const float *normal, float *size), (n, head, normal, size),
          IN(head, 2 * n); MAY(normal, n); IN(size, n))
OPERATION(softmax_rows, (int64_t n, int64_t c, const float *size, float *y), (n, c, size, y), MAY(size, n); IN(y, n * c))
OPERATION(nb_draw, (int64_t n, int64_t c, const float *mean, const float *log_theta, cyf_rng_key key, const int64_t *position, int64_t first,
                    float *counts), (n, c, mean, log_theta, key, position, first, counts),
          IN(mean, n * c); IN(log_theta, c); MAY(position, n); IN(counts, n * c))
OPERATION(q_sample, (int64_t n, int64_t c, cyf_rng_key key, uint32_t step, const int64_t *position, const float *x0, const int32_t *t,
                     const float *signal, const float *noise_level, float *eps, float *x_t),
          (n, c, key, step, position, x0, t, signal, noise_level, eps, x_t),
          MAY(position, n); IN(x0, n * c); IN(t, n); IN(signal, 1); IN(noise_level, 1); IN(eps, n * c); IN(x_t, n * c))
OPERATION(ddpm_step, (int64_t count, const cyf_reverse_step *s, const float *x, const float *eps, const float *guidance, const float *noise,
                      float *x_prev), (count, s, x, eps, guidance, noise, x_prev),
          IN(x, count); IN(eps, count); MAY(guidance, count); MAY(noise, count); IN(x_prev, count))
OPERATION(ddim_step, (int64_t count, const cyf_reverse_step *s, const float *x, const float *eps, const float *guidance, const float *noise,
                      float *x_prev), (count, s, x, eps, guidance, noise, x_prev),
          IN(x, count); IN(eps, count); MAY(guidance, count); MAY(noise, count); IN(x_prev, count))
OPERATION(multistep_step, (int64_t count, const cyf_multistep *s, const float *x, const float *eps, const float *guidance, float *before,
                           float *x_prev), (count, s, x, eps, guidance, before, x_prev),
          IN(x, count); IN(eps, count); MAY(guidance, count); IN(before, count); IN(x_prev, count))
OPERATION(free_guidance, (int64_t n, int64_t c, const float *base, const float *conditioned, const float *weight, float *eps),
          (n, c, base, conditioned, weight, eps), IN(base, n * c); IN(conditioned, n * c); IN(weight, n); IN(eps, n * c))
OPERATION(time_embedding, (int64_t n_rows, int64_t width, const int32_t *t, float *out), (n_rows, width, t, out),
          IN(t, n_rows); IN(out, n_rows * width))
OPERATION(square_sum, (int64_t count, const float *x, double *sum), (count, x, sum), IN(x, count); IN(sum, 1))
OPERATION(adamw, (int64_t count, const cyf_adamw *s, float *parameter, float *gradient, float *first, float *second, float *ema, double decay),
          (count, s, parameter, gradient, first, second, ema, decay),
          MAY(s->square_sum, 1); IN(parameter, count); IN(gradient, count); IN(first, count); IN(second, count); MAY(ema, count))
/* clang-format on */

/* ---- memory, transfers, events ---- */

static cyf_status fenced_alloc(cyf_device *d, size_t bytes, void **ret_memory) {
  fence *f = (fence *)d;
  pthread_mutex_lock(&f->mutex);
  const size_t pages = (bytes + PAGE - 1) / PAGE + 1; /* one more keeps neighbours apart */
  cyf_status status = CYF_OK;
  if (f->n_allocations == ALLOCATIONS_MAX || pages * PAGE > (size_t)(f->memory + RESERVED - f->top)) {
    status = CYF_FAIL(CYF_ERR_MEMORY, "the fenced device has no room for %zu bytes", bytes);
  } else {
    f->allocation[f->n_allocations].at = f->top;
    f->allocation[f->n_allocations++].bytes = bytes;
    *ret_memory = f->top;
    f->top += pages * PAGE;
    if (f->depth > 0) protect(f, PROT_READ | PROT_WRITE);
  }
  pthread_mutex_unlock(&f->mutex);
  return status;
}

static void fenced_free(cyf_device *d, void *memory) {
  fence *f = (fence *)d;
  if (memory == NULL) return;
  if (check_not_recording(f, "free") != CYF_OK) abort(); /* free has no status */
  pthread_mutex_lock(&f->mutex);
  for (int i = 0; i < f->n_allocations; i++) {
    if (f->allocation[i].at != memory || f->allocation[i].bytes == SIZE_MAX) continue;
    (void)madvise(memory, f->allocation[i].bytes, MADV_DONTNEED);
    f->allocation[i].bytes = SIZE_MAX; /* the address is not used again */
  }
  pthread_mutex_unlock(&f->mutex);
}

static size_t fenced_free_bytes(cyf_device *d) {
  fence *f = (fence *)d;
  return (size_t)(f->memory + RESERVED - f->top);
}

static cyf_status fenced_alloc_host(cyf_device *d, size_t bytes, void **ret_memory) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "alloc_host"));
  CYF_TRY(cyf_alloc(bytes, 1, ret_memory));
  pthread_mutex_lock(&f->mutex);
  int at = 0;
  while (at < f->n_host && f->host[at].at) at++;
  if (at < ALLOCATIONS_MAX) {
    f->host[at].at = *ret_memory;
    f->host[at].bytes = bytes;
    if (at == f->n_host) f->n_host++;
  }
  pthread_mutex_unlock(&f->mutex);
  return CYF_OK;
}

static void fenced_free_host(cyf_device *d, void *memory) {
  fence *f = (fence *)d;
  pthread_mutex_lock(&f->mutex);
  for (int i = 0; memory && i < f->n_host; i++)
    if (f->host[i].at == memory) f->host[i].at = NULL;
  pthread_mutex_unlock(&f->mutex);
  cyf_free(memory);
}

/* Whether the bytes lie in memory of alloc_host. */
static bool is_pinned(fence *f, const char *at, size_t bytes) {
  bool found = false;
  pthread_mutex_lock(&f->mutex);
  for (int i = 0; i < f->n_host && !found; i++)
    found = f->host[i].at && at >= f->host[i].at && at + bytes <= f->host[i].at + f->host[i].bytes;
  pthread_mutex_unlock(&f->mutex);
  return found;
}

static cyf_status fenced_upload(cyf_device *d, void *to, const void *host, size_t bytes) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "upload"));
  CYF_TRY(check_host(f, "upload", "host", host));
  CYF_TRY(check_device(f, "upload", "device_memory", to, bytes));
  enter(f);
  if (bytes > 0) memcpy(to, host, bytes);
  leave(f);
  return CYF_OK;
}

static cyf_status fenced_download(cyf_device *d, void *host, const void *from, size_t bytes) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "download"));
  CYF_TRY(check_host(f, "download", "host", host));
  CYF_TRY(check_device(f, "download", "device_memory", from, bytes));
  enter(f);
  const cyf_status status = postpone(f, LATE_DOWNLOAD, host, from, bytes);
  leave(f);
  return status;
}

static cyf_status fenced_upload_async(cyf_device *d, void *to, const void *host, size_t bytes) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "upload_async"));
  CYF_TRY(check_host(f, "upload_async", "host", host));
  CYF_TRY(check_device(f, "upload_async", "device_memory", to, bytes));
  if (!is_pinned(f, host, bytes)) return CYF_FAIL(CYF_ERR_INTERNAL, "upload_async: host is not of alloc_host");
  enter(f);
  const cyf_status status = postpone(f, LATE_UPLOAD, to, host, bytes);
  leave(f);
  return status;
}

static cyf_status fenced_synchronize(cyf_device *d) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "synchronize"));
  n_waits++;
  enter(f);
  catch_up(f, INT64_MAX, true, true, true);
  leave(f);
  return CYF_OK;
}

static cyf_status fenced_event_create(cyf_device *d, cyf_event **ret_event) {
  (void)d;
  return CYF_NEW(ret_event, 1);
}

static void fenced_event_destroy(cyf_device *d, cyf_event *event) {
  (void)d;
  cyf_free(event);
}

static cyf_status fenced_event_record(cyf_device *d, cyf_queue queue, cyf_event *event) {
  fence *f = (fence *)d;
  (void)queue;
  CYF_TRY(check_not_recording(f, "event_record"));
  event->number = f->n_calls;
  return CYF_OK;
}

static cyf_status fenced_event_await(cyf_device *d, cyf_queue queue, cyf_event *event) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "event_await"));
  enter(f);
  if (queue == CYF_QUEUE_WORK) catch_up(f, event->number, false, false, true);
  leave(f);
  return CYF_OK;
}

static cyf_status fenced_event_synchronize(cyf_device *d, cyf_event *event) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "event_synchronize"));
  enter(f);
  catch_up(f, event->number, false, true, true);
  leave(f);
  return CYF_OK;
}

static cyf_status fenced_graph_begin(cyf_device *d, cyf_graph **graph) {
  fence *f = (fence *)d;
  CYF_TRY(check_not_recording(f, "graph_begin"));
  if (*graph != NULL) recording_on = f; /* the first pass is run as usual */
  return CYF_OK;
}

static cyf_status fenced_graph_end(cyf_device *d, cyf_graph **graph, bool launch) {
  (void)d, (void)launch;
  recording_on = NULL;
  return *graph == NULL ? cyf_alloc(1, 1, (void **)graph) : CYF_OK;
}

static void fenced_graph_destroy(cyf_device *d, cyf_graph *graph) {
  (void)d;
  cyf_free(graph);
}

#define SLOT(name) .name = fenced_##name
static const cyf_ops fenced_ops = {
    .name = "fenced",
    SLOT(alloc),
    SLOT(free),
    SLOT(free_bytes),
    SLOT(alloc_host),
    SLOT(free_host),
    SLOT(upload),
    SLOT(download),
    SLOT(copy),
    SLOT(zero),
    SLOT(synchronize),
    SLOT(upload_async),
    SLOT(event_create),
    SLOT(event_destroy),
    SLOT(event_record),
    SLOT(event_await),
    SLOT(event_synchronize),
    SLOT(graph_begin),
    SLOT(graph_end),
    SLOT(graph_destroy),
    SLOT(csr_expand),
    SLOT(sparse_count),
    SLOT(sparse_fill),
    SLOT(linear_forward),
    SLOT(linear_input_grad),
    SLOT(linear_weight_grad),
    SLOT(gene_linear_forward),
    SLOT(gene_linear_weight_grad),
    SLOT(gene_mse),
    SLOT(gene_nb),
    SLOT(gene_decode),
    SLOT(batch_norm_sums),
    SLOT(batch_norm_finish),
    SLOT(batch_norm_running),
    SLOT(batch_norm_forward),
    SLOT(batch_norm_backward_sums),
    SLOT(batch_norm_backward),
    SLOT(batch_norm_param_grad),
    SLOT(layer_norm_silu_forward),
    SLOT(layer_norm_silu_backward),
    SLOT(silu_forward),
    SLOT(silu_backward),
    SLOT(add_rows),
    SLOT(sum_rows),
    SLOT(axpy),
    SLOT(scale),
    SLOT(l2_normalize_forward),
    SLOT(l2_normalize_backward),
    SLOT(dropout),
    SLOT(fill_normal),
    SLOT(fill_timesteps),
    SLOT(squared_error),
    SLOT(cross_entropy),
    SLOT(log_prob_grad),
    SLOT(library_nll),
    SLOT(library_size),
    SLOT(softmax_rows),
    SLOT(nb_draw),
    SLOT(csr_counts),
    SLOT(q_sample),
    SLOT(ddpm_step),
    SLOT(ddim_step),
    SLOT(multistep_step),
    SLOT(free_guidance),
    SLOT(time_embedding),
    SLOT(square_sum),
    SLOT(adamw),
};

static void destroy_fence(cyf_device *d) {
  fence *f = (fence *)d;
  for (int i = 0; i < f->n_allocations; i++) n_leaks += f->allocation[i].bytes != SIZE_MAX;
  while (f->first_late) {
    late *item = f->first_late;
    f->first_late = item->next;
    cyf_free(item);
  }
  if (f->memory) (void)munmap(f->memory, RESERVED);
  pthread_mutex_destroy(&f->mutex);
  cyf_device_destroy(&f->cpu);
}

cyf_status fenced_device_create(cyf_device *cpu, cyf_device **ret_device) {
  fence *f = NULL;
  *ret_device = NULL;
  cyf_status status = CYF_NEW(&f, 1);
  if (status != CYF_OK) {
    cyf_device_destroy(&cpu);
    return status;
  }
  f->base = (cyf_device){.ops = &fenced_ops, .n_threads = cpu->n_threads, .destroy_backend = destroy_fence};
  f->cpu = cpu;
  pthread_mutex_init(&f->mutex, NULL);
  f->memory = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (f->memory == MAP_FAILED) {
    f->memory = NULL;
    cyf_device *failed = &f->base;
    cyf_device_destroy(&failed);
    return CYF_FAIL(CYF_ERR_MEMORY, "no address space for the fenced device");
  }
  f->top = f->memory;
  *ret_device = &f->base;
  return CYF_OK;
}
