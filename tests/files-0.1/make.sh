#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#   tests/files-0.1/make.sh CYTOFORGE FOLDER
# Makes what this folder keeps, in FOLDER (which must not exist) and with the program CYTOFORGE.
# The kept files were made by version 0.1.0, before its sources were moved. They are never made anew: they stand for the files that users
# have. Of every later version tests/cli/test_files_0_1.c asks that it reads, resumes from and samples them with the same results.
set -euo pipefail
cytoforge=$(realpath "${1:?usage: make.sh CYTOFORGE FOLDER}")
mkdir "${2:?usage: make.sh CYTOFORGE FOLDER}"
configuration=$(realpath "$(dirname "$0")")/train.yaml
cd "$2"
cp "$configuration" train.yaml

# The kind of machine on which results must be equal bit for bit: compiler, build, CPU and the BLAS library's kernels.
{
  "$cytoforge" info | grep -E '^ +(compiler|BLAS) '
  sed -n '/^cpu family\|^model/p; /^$/q' /proc/cpuinfo
} >made-on.txt

"$cytoforge" synth -o cells.h5ad --cells 400 --genes 100 --types 3 --counts 300
"$cytoforge" prepare cells.h5ad -o atlas --label cell_type --label donor --holdout 0.1 --min-genes 0 --min-cells 0 --shard-cells 200

train() { # RUN options
  "$cytoforge" train -c train.yaml --data atlas --out "$1" --device cpu --threads 1 "${@:2}"
}
train mse
train nb --set autoencoder.likelihood=nb
train conditioned --set 'denoiser.conditions=[cell_type]'
"$cytoforge" encode -m mse/model.h5 atlas -o latents --precision float32 --device cpu --threads 1

# A run that was killed after 20 of the denoiser's 40 steps leaves what a whole one has left by then.
mkdir -p unfinished/checkpoints
cp mse/config.yaml unfinished/
cp -r mse/latents unfinished/
cp mse/checkpoints/autoencoder-final.h5 mse/checkpoints/denoiser-00000020.h5 unfinished/checkpoints/
awk '/"stage": "autoencoder"/ || /"stage": "encode"/ || (/"stage": "denoiser"/ && match($0, /"step": [0-9]+/) && substr($0, RSTART + 8, RLENGTH - 8) + 0 <= 20)' \
  mse/metrics.jsonl >unfinished/metrics.jsonl

# What the test expects: the loss of each step of the whole run, held-out cells encoded and decoded, sampled cells.
mkdir expected
grep -oE '"stage": "[^"]*", "step": [0-9]+, "epoch": [0-9]+, "loss": [^,]*' mse/metrics.jsonl | sed 's/^/{/; s/$/}/' >expected/metrics.jsonl
"$cytoforge" encode -m mse/model.h5 atlas/heldout.h5ad -o expected/encoded.h5ad --device cpu --threads 1
"$cytoforge" decode -m mse/model.h5 expected/encoded.h5ad -o expected/decoded.h5ad --device cpu --threads 1
sample() { # RUN options
  "$cytoforge" sample -m "$1/model.h5" -n 20 --seed 3 --device cpu --threads 1 -o "expected/$1.h5ad" "${@:2}"
}
sample mse --where cell_type=type_1 --where donor=donor_2
sample nb --where cell_type=type_2
sample conditioned --where cell_type=type_3 --guidance-mode free

gzip -9 --no-name expected/*.h5ad # a dense matrix is one chunk of 1 MiB, mostly empty
rm atlas/train.h5ad               # nothing but an evaluation reads it

for run in mse nb conditioned; do
  mv $run/model.h5 $run.h5
  rm -r $run
done
rm cells.h5ad
