/* SPDX-License-Identifier: MIT */
/* Conditions through the program: classifiers added to a finished model, several attributes with a guidance each,
 * tables of requests, paths between classes, and bad requests. */
#include <math.h>

#include "base/memory.h"
#include "cli.h"
#include "damage.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/writer.h"
#include "dense_rows.h"
#include "support.h"

#define BACKBONE                                                                                                   \
  "--threads 1 --set autoencoder.hidden='[64, 48]' --set autoencoder.latent=16 --set autoencoder.steps=300 --set " \
  "denoiser.hidden='[64, 48, 32]' --set denoiser.steps=1500 --set denoiser.learning_rate=1e-3 --set "              \
  "denoiser.ema_decay=0.99 --set data.lanes=16 "
#define CLASSIFIER "--threads 1 --set classifier.hidden='[48, 48, 32]' --set classifier.steps=300 "

/* A backbone, then three classifiers, each added to the finished file. */
static int setup(void **state) {
  if (cli_setup(state) != 0) return -1;
  return cli_run(
      "$cytoforge synth -o cells.h5ad --cells 1500 --genes 200 --types 3 --counts 1500 && "
      "$cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --label pseudotime --bins "
      "pseudotime=0.25,0.5,0.75 --holdout 0.2 && "
      "$cytoforge train $fixed --data atlas --out run --stage autoencoder " BACKBONE
      "&& $cytoforge train $fixed --data atlas --out run --stage denoiser " BACKBONE
      "&& cp run/model.h5 model.h5 && "
      "$cytoforge train --data atlas -m model.h5 --stage classifier:cell_type " CLASSIFIER
      "&& $cytoforge train --data atlas -m model.h5 --stage classifier:donor " CLASSIFIER
      "&& $cytoforge train --data atlas -m model.h5 --stage classifier:pseudotime " CLASSIFIER);
}

static int64_t count_label(const char *path, const char *column, const char *value) {
  cyf_h5ad *file = NULL;
  cyf_label_column labels = {0};
  int64_t n = 0;
  assert_int_equal(cyf_h5ad_open(path, NULL, &file), CYF_OK);
  assert_int_equal(cyf_h5ad_read_labels(file, column, &labels), CYF_OK);
  const int64_t code = cyf_names_find(&labels.categories, value);
  for (int64_t i = 0; i < labels.n_cells && code >= 0; i++) n += labels.code[i] == code;
  cyf_label_column_destroy(&labels);
  cyf_h5ad_close(&file);
  return n;
}

static void read_latent(const char *path, int64_t *ret_n, int64_t *ret_width, float **ret_latent) {
  cyf_h5ad *file = NULL;
  assert_int_equal(cyf_h5ad_open(path, NULL, &file), CYF_OK);
  *ret_n = cyf_h5ad_n_cells(file);
  assert_int_equal(cyf_h5ad_read_obsm(file, "X_latent", ret_width, ret_latent), CYF_OK);
  cyf_h5ad_close(&file);
}

/* Largest difference of two files' latents. */
static double latent_difference(const char *left, const char *right) {
  int64_t n = 0, width = 0, n_right = 0, width_right = 0;
  float *a = NULL, *b = NULL;
  double worst = 0;
  read_latent(left, &n, &width, &a);
  read_latent(right, &n_right, &width_right, &b);
  assert_int_equal(n, n_right);
  assert_int_equal(width, width_right);
  for (int64_t i = 0; i < n * width; i++) worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
  cyf_free(a);
  cyf_free(b);
  return worst;
}

/* ---- classifiers of a finished model ---- */

/* Compares the tensors' values alone: the header also describes the whole model, with the labels of each classifier. */
static void export_and_compare(const char *model, const char *reference, const char *part, bool same) {
  cli_expect(0,
             "rm -rf left right; $cytoforge export -m %s --format pytorch-names -o left && $cytoforge export -m %s "
             "--format pytorch-names -o right && ls left right",
             model, reference);
  cli_expect(0,
             "for side in left right; do header=$(od -An -tu8 -N8 $side/%s) && "
             "tail -c +$((header + 9)) $side/%s > $side.values && test -s $side.values || exit 9; done",
             part, part);
  cli_expect(same ? 0 : 1, "cmp left.values right.values");
}

static void adding_classifiers_leaves_the_rest_bit_for_bit(void **state) {
  (void)state;
  export_and_compare("model.h5", "run/model.h5", "autoencoder.safetensors", true);
  export_and_compare("model.h5", "run/model.h5", "denoiser.safetensors", true);
  cli_expect(0, "$cytoforge info model.h5");
  cli_expect_text("added later: atlas");
  /* Working files are gone, and nothing is half-written. */
  cli_expect(1, "ls | grep -e model-classifier -e partial");
}

/* Replacing one, with other widths and on 2 ranks, keeps the others; without --force it is refused. */
static void a_classifier_is_replaced_on_demand(void **state) {
  (void)state;
  cli_expect(0, "cp model.h5 replaced.h5");
  cli_expect(5, "$cytoforge train --data atlas -m replaced.h5 --stage classifier:donor " CLASSIFIER);
  cli_expect_text("has a classifier for 'donor' already; --force replaces it");
  cli_expect(0, "cmp model.h5 replaced.h5");
  cli_expect(0,
             "mpirun -n 2 $cytoforge train --data atlas -m replaced.h5 --stage classifier:donor --force --threads 1 "
             "--set classifier.hidden='[32, 32, 16]' --set classifier.steps=50");
  export_and_compare("replaced.h5", "model.h5", "denoiser.safetensors", true);
  cli_expect(0, "ls left | grep classifier");
  print_message("%s", cli_output);
  cli_expect(0,
             "$cytoforge sample -m replaced.h5 -n 20 --where donor=donor_1 --where cell_type=type_2 --steps 5 -o "
             "replaced.h5ad");
  /* The untouched classifier guides as before. */
  cli_expect(0,
             "for m in model replaced; do $cytoforge sample -m $m.h5 -n 50 --where cell_type=type_2 --steps 10 -o "
             "same_$m.h5ad || exit 9; done");
  assert_true(latent_difference("same_model.h5ad", "same_replaced.h5ad") == 0);
}

/* A classifier that the run's own stages know nothing of outlives a later write of RUN/model.h5. */
static void a_run_keeps_what_was_added_to_its_model(void **state) {
  (void)state;
  cli_expect(0, "cp -r run kept && cp model.h5 kept/model.h5");
  cli_expect(0, "$cytoforge train $fixed --data atlas --out kept --stage classifier:donor " BACKBONE CLASSIFIER);
  cli_expect_text("keeps the classifier of cell_type");
  cli_expect(0,
             "$cytoforge sample -m kept/model.h5 -n 5 --where donor=donor_1 --where cell_type=type_2 --steps 2 -o "
             "kept.h5ad");
}

/* A model.h5 that cannot be read may hold added classifiers: it is not replaced, and the run is as it was. */
static void a_run_replaces_no_model_that_it_cannot_read(void **state) {
  (void)state;
  static const char again[] = "$cytoforge train --data atlas --out held --stage classifier:donor ";
  cli_expect(0, "cp -r kept held"); /* it has checkpoints of that classifier, which --force would remove */
  damage_byte("held/model.h5", damage_size("held/model.h5") / 2, 0x10);
  cli_expect(0, "find held -type f | sort | xargs cksum > held.before");
  for (int k = 0; k < 2; k++) {
    cli_expect(4, "%s%s%s" BACKBONE CLASSIFIER, k ? "mpirun -n 2 " : "", again, k ? "--force " : "--resume auto ");
    cli_expect_one_error("held/model.h5: damaged");
    cli_expect_text("move the file away");
    cli_expect(0, "find held -type f | sort | xargs cksum | cmp - held.before");
  }
  cli_expect(0, "mv held/model.h5 away.h5 && %s--resume auto " BACKBONE CLASSIFIER, again);
  cli_expect(0, "$cytoforge sample -m held/model.h5 -n 5 --where donor=donor_1 --steps 2 -o held.h5ad");
}

static void what_cannot_be_added_is_refused(void **state) {
  (void)state;
  cli_expect(0, "cp model.h5 untouched.h5");
  cli_expect(2, "$cytoforge train --data atlas -m untouched.h5 --stage classifier:donnor");
  cli_expect_text("did you mean 'donor'? It has: 'cell_type', 'donor', 'pseudotime'");
  cli_expect(2, "$cytoforge train --data atlas -m untouched.h5 --stage denoiser");
  cli_expect_text("--stage classifier:COLUMN");
  cli_expect(3,
             "$cytoforge train --data atlas -m untouched.h5 --stage classifier:donor --force --set "
             "denoiser.steps=5");
  cli_expect_text("the others are the model's");
  cli_expect(0, "$cytoforge prepare cells.h5ad -o other_genes --label donor --min-cells 40");
  cli_expect(4, "mpirun -n 2 $cytoforge train --data other_genes -m untouched.h5 --stage classifier:donor --force");
  cli_expect_one_error("cytoforge: error");
  cli_expect_text("the model's gene list");
  cli_expect(0, "cmp model.h5 untouched.h5");
}

/* ---- several attributes and requests ---- */

static void each_attribute_has_its_own_guidance(void **state) {
  (void)state;
  static const char *const guidance[] = {"cell_type=3,donor=0", "3", "cell_type=3"};
  static const char *const where[] = {"--where cell_type=type_2 --where donor=donor_1", "--where cell_type=type_2",
                                      "--where cell_type=type_2 --where donor=donor_1 --guidance donor=1"};
  for (int i = 0; i < 3; i++)
    cli_expect(0, "$cytoforge sample -m model.h5 -n 60 --steps 20 %s --guidance %s -o guided_%d.h5ad", where[i],
               guidance[i], i);
  assert_int_equal(count_label("guided_0.h5ad", "donor", "donor_1"), 60);
  /* A weight of zero is no guide; one of 1 is. */
  assert_true(latent_difference("guided_0.h5ad", "guided_1.h5ad") == 0);
  assert_true(latent_difference("guided_0.h5ad", "guided_2.h5ad") > 1e-3);
}

static void a_table_of_requests_is_one_run(void **state) {
  (void)state;
  cli_expect(0,
             "printf 'cell_type,donor,guidance,count\\ntype_1,donor_2,,300\\n\\n\"type_2\",,3,100\\n,donor_1,"
             "\"donor=0.5\",50\\n' > requests.csv");
  for (int ranks = 1; ranks <= 3; ranks += 2)
    cli_expect(0,
               "mpirun -n %d $cytoforge sample -m model.h5 --requests requests.csv --steps 20 --guidance "
               "cell_type=2,donor=1 -o requests_%d.h5ad",
               ranks, ranks);
  assert_true(latent_difference("requests_1.h5ad", "requests_3.h5ad") <= 1e-5);
  assert_int_equal(count_label("requests_1.h5ad", "cell_type", "type_1"), 300);
  assert_int_equal(count_label("requests_1.h5ad", "cell_type", "type_2"), 100);
  assert_int_equal(count_label("requests_1.h5ad", "donor", "donor_2"), 300);
  assert_int_equal(count_label("requests_1.h5ad", "donor", "donor_1"), 50);
  assert_int_equal(count_label("requests_1.h5ad", "request", "2"), 100);
  /* The first row alone is the first cells of the table. */
  cli_expect(0,
             "$cytoforge sample -m model.h5 -n 300 --where cell_type=type_1 --where donor=donor_2 --guidance "
             "cell_type=2,donor=1 --steps 20 -o first_row.h5ad");
  int64_t n = 0, width = 0, n_all = 0;
  float *row = NULL, *all = NULL;
  read_latent("first_row.h5ad", &n, &width, &row);
  read_latent("requests_1.h5ad", &n_all, &width, &all);
  double worst = 0;
  for (int64_t i = 0; i < n * width; i++) worst = fmax(worst, fabs((double)row[i] - (double)all[i]));
  assert_true(worst <= 1e-4);
  cyf_free(row);
  cyf_free(all);
}

static void bad_requests_say_what_is_possible(void **state) {
  (void)state;
  static const cli_refusal cases[] = {
      {2, "-n 5 --where cell_tipe=type_1", "did you mean 'cell_type'? Known: 'cell_type', 'donor', 'pseudotime'"},
      {2, "-n 5 --where cell_type=typ_1", "did you mean 'type_1'? Known: 'type_1', 'type_2', 'type_3'"},
      {2, "-n 5 --where cell_type=type_1 --guidance donor=2", "--guidance of 'donor', which is not asked for"},
      {2, "-n 5 --where cell_type=type_1 --guidance donr=2", "did you mean 'donor'?"},
      {2, "-n 5 --where cell_type=type_1 --guidance cell_type=1,cell_type=2", "'cell_type' has a weight already"},
      {2, "-n 5 --where cell_type=type_1 --guidance 1 --guidance 2", "contradicts an earlier 1"},
      {2, "-n 5 --where cell_type=type_1 --guidance cell_type=-1", "cannot be negative"},
      {2, "-n 5 --where cell_type=type_1 --guidance strong", "'strong' is no number"},
      {2, "-n 5 --requests good.csv", "-n and --like contradict it"},
      {2, "--requests good.csv --where cell_type=type_1", "contradicts the column 'cell_type' of good.csv"},
      {2, "--requests value.csv", "value.csv:3: the model has no cell_type 'type_9'"},
      {2, "--requests column.csv", "the model has no attribute 'tissue'"},
      {4, "--requests count.csv", "count.csv:2: count wants a whole number of at least 1, not '0'"},
      {4, "--requests nocount.csv", "no column 'count'"},
      {4, "--requests ragged.csv", "ragged.csv:2: 3 fields, but the header has 2"},
      {2, "--requests guidance.csv", "guidance.csv:2: guidance of 'donor', which this row does not ask for"},
      {4, "--requests nowhere.csv", "nowhere.csv"},
  };
  cli_expect(0,
             "printf 'cell_type,count\\ntype_1,5\\n' > good.csv; printf 'cell_type,count\\ntype_1,5\\ntype_9,5\\n' > "
             "value.csv; printf 'tissue,count\\nx,5\\n' > column.csv; printf 'cell_type,count\\ntype_1,0\\n' > "
             "count.csv; printf 'cell_type\\ntype_1\\n' > nocount.csv; printf 'cell_type,count\\na,b,5\\n' > "
             "ragged.csv; printf 'cell_type,guidance,count\\ntype_1,\"donor=1\",5\\n' > guidance.csv");
  cli_expect_refusals("sample -m model.h5 -o bad.h5ad", cases, sizeof cases / sizeof cases[0]);
}

/* What all cells of the model have is granted without a classifier; what some lack is not. */
static void what_all_cells_have_can_be_asked_for(void **state) {
  (void)state;
  cli_expect(0,
             "printf 'attribute,from,to\\ntissue,type_1,blood\\ntissue,type_2,blood\\ntissue,type_3,blood\\n"
             "sorted,type_1,yes\\nsorted,type_2,yes\\nsorted,type_3,\\n' > names.csv && "
             "$cytoforge prepare cells.h5ad -o one --label cell_type --label tissue=cell_type --label "
             "sorted=cell_type --label-map names.csv && "
             "$cytoforge train $fixed --data one --out one_run --threads 1 --set autoencoder.hidden='[16]' --set "
             "autoencoder.latent=8 --set denoiser.hidden='[16, 8]' --set classifier.hidden='[8, 8, 8]' --set "
             "autoencoder.steps=20 --set denoiser.steps=20 --set classifier.steps=20 --set data.lanes=16");
  cli_expect(0, "$cytoforge sample -m one_run/model.h5 -n 9 --where tissue=blood -o one.h5ad");
  cli_expect_text("guidance none");
  assert_int_equal(count_label("one.h5ad", "tissue", "blood"), 9);
  cli_expect(0, "$cytoforge sample -m one_run/model.h5 -n 9 -o none.h5ad");
  assert_true(latent_difference("one.h5ad", "none.h5ad") == 0);
  cli_expect(0,
             "$cytoforge sample -m one_run/model.h5 -n 9 --where tissue=blood --where cell_type=type_1 --guidance 3 "
             "--guidance-mode classifier -o both.h5ad && "
             "$cytoforge sample -m one_run/model.h5 -n 9 --where cell_type=type_1 --guidance 3 -o type.h5ad && "
             "$cytoforge sample -m one_run/model.h5 --like one.h5ad --by tissue -o like.h5ad && "
             "printf 'tissue,cell_type,count\\nblood,type_2,4\\n,type_1,5\\n' > tissues.csv && "
             "$cytoforge sample -m one_run/model.h5 --requests tissues.csv -o tissues.h5ad");
  assert_true(latent_difference("both.h5ad", "type.h5ad") == 0);
  assert_int_equal(count_label("both.h5ad", "tissue", "blood"), 9);
  assert_int_equal(count_label("like.h5ad", "tissue", "blood"), 9);
  assert_int_equal(count_label("tissues.h5ad", "tissue", "blood"), 4);
  cli_expect(2, "$cytoforge sample -m one_run/model.h5 -n 9 --where tissue=brain -o bad.h5ad");
  cli_expect_text("the model has no tissue 'brain'");
  cli_expect(2, "$cytoforge sample -m one_run/model.h5 -n 9 --where sorted=yes -o bad.h5ad");
  cli_expect_text("'sorted' cannot be asked for: the model's cells have one value of it or none");
  for (int k = 0; k < 2; k++) {
    const char *attribute = k ? "sorted" : "tissue", *value = k ? "yes" : "blood";
    cli_expect(
        2, "$cytoforge interpolate -m one_run/model.h5 --attribute %s --from %s --to %s --start cells.h5ad -o bad.h5ad",
        attribute, value, value);
    cli_expect_text("the model's cells have fewer than two values of it");
  }
}

/* ---- paths ---- */

#define PATH \
  "$cytoforge interpolate -m model.h5 --attribute pseudotime --from '<0.25' --to '>=0.75' --start cells.h5ad "

static void a_path_is_the_same_on_any_ranks(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 3; ranks++)
    cli_expect(0, "mpirun -n %d " PATH "--points 4 -n 150 --steps 50 --seed 3 -o path_%d.h5ad", ranks, ranks);
  assert_true(latent_difference("path_1.h5ad", "path_2.h5ad") <= 1e-5);
  assert_true(latent_difference("path_1.h5ad", "path_3.h5ad") <= 1e-5);
  assert_int_equal(count_label("path_1.h5ad", "path_point", "3"), 150);
  assert_int_equal(count_label("path_1.h5ad", "path_s", "1"), 150);
  cyf_h5ad *file = NULL;
  char **names = NULL;
  cyf_label_column start = {0};
  assert_int_equal(cyf_h5ad_open("path_1.h5ad", NULL, &file), CYF_OK);
  assert_int_equal(cyf_h5ad_read_labels(file, "start_cell", &start), CYF_OK);
  /* The same start cells, in order, at every point. */
  for (int64_t i = 0; i < 600; i++) assert_int_equal(start.code[i], start.code[i % 150]);
  assert_int_equal(cyf_h5ad_read_cell_names(file, &names), CYF_OK);
  for (int64_t i = 0; i < 600; i++) cyf_free(names[i]);
  cyf_free(names);
  cyf_label_column_destroy(&start);
  cyf_h5ad_close(&file);
}

/* Noised to t = 0 and guided by nothing, the start cells come out as they went in: the process starts there. */
static void nothing_happens_to_cells_that_are_not_noised(void **state) {
  (void)state;
  cli_expect(0, PATH "--points 2 -n 40 --t-init 0 --guidance 0 -o still.h5ad");
  cli_expect_text("1 steps");
  cli_expect(0, PATH "--points 2 -n 40 --t-init 600 --guidance 0 --steps 100 -o moved.h5ad");
  cli_expect(0, "$cytoforge encode -m model.h5 cells.h5ad -o encoded.h5ad");
  int64_t n = 0, width = 0, n_all = 0, n_moved = 0;
  float *still = NULL, *all = NULL, *moved = NULL;
  char **names = NULL;
  cyf_h5ad *file = NULL;
  cyf_label_column start = {0};
  read_latent("still.h5ad", &n, &width, &still);
  read_latent("moved.h5ad", &n_moved, &width, &moved);
  read_latent("encoded.h5ad", &n_all, &width, &all);
  assert_int_equal(cyf_h5ad_open("still.h5ad", NULL, &file), CYF_OK);
  assert_int_equal(cyf_h5ad_read_labels(file, "start_cell", &start), CYF_OK);
  cyf_h5ad_close(&file);
  assert_int_equal(cyf_h5ad_open("encoded.h5ad", NULL, &file), CYF_OK);
  assert_int_equal(cyf_h5ad_read_cell_names(file, &names), CYF_OK);
  double worst = 0, least_moved = INFINITY;
  for (int64_t i = 0; i < n; i++) {
    const char *name = start.categories.name[start.code[i]];
    int64_t row = 0;
    while (strcmp(names[row], name) != 0) row++;
    double cosine = 0, cosine_moved = 0; /* unit lengths */
    for (int64_t k = 0; k < width; k++) {
      cosine += (double)still[i * width + k] * (double)all[row * width + k];
      cosine_moved += (double)moved[i * width + k] * (double)all[row * width + k];
    }
    worst = fmax(worst, 1 - cosine);
    least_moved = fmin(least_moved, cosine_moved);
  }
  print_message("1 - cosine to the start cell at t_init 0: at most %.2g; least cosine at 600: %.2f\n", worst,
                least_moved);
  assert_true(worst < 1e-3);
  assert_true(least_moved < 0.9);
  for (int64_t i = 0; i < n_all; i++) cyf_free(names[i]);
  cyf_free(names);
  cyf_free(still);
  cyf_free(moved);
  cyf_free(all);
  cyf_label_column_destroy(&start);
  cyf_h5ad_close(&file);
}

/* The simulator's path from type_1 to type_2 is a line between their profiles: along ours the share of cells nearer to
 * type_2's mean latent grows from point to point. */
static void points_go_from_the_first_class_to_the_last(void **state) {
  (void)state;
  enum { POINTS = 5, CELLS = 200 };
  cli_expect(0, PATH "--points 5 -n 200 --steps 100 --keep 0.05 --guidance 4 -o way.h5ad");
  cli_expect(0, "$cytoforge encode -m model.h5 cells.h5ad -o encoded.h5ad --force");
  int64_t n = 0, width = 0, n_all = 0;
  float *way = NULL, *all = NULL;
  double mean[2][64] = {{0}}, along[POINTS] = {0};
  int64_t n_type[2] = {0};
  cyf_h5ad *file = NULL;
  cyf_label_column type = {0};
  read_latent("way.h5ad", &n, &width, &way);
  read_latent("encoded.h5ad", &n_all, &width, &all);
  assert_int_equal(n, POINTS * CELLS);
  assert_int_equal(cyf_h5ad_open("encoded.h5ad", NULL, &file), CYF_OK);
  assert_int_equal(cyf_h5ad_read_labels(file, "cell_type", &type), CYF_OK);
  for (int64_t i = 0; i < n_all; i++) {
    if (type.code[i] > 1) continue;
    n_type[type.code[i]]++;
    for (int64_t k = 0; k < width; k++) mean[type.code[i]][k] += (double)all[i * width + k];
  }
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < width; k++)
      along[i / CELLS] +=
          (double)way[i * width + k] * (mean[1][k] / (double)n_type[1] - mean[0][k] / (double)n_type[0]) / CELLS;
  for (int p = 0; p < POINTS; p++) print_message("point %d: %.4f along the line of the types\n", p, along[p]);
  for (int p = 1; p < POINTS; p++) assert_true(along[p] > along[p - 1]);
  cyf_free(way);
  cyf_free(all);
  cyf_label_column_destroy(&type);
  cyf_h5ad_close(&file);
}

/* What a start cell keeps is said, and a warning where it is nothing: with latents that are not scaled, at 600. */
static void the_signal_share_is_said(void **state) {
  (void)state;
  cli_expect(0, PATH "--points 2 -n 5 --steps 10 -o share.h5ad");
  cli_expect_text("a share of 0.1");
  assert_null(strstr(cli_output, "almost nothing"));
  cli_expect(0, PATH "--points 2 -n 5 --t-init 999 -o share.h5ad --force");
  cli_expect_text("ddpm, 100 steps"); /* a path's default */
  cli_expect_text("almost nothing of the start cells survives t_init 999");
  cli_expect(0,
             "$cytoforge interpolate -m model.h5 --attribute cell_type --path type_1,type_2,type_3 --points 5 "
             "--start cells.h5ad --where donor=donor_1 -n 7 --steps 10 -o long.h5ad");
  cli_expect_text("type_1 -> type_2 -> type_3");
  assert_int_equal(count_label("long.h5ad", "path_s", "1.5"), 7);
  assert_int_equal(count_label("long.h5ad", "donor", "donor_1"), 35);
}

/* Two cells of type_1 over genes that the model does not know. */
static void write_other_genes(const char *path) {
  static const char *const names[] = {"ENSG1", "ENSG2", "ENSG3"};
  const cyf_h5ad_options options = {.format = CYF_MATRIX_DENSE};
  const double values[] = {1, 0, 3, 0, 2, 1};
  int32_t codes[] = {0, 0};
  cyf_h5ad_writer *writer = NULL;
  cyf_names genes = {0};
  cyf_csr_buffer rows = {0};
  cyf_label_column types = {.code = codes, .n_cells = 2};
  for (int g = 0; g < 3; g++) assert_ok(cyf_names_add(&genes, names[g], NULL));
  assert_ok(cyf_strdup("cell_type", &types.attribute));
  assert_ok(cyf_names_add(&types.categories, "type_1", NULL));
  assert_ok(cyf_h5ad_writer_create(path, 3, &options, &writer));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  cyf_csr_buffer_clear(&rows, 3);
  assert_ok(append_dense(2, 3, values, &rows));
  const cyf_csr matrix = cyf_csr_view(&rows);
  assert_ok(cyf_h5ad_writer_append_csr(writer, &matrix));
  assert_ok(cyf_h5ad_writer_add_labels(writer, &types));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  cyf_csr_buffer_destroy(&rows);
  cyf_names_destroy(&genes);
  cyf_free(types.attribute);
  cyf_names_destroy(&types.categories);
}

static void bad_paths_say_what_is_possible(void **state) {
  (void)state;
  static const struct {
    int code;
    const char *arguments, *text;
  } cases[] = {
      {2, "--attribute pseudotme --from a --to b --start cells.h5ad", "did you mean 'pseudotime'?"},
      {2, "--attribute cell_type --from type_1 --to tipe_2 --start cells.h5ad",
       "did you mean 'type_2'? Known: 'type_1'"},
      {2, "--attribute cell_type --from type_1 --to type_1 --start cells.h5ad", "goes from 'type_1' to itself"},
      {2, "--attribute cell_type --from type_1 --start cells.h5ad", "--from A --to B, or --path A,B,C"},
      {2, "--attribute cell_type --from type_1 --to type_2 --path type_1,type_3 --start cells.h5ad",
       "contradict each other"},
      {2, "--attribute cell_type --path type_1 --start cells.h5ad", "has one class"},
      {2, "--attribute cell_type --from type_1 --to type_2 --points 0 --start cells.h5ad", "at least 2 points"},
      {2, "--attribute cell_type --from type_1 --to type_2 --where cell_type=type_3 --start cells.h5ad",
       "contradicts the path"},
      {2, "--attribute cell_type --from type_1 --to type_2 --guidance donor=1 --start cells.h5ad",
       "--where donor=VALUE"},
      {2, "--attribute cell_type --from type_1 --to type_2 --t-init 1000 --start cells.h5ad", "timesteps are 0 to 999"},
      {2, "--attribute cell_type --from type_1 --to type_2 --t-init 5 --keep 0.1 --start cells.h5ad",
       "same thing twice"},
      {2, "--attribute cell_type --from type_1 --to type_2 --keep 2 --start cells.h5ad", "between 0 and 1"},
      {4, "--attribute cell_type --from type_1 --to type_2 --start genes.h5ad", "none of its"},
      {4, "--attribute cell_type --from type_1 --to type_2 --start only_2.h5ad",
       "no cell of cell_type 'type_1' to start from; known: 'type_2'"},
      {4, "--attribute donor --from donor_1 --to donor_2 --start only_2.h5ad", "donor"},
      {2, "--attribute cell_type --from type_1 --to type_2 --start cells.h5ad -m run/model.h5",
       "--stage classifier:cell_type"},
  };
  cli_expect(0, "$cytoforge sample -m model.h5 -n 20 --where cell_type=type_2 --steps 2 -o only_2.h5ad");
  write_other_genes("genes.h5ad");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cli_expect(cases[i].code, "%s $cytoforge interpolate -m model.h5 -o bad.h5ad %s", i % 4 == 0 ? "mpirun -n 2" : "",
               cases[i].arguments);
    cli_expect_one_error("cytoforge: error");
    cli_expect_text(cases[i].text);
    assert_int_not_equal(access("bad.h5ad", F_OK), 0);
  }
}

static void bad_bins_are_refused(void **state) {
  (void)state;
  cli_expect(2, "$cytoforge prepare cells.h5ad -o bad_atlas --label pseudotime --bins pseudotime=0.5,0.25");
  cli_expect_text("edges must ascend");
  cli_expect(2, "$cytoforge prepare cells.h5ad -o bad_atlas --label cell_type --bins pseudotime=0.5");
  cli_expect_text("needs --label pseudotime");
  cli_expect(4, "mpirun -n 2 $cytoforge prepare cells.h5ad -o bad_atlas --label donor --bins donor=1,2");
  cli_expect_text("'donor_1' of label 'donor' is no number");
  cli_expect_one_error("cytoforge: error");
  assert_int_not_equal(access("bad_atlas", F_OK), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(adding_classifiers_leaves_the_rest_bit_for_bit),
      cmocka_unit_test(a_classifier_is_replaced_on_demand),
      cmocka_unit_test(a_run_keeps_what_was_added_to_its_model),
      cmocka_unit_test(a_run_replaces_no_model_that_it_cannot_read),
      cmocka_unit_test(what_cannot_be_added_is_refused),
      cmocka_unit_test(each_attribute_has_its_own_guidance),
      cmocka_unit_test(a_table_of_requests_is_one_run),
      cmocka_unit_test(bad_requests_say_what_is_possible),
      cmocka_unit_test(what_all_cells_have_can_be_asked_for),
      cmocka_unit_test(a_path_is_the_same_on_any_ranks),
      cmocka_unit_test(nothing_happens_to_cells_that_are_not_noised),
      cmocka_unit_test(points_go_from_the_first_class_to_the_last),
      cmocka_unit_test(the_signal_share_is_said),
      cmocka_unit_test(bad_paths_say_what_is_possible),
      cmocka_unit_test(bad_bins_are_refused),
  };
  return cmocka_run_group_tests(tests, setup, cli_teardown);
}
