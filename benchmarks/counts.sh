#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How real drawn counts are. Models of counts are trained on pbmc_facs, one for each seed, and cells are drawn in the label proportions of the
# held-out cells and compared with these. Each measure stands beside its ceiling: the same with training cells in place of the synthetic ones.
# Writes benchmarks/results/counts.md and .json.
#
#   benchmarks/counts.sh [RAW.h5ad] [LABEL]     default: $CYTOFORGE_REAL_DATA/pbmc_facs.h5ad cell_type
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
. scripts/environment.sh
raw=${1:-$(real_data_file pbmc_facs.h5ad)}
label=${2:-cell_type}
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
work=${CYTOFORGE_COUNTS_DIR:-build/counts}
seeds=${CYTOFORGE_COUNTS_SEEDS:-0 1 2}
results=benchmarks/results
mkdir -p "$work" "$results"

[ -e "$work/atlas" ] || $cytoforge prepare "$raw" -o "$work/atlas" --label "$label" --holdout 0.2 --seed 0
for seed in $seeds; do
  run=$work/run_$seed
  [ -e "$run/model.h5" ] || mpirun -n 2 $cytoforge train -c benchmarks/counts.yaml --set seed="$seed" --data "$work/atlas" --out "$run" --resume auto
  mpirun -n 2 $cytoforge sample -m "$run/model.h5" --like "$work/atlas/heldout.h5ad" --by "$label" --seed "$seed" -o "$work/cells_$seed.h5ad" --force
  $cytoforge evaluate --real "$work/atlas/heldout.h5ad" --train "$work/atlas/train.h5ad" --synthetic "$work/cells_$seed.h5ad" --label "$label" \
    -o "$work/cells_$seed.json" --force > "$work/cells_$seed.txt"
done

# One line for each measure and seed: value, ceiling, and whether that seed meets the aim.
measure() { awk -v name="$2" 'index($0, name) == 1 {k = split(name, words, " "); print $(k + 1), $(k + 2), $(k + 3); exit}' "$1"; }
rows() {
  for seed in $seeds; do
    local t=$work/cells_$seed.txt
    measure "$t" "real-or-synthetic AUC" | awk -v s="$seed" '{printf "%s|real-or-synthetic AUC|%s|%s|under 0.65|%s\n", s, $1, $2, ($1 < 0.65 ? "yes" : "no")}'
    measure "$t" "maximum mean discrepancy" | awk -v s="$seed" '{printf "%s|MMD|%s|%s|under twice the ceiling|%s\n", s, $1, $2, ($1 < 2 * $2 ? "yes" : "no")}'
    measure "$t" "detected genes a cell" | awk -v s="$seed" '{d = $1 / $3 - 1; printf "%s|detected genes a cell|%s (real %s)|%s|within 5 %% of the real|%s\n", s, $1, $3, $2, (d * d < 0.0025 ? "yes" : "no")}'
    for name in "gene variances, Spearman" "gene means, Spearman"; do
      measure "$t" "$name" | awk -v s="$seed" -v n="$name" '{printf "%s|%s|%s|%s|within 0.02 of the ceiling|%s\n", s, n, $1, $2, ($2 - $1 < 0.02 ? "yes" : "no")}'
    done
    awk -v s="$seed" '/synthetic \/ real/ {printf "%s|label accuracy of that of real cells|%s|1|none|\n", s, $4; exit}' "$t"
  done
}
rows > "$work/rows"
cpu=$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo)
{
  echo "# Drawn counts on $(basename "$raw")"
  echo
  echo "Made by \`benchmarks/counts.sh\` on $(date -u +%F): $cpu, $(nproc) cores. \`benchmarks/counts.yaml\`, default sampler; a model and a sample a seed."
  echo
  echo "| seed | measure | drawn counts | ceiling | aim | met |"
  echo "|---|---|---|---|---|---|"
  awk -F'|' '{print "| " $1 " | " $2 " | " $3 " | " $4 " | " $5 " | " $6 " |"}' "$work/rows"
} > "$results/counts.md"
awk -F'|' 'BEGIN {print "["} {v = $3; sub(/ .*/, "", v)
  printf "%s  {\"seed\": %s, \"measure\": \"%s\", \"value\": %s, \"ceiling\": %s, \"met\": %s}", (NR > 1 ? ",\n" : ""), $1, $2, v, $4, ($6 == "yes" ? "true" : $6 == "no" ? "false" : "null")}
  END {print "\n]"}' "$work/rows" > "$results/counts.json"
cat "$results/counts.md"
