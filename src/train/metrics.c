#include "train/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/memory.h"

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
  if (status != CYF_OK) cyf_metrics_close(ret_metrics);
  return status;
}

void cyf_metrics_close(cyf_metrics *metrics) {
  if (metrics == NULL) return;
  if (metrics->stream != NULL) fclose(metrics->stream);
  metrics->stream = NULL;
  cyf_free(metrics->path);
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

/* True for a whole line of this stage with a later step; also for a last line that a kill cut short. */
static bool is_beyond(const char *line, size_t length, const char *stage, int64_t step) {
  if (length == 0 || line[length - 1] != '}') return true;
  char *text = strndup(line, length);
  if (text == NULL) return false;
  const char *at_stage = strstr(text, "\"stage\":"), *at_step = strstr(text, "\"step\":");
  bool beyond = false;
  if (at_stage != NULL && at_step != NULL) {
    at_stage += strlen("\"stage\":");
    while (*at_stage == ' ') at_stage++;
    size_t n = strlen(stage);
    bool same = at_stage[0] == '"' && strncmp(at_stage + 1, stage, n) == 0 && at_stage[n + 1] == '"';
    beyond = same && strtoll(at_step + strlen("\"step\":"), NULL, 10) > step;
  }
  free(text);
  return beyond;
}

cyf_status cyf_metrics_rewind(cyf_metrics *metrics, const char *stage, int64_t step) {
  if (metrics->stream == NULL) return CYF_OK;
  char *text = NULL;
  CYF_TRY(cyf_read_text_file(metrics->path, &text));
  char *out = text;
  for (const char *line = text; *line != '\0';) {
    const char *end = strchrnul(line, '\n');
    size_t length = (size_t)(end - line);
    const char *next = *end == '\0' ? end : end + 1;
    if (!is_beyond(line, length, stage, step)) {
      memmove(out, line, length);
      out += length;
      *out++ = '\n';
    }
    line = next;
  }
  *out = '\0';
  fclose(metrics->stream);
  metrics->stream = NULL;
  cyf_status status = cyf_write_text_file(metrics->path, text);
  cyf_free(text);
  if (status == CYF_OK) status = open_for_append(metrics);
  return status;
}
