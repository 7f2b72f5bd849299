#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two binaries give the same results bit for bit: simulated cells, atlases, trained models, latents, sampled, decoded and interpolated
# cells and their evaluation, on 1 and 2 ranks, with the likelihoods mse and nb. Not part of `make test`.
#   same_results.sh OLD NEW            runs both (about a minute) and compares what they wrote
#   same_results.sh --compare A B      compares two folders of results
# Every data set and attribute is compared byte for byte, with its type, shape, chunks and filters; other files as they are. Not compared
# is where results come from: `created`, `model_created` and `version` in HDF5 files, `program` in manifest.yaml, `time` and
# `cells_per_s` in metrics.jsonl. Comparing HDF5 takes h5py (the Python named by CYTOFORGE_PYTHON) or h5dump (hdf5-tools).
# Ends with 0 where all is the same, 1 at the first file that differs, 2 where it cannot compare.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here
while [ ! -d "$root/src" ] && [ "$root" != / ]; do root=$(dirname "$root"); done

cannot() {
  echo "same_results: $*" >&2
  exit 2
}
[ $# -ge 2 ] || cannot "usage: same_results.sh OLD NEW, or same_results.sh --compare A B"

python=${CYTOFORGE_PYTHON:-}
if [ -n "$python" ] && "$python" -c 'import h5py' 2>/dev/null; then
  reader=h5py
elif command -v h5dump >/dev/null; then
  reader=h5dump
else
  cannot "cannot compare HDF5 files: CYTOFORGE_PYTHON names no Python with h5py, and there is no h5dump (hdf5-tools)"
fi

n_files=0
n_sets=0

differs() { # file, list of differences
  echo "$1: differs"
  printf '%s\n' "$2" | head -n 40
  exit 1
}

dump() { # file: types, shapes, properties and values as text, without where they come from
  h5dump -p -m '%.17g' "$1" | awk '
    NR == 1 { next } # the file name
    skip != "" { if (index($0, skip) == 1) skip = ""; next }
    match($0, /^ *DATASET "(created|model_created|version)" \{/) { skip = $0; sub(/DATASET.*/, "}", skip); next }
    /^ *OFFSET / { next }
    { print }'
}

compare_hdf5() { # A, B, files: one line a file, then "total N"
  local a=$1 b=$2 file differences n
  shift 2
  if [ "$reader" = h5py ]; then
    "$python" "$here/same_results.py" "$a" "$b" "$@"
    return
  fi
  for file; do
    dump "$a/$file" >"$scratch/a"
    dump "$b/$file" >"$scratch/b"
    differences=$(diff "$scratch/a" "$scratch/b") || differs "$file" "$differences"
    n=$(grep -c '^ *DATASET "' "$scratch/a" || true)
    echo "$file: $n data sets are the same"
    n_sets=$((n_sets + n))
  done
  echo "total $n_sets"
}

plain() { # file: its text without where it comes from
  case $1 in
    */manifest.yaml) sed '/^  program: /d;/^# checksum of the lines above: /d' "$1" ;;
    */metrics.jsonl) sed -E 's/"(time|cells_per_s)": [^,}]*//g' "$1" ;;
    *) cat "$1" ;;
  esac
}

compare() { # A, B
  local a=$1 b=$2 file list differences
  list=$(diff <(cd "$a" && find . -type f | sort) <(cd "$b" && find . -type f | sort)) || differs "the files of $a and $b" "$list"
  mapfile -t list < <(cd "$a" && find . -type f ! -name '*.log' -printf '%P\n' | sort)
  [ ${#list[@]} -gt 0 ] || cannot "there are no results in $a"
  local hdf5=()
  for file in "${list[@]}"; do
    case $file in
      *.h5 | *.h5ad) hdf5+=("$file") ;;
      *)
        differences=$(diff -a <(plain "$a/$file") <(plain "$b/$file")) || differs "$file" "$differences"
        echo "$file: the same"
        ;;
    esac
  done
  n_files=${#list[@]}
  [ ${#hdf5[@]} -gt 0 ] || cannot "there are no HDF5 files in $a"
  (compare_hdf5 "$a" "$b" "${hdf5[@]}") >"$scratch/compared" || { # a subshell, since `differs` ends it
    cat "$scratch/compared"
    exit 1
  }
  sed '$d' "$scratch/compared"
  n_sets=$(sed -n '$s/^total //p' "$scratch/compared")
  [ "${n_sets:-0}" -gt 0 ] || cannot "the HDF5 files of $a hold no data set"
}

settings() { # likelihood: settings that version 0.1 has
  local conditions='[]' type=float32
  if [ "$1" = nb ]; then
    conditions='[cell_type]'
    type=float16
  fi
  cat <<YAML
seed: 7
data: {validation: 0.1, block_cells: 16, window_blocks: 2}
autoencoder: {likelihood: $1, hidden: [24, 16], latent: 8, steps: 30, batch_cells: 64, learning_rate: 1e-3, validate_every: 15}
latents: {type: $type}
diffusion: {timesteps: 200, guide_below: 200}
denoiser: {conditions: $conditions, hidden: [32, 16], steps: 40, batch_cells: 64, learning_rate: 1e-3, ema_decay: 0.9, validate_every: 20}
classifier: {hidden: [32, 24, 16], steps: 15, batch_cells: 64, validate_every: 10}
checkpoint: {every: 20}
YAML
}

step() { "$@" || exit; } # in a subshell: ends it

work_through() { # binary, folder, likelihood, ranks: the commands, in a folder of their own
  local folder=$2/$3-$4 likelihood=$3 ranks=$4 compress=none
  local run=(mpirun -n "$ranks" "$1")
  [ "$likelihood" = nb ] || compress=gzip
  mkdir -p "$folder"
  (
    cd "$folder"
    settings "$likelihood" >settings.yaml
    step "${run[@]}" synth -o cells --files 2 --cells 600 --genes 200 --types 3 --seed 3
    step "${run[@]}" prepare 'cells/*.h5ad' -o atlas --label cell_type --label donor --holdout 0.2 --shard-cells 200 --compress $compress
    step "${run[@]}" train -c settings.yaml --data atlas --out run
    step "${run[@]}" sample -m run/model.h5 --like atlas/heldout.h5ad --by cell_type --seed 5 -o synthetic.h5ad
    step "${run[@]}" sample -m run/model.h5 -n 300 --where donor=donor_1 --guidance-mode classifier --method ddpm --steps 20 --output log -o donor_1.h5ad
    step "${run[@]}" encode -m run/model.h5 atlas/heldout.h5ad -o encoded.h5ad
    step "${run[@]}" encode -m run/model.h5 atlas -o latents
    step "${run[@]}" decode -m run/model.h5 encoded.h5ad -o decoded.h5ad
    step "${run[@]}" interpolate -m run/model.h5 --attribute cell_type --from type_1 --to type_2 --points 3 --start atlas/train.h5ad -n 20 -o path.h5ad
    step "$1" evaluate --real atlas/heldout.h5ad --train atlas/train.h5ad --synthetic synthetic.h5ad --label cell_type --trees 100 --json >evaluation.json
  ) >"$folder.log" 2>&1 || cannot "$1 failed ($folder.log): $(tail -n 3 "$folder.log")"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ "$1" = --compare ]; then
  [ $# -eq 3 ] && [ -d "$2" ] && [ -d "$3" ] || cannot "--compare takes two folders"
  compare "$2" "$3"
else
  old=$(realpath "$1")
  new=$(realpath "$2")
  [ -x "$old" ] && [ -x "$new" ] || cannot "OLD and NEW are to be programs"
  . "$root/scripts/mpi-env.sh"
  export OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES=
  results=$root/build/same_results
  rm -rf "$results"
  for likelihood in mse nb; do
    for ranks in 1 2; do
      work_through "$old" "$results/old" $likelihood $ranks
      work_through "$new" "$results/new" $likelihood $ranks
    done
  done
  compare "$results/old" "$results/new"
fi
echo "same_results: $n_files files with $n_sets data sets are the same (compared by $reader)"
