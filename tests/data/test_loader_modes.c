/* SPDX-License-Identifier: MIT */
/* The loader beyond the plain stream: cells weighted by a label, cells kept in memory, the pool that decodes. */
#include "atlas_fixture.h"
#include "base/files.h"
#include "data/atlas/shard.h"
#include "data/loader/balance.h"
#include "data/loader/loader.h"
#include "data/loader/plan.h"
#include "data/loader/pool.h"

enum { N_CELLS = 1200, N_LANES = 8, N_EPOCHS = 40 };

static cyf_loader_options loader_options(void) {
  return (cyf_loader_options){.batch_cells = 32,
                              .n_lanes = N_LANES,
                              .block_cells = 16,
                              .window_blocks = 3,
                              .prefetch_batches = 2,
                              .decode_threads = 2,
                              .split = CYF_SPLIT_ALL,
                              .shuffle = true,
                              .seed = 9};
}

/* Adds up how often each cell is emitted in one epoch, over all ranks: times[N_CELLS]. Checks that each batch has its
 * cells and each lane its share. */
static void count_epoch(const fixture *shared, cyf_loader *loader, int64_t *times) {
  memset(times, 0, N_CELLS * sizeof(*times));
  for (int64_t step = 0; step < cyf_loader_batches_per_epoch(loader); step++) {
    cyf_batch batch;
    assert_ok(cyf_loader_next(loader, &batch));
    assert_int_equal(batch.cursor.step, step);
    int64_t n = batch.cells.n_cells;
    for (int64_t i = 0; i < n; i++) times[batch.cell[i]]++;
    assert_ok(cyf_comm_sum_int64(shared->comm, &n, 1));
    assert_int_equal(n, batch.n_global);
  }
  assert_ok(cyf_comm_sum_int64(shared->comm, times, N_CELLS));
}

/* Sizes of the categories of an uneven label. */
static int32_t uneven(int64_t cell) {
  return cell % 40 == 7 ? 2 : cell % 4 == 1 ? 1 : cell % 29 == 3 ? -1 : 0;
}

static cyf_atlas *open_uneven(const fixture *shared) {
  char input[128], output[128];
  fixture_path(shared, "uneven.h5ad", input);
  fixture_path(shared, "uneven", output);
  static const char *const sizes[3] = {"common", "some", "rare"}, *const labels[1] = {"size"};
  if (!check_exists(output)) {
    assert_ok(cyf_comm_barrier(shared->comm));
    if (shared->rank == 0) {
      const cyf_h5ad_options format = {.format = CYF_MATRIX_CSR_FLOAT32};
      cyf_h5ad_writer *writer = NULL;
      cyf_csr_buffer rows = {0};
      cyf_names genes = {0};
      assert_ok(cyf_h5ad_writer_create(input, 3, &format, &writer));
      cyf_csr_buffer_clear(&rows, 3);
      for (int64_t i = 0; i < N_CELLS; i++) {
        const int32_t index[3] = {0, 1, 2};
        const float value[3] = {1, 1 + (float)(i % 300), 1 + (float)(i / 300)};
        assert_ok(cyf_csr_buffer_append(&rows, 3, index, value));
      }
      const cyf_csr view = cyf_csr_view(&rows);
      assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
      assert_ok(cyf_names_add(&genes, "g0", NULL));
      assert_ok(cyf_names_add(&genes, "g1", NULL));
      assert_ok(cyf_names_add(&genes, "g2", NULL));
      assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
      fixture_set_label(writer, "size", sizes, 3, N_CELLS, uneven);
      assert_ok(cyf_h5ad_writer_commit(&writer));
      cyf_names_destroy(&genes);
      cyf_csr_buffer_destroy(&rows);
    }
    assert_ok(cyf_comm_barrier(shared->comm));
    const char *inputs[1] = {input};
    cyf_prepare_options prepare = fixture_options(inputs, 1, output);
    prepare.labels = labels;
    prepare.n_labels = 1;
    prepare.min_genes = prepare.min_cells = 0;
    prepare.cells_per_shard = 250;
    assert_ok(cyf_prepare(shared->comm, &prepare, NULL));
  }
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  assert_ok(cyf_comm_barrier(shared->comm));
  return atlas;
}

/* The weight of a cell by the definition in balance.h. */
static double expected_weight(const cyf_attribute *attribute, cyf_sampling mode, int32_t code) {
  if (code < 0) return 1;
  double n = 0, weighted = 0;
  for (int64_t k = 0; k < attribute->categories.n; k++) {
    const double n_k = (double)attribute->n_cells[k];
    n += n_k;
    weighted += mode == CYF_SAMPLING_UNIFORM ? 1 : sqrt(n_k);
  }
  const double n_code = (double)attribute->n_cells[code];
  return n / weighted / (mode == CYF_SAMPLING_UNIFORM ? n_code : sqrt(n_code));
}

/* Each cell is emitted floor or ceil of its weight times, and on average as often as its weight. Every epoch has the
 * same number of cells. Categories come equally often (UNIFORM) or by the square roots of their sizes (SQRT). */
static void cells_are_emitted_by_their_weight(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_uneven(shared);
  int32_t codes[N_CELLS];
  fixture_codes(atlas, 0, N_CELLS, codes);
  for (int mode = CYF_SAMPLING_SQRT; mode <= CYF_SAMPLING_UNIFORM; mode++) {
    cyf_loader_options options = loader_options();
    options.sampling = (cyf_sampling)mode;
    options.balance_label = "size";
    cyf_loader *loader = NULL;
    int64_t times[N_CELLS], sum[N_CELLS] = {0}, by_class[4] = {0};
    assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader));
    const int64_t n_epoch = cyf_loader_n_cells(loader);
    assert_true(llabs(n_epoch - N_CELLS) <= N_LANES);
    for (int epoch = 0; epoch < N_EPOCHS; epoch++) {
      int64_t n = 0;
      count_epoch(shared, loader, times);
      for (int64_t i = 0; i < N_CELLS; i++) {
        const double weight = expected_weight(&atlas->attributes[0], (cyf_sampling)mode, codes[i]);
        assert_true(times[i] >= (int64_t)floor(weight) && times[i] <= (int64_t)ceil(weight));
        n += times[i];
        sum[i] += times[i];
        by_class[codes[i] + 1] += times[i];
      }
      assert_int_equal(n, n_epoch);
    }
    /* A cell's mean over the epochs has a standard error below 0.5/sqrt(40) = 0.08. Besides, its chance is scaled a
     * little so that a lane emits a whole number of cells. */
    for (int64_t i = 0; i < N_CELLS; i++) {
      const double weight = expected_weight(&atlas->attributes[0], (cyf_sampling)mode, codes[i]);
      assert_true(fabs((double)sum[i] / N_EPOCHS - weight) < 0.4);
    }
    for (int c = 0; c < 3; c++) {
      const double wanted =
          expected_weight(&atlas->attributes[0], (cyf_sampling)mode, c) * (double)atlas->attributes[0].n_cells[c];
      assert_true(fabs((double)by_class[c + 1] / N_EPOCHS - wanted) < 0.03 * wanted + 2);
    }
    cyf_loader_destroy(&loader);
  }
  cyf_atlas_close(&atlas);
}

/* Which cells are emitted is what the functions of balance.h give for (seed, epoch, lane), for any number of ranks.
 * From a cursor in the middle of an epoch the stream goes on with what is left of it. */
static void weighted_streams_do_not_depend_on_ranks_and_resume(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_uneven(shared);
  cyf_loader_options options = loader_options();
  options.sampling = CYF_SAMPLING_UNIFORM;
  options.balance_label = "size";
  options.validation = 0.2;
  options.split = CYF_SPLIT_TRAIN;
  cyf_cell_weights weights;
  cyf_lane_plan plan;
  int32_t codes[N_CELLS];
  bool in_split[N_CELLS];
  int64_t expected[N_CELLS], times[N_CELLS] = {0};
  fixture_codes(atlas, 0, N_CELLS, codes);
  assert_ok(cyf_balance_make(atlas, &options, &weights));
  assert_ok(cyf_lane_plan_make(&options, N_CELLS, 1, &plan));
  cyf_plan_split(&plan, 0, N_CELLS, in_split);
  for (int64_t l = 0; l < N_LANES; l++) {
    const int64_t first = cyf_lane_first_cell(N_CELLS, N_LANES, l);
    const int64_t n = cyf_lane_first_cell(N_CELLS, N_LANES, l + 1) - first;
    uint8_t extra[N_CELLS / 8];
    cyf_balance_extra(&weights, 2, l, n, codes + first, in_split + first, extra);
    for (int64_t i = 0; i < n; i++)
      expected[first + i] =
          in_split[first + i] ? cyf_balance_whole(&weights, codes[first + i]) + cyf_balance_has_extra(extra, i) : 0;
  }
  /* Epoch 2 in two parts: a loader from its start to step 11, another from there on. */
  const int64_t stop = 11;
  for (int part = 0; part < 2; part++) {
    cyf_loader *loader = NULL;
    assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){2, part ? stop : 0}, &loader));
    const int64_t n_batches = cyf_loader_batches_per_epoch(loader);
    assert_true(n_batches > stop + 5);
    for (int64_t step = part ? stop : 0; step < (part ? n_batches : stop); step++) {
      cyf_batch batch;
      assert_ok(cyf_loader_next(loader, &batch));
      assert_int_equal(batch.cursor.epoch, 2);
      for (int64_t i = 0; i < batch.cells.n_cells; i++) {
        times[batch.cell[i]]++;
        assert_int_equal(batch.codes[i], codes[batch.cell[i]]);
      }
    }
    cyf_loader_destroy(&loader);
  }
  assert_ok(cyf_comm_sum_int64(shared->comm, times, N_CELLS));
  for (int64_t i = 0; i < N_CELLS; i++) assert_int_equal(times[i], expected[i]);
  cyf_balance_destroy(&weights);
  cyf_atlas_close(&atlas);
}

static void unknown_labels_are_named(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_uneven(shared);
  cyf_loader_options options = loader_options();
  cyf_loader *loader = NULL;
  options.sampling = CYF_SAMPLING_SQRT;
  options.balance_label = "cell_typ";
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_CONFIG,
               "'cell_typ' is no label of");
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_CONFIG,
               "which has: size");
  assert_null(loader);
  cyf_atlas_close(&atlas);
}

/* Kept cells give the batches of the stream, are read once, and are there when the files are not. */
static void resident_cells_are_those_of_the_stream(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_uneven(shared);
  cyf_loader_options options = loader_options();
  cyf_loader *loader[2] = {NULL, NULL};
  for (int i = 0; i < 2; i++) {
    options.residency = i ? CYF_RESIDENCY_HOST : CYF_RESIDENCY_STREAM;
    assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader[i]));
  }
  const int64_t n_epoch = cyf_loader_batches_per_epoch(loader[0]);
  int64_t read[2] = {0, 0};
  for (int64_t b = 0; b < 4 * n_epoch; b++) {
    cyf_batch batch[2];
    for (int i = 0; i < 2; i++) assert_ok(cyf_loader_next(loader[i], &batch[i]));
    const int64_t n = batch[0].cells.n_cells, nnz = batch[0].cells.indptr[n];
    assert_int_equal(batch[1].cells.n_cells, n);
    assert_memory_equal(batch[0].cells.indptr, batch[1].cells.indptr, (size_t)(n + 1) * sizeof(int64_t));
    assert_memory_equal(batch[0].cells.indices, batch[1].cells.indices, (size_t)nnz * sizeof(int32_t));
    assert_memory_equal(batch[0].cells.values, batch[1].cells.values, (size_t)nnz * sizeof(float));
    assert_memory_equal(batch[0].cell, batch[1].cell, (size_t)n * sizeof(int64_t));
    assert_memory_equal(batch[0].codes, batch[1].codes, (size_t)n * sizeof(int32_t));
    for (int i = 0; i < 2 && b == 2 * n_epoch; i++) read[i] = cyf_loader_bytes_read(loader[i]);
  }
  assert_true(cyf_loader_bytes_read(loader[0]) > read[0]);
  assert_int_equal(cyf_loader_bytes_read(loader[1]), read[1]);
  for (int i = 0; i < 2; i++) cyf_loader_destroy(&loader[i]);
  cyf_atlas_close(&atlas);
}

/* ---- the pool ---- */

enum { POOL_ITEMS = 1003 };

static cyf_status mark_items(void *context, int64_t first, int64_t end) {
  int *marks = context;
  for (int64_t i = first; i < end; i++) marks[i]++;
  return CYF_OK;
}

static cyf_status fail_at_500(void *context, int64_t first, int64_t end) {
  (void)context;
  if (first <= 500 && 500 < end) return CYF_FAIL(CYF_ERR_INPUT, "item 500 is bad");
  return CYF_OK;
}

static void the_pool_does_every_item_once(void **state) {
  (void)state;
  for (int n_threads = 0; n_threads <= 4; n_threads++) {
    cyf_loader_pool *pool = NULL;
    assert_ok(cyf_loader_pool_create(n_threads, &pool));
    for (int round = 0; round < 200; round++) {
      int marks[POOL_ITEMS] = {0};
      assert_ok(cyf_loader_pool_run(pool, round % 7, POOL_ITEMS - round % 5, 1 + round % 40, mark_items, marks));
      for (int i = 0; i < POOL_ITEMS; i++)
        assert_int_equal(marks[i], i >= round % 7 && i < POOL_ITEMS - round % 5 ? 1 : 0);
    }
    assert_ok(cyf_loader_pool_run(pool, 5, 5, 3, fail_at_500, NULL)); /* nothing to do */
    assert_fails(cyf_loader_pool_run(pool, 0, POOL_ITEMS, 10, fail_at_500, NULL), CYF_ERR_INPUT, "item 500 is bad");
    cyf_status_clear();
    assert_ok(cyf_loader_pool_run(pool, 501, POOL_ITEMS, 10, fail_at_500, NULL)); /* a failure is not kept */
    cyf_loader_pool_destroy(&pool);
    assert_null(pool);
  }
  cyf_loader_pool_destroy(NULL);
}

/* The page cache is left out where it could not keep the cells of all ranks of a machine until their next epoch. */
static void cells_beyond_memory_are_read_past_the_page_cache(void **state) {
  (void)state;
  const int64_t gb = 1000000000;
  assert_false(cyf_loader_is_direct(CYF_LOADER_AUTO, CYF_RESIDENCY_STREAM, 10 * gb, 80 * gb, 4));
  assert_true(cyf_loader_is_direct(CYF_LOADER_AUTO, CYF_RESIDENCY_STREAM, 30 * gb, 80 * gb, 4));
  assert_false(cyf_loader_is_direct(CYF_LOADER_AUTO, CYF_RESIDENCY_STREAM, 30 * gb, 0, 4)); /* not known */
  assert_false(cyf_loader_is_direct(CYF_LOADER_AUTO, CYF_RESIDENCY_DEVICE, 30 * gb, 80 * gb, 4));
  assert_false(cyf_loader_is_direct(CYF_LOADER_DIRECT, CYF_RESIDENCY_HOST, gb, 80 * gb, 1));
  assert_true(cyf_loader_is_direct(CYF_LOADER_DIRECT, CYF_RESIDENCY_STREAM, gb, 80 * gb, 1));
  assert_false(cyf_loader_is_direct(CYF_LOADER_POSIX, CYF_RESIDENCY_STREAM, 90 * gb, 80 * gb, 1));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(cells_beyond_memory_are_read_past_the_page_cache),
      TEST(cells_are_emitted_by_their_weight),
      TEST(weighted_streams_do_not_depend_on_ranks_and_resume),
      TEST(unknown_labels_are_named),
      TEST(resident_cells_are_those_of_the_stream),
      TEST(the_pool_does_every_item_once),
  };
  return FIXTURE_RUN(tests);
}
