/* SPDX-License-Identifier: MIT */
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/partial.h"
#include "data/tensors/tensor_file.h"
#include "kernels/finite.h"
#include "saved/parameters_file.h"

enum { PATH_TEXT_MAX = 128 };

void cyf_identity_add(cyf_identity *identity, bool of_model, const char *key, const char *format, ...) {
  va_list arguments;
  if (identity->n == CYF_IDENTITY_ITEMS_MAX)
    return; /* more items than that are a bug that the tests of resuming show */
  va_start(arguments, format);
  vsnprintf(identity->item[identity->n].value, CYF_IDENTITY_TEXT_MAX, format, arguments);
  va_end(arguments);
  identity->item[identity->n].key = key;
  identity->item[identity->n].absent = "none";
  identity->item[identity->n++].of_model = of_model;
}

static cyf_status write_identity(cyf_tensor_file *file, const cyf_identity *identity) {
  char path[PATH_TEXT_MAX];
  if (identity->computed_in[0] != '\0')
    CYF_TRY(cyf_tensor_file_write_text(file, "provenance/computed_in", identity->computed_in));
  for (int i = 0; i < identity->n; i++) {
    snprintf(path, sizeof path, "identity/%s", identity->item[i].key);
    CYF_TRY(cyf_tensor_file_write_text(file, path, identity->item[i].value));
  }
  return CYF_OK;
}

static cyf_status other_identity(cyf_tensor_file *file, const char *key, const char *then, const char *now) {
  const char *path = cyf_tensor_file_path(file);
  if (strcmp(key, "atlas") == 0)
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "%s was trained on another atlas; give that one with --data, or start over with --force", path);
  if (strcmp(key, "autoencoder weights") == 0)
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "%s was trained on the latents of another autoencoder; start this stage over with --force", path);
  return CYF_FAIL(CYF_ERR_CONFIG,
                  "%s was written with %s %s and this run has %s; set it back, or start over with --force", path, key,
                  then, now);
}

static cyf_status check_identity(cyf_tensor_file *file, const cyf_identity *identity, bool model_only) {
  char path[PATH_TEXT_MAX];
  for (int i = 0; i < identity->n; i++) {
    if (model_only && !identity->item[i].of_model) continue;
    char *then = NULL;
    bool has = false;
    snprintf(path, sizeof path, "identity/%s", identity->item[i].key);
    CYF_TRY(cyf_tensor_file_has(file, path, &has));
    if (has)
      CYF_TRY(cyf_tensor_file_read_text(file, path, &then));
    else /* from before there was this setting */
      CYF_TRY(cyf_strdup(identity->item[i].absent, &then));
    cyf_status status = CYF_OK;
    if (strcmp(then, identity->item[i].value) != 0)
      status = other_identity(file, identity->item[i].key, then, identity->item[i].value);
    cyf_free(then);
    CYF_TRY(status);
  }
  return CYF_OK;
}

static cyf_status write_state(cyf_tensor_file *file, const cyf_stage_state *state) {
  CYF_TRY(cyf_tensor_file_write_int(file, "state/step", state->step));
  CYF_TRY(cyf_tensor_file_write_int(file, "state/epoch", state->cursor.epoch));
  CYF_TRY(cyf_tensor_file_write_int(file, "state/batch", state->cursor.step));
  CYF_TRY(cyf_tensor_file_write_real(file, "state/best_loss", isfinite(state->best_loss) ? state->best_loss : -1));
  return cyf_tensor_file_write_int(file, "state/n_worse", state->n_worse);
}

static cyf_status read_state(cyf_tensor_file *file, cyf_stage_state *state) {
  CYF_TRY(cyf_tensor_file_read_int(file, "state/step", &state->step));
  CYF_TRY(cyf_tensor_file_read_int(file, "state/epoch", &state->cursor.epoch));
  CYF_TRY(cyf_tensor_file_read_int(file, "state/batch", &state->cursor.step));
  CYF_TRY(cyf_tensor_file_read_real(file, "state/best_loss", &state->best_loss));
  if (isnan(state->best_loss))
    return CYF_FAIL(CYF_ERR_NUMERIC, "%s: state/best_loss is not a number", cyf_tensor_file_path(file));
  if (state->best_loss < 0) state->best_loss = INFINITY;
  return cyf_tensor_file_read_int(file, "state/n_worse", &state->n_worse);
}

static cyf_status write_moments(cyf_tensor_file *file, const cyf_optimizer *optimizer) {
  cyf_device *device = optimizer->device;
  const cyf_layout *layout = &optimizer->parameters->layout;
  const float *const arrays[] = {optimizer->first_moment, optimizer->second_moment, optimizer->ema};
  const char *const names[] = {"optimizer/first_moment", "optimizer/second_moment", "optimizer/ema"};
  for (int i = 0; i < 3; i++) {
    if (arrays[i] == NULL) continue;
    float *host = NULL;
    CYF_TRY(cyf_floats_to_host(device, arrays[i], layout->total, &host));
    cyf_status status = cyf_layout_check_finite(layout, host, cyf_tensor_file_path(file), names[i]);
    if (status == CYF_OK) status = cyf_tensor_file_write_floats(file, names[i], host, layout->total);
    cyf_free(host);
    CYF_TRY(status);
  }
  return CYF_OK;
}

static cyf_status read_moments(cyf_tensor_file *file, cyf_optimizer *optimizer) {
  cyf_device *device = optimizer->device;
  const cyf_layout *layout = &optimizer->parameters->layout;
  const int64_t total = layout->total;
  float *const arrays[] = {optimizer->first_moment, optimizer->second_moment, optimizer->ema};
  const char *const names[] = {"optimizer/first_moment", "optimizer/second_moment", "optimizer/ema"};
  float *host = NULL;
  CYF_TRY(CYF_NEW(&host, total));
  cyf_status status = CYF_OK;
  for (int i = 0; i < 3 && status == CYF_OK; i++) {
    if (arrays[i] == NULL) continue;
    status = cyf_tensor_file_read_floats(file, names[i], host, total);
    if (status == CYF_OK) status = cyf_layout_check_finite(layout, host, cyf_tensor_file_path(file), names[i]);
    if (status == CYF_OK) status = cyf_floats_to_device(device, host, total, arrays[i]);
  }
  cyf_free(host);
  return status;
}

static cyf_status write_contents(cyf_tensor_file *file, const char *stage, const cyf_identity *identity,
                                 const cyf_stage_state *state, const cyf_optimizer *optimizer, bool final) {
  const cyf_parameters *parameters = optimizer->parameters;
  CYF_TRY(cyf_tensor_file_write_text(file, "kind", "checkpoint"));
  CYF_TRY(cyf_tensor_file_write_text(file, "stage", stage));
  CYF_TRY(write_identity(file, identity));
  CYF_TRY(write_state(file, state));
  CYF_TRY(cyf_tensor_file_write_int(file, "planned_steps", optimizer->settings.steps));
  const float *weights = final && optimizer->ema != NULL ? optimizer->ema : parameters->value;
  CYF_TRY(cyf_parameters_write(file, "", parameters, weights));
  if (!final) CYF_TRY(write_moments(file, optimizer));
  return CYF_OK;
}

/* Lists the steps of the stage's checkpoint files, newest first, at most `capacity` of them. *ret_n is how many there
 * are. */
static cyf_status list_steps(const char *directory, const char *stage, int64_t capacity, int64_t *steps,
                             int64_t *ret_n) {
  *ret_n = 0;
  DIR *folder = opendir(directory);
  if (folder == NULL && errno == ENOENT) return CYF_OK;
  if (folder == NULL) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(errno));
  size_t length = strlen(stage);
  for (struct dirent *entry; (errno = 0, entry = readdir(folder)) != NULL;) {
    const char *name = entry->d_name;
    if (strncmp(name, stage, length) != 0 || name[length] != '-') continue;
    char *end = NULL;
    long long step = strtoll(name + length + 1, &end, 10);
    if (end == name + length + 1 || strcmp(end, ".h5") != 0) continue;
    int64_t at = *ret_n < capacity ? *ret_n : capacity;
    while (at > 0 && steps[at - 1] < step) at--;
    if (at < capacity) {
      int64_t last = *ret_n < capacity ? *ret_n : capacity - 1;
      memmove(steps + at + 1, steps + at, sizeof *steps * (size_t)(last - at));
      steps[at] = step;
    }
    ++*ret_n;
  }
  const int error = errno;
  closedir(folder);
  return error == 0 ? CYF_OK : CYF_FAIL(CYF_ERR_IO, "%s: cannot be listed: %s", directory, strerror(error));
}

static cyf_status step_path(const char *directory, const char *stage, int64_t step, char **ret_path) {
  return cyf_format(ret_path, "%s/%s-%08lld.h5", directory, stage, (long long)step);
}

enum { LISTED_MAX = 1024 };

/* What killed writers left of any step. */
static cyf_status remove_left(const char *directory, const char *stage) {
  char *prefix = NULL;
  CYF_TRY(cyf_format(&prefix, "%s-", stage));
  const cyf_status status = cyf_partial_remove_left(directory, prefix);
  cyf_free(prefix);
  return status;
}

static cyf_status remove_old(const char *directory, const char *stage, int64_t keep) {
  int64_t steps[LISTED_MAX], n = 0;
  CYF_TRY(remove_left(directory, stage));
  CYF_TRY(list_steps(directory, stage, LISTED_MAX, steps, &n));
  for (int64_t i = keep; i < n && i < LISTED_MAX; i++) {
    char *path = NULL;
    CYF_TRY(step_path(directory, stage, steps[i], &path));
    cyf_status status = cyf_remove_file(path);
    cyf_free(path);
    CYF_TRY(status);
  }
  return CYF_OK;
}

static cyf_status final_path(const char *directory, const char *stage, char **ret_path) {
  return cyf_format(ret_path, "%s/%s-final.h5", directory, stage);
}

cyf_status cyf_checkpoint_save(const char *directory, const char *stage, const cyf_identity *identity,
                               const cyf_stage_state *state, const cyf_optimizer *optimizer, bool final, int64_t keep) {
  char *path = NULL;
  CYF_TRY(final ? final_path(directory, stage, &path) : step_path(directory, stage, state->step, &path));
  cyf_tensor_file *file = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_tensor_file_create(path, &file));
  CYF_TRY_CLEANUP(write_contents(file, stage, identity, state, optimizer, final));
  CYF_TRY_CLEANUP(cyf_tensor_file_commit(&file));
  status = remove_old(directory, stage, keep);
cleanup:
  cyf_tensor_file_close(&file);
  cyf_free(path);
  return status;
}

static cyf_status load_one(const char *path, const cyf_identity *identity, cyf_stage_state *state,
                           cyf_optimizer *optimizer) {
  cyf_tensor_file *file = NULL;
  cyf_parameters *parameters = optimizer->parameters;
  CYF_TRY(cyf_tensor_file_open(path, &file));
  cyf_status status;
  CYF_TRY_CLEANUP(check_identity(file, identity, false));
  CYF_TRY_CLEANUP(read_state(file, state));
  CYF_TRY_CLEANUP(cyf_parameters_read(file, "", parameters));
  CYF_TRY_CLEANUP(read_moments(file, optimizer));
cleanup:
  cyf_tensor_file_close(&file);
  return status;
}

/* Tries the files from the newest on. Rank 0 does so; the other ranks then read the file that it could read. */
static cyf_status load_newest(const char *directory, const char *stage, const cyf_identity *identity,
                              cyf_stage_state *state, cyf_optimizer *optimizer, int64_t *ret_step) {
  int64_t steps[LISTED_MAX], n = 0;
  *ret_step = -1;
  CYF_TRY(remove_left(directory, stage));
  CYF_TRY(list_steps(directory, stage, LISTED_MAX, steps, &n));
  for (int64_t i = 0; i < n && i < LISTED_MAX; i++) {
    char *path = NULL;
    CYF_TRY(step_path(directory, stage, steps[i], &path));
    cyf_status status = load_one(path, identity, state, optimizer);
    cyf_free(path);
    if (status == CYF_OK) {
      *ret_step = steps[i];
      return CYF_OK;
    }
    if (status != CYF_ERR_INPUT) return status;
    cyf_warn("checkpoint passed over: %s", cyf_status_message());
    cyf_status_clear();
  }
  if (n > 0)
    return CYF_FAIL(CYF_ERR_INPUT,
                    "none of the %lld checkpoints of stage %s in %s can be read; start over with --force", (long long)n,
                    stage, directory);
  return CYF_OK;
}

cyf_status cyf_checkpoint_load(cyf_comm *comm, const char *directory, const char *stage, const cyf_identity *identity,
                               cyf_stage_state *ret_state, cyf_optimizer *optimizer, bool *ret_found) {
  int64_t step = -1;
  cyf_status status = CYF_OK;
  if (cyf_comm_rank(comm) == 0) status = load_newest(directory, stage, identity, ret_state, optimizer, &step);
  CYF_TRY(cyf_comm_agree(comm, status));
  CYF_TRY(cyf_comm_broadcast(comm, &step, sizeof step, 0));
  *ret_found = step >= 0;
  if (step >= 0 && cyf_comm_rank(comm) != 0) {
    char *path = NULL;
    status = step_path(directory, stage, step, &path);
    if (status == CYF_OK) status = load_one(path, identity, ret_state, optimizer);
    cyf_free(path);
  }
  return cyf_comm_agree(comm, status);
}

cyf_status cyf_checkpoint_load_final(const char *directory, const char *stage, const cyf_identity *identity,
                                     cyf_parameters *parameters) {
  char *path = NULL;
  CYF_TRY(final_path(directory, stage, &path));
  cyf_tensor_file *file = NULL;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_tensor_file_open(path, &file));
  if (identity != NULL) CYF_TRY_CLEANUP(check_identity(file, identity, true));
  CYF_TRY_CLEANUP(cyf_parameters_read(file, "", parameters));
cleanup:
  cyf_tensor_file_close(&file);
  cyf_free(path);
  return status;
}

cyf_status cyf_checkpoint_has_final(const char *directory, const char *stage, bool *ret_has) {
  char *path = NULL;
  CYF_TRY(final_path(directory, stage, &path));
  cyf_status status = cyf_file_exists(path, ret_has);
  cyf_free(path);
  return status;
}

cyf_status cyf_checkpoint_is_complete(const char *directory, const char *stage, const cyf_identity *identity,
                                      int64_t steps, bool *ret_complete) {
  bool has = false;
  *ret_complete = false;
  CYF_TRY(cyf_checkpoint_has_final(directory, stage, &has));
  if (!has) return CYF_OK;
  char *path = NULL;
  CYF_TRY(final_path(directory, stage, &path));
  cyf_tensor_file *file = NULL;
  int64_t planned = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_tensor_file_open(path, &file));
  CYF_TRY_CLEANUP(check_identity(file, identity, false));
  CYF_TRY_CLEANUP(cyf_tensor_file_read_int(file, "planned_steps", &planned));
  *ret_complete = planned >= steps;
cleanup:
  cyf_tensor_file_close(&file);
  cyf_free(path);
  return status;
}

static cyf_status read_planned_steps(const char *directory, const char *stage, int64_t *ret_steps) {
  char *path = NULL;
  cyf_tensor_file *file = NULL;
  CYF_TRY(final_path(directory, stage, &path));
  cyf_status status = cyf_tensor_file_open(path, &file);
  if (status == CYF_OK) status = cyf_tensor_file_read_int(file, "planned_steps", ret_steps);
  cyf_tensor_file_close(&file);
  cyf_free(path);
  return status;
}

cyf_status cyf_checkpoint_reached(const char *directory, const char *stage, int64_t *ret_steps, bool *ret_is_final) {
  int64_t n = 0, planned = -1;
  *ret_steps = -1;
  CYF_TRY(cyf_checkpoint_has_final(directory, stage, ret_is_final));
  CYF_TRY(list_steps(directory, stage, 1, ret_steps, &n));
  if (*ret_is_final) CYF_TRY(read_planned_steps(directory, stage, &planned));
  if (planned > *ret_steps) *ret_steps = planned;
  return CYF_OK;
}

cyf_status cyf_checkpoint_has_any(const char *directory, const char *stage, bool *ret_has) {
  int64_t step, n = 0;
  CYF_TRY(cyf_checkpoint_has_final(directory, stage, ret_has));
  if (*ret_has) return CYF_OK;
  CYF_TRY(list_steps(directory, stage, 1, &step, &n));
  *ret_has = n > 0;
  return CYF_OK;
}

cyf_status cyf_checkpoint_remove(const char *directory, const char *stage) {
  char *path = NULL;
  CYF_TRY(remove_old(directory, stage, 0));
  CYF_TRY(final_path(directory, stage, &path));
  cyf_status status = cyf_remove_file(path);
  cyf_free(path);
  return status;
}
