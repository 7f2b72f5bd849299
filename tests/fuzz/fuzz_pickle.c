/* SPDX-License-Identifier: MIT */
/* libFuzzer target: any bytes as the pickle of a state dict. */
#include <stddef.h>
#include <stdint.h>

#include "data/tensors/torch_pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  cyf_pickle pickle;
  cyf_status_clear();
  if (cyf_pickle_read("fuzzed", bytes, (int64_t)size, &pickle) != CYF_OK) return 0;
  cyf_pickle_get(&pickle, pickle.root, "state_dict");
  cyf_pickle_destroy(&pickle);
  return 0;
}
