/* SPDX-License-Identifier: MIT */
#include "data/prepare/counts.h"

#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "data/prepare/job.h"
#include "data/prepare/spill.h"

#define CHECKSUM_MASK ((UINT64_C(1) << 48) - 1)

/* What packed counts begin with. The checksums of names follow, and then the packed numbers. */
typedef struct counts_header {
  int64_t n_train, n_heldout, label_checksum, heldout_label_checksum, has_names;
} counts_header;

cyf_status cyf_unit_counts_create(int64_t n_genes, const cyf_attribute *attribute, int64_t n_attributes,
                                  int64_t unit_cells, bool with_names, cyf_unit_counts *counts) {
  *counts = (cyf_unit_counts){.n_genes = n_genes, .n_attributes = n_attributes};
  CYF_TRY(CYF_NEW(&counts->gene, n_genes));
  CYF_TRY(CYF_NEW(&counts->label_cells, n_attributes));
  CYF_TRY(CYF_NEW(&counts->n_categories, n_attributes));
  for (int64_t a = 0; a < n_attributes; a++) {
    counts->n_categories[a] = attribute[a].categories.n;
    CYF_TRY(CYF_NEW(&counts->label_cells[a], counts->n_categories[a]));
  }
  if (!with_names) return CYF_OK;
  CYF_TRY(CYF_NEW(&counts->train_name, unit_cells));
  return CYF_NEW(&counts->heldout_name, unit_cells);
}

void cyf_unit_counts_clear(cyf_unit_counts *counts) {
  memset(counts->gene, 0, (size_t)counts->n_genes * sizeof(*counts->gene));
  for (int64_t a = 0; a < counts->n_attributes; a++)
    memset(counts->label_cells[a], 0, (size_t)counts->n_categories[a] * sizeof(int64_t));
  counts->label_checksum = counts->heldout_label_checksum = counts->n_train = counts->n_heldout = 0;
}

void cyf_unit_counts_destroy(cyf_unit_counts *counts) {
  cyf_free(counts->gene);
  for (int64_t a = 0; counts->label_cells && a < counts->n_attributes; a++) cyf_free(counts->label_cells[a]);
  cyf_free(counts->label_cells);
  cyf_free(counts->n_categories);
  cyf_free(counts->train_name);
  cyf_free(counts->heldout_name);
}

static uint8_t *pack_values(const cyf_value_counts *values, uint8_t *to) {
  to = cyf_pack_number((uint64_t)values->cells, to);
  if (values->cells == 0) return to;
  to = cyf_pack_number(values->checksum & CHECKSUM_MASK, to);
  return cyf_pack_number((uint64_t)values->sum, to);
}

/* Adds packed values; NULL where they are damaged. */
static const uint8_t *add_values(const uint8_t *at, const uint8_t *end, cyf_value_counts *values) {
  uint64_t cells = 0, checksum = 0, sum = 0;
  if (!(at = cyf_unpack_number(at, end, &cells)) || cells == 0) return at;
  if (!(at = cyf_unpack_number(at, end, &checksum)) || !(at = cyf_unpack_number(at, end, &sum))) return NULL;
  values->cells += (int64_t)cells;
  values->checksum = (values->checksum + checksum) & CHECKSUM_MASK;
  values->sum += (int64_t)sum;
  return at;
}

cyf_status cyf_unit_counts_pack(const cyf_unit_counts *counts, uint8_t **ret_bytes, int64_t *ret_n_bytes) {
  const counts_header header = {counts->n_train, counts->n_heldout, counts->label_checksum,
                                counts->heldout_label_checksum, counts->train_name != NULL};
  const int64_t n_names = counts->train_name ? counts->n_train + counts->n_heldout : 0;
  int64_t n_labels = 0;
  for (int64_t a = 0; a < counts->n_attributes; a++) n_labels += counts->n_categories[a];
  uint8_t *bytes = NULL;
  const int64_t most = (int64_t)sizeof(header) + 8 * n_names + CYF_PACKED_BYTES_MAX * (n_labels + 6 * counts->n_genes);
  CYF_TRY(CYF_NEW(&bytes, most));
  memcpy(bytes, &header, sizeof(header));
  uint8_t *to = bytes + sizeof(header);
  if (n_names > 0) {
    memcpy(to, counts->train_name, (size_t)counts->n_train * 8);
    memcpy(to + 8 * counts->n_train, counts->heldout_name, (size_t)counts->n_heldout * 8);
    to += 8 * n_names;
  }
  for (int64_t a = 0; a < counts->n_attributes; a++)
    for (int64_t c = 0; c < counts->n_categories[a]; c++) to = cyf_pack_number((uint64_t)counts->label_cells[a][c], to);
  for (int64_t g = 0; g < counts->n_genes; g++) {
    to = pack_values(&counts->gene[g].train, to);
    to = pack_values(&counts->gene[g].heldout, to);
  }
  *ret_bytes = bytes;
  *ret_n_bytes = to - bytes;
  return CYF_OK;
}

static cyf_status damaged(void) {
  return CYF_FAIL(CYF_ERR_IO, "the counts of a spill file are damaged; begin anew with --fresh");
}

/* Header and names of packed counts; *ret_at is where the numbers begin. */
static cyf_status read_header(const uint8_t *bytes, int64_t n_bytes, counts_header *header, const uint8_t **ret_at) {
  const int64_t left = n_bytes - (int64_t)sizeof(*header);
  if (left < 0) return damaged();
  memcpy(header, bytes, sizeof(*header));
  const int64_t most = left / 8;
  if (header->n_train < 0 || header->n_heldout < 0 ||
      (header->has_names && (header->n_train > most || header->n_heldout > most - header->n_train)))
    return damaged();
  *ret_at = bytes + sizeof(*header) + (header->has_names ? 8 * (header->n_train + header->n_heldout) : 0);
  return CYF_OK;
}

cyf_status cyf_unit_counts_add(const uint8_t *bytes, int64_t n_bytes, cyf_unit_counts *counts) {
  counts_header header;
  const uint8_t *at = NULL, *end = bytes + n_bytes;
  uint64_t number = 0;
  CYF_TRY(read_header(bytes, n_bytes, &header, &at));
  counts->n_train += header.n_train;
  counts->n_heldout += header.n_heldout;
  counts->label_checksum = cyf_checksum_add(counts->label_checksum, header.label_checksum);
  counts->heldout_label_checksum = cyf_checksum_add(counts->heldout_label_checksum, header.heldout_label_checksum);
  for (int64_t a = 0; a < counts->n_attributes; a++)
    for (int64_t c = 0; c < counts->n_categories[a]; c++) {
      if (!(at = cyf_unpack_number(at, end, &number))) return damaged();
      counts->label_cells[a][c] += (int64_t)number;
    }
  for (int64_t g = 0; g < counts->n_genes; g++)
    if (!(at = add_values(at, end, &counts->gene[g].train)) || !(at = add_values(at, end, &counts->gene[g].heldout)))
      return damaged();
  return at == end ? CYF_OK : damaged();
}

cyf_status cyf_unit_counts_names(const uint8_t *bytes, int64_t n_bytes, bool train, const uint8_t **ret_names,
                                 int64_t *ret_n) {
  counts_header header;
  const uint8_t *at = NULL;
  CYF_TRY(read_header(bytes, n_bytes, &header, &at));
  if (!header.has_names) return damaged();
  *ret_names = bytes + sizeof(header) + (train ? 0 : 8 * header.n_train);
  *ret_n = train ? header.n_train : header.n_heldout;
  return CYF_OK;
}
