/* SPDX-License-Identifier: MIT */
#include "data/loader/plan.h"

#include <string.h>

int64_t cyf_lane_first_cell(int64_t n_cells, int64_t n_lanes, int64_t lane) {
  return (int64_t)((unsigned __int128)lane * (unsigned __int128)n_cells / (unsigned __int128)n_lanes);
}

/* The smallest divisor of n that is at least `least` (1 <= least <= n): a number of lanes that would work. */
static int64_t least_divisor_from(int64_t n, int64_t least) {
  int64_t best = n;
  for (int64_t d = 1; d <= n / d; d++) {
    if (n % d != 0) continue;
    if (d >= least && d < best) best = d;
    if (n / d >= least && n / d < best) best = n / d;
  }
  return best;
}

static cyf_status check_lanes(const cyf_loader_options *options, int n_ranks) {
  const long long batch = options->batch_cells, lanes = options->n_lanes;
  if (batch < 1 || lanes < 1)
    return CYF_FAIL(CYF_ERR_CONFIG, "batch_cells is %lld and lanes is %lld; both must be at least 1", batch, lanes);
  if (lanes < n_ranks) {
    if (batch < n_ranks)
      return CYF_FAIL(CYF_ERR_CONFIG,
                      "batch_cells %lld cannot be shared by %d ranks; use batch_cells of at least %d or fewer ranks",
                      batch, n_ranks, n_ranks);
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "%lld lanes are fewer than the %d ranks; with batch_cells %lld, lanes: %lld is valid", lanes,
                    n_ranks, batch, (long long)least_divisor_from(batch, n_ranks));
  }
  if (batch % lanes != 0) {
    if (batch < lanes)
      return CYF_FAIL(CYF_ERR_CONFIG,
                      "batch_cells %lld is no multiple of the %lld lanes; batch_cells: %lld or lanes: %lld is valid",
                      batch, lanes, lanes, batch);
    return CYF_FAIL(CYF_ERR_CONFIG,
                    "batch_cells %lld is no multiple of the %lld lanes; batch_cells: %lld or %lld is valid", batch,
                    lanes, batch / lanes * lanes, (batch / lanes + 1) * lanes);
  }
  return CYF_OK;
}

cyf_status cyf_lane_plan_make(const cyf_loader_options *options, int64_t n_cells, int n_ranks,
                              cyf_lane_plan *ret_plan) {
  CYF_TRY(check_lanes(options, n_ranks));
  if (options->block_cells < 1 || options->block_cells > INT32_MAX || options->window_blocks < 1 ||
      options->window_blocks > INT32_MAX)
    return CYF_FAIL(CYF_ERR_CONFIG, "block_cells %lld and window_blocks %lld must be between 1 and 2147483647",
                    (long long)options->block_cells, (long long)options->window_blocks);
  if (!(options->validation >= 0 && options->validation < 1))
    return CYF_FAIL(CYF_ERR_CONFIG, "validation fraction %g is not in [0, 1)", options->validation);
  memset(ret_plan, 0, sizeof(*ret_plan));
  ret_plan->n_cells = n_cells;
  ret_plan->n_lanes = options->n_lanes;
  ret_plan->lane_batch = options->batch_cells / options->n_lanes;
  ret_plan->window_blocks = options->window_blocks;
  /* Also with little data a lane should hold two windows of blocks: otherwise there would be no order to shuffle. */
  const int64_t fitting = n_cells / options->n_lanes / (2 * options->window_blocks);
  ret_plan->block_cells = options->block_cells < fitting ? options->block_cells : fitting;
  if (ret_plan->block_cells < 1) ret_plan->block_cells = 1;
  ret_plan->validation = options->validation;
  ret_plan->split = options->split;
  ret_plan->shuffle = options->shuffle;
  ret_plan->split_key = cyf_rng_key_make(options->seed, CYF_RNG_SPLIT);
  ret_plan->order_key = cyf_rng_key_make(options->seed, CYF_RNG_LANE_ORDER);
  return CYF_OK;
}

void cyf_plan_split(const cyf_lane_plan *plan, int64_t first, int64_t n, bool *ret_in_split) {
  if (plan->split == CYF_SPLIT_ALL) {
    for (int64_t i = 0; i < n; i++) ret_in_split[i] = true;
    return;
  }
  /* One draw gives four random numbers, which decide on four neighbouring cells. */
  uint32_t words[4];
  int64_t loaded = -1;
  for (int64_t i = 0; i < n; i++) {
    const int64_t cell = first + i;
    if (cell / 4 != loaded) {
      loaded = cell / 4;
      cyf_rng_block(plan->split_key, 0, (uint64_t)loaded, 0, words);
    }
    const bool in_validation = cyf_rng_unit(words[cell % 4]) < plan->validation;
    ret_in_split[i] = in_validation == (plan->split == CYF_SPLIT_VALIDATION);
  }
}

int64_t cyf_plan_n_blocks(const cyf_lane_plan *plan, int64_t lane) {
  const int64_t n = cyf_lane_first_cell(plan->n_cells, plan->n_lanes, lane + 1) -
                    cyf_lane_first_cell(plan->n_cells, plan->n_lanes, lane);
  return (n + plan->block_cells - 1) / plan->block_cells;
}

void cyf_plan_block_range(const cyf_lane_plan *plan, int64_t lane, int64_t block, int64_t *ret_first,
                          int64_t *ret_end) {
  const int64_t lane_end = cyf_lane_first_cell(plan->n_cells, plan->n_lanes, lane + 1);
  *ret_first = cyf_lane_first_cell(plan->n_cells, plan->n_lanes, lane) + block * plan->block_cells;
  *ret_end = *ret_first + plan->block_cells < lane_end ? *ret_first + plan->block_cells : lane_end;
}

/* Random numbers of one lane and epoch. Part 0 orders the blocks, part 1 the whole lane, part 2 + w the cells of window
 * w; no two parts have a number in common. */
static cyf_rng_stream lane_stream(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t part) {
  cyf_rng_stream stream;
  cyf_rng_stream_init(&stream, plan->order_key, (uint32_t)epoch, (uint64_t)lane << 32 | (uint64_t)part);
  return stream;
}

void cyf_plan_block_order(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t n_blocks,
                          int64_t *ret_order) {
  for (int64_t b = 0; b < n_blocks; b++) ret_order[b] = b;
  if (!plan->shuffle) return;
  cyf_rng_stream stream = lane_stream(plan, epoch, lane, 0);
  for (int64_t i = n_blocks - 1; i > 0; i--) {
    const int64_t j = (int64_t)cyf_rng_next_below(&stream, (uint64_t)i + 1);
    const int64_t swapped = ret_order[i];
    ret_order[i] = ret_order[j];
    ret_order[j] = swapped;
  }
}

void cyf_plan_window(const cyf_lane_plan *plan, int64_t lane, int64_t n_blocks, int64_t window, int64_t *ret_first,
                     int64_t *ret_end) {
  const int64_t lead = 1 + lane % plan->window_blocks; /* blocks of the first window */
  const int64_t first = window == 0 ? 0 : lead + (window - 1) * plan->window_blocks;
  const int64_t end = lead + window * plan->window_blocks;
  *ret_first = first < n_blocks ? first : n_blocks;
  *ret_end = end < n_blocks ? end : n_blocks;
}

void cyf_plan_shuffle_window(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t window, int64_t n,
                             cyf_window_entry *entries) {
  if (!plan->shuffle) return;
  cyf_rng_stream stream = lane_stream(plan, epoch, lane, 2 + window);
  for (int64_t i = n - 1; i > 0; i--) {
    const int64_t j = (int64_t)cyf_rng_next_below(&stream, (uint64_t)i + 1);
    const cyf_window_entry swapped = entries[i];
    entries[i] = entries[j];
    entries[j] = swapped;
  }
}

void cyf_plan_shuffle_lane(const cyf_lane_plan *plan, int64_t epoch, int64_t lane, int64_t n, int64_t *values) {
  if (!plan->shuffle) return;
  cyf_rng_stream stream = lane_stream(plan, epoch, lane, 1);
  for (int64_t i = n - 1; i > 0; i--) {
    const int64_t j = (int64_t)cyf_rng_next_below(&stream, (uint64_t)i + 1);
    const int64_t swapped = values[i];
    values[i] = values[j];
    values[j] = swapped;
  }
}

int64_t cyf_plan_batches(const cyf_lane_plan *plan, const int64_t *lane_count) {
  int64_t most = 0;
  for (int64_t l = 0; l < plan->n_lanes; l++) most = lane_count[l] > most ? lane_count[l] : most;
  return (most + plan->lane_batch - 1) / plan->lane_batch;
}

int64_t cyf_plan_lane_cells(const cyf_lane_plan *plan, int64_t lane_count, int64_t step) {
  const int64_t left = lane_count - step * plan->lane_batch;
  if (left <= 0) return 0;
  return left < plan->lane_batch ? left : plan->lane_batch;
}

int64_t cyf_plan_batch_cells(const cyf_lane_plan *plan, const int64_t *lane_count, int64_t step) {
  int64_t n = 0;
  for (int64_t l = 0; l < plan->n_lanes; l++) n += cyf_plan_lane_cells(plan, lane_count[l], step);
  return n;
}

cyf_status cyf_plan_check_empty(const cyf_lane_plan *plan, const char *directory) {
  if (plan->split == CYF_SPLIT_VALIDATION) return CYF_OK;
  return CYF_FAIL(CYF_ERR_CONFIG,
                  "'%s': none of its %lld cells is left to train on with data.validation %g; lower data.validation",
                  directory, (long long)plan->n_cells, plan->validation);
}

cyf_status cyf_plan_check_cursor(int64_t batches_per_epoch, cyf_cursor *cursor) {
  if (cursor->epoch < 0 || cursor->step < 0 || cursor->step > batches_per_epoch)
    return CYF_FAIL(
        CYF_ERR_CONFIG,
        "cursor (epoch %lld, step %lld) lies outside of an epoch of %lld batches; did the data or its options change?",
        (long long)cursor->epoch, (long long)cursor->step, (long long)batches_per_epoch);
  if (cursor->step == batches_per_epoch) {
    cursor->epoch++;
    cursor->step = 0;
  }
  return CYF_OK;
}

bool cyf_loader_is_direct(cyf_loader_io asked, cyf_residency residency, int64_t rank_bytes, int64_t available_bytes,
                          int local_ranks) {
  if (residency != CYF_RESIDENCY_STREAM) return false;
  if (asked == CYF_LOADER_AUTO) return available_bytes > 0 && rank_bytes > available_bytes / local_ranks;
  return asked == CYF_LOADER_DIRECT;
}
