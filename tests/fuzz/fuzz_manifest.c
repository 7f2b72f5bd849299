/* SPDX-License-Identifier: MIT */
/* libFuzzer target: any bytes as the manifest of an atlas, and, behind a NUL, as its list of genes. The folder has one
 * shard, of 8 bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/atlas/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void put(const char *directory, const char *name, const void *bytes, size_t size) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static char directory[] = "/dev/shm/cytoforge-fuzz-XXXXXX";
  static bool is_made = false;
  if (!is_made) {
    if (!mkdtemp(directory)) abort();
    put(directory, "shard-00000.h5ad", "12345678", 8);
    is_made = true;
  }
  const uint8_t *end = memchr(bytes, 0, size);
  const size_t length = end ? (size_t)(end - bytes) : size;
  put(directory, "manifest.yaml", bytes, length);
  put(directory, "genes.tsv", end ? end + 1 : bytes, end ? size - length - 1 : 0);
  cyf_atlas *atlas = NULL;
  cyf_status_clear();
  if (cyf_atlas_open(directory, &atlas) == CYF_OK) {
    for (int64_t a = 0; a < atlas->n_attributes; a++)
      for (int64_t c = 0; c < atlas->attributes[a].categories.n; c++)
        if (cyf_names_find(&atlas->attributes[a].categories, atlas->attributes[a].categories.name[c]) != c) abort();
  }
  cyf_atlas_close(&atlas);
  return 0;
}
