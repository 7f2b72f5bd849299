/* SPDX-License-Identifier: MIT */
#include "train/auto_settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/loader/loader.h"

enum { REASON_MAX = 256 };

/* ---- the rule ---- */

/* The sizes that values were measured at: training cells of the reference data set, and cells that stages see there. */
static const double REFERENCE_CELLS = 2900;

/* The number of cells that a stage sees: `reference` at the reference size, and a power of the training cells beside
 * it. A small data set needs fewer steps and is learnt by heart by more; a large one shows each cell less often. */
static double cells_seen(const cyf_settings *settings, double n, double reference, double power_below,
                         double power_above) {
  static const double of_effort[] = {[CYF_EFFORT_QUICK] = 0.25, [CYF_EFFORT_NORMAL] = 1, [CYF_EFFORT_LONG] = 4};
  const double size = n / REFERENCE_CELLS;
  return reference * pow(size, size < 1 ? power_below : power_above) * of_effort[settings->effort];
}

static cyf_config_ints widths(int n, int64_t a, int64_t b, int64_t c, int64_t d) {
  return (cyf_config_ints){.n = n, .value = {a, b, c, d}};
}

/* A batch of about `cells`, as a multiple of the lanes. */
static int64_t whole_lanes(const cyf_settings *settings, int64_t cells) {
  const int64_t lanes = settings->data.lanes;
  return (cells + lanes - 1) / lanes * lanes;
}

/* At most two digits: 1234 -> 1200. */
static int64_t round_number(double value) {
  const double unit = pow(10, floor(log10(fmax(value, 10))) - 1);
  return (int64_t)(fmax(1, round(value / unit)) * unit);
}

/* 0.00123 -> 0.001 */
static double one_digit(double value) {
  const double unit = pow(10, floor(log10(value)));
  return round(value / unit) * unit;
}

/* Fills in one stage. What was said of it (`said`) is the base of what depends on it. */
static void plan_stage(const cyf_settings *settings, const cyf_stage_settings *said, double seen, int64_t batch_cells,
                       double learning_rate, cyf_stage_settings *plan) {
  const bool has_batch = said->batch_cells != INT64_MIN, has_steps = said->steps != INT64_MIN;
  plan->batch_cells = has_batch ? said->batch_cells : whole_lanes(settings, batch_cells);
  plan->steps = has_steps ? said->steps : round_number(seen / (double)plan->batch_cells / (double)said->accumulate);
  if (!has_steps && plan->steps < said->warmup_steps) plan->steps = said->warmup_steps;
  plan->learning_rate = learning_rate;
  plan->rate_schedule = CYF_RATE_COSINE;
  plan->validate_every = round_number(fmax(1, (double)plan->steps / 10));
}

static void plan_autoencoder(const cyf_settings *settings, double n, cyf_settings *plan) {
  plan->autoencoder.hidden = n < 3e4   ? widths(2, 256, 256, 0, 0)
                             : n < 2e5 ? widths(2, 512, 512, 0, 0)
                             : n < 2e6 ? widths(2, 1024, 1024, 0, 0)
                                       : widths(3, 1024, 1024, 1024, 0);
  plan->autoencoder.latent = n < 5e3 ? 16 : n < 3e4 ? 32 : n < 2e6 ? 64 : 128;
  if (settings->autoencoder.init[0] != '\0') { /* the widths of the published files */
    plan->autoencoder.hidden = widths(3, 1024, 1024, 1024, 0);
    plan->autoencoder.latent = 128;
  }
  plan_stage(settings, &settings->autoencoder.stage, cells_seen(settings, n, 64e3, 0.5, 0.65),
             n < 1000  ? 64
             : n < 2e5 ? 128
             : n < 2e6 ? 512
                       : 2048,
             1e-3, &plan->autoencoder.stage);
}

static void plan_denoiser(const cyf_settings *settings, double n, cyf_settings *plan) {
  plan->denoiser.hidden = n < 1e5   ? widths(4, 512, 512, 256, 128)
                          : n < 2e6 ? widths(4, 1024, 1024, 512, 256)
                                    : widths(4, 2048, 2048, 1024, 512);
  plan_stage(settings, &settings->denoiser.stage, cells_seen(settings, n, 768e3, 0.5, 0.4),
             n < 1e5   ? 256
             : n < 2e6 ? 512
                       : 2048,
             1e-3, &plan->denoiser.stage);
  /* An average over the last tenth of the steps or so. */
  plan->denoiser.stage.ema_decay = fmin(0.9999, fmax(0.9, 1 - one_digit(3.0 / (double)plan->denoiser.stage.steps)));
}

static void plan_classifier(const cyf_settings *settings, double n, cyf_settings *plan) {
  plan->classifier.hidden = n < 2e6 ? widths(3, 512, 512, 256, 0) : widths(3, 1024, 1024, 512, 0);
  plan_stage(settings, &settings->classifier.stage, cells_seen(settings, n, 128e3, 0.5, 0.4),
             n < 1e5   ? 256
             : n < 2e6 ? 512
                       : 2048,
             1e-3, &plan->classifier.stage);
}

/* Why the denoiser is not told this label; NULL: it is. */
static const char *reason_against(const cyf_auto_label *label, int n_conditions) {
  enum { CELLS_A_CLASS = 10 };
  if (label->n_classes < 2) return "it has fewer than two classes";
  if (label->n_classes * CELLS_A_CLASS > label->n_cells) return "its classes have fewer than 10 cells on average";
  if (n_conditions == CYF_DENOISER_CONDITIONS_MAX) return "a denoiser takes 8 labels, the first that can be";
  return NULL;
}

static cyf_status plan_conditions(const cyf_auto_facts *facts, bool tells, cyf_settings *plan) {
  cyf_config_texts *conditions = &plan->denoiser.conditions;
  conditions->n = 0;
  for (int64_t i = 0; i < facts->n_labels; i++) {
    const cyf_auto_label *label = &facts->labels[i];
    const char *against = reason_against(label, conditions->n);
    if (against == NULL) {
      CYF_TRY(cyf_strdup(label->name, &conditions->value[conditions->n]));
      conditions->n++;
    } else if (tells) {
      cyf_info("auto: the denoiser is not told %s, since %s%s", label->name, against,
               label->n_classes < 2 ? "" : "; it gets a classifier alone");
    }
  }
  return CYF_OK;
}

/* ---- telling it ---- */

/* Keys that have one reason. */
typedef struct group {
  const char *section; /* "denoiser." */
  const char *keys[8]; /* without it, up to a NULL */
  char reason[REASON_MAX];
} group;

/* Appends "key value" of each key that was chosen. */
static cyf_status list_chosen(const group *g, const cyf_settings *said, const cyf_settings *settings, char **text) {
  const cyf_config_schema *schema = cyf_settings_schema();
  char path[64], *value = NULL, *longer = NULL;
  cyf_status status = CYF_OK;
  for (const char *const *key = g->keys; *key != NULL && status == CYF_OK; key++) {
    snprintf(path, sizeof path, "%s%s", g->section, *key);
    const cyf_config_field *field = cyf_config_find(schema, path);
    if (!cyf_config_is_auto(field, said)) continue;
    status = cyf_config_value_text(field, settings, &value);
    if (status == CYF_OK)
      status = *text == NULL ? cyf_format(&longer, "%s %s", path, value)
                             : cyf_format(&longer, "%s, %s %s", *text, *key, value);
    cyf_free(value);
    if (status != CYF_OK) break;
    cyf_free(*text);
    *text = longer;
    longer = NULL;
  }
  return status;
}

static cyf_status tell(const group *g, const cyf_settings *said, const cyf_settings *settings) {
  char *text = NULL;
  const cyf_status status = list_chosen(g, said, settings, &text);
  if (status == CYF_OK && text != NULL) cyf_info("auto: %s (%s)", text, g->reason);
  cyf_free(text);
  return status;
}

/* "64000 cells seen, 22.3 times each of 2866 training cells" */
static void reason_of_stage(const cyf_stage_settings *stage, double n, const char *effort, char reason[REASON_MAX]) {
  const double seen = (double)(stage->steps * stage->accumulate) * (double)stage->batch_cells;
  snprintf(reason, REASON_MAX, "effort %s: %.0f cells seen, each of %.0f about %.3g times", effort, seen, n, seen / n);
}

static cyf_status tell_all(const cyf_auto_facts *facts, double n, const cyf_settings *said,
                           const cyf_settings *settings) {
#define OF_STAGE \
  { "steps", "batch_cells", "learning_rate", "rate_schedule", "validate_every" }
  const char *effort = cyf_effort_words[settings->effort];
  group groups[] = {{"autoencoder.", {"likelihood"}, ""}, {"autoencoder.", {"hidden", "latent"}, ""},
                    {"autoencoder.", OF_STAGE, ""},       {"denoiser.", {"conditions"}, "labels of the atlas"},
                    {"denoiser.", {"hidden"}, ""},        {"denoiser.", OF_STAGE, ""},
                    {"denoiser.", {"ema_decay"}, ""},     {"classifier.", {"hidden"}, ""},
                    {"classifier.", OF_STAGE, ""}};
#undef OF_STAGE
  snprintf(groups[0].reason, REASON_MAX, "%s",
           facts->has_counts ? "the atlas holds counts" : "the atlas has no counts");
  snprintf(groups[1].reason, REASON_MAX,
           settings->autoencoder.init[0] != '\0' ? "as autoencoder.init has them"
                                                 : "%.0f training cells; wider ones learn few cells by heart",
           n);
  snprintf(groups[4].reason, REASON_MAX, "%.0f training cells", n);
  snprintf(groups[6].reason, REASON_MAX, "3 over the steps short of 1");
  snprintf(groups[7].reason, REASON_MAX, "%.0f training cells", n);
  reason_of_stage(&settings->autoencoder.stage, n, effort, groups[2].reason);
  reason_of_stage(&settings->denoiser.stage, n, effort, groups[5].reason);
  reason_of_stage(&settings->classifier.stage, n, effort, groups[8].reason);
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) CYF_TRY(tell(&groups[i], said, settings));
  return CYF_OK;
}

static void warn_of_values(const cyf_auto_facts *facts, bool chosen) {
  if (chosen && !facts->has_counts)
    cyf_warn(
        "the atlas holds no counts, so the autoencoder is trained by squared error: cells will be smooth, without the "
        "noise of counts. Where the files have counts, prepare the atlas from them (--matrix layers/counts)");
}

/* ---- choosing ---- */

static bool is_auto(const char *path, const cyf_settings *settings) {
  return cyf_config_is_auto(cyf_config_find(cyf_settings_schema(), path), settings);
}

static bool any_auto(const cyf_settings *settings) {
  const cyf_config_schema *schema = cyf_settings_schema();
  for (size_t i = 0; i < schema->n_fields; i++)
    if (cyf_config_is_auto(&schema->fields[i], settings)) return true;
  return false;
}

static cyf_status take_plan(const cyf_settings *plan, cyf_settings *settings) {
  const cyf_config_schema *schema = cyf_settings_schema();
  for (size_t i = 0; i < schema->n_fields; i++)
    if (cyf_config_is_auto(&schema->fields[i], settings))
      CYF_TRY(cyf_config_copy_value(&schema->fields[i], plan, settings));
  return CYF_OK;
}

cyf_status cyf_auto_settings_choose(const cyf_auto_facts *facts, cyf_settings *settings) {
  cyf_settings said = {0}, plan = {0};
  const double n = fmax(1, (double)facts->n_cells * (1 - settings->data.validation));
  cyf_status status;
  if (!any_auto(settings)) return CYF_OK;
  said = *settings; /* its texts are not touched: what is at auto has none */
  CYF_TRY_CLEANUP(cyf_config_defaults(cyf_settings_schema(), &plan));
  plan.autoencoder.likelihood = facts->has_counts ? CYF_LIKELIHOOD_NB : CYF_LIKELIHOOD_MSE;
  plan_autoencoder(settings, n, &plan);
  plan_denoiser(settings, n, &plan);
  plan_classifier(settings, n, &plan);
  CYF_TRY_CLEANUP(plan_conditions(facts, is_auto("denoiser.conditions", settings), &plan));
  CYF_TRY_CLEANUP(take_plan(&plan, settings));
  CYF_TRY_CLEANUP(tell_all(facts, n, &said, settings));
  warn_of_values(facts, is_auto("autoencoder.likelihood", &said));
  status = cyf_settings_check(settings);
cleanup:
  cyf_settings_destroy(&plan);
  return status;
}

cyf_status cyf_auto_settings_for_atlas(const cyf_atlas *atlas, cyf_settings *settings) {
  cyf_auto_label *labels = NULL;
  CYF_TRY(CYF_NEW(&labels, atlas->n_attributes));
  for (int64_t a = 0; a < atlas->n_attributes; a++) {
    const cyf_attribute *from = &atlas->attributes[a];
    labels[a].name = from->name;
    for (int64_t c = 0; c < from->categories.n; c++) {
      labels[a].n_classes += from->n_cells[c] > 0;
      labels[a].n_cells += from->n_cells[c];
    }
  }
  const cyf_auto_facts facts = {.n_cells = atlas->n_cells,
                                .n_genes = atlas->n_genes,
                                .has_counts = atlas->kind == CYF_EXPRESSION_COUNTS,
                                .labels = labels,
                                .n_labels = atlas->n_attributes};
  const cyf_status status = cyf_auto_settings_choose(&facts, settings);
  cyf_free(labels);
  return status;
}
