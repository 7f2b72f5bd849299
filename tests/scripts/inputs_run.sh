#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What `prepare` says of inputs that are not what they seem: each is read, warned of, or refused by what it is.
# Exits 77 (skipped) where there is no Python with anndata.
set -euo pipefail
. "${CYTOFORGE_SOURCE:?}/scripts/environment.sh"
python=$(given_program CYTOFORGE_PYTHON)
if [ -z "$python" ]; then
  echo "skipped: CYTOFORGE_PYTHON names no Python with anndata"
  exit 77
fi
cytoforge=${CYTOFORGE_BINARY:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" "$CYTOFORGE_SOURCE/tests/interchange/make_inputs.py" "$work"
cd "$work"

fail() {
  echo "inputs_run.sh: $*; the output was:"
  cat log
  exit 1
}
# prepared RANKS ARGUMENTS: `prepare` of all cells and genes succeeds; its output is in the file log.
prepared() {
  rm -rf at at.partial
  mpirun -n "$1" "$cytoforge" prepare "${@:2}" -o at --min-genes 0 --min-cells 0 >log 2>&1 || fail "prepare ${*:2} failed"
}
# refused ARGUMENTS: it fails because of its input, and says so in one line.
refused() {
  local code=0
  rm -rf at at.partial
  "$cytoforge" prepare "$@" -o at --min-genes 0 --min-cells 0 >log 2>&1 || code=$?
  [ $code -eq 3 ] || fail "prepare $* ended with $code, not with 3"
}
# said TEXT: log holds it; unsaid TEXT: it does not.
said() { grep -qF -- "$1" log || fail "no '$1'"; }
unsaid() { ! grep -qF -- "$1" log || fail "unwanted '$1'"; }

# ---- --keep ----
prepared 2 bool.h5ad ones.h5ad reals.h5ad upper.h5ad lower.h5ad --label kind --keep primary=True
said "--keep primary: 30 of 300 cells dropped"
unsaid "no cell has"
prepared 1 bool.h5ad ones.h5ad lower.h5ad --label kind --keep primary!=true
said "--keep primary: 150 of 180 cells dropped"
said "WARN  bool.h5ad: no cell has another primary than true; it has: 'True'"
said "WARN  ones.h5ad: no cell has another primary than true; it has: '1'"
prepared 2 bool.h5ad clusters.h5ad without.h5ad --label kind --keep primary=True
said "WARN  clusters.h5ad: no cell has primary True; it has: '1', '2'"
said "WARN  without.h5ad: no cell has primary True; it has: no column of that name"
unsaid "WARN  bool.h5ad"
prepared 2 bool.h5ad clusters.h5ad upper.h5ad --label kind --keep kind=a --keep kind=b
said "WARN  clusters.h5ad: no cell has kind a or b; it has: 'c', 'd'"
prepared 1 lower.h5ad bool.h5ad --label kind --keep primary=true --keep kind=b
said "WARN  lower.h5ad: no cell meets all that --keep asks for"
