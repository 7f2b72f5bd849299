/* SPDX-License-Identifier: MIT */
#include "data/loader/loader.h"

#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/loader/loader_internal.h"

/* ---- the threads ---- */

static void *planner_main(void *argument) {
  cyf_loader *loader = argument;
  const cyf_status status = cyf_windows_plan(loader);
  if (status != CYF_OK) cyf_loader_publish_failure(loader, status);
  return NULL;
}

static void *fetcher_main(void *argument) {
  cyf_loader *loader = argument;
  cyf_window *window = NULL;
  while ((window = cyf_loader_take_planned(loader)) != NULL) {
    const cyf_status status = cyf_window_fetch(loader, window);
    if (status != CYF_OK) {
      cyf_loader_publish_failure(loader, status);
      return NULL;
    }
    cyf_loader_tell_fetched(loader, window);
  }
  return NULL;
}

/* Makes batches until the loader stops or, after a failure, no window comes any more. */
static cyf_status assemble(cyf_loader *loader) {
  cyf_batch_slot *slot = NULL;
  while ((slot = cyf_loader_await_free_slot(loader)) != NULL) {
    bool stopped = false;
    CYF_TRY(cyf_batch_fill(loader, slot, &stopped));
    if (stopped) break;
    cyf_loader_publish_batch(loader);
  }
  return CYF_OK;
}

static void *assembler_main(void *argument) {
  cyf_loader *loader = argument;
  const cyf_status status = assemble(loader);
  if (status != CYF_OK) cyf_loader_publish_failure(loader, status);
  pthread_mutex_lock(&loader->mutex);
  loader->ended = true;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
  return NULL;
}

static cyf_status start_thread(void *(*body)(void *), cyf_loader *loader, pthread_t *thread, bool *ret_started) {
  /* Signals are left to the main thread, whose loop looks for their flag. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(thread, NULL, body, loader);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) return CYF_FAIL(CYF_ERR_MEMORY, "cannot start a thread of the loader: %s", strerror(failed));
  *ret_started = true;
  return CYF_OK;
}

static cyf_status start_threads(int decode_threads, cyf_loader *loader) {
  if (pthread_mutex_init(&loader->mutex, NULL) != 0) return CYF_FAIL(CYF_ERR_MEMORY, "no mutex for the loader");
  if (pthread_cond_init(&loader->changed, NULL) != 0) {
    pthread_mutex_destroy(&loader->mutex);
    return CYF_FAIL(CYF_ERR_MEMORY, "no condition variable for the loader");
  }
  loader->has_mutex = true;
  loader->failure = CYF_FAILURE_NONE;
  CYF_TRY(cyf_loader_pool_create(decode_threads, &loader->pool));
  CYF_TRY(start_thread(planner_main, loader, &loader->planner, &loader->has_planner));
  /* One is enough where the system reads ahead. MPI-IO, and blocks that stay in memory, allow no more than one. */
  const int n_fetchers = loader->shards.io == CYF_LOADER_DIRECT ? CYF_FETCHERS_MAX : 1;
  for (int i = 0; i < n_fetchers; i++)
    CYF_TRY(start_thread(fetcher_main, loader, &loader->fetcher[i], &loader->has_fetcher[i]));
  return start_thread(assembler_main, loader, &loader->assembler, &loader->has_assembler);
}

static void stop_threads(cyf_loader *loader) {
  if (!loader->has_mutex) return;
  pthread_mutex_lock(&loader->mutex);
  loader->stopping = true;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
  if (loader->has_planner) pthread_join(loader->planner, NULL);
  for (int i = 0; i < CYF_FETCHERS_MAX; i++)
    if (loader->has_fetcher[i]) pthread_join(loader->fetcher[i], NULL);
  if (loader->has_assembler) pthread_join(loader->assembler, NULL);
  cyf_loader_pool_destroy(&loader->pool);
  pthread_cond_destroy(&loader->changed);
  pthread_mutex_destroy(&loader->mutex);
}

/* ---- creation ---- */

static int64_t stored_bytes(const cyf_loader *loader) {
  int64_t bytes = 0;
  for (int64_t p = 0; p < loader->shards.n_parts; p++) {
    const cyf_shard_part *part = &loader->shards.part[p];
    bytes += cyf_stored_bytes(&part->indices) + cyf_stored_bytes(&part->data);
  }
  return bytes;
}

/* Refuses to keep more cells in host memory than fit. */
static cyf_status check_residency(const cyf_loader *loader) {
  if (loader->residency != CYF_RESIDENCY_HOST) return CYF_OK;
  const int n_ranks = cyf_comm_local_size(loader->comm);
  const int64_t bytes = stored_bytes(loader), available = cyf_memory_available_bytes();
  if (available > 0 && bytes > available / n_ranks)
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "data.residency: host keeps %.1f GB of cells a rank, and %.1f GB of memory are available for %d "
                    "rank%s of this machine; use more nodes, or stream",
                    (double)bytes / 1e9, (double)available / 1e9, n_ranks, n_ranks > 1 ? "s" : "");
  return CYF_OK;
}

static void choose_io(const cyf_loader_options *options, cyf_loader *loader) {
  const int64_t bytes = stored_bytes(loader), available = cyf_memory_available_bytes();
  const int n_ranks = cyf_comm_local_size(loader->comm);
  if (!cyf_loader_is_direct(options->io, loader->residency, bytes, available, n_ranks)) return;
  if (cyf_shard_set_read_directly(&loader->shards)) {
    if (options->io == CYF_LOADER_AUTO)
      cyf_info("cells are read past the page cache: %.1f GB a rank, %.1f GB of memory for %d rank%s (data.io: auto)",
               (double)bytes / 1e9, (double)available / 1e9, n_ranks, n_ranks > 1 ? "s" : "");
  } else if (options->io == CYF_LOADER_DIRECT && loader->shards.n_parts > 0) {
    cyf_warn("data.io: direct: the file system of %s cannot read past the page cache: read through it",
             loader->shards.part[0].path);
  }
}

/* What each rank does by itself: makes the plan, finds its cells in the shards, counts its lanes, and takes memory. */
static cyf_status prepare_local(const cyf_atlas *atlas, const cyf_loader_options *options, int rank, int size,
                                cyf_loader *loader) {
  CYF_TRY(cyf_lane_plan_make(options, atlas->n_cells, size, &loader->plan));
  if (options->prefetch_batches < 1)
    return CYF_FAIL(CYF_ERR_CONFIG, "prefetch_batches is %lld; at least 1 is needed",
                    (long long)options->prefetch_batches);
  loader->residency = options->residency;
  loader->device = options->device;
  loader->form = options->residency == CYF_RESIDENCY_DEVICE ? CYF_BATCH_ROWS : options->form;
  if (loader->form != CYF_BATCH_VALUES && loader->device == NULL)
    return CYF_FAIL(CYF_ERR_INTERNAL, "compact batches without a device that is to have them");
  loader->first_lane = cyf_lane_first_cell(options->n_lanes, size, rank);
  loader->n_lanes_local = cyf_lane_first_cell(options->n_lanes, size, rank + 1) - loader->first_lane;
  const int64_t first_cell = cyf_lane_first_cell(atlas->n_cells, options->n_lanes, loader->first_lane);
  const int64_t end_cell =
      cyf_lane_first_cell(atlas->n_cells, options->n_lanes, loader->first_lane + loader->n_lanes_local);
  CYF_TRY(cyf_balance_make(atlas, options, &loader->balance));
  CYF_TRY(cyf_shard_set_open(atlas, first_cell, end_cell, &loader->shards));
  choose_io(options, loader); /* before any file is open */
  CYF_TRY(cyf_shard_set_read_ahead(&loader->shards));
  CYF_TRY(check_residency(loader));
  cyf_compact_choose_types(loader);
  CYF_TRY(cyf_lanes_make(loader));
  if (loader->residency == CYF_RESIDENCY_DEVICE) CYF_TRY(cyf_resident_make(loader));
  CYF_TRY(CYF_NEW(&loader->lane_count, options->n_lanes));
  for (int64_t l = 0; l < loader->n_lanes_local; l++)
    loader->lane_count[loader->first_lane + l] = loader->lane[l].count;
  CYF_TRY(cyf_windows_make(loader));
  loader->n_slots = options->prefetch_batches + 1; /* one is with the consumer */
  CYF_TRY(CYF_NEW(&loader->slot, loader->n_slots));
  for (int64_t i = 0; i < loader->n_slots; i++) CYF_TRY(cyf_batch_slot_make(loader, &loader->slot[i]));
  return CYF_OK;
}

static cyf_status open_mpio(cyf_comm *comm, const cyf_atlas *atlas, cyf_loader *loader) {
  if (!cyf_comm_threads_multiple(comm)) {
    cyf_warn("MPI does not grant MPI_THREAD_MULTIPLE: shards are read by POSIX calls instead of MPI-IO");
    return CYF_OK;
  }
  const int size = cyf_comm_size(comm);
  int64_t *rank_first = NULL;
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&rank_first, size + 1)));
  for (int r = 0; r <= size; r++)
    rank_first[r] =
        cyf_lane_first_cell(atlas->n_cells, loader->plan.n_lanes, cyf_lane_first_cell(loader->plan.n_lanes, size, r));
  const cyf_status status = cyf_shard_set_open_mpio(comm, atlas, rank_first, &loader->shards);
  cyf_free(rank_first);
  return status;
}

/* Fills in what follows from the lanes' counts of all ranks; the same on every rank. */
static cyf_status settle_epoch(cyf_cursor start, cyf_loader *loader) {
  for (int64_t l = 0; l < loader->plan.n_lanes; l++) loader->n_cells += loader->lane_count[l];
  loader->batches_per_epoch = cyf_plan_batches(&loader->plan, loader->lane_count);
  loader->cursor = start;
  if (loader->n_cells == 0) return cyf_plan_check_empty(&loader->plan, loader->atlas->directory);
  return cyf_plan_check_cursor(loader->batches_per_epoch, &loader->cursor);
}

cyf_status cyf_loader_create(cyf_comm *comm, const cyf_atlas *atlas, const cyf_loader_options *options,
                             cyf_cursor start, cyf_loader **ret_loader) {
  *ret_loader = NULL;
  cyf_loader *loader = NULL;
  cyf_status status = CYF_NEW(&loader, 1);
  if (status == CYF_OK) {
    loader->comm = comm;
    loader->atlas = atlas;
    status = prepare_local(atlas, options, cyf_comm_rank(comm), cyf_comm_size(comm), loader);
  }
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, status));
  CYF_TRY_CLEANUP(cyf_comm_sum_int64(comm, loader->lane_count, options->n_lanes));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, settle_epoch(start, loader)));
  if (loader->n_cells == 0) { /* nothing to read: neither files nor threads are needed */
    *ret_loader = loader;
    return CYF_OK;
  }
  if (options->io == CYF_LOADER_MPIO) CYF_TRY_CLEANUP(open_mpio(comm, atlas, loader));
  CYF_TRY_CLEANUP(cyf_comm_agree(comm, start_threads(options->decode_threads, loader)));
  *ret_loader = loader;
  return CYF_OK;
cleanup:
  cyf_loader_destroy(&loader);
  return status;
}

void cyf_loader_destroy(cyf_loader **loader_at) {
  if (!loader_at || !*loader_at) return;
  cyf_loader *loader = *loader_at;
  /* The fetcher's reads by MPI-IO are independent and no peer can hold them up, so it is safe to wait for the thread.
   */
  stop_threads(loader);
  cyf_windows_destroy(loader);
  cyf_lanes_destroy(loader);
  cyf_balance_destroy(&loader->balance);
  /* Closing an MPI-IO file waits for every rank that opened it. Where peers are gone, the files stay open on purpose:
   * the process is about to be aborted, and must not hang before that. */
  if (cyf_comm_is_broken(loader->comm)) cyf_shard_set_abandon_mpio(&loader->shards);
  cyf_shard_set_close(&loader->shards);
  for (int64_t i = 0; loader->slot && i < loader->n_slots; i++) cyf_batch_slot_destroy(loader, &loader->slot[i]);
  cyf_free(loader->slot);
  cyf_resident_destroy(loader);
  cyf_free(loader->lane_count);
  cyf_free(*loader_at);
}

/* ---- taking batches ---- */

int64_t cyf_loader_batches_per_epoch(const cyf_loader *loader) {
  return loader->batches_per_epoch;
}

int64_t cyf_loader_n_cells(const cyf_loader *loader) {
  return loader->n_cells;
}

cyf_loader_io cyf_loader_io_chosen(const cyf_loader *loader) {
  return loader->shards.io;
}

int64_t cyf_loader_bytes_read(const cyf_loader *loader) {
  return atomic_load_explicit(&loader->bytes_read, memory_order_relaxed);
}

int64_t cyf_loader_batches_ready(cyf_loader *loader) {
  if (loader->n_cells == 0) return 0;
  pthread_mutex_lock(&loader->mutex);
  const int64_t n = loader->n_filled - loader->n_taken;
  pthread_mutex_unlock(&loader->mutex);
  return n;
}

cyf_status cyf_loader_next(cyf_loader *loader, cyf_batch *ret_batch) {
  memset(ret_batch, 0, sizeof(*ret_batch));
  if (loader->n_cells == 0) return CYF_FAIL(CYF_ERR_INTERNAL, "a batch was asked for of a split without cells");
  pthread_mutex_lock(&loader->mutex);
  if (loader->holding) {
    loader->holding = false;
    pthread_cond_broadcast(&loader->changed);
  }
  /* A failure is reported once all batches that were made before it have been taken. */
  while (loader->n_filled == loader->n_taken && !loader->ended) pthread_cond_wait(&loader->changed, &loader->mutex);
  if (loader->n_filled == loader->n_taken) {
    pthread_mutex_unlock(&loader->mutex);
    return cyf_failure_raise(&loader->failure);
  }
  const cyf_batch_slot *slot = &loader->slot[loader->n_taken % loader->n_slots];
  loader->n_taken++;
  loader->holding = true;
  pthread_mutex_unlock(&loader->mutex);
  ret_batch->form = loader->form;
  ret_batch->cells = cyf_csr_view(&slot->cells);
  if (loader->form != CYF_BATCH_VALUES)
    ret_batch->cells = (cyf_csr){slot->cells.n_cells, loader->atlas->n_genes, slot->bounds, NULL, NULL, 0};
  ret_batch->row = slot->row;
  if (loader->form == CYF_BATCH_ROWS) ret_batch->stored = loader->resident.matrix;
  if (loader->form == CYF_BATCH_COMPACT)
    ret_batch->stored =
        (cyf_compact){.n_cells = slot->n_local,
                      .n_genes = loader->atlas->n_genes,
                      .count_type = loader->count_type,
                      .index_type = loader->index_type,
                      .indptr = slot->bounds,
                      .indices = slot->stored.indices,
                      .counts = slot->stored.counts,
                      .factor = cyf_expression_is_counted(loader->atlas->kind) ? slot->stored.factor : NULL};
  ret_batch->total = slot->total;
  ret_batch->cell = slot->cell;
  ret_batch->position = slot->position;
  ret_batch->codes = slot->codes;
  ret_batch->n_global = slot->n_global;
  ret_batch->cursor = slot->cursor;
  return CYF_OK;
}
