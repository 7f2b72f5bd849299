#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The architecture's include rules (docs/architecture.md): layers look only to the left, one vendor has one folder.
set -uo pipefail
cd "${CYTOFORGE_SOURCE:?}/src"
failed=0

complain() { # message, offending lines
  [ -z "$2" ] && return
  echo "$1"
  echo "$2"
  failed=1
}

# Who may include whom.
declare -A may=([base]="base" [kernels]="base kernels" [comm]="base kernels comm" [data]="base kernels comm data" [model]="base kernels model"
  [saved]="base kernels data model saved" [train]="base kernels comm data model saved train" [figures]="base figures"
  [sample]="base kernels comm data model saved sample cli" [evaluate]="base kernels comm data figures evaluate"
  [bench]="base kernels comm data model saved train sample figures bench cli"
  [cli]="base kernels comm data model saved train figures sample evaluate bench cli")
for room in "${!may[@]}"; do
  allowed=$(tr ' ' '|' <<<"${may[$room]}")
  complain "$room includes what it may not:" "$(grep -rnE '^#include "[a-z_]+/' "$room" | grep -vE "#include \"($allowed)/")"
done

vendor() { # header pattern, files that may include it (regular expression)
  complain "$1 is included outside $2:" "$(grep -rnE "#include [<\"]($1)" . | grep -vE "^\./($2):")"
}
vendor 'mpi\.h' 'comm/[a-z_]+\.[ch]|cli/main\.c'
vendor 'nccl\.h' 'comm/[a-z_]+\.[ch]'
vendor 'hdf5\.h' 'data/(hdf5|h5ad|tensors|latents)/[a-z0-9_]+\.[ch]|data/atlas/shard_hdf5\.c'
vendor 'yaml\.h' 'base/config/[a-z_]+\.[ch]'
vendor 'zip\.h' 'data/tensors/torch_zip\.c'
vendor 'libdeflate\.h' 'data/hdf5/deflate\.c'
vendor 'cblas\.h' '(kernels/cpu|evaluate/measures)/[a-z_]+\.[ch]'
vendor 'cairo' 'figures/[a-z_]+\.[ch]'
vendor 'Random123/' 'base/rng\.c'
vendor 'cuda|cublas|curand' 'kernels/cuda/.*'

# After MPI_Abort (which returns on no rank) and on a second signal there is no way back.
complain "libraries never exit:" "$(grep -rnE '\b(exit|abort|_exit)\(' --include='*.c' --include='*.cu' . | grep -vE '^\./(cli/main|base/interrupt|comm/comm)\.c:')"

[ $failed -eq 0 ] && echo "layers: every include keeps the rules"
exit $failed
