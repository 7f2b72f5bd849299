#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How good models are whose settings the atlas chooses: trained without a configuration, sampled in the label proportions of the held-out cells with the
# usual guidance, and compared with these. Each measure stands beside its ceiling, training cells in place of the synthetic ones. The rule was tuned on
# pbmc_facs and kang_donors; the other sets were looked at once. Prints rows of the table of benchmarks/results/defaults.md.
#
#   benchmarks/defaults.sh [FILE:LABEL[,LABEL...]]...   default: the count data of $CYTOFORGE_REAL_DATA
#   CYTOFORGE_EFFORT=quick|normal|long                  default: normal
#   CYTOFORGE_RANKS=N                                   default: 2
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/mpi-env.sh
. scripts/environment.sh
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
work=${CYTOFORGE_DEFAULTS_DIR:-build/defaults}
effort=${CYTOFORGE_EFFORT:-normal}
ranks=${CYTOFORGE_RANKS:-2}
sets=("$@")
[ ${#sets[@]} -gt 0 ] || sets=(pbmc_facs.h5ad:cell_type kang_donors.h5ad:cell_type,donor worm_embryo.h5ad:cell_type,time_point
  paul15.h5ad:paul15_clusters kang_small_stim.h5ad:cell_type,condition,donor)
mkdir -p "$work"

# Lines of `evaluate`: NAME WORDS...: value and ceiling.
measure() { awk -v name="$2" 'index($0, name) == 1 {k = split(name, words, " "); print $(k + 1), $(k + 2); exit}' "$1"; }

echo "| data | cells x genes | train, s | AUC | its ceiling | MMD | its ceiling | label accuracy | of real cells | variances, Spearman | its ceiling | nearest cell |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
for set in "${sets[@]}"; do
  file=${set%%:*} labels=${set#*:} name=$(basename "${set%%:*}" .h5ad)
  first=${labels%%,*} options=()
  for label in ${labels//,/ }; do options+=(--label "$label"); done
  [ -e "$work/$name" ] || $cytoforge prepare "$(real_data_file "$file")" -o "$work/$name" "${options[@]}" --holdout 0.2 --seed 0 2> "$work/$name.log"
  run=$work/$name-$effort real=$work/$name/heldout.h5ad start=$SECONDS
  mpirun -n "$ranks" $cytoforge train --data "$work/$name" --out "$run" --effort "$effort" --force 2>> "$work/$name.log"
  took=$((SECONDS - start))
  $cytoforge sample -m "$run/model.h5" --like "$real" --by "$first" -o "$run/cells.h5ad" --force 2>> "$work/$name.log"
  $cytoforge evaluate --real "$real" --train "$work/$name/train.h5ad" --synthetic "$run/cells.h5ad" --label "$first" > "$run/cells.txt" 2>> "$work/$name.log"
  read -r auc auc_best < <(measure "$run/cells.txt" "real-or-synthetic AUC")
  read -r mmd mmd_best < <(measure "$run/cells.txt" "maximum mean discrepancy")
  read -r right right_real < <(measure "$run/cells.txt" "label accuracy")
  read -r variances variances_best < <(measure "$run/cells.txt" "gene variances, Spearman")
  read -r nearest _ < <(measure "$run/cells.txt" "nearest training cell")
  shape=$(sed -nE 's/.*atlas: ([0-9]+ cells x [0-9]+ genes).*/\1/p' "$work/$name.log" | head -1)
  echo "| $name | $shape | $took | $auc | $auc_best | $mmd | $mmd_best | $right | $right_real | $variances | $variances_best | $nearest |"
done
