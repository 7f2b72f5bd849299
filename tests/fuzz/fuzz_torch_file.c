/* SPDX-License-Identifier: MIT */
/* libFuzzer target: any bytes as a checkpoint. By the first byte the rest is a whole archive, or a pickle around which
 * an archive with one small storage is made. In an archive of its own a changed pickle would fail its CRC. Every tensor
 * that comes out is read. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"
#include "data/tensors/torch_file.h"

enum { STORAGE_BYTES = 256, TENSORS_READ_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void put(FILE *out, uint64_t value, int n) {
  for (int i = 0; i < n; i++) fputc(i < 8 ? (int)(value >> (8 * i) & 0xff) : 0, out);
}

/* The fields that a local and a central header share: from the version to the extra field's length. */
static void put_fields(FILE *out, const char *name, const uint8_t *bytes, size_t size) {
  put(out, 20, 2);
  put(out, 0, 8);
  put(out, crc32(0, bytes, (unsigned)size), 4);
  put(out, size, 4);
  put(out, size, 4);
  put(out, strlen(name), 2);
  put(out, 0, 2);
}

static void write_archive(FILE *out, const uint8_t *pickle, size_t size) {
  static const uint8_t storage[STORAGE_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
  const char *const names[] = {"a/data.pkl", "a/data/0"};
  const uint8_t *const contents[] = {pickle, storage};
  const size_t sizes[] = {size, STORAGE_BYTES};
  long at[3];
  for (int i = 0; i < 2; i++) {
    at[i] = ftell(out);
    put(out, 0x04034b50, 4);
    put_fields(out, names[i], contents[i], sizes[i]);
    fputs(names[i], out);
    fwrite(contents[i], 1, sizes[i], out);
  }
  at[2] = ftell(out);
  for (int i = 0; i < 2; i++) {
    put(out, 0x02014b50, 4);
    put(out, 20, 2);
    put_fields(out, names[i], contents[i], sizes[i]);
    put(out, 0, 10);
    put(out, (uint64_t)at[i], 4);
    fputs(names[i], out);
  }
  const long end = ftell(out);
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, 2, 2);
  put(out, 2, 2);
  put(out, (uint64_t)(end - at[2]), 4);
  put(out, (uint64_t)at[2], 4);
  put(out, 0, 2);
}

static void read_tensors(cyf_torch_file *file) {
  for (int64_t i = 0; i < cyf_torch_file_n_tensors(file) && i < TENSORS_READ_MAX; i++) {
    const cyf_torch_tensor *tensor = cyf_torch_file_tensor(file, i);
    float *values = NULL;
    cyf_status_clear();
    if (cyf_torch_file_find(file, tensor->name) != i) abort();
    if (CYF_NEW(&values, tensor->count) == CYF_OK) (void)cyf_torch_file_read_floats(file, i, values);
    cyf_free(values);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char path[64];
  cyf_torch_file *file = NULL;
  if (size == 0) return 0;
  int memory = memfd_create("fuzzed", 0);
  FILE *out = memory >= 0 ? fdopen(memory, "wb") : NULL;
  if (out == NULL) return 0;
  if (bytes[0] == 'P')
    fwrite(bytes, 1, size, out);
  else
    write_archive(out, bytes + 1, size - 1);
  fflush(out);
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  cyf_status_clear();
  if (cyf_torch_file_open(path, &file) == CYF_OK) read_tensors(file);
  cyf_torch_file_close(&file);
  fclose(out);
  return 0;
}
