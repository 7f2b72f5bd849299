/* SPDX-License-Identifier: MIT */
/* What passes between the loader's threads: free, planned and fetched windows, finished batches, and a failure. */
#include "data/loader/loader_internal.h"

static cyf_window *pop(const cyf_loader *loader, cyf_window_queue *queue) {
  cyf_window *window = queue->item[queue->first];
  queue->first = (queue->first + 1) % loader->n_windows;
  queue->n--;
  return window;
}

static void append(const cyf_loader *loader, cyf_window_queue *queue, cyf_window *window) {
  queue->item[(queue->first + queue->n++) % loader->n_windows] = window;
}

void cyf_loader_put_free(cyf_loader *loader, cyf_window *window) {
  pthread_mutex_lock(&loader->mutex);
  append(loader, &loader->free_windows, window);
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
}

void cyf_loader_put_planned(cyf_loader *loader, cyf_window *window) {
  pthread_mutex_lock(&loader->mutex);
  window->fetched = false;
  append(loader, &loader->unfetched_windows, window);
  append(loader, &loader->coming_windows, window);
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
}

/* Waits for a window in the queue and takes it; NULL when the loader is stopping. */
static cyf_window *take(cyf_loader *loader, cyf_window_queue *queue) {
  pthread_mutex_lock(&loader->mutex);
  while (!loader->stopping && queue->n == 0) pthread_cond_wait(&loader->changed, &loader->mutex);
  cyf_window *window = loader->stopping ? NULL : pop(loader, queue);
  pthread_mutex_unlock(&loader->mutex);
  return window;
}

cyf_window *cyf_loader_take_free(cyf_loader *loader) {
  return take(loader, &loader->free_windows);
}

cyf_window *cyf_loader_take_planned(cyf_loader *loader) {
  return take(loader, &loader->unfetched_windows);
}

static bool next_is_fetched(const cyf_loader *loader) {
  const cyf_window_queue *queue = &loader->coming_windows;
  return queue->n > 0 && queue->item[queue->first]->fetched;
}

cyf_window *cyf_loader_take_fetched(cyf_loader *loader) {
  pthread_mutex_lock(&loader->mutex);
  while (!loader->stopping && !cyf_failure_is_noted(&loader->failure) && !next_is_fetched(loader))
    pthread_cond_wait(&loader->changed, &loader->mutex);
  cyf_window *window = loader->stopping || !next_is_fetched(loader) ? NULL : pop(loader, &loader->coming_windows);
  pthread_mutex_unlock(&loader->mutex);
  return window;
}

void cyf_loader_tell_fetched(cyf_loader *loader, cyf_window *window) {
  pthread_mutex_lock(&loader->mutex);
  window->fetched = true;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
}

cyf_batch_slot *cyf_loader_await_free_slot(cyf_loader *loader) {
  pthread_mutex_lock(&loader->mutex);
  while (!loader->stopping && loader->n_filled - loader->n_taken + (loader->holding ? 1 : 0) >= loader->n_slots)
    pthread_cond_wait(&loader->changed, &loader->mutex);
  cyf_batch_slot *slot = loader->stopping ? NULL : &loader->slot[loader->n_filled % loader->n_slots];
  pthread_mutex_unlock(&loader->mutex);
  return slot;
}

void cyf_loader_publish_batch(cyf_loader *loader) {
  pthread_mutex_lock(&loader->mutex);
  loader->n_filled++;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
}

void cyf_loader_publish_failure(cyf_loader *loader, cyf_status status) {
  cyf_failure_note(&loader->failure, status);
  pthread_mutex_lock(&loader->mutex);
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
}
