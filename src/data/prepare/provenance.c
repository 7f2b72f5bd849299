/* SPDX-License-Identifier: MIT */
/* What the manifest tells of how an atlas was made: the options of `prepare`, and what became of the cells. */
#include <stdio.h>
#include <stdlib.h>

#include "base/config/yaml_doc.h"
#include "base/memory.h"
#include "data/prepare/job.h"

static void print_text(FILE *stream, const char *key, const char *text) {
  fprintf(stream, "  %s: ", key);
  cyf_yaml_write_quoted(stream, text ? text : "");
  fputs("\n", stream);
}

static void print_texts(FILE *stream, const char *key, const char *const *texts, int64_t n) {
  fprintf(stream, "  %s:%s\n", key, n ? "" : " []");
  for (int64_t i = 0; i < n; i++) {
    fputs("    - ", stream);
    cyf_yaml_write_quoted(stream, texts[i]);
    fputs("\n", stream);
  }
}

static void print_count(FILE *stream, const char *key, int64_t n) {
  fprintf(stream, "  %s: %lld\n", key, (long long)n);
}

static void print_options(FILE *stream, const cyf_prepare_options *options) {
  fputs("prepare:\n", stream);
  print_text(stream, "matrix", options->matrix ? options->matrix : "X");
  print_text(stream, "values", options->values);
  print_text(stream, "fractions", options->fractions ? options->fractions : "round");
  print_text(stream, "gene_list", options->genes_path);
  print_text(stream, "genes_join", cyf_genes_join_words[options->genes_join]);
  print_count(stream, "min_genes", options->min_genes);
  print_count(stream, "min_cells", options->min_cells);
  fprintf(stream, "  holdout: %.15g\n", options->holdout);
  print_texts(stream, "labels", options->labels, options->n_labels);
  print_text(stream, "label_map", options->label_map_path);
  print_text(stream, "gene_column", options->gene_column);
  print_texts(stream, "keep", options->keep, options->n_keep);
  print_texts(stream, "holdout_where", options->holdout_where, options->n_holdout_where);
  fprintf(stream, "  duplicates: %s\n", cyf_duplicates_words[options->duplicates]);
  print_text(stream, "id_column", options->id_column);
  fprintf(stream, "  compress: %s\n", options->compress ? "gzip" : "none");
  if (options->command_line) print_text(stream, "command", options->command_line);
  print_text(stream, "program", "cytoforge " CYF_VERSION);
}

static void print_totals(FILE *stream, const cyf_prepare_summary *summary) {
  fputs("totals:\n", stream);
  print_count(stream, "cells_in", summary->n_cells_in);
  print_count(stream, "cells_filtered", summary->n_cells_filtered);
  print_count(stream, "cells_repeated", summary->n_cells_repeated);
  print_count(stream, "cells_few_genes", summary->n_cells_few_genes);
  print_count(stream, "cells_train", summary->n_cells_train);
  print_count(stream, "cells_heldout", summary->n_cells_heldout);
  print_count(stream, "genes_in", summary->n_genes_in);
  print_count(stream, "genes_few_cells", summary->n_genes_few_cells);
  print_count(stream, "genes_missing", summary->n_genes_missing);
  print_count(stream, "genes_differ", summary->n_genes_differ);
  print_count(stream, "structural_zeros", summary->n_structural_zeros);
  print_count(stream, "bytes", summary->bytes);
}

cyf_status cyf_prepare_provenance(const cyf_prepare_options *options, const cyf_prepare_summary *summary,
                                  char **ret_text) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  *ret_text = NULL;
  if (!stream) return CYF_FAIL(CYF_ERR_MEMORY, "no memory for the manifest");
  print_options(stream, options);
  print_totals(stream, summary);
  const bool written = fclose(stream) == 0;
  const cyf_status status =
      written ? cyf_strdup(text, ret_text) : CYF_FAIL(CYF_ERR_MEMORY, "no memory for the manifest");
  free(text); /* from open_memstream */
  return status;
}
