/* SPDX-License-Identifier: MIT */
/* libFuzzer target: any bytes as a safetensors file. Every tensor that comes out is read. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/tensors/safetensors_file.h"

enum { TENSORS_READ_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char path[64];
  cyf_safetensors_file *file = NULL;
  const int memory = memfd_create("fuzzed", 0);
  if (memory < 0 || write(memory, bytes, size) != (ssize_t)size) abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  cyf_status_clear();
  const cyf_status status = cyf_safetensors_open(path, "", &file);
  for (int64_t i = 0; status == CYF_OK && i < cyf_safetensors_n_tensors(file) && i < TENSORS_READ_MAX; i++) {
    const cyf_torch_tensor *tensor = cyf_safetensors_tensor(file, i);
    float *values = NULL;
    if (cyf_safetensors_find(file, tensor->name) != i) abort();
    if (CYF_NEW(&values, tensor->count) == CYF_OK && cyf_safetensors_read_floats(file, i, values) != CYF_OK) abort();
    cyf_free(values);
  }
  cyf_safetensors_close(&file);
  close(memory);
  return 0;
}
