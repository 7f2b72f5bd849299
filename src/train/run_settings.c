/* SPDX-License-Identifier: MIT */
#include "train/run_settings.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"

/* ---- what is kept ---- */

static bool is_among(const cyf_stage_type *type, int64_t attribute, const cyf_stage_job *jobs, int64_t n_jobs) {
  for (int64_t i = 0; i < n_jobs; i++)
    if (jobs[i].type == type && jobs[i].attribute == attribute) return true;
  return false;
}

cyf_status cyf_kept_stages_find(const char *checkpoints, int64_t n_attributes, bool force, const cyf_stage_job *jobs,
                                int64_t n_jobs, cyf_kept_stage **ret_kept, int64_t *ret_n) {
  char stem[CYF_STAGE_STEM_MAX];
  *ret_n = 0;
  CYF_TRY(CYF_NEW(ret_kept, cyf_n_stages * (1 + n_attributes)));
  for (int s = 0; s < cyf_n_stages; s++) {
    const cyf_stage_type *type = cyf_stages[s];
    const int64_t first = type->per_column ? 0 : CYF_NO_COLUMN, end = type->per_column ? n_attributes : 0;
    for (int64_t attribute = first; attribute < end && type->identity != NULL; attribute++) {
      cyf_kept_stage *kept = &(*ret_kept)[*ret_n];
      const bool is_run = is_among(type, attribute, jobs, n_jobs);
      if (force && is_run) continue;
      cyf_stage_stem(type, attribute, stem);
      kept->type = type;
      kept->is_run = is_run;
      CYF_TRY(cyf_checkpoint_reached(checkpoints, stem, &kept->steps, &kept->is_final));
      *ret_n += kept->steps >= 0;
    }
  }
  return CYF_OK;
}

cyf_status cyf_count_updates_left(const char *checkpoints, const cyf_settings *settings, const cyf_stage_job *jobs,
                                  int64_t n_jobs, int64_t *ret_left) {
  char stem[CYF_STAGE_STEM_MAX];
  for (int64_t i = 0; i < n_jobs; i++) {
    const cyf_stage_type *type = jobs[i].type;
    bool is_final = false;
    int64_t done = 0;
    ret_left[i] = 0;
    if (type->identity == NULL) continue;
    cyf_stage_stem(type, jobs[i].attribute, stem);
    CYF_TRY(cyf_checkpoint_reached(checkpoints, stem, &done, &is_final));
    const int64_t steps = cyf_stage_settings_of(type, settings)->steps;
    ret_left[i] = done > steps ? 0 : done > 0 ? steps - done : steps;
  }
  return CYF_OK;
}

/* ---- what may change ---- */

static bool begins(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

/* Settings that no result depends on but through how long a stage trains, and those that sampling can be told anew. */
static bool may_change(const char *key) {
  static const char *const sections[] = {"log.", "checkpoint.", "comm.", "sample."};
  static const char *const keys[] = {
      "device",         "precision",  "data.prefetch_batches", "data.decode_threads", "data.io",
      "data.residency", "data.verify"};
  static const char *const of_stages[] = {".steps", ".validate_every", ".patience"};
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
    if (begins(key, sections[i])) return true;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(key, keys[i]) == 0) return true;
  const char *dot = strchr(key, '.');
  for (size_t i = 0; i < sizeof of_stages / sizeof *of_stages && dot != NULL; i++)
    if (strcmp(dot, of_stages[i]) == 0) return true;
  return false;
}

static bool is_section_of(const char *key, const cyf_stage_type *type) {
  return begins(key, type->name) && key[strlen(type->name)] == '.';
}

static bool is_section_of_a_stage(const char *key) {
  for (int s = 0; s < cyf_n_stages; s++)
    if (is_section_of(key, cyf_stages[s])) return true;
  return false;
}

/* Whether the stage was trained with this setting. Latents and diffusion come behind the autoencoder. */
static bool was_trained_with(const cyf_kept_stage *kept, const char *key) {
  if (is_section_of_a_stage(key)) return is_section_of(key, kept->type);
  if (begins(key, "latents.") || begins(key, "diffusion.")) return kept->type != &cyf_stage_autoencoder;
  return true;
}

/* The kept stage that had come furthest with this setting; NULL: none was trained with it. */
static const cyf_kept_stage *find_trained(const char *key, const cyf_kept_stage *kept, int64_t n_kept) {
  const cyf_kept_stage *found = NULL;
  for (int64_t i = 0; i < n_kept; i++)
    if (was_trained_with(&kept[i], key)) found = &kept[i];
  return found;
}

/* ---- changes ---- */

void cyf_setting_changes_destroy(cyf_setting_changes *changes) {
  for (int64_t i = 0; i < changes->n; i++) {
    cyf_free(changes->item[i].key);
    cyf_free(changes->item[i].from);
    cyf_free(changes->item[i].to);
    cyf_free(changes->item[i].at);
  }
  cyf_free(changes->item);
  changes->n = 0;
}

static cyf_status record(const char *key, const char *from, const char *to, const cyf_kept_stage *trained,
                         cyf_setting_changes *changes) {
  CYF_TRY(cyf_realloc((void **)&changes->item, (size_t)changes->n + 1, sizeof *changes->item));
  cyf_setting_change *change = &changes->item[changes->n++];
  *change = (cyf_setting_change){0};
  CYF_TRY(cyf_strdup(key, &change->key));
  CYF_TRY(cyf_strdup(from, &change->from));
  CYF_TRY(cyf_strdup(to, &change->to));
  if (trained == NULL) return cyf_strdup("", &change->at);
  return cyf_format(&change->at, "%s step %lld", trained->type->name, (long long)trained->steps);
}

/* More steps of a finished stage: only where this command trains them, and nothing stands on its weights. */
static cyf_status check_more_steps(const cyf_kept_stage *finished, const cyf_kept_stage *kept, int64_t n_kept) {
  const char *name = finished->type->name;
  const cyf_kept_stage *last = &kept[n_kept - 1];
  if (!finished->is_final || finished->type->per_column) return CYF_OK;
  if (!finished->is_run)
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "%s is finished with %lld steps, and this command does not go on with it; leave %s.steps out", name,
                    (long long)finished->steps, name);
  if (finished->type != &cyf_stage_autoencoder || last == finished) return CYF_OK;
  return CYF_FAIL(
      CYF_ERR_CONFIG,
      "%s is finished with %lld steps, and %s was trained on its latents; leave %s.steps out, or start over "
      "with --force",
      name, (long long)finished->steps, last->type->name, name);
}

static cyf_status compare_field(const char *path, const cyf_config_field *field, const cyf_settings *before,
                                const cyf_settings *after, const cyf_kept_stage *kept, int64_t n_kept,
                                cyf_setting_changes *changes) {
  const cyf_kept_stage *trained = find_trained(field->path, kept, n_kept);
  char *from = NULL, *to = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_config_value_text(field, before, &from));
  CYF_TRY_CLEANUP(cyf_config_value_text(field, after, &to));
  if (strcmp(from, to) == 0) goto cleanup;
  if (trained != NULL && !may_change(field->path)) {
    status = CYF_FAIL(CYF_ERR_CONFIG,
                      "%s: %s was trained with %s %s, and this command says %s; leave it out or set it back, or start "
                      "over with --force",
                      path, trained->type->name, field->path, from, to);
    goto cleanup;
  }
  if (trained != NULL && is_section_of(field->path, trained->type) &&
      cyf_stage_settings_of(trained->type, after)->steps > cyf_stage_settings_of(trained->type, before)->steps)
    CYF_TRY_CLEANUP(check_more_steps(trained, kept, n_kept));
  status = record(field->path, from, to, trained, changes);
cleanup:
  cyf_free(from);
  cyf_free(to);
  return status;
}

/* A stage cannot have fewer steps than it has done. Of the classifiers, the one that has done least counts. */
static void raise_steps(const cyf_kept_stage *kept, int64_t n_kept, cyf_settings *settings) {
  for (int64_t i = 0; i < n_kept; i++) {
    const cyf_kept_stage *least = &kept[i];
    while (i + 1 < n_kept && kept[i + 1].type == least->type) {
      i++;
      if (kept[i].steps < least->steps) least = &kept[i];
    }
    /* The table of stages gives read-only settings; these are the caller's to change. */
    cyf_stage_settings *stage = (cyf_stage_settings *)((char *)settings + least->type->settings_offset);
    if (stage->steps >= least->steps) continue;
    cyf_info(least->is_final ? "%s: finished with %lld steps, %lld were asked for: taken as it is"
                             : "%s: already at step %lld, %lld were asked for: taken as it is",
             least->type->name, (long long)least->steps, (long long)stage->steps);
    stage->steps = least->steps;
  }
}

cyf_status cyf_settings_change(const char *path, const cyf_settings_said *said, const cyf_kept_stage *kept,
                               int64_t n_kept, cyf_settings *settings, cyf_setting_changes *ret_changes) {
  const cyf_config_schema *schema = cyf_settings_schema();
  cyf_settings before = {0};
  CYF_TRY(cyf_settings_copy(settings, 0, NULL, &before));
  cyf_status status = CYF_OK;
  if (said->config != NULL) CYF_TRY_CLEANUP(cyf_config_read(schema, said->config, settings));
  for (int64_t i = 0; i < said->n_overrides; i++) CYF_TRY_CLEANUP(cyf_config_set(schema, said->overrides[i], settings));
  /* What was at auto was chosen at the start, and stays. */
  for (size_t i = 0; i < schema->n_fields; i++)
    if (cyf_config_is_auto(&schema->fields[i], settings))
      CYF_TRY_CLEANUP(cyf_config_copy_value(&schema->fields[i], &before, settings));
  raise_steps(kept, n_kept, settings);
  CYF_TRY_CLEANUP(cyf_settings_check(settings));
  for (size_t i = 0; i < schema->n_fields; i++)
    CYF_TRY_CLEANUP(compare_field(path, &schema->fields[i], &before, settings, kept, n_kept, ret_changes));
cleanup:
  cyf_settings_destroy(&before);
  return status;
}

cyf_status cyf_settings_share(cyf_comm *comm, char **text, cyf_settings *settings) {
  int64_t size = *text != NULL ? (int64_t)strlen(*text) + 1 : 0;
  CYF_TRY(cyf_comm_broadcast(comm, &size, sizeof size, 0));
  cyf_status status = CYF_OK;
  if (cyf_comm_rank(comm) != 0) {
    cyf_free(*text);
    status = CYF_NEW(text, size);
  }
  CYF_TRY(cyf_comm_agree(comm, status));
  CYF_TRY(cyf_comm_broadcast(comm, *text, size, 0));
  if (cyf_comm_rank(comm) != 0) {
    cyf_settings_destroy(settings);
    status = cyf_settings_load_text("rank 0's settings", *text, settings);
  }
  return cyf_comm_agree(comm, status);
}
