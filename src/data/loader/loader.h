/* SPDX-License-Identifier: MIT */
/** @file
 * Streams an atlas as batches of log-normalised cells (docs/loader.md, "What a batch is"). */
#ifndef CYF_DATA_LOADER_LOADER_H
#define CYF_DATA_LOADER_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/words.h"
#include "comm/comm.h"
#include "data/atlas/atlas.h"
#include "kernels/csr.h"

/** Which cells a stream gives: those to learn from, the validation split, or all. */
typedef enum cyf_split { CYF_SPLIT_TRAIN, CYF_SPLIT_VALIDATION, CYF_SPLIT_ALL } cyf_split;

/** How often an epoch gives a cell: once, or by the size of the cell's category (balance.h). */
typedef enum cyf_sampling {
  CYF_SAMPLING_PLAIN,
  CYF_SAMPLING_SQRT,
  CYF_SAMPLING_UNIFORM,
  CYF_SAMPLING_GENTLE,
  CYF_SAMPLINGS
} cyf_sampling;
/** The words of cyf_sampling, in its order. */
static const char *const cyf_sampling_words[] = {"none", "sqrt", "uniform", "gentle", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_sampling_words) == CYF_SAMPLINGS, "a word for each sampling");
/** Where cells stay between epochs: on disk; as stored in this rank's memory, once they were read; or as integers in
 * the memory of its device, from the start. */
typedef enum cyf_residency {
  CYF_RESIDENCY_STREAM,
  CYF_RESIDENCY_HOST,
  CYF_RESIDENCY_DEVICE,
  CYF_RESIDENCIES
} cyf_residency;
/** The words of cyf_residency, in its order. */
static const char *const cyf_residency_words[] = {"stream", "host", "device", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_residency_words) == CYF_RESIDENCIES, "a word for each residency");
/** What a batch holds: values ready for a model, the stored integers from which a device makes them, or numbers of the
 * rows that the device holds. With CYF_RESIDENCY_DEVICE it is the last, whatever is asked for. */
typedef enum cyf_batch_form { CYF_BATCH_VALUES, CYF_BATCH_COMPACT, CYF_BATCH_ROWS } cyf_batch_form;

/** How an atlas is streamed: the settings of the section `data`. Nothing is owned. */
typedef struct cyf_loader_options {
  int64_t batch_cells;      /**< the global batch; a multiple of n_lanes */
  int64_t n_lanes;          /**< L, equal ranges that the atlas is cut into; at least the number of ranks */
  int64_t block_cells;      /**< cells of a block, which is read at once; fewer where there is little data */
  int64_t window_blocks;    /**< blocks of a lane whose cells are shuffled together */
  int64_t prefetch_batches; /**< batches kept ready; at least 1 */
  double validation; /**< fraction of cells in the validation split, [0, 1); drawn by (seed, cell of the atlas) */
  cyf_split split;
  bool shuffle; /**< false: ascending order within each lane */
  uint64_t seed;
  cyf_loader_io io;
  int decode_threads; /**< threads that decode and normalise a batch's cells; 0: 1 */
  cyf_sampling sampling;
  const char *balance_label; /**< attribute by whose categories cells are weighted; used unless sampling is PLAIN */
  cyf_residency residency;
  cyf_batch_form form;
  cyf_device *device; /**< holds resident cells, and its alloc_host makes compact batches; NULL: form VALUES only */
} cyf_loader_options;

/** Where a stream stands: `step` batches of an epoch were taken. */
typedef struct cyf_cursor {
  int64_t epoch;
  int64_t step;
} cyf_cursor;

/** This rank's part of one global batch. The loader owns its memory, which is valid until the next call. */
typedef struct cyf_batch {
  cyf_batch_form form;
  cyf_csr cells; /**< [n_local, genes] log1p(counts / total x CYF_NORMALISED_TOTAL), or as stored if log-normalised;
                    indices and values NULL unless form is VALUES */
  /** COMPACT: the same cells as integers, in host memory. ROWS: all cells of this rank's split, in device memory; the
   * batch has the rows row[n_local]. The device's operation csr_expand turns either into `cells`. */
  cyf_compact stored;
  const int64_t *row;  /**< [n_local] in host memory */
  const float *total;  /**< [n_local] total count of a cell, before normalisation; 0 where log-normalised */
  const int64_t *cell; /**< [n_local] places in the atlas */
  const int64_t
      *position;        /**< [n_local] places in the global batch: lane * batch_cells/L + place in the lane's share */
  const int32_t *codes; /**< [n_attributes][n_local]: codes[a * n_local + i] */
  int64_t n_global;     /**< true number of cells over all ranks (fewer near an epoch's end) */
  cyf_cursor cursor;    /**< of this batch */
} cyf_batch;

/** A stream of batches, and the threads that make them. */
typedef struct cyf_loader cyf_loader;

/** Starts a stream at the batch `start`, which is the same on each rank. `atlas` and `comm` must outlive the loader.
 *
 * Threads of the loader plan what is to be read, read it, and decode batches (docs/loader.md, "Threads"). An empty
 * validation split is legal: then n_cells and batches_per_epoch are 0, and cyf_loader_next must not be called.
 *
 * Memory: a window of stored cells for each lane and some ahead, the batches kept ready, and at most a bit a cell. With
 * residency HOST, also this rank's cells as stored. With residency DEVICE that much of the device's memory and 24 bytes
 * a cell of this rank's; all cells are then read before this returns. Collective. Errors, agreed: CYF_ERR_CONFIG where
 * lanes, batch and ranks do not fit (it names a valid number), a training split is empty, or resident cells exceed the
 * memory available; CYF_ERR_INPUT. */
cyf_status cyf_loader_create(cyf_comm *comm, const cyf_atlas *atlas, const cyf_loader_options *options,
                             cyf_cursor start, cyf_loader **ret_loader);
/** Stops the threads and frees the loader; NULL-safe, sets NULL. Collective with io = MPIO, where ranks close files
 * together. But after cyf_comm_is_broken those files are left open, since the process is about to be aborted. */
void cyf_loader_destroy(cyf_loader **loader);
/** Batches of one epoch, the same for every rank and epoch. Not collective, as all below. */
int64_t cyf_loader_batches_per_epoch(const cyf_loader *loader);
/** Cells that an epoch gives over all ranks: those of the split; with balanced sampling about as many. */
int64_t cyf_loader_n_cells(const cyf_loader *loader);
/** How this rank reads: never AUTO. */
cyf_loader_io cyf_loader_io_chosen(const cyf_loader *loader);
/** Bytes of stored chunks that this rank has read so far. */
int64_t cyf_loader_bytes_read(const cyf_loader *loader);
/** Batches that could be taken without waiting. */
int64_t cyf_loader_batches_ready(cyf_loader *loader);
/** Takes this rank's part of the next batch, and waits until it is there. At an epoch's end the next epoch begins by
 * itself. Errors: what failed in the loader's threads, such as CYF_ERR_INPUT; CYF_ERR_INTERNAL where the split has no
 * cells. */
cyf_status cyf_loader_next(cyf_loader *loader, cyf_batch *ret_batch);

#endif
