/* SPDX-License-Identifier: MIT */
/** @file
 * Streams an atlas as batches of log-normalised cells. DESIGN section 4 "Loading". */
#ifndef CYF_DATA_LOADER_LOADER_H
#define CYF_DATA_LOADER_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/words.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "kernels/csr.h"

typedef enum cyf_split { CYF_SPLIT_TRAIN, CYF_SPLIT_VALIDATION, CYF_SPLIT_ALL } cyf_split;

/** How often an epoch emits a cell: once, or by the size of its category. */
typedef enum cyf_sampling { CYF_SAMPLING_PLAIN, CYF_SAMPLING_SQRT, CYF_SAMPLING_UNIFORM, CYF_SAMPLINGS } cyf_sampling;
/** The words of cyf_sampling, in its order. */
static const char *const cyf_sampling_words[] = {"none", "sqrt", "uniform", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_sampling_words) == CYF_SAMPLINGS, "a word for each sampling");
/** Where the cells stay between epochs: on disk, compact in this rank's memory once they were read, or compact in the
 * memory of its device from the start. */
typedef enum cyf_residency {
  CYF_RESIDENCY_STREAM,
  CYF_RESIDENCY_HOST,
  CYF_RESIDENCY_DEVICE,
  CYF_RESIDENCIES
} cyf_residency;
/** The words of cyf_residency, in its order. */
static const char *const cyf_residency_words[] = {"stream", "host", "device", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_residency_words) == CYF_RESIDENCIES, "a word for each residency");
/** What a batch holds: values ready for a model, the stored integers for a device to make them from, or the numbers of
 * rows that the device has (with CYF_RESIDENCY_DEVICE, whatever is asked for). */
typedef enum cyf_batch_form { CYF_BATCH_VALUES, CYF_BATCH_COMPACT, CYF_BATCH_ROWS } cyf_batch_form;

typedef struct cyf_loader_options {
  int64_t batch_cells;      /**< the global batch; a multiple of n_lanes */
  int64_t n_lanes;          /**< L; at least the number of ranks */
  int64_t block_cells;      /**< cells of a block (one contiguous read); shrinks to fit small data */
  int64_t window_blocks;    /**< blocks a lane shuffles over */
  int64_t prefetch_batches; /**< batches kept ready */
  double validation;        /**< fraction of cells in the validation split, [0, 1); by (seed, global cell index) */
  cyf_split split;
  bool shuffle; /**< false: ascending order within each lane */
  uint64_t seed;
  cyf_loader_io io;
  int decode_threads; /**< threads that widen and normalise a batch's cells; 0: 1 */
  cyf_sampling sampling;
  const char *balance_label; /**< attribute by whose categories cells are weighted; used unless sampling is PLAIN */
  cyf_residency residency;
  cyf_batch_form form;
  cyf_device *device; /**< whose memory cells stay in, and whose alloc_host compact batches lie in; NULL: only VALUES */
} cyf_loader_options;

/** Where a stream stands: batches already taken of an epoch. */
typedef struct cyf_cursor {
  int64_t epoch;
  int64_t step;
} cyf_cursor;

/** This rank's part of one global batch. Memory belongs to the loader, valid until the next call. */
typedef struct cyf_batch {
  cyf_batch_form form;
  cyf_csr cells; /**< [n_local, genes] log1p(counts / total x CYF_NORMALISED_TOTAL), or as stored if log-normalised;
                    indices and values NULL unless form is VALUES */
  /** COMPACT: the same cells as stored (host). ROWS: all cells of this rank's split, in device memory, of which these
   * are the rows row[n_local]. struct cyf_ops, csr_expand makes either into `cells`. */
  cyf_compact stored;
  const int64_t *row;      /**< [n_local] host */
  const float *total;      /**< [n_local] counts a cell before normalisation (0 where log-normalised) */
  const int64_t *cell;     /**< [n_local] global cell indices */
  const int64_t *position; /**< [n_local] places in the global batch: lane * batch_cells/L + place in the lane */
  const int32_t *codes;    /**< [n_attributes][n_local]: codes[a * n_local + i] */
  int64_t n_global;        /**< true number of cells over all ranks (fewer near an epoch's end) */
  cyf_cursor cursor;       /**< of this batch */
} cyf_batch;

typedef struct cyf_loader cyf_loader;

/** Collective. Starts threads at `start` (same on each rank): a planner that walks the lanes' windows in the order of
 * their need, one or some that fetch them, and an assembler that decodes batches, with `decode_threads` threads.
 * Memory: one window a lane and some ahead, as stored, the batches kept ready, and a bit a cell at most; with residency
 * HOST this rank's cells as stored, with residency DEVICE that much of the device's memory (reads all of them before it
 * returns) and 24 bytes a cell here. Errors: CYF_ERR_CONFIG where L, batch and ranks do not fit (names a valid number),
 * a training split is empty, or resident cells exceed the memory available; CYF_ERR_INPUT; agreed over ranks. An empty
 * validation split is legal: n_cells and batches_per_epoch are 0, and next is not to be called. The atlas and `comm`
 * must outlive the loader. */
cyf_status cyf_loader_create(cyf_comm *comm, const cyf_atlas *atlas, const cyf_loader_options *options,
                             cyf_cursor start, cyf_loader **ret_loader);
/** Stops the threads. Collective with io = MPIO (files close together), unless cyf_comm_is_broken: then the files
 * are left open, for the process to be aborted with. NULL-safe. */
void cyf_loader_destroy(cyf_loader **loader);
/** Batches of one epoch (the same for every rank and epoch). */
int64_t cyf_loader_batches_per_epoch(const cyf_loader *loader);
/** Cells an epoch emits over the whole atlas: those of the split; with balanced sampling about as many. */
int64_t cyf_loader_n_cells(const cyf_loader *loader);
/** How this rank reads: never AUTO. */
cyf_loader_io cyf_loader_io_chosen(const cyf_loader *loader);
/** Bytes of stored chunks this rank has read so far. */
int64_t cyf_loader_bytes_read(const cyf_loader *loader);
/** Batches that could be taken without waiting. */
int64_t cyf_loader_batches_ready(cyf_loader *loader);
/** The next batch; at an epoch's end the next epoch begins by itself. Not collective (each rank takes its own part;
 * with io = MPIO the reads are independent). Errors: CYF_ERR_INPUT from the threads; CYF_ERR_INTERNAL where the split
 * has no cells. */
cyf_status cyf_loader_next(cyf_loader *loader, cyf_batch *ret_batch);

#endif
