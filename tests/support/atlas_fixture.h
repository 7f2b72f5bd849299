/* SPDX-License-Identifier: MIT */
/* Small h5ad files and atlases for the tests of prepare, loader and latents, and running cmocka under mpirun. */
#ifndef CYF_TESTS_ATLAS_FIXTURE_H
#define CYF_TESTS_ATLAS_FIXTURE_H

#include <math.h>
#include <mpi.h>
#include <stdbool.h>

#include "base/log.h"
#include "base/rng.h"
#include "check.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "data/atlas/shard.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "data/prepare/prepare.h"

enum { FIXTURE_LABELS = 2 };

/* One input file: cells with counts of genes drawn from a common pool, so that files share some genes and differ in
 * their order. */
typedef struct fixture_file {
  int64_t n_cells, n_genes;
  int64_t gene_stride, gene_offset; /* the file's gene g is gene (offset + g * stride) % pool of the common pool */
  int64_t seed;
  uint32_t largest; /* what its few large counts reach; 0: 300 */
  bool log_normalized, dense;
  const char *types[3]; /* its own categories, in its own order */
} fixture_file;

enum { FIXTURE_POOL = 97 }; /* prime, so that any stride gives distinct genes */

static inline int64_t fixture_gene(const fixture_file *file, int64_t g) {
  return (file->gene_offset + g * file->gene_stride) % FIXTURE_POOL;
}

/* The count of a gene of the file in a cell. Some three in ten are not zero; every 13th cell is nearly empty, and every
 * 7th gene is rare. */
static inline float fixture_value(const fixture_file *file, int64_t cell, int64_t g) {
  uint32_t words[4];
  cyf_rng_block(cyf_rng_key_make((uint64_t)file->seed, CYF_RNG_SYNTH), 7, (uint64_t)cell, (uint32_t)g, words);
  const double present = cell % 13 == 5 ? 0.05 : fixture_gene(file, g) % 7 == 3 ? 0.006 : 0.35;
  if (cyf_rng_unit(words[0]) >= present) return 0;
  const uint32_t bound = words[2] % 50 == 0 ? (file->largest ? file->largest : 300) : 9;
  const float count = 1 + (float)(uint32_t)(((uint64_t)words[1] * bound) >> 32);
  return file->log_normalized ? log1pf(count * 0.37F) : count;
}

/* Type of a cell as a code of its own file's categories, -1 for every 11th cell. */
static inline int32_t fixture_type(int64_t cell) {
  return cell % 11 == 10 ? -1 : (int32_t)(cell * 7 % 3);
}
static inline int32_t fixture_donor(int64_t cell) {
  return (int32_t)(cell / 5 % 2);
}

static inline void fixture_set_label(cyf_h5ad_writer *writer, const char *attribute, const char *const *names,
                                     int64_t n_names, int64_t n_cells, int32_t (*code)(int64_t)) {
  cyf_label_column column = {.n_cells = n_cells};
  assert_ok(cyf_strdup(attribute, &column.attribute));
  for (int64_t c = 0; c < n_names; c++) assert_ok(cyf_names_add(&column.categories, names[c], NULL));
  assert_ok(CYF_NEW(&column.code, n_cells));
  for (int64_t i = 0; i < n_cells; i++) column.code[i] = code(i);
  assert_ok(cyf_h5ad_writer_add_labels(writer, &column));
  cyf_label_column_destroy(&column);
}

static inline void fixture_write(const fixture_file *file, const char *path) {
  static const char *const donors[2] = {"d1", "d/2 \xc3\xa9"};
  const cyf_h5ad_options options = {.format = file->dense ? CYF_MATRIX_DENSE : CYF_MATRIX_CSR_FLOAT32, .gzip_level = 4};
  cyf_h5ad_writer *writer = NULL;
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0};
  char **names = NULL;
  assert_ok(cyf_h5ad_writer_create(path, file->n_genes, &options, &writer));
  cyf_csr_buffer_clear(&rows, file->n_genes);
  for (int64_t i = 0; i < file->n_cells; i++) {
    int32_t index[FIXTURE_POOL];
    float value[FIXTURE_POOL];
    int64_t nnz = 0;
    for (int64_t g = 0; g < file->n_genes; g++) {
      const float x = fixture_value(file, i, g);
      if (x == 0) continue;
      index[nnz] = (int32_t)g;
      value[nnz++] = x;
    }
    assert_ok(cyf_csr_buffer_append(&rows, nnz, index, value));
  }
  const cyf_csr view = cyf_csr_view(&rows);
  assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
  for (int64_t g = 0; g < file->n_genes; g++) {
    char name[24];
    snprintf(name, sizeof(name), "G%lld", (long long)fixture_gene(file, g));
    assert_ok(cyf_names_add(&genes, name, NULL));
  }
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  assert_ok(CYF_NEW(&names, file->n_cells));
  for (int64_t i = 0; i < file->n_cells; i++)
    assert_ok(cyf_format(&names[i], "cell%lld", (long long)i)); /* the same in every file */
  assert_ok(cyf_h5ad_writer_set_cell_names(writer, (const char *const *)names, file->n_cells));
  fixture_set_label(writer, "cell type", file->types, 3, file->n_cells, fixture_type);
  fixture_set_label(writer, "donor", donors, 2, file->n_cells, fixture_donor);
  assert_ok(cyf_h5ad_writer_commit(&writer));
  for (int64_t i = 0; i < file->n_cells; i++) cyf_free(names[i]);
  cyf_free(names);
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
}

/* ---- ranks ---- */

typedef struct fixture {
  cyf_comm *comm;
  int rank, size;
  char folder[64]; /* the same on all ranks */
} fixture;

/* cmocka group set-up and tear-down: a communicator and a folder for all ranks. */
static inline int fixture_create(void **state) {
  static fixture shared;
  assert_ok(cyf_comm_create(60.0, &shared.comm));
  shared.rank = cyf_comm_rank(shared.comm);
  shared.size = cyf_comm_size(shared.comm);
  cyf_log_setup(shared.rank, shared.size, false, CYF_LOG_WARN);
  if (shared.rank == 0) make_folder(shared.folder);
  assert_ok(cyf_comm_broadcast(shared.comm, shared.folder, sizeof(shared.folder), 0));
  *state = &shared;
  return 0;
}

static inline int fixture_destroy(void **state) {
  fixture *shared = *state;
  assert_ok(cyf_comm_barrier(shared->comm));
  if (shared->rank == 0) remove_folder(shared->folder);
  cyf_comm_destroy(&shared->comm);
  return 0;
}

static inline void fixture_path(const fixture *shared, const char *name, char path[128]) {
  snprintf(path, 128, "%s/%s", shared->folder, name);
}

/* Has rank 0 write a file, for which the other ranks wait. */
static inline void fixture_write_shared(const fixture *shared, const fixture_file *file, const char *name,
                                        char path[128]) {
  fixture_path(shared, name, path);
  if (shared->rank == 0) fixture_write(file, path);
  assert_ok(cyf_comm_barrier(shared->comm));
}

/* Labels of the atlas' cells [first, first + n), as the loader reads them: ret_codes[attribute * n + i], -1 for none.
 */
static inline void fixture_codes(const cyf_atlas *atlas, int64_t first, int64_t n, int32_t *ret_codes) {
  cyf_shard_set shards;
  assert_ok(cyf_shard_set_open(atlas, first, first + n, &shards));
  for (int64_t a = 0; a < atlas->n_attributes; a++)
    assert_ok(cyf_shard_read_codes(&shards, a, first, first + n, ret_codes + a * n));
  cyf_shard_set_close(&shards);
}

static inline cyf_prepare_options fixture_options(const char *const *inputs, int64_t n_inputs, const char *output) {
  static const char *const labels[FIXTURE_LABELS] = {"cell type", "donor"};
  return (cyf_prepare_options){.inputs = inputs,
                               .n_inputs = n_inputs,
                               .output = output,
                               .labels = labels,
                               .n_labels = FIXTURE_LABELS,
                               .min_genes = 10,
                               .min_cells = 3,
                               .seed = 5,
                               .genes_join = n_inputs > 1 ? CYF_GENES_JOIN_UNION : CYF_GENES_JOIN_AUTO,
                               .cells_per_shard = 64,
                               .command_line = "cytoforge prepare \"quoted\" input"};
}

/* Preparing fails with this message on every rank and leaves nothing behind. */
static inline void fixture_refused(const fixture *shared, const cyf_prepare_options *options, cyf_status code,
                                   const char *text) {
  char partial[160];
  const bool there = check_exists(options->output);
  assert_ok(cyf_comm_barrier(shared->comm));
  assert_fails(cyf_prepare(shared->comm, options, NULL), code, text);
  assert_true(cyf_comm_failure_agreed(shared->comm));
  assert_ok(cyf_comm_barrier(shared->comm));
  snprintf(partial, sizeof(partial), "%s.partial", options->output);
  assert_false(check_exists(partial));
  assert_true(check_exists(options->output) == there);
  assert_ok(cyf_comm_barrier(shared->comm));
}

/* Runs the tests on every rank; non-zero on all when one fails on any. */
static inline int fixture_main(int argc, char **argv, const char *group, const struct CMUnitTest *tests,
                               size_t n_tests) {
  test_choose_checks();
  int level = 0, failed = 0, any_failed = 1;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
  failed = _cmocka_run_group_tests(group, tests, n_tests, fixture_create, fixture_destroy) != 0;
  MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return any_failed;
}

#define TEST(function) cmocka_unit_test_setup(function, check_clear)
#define FIXTURE_RUN(tests) fixture_main(argc, argv, "tests", tests, sizeof(tests) / sizeof((tests)[0]))

#endif
