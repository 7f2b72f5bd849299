/* SPDX-License-Identifier: MIT */
/* The latent store and the in-memory loader over it. */
#include "atlas_fixture.h"
#include "data/latents/latent_loader.h"
#include "data/latents/latents.h"
#include "data/loader/plan.h"

enum { WIDTH = 6, N_LANES = 6, N_CELLS = 350 };
static const uint64_t model = 0xfedcba9876543210u;

/* A latent that tells which cell it is of; exact in float16. */
static float latent_of(int64_t cell, int64_t i) {
  return i == 0 ? (float)(cell % 64) / 64 : i == 1 ? (float)(cell / 64) / 64 : (float)i / -8;
}

static bool part_done(const char *directory, const cyf_atlas *atlas, int64_t part, uint64_t checksum,
                      cyf_latent_type type) {
  bool done = false;
  assert_ok(cyf_latents_part_done(directory, atlas, part, checksum, type, &done));
  return done;
}

static cyf_atlas *make_atlas(const fixture *shared) {
  const fixture_file file = {.n_cells = N_CELLS, .n_genes = 60, .gene_stride = 5, .seed = 8, .types = {"a", "b", "c"}};
  char input[128], output[128];
  fixture_path(shared, "atlas", output);
  if (!check_exists(output)) {
    assert_ok(cyf_comm_barrier(shared->comm));
    fixture_write_shared(shared, &file, "cells.h5ad", input);
    const char *inputs[1] = {input};
    cyf_prepare_options prepare = fixture_options(inputs, 1, output);
    prepare.min_genes = prepare.min_cells = 0;
    prepare.cells_per_shard = 90;
    assert_ok(cyf_prepare(shared->comm, &prepare, NULL));
  }
  cyf_atlas *atlas = NULL;
  assert_ok(cyf_atlas_open(output, &atlas));
  assert_ok(cyf_comm_barrier(shared->comm));
  return atlas;
}

static void write_part(const cyf_atlas *atlas, const char *directory, int64_t part, cyf_latent_type type, int64_t width,
                       const float *values) {
  int32_t codes[FIXTURE_LABELS * N_CELLS];
  int64_t first = 0, end = 0;
  cyf_latents_part(atlas, part, &first, &end);
  fixture_codes(atlas, first, end - first, codes);
  assert_ok(cyf_latents_write_part(directory, atlas, part, model, type, width, values, codes));
}

/* Parts are written by different ranks. */
static void write_latents(const fixture *shared, const cyf_atlas *atlas, const char *directory, cyf_latent_type type) {
  for (int64_t p = shared->rank; p < cyf_latents_n_parts(atlas); p += shared->size) {
    static float values[N_CELLS * WIDTH];
    int64_t first = 0, end = 0;
    cyf_latents_part(atlas, p, &first, &end);
    for (int64_t i = 0; i < end - first; i++)
      for (int64_t j = 0; j < WIDTH; j++) values[i * WIDTH + j] = latent_of(first + i, j);
    write_part(atlas, directory, p, type, WIDTH, values);
  }
  assert_ok(cyf_comm_barrier(shared->comm));
}

static cyf_loader_options loader_options(void) {
  return (cyf_loader_options){.batch_cells = 18,
                              .n_lanes = N_LANES,
                              .block_cells = 16,
                              .window_blocks = 4,
                              .split = CYF_SPLIT_ALL,
                              .shuffle = true,
                              .seed = 3};
}

/* The cell at each place of an epoch, lane after lane, by the definition: the wanted cells of each lane in ascending
 * order, and then shuffled. */
typedef struct reference {
  cyf_lane_plan plan;
  int64_t order[N_CELLS], start[N_LANES + 1];
  int64_t n_batches;
} reference;

static void reference_make(const cyf_loader_options *options, const int32_t *wanted_code, int64_t epoch,
                           reference *ref) {
  int64_t n = 0;
  bool in_split[N_CELLS];
  assert_ok(cyf_lane_plan_make(options, N_CELLS, 1, &ref->plan));
  cyf_plan_split(&ref->plan, 0, N_CELLS, in_split);
  ref->n_batches = 0;
  for (int64_t l = 0; l < N_LANES; l++) {
    ref->start[l] = n;
    for (int64_t cell = cyf_lane_first_cell(N_CELLS, N_LANES, l); cell < cyf_lane_first_cell(N_CELLS, N_LANES, l + 1);
         cell++)
      if (in_split[cell] && (!wanted_code || wanted_code[cell] >= 0)) ref->order[n++] = cell;
    cyf_plan_shuffle_lane(&ref->plan, epoch, l, n - ref->start[l], ref->order + ref->start[l]);
    const int64_t batches = (n - ref->start[l] + 2) / 3;
    ref->n_batches = batches > ref->n_batches ? batches : ref->n_batches;
  }
  ref->start[N_LANES] = n;
}

static int64_t reference_cell(const reference *ref, int64_t step, int64_t position) {
  const int64_t lane = position / 3, at = ref->start[lane] + step * 3 + position % 3;
  return at < ref->start[lane + 1] ? ref->order[at] : -1;
}

static void check_stream(const fixture *shared, const cyf_atlas *atlas, const char *directory,
                         const cyf_loader_options *options, int64_t label, cyf_cursor at, int64_t n_steps) {
  cyf_latent_loader *loader = NULL;
  int32_t codes[FIXTURE_LABELS * N_CELLS];
  static reference ref;
  fixture_codes(atlas, 0, N_CELLS, codes);
  const int32_t *wanted = label >= 0 ? codes + label * N_CELLS : NULL;
  assert_ok(cyf_latent_loader_create(shared->comm, atlas, directory, model, options, label, at, &loader));
  reference_make(options, wanted, at.epoch, &ref);
  assert_int_equal(cyf_latent_loader_batches_per_epoch(loader), ref.n_batches);
  assert_int_equal(cyf_latent_loader_n_cells(loader), ref.start[N_LANES]);
  for (int64_t b = 0; b < n_steps; b++) {
    if (at.step == ref.n_batches) {
      at = (cyf_cursor){at.epoch + 1, 0};
      reference_make(options, wanted, at.epoch, &ref);
    }
    cyf_latent_batch batch;
    assert_ok(cyf_latent_loader_next(loader, &batch));
    assert_true(batch.cursor.epoch == at.epoch && batch.cursor.step == at.step);
    assert_int_equal(batch.width, WIDTH);
    int64_t seen[18] = {0}, n_global = 0;
    for (int64_t i = 0; i < batch.n_local; i++) {
      seen[batch.position[i]] = batch.cell[i] + 1;
      for (int64_t j = 0; j < WIDTH; j++) assert_true(batch.latent[i * WIDTH + j] == latent_of(batch.cell[i], j));
      for (int64_t a = 0; a < FIXTURE_LABELS; a++)
        assert_int_equal(batch.codes[a * batch.n_local + i], codes[a * N_CELLS + batch.cell[i]]);
    }
    assert_ok(cyf_comm_sum_int64(shared->comm, seen, 18));
    for (int64_t p = 0; p < 18; p++) {
      assert_int_equal(seen[p], reference_cell(&ref, at.step, p) + 1);
      n_global += seen[p] > 0;
    }
    assert_int_equal(batch.n_global, n_global);
    at.step++;
  }
  cyf_latent_loader_destroy(&loader);
  assert_null(loader);
}

static void batches_do_not_depend_on_the_ranks(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = make_atlas(shared);
  char directory[128];
  for (int type = 0; type < 2; type++) {
    fixture_path(shared, type ? "latents32/deep" : "latents16", directory);
    write_latents(shared, atlas, directory, type ? CYF_LATENT_FLOAT32 : CYF_LATENT_FLOAT16);
    cyf_loader_options options = loader_options();
    check_stream(shared, atlas, directory, &options, -1, (cyf_cursor){0, 0}, 45);
    check_stream(shared, atlas, directory, &options, -1, (cyf_cursor){2, 17}, 8); /* resumed */
    check_stream(shared, atlas, directory, &options, 0, (cyf_cursor){0, 0}, 40);  /* only cells with a type */
    options.validation = 0.25;
    options.split = CYF_SPLIT_TRAIN;
    check_stream(shared, atlas, directory, &options, -1, (cyf_cursor){0, 0}, 40);
    options.split = CYF_SPLIT_VALIDATION;
    options.shuffle = false;
    check_stream(shared, atlas, directory, &options, 0, (cyf_cursor){0, 0}, 20);
  }
  cyf_atlas_close(&atlas);
}

/* What the other tests compare with: every cell once an epoch, in another order each time. */
static void an_epoch_is_a_shuffle_of_every_cell(void **state) {
  (void)state;
  const cyf_loader_options options = loader_options();
  static reference ref[2];
  int64_t same = 0;
  for (int e = 0; e < 2; e++) {
    int count[N_CELLS] = {0};
    reference_make(&options, NULL, e, &ref[e]);
    for (int64_t i = 0; i < N_CELLS; i++) count[ref[e].order[i]]++;
    for (int64_t i = 0; i < N_CELLS; i++) assert_int_equal(count[i], 1);
  }
  for (int64_t i = 0; i < N_CELLS; i++) same += ref[0].order[i] == ref[1].order[i];
  assert_true(same < 25); /* by chance some 6 */
}

static void float16_rounds_to_nearest(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = make_atlas(shared);
  char directory[128];
  fixture_path(shared, "rounded", directory);
  static float values[N_CELLS * WIDTH];
  for (int64_t p = 0; shared->rank == 0 && p < cyf_latents_n_parts(atlas); p++) {
    int64_t first = 0, end = 0;
    cyf_latents_part(atlas, p, &first, &end);
    for (int64_t i = 0; i < (end - first) * WIDTH; i++) values[i] = sinf((float)(first * WIDTH + i));
    write_part(atlas, directory, p, CYF_LATENT_FLOAT16, WIDTH, values);
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  const cyf_loader_options options = loader_options();
  cyf_latent_loader *loader = NULL;
  cyf_latent_batch batch;
  assert_ok(cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, -1, (cyf_cursor){0, 0}, &loader));
  for (int64_t b = 0; b < cyf_latent_loader_batches_per_epoch(loader); b++) {
    assert_ok(cyf_latent_loader_next(loader, &batch));
    for (int64_t i = 0; i < batch.n_local * WIDTH; i++) {
      const float exact = sinf((float)(batch.cell[i / WIDTH] * WIDTH + i % WIDTH));
      assert_true(fabsf(batch.latent[i] - exact) <=
                  fabsf(exact) * 0x1p-11F + 0x1p-25F); /* half a unit in the last place of 11 bits, subnormals */
    }
  }
  cyf_latent_loader_destroy(&loader);
  cyf_atlas_close(&atlas);
}

/* With few cells all may fall to training: then there is nothing to validate with, and that is no failure. */
static void an_empty_validation_split_is_legal(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = make_atlas(shared);
  char directory[128];
  fixture_path(shared, "empty", directory);
  write_latents(shared, atlas, directory, CYF_LATENT_FLOAT16);
  cyf_loader_options options = loader_options();
  cyf_latent_loader *loader = NULL;
  cyf_latent_batch batch;
  options.split = CYF_SPLIT_VALIDATION;
  for (int64_t attribute = -1; attribute < 1; attribute++) {
    assert_ok(cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, attribute, (cyf_cursor){0, 0},
                                       &loader));
    assert_int_equal(cyf_latent_loader_n_cells(loader), 0);
    assert_int_equal(cyf_latent_loader_batches_per_epoch(loader), 0);
    assert_fails(cyf_latent_loader_next(loader, &batch), CYF_ERR_INTERNAL, "without cells");
    assert_int_equal(batch.n_global, 0);
    cyf_latent_loader_destroy(&loader);
  }
  options.split = CYF_SPLIT_TRAIN;
  options.validation = 0.9999999;
  assert_fails(
      cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, -1, (cyf_cursor){0, 0}, &loader),
      CYF_ERR_CONFIG, "lower data.validation");
  assert_fails(
      cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, 0, (cyf_cursor){0, 0}, &loader),
      CYF_ERR_CONFIG, "'cell type'");
  assert_null(loader);
  cyf_atlas_close(&atlas);
}

static void stale_and_missing_files_are_told(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = make_atlas(shared);
  char directory[128], path[160];
  fixture_path(shared, "stale", directory);
  const int64_t n_parts = cyf_latents_n_parts(atlas);
  assert_true(n_parts > 4);
  for (int64_t p = 0; p < n_parts; p++) assert_false(part_done(directory, atlas, p, model, CYF_LATENT_FLOAT16));
  assert_ok(cyf_comm_barrier(shared->comm));
  write_latents(shared, atlas, directory, CYF_LATENT_FLOAT16);
  for (int64_t s = 0; s < n_parts; s++) {
    assert_true(part_done(directory, atlas, s, model, CYF_LATENT_FLOAT16));
    assert_false(part_done(directory, atlas, s, model + 1, CYF_LATENT_FLOAT16));
    assert_false(part_done(directory, atlas, s, model, CYF_LATENT_FLOAT32)); /* stored otherwise */
  }
  assert_string_equal(cyf_status_message(), ""); /* asking is no failure */
  cyf_atlas other = *atlas;
  other.fingerprint = (char *)"0123456789abcdef";
  assert_false(part_done(directory, &other, 0, model, CYF_LATENT_FLOAT16));
  const cyf_loader_options options = loader_options();
  cyf_latent_loader *loader = NULL;
  assert_fails(
      cyf_latent_loader_create(shared->comm, atlas, directory, model + 1, &options, -1, (cyf_cursor){0, 0}, &loader),
      CYF_ERR_INPUT, "another autoencoder");
  assert_fails(
      cyf_latent_loader_create(shared->comm, &other, directory, model, &options, -1, (cyf_cursor){0, 0}, &loader),
      CYF_ERR_INPUT, "another atlas");
  /* A file cut short or with a changed byte is found as it is read. */
  snprintf(path, sizeof(path), "%s/latents-00001.h5ad", directory);
  assert_ok(cyf_comm_barrier(shared->comm));
  if (shared->rank == 0) {
    static const uint8_t halves[] = {0x00, 0xb4, 0x00, 0xb6, 0x00, 0xb8, 0x00, 0xb9}; /* coordinates 2 to 5 of a cell */
    static uint8_t bytes[1 << 16];
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    const size_t n = fread(bytes, 1, sizeof(bytes), stream);
    const uint8_t *found = memmem(bytes, n, halves, sizeof(halves));
    assert_non_null(found);
    assert_int_equal(fseek(stream, (long)(found - bytes), SEEK_SET), 0);
    fputc(0x55, stream);
    fclose(stream);
  }
  assert_ok(cyf_comm_barrier(shared->comm));
  assert_fails(
      cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, -1, (cyf_cursor){0, 0}, &loader),
      CYF_ERR_INPUT, "latents-00001.h5ad");
  if (shared->rank == 0) assert_ok(cyf_remove_file(path));
  assert_ok(cyf_comm_barrier(shared->comm));
  assert_fails(
      cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, -1, (cyf_cursor){0, 0}, &loader),
      CYF_ERR_INPUT, "latents-00001.h5ad");
  assert_null(loader);
  cyf_atlas_close(&atlas);
}

/* With balanced sampling each cell comes floor or ceil of its weight times an epoch, and every epoch has as many cells.
 * Both are the same for any number of ranks, and a resumed stream goes on with what is left. */
static void balanced_cells_are_emitted_by_their_weight(void **state) {
  const fixture *shared = *state;
  enum { N_EPOCHS = 30 };
  cyf_atlas *atlas = make_atlas(shared);
  char directory[128];
  fixture_path(shared, "balanced", directory);
  write_latents(shared, atlas, directory, CYF_LATENT_FLOAT16);
  int32_t codes[FIXTURE_LABELS * N_CELLS];
  fixture_codes(atlas, 0, N_CELLS, codes);
  cyf_loader_options options = loader_options();
  options.sampling = CYF_SAMPLING_UNIFORM;
  options.balance_label = "cell type";
  const cyf_attribute *type = &atlas->attributes[0];
  double labelled = 0;
  for (int64_t k = 0; k < 3; k++) labelled += (double)type->n_cells[k];
  cyf_latent_loader *loader = NULL;
  assert_ok(cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, -1, (cyf_cursor){0, 0}, &loader));
  int64_t times[N_EPOCHS][N_CELLS] = {{0}};
  double sum[N_CELLS] = {0};
  for (int e = 0; e < N_EPOCHS; e++) {
    for (int64_t step = 0; step < cyf_latent_loader_batches_per_epoch(loader); step++) {
      cyf_latent_batch batch;
      assert_ok(cyf_latent_loader_next(loader, &batch));
      for (int64_t i = 0; i < batch.n_local; i++) times[e][batch.cell[i]]++;
    }
    assert_ok(cyf_comm_sum_int64(shared->comm, times[e], N_CELLS));
    int64_t n = 0;
    for (int64_t i = 0; i < N_CELLS; i++) {
      const double weight = codes[i] < 0 ? 1 : labelled / 3 / (double)type->n_cells[codes[i]];
      assert_true(times[e][i] == (int64_t)floor(weight) || times[e][i] == (int64_t)ceil(weight));
      n += times[e][i];
      sum[i] += ((double)times[e][i] - weight) / N_EPOCHS;
    }
    assert_int_equal(n, cyf_latent_loader_n_cells(loader));
  }
  for (int64_t i = 0; i < N_CELLS; i++) assert_true(fabs(sum[i]) < 0.45); /* standard error at most 0.09 */
  cyf_latent_loader_destroy(&loader);
  /* Epoch 3 from step 7 on, after its first 7 steps, by two loaders. */
  int64_t again[N_CELLS] = {0};
  for (int part = 0; part < 2; part++) {
    assert_ok(cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, -1,
                                       (cyf_cursor){3, part ? 7 : 0}, &loader));
    for (int64_t step = part ? 7 : 0; step < (part ? cyf_latent_loader_batches_per_epoch(loader) : 7); step++) {
      cyf_latent_batch batch;
      assert_ok(cyf_latent_loader_next(loader, &batch));
      for (int64_t i = 0; i < batch.n_local; i++) again[batch.cell[i]]++;
    }
    cyf_latent_loader_destroy(&loader);
  }
  assert_ok(cyf_comm_sum_int64(shared->comm, again, N_CELLS));
  assert_memory_equal(again, times[3], sizeof(again));
  cyf_atlas_close(&atlas);
}

static void differing_widths_are_refused(void **state) {
  const fixture *shared = *state;
  cyf_atlas *atlas = make_atlas(shared);
  char directory[128];
  fixture_path(shared, "widths", directory);
  write_latents(shared, atlas, directory, CYF_LATENT_FLOAT32);
  static float values[N_CELLS * WIDTH];
  if (shared->rank == 0) write_part(atlas, directory, 2, CYF_LATENT_FLOAT32, WIDTH - 1, values);
  assert_ok(cyf_comm_barrier(shared->comm));
  const cyf_loader_options options = loader_options();
  cyf_latent_loader *loader = NULL;
  assert_fails(
      cyf_latent_loader_create(shared->comm, atlas, directory, model, &options, -1, (cyf_cursor){0, 0}, &loader),
      CYF_ERR_INPUT, "differ in type or width");
  cyf_atlas_close(&atlas);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(batches_do_not_depend_on_the_ranks),
      TEST(an_epoch_is_a_shuffle_of_every_cell),
      TEST(float16_rounds_to_nearest),
      TEST(an_empty_validation_split_is_legal),
      TEST(stale_and_missing_files_are_told),
      TEST(differing_widths_are_refused),
      TEST(balanced_cells_are_emitted_by_their_weight),
  };
  return FIXTURE_RUN(tests);
}
