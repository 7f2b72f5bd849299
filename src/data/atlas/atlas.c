/* SPDX-License-Identifier: MIT */
#include "data/atlas/atlas.h"

#include <string.h>

#include "base/memory.h"
#include "data/atlas/manifest.h"

cyf_status cyf_atlas_open(const char *directory, cyf_atlas **ret_atlas) {
  *ret_atlas = NULL;
  cyf_atlas *atlas = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&atlas, 1));
  CYF_TRY_CLEANUP(cyf_strdup(directory, &atlas->directory));
  CYF_TRY_CLEANUP(cyf_atlas_read_manifest(atlas));
  *ret_atlas = atlas;
  return CYF_OK;
cleanup:
  cyf_atlas_close(&atlas);
  return status;
}

void cyf_atlas_close(cyf_atlas **atlas_at) {
  if (!atlas_at || !*atlas_at) return;
  cyf_atlas *atlas = *atlas_at;
  cyf_free(atlas->directory);
  cyf_free(atlas->fingerprint);
  cyf_names_destroy(&atlas->genes);
  for (int64_t a = 0; a < atlas->n_attributes; a++) {
    cyf_free(atlas->attributes[a].name);
    cyf_names_destroy(&atlas->attributes[a].categories);
    cyf_free(atlas->attributes[a].n_cells);
  }
  cyf_free(atlas->attributes);
  for (int64_t s = 0; s < atlas->n_shards; s++) cyf_free(atlas->shards[s].path);
  cyf_free(atlas->shards);
  cyf_free(*atlas_at);
}

int64_t cyf_atlas_find_attribute(const cyf_atlas *atlas, const char *name) {
  for (int64_t a = 0; a < atlas->n_attributes; a++)
    if (strcmp(atlas->attributes[a].name, name) == 0) return a;
  return -1;
}

/* Reads one attribute's labels of a shard. Its categories must be those of the manifest. */
static cyf_status read_shard_labels(const cyf_shard *shard, const cyf_attribute *attribute, cyf_h5ad *file,
                                    cyf_label_column *ret_column) {
  CYF_TRY(cyf_h5ad_read_labels(file, attribute->name, ret_column));
  bool same =
      ret_column->n_cells == shard->n_cells && ret_column->categories.n == attribute->categories.n - attribute->n_added;
  for (int64_t c = 0; same && c < ret_column->categories.n; c++)
    same = strcmp(ret_column->categories.name[c], attribute->categories.name[c]) == 0;
  if (same) return CYF_OK;
  cyf_label_column_destroy(ret_column);
  return CYF_FAIL(CYF_ERR_INPUT, "%s: labels \"%s\" are not those of the atlas' manifest", shard->path,
                  attribute->name);
}

cyf_status cyf_atlas_check_labels(const cyf_atlas *atlas, int64_t shard) {
  if (atlas->n_attributes == 0) return CYF_OK;
  cyf_h5ad *file = NULL;
  CYF_TRY(cyf_h5ad_open(atlas->shards[shard].path, NULL, &file));
  cyf_status status = CYF_OK;
  for (int64_t a = 0; a < atlas->n_attributes && status == CYF_OK; a++) {
    cyf_label_column column = {0};
    status = read_shard_labels(&atlas->shards[shard], &atlas->attributes[a], file, &column);
    cyf_label_column_destroy(&column);
  }
  cyf_h5ad_close(&file);
  return status;
}
