#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the built program under faults: scripts/faults.sh [arguments of tests/faults/faults.py]. Without arguments a sample of 60
# minutes; then faults are planted in a copy of the program, which must be found. Exit code: 1 where anything is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
python=$(given_program CYTOFORGE_PYTHON)
[ -n "$python" ] || python=$(scripts/python-env.sh)
if [ -z "$python" ]; then
  echo "faults: no Python with h5py and numpy: CYTOFORGE_PYTHON may name one" >&2
  exit 1
fi
export CYTOFORGE_PYTHON=$python
[ $# -gt 0 ] || set -- --minutes 60
cmake --preset release >/dev/null
cmake --build --preset release --target cytoforge cyf_faults
ended=0
"$python" tests/faults/faults.py "$@" || ended=$?
tests/faults/planted.sh || ended=$?
exit $ended
