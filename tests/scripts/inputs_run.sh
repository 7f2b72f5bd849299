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
is_told tenx_two.h5 "a 10x HDF5 file"
said "genome='hg19'"
is_told loom.h5ad "a loom file"
said "write_h5ad('loom-1.h5ad')" # not over the file itself
is_told zarr.h5ad "a zarr store"
said "write_h5ad('zarr-1.h5ad')"
is_told packed.h5ad.bz2 "compressed with bzip2"
is_told packed.h5ad.xz "compressed with xz"
is_told packed.h5ad.zst "compressed with zstd"
is_told packed.tgz "a tar archive"
is_told mtx "a 10x matrix folder"
is_told geo "a 10x matrix folder"
is_told mtx/matrix.mtx.gz "the Matrix Market file of a 10x matrix folder"
is_told v2.zarr "a zarr store"
is_told v3.zarr/ "a zarr store"
for path in tenx_v3.h5 tenx_v2.h5 tenx_two.h5 mtx geo mtx/matrix.mtx.gz geo/GSM1_matrix.mtx.gz v2.zarr v3.zarr/; do turns $path; done
"$python" -W ignore turn.py >log 2>&1 || fail "the lines of turn.py do not all turn their files into .h5ad files"
for made in tenx_v3 tenx_v2 tenx_two mtx geo mtx/matrix geo/GSM1_matrix v2 v3; do
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
refused no_matrix.h5ad
said "error: no_matrix.h5ad: is an AnnData file without any matrix"
"$cytoforge" info no_matrix.h5ad >log || fail "info no_matrix.h5ad failed"
said "no_matrix.h5ad: h5ad, 60 cells x 40 genes, no X"
said "kind: 2 categories"
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

# ---- formats that came after this HDF5 ----
# is_newer FILE PART: what was said of FILE is that PART is of such a format.
is_newer() { said "$1: $2 is stored in a format newer than HDF5 "; }
for part in X/data X/indices obs/kind/codes obs/kind/categories obs/_index var/_index; do
  name=${part##*/}
  case $part in obs/_index) name=cells ;; var/_index) name=genes ;; esac
  refused newer_$name.h5ad --label kind
  is_newer newer_$name.h5ad $part
done
prepared 1 newer_number.h5ad --label kind
for option in "--label number" "--keep number=1" "--id-column number"; do
  refused newer_number.h5ad $option
  is_newer newer_number.h5ad obs/number
done
refused newer_file.h5ad
is_newer newer_file.h5ad "the file"
"$cytoforge" info newer_data.h5ad newer_number.h5ad newer_codes.h5ad >log || fail "info of newer files failed"
is_newer newer_data.h5ad X/data
said "'number' (obs/number is stored in a format newer than HDF5 "
said "'kind' (obs/kind/codes is stored in a format newer than HDF5 "

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

# ---- oddities: one warning each ----
# warned N: log has so many warnings.
warned() { [ "$(grep -c " WARN " log)" -eq "$1" ] || fail "not $1 warnings"; }
prepared 2 sound.h5ad --label kind
warned 0
prepared 2 odd_genes.h5ad --label kind
said "odd_genes.h5ad: genes are named like '', which names nothing (6 in all)"
warned 2 # and that 'NA' is repeated
"$cytoforge" info at >log || fail "an atlas with a gene without a name is not read"
said "60 cells x 40 genes"
prepared 2 odd_ids.h5ad --label kind
said "4 cells have ids like '' (cell 2 of odd_ids.h5ad)"
warned 1
prepared 1 odd_ids.h5ad --label kind --id-column barcode
warned 0
prepared 1 odd_labels.h5ad --label nothing
said "label \"nothing\" has classes that look like no value: '' (12 cells), 'nan' (12), 'unknown' (12)"
said "label \"nothing\": 5 of 5 classes have fewer than 20 training cells: '' (12 cells)"
warned 2
prepared 1 odd_labels.h5ad --label nothing --label day --label-map map.csv
unsaid "look like no value"
unsaid "holds numbers"
prepared 2 odd_labels.h5ad --label one
said "label \"one\" has one class: 'same' (60 cells)"
warned 1
prepared 1 odd_labels.h5ad --label none_at_all
said "label \"none_at_all\": no training cell has it"
warned 1
prepared 1 odd_labels.h5ad --label few
said "label \"few\": 2 of 3 classes have fewer than 20 training cells: 'x' (3 cells), 'y' (19)"
warned 1
prepared 1 odd_labels.h5ad --label day --label hours --label clusters
said "label \"day\" holds numbers: each of the 3 values is a class of its own; --bins day=E1,E2,..."
said "label \"hours\" holds numbers: each of the 2 values"
warned 2
prepared 1 odd_labels.h5ad --label day --bins day=1
warned 0
for layout in csr csc; do
  prepared 2 repeated_$layout.h5ad --label kind
  said "1 cells, the first of them in repeated_$layout.h5ad, have several entries for one gene; these are added up"
  warned 1
  "$python" -W ignore - repeated_$layout.h5ad >log 2>&1 <<'END' || fail "repeated_$layout.h5ad is not summed as scipy does"
import sys
import anndata
import numpy as np
cells, atlas = anndata.read_h5ad(sys.argv[1]), anndata.read_h5ad("at/shard-00000.h5ad")
assert cells.X.nnz == 1 + np.count_nonzero(cells.X.toarray())
assert np.array_equal(atlas[cells.obs_names, cells.var_names].X.toarray(), cells.X.toarray())
END
done
prepared 2 repeated_csr.h5ad sound.h5ad repeated_csc.h5ad --label kind
said "2 cells, the first of them in repeated_csr.h5ad, have several entries for one gene"
