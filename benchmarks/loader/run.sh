#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Cells a second of cytoforge's loader beside the loaders that users of AnnData would pick, on the same cells, disk and cores, with files in the page
# cache. Also measured is prepare beside annbatch's collection. Makes build/bench-python (Python 3.12; 6 GB, nearly all of it the torch that scDataset
# wants) and a folder of files. Writes benchmarks/results/loader.json and .md.
#
#   benchmarks/loader/run.sh [FOLDER]        default build/bench-loader; needs 40 kB a cell there, is removed at the end unless KEEP=1
#   CELLS=100000 SECONDS_EACH=10 REPEATS=3   how large, how long each measurement, how many of each
#   RANKS=                                   of prepare; default the number of cores
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/mpi-env.sh
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # numpy's own BLAS would heed them
folder=${1:-build/bench-loader}
cells=${CELLS:-100000}
cytoforge=${CYTOFORGE_BINARY:-build/release/cytoforge}
ranks=${RANKS:-$(nproc)}
environment=build/bench-python

find_python() { # 3.12, on the PATH or among pyenv's
  local candidate
  for candidate in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "loader/run.sh: annbatch wants Python 3.12, and none was found on the PATH or in pyenv" >&2
  return 1
}

if [ ! -e "$environment/.ready-1" ]; then
  echo "making $environment (annbatch, scdataset, anndata)"
  "$(find_python)" -m venv --clear "$environment"
  "$environment/bin/pip" install -q --disable-pip-version-check 'annbatch[zarrs,numba]' scdataset anndata
  touch "$environment/.ready-1"
fi
python=$environment/bin/python

mkdir -p "$folder"
free=$(df --output=avail -B1 "$folder" | tail -1)
need=$((cells * 40000))
if [ "$need" -gt "$free" ]; then
  echo "loader/run.sh: $cells cells need $((need / 1000000)) MB in $folder, and $((free / 1000000)) MB are free; set CELLS" >&2
  exit 1
fi
if [ "${KEEP:-0}" != 1 ]; then trap 'rm -rf "$folder"' EXIT; fi
say() { printf '\n== %s\n' "$*"; }
shape=(--cells "$cells" --genes 28231 --types 30 --donors 20 --counts 3000 --expressed 0.053)

# The same cells twice: four files for those that make something of their own, one for those that read a file as it is.
if [ ! -e "$folder/one.h5ad" ]; then
  say "simulate $cells cells"
  mpirun -n "$ranks" "$cytoforge" synth -o "$folder/input" --files 4 --force "${shape[@]}"
  "$cytoforge" synth -o "$folder/one.h5ad" --force "${shape[@]}"
fi
say "prepare and annbatch's collection from the same four files, turn about"
"$python" benchmarks/loader/convert.py --cytoforge "$cytoforge" --ranks "$ranks" --folder "$folder" --repeats "${REPEATS:-3}"
say "loaders, turn about"
"$python" benchmarks/loader/compare.py --cytoforge "$cytoforge" --folder "$folder" --seconds "${SECONDS_EACH:-10}" --repeats "${REPEATS:-3}" \
  --json benchmarks/results/loader.json --table benchmarks/results/loader.md
