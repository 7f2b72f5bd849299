#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Rare classes: three types of a data set are thinned to 10, 20 and 40 training cells. Models are trained without a configuration, and 200 cells of
# each type are drawn at fixed strengths of guidance and at the calibrated one. Writes benchmarks/results/rare.md.
#
#   benchmarks/rare.sh [SEED...]        default: seed 0. Needs CYTOFORGE_REAL_DATA and a Python with anndata and scikit-learn
#                                       (CYTOFORGE_PYTHON, or build/python)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
. scripts/environment.sh
facs=$(real_data_file pbmc_facs.h5ad)
kang=$(real_data_file kang_donors.h5ad)
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
python=${CYTOFORGE_PYTHON:-build/python/bin/python}
work=${CYTOFORGE_RARE_DIR:-build/rare}
seeds=("${@:-0}")

measure() { # NAME FILE THINNED...
  local name=$1 file=$2 seed balance
  shift 2
  $python benchmarks/rare.py split "$file" "$work/$name" "$@"
  [ -e "$work/$name/atlas" ] || $cytoforge prepare "$work/$name/train.h5ad" -o "$work/$name/atlas" --label cell_type
  for balance in none gentle; do
    for seed in "${seeds[@]}"; do
      local run=$work/$name/$balance$seed
      [ -e "$run/done" ] || $cytoforge train --data "$work/$name/atlas" --out "$run" --resume auto --set "seed=$seed" \
        --set "data.balance=$balance" --set "data.balance_label=cell_type" 2> "$work/$name/train.log"
      touch "$run/done"
      for strength in 1 2 usual; do
        local said=(--guidance "$strength")
        [ "$strength" != usual ] || said=()
        $cytoforge sample -m "$run/model.h5" --requests "$work/$name/requests.csv" "${said[@]}" --seed "$seed" --force \
          -o "$run/$strength.h5ad" 2> "$work/$name/sample.log"
      done
      printf '\n## %s, seed %s, `data.balance: %s`\n\n' "$name" "$seed" "$balance"
      $python benchmarks/rare.py table "$work/$name" "$run" 1 2 usual
    done
  done
}

mkdir -p "$work"
{
  echo "# Rare types"
  echo
  echo "Made by \`benchmarks/rare.sh\` on $(date -u +%F). Three types of each set keep 10, 20 and 40 training cells; what that removes, and two fifths of the other"
  echo "types, are cut in halves: one fits the judge, the other is tested. The judge is a logistic regression on 50 principal components of log-expression. It has"
  echo "nothing in common with the calibration. W is the strength of guidance; \"usual\" is the calibrated one. In each field stand the accuracy of 200 generated"
  echo "cells, the distance to the nearest training cell of the type over that of held-out cells (0: copies), and the MMD over that of two real halves."
  measure pbmc_facs "$facs" "CD14+ Monocyte=10" "CD19+ B=20" "CD8+ Cytotoxic T=40"
  measure kang_donors "$kang" "Dendritic cells=10" "FCGR3A+ Monocytes=20" "NK cells=40"
} > "$work/rare.md"
cp "$work/rare.md" benchmarks/results/rare.md
cat benchmarks/results/rare.md
