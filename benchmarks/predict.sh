#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How far the probabilities of `cytoforge predict` can be believed: calibration on the fifth of the cells that was held out, default settings. Writes
# benchmarks/results/predict.md.
#
#   benchmarks/predict.sh [DIR [EFFORT]]     needs CYTOFORGE_REAL_DATA and a Python with anndata; DIR (default build/predict) gets the models
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
. scripts/environment.sh
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
python=${CYTOFORGE_PYTHON:-build/python/bin/python}
work=${1:-build/predict}
effort=${2:-normal}
mkdir -p "$work"

label() { # DATASET ATTRIBUTE... : trains a model, unless it is there, and labels the held-out cells
  local name=$1 labels=() cells
  cells=$(real_data_file "$1.h5ad")
  shift
  for attribute in "$@"; do labels+=(--label "$attribute"); done
  if [ ! -f "$work/$name/model.h5" ]; then
    $cytoforge prepare "$cells" -o "$work/atlas_$name" "${labels[@]}" --holdout 0.2 --force
    # The denoiser is not asked here, but a model file has one: a few steps will do.
    $cytoforge train --data "$work/atlas_$name" --out "$work/$name" --effort "$effort" --stage autoencoder
    $cytoforge train --data "$work/atlas_$name" --out "$work/$name" --stage denoiser --set denoiser.steps=20
    for attribute in "$@"; do $cytoforge train --data "$work/atlas_$name" --out "$work/$name" --effort "$effort" --stage "classifier:$attribute"; done
  fi
  $cytoforge predict -m "$work/$name/model.h5" "$work/atlas_$name/heldout.h5ad" -o "$work/$name.h5ad" --force
  for attribute in "$@"; do "$python" benchmarks/predict.py "$name" "$work/$name.h5ad" "$attribute" >> "$work/rows"; done
}

rm -f "$work/rows"
label pbmc_facs cell_type
label kang_donors cell_type donor
{
  echo "# Calibration of predicted labels"
  echo
  echo "Made by \`benchmarks/predict.sh\` on $(date -u +%F): cells that were held out (a fifth), autoencoder and classifiers by \`cytoforge train --effort"
  echo "$effort\` without a configuration. Expected calibration error (Guo et al. 2017) over 15 bins of equal width; beside it what it would be if the probabilities were exact."
  echo
  echo "| data set | attribute | classes | cells | accuracy | mean probability | calibration error | if exact | log loss |"
  echo "|---|---|---|---|---|---|---|---|---|"
  cat "$work/rows"
} > benchmarks/results/predict.md
echo "wrote benchmarks/results/predict.md"
