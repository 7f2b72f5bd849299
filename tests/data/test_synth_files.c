/* SPDX-License-Identifier: MIT */
/* A folder of simulated files: the cells are the same for any number of files, ranks and threads, plain or compact, and
 * names are unique over all files. Also what is refused, and what a failure of one rank leaves. */
#include <stdbool.h>
#include <unistd.h>

#include "atlas_fixture.h"
#include "data/synth/synth.h"
#include "data/synth/synth_model.h"
#include "reference_file.h"

enum { N_CELLS = 4321, N_GENES = 700 };

static cyf_synth_options options_for(const char *folder) {
  return (cyf_synth_options){.output = folder,
                             .n_cells = N_CELLS,
                             .n_genes = N_GENES,
                             .n_types = 4,
                             .n_donors = 3,
                             .mean_counts = 900,
                             .expressed_fraction = 0.15,
                             .n_threads = 1,
                             .seed = 5};
}

static void file_at(const char *folder, int64_t file, char *ret_path) {
  snprintf(ret_path, 200, "%s/cells-%05lld.h5ad", folder, (long long)file);
}

/* A file's cells against those drawn one by one. */
static void check_file(const cyf_synth_options *options, const cyf_synth_model *model, cyf_synth_scratch *scratch,
                       const char *path, int64_t first, int64_t n_cells) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  cyf_label_column type = {0}, donor = {0};
  char **names = NULL;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), n_cells);
  bool is_integer = false;
  assert_ok(cyf_hdf5_is_integer(path, "X/data", &is_integer));
  assert_int_equal(is_integer, options->compact);
  cyf_csr_buffer_clear(&rows, N_GENES);
  assert_ok(cyf_h5ad_read_rows(file, 0, n_cells, &rows));
  assert_ok(cyf_h5ad_read_labels(file, "cell_type", &type));
  assert_ok(cyf_h5ad_read_labels(file, "donor", &donor));
  assert_ok(cyf_h5ad_read_cell_names(file, &names));
  for (int64_t i = 0; i < n_cells; i++) {
    cyf_synth_cell cell;
    int64_t nnz = 0;
    char name[32];
    cyf_synth_draw_cell(model, first + i, scratch, &cell, &nnz);
    const int64_t at = rows.indptr[i];
    assert_int_equal(rows.indptr[i + 1] - at, nnz);
    assert_memory_equal(rows.indices + at, scratch->indices, (size_t)nnz * sizeof(int32_t));
    assert_memory_equal(rows.values + at, scratch->values, (size_t)nnz * sizeof(float));
    assert_int_equal(type.code[i], cell.type);
    assert_int_equal(donor.code[i], cell.donor);
    snprintf(name, sizeof name, "%lld", (long long)(first + i));
    assert_string_equal(names[i], name);
  }
  for (int64_t i = 0; i < n_cells; i++) cyf_free(names[i]);
  cyf_free(names);
  cyf_label_column_destroy(&type);
  cyf_label_column_destroy(&donor);
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
}

static void check_folder(const cyf_synth_options *options, int64_t n_files) {
  cyf_synth_model *model = NULL;
  cyf_synth_scratch scratch = {0};
  int64_t first = 0;
  char path[200];
  assert_ok(cyf_synth_model_create(options, &model));
  assert_ok(cyf_synth_scratch_make(model, &scratch));
  for (int64_t file = 0; file < n_files; file++) {
    const int64_t n = N_CELLS / n_files + (file < N_CELLS % n_files);
    file_at(options->output, file, path);
    check_file(options, model, &scratch, path, first, n);
    first += n;
  }
  assert_int_equal(first, N_CELLS);
  file_at(options->output, n_files, path);
  assert_false(check_exists(path));
  cyf_synth_scratch_destroy(&scratch);
  cyf_synth_model_destroy(&model);
}

static void cells_do_not_depend_on_files_or_ranks(void **state) {
  const fixture *shared = *state;
  char folder[128];
  fixture_path(shared, "files", folder);
  cyf_synth_options options = options_for(folder);
  assert_ok(cyf_synth_files(shared->comm, &options, 5));
  check_folder(&options, 5);
  assert_fails(cyf_synth_files(shared->comm, &options, 2), CYF_ERR_IO, "--force");
  assert_ok(cyf_comm_barrier(shared->comm));
  options.force = options.compact = true; /* three files of the five are left over, and removed */
  options.n_threads = 2;
  assert_ok(cyf_synth_files(shared->comm, &options, 2));
  check_folder(&options, 2);
}

static void nonsense_is_refused_on_all_ranks(void **state) {
  const fixture *shared = *state;
  char folder[128];
  fixture_path(shared, "nonsense", folder);
  cyf_synth_options options = options_for(folder);
  assert_fails(cyf_synth_files(shared->comm, &options, N_CELLS + 1), CYF_ERR_USAGE, "1 to 4321");
  options.n_types = 0;
  assert_fails(cyf_synth_files(shared->comm, &options, 2), CYF_ERR_USAGE, "types");
  assert_false(check_exists(folder));
}

/* The third file cannot be made, since another run is writing it: whichever rank meets that, all stop and nothing that
 * was written stays. */
static void a_failing_rank_stops_all(void **state) {
  const fixture *shared = *state;
  char folder[128], path[200];
  cyf_partial other = CYF_PARTIAL_NONE;
  int file_of_other = -1;
  fixture_path(shared, "blocked", folder);
  file_at(folder, 2, path);
  if (shared->rank == 0) assert_ok(cyf_make_directory(folder));
  if (shared->rank == 0) assert_ok(cyf_partial_create(path, &other, &file_of_other));
  assert_ok(cyf_comm_barrier(shared->comm));
  const cyf_synth_options options = options_for(folder);
  assert_fails(cyf_synth_files(shared->comm, &options, 3), CYF_ERR_IO, "cells-00002.h5ad");
  cyf_partial_discard(&other);
  if (file_of_other >= 0) close(file_of_other);
  assert_ok(cyf_comm_barrier(shared->comm));
  for (int64_t file = 0; file < 3; file++) {
    file_at(folder, file, path);
    assert_false(check_exists(path));
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(cells_do_not_depend_on_files_or_ranks),
      TEST(nonsense_is_refused_on_all_ranks),
      TEST(a_failing_rank_stops_all),
  };
  return FIXTURE_RUN(tests);
}
