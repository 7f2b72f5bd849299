/* SPDX-License-Identifier: MIT */
/* Streaming an atlas: which cells each global batch holds, for any number of ranks, and that their values are those in
 * the files. */
#include <unistd.h>

#include "data/synth/synth.h"
#include "loader_reference.h"

enum { N_LANES = 8 };

static cyf_loader_options loader_options(void) {
  return (cyf_loader_options){.batch_cells = 32,
                              .n_lanes = N_LANES,
                              .block_cells = 16,
                              .window_blocks = 3,
                              .prefetch_batches = 3,
                              .split = CYF_SPLIT_ALL,
                              .shuffle = true,
                              .seed = 9,
                              .io = CYF_LOADER_POSIX};
}

/* The atlas most tests stream: simulated, 1,501 cells in 4 shards of many stored chunks each. Made once. */
static cyf_atlas *open_atlas(const fixture *shared) {
  char input[128], output[128];
  fixture_path(shared, "cells.h5ad", input);
  fixture_path(shared, "atlas", output);
  if (!check_exists(output)) {
    const cyf_synth_options synth = {.output = input,
                                     .n_cells = 1501,
                                     .n_genes = 1200,
                                     .n_types = 3,
                                     .n_donors = 2,
                                     .mean_counts = 1500,
                                     .expressed_fraction = 0.25,
                                     .seed = 4,
                                     .force = true};
    assert_ok(cyf_comm_barrier(shared->comm));
    if (shared->rank == 0) assert_ok(cyf_synth(&synth));
    assert_ok(cyf_comm_barrier(shared->comm));
    static const char *const labels[2] = {"cell_type", "donor"};
    const char *inputs[1] = {input};
    cyf_prepare_options options = fixture_options(inputs, 1, output);
    options.labels = labels;
    options.cells_per_shard = 400;
    assert_ok(cyf_prepare(shared->comm, &options, NULL));
  }
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  assert_int_equal(atlas->n_cells, 1501);
  assert_ok(cyf_comm_barrier(shared->comm));
  return atlas;
}

static void lanes_cut_the_atlas_without_gap_or_overlap(void **state) {
  (void)state;
  static const int64_t sizes[] = {0, 1, 7, 64, 1501, INT64_C(50000000), INT64_MAX};
  for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
    assert_int_equal(cyf_lane_first_cell(sizes[s], 64, 0), 0);
    assert_true(cyf_lane_first_cell(sizes[s], 64, 64) == sizes[s]);
    for (int64_t l = 0; l < 64; l++) {
      const int64_t n = cyf_lane_first_cell(sizes[s], 64, l + 1) - cyf_lane_first_cell(sizes[s], 64, l);
      assert_true(n == sizes[s] / 64 || n == sizes[s] / 64 + 1);
    }
  }
}

/* Checks the reference itself: it has every cell once an epoch, in another order each time, and few cells keep their
 * places or their neighbours. */
static void epochs_are_shuffles(void **state) {
  (void)state;
  const cyf_loader_options options = loader_options();
  reference ref[2];
  for (int e = 0; e < 2; e++) {
    reference_make(&options, 1501, e, &ref[e]);
    int count[1501] = {0};
    for (int64_t i = 0; i < ref[e].n_cells; i++) count[ref[e].order[i]]++;
    for (int i = 0; i < 1501; i++) assert_int_equal(count[i], 1);
    for (int64_t l = 0; l < N_LANES; l++)
      for (int64_t i = ref[e].start[l]; i < ref[e].start[l + 1]; i++)
        assert_true(ref[e].order[i] >= cyf_lane_first_cell(1501, N_LANES, l) &&
                    ref[e].order[i] < cyf_lane_first_cell(1501, N_LANES, l + 1));
  }
  int64_t same = 0, neighbours = 0;
  for (int64_t i = 0; i < 1501; i++) same += ref[0].order[i] == ref[1].order[i];
  for (int64_t i = 1; i < 1501; i++) neighbours += ref[0].order[i] == ref[0].order[i - 1] + 1;
  assert_true(same < 60);        /* by chance some 8 */
  assert_true(neighbours < 120); /* by chance about 1 in 48, the cells of a window */
  reference_destroy(&ref[0]);
  reference_destroy(&ref[1]);
}

static void batches_do_not_depend_on_the_ranks(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_atlas(shared);
  cyf_loader_options options = loader_options();
  check_stream(shared, atlas, &options, (cyf_cursor){0, 0}, 105); /* two epochs of 47 and some */
  options.decode_threads = 3;
  check_stream(shared, atlas, &options, (cyf_cursor){0, 0}, 50);
  cyf_atlas_close(&atlas);
}

/* A stream has no other state than its cursor, so that any number of ranks may go on from it. */
static void a_cursor_resumes_anywhere(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_atlas(shared);
  cyf_loader_options options = loader_options();
  options.validation = 0.3;
  options.split = CYF_SPLIT_TRAIN;
  const cyf_cursor cursors[] = {{0, 1}, {0, 11}, {2, 0}, {1, 30}};
  for (size_t c = 0; c < sizeof(cursors) / sizeof(cursors[0]); c++)
    check_stream(shared, atlas, &options, cursors[c], 5);
  /* The end of an epoch is the beginning of the next; beyond it is an error. */
  cyf_loader *loader = NULL;
  cyf_batch batch;
  assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader));
  const int64_t n = cyf_loader_batches_per_epoch(loader);
  cyf_loader_destroy(&loader);
  assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, n}, &loader));
  assert_ok(cyf_loader_next(loader, &batch));
  assert_int_equal(batch.cursor.epoch, 1);
  assert_int_equal(batch.cursor.step, 0);
  cyf_loader_destroy(&loader);
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, n + 1}, &loader), CYF_ERR_CONFIG,
               "cursor");
  cyf_atlas_close(&atlas);
}

static void without_shuffling_lanes_ascend(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_atlas(shared);
  cyf_loader_options options = loader_options();
  options.shuffle = false;
  cyf_loader *loader = NULL;
  assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader));
  for (int64_t step = 0; step < cyf_loader_batches_per_epoch(loader); step++) {
    cyf_batch batch;
    assert_ok(cyf_loader_next(loader, &batch));
    for (int64_t i = 0; i < batch.cells.n_cells; i++) {
      const int64_t lane = batch.position[i] / 4, place = batch.position[i] % 4;
      assert_int_equal(batch.cell[i], cyf_lane_first_cell(1501, N_LANES, lane) + step * 4 + place);
    }
  }
  cyf_loader_destroy(&loader);
  check_stream(shared, atlas, &options, (cyf_cursor){0, 0}, 50);
  cyf_atlas_close(&atlas);
}

static void splits_are_disjoint_and_complete(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_atlas(shared);
  cyf_loader_options options = loader_options();
  int64_t seen[1501] = {0}, n[2] = {0};
  options.validation = 0.2;
  for (int s = 0; s < 2; s++) {
    options.split = s ? CYF_SPLIT_VALIDATION : CYF_SPLIT_TRAIN;
    cyf_loader *loader = NULL;
    assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader));
    for (int64_t step = 0; step < cyf_loader_batches_per_epoch(loader); step++) {
      cyf_batch batch;
      assert_ok(cyf_loader_next(loader, &batch));
      for (int64_t i = 0; i < batch.cells.n_cells; i++) seen[batch.cell[i]] += s ? 1000 : 1;
    }
    n[s] = cyf_loader_n_cells(loader);
    cyf_loader_destroy(&loader);
    check_stream(shared, atlas, &options, (cyf_cursor){0, 0}, 30);
  }
  assert_ok(cyf_comm_sum_int64(shared->comm, seen, 1501));
  for (int64_t i = 0; i < 1501; i++) assert_true(seen[i] == 1 || seen[i] == 1000);
  assert_int_equal(n[0] + n[1], 1501);
  assert_true(n[1] > 230 && n[1] < 370); /* 300 expected, standard deviation 15.5 */
  cyf_atlas_close(&atlas);
}

/* Every way of reading. */
static const cyf_loader_io ways[] = {CYF_LOADER_POSIX, CYF_LOADER_DIRECT, CYF_LOADER_MPIO};
enum { N_WAYS = 3 };

static void check_same_batch(const cyf_atlas *atlas, const cyf_batch *expected, const cyf_batch *batch) {
  const int64_t n = expected->cells.n_cells, nnz = n ? expected->cells.indptr[n] : 0;
  assert_int_equal(batch->cells.n_cells, n);
  assert_memory_equal(batch->cells.indptr, expected->cells.indptr, (size_t)(n + 1) * sizeof(int64_t));
  assert_memory_equal(batch->cells.indices, expected->cells.indices, (size_t)nnz * sizeof(int32_t));
  assert_memory_equal(batch->cells.values, expected->cells.values, (size_t)nnz * sizeof(float));
  assert_memory_equal(batch->total, expected->total, (size_t)n * sizeof(float));
  assert_memory_equal(batch->cell, expected->cell, (size_t)n * sizeof(int64_t));
  assert_memory_equal(batch->codes, expected->codes, (size_t)(n * atlas->n_attributes) * sizeof(int32_t));
}

static void ways_of_reading_agree_bitwise(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_atlas(shared);
  cyf_loader_options options = loader_options();
  cyf_loader *loader[N_WAYS] = {NULL};
  for (int w = 0; w < N_WAYS; w++) {
    options.io = ways[w];
    check_stream(shared, atlas, &options, (cyf_cursor){0, 0}, 60);
    assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){3, 7}, &loader[w]));
    /* Where the file system of the tests cannot read past the page cache, this is not tested, and the test says so. */
    if (ways[w] == CYF_LOADER_DIRECT && cyf_loader_io_chosen(loader[w]) != CYF_LOADER_DIRECT)
      print_message("skipped: reads past the page cache, which this file system does not have\n");
    else
      assert_int_equal(cyf_loader_io_chosen(loader[w]), ways[w]);
  }
  for (int b = 0; b < 60; b++) {
    cyf_batch batch[N_WAYS];
    for (int w = 0; w < N_WAYS; w++) assert_ok(cyf_loader_next(loader[w], &batch[w]));
    for (int w = 1; w < N_WAYS; w++) check_same_batch(atlas, &batch[0], &batch[w]);
  }
  for (int w = 0; w < N_WAYS; w++) cyf_loader_destroy(&loader[w]);
  cyf_atlas_close(&atlas);
}

/* Counts of one, two and four bytes, floats, and gene indices of four bytes; tiny shards, so that blocks cross several.
 */
static void every_stored_form_is_read(void **state) {
  const fixture *shared = *state;
  const uint32_t largest[4] = {50, 300, 40000, 50};
  for (int f = 0; f < 5; f++) {
    char input[128], output[128], name[16];
    snprintf(name, sizeof(name), "form%d", f);
    fixture_path(shared, name, output);
    snprintf(name, sizeof(name), "form%d.h5ad", f);
    static const char *const labels[2] = {"cell_type", "donor"};
    cyf_prepare_options prepare;
    const char *inputs[1] = {input};
    if (f < 4) {
      const fixture_file file = {.n_cells = 203,
                                 .n_genes = 60,
                                 .gene_stride = 5,
                                 .seed = f,
                                 .largest = largest[f],
                                 .log_normalized = f == 3,
                                 .types = {"a", "b", "c"}};
      fixture_write_shared(shared, &file, name, input);
      prepare = fixture_options(inputs, 1, output);
      prepare.cells_per_shard = 5;
      prepare.min_genes = prepare.min_cells = 0;
    } else {
      fixture_path(shared, name, input);
      const cyf_synth_options wide = {.output = input,
                                      .n_cells = 90,
                                      .n_genes = 33000,
                                      .n_types = 2,
                                      .n_donors = 2,
                                      .mean_counts = 3000,
                                      .expressed_fraction = 0.02,
                                      .seed = 1,
                                      .force = true};
      if (shared->rank == 0) assert_ok(cyf_synth(&wide));
      assert_ok(cyf_comm_barrier(shared->comm));
      prepare = fixture_options(inputs, 1, output);
      prepare.labels = labels;
      prepare.min_cells = 0;
    }
    assert_ok(cyf_prepare(shared->comm, &prepare, NULL));
    cyf_atlas *atlas = NULL;
    assert_ok(cyf_atlas_open(output, &atlas));
    cyf_loader_options options = loader_options();
    for (int w = 0; w < N_WAYS; w++) {
      options.io = ways[w];
      check_stream(shared, atlas, &options, (cyf_cursor){0, 0}, 10);
    }
    cyf_atlas_close(&atlas);
  }
}

/* An atlas of two cells a shard. */
static cyf_atlas *open_small_shards(const fixture *shared, int64_t n_cells, const char *name) {
  const fixture_file file = {.n_cells = n_cells, .n_genes = 60, .gene_stride = 5, .seed = 3, .types = {"a", "b", "c"}};
  char input[128], output[128];
  fixture_write_shared(shared, &file, "small.h5ad", input);
  fixture_path(shared, name, output);
  const char *inputs[1] = {input};
  cyf_prepare_options prepare = fixture_options(inputs, 1, output);
  prepare.min_genes = prepare.min_cells = 0;
  prepare.cells_per_shard = 2;
  assert_ok(cyf_prepare(shared->comm, &prepare, NULL));
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  return atlas;
}

/* Fewer cells than lanes: some lanes and ranks have none at all. */
static void tiny_atlases_work(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_small_shards(shared, 5, "tiny");
  for (int w = 0; w < N_WAYS; w++) {
    cyf_loader_options options = loader_options();
    options.io = ways[w];
    check_stream(shared, atlas, &options, (cyf_cursor){0, 0}, 4);
  }
  cyf_loader_options options = loader_options();
  cyf_loader *loader = NULL;
  for (int w = 0; w < N_WAYS; w++) {
    options.split = CYF_SPLIT_VALIDATION; /* of a fraction of 0: empty, which is legal */
    options.io = ways[w];
    assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader));
    assert_int_equal(cyf_loader_n_cells(loader), 0);
    assert_int_equal(cyf_loader_batches_per_epoch(loader), 0);
    cyf_batch batch;
    assert_fails(cyf_loader_next(loader, &batch), CYF_ERR_INTERNAL, "without cells");
    assert_int_equal(batch.n_global, 0);
    cyf_loader_destroy(&loader);
  }
  options.split = CYF_SPLIT_TRAIN; /* a run needs cells to train on */
  options.validation = 0.9999999;
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_CONFIG,
               "lower data.validation");
  assert_null(loader);
  cyf_atlas_close(&atlas);
}

/* More shards than a rank keeps open at a time: threads that read keep theirs, whatever else is opened. */
static void many_shards_are_opened_and_closed(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_small_shards(shared, 290, "many");
  assert_int_equal(atlas->n_shards, 145);
  for (int w = 0; w < 2; w++) {
    cyf_loader_options options = loader_options();
    options.io = ways[w];
    check_stream(shared, atlas, &options, (cyf_cursor){0, 0}, 25);
  }
  cyf_atlas_close(&atlas);
}

static void unfit_options_name_fitting_ones(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_atlas(shared);
  cyf_loader *loader = NULL;
  cyf_lane_plan plan;
  cyf_loader_options options = loader_options();
  options.batch_cells = 36;
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_CONFIG,
               "batch_cells: 32 or 40");
  options.batch_cells = 4;
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_CONFIG,
               "batch_cells: 8 or lanes: 4");
  options = loader_options();
  assert_fails(cyf_lane_plan_make(&options, 1501, 9, &plan), CYF_ERR_CONFIG,
               "lanes: 16 is valid"); /* the least divisor of 32 from 9 on */
  assert_fails(cyf_lane_plan_make(&options, 1501, 33, &plan), CYF_ERR_CONFIG, "at least 33");
  options.validation = 1;
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_CONFIG, "[0, 1)");
  options = loader_options();
  options.prefetch_batches = 0;
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_CONFIG,
               "prefetch_batches");
  assert_null(loader);
  cyf_atlas_close(&atlas);
}

static void check_truncation(const fixture *shared, cyf_loader_io io, const char *name) {
  const fixture_file file = {.n_cells = 600, .n_genes = 60, .gene_stride = 5, .seed = 3, .types = {"a", "b", "c"}};
  char input[128], output[128];
  fixture_write_shared(shared, &file, "gone.h5ad", input);
  fixture_path(shared, name, output);
  const char *inputs[1] = {input};
  cyf_prepare_options prepare = fixture_options(inputs, 1, output);
  prepare.cells_per_shard = 600;
  assert_ok(cyf_prepare(shared->comm, &prepare, NULL));
  cyf_atlas *atlas = NULL;
  cyf_loader *loader = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  cyf_loader_options options = loader_options();
  options.prefetch_batches = 1;
  options.io = io;
  assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader));
  assert_ok(cyf_comm_barrier(shared->comm));
  if (shared->rank == 0) assert_int_equal(truncate(atlas->shards[0].path, 100), 0);
  assert_ok(cyf_comm_barrier(shared->comm));
  cyf_status status = CYF_OK;
  for (int64_t b = 0; b < 2 * cyf_loader_batches_per_epoch(loader) && status == CYF_OK; b++) {
    cyf_batch batch;
    status = cyf_loader_next(loader, &batch);
  }
  assert_int_equal(status, CYF_ERR_INPUT);
  /* A read that had ended before finds the file changed; one after it meets the end. */
  const bool met_the_end = strstr(cyf_status_message(), "shard-00000.h5ad: the shard is truncated") != NULL;
  assert_true(met_the_end || strstr(cyf_status_message(), "shard-00000.h5ad: has changed while it was read") != NULL);
  cyf_batch batch;
  cyf_status_clear();
  assert_fails(cyf_loader_next(loader, &batch), CYF_ERR_INPUT, "shard-00000.h5ad"); /* and stays so */
  cyf_loader_destroy(&loader);
  assert_fails(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader), CYF_ERR_INPUT,
               "shard-00000.h5ad");
  cyf_atlas_close(&atlas);
}

/* A shard that goes away under the threads that read: the next call says so, the loader can still be destroyed. */
static void failures_of_reading_are_handed_over(void **state) {
  const fixture *shared = *state;
  check_truncation(shared, CYF_LOADER_POSIX, "gone");
  check_truncation(shared, CYF_LOADER_DIRECT, "gone_directly");
}

static void a_loader_may_be_destroyed_at_any_time(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = open_atlas(shared);
  cyf_loader_options options = loader_options();
  for (int n = 0; n < 6; n++) {
    cyf_loader *loader = NULL;
    options.io = n % 2 ? CYF_LOADER_DIRECT : CYF_LOADER_POSIX;
    assert_ok(cyf_loader_create(shared->comm, atlas, &options, (cyf_cursor){0, 0}, &loader));
    for (int b = 0; b < n; b++) {
      cyf_batch batch;
      assert_ok(cyf_loader_next(loader, &batch));
    }
    cyf_loader_destroy(&loader);
  }
  cyf_loader_destroy(NULL);
  cyf_atlas_close(&atlas);
}

static void real_cells_are_streamed(void **state) {
  const fixture *shared = *state;
  const char *folder = test_real_data_or_skip();
  char path[512], output[128];
  snprintf(path, sizeof(path), "%s/pbmc_facs.h5ad", folder);
  fixture_path(shared, "pbmc", output);
  static const char *const labels[1] = {"cell_type"};
  const char *inputs[1] = {path};
  cyf_prepare_options prepare = fixture_options(inputs, 1, output);
  prepare.labels = labels;
  prepare.n_labels = 1;
  prepare.cells_per_shard = 1500;
  assert_ok(cyf_prepare(shared->comm, &prepare, NULL));
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  cyf_loader_options options = loader_options();
  options.batch_cells = 128;
  options.block_cells = 64;
  for (int w = 1; w < N_WAYS; w++) {
    options.io = ways[w];
    check_stream(shared, atlas, &options, (cyf_cursor){0, 3}, 40);
  }
  cyf_atlas_close(&atlas);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(lanes_cut_the_atlas_without_gap_or_overlap),
      TEST(epochs_are_shuffles),
      TEST(batches_do_not_depend_on_the_ranks),
      TEST(a_cursor_resumes_anywhere),
      TEST(without_shuffling_lanes_ascend),
      TEST(splits_are_disjoint_and_complete),
      TEST(ways_of_reading_agree_bitwise),
      TEST(every_stored_form_is_read),
      TEST(tiny_atlases_work),
      TEST(many_shards_are_opened_and_closed),
      TEST(unfit_options_name_fitting_ones),
      TEST(failures_of_reading_are_handed_over),
      TEST(a_loader_may_be_destroyed_at_any_time),
      TEST(real_cells_are_streamed),
  };
  return FIXTURE_RUN(tests);
}
