#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes a folder that runs on another x86-64 machine with the same or a newer glibc. It holds cytoforge, Open MPI, small data, run.sh, and every
# library but those of glibc, CUDA and the driver. FOLDER.tar.gz of it has at most 60 MiB (OpenBLAS alone takes 35 MiB uncompressed).
#   benchmarks/gpu/pack.sh FOLDER [BUILD]     BUILD: a build made for any x86-64-v3 (default: build/portable, built when it is needed)
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:?usage: benchmarks/gpu/pack.sh FOLDER [BUILD]}
build=${2:-$source_dir/build/portable}
limit_mib=60
if [ -e "$folder" ] || [ -e "$folder.tar.gz" ]; then
  echo "pack.sh: $folder or $folder.tar.gz exists; name a new folder" >&2
  exit 2
fi
if [ $# -lt 2 ]; then
  cmake -S "$source_dir" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCYTOFORGE_NATIVE=OFF >/dev/null
  cmake --build "$build" --target cytoforge check_cuda_ops test_autoencoder test_denoiser test_classifier test_sampler
fi
mkdir -p "$folder"/{bin,lib,openmpi/lib/openmpi,openmpi/bin,data}
folder=$(cd "$folder" && pwd)

cp "$build/cytoforge" "$folder/bin/"
for check in check_cuda_ops; do # programs that compare a GPU with the CPU, where the build has them
  found=$(find "$build" -name "$check" -type f -perm -u+x | head -1)
  if [ -n "$found" ]; then cp "$found" "$folder/bin/"; fi
done

# The tests of the stored references, and the references.
mkdir -p "$folder/tests/golden"
for name in autoencoder denoiser classifier sampler; do
  found=$(find "$build" -name "test_$name" -type f -perm -u+x | head -1)
  if [ -n "$found" ]; then cp "$found" "$folder/bin/golden_$name"; fi
done
cp "$source_dir"/tests/golden/{autoencoder,classifier,denoiser,sampling}_[12].h5 "$folder/tests/golden/"

# Open MPI, with its plug-ins and launcher under one prefix: OPAL_PREFIX moves it. Only the transports of one machine are taken.
mpi_lib=$(dirname "$(ldd "$build/cytoforge" | awk '/libmpi\.so/ {print $3}' | xargs readlink -f)")
plugins=$(ompi_info --path pkglibdir --parsable 2>/dev/null | awk -F: '/pkglibdir/ {print $NF}')
[ -d "$plugins" ] || plugins=$mpi_lib/openmpi
find "$plugins" -name 'mca_*.so' | grep -vE 'ucx|uct|ofi|openib|usnic|psm|portals|verbs|spml|oshmem|memheap|scoll|sshmem|atomic|monitoring' |
  xargs -I{} cp -L {} "$folder/openmpi/lib/openmpi/"
cp -L "$(command -v orterun || command -v mpirun)" "$folder/openmpi/bin/mpirun"
cp -L "$(command -v orted)" "$folder/openmpi/bin/orted"
share=$(ompi_info --path pkgdatadir --parsable 2>/dev/null | awk -F: '/pkgdatadir/ {print $NF}')
mkdir -p "$folder/openmpi/share"
[ -d "$share" ] && cp -rL "$share" "$folder/openmpi/share/openmpi"
pmix=$(dirname "$(readlink -f "$(ldd "$plugins"/mca_pmix_ext*.so 2>/dev/null | awk '/libpmix\.so/ {print $3; exit}')")" 2>/dev/null || true)
if [ -d "$pmix" ]; then # a PMIx of its own beside Open MPI's
  mkdir -p "$folder/openmpi/lib/pmix"
  find "$pmix" -path '*pmix*' -name 'mca_*.so' -exec cp -L {} "$folder/openmpi/lib/pmix/" \;
  for text in "$pmix"/../../share/pmix* /usr/share/pmix*; do
    if [ -d "$text" ]; then mkdir -p "$folder/openmpi/share/pmix" && cp -rL "$text"/. "$folder/openmpi/share/pmix/"; fi
  done
fi

# Every library that they load, but those of the machine itself.
of_the_machine='/(ld-linux|libc|libm|libdl|librt|libpthread|libresolv|libcuda|libcudart|libcublas|libcublasLt|libcurand|libnccl)[-.]'
collect() {
  ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | grep -vE "$of_the_machine" | sort -u
}
# shellcheck disable=SC2046
cp -nL $(collect "$folder"/bin/* "$folder"/openmpi/bin/* "$folder"/openmpi/lib/*/*.so) "$folder/lib/"
strip --strip-unneeded "$folder"/lib/*.so* "$folder"/openmpi/lib/*/*.so "$folder"/bin/* 2>/dev/null || true

# Small data: cells that were made up, an atlas of them.
"$build/cytoforge" synth -o "$folder/data/cells.h5ad" --cells 4000 --genes 1000 --types 4 --seed 1 2>/dev/null
"$build/cytoforge" prepare "$folder/data/cells.h5ad" -o "$folder/data/atlas" --label cell_type --shard-cells 1000 2>/dev/null
rm "$folder/data/cells.h5ad"

cp "$source_dir"/benchmarks/gpu/{run.sh,environment.sh,compare_curves.py,torch_reference.py} "$folder/"
"$build/cytoforge" --version >"$folder/version.txt"
git -C "$source_dir" rev-parse --short HEAD >>"$folder/version.txt" 2>/dev/null || true

tar -C "$(dirname "$folder")" -czf "$folder.tar.gz" "$(basename "$folder")"
mib=$((($(stat -c %s "$folder.tar.gz") + 1048575) / 1048576))
if [ "$mib" -gt "$limit_mib" ]; then
  echo "pack.sh: $folder.tar.gz has $mib MiB, more than the $limit_mib MiB that are allowed" >&2
  exit 1
fi
echo "packed $folder.tar.gz: $mib MiB of at most $limit_mib MiB, compressed; unpack it there and start run.sh"
