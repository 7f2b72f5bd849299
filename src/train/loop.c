/* SPDX-License-Identifier: MIT */
#include "train/loop.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/partial.h"
#include "base/text_sum.h"
#include "kernels/backend.h"
#include "saved/parameters_file.h"
#include "train/progress.h"

/* The most batches between two waits for the device. */
enum { LATE_MAX = 256 };

/* The state of the loop; checkpoints keep `state`. */
typedef struct loop {
  const cyf_loop_environment *env;
  const cyf_stage *stage;
  cyf_optimizer *optimizer;
  cyf_stage_state state;
  cyf_loss_sums window; /* local sums since the last metrics line, but for those of `late` */
  cyf_loss_sums *late;  /* [LATE_MAX] of batches whose sums the device may not have written yet */
  int64_t n_late;
  int64_t window_cells; /* global cells since then */
  double window_start_s;
  double last_validation;
  int64_t first_step; /* that this run has not done itself */
  int64_t last_saved_step;
  cyf_progress progress;
  bool as_graph; /* a step is launched as one graph */
  cyf_graph *graph;
} loop;

static bool is_root(const loop *l) {
  return cyf_comm_rank(l->env->comm) == 0;
}

static cyf_status sum_over_ranks(cyf_comm *comm, cyf_loss_sums *sums) {
  double values[4] = {sums->loss, sums->weight, (double)sums->n_correct, (double)sums->n_labelled};
  CYF_TRY(cyf_comm_sum_double(comm, values, 4));
  *sums = (cyf_loss_sums){
      .loss = values[0], .weight = values[1], .n_correct = (int64_t)values[2], .n_labelled = (int64_t)values[3]};
  return CYF_OK;
}

/* Waits for the device: afterwards all losses are there, and the last update is known to be finite. Between calls the
 * host runs ahead of the device by one update (cyf_optimizer_update). Errors: CYF_ERR_NUMERIC, the same on every rank.
 */
static cyf_status settle(loop *l) {
  cyf_device *device = l->optimizer->device;
  CYF_TRY(device->ops->synchronize(device));
  for (int64_t i = 0; i < l->n_late; i++) {
    l->window.loss += cyf_loss_sum(&l->late[i]);
    l->window.weight += l->late[i].weight;
    l->window.n_correct += l->late[i].n_correct;
    l->window.n_labelled += l->late[i].n_labelled;
  }
  l->n_late = 0;
  const cyf_status status = cyf_optimizer_settle(l->optimizer);
  return status == CYF_ERR_NUMERIC ? cyf_comm_agree(l->env->comm, status) : status;
}

/* One small reduction before the collectives of a step: did a rank fail to load, and did a rank get a signal? */
static cyf_status agree_on_step(loop *l, cyf_status local, bool *ret_stop) {
  double flags[2] = {local != CYF_OK, cyf_interrupt_requested() != 0};
  CYF_TRY(cyf_comm_max_double(l->env->comm, flags, 2));
  *ret_stop = flags[1] > 0;
  return flags[0] > 0 ? cyf_comm_agree(l->env->comm, local) : CYF_OK;
}

static cyf_cursor cursor_after(const cyf_stage *stage, cyf_cursor cursor) {
  cursor.step++;
  if (cursor.step >= stage->batches_per_epoch) cursor = (cyf_cursor){cursor.epoch + 1, 0};
  return cursor;
}

static cyf_status sum_ready(void *context, int64_t first, int64_t count) {
  return cyf_gradient_plane_ready(context, first, count);
}

/* With one rank and one batch an update, nothing comes between the gradients and the optimiser: both are one graph. */
static bool updates_at_once(const loop *l) {
  return cyf_comm_size(l->env->comm) == 1 && l->stage->settings->accumulate == 1;
}

static cyf_status compute_batch(loop *l, uint32_t draw, cyf_loss_sums *sums) {
  CYF_TRY(l->stage->train(l->stage->context, draw, sums));
  return updates_at_once(l) ? cyf_optimizer_compute(l->optimizer) : CYF_OK;
}

static cyf_status launch_batch(loop *l, uint32_t draw, cyf_loss_sums *sums) {
  cyf_device *device = l->optimizer->device;
  if (l->stage->upload != NULL) CYF_TRY(l->stage->upload(l->stage->context, draw));
  if (!l->as_graph) return compute_batch(l, draw, sums);
  CYF_TRY(device->ops->graph_begin(device, &l->graph));
  const cyf_status status = compute_batch(l, draw, sums);
  const cyf_status ended = device->ops->graph_end(device, &l->graph, status == CYF_OK);
  return status != CYF_OK ? status : ended;
}

/* Runs the batch fetched last forward and backward; its gradients are added to those of the update's earlier batches.
 * With the update's last batch they are final, so the gradient plane sums them over ranks, a layer as soon as it is
 * done. */
static cyf_status train_batch(loop *l, uint32_t draw, bool is_last) {
  cyf_gradient_plane *plane = l->env->plane;
  cyf_parameters *parameters = l->stage->parameters;
  if (is_last) {
    CYF_TRY(cyf_gradient_plane_begin(plane, parameters->gradient, parameters->layout.total));
    parameters->listener = (cyf_gradient_listener){sum_ready, plane};
  }
  if (l->n_late == LATE_MAX) CYF_TRY(settle(l));
  l->late[l->n_late] = (cyf_loss_sums){0};
  const cyf_status status = launch_batch(l, draw, &l->late[l->n_late++]);
  parameters->listener = (cyf_gradient_listener){0};
  return status == CYF_OK && is_last ? cyf_gradient_plane_finish(plane) : status;
}

/* One update: `accumulate` batches forward and backward, then the optimiser. *ret_stop: a signal came before it began,
 * so it was not done. */
static cyf_status update(loop *l, bool *ret_stop) {
  const cyf_stage *stage = l->stage;
  int64_t accumulate = stage->settings->accumulate;
  for (int64_t a = 0; a < accumulate; a++) {
    cyf_cursor cursor = {0, 0};
    int64_t n_global = 0;
    bool stop = false;
    cyf_status fetched = stage->fetch(stage->context, &cursor, &n_global);
    CYF_TRY(agree_on_step(l, fetched, &stop));
    /* Within an update the stream has moved on already, so a signal waits for the update's end. */
    if (stop && a == 0) {
      *ret_stop = true;
      return CYF_OK;
    }
    CYF_TRY(train_batch(l, (uint32_t)(l->state.step * accumulate + a), a == accumulate - 1));
    l->state.cursor = cursor_after(stage, cursor);
    l->window_cells += n_global;
  }
  if (!updates_at_once(l)) CYF_TRY(cyf_optimizer_compute(l->optimizer));
  cyf_status status = cyf_optimizer_follow(l->optimizer);
  if (status == CYF_ERR_NUMERIC) return cyf_comm_agree(l->env->comm, status); /* the same on every rank */
  CYF_TRY(status);
  l->state.step = l->optimizer->step;
  return CYF_OK;
}

/* sums: over all ranks, so that all fail or none. */
static cyf_status check_loss(const loop *l, const char *what, const cyf_loss_sums *sums) {
  if (isfinite(sums->loss)) return CYF_OK;
  return CYF_FAIL(CYF_ERR_NUMERIC, "%s: the %s is not finite at step %lld; lower the learning rate or set clip_norm",
                  l->stage->name, what, (long long)l->state.step);
}

static double accuracy_of(const cyf_loss_sums *sums) {
  return sums->n_labelled > 0 ? (double)sums->n_correct / (double)sums->n_labelled : NAN;
}

static cyf_status log_window(loop *l) {
  CYF_TRY(settle(l));
  CYF_TRY(sum_over_ranks(l->env->comm, &l->window));
  CYF_TRY(check_loss(l, "loss", &l->window));
  double seconds = cyf_clock_s() - l->window_start_s;
  cyf_metrics_line line = {.stage = l->stage->name,
                           .step = l->state.step,
                           .epoch = l->state.cursor.epoch,
                           .loss = l->window.loss / l->window.weight,
                           .validation_loss = NAN,
                           .accuracy = accuracy_of(&l->window),
                           .learning_rate = cyf_learning_rate(l->stage->settings, l->state.step - 1),
                           .gradient_norm = l->optimizer->gradient_norm,
                           .cells_per_s = (double)l->window_cells / seconds};
  cyf_status status = is_root(l) ? cyf_metrics_write(l->env->metrics, &line) : CYF_OK;
  CYF_TRY(cyf_comm_agree(l->env->comm, status));
  cyf_progress_loss(&l->progress, line.loss, line.accuracy);
  l->window = (cyf_loss_sums){0};
  l->window_cells = 0;
  l->window_start_s = cyf_clock_s();
  return CYF_OK;
}

/* Copies rank 0's values[count] (device) to all ranks. Collective. */
static cyf_status take_from_root(loop *l, int64_t count, float *values) {
  float *host = NULL;
  cyf_status status = cyf_floats_to_host(l->optimizer->device, values, count, &host);
  CYF_TRY(cyf_comm_agree(l->env->comm, status));
  status = cyf_comm_broadcast(l->env->comm, host, (int64_t)sizeof(float) * count, 0);
  if (status == CYF_OK) status = cyf_floats_to_device(l->optimizer->device, host, count, values);
  cyf_free(host);
  return status;
}

/* Compares the ranks' weights and, where they differ, warns and takes rank 0's. Sums of gradients give every rank the
 * same bits, so weights can only differ after a fault of memory or of the network. Collective. */
static cyf_status keep_ranks_equal(loop *l) {
  cyf_comm *comm = l->env->comm;
  if (cyf_comm_size(comm) == 1) return CYF_OK;
  cyf_parameters *parameters = l->optimizer->parameters;
  uint64_t sum = 0;
  CYF_TRY(cyf_comm_agree(comm, cyf_parameters_checksum(parameters, &sum)));
  int64_t range[2] = {(int64_t)(sum >> 1), -(int64_t)(sum >> 1)};
  CYF_TRY(cyf_comm_max_int64(comm, range, 2));
  if (range[0] == -range[1]) return CYF_OK;
  cyf_warn("%s: the ranks' weights differ at step %lld; rank 0's are taken. Check memory and network", l->stage->name,
           (long long)l->state.step);
  float *const arrays[] = {parameters->value, l->optimizer->first_moment, l->optimizer->second_moment,
                           l->optimizer->ema};
  for (int i = 0; i < 4; i++)
    if (arrays[i] != NULL) CYF_TRY(take_from_root(l, parameters->layout.total, arrays[i]));
  return take_from_root(l, parameters->buffer_layout.total, parameters->buffer);
}

static cyf_status save(loop *l, bool final) {
  CYF_TRY(settle(l));
  if (!final) CYF_TRY(keep_ranks_equal(l));
  cyf_status status = CYF_OK;
  if (is_root(l))
    status = cyf_checkpoint_save(l->env->checkpoint_directory, l->stage->file_stem, &l->stage->identity, &l->state,
                                 l->optimizer, final, l->env->settings->checkpoint.keep);
  l->last_saved_step = l->state.step;
  return cyf_comm_agree(l->env->comm, status);
}

/* The best validated weights, kept beside the checkpoints as STAGE-best-final.h5 so that a resumed run has them too. */
static cyf_status best_stem(const loop *l, char **ret_stem) {
  return cyf_format(ret_stem, "%s-best", l->stage->file_stem);
}

static cyf_status save_best(loop *l) {
  cyf_status status = CYF_OK;
  if (is_root(l)) {
    char *stem = NULL;
    status = best_stem(l, &stem);
    if (status == CYF_OK)
      status = cyf_checkpoint_save(l->env->checkpoint_directory, stem, &l->stage->identity, &l->state, l->optimizer,
                                   true, l->env->settings->checkpoint.keep);
    cyf_free(stem);
  }
  return cyf_comm_agree(l->env->comm, status);
}

static cyf_status validate(loop *l) {
  cyf_loss_sums sums = {0};
  CYF_TRY(settle(l));
  cyf_optimizer_swap_ema(l->optimizer);
  cyf_status status = l->stage->validate(l->stage->context, &sums);
  cyf_optimizer_swap_ema(l->optimizer);
  CYF_TRY(cyf_comm_agree(l->env->comm, status));
  CYF_TRY(sum_over_ranks(l->env->comm, &sums));
  CYF_TRY(check_loss(l, "validation loss", &sums));
  double loss = sums.loss / sums.weight;
  l->last_validation = loss;
  cyf_metrics_line line = {.stage = l->stage->name,
                           .step = l->state.step,
                           .epoch = l->state.cursor.epoch,
                           .loss = NAN,
                           .validation_loss = loss,
                           .accuracy = accuracy_of(&sums),
                           .learning_rate = NAN,
                           .gradient_norm = NAN,
                           .cells_per_s = NAN};
  CYF_TRY(cyf_comm_agree(l->env->comm, is_root(l) ? cyf_metrics_write(l->env->metrics, &line) : CYF_OK));
  cyf_progress_validation(&l->progress, loss, line.accuracy);
  if (loss < l->state.best_loss) {
    l->state.best_loss = loss;
    l->state.n_worse = 0;
    return l->stage->settings->patience > 0 ? save_best(l) : CYF_OK;
  }
  l->state.n_worse++;
  return CYF_OK;
}

static bool is_due(int64_t every, int64_t step) {
  return every > 0 && step % every == 0;
}

static bool out_of_patience(const loop *l) {
  return l->stage->settings->patience > 0 && l->state.n_worse >= l->stage->settings->patience;
}

/* With patience the best validated weights are the stage's result. */
static cyf_status take_best(loop *l) {
  if (l->stage->settings->patience == 0 || !isfinite(l->state.best_loss)) return CYF_OK;
  char *stem = NULL;
  CYF_TRY(best_stem(l, &stem));
  cyf_status status = cyf_checkpoint_load_final(l->env->checkpoint_directory, stem, NULL, l->optimizer->parameters);
  cyf_free(stem);
  CYF_TRY(cyf_comm_agree(l->env->comm, status));
  cyf_device *device = l->optimizer->device;
  if (l->optimizer->ema == NULL) return CYF_OK;
  return device->ops->copy(device, l->optimizer->ema, l->optimizer->parameters->value,
                           sizeof(float) * (size_t)l->optimizer->parameters->layout.total);
}

static cyf_status finish(loop *l) {
  const cyf_stage_settings *settings = l->stage->settings;
  bool fresh =
      l->stage->validate != NULL && settings->validate_every > 0 && !is_due(settings->validate_every, l->state.step);
  if (fresh) CYF_TRY(validate(l));
  if (l->last_saved_step != l->state.step) CYF_TRY(save(l, false));
  CYF_TRY(take_best(l));
  CYF_TRY(save(l, true));
  cyf_optimizer_swap_ema(l->optimizer); /* the stage's result is the average */
  if (l->state.step > l->first_step) {
    cyf_progress_done(&l->progress, l->state.step, l->last_validation);
  } else {
    cyf_progress_end(&l->progress);
    cyf_info("%s: done with %lld steps, all of them from before", l->stage->name, (long long)l->state.step);
  }
  return CYF_OK;
}

static cyf_status stop_for_signal(loop *l) {
  CYF_TRY(save(l, false));
  cyf_progress_end(&l->progress);
  cyf_status status = CYF_FAIL(CYF_ERR_INTERRUPTED,
                               "stopped by a signal at step %lld of %s; a checkpoint is in %s; --resume auto goes on",
                               (long long)l->state.step, l->stage->name, l->env->checkpoint_directory);
  return cyf_comm_agree(l->env->comm, status);
}

static cyf_status run_steps(loop *l) {
  const cyf_stage_settings *settings = l->stage->settings;
  const cyf_settings *run = l->env->settings;
  l->window_start_s = cyf_clock_s();
  while (l->state.step < settings->steps && !out_of_patience(l)) {
    bool stop = false;
    CYF_TRY(update(l, &stop));
    if (stop) return stop_for_signal(l);
    int64_t step = l->state.step;
    cyf_progress_step(&l->progress, step, l->state.cursor.epoch);
    if (is_due(run->log.every, step) || step == settings->steps) CYF_TRY(log_window(l));
    if (l->stage->validate != NULL && is_due(settings->validate_every, step)) CYF_TRY(validate(l));
    if (is_due(run->checkpoint.every, step)) CYF_TRY(save(l, false));
  }
  if (out_of_patience(l))
    cyf_info("%s: no better validation loss for %lld validations; stopping at step %lld with the best (%.6g)",
             l->stage->name, (long long)settings->patience, (long long)l->state.step, l->state.best_loss);
  return finish(l);
}

static cyf_status resume_or_start(loop *l) {
  bool found = false;
  if (l->env->resume)
    CYF_TRY(cyf_checkpoint_load(l->env->comm, l->env->checkpoint_directory, l->stage->file_stem, &l->stage->identity,
                                &l->state, l->optimizer, &found));
  if (found) {
    l->optimizer->step = l->state.step;
    l->first_step = l->last_saved_step = l->state.step;
    cyf_info("%s: going on from step %lld", l->stage->name, (long long)l->state.step);
  }
  cyf_status status = CYF_OK;
  if (is_root(l)) status = cyf_text_sum_write(l->env->config_path, l->env->config_text);
  if (is_root(l) && status == CYF_OK) status = cyf_metrics_rewind(l->env->metrics, l->stage->name, l->state.step);
  CYF_TRY(cyf_comm_agree(l->env->comm, status));
  return l->stage->open(l->stage->context, l->state.cursor);
}

/* A small data set may have no validation cell. Only early stopping cannot do without one. */
static cyf_status check_validation(const cyf_loop_environment *environment, const cyf_stage *stage) {
  bool wanted = environment->settings->data.validation > 0 && stage->settings->validate_every > 0;
  if (!wanted || stage->validate != NULL) return CYF_OK;
  if (stage->settings->patience > 0)
    return CYF_FAIL(CYF_ERR_CONFIG, "%s: patience needs validation cells, and none fell into data.validation %g",
                    stage->name, environment->settings->data.validation);
  cyf_warn("%s: no cell fell into data.validation %g; training without validation", stage->name,
           environment->settings->data.validation);
  return CYF_OK;
}

cyf_status cyf_loop_run(const cyf_loop_environment *environment, const cyf_stage *stage) {
  loop l = {.env = environment, .stage = stage, .last_saved_step = -1, .last_validation = NAN};
  l.state.best_loss = INFINITY;
  cyf_status status = check_validation(environment, stage);
  if (status == CYF_OK) status = CYF_NEW(&l.late, LATE_MAX);
  if (status == CYF_OK) status = cyf_optimizer_create(stage->parameters, stage->settings, &l.optimizer);
  l.as_graph = stage->upload != NULL && !cyf_gradient_plane_sums_meanwhile(environment->plane);
  CYF_TRY_CLEANUP(cyf_comm_agree(environment->comm, status));
  CYF_TRY_CLEANUP(resume_or_start(&l));
  cyf_progress_begin(&l.progress, stage->name, stage->settings->steps, l.state.step, stage->settings->batch_cells);
  CYF_TRY_CLEANUP(run_steps(&l));
cleanup:
  cyf_progress_end(&l.progress);
  if (l.graph != NULL) l.optimizer->device->ops->graph_destroy(l.optimizer->device, l.graph);
  cyf_optimizer_destroy(&l.optimizer); /* waits for the device, which may still write to `late` */
  cyf_free(l.late);
  return status;
}
