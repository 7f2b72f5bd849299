/* SPDX-License-Identifier: MIT */
#include "train/run_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/memory.h"

enum { CHECKSUM_TEXT = 24 };

static cyf_status config_checksum(const char *config, char ret_text[CHECKSUM_TEXT]) {
  uint8_t *bytes = NULL;
  size_t size = 0;
  CYF_TRY(cyf_read_bytes_file(config, &bytes, &size));
  snprintf(ret_text, CHECKSUM_TEXT, "%016" PRIx64, cyf_checksum(0, bytes, size));
  cyf_free(bytes);
  return CYF_OK;
}

static void write_changes(cyf_json *json, const cyf_setting_changes *changes) {
  cyf_json_array_begin(json, "changed");
  for (int64_t i = 0; changes != NULL && i < changes->n; i++) {
    cyf_json_object_begin(json, NULL);
    cyf_json_text(json, "key", changes->item[i].key);
    cyf_json_text(json, "from", changes->item[i].from);
    cyf_json_text(json, "to", changes->item[i].to);
    cyf_json_text(json, "at", changes->item[i].at);
    cyf_json_object_end(json);
  }
  cyf_json_array_end(json);
}

cyf_status cyf_run_entry_text(const cyf_run_entry *entry, char **ret_text) {
  char now[32], checksum[CHECKSUM_TEXT] = "", *text = NULL;
  size_t size = 0;
  cyf_json json;
  *ret_text = NULL;
  if (entry->config != NULL) CYF_TRY(config_checksum(entry->config, checksum));
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL) return CYF_FAIL(CYF_ERR_MEMORY, "no memory for the record of the run");
  cyf_clock_utc(now, sizeof now);
  cyf_json_init(&json, stream, false);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "time", now);
  cyf_json_text(&json, "version", CYF_VERSION);
  cyf_json_text(&json, "command_line", entry->command_line != NULL ? entry->command_line : "");
  cyf_json_int(&json, "ranks", entry->n_ranks);
  cyf_json_text(&json, "computed_in", entry->device);
  cyf_json_text(&json, "atlas", entry->atlas);
  cyf_json_text(&json, "config", entry->config != NULL ? entry->config : "");
  cyf_json_text(&json, "config_checksum", checksum);
  if (entry->init != NULL) {
    cyf_json_object_begin(&json, "init");
    cyf_json_text(&json, "model", entry->init->path);
    cyf_json_text(&json, "created", entry->init->created);
    cyf_json_text(&json, "atlas", entry->init->atlas_fingerprint);
    cyf_json_object_end(&json);
  }
  write_changes(&json, entry->changes);
  cyf_json_object_end(&json);
  fputc('\n', stream);
  cyf_status status = fclose(stream) == 0 ? cyf_strdup(text, ret_text)
                                          : CYF_FAIL(CYF_ERR_MEMORY, "no memory for the record of the run");
  free(text);
  return status;
}

cyf_status cyf_run_record_of_model(const cyf_model *model, char **ret_text) {
  char *text = NULL;
  size_t size = 0;
  cyf_json json;
  if (model->runs != NULL) return cyf_strdup(model->runs, ret_text);
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL) return CYF_FAIL(CYF_ERR_MEMORY, "no memory for the record of the run");
  cyf_json_init(&json, stream, false);
  cyf_json_object_begin(&json, NULL);
  cyf_json_text(&json, "time", model->created);
  cyf_json_text(&json, "version", model->version);
  cyf_json_text(&json, "command_line", model->command_line);
  cyf_json_object_end(&json);
  fputc('\n', stream);
  cyf_status status = fclose(stream) == 0 ? cyf_strdup(text, ret_text)
                                          : CYF_FAIL(CYF_ERR_MEMORY, "no memory for the record of the run");
  free(text);
  return status;
}

static cyf_status record_path(const char *directory, char **ret_path) {
  return cyf_path_join(directory, "runs.jsonl", ret_path);
}

/* A kill may have cut the last line short: the new one begins on a line of its own. */
static bool ends_in_a_line(FILE *stream) {
  return fseek(stream, -1, SEEK_END) != 0 || fgetc(stream) == '\n';
}

cyf_status cyf_run_record_append(const char *directory, const char *lines) {
  char *path = NULL;
  CYF_TRY(record_path(directory, &path));
  cyf_status status = CYF_OK;
  errno = 0;
  FILE *stream = fopen(path, "a+e");
  bool well = stream != NULL;
  if (well && !ends_in_a_line(stream)) well = fputc('\n', stream) != EOF;
  well = well && fseek(stream, 0, SEEK_END) == 0 && fputs(lines, stream) >= 0 && fflush(stream) == 0 &&
         fsync(fileno(stream)) == 0;
  const int error = errno;
  if (stream != NULL && fclose(stream) != 0) well = false;
  if (!well) status = CYF_FAIL(CYF_ERR_IO, "cannot write %s: %s", path, strerror(error != 0 ? error : errno));
  cyf_free(path);
  return status;
}

cyf_status cyf_run_record_read(const char *directory, char **ret_text) {
  char *path = NULL;
  bool exists = false;
  CYF_TRY(record_path(directory, &path));
  cyf_status status = cyf_file_exists(path, &exists);
  if (status == CYF_OK) status = exists ? cyf_read_text_file(path, ret_text) : cyf_strdup("", ret_text);
  cyf_free(path);
  return status;
}

cyf_status cyf_run_record_knows_config(const char *record, const char *config, bool *ret_knows) {
  char checksum[CHECKSUM_TEXT], member[CHECKSUM_TEXT + 32];
  CYF_TRY(config_checksum(config, checksum));
  snprintf(member, sizeof member, "\"config_checksum\": \"%s\"", checksum);
  *ret_knows = strstr(record, member) != NULL;
  return CYF_OK;
}
