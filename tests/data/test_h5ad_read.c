/* SPDX-License-Identifier: MIT */
/* Reading .h5ad files that others wrote: every variant of make_h5ad.py against what anndata reads, and real data. What
 * cytoforge writes, checked by anndata and scanpy. */
#include <unistd.h>

#include "check.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "h5ad_check.h"

/* ---- variants ---- */

/* The text of "FOLDER/NAME.SUFFIX"; cyf_free. */
static char *read_beside(const char *path, const char *name, const char *suffix) {
  char *file = NULL, *text = NULL;
  assert_ok(cyf_format(&file, "%s/%s.%s", path, name, suffix));
  assert_ok(cyf_read_text_file(file, &text));
  cyf_free(file);
  return text;
}

/* Cuts the next line off *text; NULL at the end. */
static char *next_line(char **text) {
  char *line = *text, *end = strchr(line, '\n');
  if (!end) return NULL;
  *end = '\0';
  *text = end + 1;
  return line;
}

/* The names, sums and counts of non-zero values of n cells or genes. */
static void check_side(const char *path, const char *name, const char *suffix, int64_t n, char *const *names,
                       const double *sums, const int64_t *counts) {
  char *text = read_beside(path, name, suffix), *rest = text;
  for (int64_t i = 0; i < n; i++) {
    char *line = next_line(&rest), *count = line ? strrchr(line, '\t') : NULL;
    assert_non_null(count);
    *count = '\0';
    char *sum = strrchr(line, '\t');
    assert_non_null(sum);
    *sum = '\0';
    assert_string_equal(names[i], line);
    assert_int_equal(counts[i], atoll(count + 1));
    assert_true(fabs(strtod(sum + 1, NULL) - sums[i]) <=
                1e-5 * (1 + sums[i])); /* values are float32 here, float64 there */
  }
  assert_null(next_line(&rest));
  cyf_free(text);
}

/* All values, by cell and by gene. */
static void check_values(cyf_h5ad *file, const char *path, const char *name) {
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0};
  char **cells = NULL;
  const int64_t n_cells = cyf_h5ad_n_cells(file), n_genes = cyf_h5ad_n_genes(file);
  double *cell_sums = calloc((size_t)n_cells + 1, sizeof(double)),
         *gene_sums = calloc((size_t)n_genes + 1, sizeof(double));
  int64_t *cell_counts = calloc((size_t)n_cells + 1, sizeof(int64_t)),
          *gene_counts = calloc((size_t)n_genes + 1, sizeof(int64_t));
  cyf_csr_buffer_clear(&rows, n_genes);
  assert_ok(cyf_h5ad_read_rows(file, 0, n_cells, &rows));
  assert_ok(cyf_h5ad_read_genes(file, NULL, &genes));
  assert_ok(cyf_h5ad_read_cell_names(file, &cells));
  for (int64_t cell = 0; cell < n_cells; cell++) {
    for (int64_t i = rows.indptr[cell]; i < rows.indptr[cell + 1]; i++) {
      if (i > rows.indptr[cell]) assert_true(rows.indices[i] > rows.indices[i - 1]);
      assert_true(rows.values[i] > 0);
      cell_sums[cell] += (double)rows.values[i];
      gene_sums[rows.indices[i]] += (double)rows.values[i];
      cell_counts[cell]++;
      gene_counts[rows.indices[i]]++;
    }
  }
  check_side(path, name, "cells.tsv", n_cells, cells, cell_sums, cell_counts);
  check_side(path, name, "genes.tsv", n_genes, genes.name, gene_sums, gene_counts);
  for (int64_t i = 0; i < n_cells; i++) cyf_free(cells[i]);
  cyf_free(cells);
  free(cell_sums);
  free(gene_sums);
  free(cell_counts);
  free(gene_counts);
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
}

/* Every column: categories in order, and codes. */
static void check_labels(cyf_h5ad *file, const char *path, const char *name) {
  char *text = read_beside(path, name, "labels.tsv"), *rest = text;
  cyf_names columns = {0};
  assert_ok(cyf_h5ad_list_columns(file, &columns));
  int64_t n_columns = 0;
  for (char *line = next_line(&rest); line; line = next_line(&rest)) {
    cyf_label_column labels = {0};
    char *column = strchr(line, '\t') + 1, *count = strrchr(line, '\t');
    *count = '\0';
    assert_string_equal(columns.name[n_columns++], column);
    assert_ok(cyf_h5ad_read_labels(file, column, &labels));
    assert_string_equal(labels.attribute, column);
    if (labels.categories.n != atoll(count + 1))
      fail_msg("%s/%s: %lld categories", name, column, (long long)labels.categories.n);
    for (int64_t i = 0; i < labels.categories.n; i++) assert_string_equal(labels.categories.name[i], next_line(&rest));
    char *codes = next_line(&rest);
    for (int64_t i = 0; i < labels.n_cells; i++) {
      if (labels.code[i] != strtol(codes, &codes, 10))
        fail_msg("%s/%s: code %d of cell %lld", name, column, labels.code[i], (long long)i);
    }
    cyf_label_column_destroy(&labels);
  }
  assert_int_equal(n_columns, columns.n);
  cyf_names_destroy(&columns);
  cyf_free(text);
}

static void every_variant_of_anndata_is_read(void **state) {
  (void)state;
  const char *path = test_folder_or_skip("CYTOFORGE_H5AD_VARIANTS", "folder of tests/interchange/make_h5ad.py's files");
  char *list = NULL, *file_path = NULL;
  assert_ok(cyf_path_join(path, "variants.tsv", &file_path));
  assert_ok(cyf_read_text_file(file_path, &list));
  cyf_free(file_path);
  char *rest = list;
  int n = 0;
  for (char *line = next_line(&rest); line; line = next_line(&rest), n++) {
    char name[64], matrix[64], layout[16], kind[32];
    long long n_cells = 0, n_genes = 0, nnz = 0;
    cyf_h5ad *file = NULL;
    cyf_expression_kind found = CYF_EXPRESSION_OTHER;
    assert_int_equal(
        sscanf(line, "%63s %63s %15s %31s %lld %lld %lld", name, matrix, layout, kind, &n_cells, &n_genes, &nnz), 7);
    assert_ok(cyf_format(&file_path, "%s/%s.h5ad", path, name));
    assert_ok(cyf_h5ad_open(file_path, matrix, &file));
    assert_string_equal(cyf_h5ad_path(file), file_path);
    assert_string_equal(cyf_h5ad_layout(file), layout);
    assert_int_equal(cyf_h5ad_n_cells(file), n_cells);
    assert_int_equal(cyf_h5ad_n_genes(file), n_genes);
    assert_true(strcmp(layout, "dense") == 0 ? cyf_h5ad_nnz(file) == -1 : cyf_h5ad_nnz(file) >= nnz);
    assert_ok(cyf_h5ad_detect_kind(file, 10, &found));
    assert_string_equal(cyf_expression_kind_name(found), kind);
    check_values(file, path, name);
    check_labels(file, path, name);
    cyf_h5ad_close(&file);
    cyf_free(file_path);
  }
  assert_true(n >= 50);
  cyf_free(list);
}

/* ---- real data ---- */

/* What anndata 0.12 reads (tests/interchange/dump_h5ad.py prints it). */
typedef struct real_file {
  const char *name, *layout;
  cyf_expression_kind kind;
  int64_t n_cells, n_genes, nnz;
  double sum, first_cell_sum;
  const char *first_cell, *last_cell, *first_gene, *last_gene;
  const char
      *column; /* a label, its categories' number, first and last, the first cell's, and the cells of the second */
  int64_t n_categories;
  const char *first_category, *last_category, *first_label;
  int64_t n_second;
} real_file;

static const real_file REAL[] = {
    {"pbmc_facs", "csr", CYF_EXPRESSION_COUNTS, 3774, 21952, 2702861, 7500459, 1784, "CGTGATGATTTCAC-1-b_cells",
     "AGCTGTGATTGTGG-1-naive_cytotoxic", "ENSG00000238009", "ENSG00000215699", "cell_type", 10, "CD14+ Monocyte",
     "CD8+/CD45RA+ Naive Cytotoxic", "CD19+ B", 767},
    {"kang_donors", "csr", CYF_EXPRESSION_COUNTS, 12261, 1287, 4266127, 15334912, 2651, "AAACATACATTTCC-1",
     "TTTGCATGTTCATC-1", "ISG15", "PRMT2", "donor", 8, "d101", "d1488", "d1016", 2738},
    {"worm_embryo", "csr", CYF_EXPRESSION_COUNTS, 1805, 10000, 753299, 1248505, 833, "ACGCAGCAGTGCGATG-300.1.1",
     "TTTGTCAAGTACACCT-b02", "WBGene00001960", "WBGene00006448", "embryo_time_min", 67, "210", "780", "300", 1},
    {"paul15", "dense", CYF_EXPRESSION_COUNTS, 2730, 3451, 2386248, 6083492, 353, "0", "2729", "0610007L01Rik",
     "slc43a2", "paul15_clusters", 19, "1Ery", "19Lymph", "7MEP", 329},
    {"wot_days", "csr", CYF_EXPRESSION_LOG_NORMALIZED, 1000, 1479, 163094, 585864.838590, 708.202129602,
     "D11_serum_C1_TCACGAACATCTCCCA-1", "D10.5_serum_C2_CACACAATCCGAATGT-1", "Fam150a", "Vmn2r122", "day", 3, "10",
     "11", "11", 316},
    {"brain_cellxgene", "csr", CYF_EXPRESSION_LOG_NORMALIZED, 2237, 2000, 290860, 572078.486125, 214.625870228,
     "10X355_7_AB_YFP:AGAACCTTCGTGTTCCx", "10X353_7_AB_YFP_1:CAACAGTTCGGTCATAx", "ENSG00000284931", "ENSG00000243969",
     "cell_type", 11, "glioblast", "unknown", "glutamatergic neuron", 25},
};

static void check_real_label(cyf_h5ad *file, const real_file *expected) {
  cyf_label_column labels = {0};
  assert_ok(cyf_h5ad_read_labels(file, expected->column, &labels));
  assert_int_equal(labels.n_cells, expected->n_cells);
  assert_int_equal(labels.categories.n, expected->n_categories);
  assert_string_equal(labels.categories.name[0], expected->first_category);
  assert_string_equal(labels.categories.name[labels.categories.n - 1], expected->last_category);
  assert_string_equal(labels.categories.name[labels.code[0]], expected->first_label);
  int64_t n_second = 0;
  for (int64_t i = 0; i < labels.n_cells; i++) n_second += labels.code[i] == 1;
  assert_int_equal(n_second, expected->n_second);
  cyf_label_column_destroy(&labels);
}

static void check_real(const char *path, const real_file *expected) {
  cyf_h5ad *file = NULL;
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0};
  char **cells = NULL;
  cyf_expression_kind kind = CYF_EXPRESSION_OTHER;
  assert_ok(cyf_h5ad_open(path, NULL, &file));
  assert_string_equal(cyf_h5ad_layout(file), expected->layout);
  assert_int_equal(cyf_h5ad_n_cells(file), expected->n_cells);
  assert_int_equal(cyf_h5ad_n_genes(file), expected->n_genes);
  cyf_csr_buffer_clear(&rows, expected->n_genes);
  for (int64_t first = 0; first < expected->n_cells; first += 500) {
    const int64_t left = expected->n_cells - first;
    assert_ok(cyf_h5ad_read_rows(file, first, left < 500 ? left : 500, &rows));
  }
  double sum = 0, first_cell_sum = 0;
  for (int64_t i = 0; i < rows.indptr[rows.n_cells]; i++) {
    sum += (double)rows.values[i];
    if (i + 1 == rows.indptr[1]) first_cell_sum = sum;
  }
  assert_int_equal(rows.indptr[rows.n_cells], expected->nnz);
  assert_true(fabs(sum - expected->sum) <= 1e-6 && fabs(first_cell_sum - expected->first_cell_sum) <= 1e-6);
  assert_ok(cyf_h5ad_read_genes(file, NULL, &genes));
  assert_string_equal(genes.name[0], expected->first_gene);
  assert_string_equal(genes.name[genes.n - 1], expected->last_gene);
  assert_ok(cyf_h5ad_read_cell_names(file, &cells));
  assert_string_equal(cells[0], expected->first_cell);
  assert_string_equal(cells[expected->n_cells - 1], expected->last_cell);
  check_real_label(file, expected);
  assert_ok(cyf_h5ad_detect_kind(file, 1000, &kind));
  assert_int_equal(kind, expected->kind);
  for (int64_t i = 0; i < expected->n_cells; i++) cyf_free(cells[i]);
  cyf_free(cells);
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
  cyf_h5ad_close(&file);
}

static void real_files_are_read(void **state) {
  (void)state;
  const char *path = test_real_data_or_skip();
  for (size_t i = 0; i < sizeof(REAL) / sizeof(REAL[0]); i++) {
    char *file_path = NULL;
    assert_ok(cyf_format(&file_path, "%s/%s.h5ad", path, REAL[i].name));
    check_real(file_path, &REAL[i]);
    cyf_free(file_path);
  }
}

/* Parts that only some of the real files have: a categorical gene column with repeats, obsm, a column that is not
 * there. */
static void real_columns_and_embeddings_are_read(void **state) {
  (void)state;
  const char *path = test_real_data_or_skip();
  char *file_path = NULL;
  cyf_h5ad *file = NULL;
  cyf_names genes = {0};
  cyf_label_column labels = {0};
  float *umap = NULL;
  int64_t width = 0;
  assert_ok(cyf_path_join(path, "pbmc_facs.h5ad", &file_path));
  assert_ok(cyf_h5ad_open(file_path, NULL, &file));
  assert_ok(cyf_h5ad_read_genes(file, "symbol", &genes));
  assert_int_equal(genes.n, 21952); /* 21,916 symbols, the repeats numbered */
  assert_true(cyf_names_find(&genes, "CD8A") >= 0);
  cyf_names_destroy(&genes);
  assert_fails(cyf_h5ad_read_genes(file, "symbols", &genes), CYF_ERR_INPUT,
               "var has no column 'symbols'; it has: 'symbol'");
  assert_fails(cyf_h5ad_read_labels(file, "celltype", &labels), CYF_ERR_INPUT,
               "obs has no column 'celltype'; it has: 'cell_type'");
  cyf_h5ad_close(&file);
  cyf_free(file_path);
  assert_ok(cyf_path_join(path, "brain_cellxgene.h5ad", &file_path));
  assert_ok(cyf_h5ad_open(file_path, NULL, &file));
  assert_ok(cyf_h5ad_read_obsm(file, "X_tSNE", &width, &umap)); /* stored as float64 */
  assert_int_equal(width, 2);
  assert_true(isfinite(umap[0]) && umap[0] != 0);
  cyf_free(umap);
  assert_fails(cyf_h5ad_read_obsm(file, "X_pca", &width, &umap), CYF_ERR_INPUT, "no array obsm/X_pca");
  assert_fails(cyf_h5ad_open(file_path, "raw/X", &(cyf_h5ad *){NULL}), CYF_ERR_INPUT, "no matrix 'raw/X'; it has: X");
  cyf_h5ad_close(&file);
  cyf_free(file_path);
}

/* ---- anndata and scanpy read what we write ---- */

/* The lines that check_h5ad.py compares with. */
static void write_rows(const char *path, const h5ad_example *example) {
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  for (int64_t cell = 0; cell < example->rows.n_cells; cell++) {
    double sum = 0;
    for (int64_t i = example->rows.indptr[cell]; i < example->rows.indptr[cell + 1]; i++)
      sum += (double)example->rows.values[i];
    const int32_t code = example->labels.code[cell];
    fprintf(out, "%s\t%.9g\t%s\n", example->cells.name[cell], sum,
            code < 0 ? "" : example->labels.categories.name[code]);
  }
  assert_int_equal(fclose(out), 0);
}

static void anndata_reads_what_is_written(void **state) {
  (void)state;
  static const cyf_h5ad_options options[] = {{.format = CYF_MATRIX_CSR_NBIT},
                                             {.format = CYF_MATRIX_CSR_NBIT, .data_bits = 8, .chunk_values = 64},
                                             {.format = CYF_MATRIX_CSR_FLOAT32, .gzip_level = 4},
                                             {.format = CYF_MATRIX_DENSE}};
  const char *python = test_python_or_skip(), *source = test_source();
  for (int i = 0; i < 5; i++) { /* the fifth has no cells */
    char *path = NULL, *rows_path = NULL, *command = NULL;
    h5ad_example example;
    cyf_h5ad_writer *writer = NULL;
    h5ad_example_create(i < 4 ? 90 : 0, 60, 100, false, &example);
    cyf_csr rows = cyf_csr_view(&example.rows);
    assert_ok(cyf_format(&path, "%s/written%d.h5ad", test_folder, i));
    assert_ok(cyf_format(&rows_path, "%s/rows.tsv", test_folder));
    write_rows(rows_path, &example);
    assert_ok(cyf_h5ad_writer_create(path, 60, &options[i % 4], &writer));
    if (rows.n_cells) assert_ok(cyf_h5ad_writer_append_csr(writer, &rows));
    assert_ok(cyf_h5ad_writer_set_genes(writer, &example.genes));
    assert_ok(cyf_h5ad_writer_set_cell_names(writer, (const char *const *)example.cells.name, rows.n_cells));
    assert_ok(cyf_h5ad_writer_add_labels(writer, &example.labels));
    assert_ok(cyf_h5ad_writer_add_numbers(writer, "time", example.numbers, rows.n_cells));
    assert_ok(cyf_h5ad_writer_set_obsm(writer, "X_latent", rows.n_cells, H5AD_EXAMPLE_WIDTH, example.latent));
    assert_ok(cyf_h5ad_writer_set_uns_text(writer, "program", "cytoforge"));
    assert_ok(cyf_h5ad_writer_set_uns_int(writer, "seed", 1));
    assert_ok(cyf_h5ad_writer_set_uns_real(writer, "guidance", 0.5));
    assert_ok(cyf_h5ad_writer_commit(&writer));
    assert_ok(cyf_format(&command, "'%s' '%s/tests/interchange/check_h5ad.py' '%s' --rows '%s'", python, source, path,
                         rows_path));
    assert_int_equal(system(command), 0);
    h5ad_example_destroy(&example);
    cyf_free(path);
    cyf_free(rows_path);
    cyf_free(command);
  }
}

static void no_memory_is_left_over(void **state) {
  (void)state;
  assert_int_equal(cyf_memory_bytes_now(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(every_variant_of_anndata_is_read, check_clear),
      cmocka_unit_test_setup(real_files_are_read, check_clear),
      cmocka_unit_test_setup(real_columns_and_embeddings_are_read, check_clear),
      cmocka_unit_test_setup(anndata_reads_what_is_written, check_clear),
      cmocka_unit_test_setup(no_memory_is_left_over, check_clear),
  };
  test_choose_checks();
  return cmocka_run_group_tests(tests, set_up_folder, tear_down_folder);
}
