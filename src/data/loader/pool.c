/* SPDX-License-Identifier: MIT */
#include "data/loader/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/failure.h"
#include "base/memory.h"

struct cyf_loader_pool {
  pthread_t *thread;
  int n_threads; /* that were started: all but the caller's */
  bool has_mutex;
  pthread_mutex_t mutex;
  pthread_cond_t begun, ended;
  /* guarded by mutex */
  bool stopping;
  int64_t round; /* loops begun */
  int n_working; /* threads that work on the loop of this round */
  /* the loop of this round */
  cyf_pool_work work;
  void *context;
  int64_t end, piece;
  atomic_llong next;
  cyf_failure failure;
};

static void take_pieces(cyf_loader_pool *pool) {
  for (;;) {
    const int64_t first = atomic_fetch_add(&pool->next, pool->piece);
    if (first >= pool->end) return;
    const cyf_status status =
        pool->work(pool->context, first, pool->end - first < pool->piece ? pool->end : first + pool->piece);
    cyf_failure_note(&pool->failure, status);
  }
}

static void *thread_main(void *argument) {
  cyf_loader_pool *pool = argument;
  int64_t seen = 0;
  pthread_mutex_lock(&pool->mutex);
  for (;;) {
    while (!pool->stopping && pool->round == seen) pthread_cond_wait(&pool->begun, &pool->mutex);
    if (pool->stopping) break;
    seen = pool->round;
    pool->n_working++;
    pthread_mutex_unlock(&pool->mutex);
    take_pieces(pool);
    pthread_mutex_lock(&pool->mutex);
    if (--pool->n_working == 0) pthread_cond_signal(&pool->ended);
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

static cyf_status start(cyf_loader_pool *pool, int n_threads) {
  if (pthread_mutex_init(&pool->mutex, NULL) != 0) return CYF_FAIL(CYF_ERR_MEMORY, "no mutex for the decode pool");
  pool->has_mutex = true;
  pool->failure = CYF_FAILURE_NONE;
  if (pthread_cond_init(&pool->begun, NULL) != 0 || pthread_cond_init(&pool->ended, NULL) != 0)
    return CYF_FAIL(CYF_ERR_MEMORY, "no condition variable for the decode pool");
  CYF_TRY(CYF_NEW(&pool->thread, n_threads));
  /* Signals are left to the main thread, whose loop looks for their flag. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = 0;
  while (failed == 0 && pool->n_threads < n_threads - 1) {
    failed = pthread_create(&pool->thread[pool->n_threads], NULL, thread_main, pool);
    if (failed == 0) pool->n_threads++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed == 0 ? CYF_OK : CYF_FAIL(CYF_ERR_MEMORY, "cannot start a decoding thread: %s", strerror(failed));
}

cyf_status cyf_loader_pool_create(int n_threads, cyf_loader_pool **ret_pool) {
  *ret_pool = NULL;
  cyf_loader_pool *pool = NULL;
  CYF_TRY(CYF_NEW(&pool, 1));
  const cyf_status status = start(pool, n_threads);
  if (status != CYF_OK) {
    cyf_loader_pool_destroy(&pool);
    return status;
  }
  *ret_pool = pool;
  return CYF_OK;
}

void cyf_loader_pool_destroy(cyf_loader_pool **pool_at) {
  if (!pool_at || !*pool_at) return;
  cyf_loader_pool *pool = *pool_at;
  if (pool->has_mutex) {
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->begun);
    pthread_mutex_unlock(&pool->mutex);
    for (int t = 0; t < pool->n_threads; t++) pthread_join(pool->thread[t], NULL);
    pthread_cond_destroy(&pool->begun);
    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->mutex);
  }
  cyf_free(pool->thread);
  cyf_free(*pool_at);
}

cyf_status cyf_loader_pool_run(cyf_loader_pool *pool, int64_t first, int64_t end, int64_t piece, cyf_pool_work work,
                               void *context) {
  if (pool->n_threads == 0 || end - first <= piece) return first < end ? work(context, first, end) : CYF_OK;
  pthread_mutex_lock(&pool->mutex);
  /* A thread that slept through the former loop may wake only now. It finds nothing left to do, but it counts as
   * working until it has found out, and the loop must not change meanwhile. */
  while (pool->n_working > 0) pthread_cond_wait(&pool->ended, &pool->mutex);
  pool->work = work;
  pool->context = context;
  pool->end = end;
  pool->piece = piece;
  cyf_failure_forget(&pool->failure);
  atomic_store(&pool->next, first);
  pool->round++;
  pthread_cond_broadcast(&pool->begun);
  pthread_mutex_unlock(&pool->mutex);
  take_pieces(pool);
  pthread_mutex_lock(&pool->mutex);
  while (pool->n_working > 0) pthread_cond_wait(&pool->ended, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
  return cyf_failure_raise(&pool->failure);
}
