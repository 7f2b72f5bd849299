#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How real the cells are, on real data. From the raw file it goes to cells in the label proportions of the held-out cells, and compares them with
# these. The same numbers are given for decode(encode(held-out)), which bounds what this decoder can do. Two ranks, fixed seeds; writes
# benchmarks/results/quality.md and .json.
#
#   benchmarks/quality.sh [RAW.h5ad] [LABEL]     default: $CYTOFORGE_REAL_DATA/pbmc_facs.h5ad cell_type
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
. scripts/environment.sh
raw=${1:-$(real_data_file pbmc_facs.h5ad)}
label=${2:-cell_type}
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
work=${CYTOFORGE_QUALITY_DIR:-build/quality}
results=benchmarks/results
mkdir -p "$work" "$results"
rm -rf "${work:?}"/*

start=$SECONDS
$cytoforge prepare "$raw" -o "$work/atlas" --label "$label" --holdout 0.2 --seed 0
mpirun -n 2 $cytoforge train -c benchmarks/quality.yaml --data "$work/atlas" --out "$work/run"
trained=$((SECONDS - start))
mpirun -n 2 $cytoforge sample -m "$work/run/model.h5" --like "$work/atlas/heldout.h5ad" --by "$label" --seed 0 \
  -o "$work/synthetic.h5ad" ${CYTOFORGE_QUALITY_SAMPLE:---method ddpm}
taken=$((SECONDS - start))

mpirun -n 2 $cytoforge encode -m "$work/run/model.h5" "$work/atlas/heldout.h5ad" -o "$work/encoded.h5ad"
mpirun -n 2 $cytoforge decode -m "$work/run/model.h5" "$work/encoded.h5ad" -o "$work/decoded.h5ad"
for name in synthetic decoded; do
  $cytoforge evaluate --real "$work/atlas/heldout.h5ad" --train "$work/atlas/train.h5ad" --synthetic "$work/$name.h5ad" --label "$label" \
    -o "$work/$name.json" --force | tee "$work/$name.txt"
done

cpu=$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo)
{
  echo "# Quality on $(basename "$raw")"
  echo
  echo "Made by \`benchmarks/quality.sh\` on $(date -u +%F): $cpu, $(nproc) cores, 2 ranks; $trained s from the raw file to the model,"
  echo "$taken s to the cells. Settings: \`benchmarks/quality.yaml\`."
  echo
  echo "## Sampled cells against the held-out cells"
  echo
  echo '```'
  cat "$work/synthetic.txt"
  echo '```'
  echo
  echo "## decode(encode(held-out)) against the held-out cells"
  echo
  echo '```'
  cat "$work/decoded.txt"
  echo '```'
} > "$results/quality.md"
cp "$work/synthetic.json" "$results/quality_synthetic.json"
cp "$work/decoded.json" "$results/quality_decoded.json"

# The bounds that this benchmark checks: Spearman at least 0.91, MMD at most 1.3 times that of decode(encode(held-out)), and label accuracy at least
# 0.95 of the real held-out cells'.
measure() { awk -v name="$2" 'index($0, name) == 1 {print $(split(name, words, " ") + 1); exit}' "$1"; }
spearman=$(measure "$work/synthetic.txt" "gene means, Spearman")
mmd=$(measure "$work/synthetic.txt" "maximum mean discrepancy")
bound=$(measure "$work/decoded.txt" "maximum mean discrepancy")
ratio=$(awk '/synthetic \/ real/ {print $4; exit}' "$work/synthetic.txt")
awk -v s="$spearman" -v m="$mmd" -v b="$bound" -v r="$ratio" 'BEGIN {
  printf "Spearman %.4f (at least 0.91); MMD %.4f = %.2f x decode(encode(held-out)) %.4f (at most 1.3); label accuracy %.3f of real (at least 0.95)\n", s, m, m / b, b, r
  exit !(s >= 0.91 && m <= 1.3 * b && r >= 0.95)
}' | tee -a "$results/quality.md"
echo "wrote $results/quality.md; $taken s from the raw file to cells"
