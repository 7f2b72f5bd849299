/* SPDX-License-Identifier: MIT */
#include "calibrate/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "calibrate/judge.h"
#include "calibrate/strengths.h"
#include "sample/generator.h"

/* Beyond 4 guidance leads out of what the models were trained on (docs/running.md), whatever the judge says. */
static const double strengths[] = {1, 1.25, 1.5, 2, 2.5, 3, 4};
enum { N_STRENGTHS = sizeof strengths / sizeof *strengths };
/* Cells of a class and strength: an accuracy is then known to 0.05, but not more than so many cells in all. */
enum { MOST_OF_CLASS = 100, LEAST_OF_CLASS = 5, MOST_CELLS = 20000, SEED = 1 };

/* One attribute that is calibrated. The cells that are generated are strength by strength, class by class. */
typedef struct trial {
  cyf_comm *comm;
  const cyf_atlas *atlas;
  int64_t in_model, in_atlas; /* places of the attribute */
  int64_t n_classes;          /* the model's, which the atlas has too */
  int64_t n_of_class;         /* cells generated of a class at a strength */
  cyf_generator generator;
  cyf_real_cells real;      /* rank 0 */
  cyf_judge judge;          /* rank 0 */
  int64_t *generated_right; /* [N_STRENGTHS, n_classes] rank 0 */
} trial;

/* Cells of each class at each strength. */
static int64_t n_of_class(int64_t n_classes) {
  const int64_t n = MOST_CELLS / (N_STRENGTHS * n_classes);
  return n > MOST_OF_CLASS ? MOST_OF_CLASS : n < LEAST_OF_CLASS ? LEAST_OF_CLASS : n;
}

int64_t cyf_calibrate_n_cells(int64_t n_classes) {
  return n_classes > 0 ? N_STRENGTHS * n_classes * n_of_class(n_classes) : 0;
}

static int64_t n_generated(const trial *t) {
  return N_STRENGTHS * t->n_classes * t->n_of_class;
}

static int32_t class_of(const trial *t, int64_t cell) {
  return (int32_t)(cell / t->n_of_class % t->n_classes);
}

/* Every class at every strength. A class that no cell of the atlas has is generated too, and not looked at. */
static cyf_status ask(trial *t) {
  cyf_conditions *c = &t->generator.conditions;
  cyf_condition *condition = NULL;
  t->n_of_class = n_of_class(t->n_classes);
  *c = (cyf_conditions){.n_cells = n_generated(t)};
  CYF_TRY(cyf_conditions_add(t->generator.model, t->in_model, c, &condition));
  for (int64_t i = 0; i < c->n_cells; i++) {
    condition->code[i] = class_of(t, i);
    condition->weight[i] = (float)strengths[i / (t->n_of_class * t->n_classes)];
  }
  return CYF_OK;
}

static cyf_status compute(void *context, int thread, cyf_cell_block *block) {
  return cyf_generator_block(&((const trial *)context)->generator, thread, block);
}

static cyf_status tell(void *context, const cyf_cell_block *block) {
  trial *t = context;
  const int64_t first = block->index * cyf_sampler_block(t->generator.device);
  int32_t *told = NULL;
  CYF_TRY(CYF_NEW(&told, block->n_cells));
  const cyf_status status = cyf_judge_tell(&t->judge, &block->rows, first, told);
  for (int64_t i = 0; i < block->n_cells && status == CYF_OK; i++) {
    const int64_t strength = (first + i) / (t->n_of_class * t->n_classes);
    const int32_t code = class_of(t, first + i);
    t->generated_right[strength * t->n_classes + code] += told[i] == code;
  }
  cyf_free(told);
  return status;
}

static cyf_status generate(trial *t) {
  const cyf_generator_asked asked = {
      .command = "train", .mode = CYF_GUIDANCE_AUTO, .reverse = {.seed = SEED}, .t_last = -1, .output = "log"};
  CYF_TRY(cyf_comm_agree(t->comm, ask(t)));
  CYF_TRY(cyf_comm_agree(t->comm, cyf_generator_open(&t->generator, &asked)));
  cyf_block_job job = cyf_generator_job(&t->generator, "calibrate", n_generated(t));
  job.context = t;
  job.compute = compute;
  job.emit = tell;
  return cyf_run_blocks(t->comm, &job);
}

/* Says what was chosen, from the least to the largest strength. */
static void say(const trial *t, const cyf_strength_chosen *chosen) {
  double least = INFINITY, most = 0, real = 0, reached = 0;
  int64_t n = 0;
  for (int64_t c = 0; c < t->n_classes; c++) {
    if (t->judge.n_real[c] == 0) continue;
    least = fmin(least, chosen[c].strength);
    most = fmax(most, chosen[c].strength);
    real += chosen[c].real_accuracy;
    reached += chosen[c].reached;
    n++;
  }
  char span[64];
  snprintf(span, sizeof span, least < most ? "%g to %g, by class" : "%g", least, most);
  cyf_info("calibrate: guidance of %s is %s: real cells are told in %.3f of cases, generated ones in %.3f",
           t->atlas->attributes[t->in_atlas].name, span, real / (double)n, reached / (double)n);
}

/* Rank 0: puts the strengths into the model in memory. */
static cyf_status choose(trial *t) {
  cyf_model_attribute *attribute = &t->generator.model->attributes[t->in_model];
  cyf_strength_chosen *chosen = NULL;
  int64_t *generated = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(CYF_NEW(&chosen, t->n_classes));
  CYF_TRY_CLEANUP(CYF_NEW(&generated, t->n_classes));
  for (int64_t c = 0; c < t->n_classes; c++) generated[c] = t->n_of_class;
  const cyf_told told = {.n_classes = t->n_classes,
                         .n_strengths = N_STRENGTHS,
                         .strength = strengths,
                         .n_real = t->judge.n_real,
                         .real_right = t->judge.real_right,
                         .generated = generated,
                         .generated_right = t->generated_right};
  CYF_TRY_CLEANUP(cyf_choose_strengths(&told, chosen));
  say(t, chosen);
  cyf_free(attribute->guidance);
  CYF_TRY_CLEANUP(CYF_NEW(&attribute->guidance, t->n_classes));
  for (int64_t c = 0; c < t->n_classes; c++)
    attribute->guidance[c] = t->judge.n_real[c] > 0 ? chosen[c].strength : strengths[0];
cleanup:
  cyf_free(chosen);
  cyf_free(generated);
  return status;
}

/* Rank 0. */
static cyf_status fit_judge(trial *t) {
  CYF_TRY(CYF_NEW(&t->generated_right, N_STRENGTHS * t->n_classes));
  return cyf_judge_fit(&t->real, t->n_classes, &t->judge);
}

static cyf_status run(trial *t) {
  const bool is_root = cyf_comm_rank(t->comm) == 0;
  CYF_TRY(cyf_real_cells_read(t->comm, t->atlas, &t->generator.model->settings, t->in_atlas, &t->real));
  CYF_TRY(cyf_comm_agree(t->comm, is_root ? fit_judge(t) : CYF_OK));
  CYF_TRY(generate(t));
  return cyf_comm_agree(t->comm, is_root ? choose(t) : CYF_OK);
}

/* The model stays: it is the next trial's. */
static void end(trial *t, cyf_model **ret_model) {
  *ret_model = t->generator.model;
  t->generator.model = NULL;
  cyf_generator_close(&t->generator);
  cyf_real_cells_destroy(&t->real);
  cyf_judge_destroy(&t->judge);
  cyf_free(t->generated_right);
}

/* Whether something guides the attribute, and the atlas has its classes; *ret_in_atlas: its place there. */
static bool can_be_calibrated(const cyf_model *model, const cyf_atlas *atlas, int64_t attribute,
                              int64_t *ret_in_atlas) {
  const cyf_model_attribute *a = &model->attributes[attribute];
  *ret_in_atlas = cyf_atlas_find_attribute(atlas, a->name);
  if (a->classifier == NULL && cyf_model_condition(model, a->name) < 0) return false;
  if (*ret_in_atlas < 0 || a->categories.n < 2) return false;
  const cyf_names *theirs = &atlas->attributes[*ret_in_atlas].categories;
  bool same = theirs->n == a->categories.n;
  int64_t n_with_cells = 0;
  for (int64_t c = 0; c < a->categories.n && same; c++) {
    same = strcmp(theirs->name[c], a->categories.name[c]) == 0;
    n_with_cells += atlas->attributes[*ret_in_atlas].n_cells[c] > 0;
  }
  return same && n_with_cells >= 2;
}

/* What does not give numbers leaves the usual strengths; anything else fails. */
static cyf_status calibrate_attribute(cyf_comm *comm, const cyf_atlas *atlas, int64_t attribute, int64_t in_atlas,
                                      cyf_device *device, cyf_model **model) {
  trial t = {.comm = comm,
             .atlas = atlas,
             .in_model = attribute,
             .in_atlas = in_atlas,
             .n_classes = (*model)->attributes[attribute].categories.n,
             .generator = {.device = device, .model = *model}};
  const cyf_status status = run(&t);
  end(&t, model);
  if (status != CYF_ERR_NUMERIC) return status;
  cyf_warn("guidance of %s is not calibrated: %s", (*model)->attributes[attribute].name, cyf_status_message());
  cyf_status_clear();
  return CYF_OK;
}

/* Rank 0. The file is read again: others may have added classifiers meanwhile. */
static cyf_status write_strengths(cyf_comm *comm, const cyf_model *calibrated, const char *path) {
  cyf_model *model = NULL;
  int lock = -1;
  CYF_TRY(cyf_model_lock(path, "train", cyf_comm_timeout_s(comm) / 2, &lock));
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_model_load(path, calibrated->device, &model));
  for (int64_t i = 0; i < calibrated->n_attributes; i++) {
    const cyf_model_attribute *from = &calibrated->attributes[i];
    const int64_t at = cyf_model_attribute_index(model, from->name);
    if (from->guidance == NULL || at < 0 || model->attributes[at].categories.n != from->categories.n) continue;
    cyf_free(model->attributes[at].guidance);
    CYF_TRY_CLEANUP(CYF_NEW(&model->attributes[at].guidance, from->categories.n));
    memcpy(model->attributes[at].guidance, from->guidance, sizeof(double) * (size_t)from->categories.n);
  }
  status = cyf_model_save(model, path);
cleanup:
  cyf_model_unlock(path, &lock);
  cyf_model_destroy(&model);
  return status;
}

cyf_status cyf_calibrate(cyf_comm *comm, cyf_device *device, const char *model_path, const char *atlas_path) {
  cyf_model *model = NULL;
  cyf_atlas *atlas = NULL;
  int64_t in_atlas = 0, n_calibrated = 0;
  cyf_status status = cyf_model_load(model_path, device, &model);
  if (status == CYF_OK) status = cyf_atlas_open(atlas_path, &atlas);
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  if (model->denoiser == NULL || !model->settings.sample.calibrate) goto cleanup;
  atlas->verify = model->settings.data.verify;
  for (int64_t i = 0; i < model->n_attributes; i++) {
    if (!can_be_calibrated(model, atlas, i, &in_atlas)) continue;
    CYF_TRY_CLEANUP(calibrate_attribute(comm, atlas, i, in_atlas, device, &model));
    n_calibrated++;
  }
  if (n_calibrated > 0)
    status = cyf_comm_agree(comm, cyf_comm_rank(comm) == 0 ? write_strengths(comm, model, model_path) : CYF_OK);
cleanup:
  cyf_model_destroy(&model);
  cyf_atlas_close(&atlas);
  return status;
}
