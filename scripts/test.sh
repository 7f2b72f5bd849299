#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds a preset, runs every test and prints how many passed, failed and were skipped, and why:
#   scripts/test.sh release|debug|asan [ctest arguments]
#   scripts/test.sh release|debug|asan --without-real-data    only the checks that need real data, which all must be skipped without it
# CYTOFORGE_REAL_DATA may name a folder with the real data sets (default: ../shared/data where it is there).
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: scripts/test.sh release|debug|asan [--without-real-data | ctest arguments]}
shift
without=""
if [ "${1:-}" = "--without-real-data" ]; then without=yes && shift; fi
. scripts/mpi-env.sh
. scripts/environment.sh

CYTOFORGE_REAL_DATA=$(real_data_folder)
CYTOFORGE_PYTHON=$(given_program CYTOFORGE_PYTHON)
[ -n "$CYTOFORGE_PYTHON" ] || CYTOFORGE_PYTHON=$(scripts/python-env.sh)
CYTOFORGE_H5AD_VARIANTS=""
if [ -n "$without" ]; then
  CYTOFORGE_REAL_DATA=""
  set -- -L real_data "$@"
  export CYTOFORGE_TEST_FILTER="real_*"
elif [ -n "$CYTOFORGE_PYTHON" ]; then
  CYTOFORGE_H5AD_VARIANTS=$PWD/build/h5ad-variants
  if [ tests/interchange/make_h5ad.py -nt "$CYTOFORGE_H5AD_VARIANTS/.made" ]; then
    rm -rf "$CYTOFORGE_H5AD_VARIANTS"
    mkdir -p "$CYTOFORGE_H5AD_VARIANTS"
    "$CYTOFORGE_PYTHON" tests/interchange/make_h5ad.py "$CYTOFORGE_H5AD_VARIANTS" && touch "$CYTOFORGE_H5AD_VARIANTS/.made"
  fi
fi
export CYTOFORGE_REAL_DATA CYTOFORGE_PYTHON CYTOFORGE_H5AD_VARIANTS

cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
results=$PWD/build/$preset/tests.xml
rm -f "$results"
ended=0
# ctest keeps the beginning of a test's output alone unless told how much: the skipped checks stand anywhere in it.
ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --output-junit "$results" --test-output-size-passed 16777216 \
  --test-output-size-failed 16777216 "$@" || ended=$?
if [ ! -f "$results" ]; then exit $ended; fi # ctest -N and the like
table=$(scripts/test-table.sh "$results")
printf '%s\n' "$table"
if [ -n "$without" ]; then
  # Each program of the label has skipped a check and did nothing else.
  programs=$(grep -c '<testcase ' "$results")
  told=$(sed -n 's/^  skipped: \([^,]*\), .*CYTOFORGE_REAL_DATA names no .*/\1/p' <<<"$table" | sort -u | wc -l)
  if [ "$told" -ne "$programs" ] || ! grep -qE '^single checks .* 0 +0 +[0-9]+$' <<<"$table"; then
    echo "test.sh: without real data every check that needs it must be skipped and say so" >&2
    exit 1
  fi
fi
exit $ended
