/* SPDX-License-Identifier: MIT */
#include "data/atlas/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/config/yaml_doc.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text_sum.h"
#include "data/hdf5/file_sums.h"
#include "data/tables/gene_list.h"
#include "kernels/math/normalisation.h"

void cyf_atlas_shard_name(int64_t shard, char text[32]) {
  snprintf(text, 32, "shard-%05lld.h5ad", (long long)shard);
}

static uint64_t add_text(uint64_t sum, const char *text) {
  return cyf_checksum(sum, text, strlen(text) + 1);
}

static uint64_t genes_checksum(const cyf_names *genes) {
  uint64_t sum = 0;
  for (int64_t g = 0; g < genes->n; g++) sum = add_text(sum, genes->name[g]);
  return sum;
}

/* Adds nothing for the usual target: such an atlas has the fingerprint that it had when there was no other target. */
static uint64_t add_target(uint64_t sum, double target) {
  char text[48] = "target: unknown";
  if (target == CYF_NORMALISED_TOTAL) return sum;
  if (target > 0) snprintf(text, sizeof text, "target: %.17g", target);
  return add_text(sum, text);
}

cyf_status cyf_atlas_make_fingerprint(const cyf_atlas *atlas, const uint64_t *shard_checksums, char **ret_text) {
  uint64_t sum = add_text(genes_checksum(&atlas->genes), cyf_expression_kind_name(atlas->kind));
  sum = add_target(sum, atlas->target);
  for (int64_t a = 0; a < atlas->n_attributes; a++) {
    const cyf_attribute *attribute = &atlas->attributes[a];
    sum = add_text(sum, attribute->name);
    for (int64_t c = 0; c < attribute->categories.n; c++) {
      char count[24];
      snprintf(count, sizeof(count), "%lld", (long long)attribute->n_cells[c]);
      sum = add_text(add_text(sum, attribute->categories.name[c]), count);
    }
  }
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    char text[48];
    snprintf(text, sizeof(text), "%lld:%016" PRIx64, (long long)atlas->shards[s].n_cells, shard_checksums[s]);
    sum = add_text(sum, text);
  }
  return cyf_format(ret_text, "%016" PRIx64, sum);
}

static void print_text(FILE *stream, const char *before, const char *text, const char *after) {
  fputs(before, stream);
  cyf_yaml_write_quoted(stream, text);
  fputs(after, stream);
}

static void print_attributes(FILE *stream, const cyf_atlas *atlas) {
  fprintf(stream, "attributes:%s\n", atlas->n_attributes ? "" : " []");
  for (int64_t a = 0; a < atlas->n_attributes; a++) {
    const cyf_attribute *attribute = &atlas->attributes[a];
    print_text(stream, "  - name: ", attribute->name, "\n");
    fprintf(stream, "    categories:%s\n", attribute->categories.n ? "" : " []");
    for (int64_t c = 0; c < attribute->categories.n; c++) {
      print_text(stream, "      - {name: ", attribute->categories.name[c], "");
      fprintf(stream, ", n_cells: %lld}\n", (long long)attribute->n_cells[c]);
    }
  }
}

static void print_sources(FILE *stream, const cyf_atlas_provenance *provenance) {
  fputs("sources:\n", stream);
  for (int64_t i = 0; i < provenance->n_sources; i++) {
    const cyf_atlas_source *source = &provenance->sources[i];
    print_text(stream, "  - {path: ", source->path, "");
    fprintf(stream, ", n_cells: %lld, bytes: %lld}\n", (long long)source->n_cells, (long long)source->bytes);
  }
}

static void print_manifest(FILE *stream, const cyf_atlas *atlas, const cyf_atlas_provenance *provenance) {
  fprintf(stream, "format: cytoforge-atlas\nversion: %d\n", CYF_ATLAS_FORMAT_VERSION);
  print_text(stream, "kind: ", cyf_expression_kind_name(atlas->kind), "\n");
  if (atlas->target > 0)
    fprintf(stream, "target: %.17g\n", atlas->target);
  else
    fputs("target: unknown\n", stream);
  fprintf(stream, "n_cells: %lld\nn_genes: %lld\nnnz: %lld\n", (long long)atlas->n_cells, (long long)atlas->n_genes,
          (long long)atlas->nnz);
  fprintf(stream, "seed: \"%" PRIu64 "\"\n", atlas->seed);
  print_text(stream, "fingerprint: ", atlas->fingerprint, "\n");
  fprintf(stream, "genes: genes.tsv\ngenes_checksum: \"%016" PRIx64 "\"\n", genes_checksum(&atlas->genes));
  fprintf(stream, "sums: %d\n", CYF_SUMS_VERSION);
  print_attributes(stream, atlas);
  fputs("shards:\n", stream);
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    char name[32];
    cyf_atlas_shard_name(s, name);
    fprintf(stream, "  - {file: %s, n_cells: %lld, nnz: %lld, bytes: %lld, checksum: \"%016" PRIx64 "\"}\n", name,
            (long long)atlas->shards[s].n_cells, (long long)atlas->shards[s].nnz, (long long)provenance->shard_bytes[s],
            provenance->shard_checksums[s]);
  }
  print_sources(stream, provenance);
  fputs(provenance->text, stream);
}

cyf_status cyf_atlas_write_manifest(const cyf_atlas *atlas, const cyf_atlas_provenance *provenance,
                                    const char *directory) {
  char *genes_path = NULL, *path = NULL, *text = NULL;
  size_t size = 0;
  FILE *stream = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_path_join(directory, "genes.tsv", &genes_path));
  CYF_TRY_CLEANUP(cyf_path_join(directory, "manifest.yaml", &path));
  CYF_TRY_CLEANUP(cyf_gene_list_write(genes_path, &atlas->genes));
  stream = open_memstream(&text, &size);
  if (!stream) {
    status = CYF_FAIL(CYF_ERR_MEMORY, "%s: no memory for the manifest", path);
    goto cleanup;
  }
  print_manifest(stream, atlas, provenance);
  if (fclose(stream) != 0) {
    status = CYF_FAIL(CYF_ERR_MEMORY, "%s: no memory for the manifest", path);
    goto cleanup;
  }
  status = cyf_text_sum_write(path, text);
cleanup:
  free(text); /* from open_memstream */
  cyf_free(genes_path);
  cyf_free(path);
  return status;
}

/* ---- reading ---- */

typedef struct manifest {
  const char *path;
  cyf_yaml *yaml;
  cyf_yaml_node root;
} manifest;

static cyf_status damaged(const manifest *file, const char *what) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: %s; make the atlas again with `cytoforge prepare`", file->path, what);
}

/* Manifests of 0.1 have none, and mean the one number of then. */
static cyf_status read_target(const manifest *file, cyf_atlas *atlas) {
  const char *text = NULL;
  char *end = NULL;
  atlas->target = CYF_NORMALISED_TOTAL;
  if (cyf_yaml_get(file->yaml, file->root, "target").id == 0) {
    if (!cyf_expression_is_counted(atlas->kind))
      cyf_info("%s: says nothing of the target of its logarithms, which was " CYF_NORMALISED_TOTAL_TEXT
               " when it was made",
               file->path);
    return CYF_OK;
  }
  CYF_TRY(cyf_yaml_require_text(file->yaml, file->root, "target", &text));
  if (strcmp(text, "unknown") == 0) {
    atlas->target = 0;
    return CYF_OK;
  }
  atlas->target = strtod(text, &end);
  return end != text && *end == '\0' && atlas->target > 0 && isfinite(atlas->target)
             ? CYF_OK
             : damaged(file, "`target` is no number above 0, nor `unknown`");
}

static cyf_status read_header(const manifest *file, cyf_atlas *atlas) {
  const char *text = NULL;
  int64_t version = 0;
  CYF_TRY(cyf_yaml_require_text(file->yaml, file->root, "format", &text));
  if (strcmp(text, "cytoforge-atlas") != 0) return damaged(file, "is not the manifest of an atlas");
  CYF_TRY(cyf_yaml_require_int(file->yaml, file->root, "version", &version));
  if (version != CYF_ATLAS_FORMAT_VERSION)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: atlas format version %lld; this cytoforge reads version %d", file->path,
                    (long long)version, CYF_ATLAS_FORMAT_VERSION);
  CYF_TRY(cyf_yaml_require_text(file->yaml, file->root, "kind", &text));
  if (!cyf_expression_kind_find(text, &atlas->kind)) return damaged(file, "`kind` is unknown");
  CYF_TRY(read_target(file, atlas));
  CYF_TRY(cyf_yaml_require_int(file->yaml, file->root, "n_cells", &atlas->n_cells));
  CYF_TRY(cyf_yaml_require_int(file->yaml, file->root, "n_genes", &atlas->n_genes));
  CYF_TRY(cyf_yaml_require_int(file->yaml, file->root, "nnz", &atlas->nnz));
  if (atlas->n_cells < 1 || atlas->n_genes < 1 || atlas->nnz < 0) return damaged(file, "has impossible sizes");
  CYF_TRY(cyf_yaml_require_text(file->yaml, file->root, "seed", &text));
  char *end = NULL;
  errno = 0;
  atlas->seed = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0') return damaged(file, "`seed` is no number");
  CYF_TRY(cyf_yaml_require_text(file->yaml, file->root, "fingerprint", &text));
  return cyf_strdup(text, &atlas->fingerprint);
}

/* The version of the files of checksums beside the shards. Atlases of 0.1 have none. */
static cyf_status read_sums_version(const manifest *file, cyf_atlas *atlas) {
  int64_t version = 0;
  if (cyf_yaml_get(file->yaml, file->root, "sums").id == 0) return CYF_OK;
  CYF_TRY(cyf_yaml_require_int(file->yaml, file->root, "sums", &version));
  atlas->has_sums = version >= 1;
  if (version <= CYF_SUMS_VERSION) return CYF_OK;
  return CYF_FAIL(CYF_ERR_INPUT, "%s: its checksums have the version %lld; this cytoforge reads versions up to %d",
                  file->path, (long long)version, CYF_SUMS_VERSION);
}

/* Files of an atlas lie in its folder: a manifest of another's making leads nowhere else. */
static cyf_status own_file(const manifest *file, const char *directory, const char *name, char **ret_path) {
  if (name[0] == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: names the file '%s', which is not in the atlas' folder", file->path, name);
  return cyf_path_join(directory, name, ret_path);
}

static cyf_status read_genes(const manifest *file, cyf_atlas *atlas) {
  const char *name = NULL, *checksum = NULL;
  CYF_TRY(cyf_yaml_require_text(file->yaml, file->root, "genes", &name));
  CYF_TRY(cyf_yaml_require_text(file->yaml, file->root, "genes_checksum", &checksum));
  char *path = NULL;
  CYF_TRY(own_file(file, atlas->directory, name, &path));
  cyf_status status = cyf_gene_list_read_back(path, &atlas->genes);
  if (status == CYF_OK &&
      (atlas->genes.n != atlas->n_genes || genes_checksum(&atlas->genes) != strtoull(checksum, NULL, 16)))
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: is not the gene list that %s was written with", path, file->path);
  cyf_free(path);
  return status;
}

static cyf_status read_attribute(const manifest *file, cyf_yaml_node node, cyf_attribute *attribute) {
  const char *text = NULL;
  CYF_TRY(cyf_yaml_require_text(file->yaml, node, "name", &text));
  CYF_TRY(cyf_strdup(text, &attribute->name));
  const cyf_yaml_node categories = cyf_yaml_get(file->yaml, node, "categories");
  const int64_t n = cyf_yaml_count(file->yaml, categories);
  CYF_TRY(CYF_NEW(&attribute->n_cells, n));
  for (int64_t c = 0; c < n; c++) {
    const cyf_yaml_node item = cyf_yaml_item(file->yaml, categories, c);
    int64_t code = 0;
    CYF_TRY(cyf_yaml_require_text(file->yaml, item, "name", &text));
    CYF_TRY(cyf_names_add(&attribute->categories, text, &code));
    if (code != c) return damaged(file, "names a category twice");
    CYF_TRY(cyf_yaml_require_int(file->yaml, item, "n_cells", &attribute->n_cells[c]));
  }
  return CYF_OK;
}

static cyf_status read_attributes(const manifest *file, cyf_atlas *atlas) {
  const cyf_yaml_node list = cyf_yaml_get(file->yaml, file->root, "attributes");
  const int64_t n = cyf_yaml_count(file->yaml, list);
  CYF_TRY(CYF_NEW(&atlas->attributes, n));
  for (int64_t a = 0; a < n; a++) {
    atlas->n_attributes = a + 1; /* counted first so that a half-read attribute is freed too */
    CYF_TRY(read_attribute(file, cyf_yaml_item(file->yaml, list, a), &atlas->attributes[a]));
  }
  return CYF_OK;
}

static cyf_status read_shard(const manifest *file, cyf_yaml_node node, const char *directory, cyf_shard *shard) {
  const char *name = NULL;
  bool exists = false;
  CYF_TRY(cyf_yaml_require_text(file->yaml, node, "file", &name));
  CYF_TRY(own_file(file, directory, name, &shard->path));
  CYF_TRY(cyf_yaml_require_int(file->yaml, node, "n_cells", &shard->n_cells));
  CYF_TRY(cyf_yaml_require_int(file->yaml, node, "nnz", &shard->nnz));
  CYF_TRY(cyf_yaml_require_int(file->yaml, node, "bytes", &shard->bytes));
  CYF_TRY(cyf_file_exists(shard->path, &exists));
  if (!exists) return CYF_FAIL(CYF_ERR_INPUT, "%s: this shard of the atlas is missing", shard->path);
  CYF_TRY(cyf_file_identify(shard->path, &shard->identity));
  if (shard->identity.bytes != shard->bytes)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: has %lld bytes where the manifest says %lld; the shard is damaged", shard->path,
                    (long long)shard->identity.bytes, (long long)shard->bytes);
  return CYF_OK;
}

static cyf_status read_shards(const manifest *file, cyf_atlas *atlas) {
  const cyf_yaml_node list = cyf_yaml_get(file->yaml, file->root, "shards");
  const int64_t n = cyf_yaml_count(file->yaml, list);
  CYF_TRY(CYF_NEW(&atlas->shards, n));
  int64_t n_cells = 0, nnz = 0;
  for (int64_t s = 0; s < n; s++) {
    atlas->n_shards = s + 1;
    CYF_TRY(read_shard(file, cyf_yaml_item(file->yaml, list, s), atlas->directory, &atlas->shards[s]));
    atlas->shards[s].first_cell = n_cells;
    n_cells += atlas->shards[s].n_cells;
    nnz += atlas->shards[s].nnz;
  }
  if (n_cells != atlas->n_cells || nnz != atlas->nnz) return damaged(file, "the shards do not add up to the atlas");
  return CYF_OK;
}

cyf_status cyf_atlas_read_manifest(cyf_atlas *atlas) {
  char *path = NULL, *text = NULL;
  bool exists = false;
  manifest file = {0};
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(cyf_path_join(atlas->directory, "manifest.yaml", &path));
  CYF_TRY_CLEANUP(cyf_file_exists(path, &exists));
  if (!exists) {
    status = CYF_FAIL(CYF_ERR_INPUT, "%s: no atlas there (no manifest.yaml); `cytoforge prepare` makes one",
                      atlas->directory);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(cyf_read_text_file(path, &text));
  CYF_TRY_CLEANUP(cyf_text_sum_verify(path, text));
  CYF_TRY_CLEANUP(cyf_yaml_open(path, &file.yaml));
  file.path = path;
  file.root = cyf_yaml_root(file.yaml);
  CYF_TRY_CLEANUP(read_header(&file, atlas));
  CYF_TRY_CLEANUP(read_sums_version(&file, atlas));
  CYF_TRY_CLEANUP(read_genes(&file, atlas));
  CYF_TRY_CLEANUP(read_attributes(&file, atlas));
  CYF_TRY_CLEANUP(read_shards(&file, atlas));
cleanup:
  cyf_yaml_destroy(&file.yaml);
  cyf_free(text);
  cyf_free(path);
  return status;
}
