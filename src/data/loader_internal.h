/* Inside the loader: what the reader thread and the consumer share. */
#ifndef CYF_DATA_LOADER_INTERNAL_H
#define CYF_DATA_LOADER_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "data/loader.h"
#include "data/loader_plan.h"
#include "data/loader_shard.h"

/* One of this rank's lanes within the present epoch. */
typedef struct cyf_lane {
  int64_t lane; /* global number */
  int64_t n_blocks;
  int64_t count;        /* cells of the split */
  int32_t *block_count; /* [n_blocks] cells of the split in each block */
  int64_t *order;       /* [n_blocks] blocks in reading order */
  int64_t next_window;
  cyf_block *window; /* [window_blocks] the blocks in memory */
  cyf_window_entry *entry;
  int64_t n_entries, next_entry, entries_capacity;
} cyf_lane;

/* A batch with memory of its own. */
typedef struct cyf_batch_slot {
  cyf_csr_buffer cells;
  const cyf_block **block; /* [batch] where each cell is to be decoded from */
  int64_t n_decoded;       /* the cells before this one are in place */
  float *total;
  int64_t *cell;
  int64_t *position;
  int32_t *codes;
  int64_t n_local, n_global;
  cyf_cursor cursor;
} cyf_batch_slot;

struct cyf_loader {
  const cyf_comm *comm;
  const cyf_atlas *atlas;
  cyf_lane_plan plan;
  int64_t first_lane, n_lanes_local;
  int64_t first_cell, n_cells_local; /* of this rank's lanes */
  int64_t *lane_count;               /* [n_lanes] cells of the split */
  int64_t n_cells, batches_per_epoch;
  cyf_lane *lane; /* [n_lanes_local] */
  bool *in_split; /* [block_cells] scratch */
  int decode_threads;
  int32_t *codes; /* [n_attributes][n_cells_local] */
  cyf_shard_set shards;
  cyf_cursor cursor; /* of the batch the reader makes next */

  /* A ring: the reader fills slots [taken, taken + n_slots), the consumer holds slot taken - 1. */
  cyf_batch_slot *slot;
  int64_t n_slots;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool has_thread, has_mutex;
  bool stopping;             /* guarded by mutex, as is all below */
  int64_t n_filled, n_taken; /* batches since the start */
  bool holding;              /* the consumer holds a slot */
  cyf_status failure;        /* of the reader, with its message */
  char *failure_message;
};

/* Counts the split's cells of each own block and lane (lane->block_count, lane->count). Not collective. */
cyf_status cyf_lanes_make(cyf_loader *loader);
void cyf_lanes_destroy(cyf_loader *loader);
/* Puts every own lane where it stands at loader->cursor; reads nothing but the windows the cursor lies within. */
cyf_status cyf_lanes_seek(cyf_loader *loader);
/* Makes the batch at loader->cursor in the slot and moves the cursor on. Called by the reader thread. */
cyf_status cyf_batch_fill(cyf_loader *loader, cyf_batch_slot *slot);
cyf_status cyf_batch_slot_make(const cyf_loader *loader, cyf_batch_slot *slot);
void cyf_batch_slot_destroy(cyf_batch_slot *slot);

#endif
