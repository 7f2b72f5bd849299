/* SPDX-License-Identifier: MIT */
/* What `cytoforge prepare` takes from its inputs: which cells stay, which are held out, and what their genes and labels
 * are. What it should be is computed here by plain loops over all cells. */
#include <unistd.h>

#include "atlas_fixture.h"
#include "base/files.h"

enum { N_FILES = 3, N_GENES = 40, N_CELLS = 1057, MIN_GENES = 10 };
static const int64_t file_start[N_FILES + 1] = {0, 300, 800, N_CELLS};

static int file_of(int64_t cell) {
  return cell >= file_start[2] ? 2 : cell >= file_start[1] ? 1 : 0;
}

/* Genes lie in another order in each file; gene 0 holds the cell's number and so tells which cell a row is. */
static float count_of(int64_t cell, int64_t gene) {
  if (gene == 0) return (float)(cell + 1);
  if (cell % 13 == 5) return 0;
  return (cell * 7 + gene * 5) % 3 == 0 ? (float)(1 + (cell + gene) % 9) : 0;
}

static int64_t gene_at(int f, int64_t column) {
  return f == 0 ? column : f == 1 ? N_GENES - 1 - column : (column * 7 + 3) % N_GENES;
}

/* Versions differ by file; the last gene is a copy on Y, whose name is the same everywhere. */
static void name_gene(int f, int64_t gene, char name[40]) {
  if (gene == N_GENES - 1)
    snprintf(name, 40, "ENSG%011d.5_PAR_Y", (int)gene);
  else if (f == 1)
    snprintf(name, 40, "ENSG%011d", (int)gene);
  else
    snprintf(name, 40, "ENSG%011d.%d", (int)gene, (int)(gene % 7) + 10 * f + 1);
}

/* Some cells of the second file are cells of the first again; the last five of the third are its first five. */
static int64_t cell_by_id(int64_t cell) {
  if (cell >= file_start[1] && cell < file_start[1] + 40) return cell - file_start[1] + 10;
  return cell >= N_CELLS - 5 ? file_start[2] + cell - (N_CELLS - 5) : cell;
}

static const char *const types[N_FILES][3] = {
    {"B cell", "T cell, alpha-beta", "Mono"}, {"b", "T cell, alpha-beta", "junk"}, {NULL}};
static const char *const type_columns[N_FILES] = {"cell_type", "author_type", NULL};
static const char *const donors[4] = {"d1", "d2", "d3", "d4"};

static int32_t type_code(int64_t cell) {
  return cell % 4 == 3 ? -1 : (int32_t)(cell % 4);
}
static int32_t donor_code(int64_t cell) {
  return (int32_t)(cell / 7 % 4);
}
static int age_of(int64_t cell) {
  return 10 + (int)(cell % 3);
}

/* The type after merging and the label map, NULL: none. */
static const char *merged_type(int64_t cell) {
  const int f = file_of(cell);
  if (f == 2 || type_code(cell) < 0) return NULL;
  const char *type = types[f][type_code(cell)];
  return strcmp(type, "junk") == 0 ? NULL : strcmp(type, "b") == 0 ? "B cell" : type;
}

static void write_file(int f, const char *path) {
  const cyf_h5ad_options format = {.format = CYF_MATRIX_CSR_FLOAT32};
  const int64_t start = file_start[f], n = file_start[f + 1] - start;
  cyf_h5ad_writer *writer = NULL;
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0};
  static const char *ids[N_CELLS];
  static char id_text[N_CELLS][24];
  static double ages[N_CELLS];
  assert_ok(cyf_h5ad_writer_create(path, N_GENES, &format, &writer));
  cyf_csr_buffer_clear(&rows, N_GENES);
  for (int64_t i = 0; i < n; i++) {
    int32_t index[N_GENES];
    float value[N_GENES];
    int64_t nnz = 0;
    for (int64_t c = 0; c < N_GENES; c++) {
      value[nnz] = count_of(start + i, gene_at(f, c));
      index[nnz] = (int32_t)c;
      nnz += value[nnz] > 0;
    }
    assert_ok(cyf_csr_buffer_append(&rows, nnz, index, value));
    snprintf(id_text[i], sizeof id_text[i], "c%lld", (long long)cell_by_id(start + i));
    ids[i] = id_text[i];
    ages[i] = age_of(start + i);
  }
  const cyf_csr view = cyf_csr_view(&rows);
  assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
  for (int64_t c = 0; c < N_GENES; c++) {
    char name[40];
    name_gene(f, gene_at(f, c), name);
    assert_ok(cyf_names_add(&genes, name, NULL));
  }
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  assert_ok(cyf_h5ad_writer_set_cell_names(writer, ids, n));
  for (int l = 0; l < 2; l++) { /* type and donor */
    cyf_label_column column = {.n_cells = n};
    if (l == 0 && !type_columns[f]) continue;
    assert_ok(cyf_strdup(l == 0 ? type_columns[f] : "donor", &column.attribute));
    assert_ok(CYF_NEW(&column.code, n));
    for (int c = 0; c < (l == 0 ? 3 : 4); c++)
      assert_ok(cyf_names_add(&column.categories, l == 0 ? types[f][c] : donors[c], NULL));
    for (int64_t i = 0; i < n; i++) column.code[i] = l == 0 ? type_code(start + i) : donor_code(start + i);
    assert_ok(cyf_h5ad_writer_add_labels(writer, &column));
    cyf_label_column_destroy(&column);
  }
  assert_ok(cyf_h5ad_writer_add_numbers(writer, "age", ages, n));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
}

static const char label_map[] =
    "to,attribute,from,note\r\n"
    "B cell,type,b,\"short, of course\"\r\n"
    ",type,junk\n"
    "\n"
    "x,donor,nobody\n";

/* Writes the inputs and the label map by rank 0. */
static void write_all(const fixture *shared, char path[N_FILES][128], char map_path[128]) {
  for (int f = 0; f < N_FILES; f++) {
    char name[16];
    snprintf(name, sizeof name, "s%d.h5ad", f);
    fixture_path(shared, name, path[f]);
    if (shared->rank == 0) write_file(f, path[f]);
  }
  fixture_path(shared, "map.csv", map_path);
  if (shared->rank == 0) assert_ok(cyf_write_text_file(map_path, label_map));
  assert_ok(cyf_comm_barrier(shared->comm));
}

static const char *const labels[2] = {"type=cell_type,author_type", "donor"};

static cyf_prepare_options select_options(const char *const *inputs, const char *output, const char *map_path) {
  return (cyf_prepare_options){.inputs = inputs,
                               .n_inputs = N_FILES,
                               .output = output,
                               .labels = labels,
                               .n_labels = 2,
                               .label_map_path = map_path,
                               .min_genes = MIN_GENES,
                               .seed = 3,
                               .cells_per_shard = 100};
}

/* The file's rows are these cells over the genes by their names, with their merged labels. */
static void check_cells(const char *path, const int64_t *cells, int64_t n) {
  cyf_h5ad *file = NULL;
  cyf_names genes = {0};
  cyf_csr_buffer rows = {0};
  cyf_label_column type = {0}, donor = {0};
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_int_equal(cyf_h5ad_n_cells(file), n);
  assert_ok(cyf_h5ad_read_genes(file, NULL, &genes));
  assert_int_equal(genes.n, N_GENES);
  for (int64_t g = 0; g < N_GENES; g++) { /* the first file's order, without versions */
    char name[40];
    name_gene(g == N_GENES - 1 ? 0 : 1, g, name);
    assert_string_equal(genes.name[g], name);
  }
  cyf_csr_buffer_clear(&rows, N_GENES);
  assert_ok(cyf_h5ad_read_rows(file, 0, n, &rows));
  assert_ok(cyf_h5ad_read_labels(file, "type", &type));
  assert_ok(cyf_h5ad_read_labels(file, "donor", &donor));
  for (int64_t i = 0; i < n; i++) {
    int64_t e = rows.indptr[i];
    for (int64_t g = 0; g < N_GENES; g++) {
      const bool there = e < rows.indptr[i + 1] && rows.indices[e] == g;
      assert_true((there ? rows.values[e] : 0) == count_of(cells[i], g));
      e += there;
    }
    const char *expected = merged_type(cells[i]);
    assert_int_equal(type.code[i] < 0, expected == NULL);
    if (expected) assert_string_equal(type.categories.name[type.code[i]], expected);
    assert_string_equal(donor.categories.name[donor.code[i]], donors[donor_code(cells[i])]);
  }
  cyf_label_column_destroy(&type);
  cyf_label_column_destroy(&donor);
  cyf_csr_buffer_destroy(&rows);
  cyf_names_destroy(&genes);
  cyf_h5ad_close(&file);
}

/* Training cells shard by shard in the order of the seed's permutation, held-out cells in input order. */
static void check_atlas(const char *output, const cyf_prepare_options *options, const int64_t *train, int64_t n_train,
                        const int64_t *heldout, int64_t n_heldout) {
  static int64_t order[N_CELLS];
  char file[160];
  cyf_atlas *atlas = NULL;
  const cyf_rng_key shuffle = cyf_rng_key_make(options->seed, CYF_RNG_SHUFFLE);
  for (int64_t i = 0; i < n_train; i++) order[cyf_rng_permute(shuffle, (uint64_t)n_train, (uint64_t)i)] = train[i];
  assert_ok(cyf_atlas_open(output, &atlas));
  assert_int_equal(atlas->n_cells, n_train);
  for (int64_t s = 0; s < atlas->n_shards; s++)
    check_cells(atlas->shards[s].path, order + atlas->shards[s].first_cell, atlas->shards[s].n_cells);
  snprintf(file, sizeof file, "%s/heldout.h5ad", output);
  check_cells(file, heldout, n_heldout);
  cyf_atlas_close(&atlas);
}

static void all_ways_of_selecting_work_together(void **state) {
  const fixture *shared = *state;
  static const char *const keep[] = {"donor!=d4", "age=10", "age=11"};
  static const char *const where[] = {"type=T cell, alpha-beta,donor=d2", "donor=d1, age=11,type!=B cell"};
  char path[N_FILES][128], map_path[128], output[128];
  write_all(shared, path, map_path);
  fixture_path(shared, "all", output);
  const char *inputs[N_FILES] = {path[0], path[1], path[2]};
  cyf_prepare_options options = select_options(inputs, output, map_path);
  options.keep = keep;
  options.n_keep = 3;
  options.holdout_where = where;
  options.n_holdout_where = 2;
  options.holdout = 0.2;
  options.duplicates = CYF_DUPLICATES_DROP;
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));

  static int64_t kept[N_CELLS], train[N_CELLS], heldout[N_CELLS];
  static bool chosen[N_CELLS], seen[N_CELLS];
  int64_t n_filtered = 0, n_repeated = 0, n_few = 0, n_kept = 0, n_chosen = 0, n_train = 0, n_heldout = 0, place = 0;
  memset(seen, 0, sizeof seen);
  for (int64_t cell = 0; cell < N_CELLS; cell++) {
    const char *type = merged_type(cell);
    if (donor_code(cell) == 3 || age_of(cell) == 12) {
      n_filtered++;
    } else if (seen[cell_by_id(cell)]) {
      n_repeated++;
    } else if (cell % 13 == 5) {
      seen[cell_by_id(cell)] = true;
      n_few++;
    } else {
      seen[cell_by_id(cell)] = true;
      const bool first = type && strcmp(type, "T cell, alpha-beta") == 0 && donor_code(cell) == 1;
      const bool second = donor_code(cell) == 0 && age_of(cell) == 11 && !(type && strcmp(type, "B cell") == 0);
      chosen[n_kept] = first || second;
      n_chosen += chosen[n_kept];
      kept[n_kept++] = cell;
    }
  }
  const cyf_rng_key split = cyf_rng_key_make(options.seed, CYF_RNG_SPLIT);
  const int64_t n_rest = n_kept - n_chosen, n_drawn = (int64_t)llround(0.2 * (double)n_rest);
  for (int64_t i = 0; i < n_kept; i++) {
    if (chosen[i] || (int64_t)cyf_rng_permute(split, (uint64_t)n_rest, (uint64_t)place++) < n_drawn)
      heldout[n_heldout++] = kept[i];
    else
      train[n_train++] = kept[i];
  }
  assert_true(n_filtered > 300 && n_repeated >= 10 && n_few > 20 && n_chosen > 20 && n_drawn > 20);
  assert_int_equal(summary.n_cells_in, N_CELLS);
  assert_int_equal(summary.n_cells_filtered, n_filtered);
  assert_int_equal(summary.n_cells_repeated, n_repeated);
  assert_int_equal(summary.n_cells_few_genes, n_few);
  assert_int_equal(summary.n_cells_heldout, n_heldout);
  assert_int_equal(summary.n_cells_train, n_train);
  if (shared->rank == 0) {
    check_atlas(output, &options, train, n_train, heldout, n_heldout);
    cyf_atlas *atlas = NULL;
    assert_ok(cyf_atlas_open(output, &atlas));
    const cyf_attribute *donor = &atlas->attributes[cyf_atlas_find_attribute(atlas, "donor")];
    assert_int_equal(donor->categories.n, 3); /* d4 left with its cells */
    assert_int_equal(cyf_names_find(&donor->categories, "d4"), -1);
    const cyf_attribute *type = &atlas->attributes[cyf_atlas_find_attribute(atlas, "type")];
    assert_int_equal(type->categories.n, 3);
    cyf_atlas_close(&atlas);
  }
  assert_ok(cyf_comm_barrier(shared->comm));
}

/* Without --holdout, what --holdout-where chooses alone is held out; the gene filter looks at the others only. */
static void held_out_groups_teach_nothing(void **state) {
  const fixture *shared = *state;
  static const char *const where[] = {"donor=d3"};
  char path[N_FILES][128], map_path[128], output[128], file[160];
  write_all(shared, path, map_path);
  fixture_path(shared, "groups", output);
  const char *inputs[N_FILES] = {path[0], path[1], path[2]};
  cyf_prepare_options options = select_options(inputs, output, NULL);
  options.holdout_where = where;
  options.n_holdout_where = 1;
  options.min_genes = 0;
  options.min_cells = 250; /* training cells with a gene: some 260 of 770 or, in other genes, fewer */
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  int64_t n_heldout = 0, n_genes = 0, n_genes_all = 0;
  for (int64_t cell = 0; cell < N_CELLS; cell++) n_heldout += donor_code(cell) == 2;
  for (int64_t g = 0; g < N_GENES; g++) {
    int64_t n_train = 0, n_all = 0;
    for (int64_t cell = 0; cell < N_CELLS; cell++) {
      n_all += count_of(cell, g) > 0;
      n_train += count_of(cell, g) > 0 && donor_code(cell) != 2;
    }
    n_genes += n_train >= 250;
    n_genes_all += n_all >= 250;
  }
  assert_true(n_genes > 0 && n_genes < n_genes_all); /* or this test would show nothing */
  assert_int_equal(summary.n_cells_heldout, n_heldout);
  assert_int_equal(summary.n_genes, n_genes);
  if (shared->rank == 0) {
    cyf_h5ad *held = NULL;
    cyf_label_column donor = {0};
    snprintf(file, sizeof file, "%s/heldout.h5ad", output);
    assert_ok(cyf_h5ad_open(file, NULL, &held));
    assert_int_equal(cyf_h5ad_n_genes(held), n_genes);
    assert_ok(cyf_h5ad_read_labels(held, "donor", &donor));
    for (int64_t i = 0; i < donor.n_cells; i++) assert_string_equal(donor.categories.name[donor.code[i]], "d3");
    cyf_label_column_destroy(&donor);
    cyf_h5ad_close(&held);
  }
  assert_ok(cyf_comm_barrier(shared->comm));
}

static void duplicates_are_kept_or_refused(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], map_path[128], output[128];
  write_all(shared, path, map_path);
  fixture_path(shared, "doubles", output);
  const char *inputs[N_FILES] = {path[0], path[1], path[2]};
  cyf_prepare_options options = select_options(inputs, output, NULL);
  cyf_prepare_summary summary;
  options.min_genes = 0;
  options.duplicates = CYF_DUPLICATES_REFUSE;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "45 cells have an id that an earlier cell has: cell 0 of ");
  fixture_refused(shared, &options, CYF_ERR_INPUT, "s1.h5ad has the id \"c10\" of cell 10 of ");
  options.id_column = "donor";
  fixture_refused(shared, &options, CYF_ERR_INPUT, "1053 cells have an id"); /* all but the first of each donor */
  options.id_column = "barcode";
  fixture_refused(shared, &options, CYF_ERR_INPUT, "no column 'barcode'; it has: 'cell_type', 'donor', 'age'");
  options.id_column = NULL;
  options.n_inputs = 1;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_cells_repeated, 0);
  options.n_inputs = N_FILES;
  options.force = true;
  options.duplicates = CYF_DUPLICATES_KEEP;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_cells_repeated, 45);
  assert_int_equal(summary.n_cells_train, N_CELLS);
}

static void mistakes_are_told(void **state) {
  const fixture *shared = *state;
  static const struct {
    const char *keep, *where;
    cyf_status code;
    const char *text;
  } cases[] = {
      {"donr=d1", NULL, CYF_ERR_INPUT,
       "--keep donr: no input has an obs column or label of that name (did you mean donor"},
      {"donr=d1", NULL, CYF_ERR_INPUT, "there are: 'type', 'donor', 'cell_type', 'age'"},
      {"donor=d9", NULL, CYF_ERR_INPUT,
       "--keep donor=d9: no cell has this value (did you mean d1?); the values are: 'd1', 'd2'"},
      {"donor!=d9", NULL, CYF_ERR_INPUT, "--keep donor!=d9: no cell has this value"},
      {"type=junk", NULL, CYF_ERR_INPUT, "the values are: 'B cell', 'Mono', 'T cell, alpha-beta'"}, /* mapped away */
      {"age=9", NULL, CYF_ERR_INPUT, "the values are: '10', '11', '12'"},
      {"type", NULL, CYF_ERR_USAGE, "--keep wants COLUMN=VALUE"},
      {"=x", NULL, CYF_ERR_USAGE, "--keep wants COLUMN=VALUE"},
      {NULL, "type=T", CYF_ERR_INPUT, "--holdout-where type=T: no cell has this value"},
      {NULL, "donor=d1,d2", CYF_ERR_INPUT, "for alternatives repeat the option"},
      {NULL, "cell_type=Mono,author_type=b", CYF_ERR_INPUT,
       "where the rest is met, the values of author_type are: none"},
      {"donor=d1", "donor=d2", CYF_ERR_INPUT, "no cell that --keep leaves meets all of it"},
      {"donor=d1", "donor!=d2", CYF_ERR_INPUT, "leaves none to train on"},
      {NULL, "donor", CYF_ERR_USAGE, "--holdout-where wants COLUMN=VALUE"},
  };
  char path[N_FILES][128], map_path[128], output[128], other[128];
  write_all(shared, path, map_path);
  fixture_path(shared, "mistaken", output);
  const char *inputs[N_FILES] = {path[0], path[1], path[2]};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cyf_prepare_options options = select_options(inputs, output, map_path);
    options.keep = &cases[i].keep;
    options.n_keep = cases[i].keep != NULL;
    options.holdout_where = &cases[i].where;
    options.n_holdout_where = cases[i].where != NULL;
    fixture_refused(shared, &options, cases[i].code, cases[i].text);
  }
  cyf_prepare_options options = select_options(inputs, output, map_path);
  static const char *const unlabelled[1] = {"type=celltype,author"}, *const twice[2] = {"donor", "donor=cell_type"};
  options.labels = unlabelled;
  options.n_labels = 1;
  options.label_map_path = NULL;
  fixture_refused(shared, &options, CYF_ERR_INPUT,
                  "no input has an obs column 'celltype', 'author' (did you mean cell_type?)");
  options.labels = twice;
  options.n_labels = 2;
  fixture_refused(shared, &options, CYF_ERR_USAGE, "label \"donor\" is given twice");
  /* A gene list by other names. */
  options = select_options(inputs, output, NULL);
  fixture_path(shared, "symbols.tsv", other);
  if (shared->rank == 0) assert_ok(cyf_write_text_file(other, "CD3E\nMS4A1\n"));
  options.genes_path = other;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "none of its 40 genes");
  /* A map of a label that is not asked for. */
  options = select_options(inputs, output, map_path);
  options.n_labels = 1;
  fixture_refused(shared, &options, CYF_ERR_INPUT, "map.csv:5: there is no label \"donor\"");
}

/* A gene list with versions of its own fixes the order. */
static void gene_lists_match_whatever_the_version(void **state) {
  const fixture *shared = *state;
  char path[N_FILES][128], map_path[128], output[128], list[128];
  write_all(shared, path, map_path);
  fixture_path(shared, "versions", output);
  fixture_path(shared, "ensembl.tsv", list);
  if (shared->rank == 0)
    assert_ok(
        cyf_write_text_file(list, "ENSG00000000007.99\nENSG00000000000\nENSG00000000039.5_PAR_Y\nENSG00000099999.1\n"));
  assert_ok(cyf_comm_barrier(shared->comm));
  const char *inputs[N_FILES] = {path[0], path[1], path[2]};
  cyf_prepare_options options = select_options(inputs, output, NULL);
  options.genes_path = list;
  options.min_genes = 1;
  cyf_prepare_summary summary;
  assert_ok(cyf_prepare(shared->comm, &options, &summary));
  assert_int_equal(summary.n_genes, 4);
  assert_int_equal(summary.n_genes_missing, 1);
  int64_t nnz = 0;
  for (int64_t cell = 0; cell < N_CELLS; cell++)
    nnz += (count_of(cell, 7) > 0) + (count_of(cell, 0) > 0) + (count_of(cell, 39) > 0);
  assert_int_equal(summary.nnz, nnz);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(all_ways_of_selecting_work_together),   TEST(held_out_groups_teach_nothing),
      TEST(duplicates_are_kept_or_refused),        TEST(mistakes_are_told),
      TEST(gene_lists_match_whatever_the_version),
  };
  return FIXTURE_RUN(tests);
}
