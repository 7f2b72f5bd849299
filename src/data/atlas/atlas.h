/* SPDX-License-Identifier: MIT */
/** @file
 * The atlas: a directory with manifest.yaml and shard-NNNNN.h5ad, which `prepare` writes and training reads
 * (docs/atlas-format.md). */
#ifndef CYF_DATA_ATLAS_ATLAS_H
#define CYF_DATA_ATLAS_ATLAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/files.h"
#include "base/status.h"
#include "base/words.h"
#include "comm/comm.h"
#include "data/h5ad/reader.h"
#include "data/h5ad/values.h"
#include "data/tables/labels.h"

/** A label column of the atlas, such as cell_type. */
typedef struct cyf_attribute {
  char *name;
  cyf_names categories;
  int64_t *n_cells; /**< [categories.n] cells of each category over the atlas */
  int64_t n_added;  /**< the last categories that are in memory alone, without cells: those of a model that training
                       starts from; 0 from cyf_atlas_open */
} cyf_attribute;

/** One file of the atlas: consecutive cells of the shuffled order. */
typedef struct cyf_shard {
  char *path;         /**< absolute or relative to the working directory */
  int64_t first_cell; /**< global index of its first cell */
  int64_t n_cells;
  int64_t nnz;                /**< stored values */
  int64_t bytes;              /**< of the file */
  cyf_file_identity identity; /**< of the file, when the atlas was opened; zeroed: not known */
} cyf_shard;

/** When the stored bytes of an atlas are compared with the checksums that `prepare` wrote beside them: the first time
 * that a loader reads them, each time, or never. */
typedef enum cyf_verify { CYF_VERIFY_FIRST, CYF_VERIFY_ALWAYS, CYF_VERIFY_NEVER, CYF_VERIFIES } cyf_verify;
/** The words of cyf_verify, in its order. */
static const char *const cyf_verify_words[] = {"first", "always", "never", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_verify_words) == CYF_VERIFIES, "a word for each");

/** What the manifest says of an atlas; no cells. Everything is owned. */
typedef struct cyf_atlas {
  char *directory;
  int64_t n_cells, n_genes, nnz; /**< over all shards; nnz: stored values */
  cyf_expression_kind kind;
  double target; /**< what the undone values of a cell add up to: of logarithms as stored, 0 unknown; of counts as they
                    are normalised in training */
  uint64_t seed; /**< of the shuffle */
  char *fingerprint; /**< hexadecimal; changes when the atlas' content does; stored in checkpoints */
  cyf_names genes;
  cyf_attribute *attributes;
  int64_t n_attributes;
  cyf_shard *shards;
  int64_t n_shards;
  bool has_sums;     /**< a file of checksums stands beside each shard; atlases of cytoforge 0.1 have none */
  cyf_verify verify; /**< FIRST from cyf_atlas_open; whoever opens the atlas may set it before cells are read */
} cyf_atlas;

/** How stored chunks are read.
 *
 * POSIX: through the page cache, which keeps what fits memory for the next epoch. DIRECT: past it, into the loader's
 * own memory (O_DIRECT), which costs less and keeps nothing. Where a file system has no O_DIRECT, DIRECT is POSIX.
 * AUTO: POSIX where the cells of a machine's ranks fit its available memory, otherwise DIRECT. MPIO: through HDF5's
 * MPI-IO driver. */
typedef enum cyf_loader_io {
  CYF_LOADER_AUTO,
  CYF_LOADER_POSIX,
  CYF_LOADER_DIRECT,
  CYF_LOADER_MPIO,
  CYF_LOADER_IOS
} cyf_loader_io;
/** The words of cyf_loader_io, in its order. */
static const char *const cyf_loader_io_words[] = {"auto", "posix", "direct", "mpio", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_loader_io_words) == CYF_LOADER_IOS, "a word for each way of reading");

/** Reads the manifest and the gene names, and checks that each shard is there; the caller closes *ret_atlas. Not
 * collective. Errors: CYF_ERR_INPUT naming the file and what is wrong. */
cyf_status cyf_atlas_open(const char *directory, cyf_atlas **ret_atlas);
/** Frees the atlas; NULL-safe, sets NULL. */
void cyf_atlas_close(cyf_atlas **atlas);
/** Index of the attribute of that name, -1 when absent. */
int64_t cyf_atlas_find_attribute(const cyf_atlas *atlas, const char *name);
/** Checks that a shard has the manifest's label columns, with the same categories in the same order. Reads all labels
 * of the shard. Not collective. Errors: CYF_ERR_INPUT. */
cyf_status cyf_atlas_check_labels(const cyf_atlas *atlas, int64_t shard);

#endif
