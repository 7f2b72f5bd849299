/* SPDX-License-Identifier: MIT */
/* libFuzzer target: any bytes as each of the tables as text: CSV, label maps, gene lists and lists of labels. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/tables/csv.h"
#include "data/tables/gene_list.h"
#include "data/tables/label_list.h"
#include "data/tables/label_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_csv(cyf_status (*read)(const char *, cyf_csv *), const char *path) {
  cyf_csv table = {0};
  if (read(path, &table) != CYF_OK) cyf_status_clear();
  cyf_csv_destroy(&table);
}

static void read_names(cyf_status (*read)(const char *, cyf_names *), const char *path) {
  cyf_names names = {0};
  if (read(path, &names) != CYF_OK) cyf_status_clear();
  for (int64_t i = 0; i < names.n; i++)
    if (cyf_names_find(&names, names.name[i]) != i) abort();
  cyf_names_destroy(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char path[64];
  cyf_label_map map = {0};
  const int memory = memfd_create("fuzzed", 0);
  if (memory < 0 || write(memory, bytes, size) != (ssize_t)size) abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  cyf_status_clear();
  read_csv(cyf_csv_read, path);
  read_csv(cyf_csv_read_loose, path);
  read_names(cyf_gene_list_read, path);
  read_names(cyf_gene_list_read_back, path);
  read_names(cyf_label_list_read, path);
  if (cyf_label_map_read(path, &map) != CYF_OK) cyf_status_clear();
  for (int64_t i = 0; i < map.n; i++) {
    const char *to = NULL;
    if (cyf_label_map_find(&map, map.attribute[i], map.from[i], &to) != CYF_OK) abort();
  }
  cyf_label_map_destroy(&map);
  close(memory);
  return 0;
}
