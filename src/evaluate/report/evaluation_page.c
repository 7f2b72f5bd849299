/* SPDX-License-Identifier: MIT */
#include "evaluate/report/evaluation_page.h"

#include <stdlib.h>

#include "base/files.h"
#include "base/lock.h"
#include "base/memory.h"
#include "evaluate/report/measure_list.h"
#include "evaluate/report/page_figures.h"
#include "figures/page.h"

static void put_cell(FILE *page, double value) {
  char text[CYF_NUMBER_LENGTH];
  fprintf(page, "<td>%s</td>", cyf_number_text(value, text));
}

/* ---- tables ---- */

static void put_set(FILE *page, const char *what, const cyf_set_summary *set) {
  if (set->n_cells == 0) return;
  fprintf(page, "<tr><td>%s</td><td class=\"text\"><code>", what);
  cyf_page_put_text(page, set->name);
  fprintf(page, "</code></td><td>%lld</td><td>%lld</td>", (long long)set->n_cells_in_file,
          (long long)set->n_cells_used);
  put_cell(page, set->genes_per_cell);
  put_cell(page, set->zero_fraction);
  fputs("</tr>\n", page);
}

static void put_sets(FILE *page, const cyf_evaluation *e) {
  fputs(
      "<section><h2>Cells</h2>\n<div class=\"wide\"><table><thead><tr><th>set</th><th "
      "class=\"text\">file</th><th>cells "
      "in file</th><th>cells used</th><th>detected genes a cell</th><th>zeros, share</th></tr></thead><tbody>\n",
      page);
  put_set(page, "real", &e->real);
  put_set(page, "synthetic", &e->synthetic);
  put_set(page, "ceiling", &e->ceiling);
  put_set(page, "training", &e->train);
  fputs("</tbody></table></div>\n", page);
  fprintf(page,
          "<p>%lld genes; %lld of them, detected in at least %lld %s cells, in the correlations. Expression is "
          "log1p(counts / total &times; 10<sup>4</sup>).</p></section>\n",
          (long long)e->n_genes, (long long)e->n_genes_compared, (long long)e->options.min_cells,
          e->has_train ? "training" : "real");
}

static cyf_status put_measures(FILE *page, const cyf_evaluation *e) {
  char *ceiling = NULL;
  CYF_TRY(cyf_ceiling_text(e, &ceiling));
  fputs(
      "<section><h2>Measures</h2>\n<div class=\"wide\"><table><thead><tr><th>measure</th><th>synthetic</th>"
      "<th>ceiling</th><th class=\"text\">better</th></tr></thead><tbody>\n",
      page);
  for (int m = 0; m < CYF_N_MEASURES; m++) {
    if (!cyf_measure_is_taken(e, &cyf_measures[m])) continue;
    const cyf_score *score = cyf_measure_score(e, &cyf_measures[m]);
    fprintf(page, "<tr><td>%s<small>%s</small></td>", cyf_measures[m].title, cyf_measures[m].about);
    put_cell(page, score->value);
    put_cell(page, score->ceiling);
    fprintf(page, "<td class=\"text\">%s</td></tr>\n", cyf_measures[m].best);
  }
  if (e->labels.available) {
    fputs(
        "<tr><td>label accuracy<small>Share of cells that a classifier of real cells gives their own "
        "label.</small></td>",
        page);
    put_cell(page, e->labels.accuracy_synthetic);
    put_cell(page, e->labels.accuracy_real);
    fputs("<td class=\"text\">higher</td></tr>\n", page);
  }
  fprintf(page,
          "</tbody></table></div>\n<p>Ceiling: %s. It is what a perfect generator would score here; it comes from one "
          "draw, so small differences mean nothing.</p>\n",
          ceiling);
  cyf_free(ceiling);
  if (e->memorisation.available && e->train.n_cells_in_file > e->train.n_cells) {
    fprintf(page, "<p>Only %lld of %lld training cells were searched for copies.</p>\n", (long long)e->train.n_cells,
            (long long)e->train.n_cells_in_file);
  }
  if (!e->labels.available) {
    fputs("<p>Nothing by type: ", page);
    cyf_page_put_text(page, e->labels.note ? e->labels.note : "no labels");
    fputs(".</p>\n", page);
  }
  fputs("</section>\n", page);
  return CYF_OK;
}

static void put_classes(FILE *page, const cyf_label_scores *l) {
  if (!l->available) return;
  fputs("<section><h2>Table by type</h2>\n<div class=\"wide\"><table><thead><tr><th>", page);
  cyf_page_put_text(page, l->attribute);
  fputs(
      "</th><th>accuracy</th><th>gene means, Spearman</th><th>markers in common</th><th>MMD</th><th>synthetic "
      "cells</th>"
      "<th>real cells</th><th>training cells</th></tr></thead><tbody>\n",
      page);
  for (int64_t c = 0; c < l->n_classes; c++) {
    const cyf_class_score *k = &l->classes[c];
    const cyf_score *const scores[4] = {&k->accuracy, &k->mean_spearman, &k->markers, &k->mmd};
    char value[CYF_NUMBER_LENGTH], ceiling[CYF_NUMBER_LENGTH];
    fputs("<tr><td>", page);
    cyf_page_put_text(page, k->name);
    fputs("</td>", page);
    for (int m = 0; m < 4; m++) {
      fprintf(page, "<td>%s<small>%s</small></td>", cyf_number_text(scores[m]->value, value),
              cyf_number_text(scores[m]->ceiling, ceiling));
    }
    fprintf(page, "<td>%lld</td><td>%lld</td><td>%lld</td></tr>\n", (long long)k->n_synthetic, (long long)k->n_real,
            (long long)k->n_train);
  }
  fprintf(page,
          "</tbody></table></div>\n<p>Small print under each number: its ceiling. Markers: the top %lld genes of each "
          "type by a rank-sum test against all other cells of the same set.</p></section>\n",
          (long long)l->n_markers);
}

static void put_protocol(FILE *page, const cyf_evaluation *e) {
  const cyf_evaluate_options *o = &e->options;
  fprintf(page,
          "<section><h2>Protocol</h2>\n<p>%lld joint principal components (%s). Random forest: %lld trees of depth "
          "%lld, tested on %.0f %% of the cells. LISI: perplexity %g. MMD: biased, squared, sum of five Gaussian "
          "kernels. Labels: logistic regression on the training cells' components, L2 weight %g. Seed %lld. Every "
          "number with all its digits: <a href=\"evaluation.json\">evaluation.json</a>.</p></section>\n",
          (long long)e->n_components, e->pca_randomised ? "randomised" : "exact", (long long)o->n_trees,
          (long long)o->tree_depth, 100.0 * o->test_fraction, o->lisi_perplexity, o->logistic_l2, (long long)o->seed);
}

static cyf_status put_page(FILE *page, const cyf_evaluation *e, const cyf_page_figure *figures) {
  cyf_page_begin(page, "How real are these cells?");
  fprintf(page, "<p>%lld synthetic cells of <code>", (long long)e->synthetic.n_cells_used);
  cyf_page_put_text(page, e->synthetic.name);
  fprintf(page, "</code> compared with %lld real cells of <code>", (long long)e->real.n_cells_used);
  cyf_page_put_text(page, e->real.name);
  fputs("</code>.</p>\n", page);
  CYF_TRY(put_measures(page, e));
  for (int f = 0; f < CYF_N_PAGE_FIGURES; f++) cyf_page_put_figure(page, &figures[f], f + 1);
  put_classes(page, &e->labels);
  put_sets(page, e);
  put_protocol(page, e);
  cyf_page_end(page);
  return CYF_OK;
}

/* ---- files ---- */

/* Writes what `put` prints. */
static cyf_status write_printed(const char *directory, const char *name, const char *ending, const cyf_evaluation *e,
                                const cyf_page_figure *figures) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  if (!stream) return CYF_FAIL(CYF_ERR_MEMORY, "out of memory for the evaluation's page");
  cyf_status status = figures ? put_page(stream, e, figures) : cyf_evaluation_print_json(e, stream);
  if (fclose(stream) != 0 && status == CYF_OK) {
    status = CYF_FAIL(CYF_ERR_MEMORY, "out of memory for the evaluation's page");
  }
  if (status == CYF_OK) status = cyf_page_write_file(directory, name, ending, text);
  free(text);
  return status;
}

cyf_status cyf_evaluation_write_page(const cyf_evaluation *e, const cyf_path_cells *path, const char *directory) {
  cyf_status status = CYF_OK;
  int lock = -1;
  cyf_page_figure figures[CYF_N_PAGE_FIGURES] = {{0}};
  CYF_TRY_CLEANUP(cyf_page_figures_create(e, path, figures));
  CYF_TRY_CLEANUP(cyf_make_directory(directory));
  CYF_TRY_CLEANUP(cyf_lock_folder(directory, "evaluate", &lock));
  for (int f = 0; f < CYF_N_PAGE_FIGURES; f++) {
    if (figures[f].svg) CYF_TRY_CLEANUP(cyf_page_write_file(directory, figures[f].name, ".svg", figures[f].svg));
  }
  CYF_TRY_CLEANUP(write_printed(directory, "evaluation", ".json", e, NULL));
  CYF_TRY_CLEANUP(write_printed(directory, "index", ".html", e, figures));
cleanup:
  cyf_lock_release_folder(directory, &lock);
  cyf_page_figures_destroy(figures);
  return status;
}
