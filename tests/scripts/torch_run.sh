#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A real PyTorch against import and export. Fresh checkpoints of random models, larger than the stored ones, go through the C tests. What was
# exported goes back into torch modules.
#   tests/scripts/torch_run.sh FOLDER_OF_TEST_PROGRAMS
# Exits 77 (skipped) where neither CYTOFORGE_PYTHON nor the system's Python has torch (Debian: python3-torch).
set -euo pipefail
programs=${1:?usage: torch_run.sh FOLDER_OF_TEST_PROGRAMS}
scripts=${CYTOFORGE_SOURCE:?}/tests/torch
python=""
. "$CYTOFORGE_SOURCE/scripts/environment.sh"
for candidate in $(given_program CYTOFORGE_PYTHON) python3 /usr/bin/python3; do
  if "$candidate" -c 'import numpy, torch' 2>/dev/null; then python=$candidate && break; fi
done
if [ -z "$python" ]; then
  echo "skipped: no Python with torch and numpy (Debian: python3-torch); the stored checkpoints are tested by cli_torch and torch_file"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/exported"
export PYTHONDONTWRITEBYTECODE=1 CYTOFORGE_TORCH_FIXTURES=$work/fixtures CYTOFORGE_TORCH_EXPORTED=$work/exported
"$python" -c 'import torch; print("torch", torch.__version__)'
for seed in 2 3; do
  "$python" "$scripts/make_fixtures.py" "$CYTOFORGE_TORCH_FIXTURES" $seed $seed
  "$programs/test_torch_file"
  "$programs/test_fine_tune"
  "$programs/test_cli_torch"
  "$python" "$scripts/check_export.py" "$CYTOFORGE_TORCH_FIXTURES" "$CYTOFORGE_TORCH_EXPORTED"
done
