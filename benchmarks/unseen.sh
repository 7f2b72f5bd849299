#!/usr/bin/env bash
# Combinations never seen together: donor x cell-type pairs are left out of training, asked for by both labels, and compared with the real
# held-out cells. Writes benchmarks/results/unseen.md and unseen.json.
#
#   benchmarks/unseen.sh        needs CYTOFORGE_REAL_DATA and a Python with anndata and scikit-learn (CYTOFORGE_PYTHON, or build/python)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
data=${CYTOFORGE_REAL_DATA:?names the folder with kang_donors.h5ad}
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
python=${CYTOFORGE_PYTHON:-build/python/bin/python}
guidance=${CYTOFORGE_GUIDANCE:-cell_type=4,donor=1}
work=${CYTOFORGE_UNSEEN_DIR:-build/unseen}
results=benchmarks/results
mkdir -p "$work" "$results"
pairs=("donor=d101,cell_type=B cells" "donor=d1015,cell_type=NK cells" "donor=d1244,cell_type=CD14+ Monocytes"
  "donor=d1488,cell_type=CD4 T cells" "donor=d1256,cell_type=FCGR3A+ Monocytes")

$python benchmarks/split.py "$data/kang_donors.h5ad" "$work/seen.h5ad" "$work/held.h5ad" "${pairs[@]}"
[ -e "$work/atlas" ] || $cytoforge prepare "$work/seen.h5ad" -o "$work/atlas" --label donor --label cell_type
[ -e "$work/run/model.h5" ] || $cytoforge train -c benchmarks/quality.yaml --data "$work/atlas" --out "$work/run" --resume auto
{
  echo "donor,cell_type,count"
  for pair in "${pairs[@]}"; do echo "$pair,200" | sed 's/donor=//; s/cell_type=//'; done
} > "$work/requests.csv"
$cytoforge sample -m "$work/run/model.h5" --requests "$work/requests.csv" --guidance "$guidance" --method ddpm --steps 100 -o "$work/unseen.h5ad" --force
for part in seen held; do $cytoforge encode -m "$work/run/model.h5" "$work/$part.h5ad" -o "$work/${part}_z.h5ad" --force; done
{
  echo "# Pairs of labels never seen together"
  echo
  echo "Made by \`benchmarks/unseen.sh\` on $(date -u +%F), settings \`benchmarks/quality.yaml\`: Kang et al. 2018, 8 donors x 8 types, five pairs held out,"
  echo "200 cells asked for of each with guidance $guidance, 100 of 1,000 steps. Labels are judged by logistic regressions on 50 components of real"
  echo "seen cells; distances are over latents."
  echo
  $python benchmarks/unseen.py "$work" "$results/unseen.json" "${pairs[@]}"
} > "$results/unseen.md"
cat "$results/unseen.md"
