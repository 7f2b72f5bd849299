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
  local start=()
  if [ "$1" -gt 1 ]; then start=(mpirun -n "$1"); fi
  "${start[@]}" "$cytoforge" prepare "${@:2}" -o at --min-genes 0 --min-cells 0 >log 2>&1 || fail "prepare ${*:2} failed"
}
# refused ARGUMENTS: it fails because of its input, and says so in one line.
refused() {
  local code=0
  rm -rf at at.partial
  "$cytoforge" prepare "$@" -o at --min-genes 0 --min-cells 0 >log 2>&1 || code=$?
  [ $code -eq 4 ] || fail "prepare $* ended with $code, not with 4"
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

# ---- other formats ----
# is_told PATH WHAT: it is refused as WHAT, and by info too.
is_told() {
  refused "$1"
  said "error: $1: is $2"
  ! "$cytoforge" info "$1" >log 2>&1 || fail "info $1 did not fail"
  said "error: $1: is $2"
}
# turns PATH: notes the Python that the refusal names.
turns() {
  refused "$1"
  sed -n 's/.*python3 -c "\(.*\)"$/\1/p' log >>turn.py
}
is_told tenx_v3.h5 "a 10x HDF5 file"
is_told tenx_v2.h5 "a 10x HDF5 file"
is_told mtx "a 10x matrix folder"
is_told geo "a 10x matrix folder"
is_told mtx/matrix.mtx.gz "the Matrix Market file of a 10x matrix folder"
is_told v2.zarr "a zarr store"
is_told v3.zarr/ "a zarr store"
for path in tenx_v3.h5 tenx_v2.h5 mtx geo mtx/matrix.mtx.gz geo/GSM1_matrix.mtx.gz v2.zarr v3.zarr/; do turns $path; done
"$python" -W ignore turn.py >log 2>&1 || fail "the lines of turn.py do not all turn their files into .h5ad files"
for made in tenx_v3 tenx_v2 mtx geo mtx/matrix geo/GSM1_matrix v2 v3; do
  prepared 1 $made.h5ad
  said "60 cells x 40 genes"
  rm $made.h5ad
done
is_told x.loom "a loom file"
refused x.loom --matrix layers/spliced
said "x.loom: is a loom file"
is_told x.h5mu "a MuData file (of the modalities 'atac', 'rna')"
said "mod='rna'"
is_told x.h5seurat "a Seurat file"
is_told no_matrix.h5ad "an AnnData file without any matrix"
is_told table.csv "a table as text"
is_told packed.h5ad.gz "compressed with gzip"
refused other.h5
said "other.h5: not an AnnData file (it has neither X, layers nor raw/X, but: 'images')"
refused empty
said "empty: is a folder without .h5ad files"
refused .
said ".: is a folder; name its files, as in './*.h5ad'"

# ---- compression ----
refused zstd.h5ad
said "X/data is compressed with HDF5 filter 32015 (zstd), which this HDF5 lacks"
refused blosc.h5ad
said "X/data is compressed with HDF5 filter 32001 (blosc), which this HDF5 lacks"
refused zstd_obs.h5ad --label kind
said "kind is compressed with HDF5 filter 32015 (zstd), which this HDF5 lacks"
for damaged in lzf_damaged lzf_huge; do
  refused $damaged.h5ad
  said "cannot be read, the file seems damaged"
done

# ---- inputs that differ in their genes ----
refused g1.h5ad g2.h5ad
said "20 of 50 genes are in some inputs and not in others (g1.h5ad lacks 10): 50.0 % of their values would be zeros"
said "--genes-join intersection keeps the 30 that all have"
said "--genes-join union keeps all 50"
# same_as LIST ARGUMENTS: the atlas is that of the gene list.
same_as() {
  local fingerprint
  prepared 2 g1.h5ad g2.h5ad --label kind "${@:2}"
  cp log joined.log
  fingerprint=$("$cytoforge" info at | grep fingerprint)
  prepared 1 g1.h5ad g2.h5ad --label kind --genes "$1"
  said "structural zeros of the list's genes that inputs lack are"
  [ "$fingerprint" = "$("$cytoforge" info at | grep fingerprint)" ] || fail "${*:2} is not the atlas of $1"
  cp joined.log log
}
same_as common.txt --genes-join intersection
said "the atlas has the 30 genes that all inputs have, of 50"
same_as all.txt --genes-join union
said "structural zeros are 50.0 % of their values, 20.0 % of all"
said "40        30   75.0 %         10   20.0 %  g1.h5ad"
prepared 1 g1.h5ad g3.h5ad --label kind
said "structural zeros are 3.2 % of their values, 0.2 % of all"
