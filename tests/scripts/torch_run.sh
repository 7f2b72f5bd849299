#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A real PyTorch against import and export. Fresh checkpoints of random models, larger than the stored ones, go through the C tests. What was
# exported goes back into torch modules, and exports of every kind of model through the cytoforge_modules.py beside them.
#   tests/scripts/torch_run.sh FOLDER_OF_TEST_PROGRAMS
# Takes every Python that has torch of CYTOFORGE_PYTHON, build/torch, python3 and the system's (Debian: python3-torch). The newest PyTorch:
#   python3 -m venv build/torch && build/torch/bin/pip install torch numpy safetensors
# Exits 77 (skipped) where none has torch.
set -euo pipefail
programs=${1:?usage: torch_run.sh FOLDER_OF_TEST_PROGRAMS}
scripts=${CYTOFORGE_SOURCE:?}/tests/torch
pythons=()
seen=" "
. "$CYTOFORGE_SOURCE/scripts/environment.sh"
for candidate in $(given_program CYTOFORGE_PYTHON) "$CYTOFORGE_SOURCE/build/torch/bin/python" python3 /usr/bin/python3; do
  version=$("$candidate" -c 'import numpy, torch; print(torch.__version__)' 2>/dev/null) || continue
  [[ $seen != *" $version "* ]] || continue
  seen+="$version "
  pythons+=("$candidate")
done
if [ ${#pythons[@]} -eq 0 ]; then
  echo "skipped: no Python with torch and numpy (Debian: python3-torch); the stored checkpoints are tested by cli_torch and torch_file"
  exit 77
fi
echo "torch$seen"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/exported"
export PYTHONDONTWRITEBYTECODE=1 CYTOFORGE_TORCH_FIXTURES=$work/fixtures CYTOFORGE_TORCH_EXPORTED=$work/exported
seed=1
[ ${#pythons[@]} -gt 1 ] && rounds=1 || rounds=2
for python in "${pythons[@]}"; do
  for _ in $(seq $rounds); do
    seed=$((seed + 1))
    "$python" "$scripts/make_fixtures.py" "$CYTOFORGE_TORCH_FIXTURES" $seed $seed
    "$programs/test_torch_file"
    "$programs/test_fine_tune"
    "$programs/test_cli_torch"
    "$python" "$scripts/check_export.py" "$CYTOFORGE_TORCH_FIXTURES" "$CYTOFORGE_TORCH_EXPORTED"
  done
done
"$programs/test_export"
for python in "${pythons[@]}"; do "$python" "$scripts/check_modules.py" "$CYTOFORGE_TORCH_EXPORTED/models"; done
