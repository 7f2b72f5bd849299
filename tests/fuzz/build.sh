#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the libFuzzer targets with clang into the folder: tests/fuzz/build.sh FOLDER (default build/fuzz).
# Then, for 10 minutes each (TARGET: pickle, torch_file, safetensors, yaml, tables, manifest):
#   build/fuzz/fuzz_TARGET -max_total_time=600 NEW_CORPUS tests/fuzz/corpus/TARGET
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-build/fuzz}
mkdir -p "$out"
base=(src/base/*.c)
of_pickle=(src/data/tensors/torch_*.c -lzip -lz)
of_torch_file=("${of_pickle[@]}")
of_safetensors=("${of_pickle[@]}" src/data/tensors/safetensors_file.c src/data/tensors/safetensors_sum.c)
of_yaml=(src/base/config/*.c -lyaml)
of_tables=(src/data/tables/*.c)
of_manifest=(src/base/config/*.c src/data/tables/*.c src/data/atlas/manifest.c src/data/atlas/atlas.c src/data/h5ad/values_scale.c -lyaml)
for name in pickle torch_file safetensors yaml tables manifest; do
  declare -n sources=of_$name
  # what these files call of others is in functions that no target reaches
  ${CLANG:-clang} -std=gnu11 -D_GNU_SOURCE -Isrc -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -no-pie -Wl,--unresolved-symbols=ignore-all -o "$out/fuzz_$name" "tests/fuzz/fuzz_$name.c" "${base[@]}" "${sources[@]}" -lm
done
echo "built the targets in $out"
