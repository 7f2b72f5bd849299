#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#   tests/readable.sh           checks that each file of tests/readable.txt is still read, with the same cells, genes and sums
#   tests/readable.sh --write   prints such a table of all files that are here
# The table was made before readers came to refuse more, so it tells when they refuse too much. Its files are real data
# (CYTOFORGE_REAL_DATA), what make_h5ad.py writes (CYTOFORGE_H5AD_VARIANTS), and tests/files-0.1. One that is not here is skipped by its name.
set -euo pipefail
source=${CYTOFORGE_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
cytoforge=${CYTOFORGE_BINARY:?names the program}
. "$source/scripts/mpi-env.sh"
. "$source/scripts/environment.sh"
export OMP_NUM_THREADS=1
table=$source/tests/readable.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# path_of NAME: where a file of the table lies, or nothing.
path_of() {
  local folder=""
  case $1 in
    data/*) folder=$(real_data_folder) ;;
    variants/*) folder=$(given_folder CYTOFORGE_H5AD_VARIANTS) ;;
    files-0.1/*) folder=$source/tests/files-0.1 ;;
  esac
  if [ -n "$folder" ] && [ -e "$folder/${1#*/}" ]; then printf '%s\n' "$folder/${1#*/}"; fi
}

# sums PATH MATRIX: cells, genes, stored values, sum of counts ("-": not counts), checksums of the values and of the genes' names. These are
# of the atlas of all cells and genes. Where prepare takes no such values, the first two are info's.
sums() {
  rm -rf "$work/atlas" "$work/atlas.partial"
  if "$cytoforge" prepare "$1" -o "$work/atlas" --matrix "$2" --min-genes 0 --min-cells 0 >"$work/log" 2>&1; then
    local genes
    genes=$(cksum <"$work/atlas/genes.tsv" | cut -d' ' -f1)
    sed -n 's/.*verified: \([0-9]*\) cells, \([0-9]*\) values\(, sum of counts \([0-9]*\)\)*, checksum \([0-9a-f]*\).*/\1 \2 \4 \5/p
            s/.* cells x \([0-9]*\) genes, .* values in .*/\1/p' "$work/log" | tr '\n' ' ' |
      awk -v names="$genes" '{ if (NF == 5) print $1, $5, $2, $3, $4, names; else print $1, $4, $2, "-", $3, names }'
  else
    "$cytoforge" info "$1" 2>&1 | sed -n '1s/.*h5ad, \([0-9]*\) cells x \([0-9]*\) genes, .*/\1 \2 - - - -/p'
  fi
}

# row NAME MATRIX PATH: a line of the table.
row() {
  local found
  case $1 in
    *.h5ad) found=$(sums "$3" "$2") ;;
    *) found=$("$cytoforge" info "$3" 2>&1 | sed -n 's/^ *\([0-9]*\) cells x \([0-9]*\) genes,.*/\1 \2/p; s/^ *\([0-9]*\) stored values .*/\1/p
         s/^ *fingerprint \(.*\)/- \1 -/p; s/^ *\([0-9]*\) genes (.*/- \1 - - - -/p; s/.*: checkpoint of stage \([a-z]*\) at step \([0-9]*\) .*/- - - - \1-\2 -/p' |
      tr '\n' ' ' | sed 's/ $//') ;;
  esac
  echo "$1 $2 ${found:-refused}"
}

list() {
  local folder name matrix
  folder=$(real_data_folder)
  for path in "${folder:?CYTOFORGE_REAL_DATA names no folder}"/*.h5ad; do echo "data/$(basename "$path") X"; done
  while IFS=$'\t' read -r name matrix _; do echo "variants/$name.h5ad $matrix"; done <"${CYTOFORGE_H5AD_VARIANTS:?}/variants.tsv"
  (cd "$source/tests" && find files-0.1 -path '*/expected' -prune -o \( -name '*.h5' -o -name '*.h5ad' -o -name atlas \) -print | sort | sed 's/$/ X/')
}

if [ "${1:-}" = --write ]; then
  echo "# Files that are read, by tests/readable.sh: file, matrix, cells, genes, stored values, sum of counts, checksums of values and of genes' names"
  while read -r name matrix; do row "$name" "$matrix" "$(path_of "$name")"; done < <(list)
  exit
fi

n_checked=0 n_wrong=0
while read -r name matrix wanted; do
  case $name in '#'* | '') continue ;; esac
  path=$(path_of "$name")
  if [ -z "$path" ]; then
    echo "skipped: $name is not here"
    continue
  fi
  found=$(row "$name" "$matrix" "$path")
  n_checked=$((n_checked + 1))
  [ "$found" != "$name $matrix $wanted" ] || continue
  n_wrong=$((n_wrong + 1))
  echo "readable.sh: wanted $name $matrix $wanted"
  echo "             found  $found"
  if [[ $name = *.h5ad ]]; then cat "$work/log"; fi
done <"$table"
echo "$n_checked files read, $n_wrong of them otherwise than before"
[ "$n_wrong" -eq 0 ] && [ "$n_checked" -gt 0 ]
