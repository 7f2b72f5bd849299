/* SPDX-License-Identifier: MIT */
#include "train/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/partial.h"

static cyf_status open_for_append(cyf_metrics *metrics) {
  metrics->stream = fopen(metrics->path, "ae");
  if (metrics->stream == NULL) return CYF_FAIL(CYF_ERR_IO, "cannot write %s: %s", metrics->path, strerror(errno));
  return CYF_OK;
}

cyf_status cyf_metrics_open(const char *run_directory, int rank, cyf_metrics *ret_metrics) {
  *ret_metrics = (cyf_metrics){0};
  if (rank != 0) return CYF_OK;
  CYF_TRY(cyf_path_join(run_directory, "metrics.jsonl", &ret_metrics->path));
  cyf_status status = open_for_append(ret_metrics);
  if (status != CYF_OK) (void)cyf_metrics_close(ret_metrics);
  return status;
}

cyf_status cyf_metrics_close(cyf_metrics *metrics) {
  cyf_status status = CYF_OK;
  if (metrics->stream != NULL && fclose(metrics->stream) != 0 && errno != EINTR)
    status = CYF_FAIL(CYF_ERR_IO, "cannot write %s: %s", metrics->path, strerror(errno));
  metrics->stream = NULL;
  cyf_free(metrics->path);
  return status;
}

static void write_known(cyf_json *json, const char *key, double value) {
  if (!isnan(value)) cyf_json_real(json, key, value);
}

cyf_status cyf_metrics_write(cyf_metrics *metrics, const cyf_metrics_line *line) {
  if (metrics->stream == NULL) return CYF_OK;
  char now[32];
  cyf_clock_utc(now, sizeof now);
  cyf_json json;
  cyf_json_init(&json, metrics->stream, false);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "time", now);
  cyf_json_text(&json, "stage", line->stage);
  cyf_json_int(&json, "step", line->step);
  cyf_json_int(&json, "epoch", line->epoch);
  write_known(&json, "loss", line->loss);
  write_known(&json, "accuracy", line->accuracy);
  write_known(&json, "validation_loss", line->validation_loss);
  write_known(&json, "learning_rate", line->learning_rate);
  write_known(&json, "gradient_norm", line->gradient_norm);
  write_known(&json, "cells_per_s", line->cells_per_s);
  cyf_json_object_end(&json);
  fputc('\n', metrics->stream);
  if (fflush(metrics->stream) != 0 || ferror(metrics->stream))
    return CYF_FAIL(CYF_ERR_IO, "cannot write %s: %s", metrics->path, strerror(errno));
  return CYF_OK;
}

/* Gives the text `"stage": "NAME"` as cyf_metrics_write writes it, escapes included. */
static cyf_status stage_member(const char *stage, char **ret_member) {
  size_t size = 0;
  char *text = NULL;
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL) return CYF_FAIL(CYF_ERR_MEMORY, "out of memory");
  cyf_json json;
  cyf_json_init(&json, stream, false);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "stage", stage);
  cyf_json_object_end(&json);
  fclose(stream);
  cyf_status status = cyf_strdup(text + 1, ret_member);
  if (status == CYF_OK) (*ret_member)[strlen(*ret_member) - 1] = '\0';
  free(text);
  return status;
}

/* True for a whole line with this member and a later step, and for a last line that a killed run cut short. */
static bool is_beyond(const char *line, size_t length, const char *member, int64_t step) {
  if (length == 0 || line[length - 1] != '}') return true;
  const char *key = "\"step\":", *at_step = memmem(line, length, key, strlen(key));
  if (at_step == NULL || memmem(line, length, member, strlen(member)) == NULL) return false;
  return strtoll(at_step + strlen(key), NULL, 10) > step;
}

cyf_status cyf_metrics_rewind(cyf_metrics *metrics, const char *stage, int64_t step) {
  if (metrics->stream == NULL) return CYF_OK;
  char *text = NULL, *member = NULL;
  CYF_TRY(stage_member(stage, &member));
  cyf_status status = cyf_read_text_file(metrics->path, &text);
  if (status != CYF_OK) {
    cyf_free(member);
    return status;
  }
  char *out = text;
  for (const char *line = text; *line != '\0';) {
    const char *end = strchrnul(line, '\n');
    size_t length = (size_t)(end - line);
    const char *next = *end == '\0' ? end : end + 1;
    if (!is_beyond(line, length, member, step)) {
      memmove(out, line, length);
      out += length;
      *out++ = '\n';
    }
    line = next;
  }
  *out = '\0';
  if (fclose(metrics->stream) != 0 && errno != EINTR)
    status = CYF_FAIL(CYF_ERR_IO, "cannot write %s: %s", metrics->path, strerror(errno));
  metrics->stream = NULL;
  if (status == CYF_OK) status = cyf_write_text_file(metrics->path, text);
  cyf_free(text);
  cyf_free(member);
  if (status == CYF_OK) status = open_for_append(metrics);
  return status;
}
