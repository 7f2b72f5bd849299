/* SPDX-License-Identifier: MIT */
#include "sample/blocks.h"

#include <omp.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/memory.h"

enum { TAG_SHAPE = 1, TAG_LATENT, TAG_INDPTR, TAG_INDICES, TAG_VALUES };

typedef struct runner {
  cyf_comm *comm;
  const cyf_block_job *job;
  int64_t n_blocks;
  int64_t threads_max;    /* over ranks: blocks a rank computes in one round, the same number for each */
  cyf_cell_block *blocks; /* [threads_max] this rank's of the present round */
  double start_s;
} runner;

static int64_t cells_of(const cyf_block_job *job, int64_t block) {
  int64_t first = block * job->block_cells, left = job->n_cells - first;
  return left < job->block_cells ? left : job->block_cells;
}

static cyf_status prepare_block(const cyf_block_job *job, int64_t index, cyf_cell_block *block) {
  block->index = index;
  block->n_cells = cells_of(job, index);
  cyf_csr_buffer_clear(&block->rows, job->n_genes);
  if (block->latent != NULL) return CYF_OK;
  return CYF_NEW(&block->latent, job->block_cells * job->width);
}

/* Computes this rank's blocks [first, first + n) of a round, one on each thread. */
static cyf_status compute_round(runner *r, int64_t first, int64_t n) {
  cyf_failure failure = CYF_FAILURE_NONE;
  for (int64_t i = 0; i < n; i++) CYF_TRY(prepare_block(r->job, first + i, &r->blocks[i]));
#pragma omp parallel for schedule(static, 1) num_threads(r->job->n_threads)
  for (int64_t i = 0; i < n; i++)
    cyf_failure_note(&failure, r->job->compute(r->job->context, omp_get_thread_num(), &r->blocks[i]));
  return cyf_failure_raise(&failure);
}

static cyf_status send_block(cyf_comm *comm, const cyf_cell_block *block, int64_t width) {
  int64_t nnz = block->rows.indptr[block->n_cells];
  int64_t shape[3] = {block->index, block->n_cells, nnz};
  CYF_TRY(cyf_comm_send(comm, shape, sizeof shape, 0, TAG_SHAPE));
  CYF_TRY(cyf_comm_send(comm, block->latent, (int64_t)sizeof(float) * block->n_cells * width, 0, TAG_LATENT));
  CYF_TRY(cyf_comm_send(comm, block->rows.indptr, (int64_t)sizeof(int64_t) * (block->n_cells + 1), 0, TAG_INDPTR));
  CYF_TRY(cyf_comm_send(comm, block->rows.indices, (int64_t)sizeof(int32_t) * nnz, 0, TAG_INDICES));
  return cyf_comm_send(comm, block->rows.values, (int64_t)sizeof(float) * nnz, 0, TAG_VALUES);
}

static cyf_status receive_block(runner *r, int from, cyf_cell_block *block) {
  int64_t shape[3];
  CYF_TRY(cyf_comm_receive(r->comm, shape, sizeof shape, from, TAG_SHAPE));
  CYF_TRY(prepare_block(r->job, shape[0], block));
  CYF_TRY(cyf_csr_buffer_reserve(&block->rows, shape[1], shape[2]));
  CYF_TRY(
      cyf_comm_receive(r->comm, block->latent, (int64_t)sizeof(float) * shape[1] * r->job->width, from, TAG_LATENT));
  CYF_TRY(cyf_comm_receive(r->comm, block->rows.indptr, (int64_t)sizeof(int64_t) * (shape[1] + 1), from, TAG_INDPTR));
  CYF_TRY(cyf_comm_receive(r->comm, block->rows.indices, (int64_t)sizeof(int32_t) * shape[2], from, TAG_INDICES));
  CYF_TRY(cyf_comm_receive(r->comm, block->rows.values, (int64_t)sizeof(float) * shape[2], from, TAG_VALUES));
  block->rows.n_cells = shape[1];
  return CYF_OK;
}

/* The number of blocks that a rank computes in a round; *ret_first is the first of them. */
static int64_t share_of(const runner *r, int64_t round, int rank, int64_t *ret_first) {
  *ret_first = (round * cyf_comm_size(r->comm) + rank) * r->threads_max;
  int64_t left = r->n_blocks - *ret_first;
  if (left < 0) left = 0;
  return left < r->threads_max ? left : r->threads_max;
}

/* Rank 0 gives out its own blocks, then those of the other ranks, rank by rank. It receives one block at a time, so it
 * needs memory for one block beside its own. */
static cyf_status collect_round(runner *r, int64_t round, cyf_cell_block *received, cyf_status *ret_emit) {
  int size = cyf_comm_size(r->comm), rank = cyf_comm_rank(r->comm);
  int64_t first, n = share_of(r, round, rank, &first);
  if (rank != 0) {
    for (int64_t i = 0; i < n; i++) CYF_TRY(send_block(r->comm, &r->blocks[i], r->job->width));
    return CYF_OK;
  }
  /* After a failed write the other ranks' blocks are still received, so that no rank waits for ever. The caller agrees
   * on that failure afterwards. */
  cyf_status status = CYF_OK;
  for (int64_t i = 0; i < n && status == CYF_OK; i++) status = r->job->emit(r->job->context, &r->blocks[i]);
  for (int peer = 1; peer < size; peer++) {
    int64_t n_peer = share_of(r, round, peer, &first);
    for (int64_t i = 0; i < n_peer; i++) {
      CYF_TRY(receive_block(r, peer, received));
      if (status == CYF_OK) status = r->job->emit(r->job->context, received);
    }
  }
  *ret_emit = status;
  return CYF_OK;
}

static void show_progress(const runner *r, int64_t n_blocks_done) {
  if (!cyf_log_progress_wanted()) return;
  int64_t cells = n_blocks_done * r->job->block_cells;
  if (cells > r->job->n_cells) cells = r->job->n_cells;
  double seconds = cyf_clock_s() - r->start_s;
  char left[32];
  cyf_clock_duration(seconds * (double)(r->job->n_cells - cells) / (double)(cells > 0 ? cells : 1), left, sizeof left);
  cyf_log_progress("%s  %lld/%lld cells  %.0f cells/s  %s left", r->job->name, (long long)cells,
                   (long long)r->job->n_cells, (double)cells / seconds, left);
}

static cyf_status check_signal(void) {
  if (cyf_interrupt_requested() == 0) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INTERRUPTED, "stopped by a signal; no output was written");
}

static cyf_status run_rounds(runner *r, cyf_cell_block *received) {
  int size = cyf_comm_size(r->comm), rank = cyf_comm_rank(r->comm);
  int64_t per_round = size * r->threads_max, n_rounds = (r->n_blocks + per_round - 1) / per_round;
  for (int64_t round = 0; round < n_rounds; round++) {
    int64_t first, n = share_of(r, round, rank, &first);
    cyf_status status = check_signal();
    if (status == CYF_OK) status = compute_round(r, first, n);
    CYF_TRY(cyf_comm_agree(r->comm, status));
    cyf_status emitted = CYF_OK;
    CYF_TRY(collect_round(r, round, received, &emitted)); /* a failed message: ranks are out of step, and all end */
    CYF_TRY(cyf_comm_agree(r->comm, emitted));
    show_progress(r, (round + 1) * per_round);
  }
  return CYF_OK;
}

static void free_block(cyf_cell_block *block) {
  cyf_free(block->latent);
  cyf_csr_buffer_destroy(&block->rows);
}

cyf_status cyf_run_blocks(cyf_comm *comm, const cyf_block_job *job) {
  runner r = {.comm = comm, .job = job, .threads_max = job->n_threads, .start_s = cyf_clock_s()};
  cyf_cell_block received = {0};
  r.n_blocks = (job->n_cells + job->block_cells - 1) / job->block_cells;
  CYF_TRY(cyf_comm_max_int64(comm, &r.threads_max, 1));
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&r.blocks, r.threads_max)));
  cyf_status status = run_rounds(&r, &received);
  cyf_log_progress_end();
  for (int64_t i = 0; i < r.threads_max; i++) free_block(&r.blocks[i]);
  free_block(&received);
  cyf_free(r.blocks);
  return status;
}
