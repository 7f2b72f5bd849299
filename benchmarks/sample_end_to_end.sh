#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a user waits for: 10,000 cells x 28,231 genes as counts, guided by a classifier, 15 steps, one file, on two threads. The model is trained for a
# few steps on simulated cells: its cells are noise, and their number of counts and the work are those of a good one. Two programs sample in turns;
# their cells must be the same. Where `perf` is there, each one's processor seconds are told by phase. Writes benchmarks/results/sample.md.
#
#   CYTOFORGE_BEFORE=OTHER/cytoforge benchmarks/sample_end_to_end.sh [CELLS] [ROUNDS]     default: 10000 3
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
. scripts/environment.sh
cells=${1:-10000}
rounds=${2:-3}
after=${CYTOFORGE_BINARY:-build/release/cytoforge}
before=${CYTOFORGE_BEFORE:?the program to compare with}
python=${CYTOFORGE_PYTHON:-build/python/bin/python}
work=${CYTOFORGE_SAMPLE_DIR:-build/sample}
result=benchmarks/results/sample.md
mkdir -p "$work"

if [ ! -e "$work/run/model.h5" ]; then
  $after synth -o "$work/cells.h5ad" --cells 3000 --genes 28231 --types 8 --counts 3000 --expressed 0.053 --force
  rm -rf "$work/atlas" "$work/run"
  $after prepare "$work/cells.h5ad" -o "$work/atlas" --label cell_type --min-cells 0
  $after train -c benchmarks/counts.yaml --data "$work/atlas" --out "$work/run" --set autoencoder.steps=60 --set denoiser.steps=60 \
    --set classifier.steps=40
fi
{
  echo "cell_type,count"
  for type in 1 2 3 4 5 6 7 8; do echo "type_$type,$((cells / 8))"; done
} > "$work/requests.csv"

sample() { # PROGRAM NAME [PREFIX...]
  local program=$1 name=$2
  shift 2
  "$@" "$program" sample -m "$work/run/model.h5" --requests "$work/requests.csv" --guidance 2 --steps 15 --seed 1 --threads 2 -o "$work/$name.h5ad" --force \
    2> "$work/$name.log"
}
: > "$work/times.csv"
for round in $(seq "$rounds"); do
  for name in before after; do
    start=$(date +%s.%N)
    TIMEFORMAT='%U %S'
    used=$({ time sample "${!name}" "$name"; } 2>&1)
    echo "$name $(date +%s.%N) $start $used" >> "$work/times.csv"
  done
done
for name in before after; do
  rm -f "$work/$name.phases"
  command -v perf > /dev/null || continue
  sample "${!name}" "$name" perf record -q -o "$work/$name.perf" -F 99 --call-graph dwarf,4096
  perf script --no-inline -i "$work/$name.perf" -F comm,tid,ip,sym 2> /dev/null > "$work/$name.phases"
done
$after bench sample -m "$work/run/model.h5" --guidance 2 -n 2048 --threads 2 --json > "$work/bench.json" 2> /dev/null
$python benchmarks/sample_end_to_end.py "$work" "$cells" > "$work/sample.md"
cp "$work/sample.md" "$result"
cat "$result"
