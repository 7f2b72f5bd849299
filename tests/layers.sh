#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Holds the sources to the rooms of docs/architecture.md: who may use whom, which vendor belongs where, and no circles of calls.
#   layers.sh [BUILD]
# Without BUILD (a build folder of this tree) only includes are looked at. With it the symbols of its objects are as well: what a
# file calls, and which tables and variables it reads, whatever it includes. CYTOFORGE_SOURCE names the tree (default: this one).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source_dir=${CYTOFORGE_SOURCE:-$here}
while [ ! -d "$source_dir/src" ] && [ "$source_dir" != / ]; do source_dir=$(dirname "$source_dir"); done
build=${1:-}
[ -z "$build" ] || build=$(cd "$build" && pwd)
cd "$source_dir/src"

# Lines of rules, which layers.awk reads:
#   room ROOM MAY...        what a folder of src may use
#   order ROOM LEVEL...     the folders inside ROOM, from left to right; each uses those to its left, and those of one level
#                           (joined by commas) do not use each other. A list of the input formats belongs right of all formats.
#   vendor NAME HEADERS SYMBOLS FILES    regular expressions; a dash: nothing to look for
#   by_symbol NAME FILES    files that may use a vendor's symbols through a header of ours
#   plain HEADERS           headers of C, POSIX and the compiler
#   ends FILES              files that may end the process
#   circle FILES            one circle of files is allowed, if all its files are these
rules() {
  cat <<'RULES'
room base      base
room kernels   base kernels
room comm      base kernels comm
room data      base kernels comm data
room model     base kernels model
room saved     base kernels data model saved
room train     base kernels comm data model saved train
room figures   base figures
room sample    base kernels comm data model saved sample
room evaluate  base kernels data figures evaluate
room calibrate base kernels comm data model saved sample evaluate calibrate
room bench     base kernels comm data model saved train sample figures bench
room cli       base kernels comm data model saved train figures sample evaluate calibrate bench cli
order data     tables hdf5 source h5ad,tensors formats atlas loader,prepare,synth latents
vendor MPI        mpi\.h                  MPI_.*                 comm/.*|cli/main\.c
by_symbol MPI     data/atlas/shard_hdf5\.c
vendor NCCL       nccl\.h                 nccl[A-Z].*            comm/.*
vendor HDF5       hdf5(_hl)?\.h           H5[A-Z].*              data/(hdf5|h5ad)/.*|data/tensors/tensor_file[a-z_]*\.[ch]|data/atlas/shard_hdf5\.[ch]|data/latents/latents\.c
vendor libyaml    yaml\.h                 yaml_.*                base/config/.*
vendor libzip     zip\.h                  zip_.*                 data/tensors/torch_zip\.c
vendor libdeflate libdeflate\.h           libdeflate_.*          data/hdf5/deflate\.c
vendor liblzf     lzf\.h                  lzf_.*                 data/hdf5/lzf_filter\.c
vendor BLAS       cblas\.h                (cblas|openblas)_.*    kernels/cpu/.*|evaluate/measures/.*
vendor LAPACK     lapacke?\.h             LAPACKE_.*|d[a-z]+_    evaluate/measures/.*
vendor Cairo      cairo.*\.h              cairo_.*               figures/.*
vendor Random123  Random123/.*            -                      base/rng\.c
vendor CUDA       cuda.*\.h               cuda[A-Z].*            kernels/cuda/.*
by_symbol CUDA    comm/nccl_.*
vendor cuBLAS     cublas.*\.h             cublas[A-Z].*          kernels/cuda/.*
vendor cuRAND     curand.*\.h             curand[A-Z_].*         kernels/cuda/.*
plain (assert|ctype|errno|float|inttypes|limits|math|setjmp|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|time)\.h
plain (dirent|dlfcn|fcntl|ftw|glob|libgen|poll|pthread|sched|strings|termios|unistd|spawn|sys/[a-z]+)\.h
plain (immintrin|omp)\.h
plain type_traits
ends cli/main\.c|base/interrupt\.c|comm/comm\.c
circle base/config/.*
RULES
}

files() { find . -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) -printf '%P\n' | sort; }

# The objects of today's libraries: a build folder that is used again may hold those of former ones.
listed_objects() { grep -oE ' -o [^ ]+\.o' "$build/compile_commands.json" | sed "s#^ -o #$build/#" | sort -u; }

objects() { # lines of SOURCE<tab>OBJECT; a test may compile sources of src again (".dir/__/src/")
  if [ -f "$build/compile_commands.json" ]; then listed_objects; else find "$build" -type f -name '*.o'; fi | sed -nE 's#^(.*\.dir/(__/)?src/(.*)\.o)$#\3\t\1#p' | sort
}

facts() {
  files | sed 's/^/file /'
  files | tr '\n' '\0' | xargs -0 -r grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' |
    sed -E 's/^([^:]*):([0-9]+):[^"<]*(["<])([^">]*).*$/include \1 \2 \3 \4/' || true
  # After MPI_Abort, which may return, and on a second signal there is no way back.
  files | tr '\n' '\0' | xargs -0 -r grep -HnE '(^|[^A-Za-z0-9_])(exit|abort|_exit|_Exit|quick_exit)\(' |
    sed -E 's/^([^:]*):([0-9]+):.*$/ends_in \1 \2/' || true
  [ -z "$build" ] && return
  objects | while IFS=$'\t' read -r file object; do
    [ -e "$file" ] || continue # left over from a file that is gone
    if [ "$file" -nt "$object" ]; then echo "older $file"; fi
    echo "object $file"
    printf '%s\n' "$object" >&3
  done 3>"$scratch/objects"
  [ -s "$scratch/objects" ] || return 0
  tr '\n' '\0' <"$scratch/objects" | xargs -0 nm -A -g | sed -nE \
    -e 's#^.*\.dir/(__/)?src/([^:]*)\.o: +[Uw] ([^ ]+)$#use \2 \3#p' \
    -e 's#^.*\.dir/(__/)?src/([^:]*)\.o:[0-9a-f]+ [ABCDGRST] ([^ ]+)$#define \2 \3#p'
}

# `make` alone builds the program and nothing else, so that objects are missing.
if [ -n "$build" ] && [ -f "$build/compile_commands.json" ]; then
  missing=$(listed_objects | while IFS= read -r object; do [ -e "$object" ] || echo "$object"; done | wc -l)
  if [ "$missing" -gt 0 ]; then
    echo "layers: this build lacks $missing of its objects; build all of it first: cmake --build $build"
    exit 1
  fi
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
{
  rules
  facts
} >"$scratch/facts"
awk -v symbols="$([ -n "$build" ] && echo 1 || echo 0)" -f "$here/layers.awk" "$scratch/facts"
