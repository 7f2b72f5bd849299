/* SPDX-License-Identifier: MIT */
/** @file
 * The atlas' manifest.yaml: what `prepare` writes and cyf_atlas_open reads. */
#ifndef CYF_DATA_ATLAS_MANIFEST_H
#define CYF_DATA_ATLAS_MANIFEST_H

#include <stdint.h>

#include "base/status.h"
#include "data/atlas/atlas.h"

/** The manifest's `version`; others are refused. */
enum { CYF_ATLAS_FORMAT_VERSION = 1 };

/** An input file of `prepare`. */
typedef struct cyf_atlas_source {
  const char *path;
  int64_t n_cells;
  int64_t bytes;
} cyf_atlas_source;

/** What the manifest says beyond cyf_atlas: where the cells came from. Nothing is owned. */
typedef struct cyf_atlas_provenance {
  const cyf_atlas_source *sources;
  int64_t n_sources;
  const char *text;                /**< further keys of the manifest, lines of YAML that are written as they are */
  const int64_t *shard_bytes;      /**< [n_shards] */
  const uint64_t *shard_checksums; /**< [n_shards] of the shard's cells, genes and values */
} cyf_atlas_provenance;

/** File name of a shard within the atlas, "shard-00012.h5ad"; text[32]. */
void cyf_atlas_shard_name(int64_t shard, char text[32]);

/** Fingerprint of genes, categories, kind, target and shard checksums as 16 hexadecimal digits; the caller frees
 * *ret_text with cyf_free. */
cyf_status cyf_atlas_make_fingerprint(const cyf_atlas *atlas, const uint64_t *shard_checksums, char **ret_text);

/** Writes genes.tsv and then manifest.yaml into `directory`; atlas->directory need not be set. Not collective. Errors:
 * CYF_ERR_IO. */
cyf_status cyf_atlas_write_manifest(const cyf_atlas *atlas, const cyf_atlas_provenance *provenance,
                                    const char *directory);

/** Fills `atlas`, whose directory is set, from its manifest.yaml and genes.tsv. Not collective. Errors: CYF_ERR_INPUT.
 */
cyf_status cyf_atlas_read_manifest(cyf_atlas *atlas);

#endif
