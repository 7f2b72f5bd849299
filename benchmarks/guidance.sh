#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Classifier guidance against classifier-free guidance, with the same data, autoencoder and number of denoiser updates. For strengths W it samples
# cells in the label proportions of the held-out cells. It gives their MMD and their label accuracy, by a classifier trained on real cells. Writes
# benchmarks/results/guidance.md.
#
#   benchmarks/guidance.sh [DIR]     DIR as benchmarks/steps.sh leaves it (default build/steps); the conditioned denoiser goes to DIR/free
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
work=${1:-build/steps}
label=${CYTOFORGE_STEPS_LABEL:-cell_type}
seeds=${CYTOFORGE_STEPS_SEEDS:-0 1}
results=benchmarks/results
real=$work/atlas/heldout.h5ad train=$work/atlas/train.h5ad

if [ ! -f "$work/free/model.h5" ]; then
  mkdir -p "$work/free/checkpoints"
  cp "$work"/run/checkpoints/autoencoder-* "$work/free/checkpoints/"
  mpirun -n 2 $cytoforge train -c benchmarks/counts.yaml --set denoiser.conditions="[$label]" --stage denoiser --data "$work/atlas" --out "$work/free"
fi
{
  echo "# Guidance"
  echo
  echo "Made by \`benchmarks/guidance.sh\` on $(date -u +%F): cells in the held-out proportions of \`$label\`, default sampler, one row a seed. Free guidance"
  echo "is eps() + W (eps(label) - eps()): W = 1 is the plain conditional model. A classifier's W = 0 is the unconditional model."
  echo
  echo "| guidance | W | seed | label accuracy | of the real cells' | MMD |"
  echo "|---|---|---|---|---|---|"
  for seed in $seeds; do
    for w in 0 1 2 3 4; do
      for mode in classifier free; do
        if [ "$mode" = free ]; then model=$work/free/model.h5; else model=$work/run/model.h5; fi
        $cytoforge sample -m "$model" --like "$real" --by "$label" --guidance-mode "$mode" --guidance "$w" --seed "$seed" --threads 1 \
          -o "$work/cells.h5ad" --force 2> /dev/null
        $cytoforge evaluate --real "$real" --train "$train" --synthetic "$work/cells.h5ad" --label "$label" --threads 1 2> /dev/null |
          awk -v mode="$mode" -v w="$w" -v seed="$seed" '/^maximum mean discrepancy/ {mmd = $4} /^label accuracy/ {accuracy = $3}
            /synthetic \/ real/ {printf "| %s | %s | %s | %s | %s | %s |\n", mode, w, seed, accuracy, $4, mmd}'
      done
    done
  done
} > "$results/guidance.md"
echo "wrote $results/guidance.md"
