#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Plants a fault at a time in a copy of the sources, builds it, and shows that faults.py finds it. The same cases on the program as it
# is must be right.
# Environment: CYTOFORGE_PYTHON. The copy is build/faults/planted.
set -euo pipefail
cd "$(dirname "$0")/../.."
source=$PWD
copy=$source/build/faults/planted
python=${CYTOFORGE_PYTHON:?names no Python}
missed=0

faults() { # PROGRAM PATTERN
  "$python" "$source/tests/faults/faults.py" --program "$1" --shim "$source/build/release/tests/libcyf_faults.so" --only "$2" \
    --state "$source/build/faults/planted.jsonl" --fresh >"$source/build/faults/planted.log" 2>&1
}

# plant NAME FILE SED PATTERN: a fault that cases of the pattern must find.
plant() {
  mkdir -p "$copy"
  git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -u -t "$copy"
  sed -i "$3" "$copy/$2"
  if cmp -s "$2" "$copy/$2"; then
    echo "planted: $1: nothing of $2 was changed" >&2
    missed=1
    return
  fi
  if ! (cd "$copy" && cmake --preset release && cmake --build --preset release --target cytoforge) >"$copy.log" 2>&1; then
    echo "planted: $1: does not build, see $copy.log" >&2
    missed=1
    return
  fi
  local plain=0 planted=0
  faults "$source/build/release/cytoforge" "$4" || plain=$?
  faults "$copy/build/release/cytoforge" "$4" || planted=$?
  local wrong
  wrong=$(grep -c '^wrong: ' "$source/build/faults/planted.log" || true)
  echo "planted: $1: exit $plain without it, $planted with it, $wrong found"
  [ "$plain" -eq 0 ] && [ "$planted" -eq 1 ] && [ "$wrong" -gt 0 ] || missed=1
  cp "$2" "$copy/$2"
}

plant "an ignored EIO" src/data/hdf5/hdf5_output_driver.c 's/sink->error = now < 0 ? errno : EIO;/(void)now;/' \
  '^call/.*/1/write EIO/'
plant "a skipped error of fsync" src/base/files.c 's/int error = outcome == 0 ? 0 : errno;/int error = 0;/' '^call/.*/1/fsync EIO/'
plant "an unverified chunk" src/data/hdf5/file_sums.c 's/if (cyf_checksum(0, bytes, (size_t)n) != sums->range\[r\].checksum)/if (false \&\& bytes)/' \
  '^flip/plain shard/1/byte/[0-9]?[0-9]$'
rm -rf "$copy" "$copy.log"
exit $missed
