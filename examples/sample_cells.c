/* SPDX-License-Identifier: MIT */
/* Prints ten sampled cells, a line each: label, latent coordinates, and the genes that are expressed.
 *   sample_cells MODEL.h5 ATTRIBUTE=VALUE SEED
 * They are the first ten cells of `cytoforge sample -m MODEL.h5 --where ATTRIBUTE=VALUE --seed SEED`. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sample/generator.h"

enum { N_CELLS = 10 };

static void print_cell(const cyf_generator *g, const cyf_cell_block *block, int64_t i) {
  const cyf_condition *condition = &g->conditions.item[0];
  const cyf_model_attribute *attribute = &g->model->attributes[condition->attribute];
  printf("%s=%s\n ", attribute->name, attribute->categories.name[condition->code[i]]);
  for (int64_t c = 0; c < g->width; c++) printf(" %.9g", (double)block->latent[i * g->width + c]);
  printf("\n ");
  for (int64_t k = block->rows.indptr[i]; k < block->rows.indptr[i + 1]; k++)
    printf(" %s:%.9g", g->model->genes.name[block->rows.indices[k]], (double)block->rows.values[k]);
  printf("\n");
}

static cyf_status sample(char **argv, cyf_generator *g, cyf_cell_block *block) {
  const cyf_texts where = {(const char *[]){argv[2]}, 1}, guidance = {NULL, 0};
  const cyf_conditions_asked wanted = {.where = &where, .guidance = &guidance, .n_cells = N_CELLS};
  const cyf_generator_asked asked = {
      .command = "sample_cells", .conditions = &wanted, .reverse = {.seed = strtoll(argv[3], NULL, 10)}, .t_last = -1};
  CYF_TRY(cyf_generator_load(argv[1], g->device, g));
  CYF_TRY(cyf_generator_open(g, &asked));
  CYF_TRY(CYF_NEW(&block->latent, N_CELLS * g->width));
  cyf_csr_buffer_clear(&block->rows, g->model->genes.n);
  return cyf_generator_block(g, 0, block);
}

int main(int argc, char **argv) {
  cyf_device *device = NULL;
  cyf_generator g = {0};
  cyf_cell_block block = {.index = 0, .n_cells = N_CELLS};
  if (argc != 4) {
    fprintf(stderr, "usage: sample_cells MODEL.h5 ATTRIBUTE=VALUE SEED\n");
    return 2;
  }
  cyf_status status = cyf_device_create_cpu(1, &device);
  g.device = device;
  if (status == CYF_OK) status = sample(argv, &g, &block);
  for (int64_t i = 0; status == CYF_OK && i < N_CELLS; i++) print_cell(&g, &block, i);
  if (status != CYF_OK) fprintf(stderr, "sample_cells: %s\n", cyf_status_message());
  cyf_free(block.latent);
  cyf_csr_buffer_destroy(&block.rows);
  cyf_generator_close(&g);
  cyf_device_destroy(&device);
  return status != CYF_OK;
}
