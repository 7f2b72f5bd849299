/* SPDX-License-Identifier: MIT */
/* The labels of a transfer: which cells of a file are taken, what they are asked for on both ways, and what obs says
 * afterwards. The model is of labels alone. */
#include <math.h>
#include <unistd.h>

#include "base/memory.h"
#include "check.h"
#include "dense_rows.h"
#include "sample/transfer_labels.h"

enum { N = 8, N_ATTRIBUTES = 3, TYPE = 0, CONDITION = 1, SEX = 2 };

/* Of `type` the model knows B and T; it was trained on no NK cell. Nothing guides to `sex`. */
static const char *const types[N] = {"B", "T", "NK", "B", "odd", NULL, "T", "B"};
static const char *const conditions[N] = {"ctrl", "ctrl", "ctrl", "stim", "ctrl", "ctrl", "lost", NULL};
static const double ages[N] = {10, 11, 12, 13, 14, NAN, 16, 17};

static cyf_model_attribute attribute(const char *name, const char *first, const char *second, const char *third) {
  const char *const values[] = {first, second, third};
  cyf_model_attribute a = {0};
  assert_ok(cyf_strdup(name, &a.name));
  assert_ok(CYF_NEW(&a.n_cells, 3));
  for (int i = 0; i < 3 && values[i] != NULL; i++) {
    assert_ok(cyf_names_add(&a.categories, values[i], NULL));
    a.n_cells[i] = i < 2 ? 50 : 0;
  }
  return a;
}

/* The program's own guides are never run here, so any address stands for a classifier. */
static int setup(void **state) {
  static cyf_model model;
  static cyf_model_attribute attributes[N_ATTRIBUTES];
  static char stand_in;
  if (set_up_folder(state) != 0 || chdir(test_folder) != 0) return -1;
  attributes[TYPE] = attribute("type", "B", "T", "NK");
  attributes[CONDITION] = attribute("condition", "ctrl", "stim", NULL);
  attributes[SEX] = attribute("sex", "f", "m", NULL);
  attributes[TYPE].classifier = attributes[CONDITION].classifier = (cyf_classifier *)(void *)&stand_in;
  model = (cyf_model){.attributes = attributes, .n_attributes = N_ATTRIBUTES};
  *state = &model;
  return 0;
}

static int teardown(void **state) {
  cyf_model *model = *state;
  for (int k = 0; k < N_ATTRIBUTES; k++) {
    model->attributes[k].classifier = NULL;
    cyf_model_attribute_destroy(&model->attributes[k]);
  }
  return chdir("/") != 0 ? -1 : tear_down_folder(state);
}

static void add_labels(cyf_h5ad_writer *writer, const char *name, const char *const *values) {
  cyf_label_column column = {.n_cells = N};
  int32_t code[N];
  column.code = code;
  assert_ok(cyf_strdup(name, &column.attribute));
  for (int i = 0; i < N; i++) {
    int64_t place = -1;
    if (values[i] != NULL) assert_ok(cyf_names_add(&column.categories, values[i], &place));
    code[i] = (int32_t)place;
  }
  assert_ok(cyf_h5ad_writer_add_labels(writer, &column));
  column.code = NULL;
  cyf_label_column_destroy(&column);
}

/* Starts a file of n cells of one gene; the caller adds obs and commits. */
static cyf_h5ad_writer *start_file(const char *path, int64_t n) {
  const cyf_h5ad_options options = {.format = CYF_MATRIX_CSR_FLOAT32};
  const double ones[N] = {1, 1, 1, 1, 1, 1, 1, 1};
  cyf_h5ad_writer *writer = NULL;
  cyf_csr_buffer rows = {0};
  cyf_names genes = {0};
  assert_ok(cyf_names_add(&genes, "GENE", NULL));
  cyf_csr_buffer_clear(&rows, 1);
  assert_ok(append_dense(n, 1, ones, &rows));
  const cyf_csr view = cyf_csr_view(&rows);
  assert_ok(cyf_h5ad_writer_create(path, 1, &options, &writer));
  assert_ok(cyf_h5ad_writer_append_csr(writer, &view));
  assert_ok(cyf_h5ad_writer_set_genes(writer, &genes));
  cyf_names_destroy(&genes);
  cyf_csr_buffer_destroy(&rows);
  return writer;
}

static void write_cells(void) {
  cyf_h5ad_writer *writer = start_file("cells.h5ad", N);
  add_labels(writer, "type", types);
  add_labels(writer, "condition", conditions);
  assert_ok(cyf_h5ad_writer_add_numbers(writer, "age", ages, N));
  assert_ok(cyf_h5ad_writer_commit(&writer));
}

static const char *const to_stim[] = {"condition=stim"}, *const of_b[] = {"type=B"};
static const cyf_texts nothing = {0};

static cyf_transfer_labels_asked asked(const cyf_texts *to, const cyf_texts *from, const cyf_texts *guidance) {
  return (cyf_transfer_labels_asked){.path = "cells.h5ad", .to = to, .from = from, .guidance = guidance};
}

/* Left out are the treated cell, the one of an unknown condition and the one without; with --from all but B as well. */
static void cells_that_can_be_taken_are_found(void **state) {
  const cyf_texts to = {(const char **)to_stim, 1}, from = {(const char **)of_b, 1};
  static const int64_t of_all[] = {0, 1, 2, 4, 5};
  cyf_transfer_labels labels = {0};
  write_cells();
  cyf_transfer_labels_asked a = asked(&to, &nothing, &nothing);
  assert_ok(cyf_transfer_labels_read(*state, &a, &labels));
  assert_int_equal(labels.n_rows, 5);
  assert_memory_equal(labels.row, of_all, sizeof of_all);
  cyf_transfer_labels_destroy(&labels);
  a = asked(&to, &from, &nothing);
  assert_ok(cyf_transfer_labels_read(*state, &a, &labels));
  assert_int_equal(labels.n_rows, 1);
  assert_int_equal(labels.row[0], 0);
  cyf_transfer_labels_destroy(&labels);
}

/* Kept first and --to last; a type that is unknown, missing or was never learnt asks for nothing. */
static void conditions_are_the_cells_own_but_for_the_new_label(void **state) {
  const cyf_texts to = {(const char **)to_stim, 1};
  static const int32_t kept[] = {0, 1, -1, -1, -1};
  cyf_transfer_labels labels = {0};
  cyf_conditions own = {0}, target = {0};
  write_cells();
  const cyf_transfer_labels_asked a = asked(&to, &nothing, &nothing);
  assert_ok(cyf_transfer_labels_read(*state, &a, &labels));
  assert_ok(cyf_transfer_labels_take(&labels, labels.n_rows, labels.row));
  assert_ok(cyf_transfer_conditions(*state, &labels, 5, &a, &own, &target));
  assert_int_equal(own.n, 2);
  assert_int_equal(target.n, 2);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(own.item[0].attribute, TYPE);
    assert_int_equal(target.item[0].attribute, TYPE);
    assert_int_equal(own.item[1].attribute, CONDITION);
    assert_int_equal(target.item[1].attribute, CONDITION);
    assert_int_equal(own.item[0].code[i], kept[i]);
    assert_int_equal(target.item[0].code[i], kept[i]);
    assert_true(own.item[0].weight[i] == (kept[i] < 0 ? 0 : 1));
    assert_true(target.item[0].weight[i] == (kept[i] < 0 ? 0 : 1));
    assert_int_equal(own.item[1].code[i], 0);
    assert_int_equal(target.item[1].code[i], 1);
    assert_true(own.item[1].weight[i] == 1);
    assert_true(target.item[1].weight[i] == 2);
  }
  cyf_conditions_destroy(&own);
  cyf_conditions_destroy(&target);
  cyf_transfer_labels_destroy(&labels);
}

static void guidance_is_of_what_is_asked_for(void **state) {
  const cyf_texts to = {(const char **)to_stim, 1};
  static const char *said[] = {"condition=3,type=0.5"}, *of_sex[] = {"sex=2"};
  const cyf_texts guidance = {said, 1}, wrong = {of_sex, 1};
  cyf_transfer_labels labels = {0};
  cyf_conditions own = {0}, target = {0};
  write_cells();
  cyf_transfer_labels_asked a = asked(&to, &nothing, &guidance);
  assert_ok(cyf_transfer_labels_read(*state, &a, &labels));
  assert_ok(cyf_transfer_labels_take(&labels, labels.n_rows, labels.row));
  assert_ok(cyf_transfer_conditions(*state, &labels, 5, &a, &own, &target));
  assert_true(own.item[0].weight[0] == 0.5F && target.item[0].weight[0] == 0.5F);
  assert_true(own.item[1].weight[0] == 1 && target.item[1].weight[0] == 3);
  cyf_conditions_destroy(&own);
  cyf_conditions_destroy(&target);
  a.guidance = &wrong;
  assert_fails(cyf_transfer_conditions(*state, &labels, 5, &a, &own, &target), CYF_ERR_USAGE,
               "which the start cells are not held to");
  cyf_transfer_labels_destroy(&labels);
}

/* The old label gets a name of its own, the new one the attribute's; numbers stay numbers, missing ones missing. */
static void obs_has_both_labels_and_the_rest(void **state) {
  const cyf_texts to = {(const char **)to_stim, 1};
  cyf_transfer_labels labels = {0};
  cyf_label_column now = {0}, before = {0}, age = {0};
  cyf_h5ad *file = NULL;
  bool is_numeric = false;
  write_cells();
  const cyf_transfer_labels_asked a = asked(&to, &nothing, &nothing);
  assert_ok(cyf_transfer_labels_read(*state, &a, &labels));
  assert_ok(cyf_transfer_labels_take(&labels, labels.n_rows, labels.row));
  cyf_h5ad_writer *writer = start_file("moved.h5ad", 5);
  assert_ok(cyf_transfer_labels_write(*state, &labels, 5, writer));
  assert_ok(cyf_h5ad_writer_commit(&writer));
  assert_ok(cyf_h5ad_open("moved.h5ad", NULL, &file));
  assert_ok(cyf_h5ad_read_labels(file, "condition", &now));
  assert_ok(cyf_h5ad_read_labels(file, "start_condition", &before));
  assert_ok(cyf_h5ad_read_labels(file, "age", &age));
  assert_ok(cyf_h5ad_column_is_numeric(file, "age", &is_numeric));
  assert_true(is_numeric && cyf_h5ad_has_column(file, "type"));
  for (int i = 0; i < 5; i++) {
    assert_string_equal(now.categories.name[now.code[i]], "stim");
    assert_string_equal(before.categories.name[before.code[i]], "ctrl");
  }
  assert_string_equal(age.categories.name[age.code[3]], "14");
  assert_int_equal(age.code[4], -1);
  cyf_label_column_destroy(&now);
  cyf_label_column_destroy(&before);
  cyf_label_column_destroy(&age);
  cyf_h5ad_close(&file);
  cyf_transfer_labels_destroy(&labels);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cells_that_can_be_taken_are_found),
      cmocka_unit_test(conditions_are_the_cells_own_but_for_the_new_label),
      cmocka_unit_test(guidance_is_of_what_is_asked_for),
      cmocka_unit_test(obs_has_both_labels_and_the_rest),
  };
  return cmocka_run_group_tests_name("transfer_labels", tests, setup, teardown);
}
