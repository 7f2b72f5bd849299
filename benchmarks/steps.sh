#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Quality against the number of denoiser evaluations. Counts are sampled in the label proportions of the held-out cells and compared with these by MMD
# and real-or-synthetic AUC. Methods are ddpm over all timesteps, and ddpm, ddim and dpm++ over few, evenly spaced in time or in lambda. Several seeds
# run in parallel, on one thread each. Writes benchmarks/results/steps.md and .json.
#
#   benchmarks/steps.sh [DIR]     DIR with atlas/ and run/model.h5 (default build/steps: prepared and trained there if it is not there yet)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
. scripts/environment.sh
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
work=${1:-build/steps}
label=${CYTOFORGE_STEPS_LABEL:-cell_type}
seeds=${CYTOFORGE_STEPS_SEEDS:-0 1 2}
counts=${CYTOFORGE_STEPS_COUNTS:-10 15 20 25 50}
results=benchmarks/results
mkdir -p "$work" "$results"

if [ ! -f "$work/run/model.h5" ]; then
  raw=$(real_data_file pbmc_facs.h5ad)
  $cytoforge prepare "$raw" -o "$work/atlas" --label "$label" \
    --holdout 0.2 --seed 0
  mpirun -n 2 $cytoforge train -c benchmarks/counts.yaml --data "$work/atlas" --out "$work/run"
fi
real=$work/atlas/heldout.h5ad

one() { # METHOD STEPS EVALUATIONS SEED: one line of method, steps as asked for, evaluations, seed, MMD, AUC
  local cells=$work/cells_$4.h5ad
  $cytoforge sample -m "$work/run/model.h5" --like "$real" --by "$label" --method "$1" --steps "$2" --seed "$4" --threads 1 -o "$cells" --force \
    2> /dev/null
  printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$($cytoforge evaluate --real "$real" --synthetic "$cells" --ceiling none --threads 1 2> /dev/null |
    awk '/^maximum mean discrepancy/ {mmd = $4} /^real-or-synthetic AUC/ {auc = $3} END {print mmd "\t" auc}')"
}
all_of_seed() {
  one ddpm all 1000 "$1"
  for n in $counts; do
    for method in ddpm ddim dpm++; do
      for grid in "" lambda; do one "$method" "$grid$n" "$n" "$1"; done
    done
  done
}
jobs=()
for seed in $seeds; do
  all_of_seed "$seed" > "$work/runs_$seed.tsv" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
runs=$work/runs.tsv
: > "$runs"
for seed in $seeds; do cat "$work/runs_$seed.tsv" >> "$runs"; done

# Means and standard deviations over seeds. "within": no further above ddpm's mean than two standard errors of the difference.
awk -F'\t' -v json="$results/steps.json" '
  {
    key = $1 "\t" $2; if (!(key in n)) { order[++m] = key; evaluations[key] = $3 }
    n[key]++
    for (v = 5; v <= 6; v++) { sum[v, key] += $v; square[v, key] += $v * $v }
  }
  function mean(v, key) { return sum[v, key] / n[key] }
  function deviation(v, key,   d) { d = n[key] > 1 ? (square[v, key] - n[key] * mean(v, key)^2) / (n[key] - 1) : 0; return d > 0 ? sqrt(d) : 0 }
  function within(v, key) { return mean(v, key) - mean(v, order[1]) <= 2 * sqrt((deviation(v, key)^2 + deviation(v, order[1])^2) / n[key]) }
  END {
    print "| method | steps | evaluations | MMD | within noise of ddpm | AUC | within noise of ddpm |"
    print "|---|---|---|---|---|---|---|"
    printf "[" > json
    for (i = 1; i <= m; i++) {
      key = order[i]; split(key, part, "\t")
      printf "| %s | %s | %d | %.4f ± %.4f | %s | %.3f ± %.3f | %s |\n", part[1], part[2], evaluations[key], mean(5, key), deviation(5, key),
        (i == 1 ? "" : within(5, key) ? "yes" : "no"), mean(6, key), deviation(6, key), (i == 1 ? "" : within(6, key) ? "yes" : "no")
      printf "%s\n  {\"method\": \"%s\", \"steps\": \"%s\", \"evaluations\": %d, \"seeds\": %d, \"mmd\": {\"mean\": %.6f, \"sd\": %.6f}, \"auc\": {\"mean\": %.6f, \"sd\": %.6f}}",
        (i > 1 ? "," : ""), part[1], part[2], evaluations[key], n[key], mean(5, key), deviation(5, key), mean(6, key), deviation(6, key) > json
    }
    print "\n]" > json
  }' "$runs" > "$work/table.md"
cpu=$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo)
{
  echo "# Quality against steps"
  echo
  echo "Made by \`benchmarks/steps.sh\` on $(date -u +%F): $cpu, $(nproc) cores. $(awk 'END {print NR}' "$runs") runs, mean and standard deviation"
  echo "over seeds $seeds of sampling. Model of counts (\`benchmarks/counts.yaml\`), classifier guidance 2. Steps N are even in time, lambdaN in the log"
  echo "signal-to-noise ratio. AUC: that of a random forest which tells real from drawn cells. \"Within noise\": no further above the mean of ddpm over"
  echo "all timesteps than two standard errors of the difference."
  echo
  cat "$work/table.md"
} > "$results/steps.md"
echo "wrote $results/steps.md"
