/* SPDX-License-Identifier: MIT */
/* The journal's text holds everything that decides what the atlas is, so that equal text means an equal atlas. The
 * table of options says which of them do (options.h). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/prepare/job.h"

/* Prints a value so that it stays on one line, whatever it holds. */
static void print_text(FILE *stream, const char *text) {
  for (const char *c = text; *c; c++) {
    if (*c == '\n' || *c == '\\') fputc('\\', stream);
    fputc(*c == '\n' ? 'n' : *c, stream);
  }
}

static cyf_status print_file(FILE *stream, const cyf_prepare_job *job, const char *path) {
  const cyf_input *noted = cyf_inputs_find(&job->files, path);
  cyf_file_identity identity = {.bytes = -1};
  bool exists = false;
  CYF_TRY(cyf_file_exists(path, &exists));
  if (noted) {
    identity = noted->identity; /* what the work began with */
  } else if (exists) {
    CYF_TRY(cyf_file_identify(path, &identity));
  }
  print_text(stream, path);
  fprintf(stream, ": %" PRId64 " bytes, %" PRId64 ".%09" PRId64, identity.bytes, identity.changed_s,
          identity.changed_ns);
  return CYF_OK;
}

static void print_bins(FILE *stream, const cyf_label_bins *bins) {
  print_text(stream, bins->attribute);
  for (int e = 0; e < bins->n_edges; e++) fprintf(stream, " %.17g", bins->edge[e]);
}

/* Prints item i of a list, without the option's word. */
static cyf_status print_item(FILE *stream, const cyf_prepare_job *job, const cyf_prepare_option *option,
                             const void *list, int64_t i) {
  const char *const *texts = list;
  if (option->kind == CYF_PREPARE_BINS) {
    print_bins(stream, (const cyf_label_bins *)list + i);
  } else if (option->kind == CYF_PREPARE_INPUTS) {
    CYF_TRY(print_file(stream, job, texts[i]));
    fprintf(stream, ", %" PRId64 " cells, %" PRId64 " genes", job->input[i].n_cells, job->input[i].n_genes);
  } else {
    print_text(stream, texts[i]);
  }
  return CYF_OK;
}

/* Prints the value of an option that is no list, without the option's word. */
static cyf_status print_value(FILE *stream, const cyf_prepare_job *job, const cyf_prepare_option *option,
                              const void *value) {
  const char *text = NULL;
  switch (option->kind) {
    case CYF_PREPARE_TEXT:
    case CYF_PREPARE_MATRIX:
      text = *(const char *const *)value;
      print_text(stream, text ? text : option->kind == CYF_PREPARE_MATRIX ? "X" : "");
      break;
    case CYF_PREPARE_FILE:
      return print_file(stream, job, *(const char *const *)value);
    case CYF_PREPARE_INTEGER:
    case CYF_PREPARE_SIZE:
      fprintf(stream, "%" PRId64, *(const int64_t *)value);
      break;
    case CYF_PREPARE_SEED:
      fprintf(stream, "%" PRIu64, *(const uint64_t *)value);
      break;
    case CYF_PREPARE_REAL:
      fprintf(stream, "%.17g", *(const double *)value);
      break;
    case CYF_PREPARE_FLAG:
      fputs(*(const bool *)value ? "yes" : "no", stream);
      break;
    case CYF_PREPARE_GZIP:
      fputs(*(const bool *)value ? "gzip" : "none", stream);
      break;
    case CYF_PREPARE_DUPLICATES:
      fprintf(stream, "%d", (int)*(const cyf_duplicates *)value);
      break;
    case CYF_PREPARE_GENES_JOIN:
      fputs(cyf_genes_join_words[*(const cyf_genes_join *)value], stream);
      break;
    case CYF_PREPARE_TEXTS:
    case CYF_PREPARE_INPUTS:
    case CYF_PREPARE_BINS:
      break; /* lists */
  }
  return CYF_OK;
}

/* Whether a value that was not given has no line. Such options came after the first journals. */
static bool is_left_out(const cyf_prepare_option *option, const void *value) {
  return (option->kind == CYF_PREPARE_FILE && !*(const char *const *)value) ||
         (option->kind == CYF_PREPARE_GENES_JOIN && *(const cyf_genes_join *)value == CYF_GENES_JOIN_AUTO);
}

static cyf_status print_option(FILE *stream, const cyf_prepare_job *job, const cyf_prepare_option *option) {
  const char *options = (const char *)job->options, *value = options + option->offset;
  if (option->count_offset > 0) {
    const int64_t n = *(const int64_t *)(options + option->count_offset);
    const void *list = NULL;
    memcpy(&list, value, sizeof(list));
    for (int64_t i = 0; i < n; i++) {
      fprintf(stream, "%s ", option->journal);
      CYF_TRY(print_item(stream, job, option, list, i));
      fputc('\n', stream);
    }
  } else if (!is_left_out(option, value)) {
    fprintf(stream, "%s ", option->journal);
    CYF_TRY(print_value(stream, job, option, value));
    fputc('\n', stream);
  }
  return CYF_OK;
}

cyf_status cyf_prepare_journal_text(const cyf_prepare_job *job, char **ret_text) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  if (!stream) return CYF_FAIL(CYF_ERR_MEMORY, "no memory for the journal of %s", job->partial);
  fprintf(stream, "cytoforge prepare journal 3\nversion %s\n", CYF_VERSION);
  cyf_status status = CYF_OK;
  for (int i = 0; i < CYF_PREPARE_N_OPTIONS && status == CYF_OK; i++)
    if (cyf_prepare_option_table[i].journal) status = print_option(stream, job, &cyf_prepare_option_table[i]);
  if (fclose(stream) != 0) status = CYF_FAIL(CYF_ERR_MEMORY, "no memory for the journal");
  if (status == CYF_OK) status = cyf_strdup(text, ret_text);
  free(text); /* from open_memstream */
  return status;
}
