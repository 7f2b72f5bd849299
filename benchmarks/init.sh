#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What going on from a model is worth (train --init). First comes a model of six donors of kang_donors, then 1,000 cells of the two others.
# Training from scratch on these has the same steps. Both are judged on the other cells of the two donors, which no training saw. Writes benchmarks/results/init.md.
#
#   benchmarks/init.sh [SEEDS]        default: 3; needs CYTOFORGE_REAL_DATA and a Python with anndata (CYTOFORGE_PYTHON, or build/python)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
. scripts/environment.sh
donors=$(real_data_file kang_donors.h5ad)
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
python=${CYTOFORGE_PYTHON:-build/python/bin/python}
work=${CYTOFORGE_INIT_DIR:-build/init}
seeds=${1:-3}
shape=(--set "denoiser.hidden=[128, 64]" --set "classifier.hidden=[64, 64, 32]")
first=(--set autoencoder.steps=400 --set denoiser.steps=1500 --set classifier.steps=200)
budgets=("short 60 250 60" "longer 150 750 100")
mkdir -p "$work"

steps() { echo --set "autoencoder.steps=$1" --set "denoiser.steps=$2" --set "classifier.steps=$3" --set "seed=$4"; }

$python benchmarks/init.py split "$donors" "$work" "$seeds"
if [ ! -e "$work/six/model.h5" ]; then
  [ -e "$work/six_atlas" ] || $cytoforge prepare "$work/six.h5ad" -o "$work/six_atlas" --label cell_type
  $cytoforge train -c benchmarks/counts.yaml "${shape[@]}" "${first[@]}" --data "$work/six_atlas" --out "$work/six"
fi
for seed in $(seq "$seeds"); do
  [ -e "$work/atlas_$seed" ] || $cytoforge prepare "$work/thousand_$seed.h5ad" -o "$work/atlas_$seed" --label cell_type
  for budget in "${budgets[@]}"; do
    read -r name autoencoder denoiser classifier <<< "$budget"
    for arm in init scratch; do
      run=$work/${arm}_${name}_$seed
      [ -e "$run.json" ] && continue
      start=()
      if [ $arm = init ]; then start=(--init "$work/six/model.h5"); fi
      # shellcheck disable=SC2046
      $cytoforge train -c benchmarks/counts.yaml "${shape[@]}" $(steps "$autoencoder" "$denoiser" "$classifier" "$seed") "${start[@]}" --data "$work/atlas_$seed" --out "$run" --force
      $cytoforge sample -m "$run/model.h5" --like "$work/rest_$seed.h5ad" --by cell_type --seed "$seed" -o "$run.h5ad" --force
      $cytoforge evaluate --real "$work/rest_$seed.h5ad" --train "$work/thousand_$seed.h5ad" --synthetic "$run.h5ad" --label cell_type \
        -o "$run.json" --force
    done
  done
done
$python benchmarks/init.py note "$work" "$seeds" "${budgets[@]}" > "$work/init.md"
cp "$work/init.md" benchmarks/results/init.md
cat benchmarks/results/init.md
