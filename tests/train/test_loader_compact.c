/* SPDX-License-Identifier: MIT */
/* The device makes cells of batches of stored integers, and of batches that list rows of resident cells. They are, bit
 * for bit, those that the loader decodes on the host. */
#include "atlas_forms.h"
#include "data/loader/loader.h"
#include "fenced_device.h"
#include "train/cell_feed.h"

enum { N_BATCHES = 30 };

static cyf_loader_options loader_options(void) {
  return (cyf_loader_options){.batch_cells = 32,
                              .n_lanes = 8,
                              .block_cells = 8,
                              .window_blocks = 2,
                              .prefetch_batches = 2,
                              .decode_threads = 2,
                              .split = CYF_SPLIT_ALL,
                              .shuffle = true,
                              .seed = 3};
}

static cyf_device *open_device(bool fenced) {
  cyf_device *cpu = NULL, *device = NULL;
  assert_ok(cyf_device_create_cpu(1, &cpu));
  if (!fenced) return cpu;
  assert_ok(fenced_device_create(cpu, &device));
  return device;
}

static void assert_same_array(cyf_device *device, const void *expected, const void *on_device, size_t bytes) {
  void *host = NULL;
  assert_ok(cyf_alloc(bytes + 1, 1, &host));
  assert_ok(device->ops->download(device, host, on_device, bytes));
  assert_ok(device->ops->synchronize(device));
  assert_memory_equal(expected, host, bytes);
  cyf_free(host);
}

/* Compares `cells`, which were made of `batch`, with `expected`, a batch of values. */
static void assert_same_batch(cyf_device *device, const cyf_batch *expected, const cyf_batch *batch,
                              const cyf_csr *cells, int64_t n_attributes) {
  const int64_t n = expected->cells.n_cells, nnz = expected->cells.indptr[n];
  assert_int_equal(cells->n_cells, n);
  assert_int_equal(cells->n_genes, expected->cells.n_genes);
  assert_memory_equal(expected->cells.indptr, batch->cells.indptr, (size_t)(n + 1) * sizeof(int64_t));
  assert_same_array(device, expected->cells.indptr, cells->indptr, (size_t)(n + 1) * sizeof(int64_t));
  assert_same_array(device, expected->cells.indices, cells->indices, (size_t)nnz * sizeof(int32_t));
  assert_same_array(device, expected->cells.values, cells->values, (size_t)nnz * sizeof(float));
  assert_memory_equal(expected->total, batch->total, (size_t)n * sizeof(float));
  assert_memory_equal(expected->cell, batch->cell, (size_t)n * sizeof(int64_t));
  assert_memory_equal(expected->position, batch->position, (size_t)n * sizeof(int64_t));
  assert_memory_equal(expected->codes, batch->codes, (size_t)(n * n_attributes) * sizeof(int32_t));
  assert_int_equal(expected->n_global, batch->n_global);
  assert_int_equal(expected->cursor.epoch, batch->cursor.epoch);
  assert_int_equal(expected->cursor.step, batch->cursor.step);
}

/* A stream of values of one atlas against another form of the same cells, on a device. */
static void assert_same_stream(const fixture *shared, const cyf_atlas *plain, const cyf_atlas *other,
                               const cyf_loader_options *options, bool resident, bool fenced, cyf_cursor start) {
  cyf_loader *loader[2] = {NULL, NULL};
  cyf_device *device = open_device(fenced);
  cyf_cell_feed *feed = NULL;
  cyf_loader_options compact = *options;
  compact.device = device;
  compact.form = CYF_BATCH_COMPACT;
  if (resident) compact.residency = CYF_RESIDENCY_DEVICE;
  assert_ok(cyf_loader_create(shared->comm, plain, options, start, &loader[0]));
  assert_ok(cyf_loader_create(shared->comm, other, &compact, start, &loader[1]));
  assert_ok(cyf_cell_feed_create(device, &feed));
  const int64_t read = cyf_loader_bytes_read(loader[1]);
  for (int b = 0; b < N_BATCHES; b++) {
    cyf_batch batch[2];
    cyf_csr cells;
    const float *total = NULL;
    assert_ok(cyf_cell_feed_wait(feed));
    for (int i = 0; i < 2; i++) assert_ok(cyf_loader_next(loader[i], &batch[i]));
    assert_int_equal(batch[1].form, resident ? CYF_BATCH_ROWS : CYF_BATCH_COMPACT);
    assert_true(batch[1].cells.values == NULL);
    assert_ok(cyf_cell_feed_put(feed, &batch[1], &cells, &total));
    assert_same_batch(device, &batch[0], &batch[1], &cells, plain->n_attributes);
    assert_same_array(device, batch[0].total, total, (size_t)cells.n_cells * sizeof(float));
  }
  if (resident) assert_int_equal(cyf_loader_bytes_read(loader[1]), read); /* all was read before the first batch */
  cyf_cell_feed_destroy(&feed);
  for (int i = 0; i < 2; i++) cyf_loader_destroy(&loader[i]);
  cyf_device_destroy(&device);
  assert_int_equal(fenced_device_leaks(), 0);
}

static void every_form_gives_the_batches_of_values(void **state) {
  const fixture *shared = *state;
  for (int f = 0; f < N_FORMS; f++) {
    cyf_atlas *atlas[2] = {NULL, NULL};
    cyf_loader_options options = loader_options();
    make_pair(shared, f, f % 2 ? 25 : 80, atlas);
    for (int compressed = 0; compressed < 2; compressed++)
      for (int resident = 0; resident < 2; resident++)
        assert_same_stream(shared, atlas[0], atlas[compressed], &options, resident != 0, (f + compressed) % 2 == 0,
                           (cyf_cursor){0, 0});
    options.residency = CYF_RESIDENCY_HOST;
    assert_same_stream(shared, atlas[0], atlas[1], &options, false, true, (cyf_cursor){0, 0});
    for (int i = 0; i < 2; i++) cyf_atlas_close(&atlas[i]);
  }
}

/* Weighted cells of a split, from the middle of an epoch on, in this epoch and the next. */
static void balanced_splits_do_too(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas[2] = {NULL, NULL};
  make_pair(shared, 1, 40, atlas);
  for (int mode = CYF_SAMPLING_SQRT; mode <= CYF_SAMPLING_UNIFORM; mode++) {
    cyf_loader_options options = loader_options();
    options.sampling = (cyf_sampling)mode;
    options.balance_label = "cell type";
    options.validation = 0.3;
    options.split = CYF_SPLIT_TRAIN;
    for (int resident = 0; resident < 2; resident++)
      for (int fenced = 0; fenced < 2; fenced++)
        assert_same_stream(shared, atlas[0], atlas[1], &options, resident != 0, fenced != 0, (cyf_cursor){1, 2});
  }
  cyf_loader_options options = loader_options();
  options.validation = 0.3;
  options.split = CYF_SPLIT_VALIDATION;
  options.shuffle = false;
  assert_same_stream(shared, atlas[0], atlas[0], &options, true, true, (cyf_cursor){0, 0});
  for (int i = 0; i < 2; i++) cyf_atlas_close(&atlas[i]);
}

static size_t hardly_any_bytes(cyf_device *d) {
  (void)d;
  return 100;
}

static void cells_that_do_not_fit_are_refused(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas[2] = {NULL, NULL};
  make_pair(shared, 0, 80, atlas);
  cyf_device *device = open_device(false);
  cyf_ops small = *device->ops;
  small.free_bytes = hardly_any_bytes;
  device->ops = &small;
  cyf_loader_options options = loader_options();
  cyf_loader *loader = NULL;
  options.device = device;
  options.residency = CYF_RESIDENCY_DEVICE;
  char bytes[32];
  /* 1 byte a count, 2 a gene, 12 a cell: on one rank it is known how many that is. */
  snprintf(bytes, sizeof bytes, "(%lld bytes)", (long long)(atlas[0]->nnz * 3 + atlas[0]->n_cells * 12));
  assert_fails(cyf_loader_create(shared->comm, atlas[0], &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_CONFIG,
               shared->size == 1 ? bytes : "in device memory, of which");
  assert_null(loader);
  cyf_device_destroy(&device);
  for (int i = 0; i < 2; i++) cyf_atlas_close(&atlas[i]);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {TEST(every_form_gives_the_batches_of_values), TEST(balanced_splits_do_too),
                                     TEST(cells_that_do_not_fit_are_refused)};
  return FIXTURE_RUN(tests);
}
