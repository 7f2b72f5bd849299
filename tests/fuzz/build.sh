#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the libFuzzer targets with clang into the folder: tests/fuzz/build.sh FOLDER (default build/fuzz). Then, for 10 minutes each:
#   build/fuzz/fuzz_pickle -max_total_time=600 NEW_CORPUS tests/fuzz/corpus/pickle
#   build/fuzz/fuzz_torch_file -max_total_time=600 NEW_CORPUS tests/fuzz/corpus/torch_file
#   build/fuzz/fuzz_safetensors -max_total_time=600 NEW_CORPUS tests/fuzz/corpus/safetensors
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-build/fuzz}
mkdir -p "$out"
sources=(src/data/tensors/torch_*.c src/data/tensors/safetensors_file.c src/data/tensors/safetensors_sum.c src/base/json_read.c src/base/names.c src/base/status.c src/base/memory.c src/base/memory_limit.c src/base/files.c src/base/checksum.c)
for target in fuzz_pickle fuzz_torch_file fuzz_safetensors; do
  ${CLANG:-clang} -std=gnu11 -D_GNU_SOURCE -Isrc -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -o "$out/$target" "tests/fuzz/$target.c" "${sources[@]}" -lzip -lz
done
echo "built fuzz_pickle, fuzz_torch_file and fuzz_safetensors in $out"
