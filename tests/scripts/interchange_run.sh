#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What cytoforge writes, read by stock anndata and scanpy with warnings as errors: shards, plain and compressed, latents, the hold-out, sampled, encoded and decoded cells.
# Then atlases of every stored form and latents, byte by byte as docs/atlas-format.md says.
# Exits 77 (skipped) where there is no Python with them.
set -euo pipefail
. "${CYTOFORGE_SOURCE:?}/scripts/environment.sh"
python=$(given_program CYTOFORGE_PYTHON)
if [ -z "$python" ]; then
  echo "skipped: CYTOFORGE_PYTHON names no Python with anndata and scanpy"
  exit 77
fi
cytoforge=${CYTOFORGE_BINARY:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
$cytoforge synth -o cells.h5ad --cells 900 --genes 150 --types 3 --counts 400
mpirun -n 2 $cytoforge prepare cells.h5ad -o atlas --label cell_type --label donor --holdout 0.2 --shard-cells 300 --min-genes 0
$cytoforge prepare cells.h5ad -o compressed --label cell_type --label donor --holdout 0.2 --shard-cells 300 --min-genes 0 --compress gzip
$cytoforge train -c "$CYTOFORGE_SOURCE/tests/support/fixed.yaml" --data atlas --out run --set autoencoder.hidden='[32, 32]' --set autoencoder.latent=8 --set autoencoder.steps=50 \
  --set denoiser.hidden='[32, 16]' --set denoiser.steps=50 --set classifier.hidden='[16, 16, 16]' --set classifier.steps=50
mpirun -n 2 $cytoforge sample -m run/model.h5 -n 300 --where cell_type=type_1 --steps 10 -o sampled.h5ad
mpirun -n 2 $cytoforge encode -m run/model.h5 atlas/heldout.h5ad -o encoded.h5ad
$cytoforge encode -m run/model.h5 atlas/shard-00000.h5ad -o encoded_shard.h5ad
$cytoforge decode -m run/model.h5 encoded.h5ad -o decoded.h5ad
"$python" -W error "$CYTOFORGE_SOURCE/tests/interchange/check_run.py" "$work"

prepare() { # atlas, input, further options: labels and every gene stay
  $cytoforge prepare "$2" -o "$1" --label cell_type --min-genes 0 --min-cells 0 "${@:3}"
}
$cytoforge synth -o small_counts.h5ad --cells 900 --genes 150 --types 3 --counts 60 --expressed 0.4
$cytoforge synth -o large_counts.h5ad --cells 60 --genes 33000 --types 3 --counts 1e6 --expressed 0.02
prepare bits8 small_counts.h5ad # one shard of several chunks
prepare bits32 large_counts.h5ad --shard-cells 25
prepare bits32_gzip large_counts.h5ad --compress gzip
prepare float decoded.h5ad --holdout 0.3
prepare float_gzip decoded.h5ad --compress gzip
"$python" -W error "$CYTOFORGE_SOURCE/tests/interchange/read_atlas.py" atlas compressed bits8 bits32 bits32_gzip float float_gzip run/latents
