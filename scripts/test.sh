#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds a preset and runs every test: scripts/test.sh release|debug|asan [ctest arguments]
# CYTOFORGE_REAL_DATA may name a folder with the real data sets (default: ../shared/data where it is there); without it the tests that
# need them say that they are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: scripts/test.sh release|debug|asan}
shift
. scripts/mpi-env.sh

if [ -z "${CYTOFORGE_REAL_DATA:-}" ] && [ -d ../shared/data ]; then CYTOFORGE_REAL_DATA=$(cd ../shared/data && pwd); fi
export CYTOFORGE_REAL_DATA=${CYTOFORGE_REAL_DATA:-}
CYTOFORGE_PYTHON=${CYTOFORGE_PYTHON:-$(scripts/python-env.sh)}
export CYTOFORGE_PYTHON

if [ -n "$CYTOFORGE_PYTHON" ]; then
  CYTOFORGE_H5AD_VARIANTS=$PWD/build/h5ad-variants
  if [ tests/interchange/make_h5ad.py -nt "$CYTOFORGE_H5AD_VARIANTS/.made" ]; then
    rm -rf "$CYTOFORGE_H5AD_VARIANTS"
    mkdir -p "$CYTOFORGE_H5AD_VARIANTS"
    "$CYTOFORGE_PYTHON" tests/interchange/make_h5ad.py "$CYTOFORGE_H5AD_VARIANTS" && touch "$CYTOFORGE_H5AD_VARIANTS/.made"
  fi
  export CYTOFORGE_H5AD_VARIANTS
fi

cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
[ -n "$CYTOFORGE_REAL_DATA" ] || echo "note: CYTOFORGE_REAL_DATA is not set; tests on real data are skipped"
[ -n "$CYTOFORGE_PYTHON" ] || echo "note: no Python with anndata; interchange tests are skipped"
ctest --test-dir "build/$preset" --output-on-failure --no-tests=error "$@"
