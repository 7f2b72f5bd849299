/* SPDX-License-Identifier: MIT */
/* Atlases of every form in which numbers are stored, with and without compression. */
#ifndef CYF_TESTS_ATLAS_FORMS_H
#define CYF_TESTS_ATLAS_FORMS_H

#include "atlas_fixture.h"
#include "data/synth/synth.h"

enum { N_FORMS = 5 };

/* Makes input f, once. The inputs have counts of one, two and four bytes, log-normalised values, and more genes than 16
 * bits can number. */
static inline void make_input(const fixture *shared, int f, const char *name, char path[128]) {
  static const uint32_t largest[N_FORMS] = {50, 300, 40000, 50, 0};
  if (f < 4) {
    const fixture_file file = {.n_cells = 203,
                               .n_genes = 60,
                               .gene_stride = 5,
                               .seed = f,
                               .largest = largest[f],
                               .log_normalized = f == 3,
                               .types = {"a", "b", "c"}};
    fixture_write_shared(shared, &file, name, path);
    return;
  }
  fixture_path(shared, name, path);
  const cyf_synth_options wide = {.output = path,
                                  .n_cells = 150,
                                  .n_genes = 33000,
                                  .n_types = 2,
                                  .n_donors = 2,
                                  .mean_counts = 3000,
                                  .expressed_fraction = 0.02,
                                  .seed = 1,
                                  .force = true};
  if (shared->rank == 0) assert_ok(cyf_synth(&wide));
  assert_ok(cyf_comm_barrier(shared->comm));
}

/* Prepares form f with and without compression. */
static inline void make_pair(const fixture *shared, int f, int64_t cells_per_shard, cyf_atlas *ret_atlas[2]) {
  static const char *const labels[2] = {"cell_type", "donor"};
  char input[128], output[128], name[48];
  snprintf(name, sizeof(name), "form%d-%lld.h5ad", f, (long long)cells_per_shard);
  make_input(shared, f, name, input);
  const char *inputs[1] = {input};
  for (int compress = 0; compress < 2; compress++) {
    snprintf(name, sizeof(name), "%s%d-%lld", compress ? "gzip" : "plain", f, (long long)cells_per_shard);
    fixture_path(shared, name, output);
    cyf_prepare_options prepare = fixture_options(inputs, 1, output);
    if (f == 4) prepare.labels = labels;
    prepare.cells_per_shard = cells_per_shard;
    prepare.min_genes = prepare.min_cells = 0;
    prepare.compress = compress;
    prepare.force = true;
    assert_ok(cyf_prepare(shared->comm, &prepare, NULL));
    assert_ok(cyf_atlas_open(output, &ret_atlas[compress]));
  }
  assert_string_equal(ret_atlas[0]->fingerprint, ret_atlas[1]->fingerprint);
  assert_ok(cyf_comm_barrier(shared->comm));
}

#endif
