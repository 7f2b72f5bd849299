#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Some twenty seconds of the faults of tests/faults/faults.py, some of each kind. Skipped where there is no Python with h5py.
set -euo pipefail
cd "$CYTOFORGE_SOURCE"
. scripts/environment.sh
python=$(given_program CYTOFORGE_PYTHON)
if [ -z "$python" ] || ! "$python" -c "import h5py, numpy" 2>/dev/null; then
  echo "skipped: CYTOFORGE_PYTHON names no Python with h5py"
  exit 77
fi
state=$(mktemp)
trap 'rm -f "$state"' EXIT
"$python" tests/faults/faults.py --minutes 0.3 --state "$state"
