/* SPDX-License-Identifier: MIT */
#include "evaluate/compared.h"

#include "base/memory.h"

/* Fewer real cells than this have no halves worth comparing. */
enum { LEAST_CELLS_TO_HALVE = 8 };

static void part_destroy(cyf_part *part) {
  cyf_free(part->cell);
  cyf_rows_destroy(&part->rows);
  *part = (cyf_part){0};
}

/* Takes over *cell (n entries, freed on error too). */
static cyf_status part_of(const cyf_cells *cells, int64_t **cell, int64_t n, cyf_part *ret_part) {
  *ret_part = (cyf_part){.cells = cells, .cell = *cell};
  *cell = NULL;
  cyf_status status = cyf_rows_create(&cells->matrix, ret_part->cell, n, &ret_part->rows);
  if (status != CYF_OK) part_destroy(ret_part);
  return status;
}

/* n cells of a set, drawn by (seed, use). */
static cyf_status part_drawn(const cyf_cells *cells, uint64_t seed, uint32_t use, int64_t n, cyf_part *ret_part) {
  int64_t *chosen = NULL;
  CYF_TRY(cyf_choose(seed, use, cells->matrix.n_cells, n, &chosen));
  return part_of(cells, &chosen, n, ret_part);
}

static cyf_status settle_kind(const cyf_cells *real, const cyf_cells *train, cyf_ceiling_kind asked,
                              cyf_ceiling_kind *ret_kind) {
  bool can_halve = real->matrix.n_cells >= LEAST_CELLS_TO_HALVE;
  *ret_kind = asked;
  if (asked == CYF_CEILING_AUTO) {
    *ret_kind = train ? CYF_CEILING_TRAIN : can_halve ? CYF_CEILING_HALVES : CYF_CEILING_NONE;
  } else if (asked == CYF_CEILING_TRAIN && !train) {
    return CYF_FAIL(CYF_ERR_USAGE,
                    "evaluate: a ceiling from training cells needs training cells; possible without: "
                    "halves, none");
  } else if (asked == CYF_CEILING_HALVES && !can_halve) {
    return CYF_FAIL(CYF_ERR_USAGE, "evaluate: %lld real cells are too few to halve; %d are needed, or another ceiling",
                    (long long)real->matrix.n_cells, LEAST_CELLS_TO_HALVE);
  }
  return CYF_OK;
}

/* One half of the real cells is compared. Some cells of the other half become the ceiling cells. Where there are no
 * training cells, all of that half takes their place. */
static cyf_status halve(const cyf_cells *real, int64_t n_synthetic, bool has_train, uint64_t seed, cyf_compared *c) {
  cyf_status status = CYF_OK;
  int64_t n = real->matrix.n_cells, n_other = n / 2, n_first = 0, n_rest = 0;
  int64_t n_ceiling = n_other < n_synthetic ? n_other : n_synthetic;
  int64_t *other = NULL, *first = NULL, *place = NULL, *drawn = NULL;
  CYF_TRY_CLEANUP(cyf_choose(seed, CYF_USE_HALVES, n, n_other, &other));
  CYF_TRY_CLEANUP(CYF_NEW(&first, n - n_other));
  for (int64_t i = 0; i < n; i++) {
    if (n_rest < n_other && other[n_rest] == i) {
      n_rest++;
    } else {
      first[n_first++] = i;
    }
  }
  CYF_TRY_CLEANUP(part_of(real, &first, n_first, &c->real));
  CYF_TRY_CLEANUP(cyf_choose(seed, CYF_USE_TRAIN, n_other, n_ceiling, &place));
  CYF_TRY_CLEANUP(CYF_NEW(&drawn, n_ceiling));
  for (int64_t i = 0; i < n_ceiling; i++) drawn[i] = other[place[i]];
  CYF_TRY_CLEANUP(part_of(real, &drawn, n_ceiling, &c->ceiling));
  if (!has_train) CYF_TRY_CLEANUP(part_of(real, &other, n_other, &c->train));
cleanup:
  cyf_free(other);
  cyf_free(first);
  cyf_free(place);
  cyf_free(drawn);
  return status;
}

cyf_status cyf_compared_create(const cyf_cells *real, const cyf_cells *synthetic, const cyf_cells *train,
                               const cyf_evaluate_options *options, cyf_compared *c) {
  int64_t n = synthetic->matrix.n_cells, n_real = real->matrix.n_cells;
  *c = (cyf_compared){0};
  CYF_TRY(settle_kind(real, train, options->ceiling, &c->kind));
  if (train) CYF_TRY(part_drawn(train, options->seed, CYF_USE_TRAIN, train->matrix.n_cells, &c->train));
  if (c->kind == CYF_CEILING_HALVES) {
    CYF_TRY(halve(real, n, train != NULL, options->seed, c));
    n = c->ceiling.rows.n_cells;
  } else {
    CYF_TRY(part_drawn(real, options->seed, CYF_USE_HALVES, n_real, &c->real));
  }
  if (c->kind == CYF_CEILING_TRAIN) {
    if (train->matrix.n_cells < n) n = train->matrix.n_cells;
    CYF_TRY(part_drawn(train, options->seed, CYF_USE_TRAIN, n, &c->ceiling));
  }
  return part_drawn(synthetic, options->seed, CYF_USE_SYNTHETIC, n, &c->synthetic);
}

void cyf_compared_destroy(cyf_compared *c) {
  part_destroy(&c->real);
  part_destroy(&c->synthetic);
  part_destroy(&c->ceiling);
  part_destroy(&c->train);
}

static cyf_status project(const cyf_pca *pca, const cyf_part *part, double **ret_points) {
  CYF_TRY(CYF_NEW(ret_points, part->rows.n_cells * pca->n_components));
  return cyf_pca_project(pca, &part->rows, *ret_points);
}

cyf_status cyf_train_space_create(const cyf_compared *c, const cyf_evaluate_options *options,
                                  cyf_train_space *ret_space) {
  cyf_status status = CYF_OK;
  cyf_pca pca = {0};
  *ret_space = (cyf_train_space){0};
  if (!c->train.cells) return CYF_OK;
  CYF_TRY_CLEANUP(cyf_pca_fit(&c->train.rows, options->n_components, options->pca_exact_limit, options->seed, &pca));
  ret_space->n_components = pca.n_components;
  CYF_TRY_CLEANUP(project(&pca, &c->train, &ret_space->train));
  CYF_TRY_CLEANUP(project(&pca, &c->real, &ret_space->real));
  CYF_TRY_CLEANUP(project(&pca, &c->synthetic, &ret_space->synthetic));
cleanup:
  cyf_pca_destroy(&pca);
  return status;
}

void cyf_train_space_destroy(cyf_train_space *space) {
  cyf_free(space->train);
  cyf_free(space->real);
  cyf_free(space->synthetic);
}
