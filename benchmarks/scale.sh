#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Proof at size: simulates an atlas of 28,231 genes, prepares it, streams an epoch, trains a few steps and encodes it, on 2 ranks, at two sizes; reports
# seconds, cells a second, bytes and peak memory a rank of each phase, how memory grows between the sizes, and what 22.7 million cells would take.
# Writes benchmarks/results/scale.json and scale.md.
#
#   benchmarks/scale.sh [FOLDER [SMALL LARGE]]    default build/bench-scale 200000 2000000; takes 19 kB a cell of LARGE there (it says so first, and takes
#                                                 fewer cells where less is free) and removes what it made
#   RANKS=2 PREPARE_OPTIONS='--memory 512M'
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
python3 benchmarks/scale.py --cytoforge "${CYTOFORGE_BINARY:-build/release/cytoforge}" --folder "${1:-build/bench-scale}" --cells "${2:-200000}" \
  "${3:-2000000}" --ranks "${RANKS:-2}" --prepare-options "${PREPARE_OPTIONS---memory 512M}" --json benchmarks/results/scale.json \
  --table benchmarks/results/scale.md
