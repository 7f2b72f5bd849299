#!/usr/bin/env bash
# Gradient interpolation against held-out real cells: the middle of three time classes is left out of training and generated between its
# neighbours. Writes benchmarks/results/interpolate.md and interpolate_*.json.
#
#   benchmarks/interpolate.sh        needs CYTOFORGE_REAL_DATA and a Python with anndata and scikit-learn (CYTOFORGE_PYTHON, or build/python)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
data=${CYTOFORGE_REAL_DATA:?names the folder with worm_embryo.h5ad and wot_days.h5ad}
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
python=${CYTOFORGE_PYTHON:-build/python/bin/python}
base=${CYTOFORGE_INTERPOLATE_DIR:-build/interpolate}
results=benchmarks/results
mkdir -p "$results"

# name raw held-out condition attribute from to, options of prepare, options of train
one() {
  local work=$base/$1 raw=$data/$2 held=$3 attribute=$4 from=$5 to=$6
  mkdir -p "$work"
  $python benchmarks/split.py "$raw" "$work/seen.h5ad" "$work/held.h5ad" "$held"
  [ -e "$work/atlas" ] || $cytoforge prepare "$work/seen.h5ad" -o "$work/atlas" --label "$attribute" ${7:-}
  [ -e "$work/run/model.h5" ] || $cytoforge train -c benchmarks/interpolate.yaml --data "$work/atlas" --out "$work/run" --resume auto ${8:-}
  for part in seen held; do $cytoforge encode -m "$work/run/model.h5" "$work/$part.h5ad" -o "$work/${part}_z.h5ad" --force; done
  $cytoforge interpolate -m "$work/run/model.h5" --attribute "$attribute" --from "$from" --to "$to" --points 11 -n 300 \
    --start "$work/seen.h5ad" --method ddpm --steps 100 -o "$work/path.h5ad" --force
  $python benchmarks/interpolate.py "$work" "$attribute" "$from" "$to"
  $cytoforge decode -m "$work/run/model.h5" "$work/linear.h5ad" -o "$work/linear_x.h5ad" --force
}

table() { # name title attribute from to
  printf '\n## %s\n\n' "$2"
  $python benchmarks/interpolate.py "$base/$1" "$3" "$4" "$5" "$3" "$results/interpolate_$1.json"
}

one worm worm_embryo.h5ad embryo_time_min=400..500 embryo_time_min 300..400 500..600 "--bins embryo_time_min=300,400,500,600"
# Half as many cells of fewer genes: longer training learns them by heart (validation losses rise).
one wot wot_days.h5ad day=10.5 day 10 11 "" \
  "--set autoencoder.latent=16 --set autoencoder.steps=300 --set denoiser.steps=1500 --set classifier.steps=300"
{
  echo "# Gradient interpolation"
  echo
  echo "Made by \`benchmarks/interpolate.sh\` on $(date -u +%F), settings \`benchmarks/interpolate.yaml\`: the defaults of"
  echo "\`cytoforge interpolate\`, 100 of 1,000 steps, 300 start cells. The held-out class was seen by neither the autoencoder nor the denoiser nor the classifier."
  table worm "Worm embryo (Packer et al. 2019), 400 to 500 minutes held out, between 300..400 and 500..600" embryo_time_min 300..400 500..600
  table wot "Reprogramming (Schiebinger et al. 2019), day 10.5 held out, between 10 and 11" day 10 11
} > "$results/interpolate.md"
cat "$results/interpolate.md"
