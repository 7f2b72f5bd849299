#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A large atlas, at two sizes: simulates cells of 28,231 genes, prepares them, streams an epoch, trains a few steps and encodes them, on 2 ranks.
# Reports seconds, cells a second, bytes, and peak memory of a rank for each phase, and how memory grows between the sizes. From these it says what
# 22.7 million cells would take. Writes benchmarks/results/scale.json and scale.md.
#
#   benchmarks/scale.sh [FOLDER [SMALL LARGE]]    default build/bench-scale 200000 2000000; takes 19 kB a cell of LARGE there and
#                                                 says so first (fewer cells where less is free); removes what it made
#   RANKS=2 PREPARE_OPTIONS='--memory 512M'
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
python3 benchmarks/scale.py --cytoforge "${CYTOFORGE_BINARY:-build/release/cytoforge}" --folder "${1:-build/bench-scale}" --cells "${2:-200000}" \
  "${3:-2000000}" --ranks "${RANKS:-2}" --prepare-options "${PREPARE_OPTIONS---memory 512M}" --json benchmarks/results/scale.json \
  --table benchmarks/results/scale.md
