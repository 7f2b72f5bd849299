#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Checks and measures cytoforge on a machine with one GPU, without a network, in at most 8 minutes. Run it in the folder that pack.sh made:
#   ./run.sh [RESULTS [SECTION...]]        RESULTS: a folder for results.json, results.md and log.txt (default: results beside this script);
#                                          SECTION: those alone (operations, golden, curves, times, residency, sampling, torch, sanitizer)
# Every section has a budget in seconds; what is done stands in the results from then on. A section that cannot run says "skipped: why". One that
# passes its budget is told to end, and killed 10 s later; the next one runs all the same.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=${1:-$here/results}
chosen=" ${*:2} "
mkdir -p "$results"
results=$(cd "$results" && pwd)
. "$here/environment.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/sections"
: >"$results/log.txt"
cd "$work" || exit 1
started=$(date +%s)
n_failed=0

# ---- results, written anew after each section ----------------------------------------------------------------------------------------------------

quote() { # a JSON string of the text on stdin, its first 2,000 characters
  head -c 2000 | tr -d '\000-\010\013-\037' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/ /g' | awk 'BEGIN {printf "\""} {printf "%s%s", (NR > 1 ? "\\n" : ""), $0} END {printf "\""}'
}

write_results() {
  {
    printf '{\n  "device": %s,\n  "driver": %s,\n  "version": %s,\n  "seconds": %d,\n  "sections": {' "$(quote <<<"$device")" "$(quote <<<"$driver")" \
      "$(cytoforge --version 2>&1 | quote)" "$(($(date +%s) - started))"
    local comma=""
    for file in "$work"/sections/*.json; do
      [ -e "$file" ] || continue
      printf '%s\n    "%s": ' "$comma" "$(basename "$file" .json | cut -c4-)"
      cat "$file"
      comma=","
    done
    printf '\n  }\n}\n'
  } >"$results/results.json.partial" && mv "$results/results.json.partial" "$results/results.json"
  {
    printf '# cytoforge on %s\n\n| section | outcome | seconds |\n| --- | --- | --- |\n' "$device"
    cat "$work"/sections/*.row 2>/dev/null
    for file in "$work"/sections/*.md; do
      if [ -e "$file" ]; then printf '\n## %s\n\n' "$(basename "$file" .md | cut -c4-)" && cat "$file"; fi
    done
  } >"$results/results.md"
}

n_sections=0
record() { # name, outcome, why, seconds, file of JSON results or nothing
  local stem
  n_sections=$((n_sections + 1))
  stem=$(printf '%s/sections/%02d-%s' "$work" "$n_sections" "$1")
  {
    printf '{"outcome": "%s", "why": %s, "seconds": %d, "results": [' "$2" "$(printf '%s' "$3" | quote)" "$4"
    if [ -n "${5:-}" ] && [ -s "$5" ]; then cat "$5"; fi
    printf ']}'
  } >"$stem.json"
  printf '| %s | %s%s | %d |\n' "$1" "$2" "${3:+: $3}" "$4" >"$stem.row"
  if [ -s "$work/$1.md" ]; then cp "$work/$1.md" "$stem.md"; fi
  echo "$1: $2${3:+: $3}"
  write_results
}

# section NAME BUDGET: runs the function section_NAME with a limit; it writes JSON objects (with commas) to $out and a table to NAME.md. Its exit
# status 77 and last line of output mean "skipped: that line".
section() {
  local name=$1 budget=$2 begin code
  case $chosen in "  " | *" $name "*) ;; *) return ;; esac
  begin=$(date +%s)
  if [ "$n_gpus" -eq 0 ]; then
    record "$name" skipped "$no_gpu" 0
    return
  fi
  export out=$work/$name.json
  : >"$out"
  printf '\n==== %s\n' "$name" >>"$results/log.txt"
  timeout -k 10 "$budget" bash -c ". '$work/functions'; section_$name" >>"$results/log.txt" 2>&1
  code=$?
  local last
  last=$(tail -n 1 "$results/log.txt")
  case $code in
    0) record "$name" done "" "$(($(date +%s) - begin))" "$out" ;;
    77) record "$name" skipped "$last" "$(($(date +%s) - begin))" ;;
    124 | 137) record "$name" stopped "more than its $budget s; what it had is kept" "$(($(date +%s) - begin))" "$out" ;;
    *)
      n_failed=$((n_failed + 1))
      record "$name" failed "exit $code: $last" "$(($(date +%s) - begin))" "$out"
      ;;
  esac
}

cat >"$work/functions" <<'FUNCTIONS'
set -uo pipefail
# A section that is told to end waits for the program that it runs, which may hang in the GPU's driver. So both are killed; else the program would
# stay.
trap 'exit 124' TERM
skip() { echo "$*"; exit 77; }
add() { # a JSON object on stdin to the section's results
  if [ -s "$out" ]; then printf ',\n' >>"$out"; fi
  cat >>"$out"
}
add_lines() { # the same for each line that is an object; the others are passed on
  local line
  while read -r line; do
    case $line in
      "{"*"}") add <<<"$line" ;;
      *) echo "$line" ;;
    esac
  done
}
number() { sed -n "s/^ *\"$2\": *\([-0-9.e+]*\),*$/\1/p" "$1"; } # of a pretty JSON file

# Every operation of the table against the CPU's, with its tolerance.
section_operations() {
  command -v check_cuda_ops >/dev/null || skip "the folder has no check_cuda_ops"
  check_cuda_ops | add_lines
}

# Models, gradients, optimiser steps and sampling runs against stored float64 references, in float32.
section_golden() {
  local name code=0
  for name in autoencoder denoiser classifier sampler; do
    command -v "golden_$name" >/dev/null || skip "the folder has no golden_$name"
    if CYTOFORGE_SOURCE=$here CYTOFORGE_TEST_DEVICE=cuda "golden_$name"; then
      printf '{"references": "%s", "ok": true}' "$name" | add
    else
      printf '{"references": "%s", "ok": false}' "$name" | add
      code=1
    fi
  done
  [ $code -eq 0 ] || echo "a reference is not met"
  return $code
}

# Two hundred steps of each stage on the GPU in float32 and on the CPU: the same seed, so the same curves.
section_curves() {
  command -v python3 >/dev/null || skip "no python3 to compare curves with"
  for device in cpu cuda; do
    cytoforge train --data "$here/data/atlas" --out "curve-$device" --device $device --precision fp32 --set seed=3 --set log.every=10 \
      --set autoencoder.steps=200 --set denoiser.steps=200 --set classifier.steps=200 --set 'autoencoder.hidden=[256, 256]' \
      --set autoencoder.validate_every=0 --set denoiser.validate_every=0 --set classifier.validate_every=0 --set checkpoint.every=0 || exit 1
  done
  outside python3 "$here/compare_curves.py" curve-cpu/metrics.jsonl curve-cuda/metrics.jsonl | tee curves.txt
  local code=${PIPESTATUS[0]}
  { printf '{"comparison": "'; awk '{printf "%s; ", $0}' curves.txt; printf '"}'; } | add
  sed 's/^/    /' curves.txt >curves.md
  return "$code"
}

# NVIDIA's checker of memory accesses and of races in shared memory, over a few steps of each stage and a short sampling run. The denoiser's third
# step is a graph whose arguments were replaced.
section_sanitizer() {
  local tool check code
  tool=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2>/dev/null) || skip "no compute-sanitizer"
  for check in memcheck racecheck; do
    for command in train sample; do
      local arguments=(train --data "$here/data/atlas" --out "checked-$check" --set 'autoencoder.hidden=[64]' --set autoencoder.steps=4 --set denoiser.steps=4
        --set classifier.steps=4 --set autoencoder.batch_cells=64 --set denoiser.batch_cells=64 --set classifier.batch_cells=64 --set autoencoder.validate_every=0
        --set denoiser.validate_every=0 --set classifier.validate_every=0)
      if [ $command = sample ]; then arguments=(sample -m "checked-$check/model.h5" -n 200 --steps 5 --force -o checked.h5ad); fi
      outside "$tool" --tool $check --target-processes all --error-exitcode 9 env "LD_LIBRARY_PATH=$LD_LIBRARY_PATH" cytoforge "${arguments[@]}" --device cuda \
        >checked.txt 2>&1
      code=$?
      cat checked.txt
      if grep -q "Device not supported\|unable to start\|not supported" checked.txt; then skip "compute-sanitizer does not work here"; fi
      printf '{"check": "%s", "command": "%s", "exit": %d}' $check $command $code | add
      [ $code -eq 0 ] || exit 1
    done
  done
}

# Step time and rates over batch sizes, at the size of the published atlas.
section_times() {
  echo '| stage | precision | batch | step, ms | cells/s | share of product rate | share of copy rate |' >times.md
  echo '| --- | --- | --- | --- | --- | --- | --- |' >>times.md
  local precision stage batch
  for precision in bf16 tf32 fp32; do
    for stage in autoencoder denoiser classifier; do
      for batch in 1024 8192 16384; do
        [ $precision != bf16 ] && [ $batch -ne 8192 ] && continue
        cytoforge bench train --stage $stage --batch $batch --steps 30 --device cuda --precision $precision --json >one.json || exit 1
        sed "s/{/{\n  \"precision\": \"$precision\",/" one.json | add
        echo "| $stage | $precision | $batch | $(number one.json step_median_s | awk '{print 1e3 * $1}') | $(number one.json cells_per_s) | $(number one.json share_of_product_rate) | $(number one.json share_of_copy_rate) |" >>times.md
      done
    done
  done
}

# From an atlas of 28,231 genes, 1,500 of them expressed in a cell: cells streamed, kept in the host's memory, and kept in the GPU's. The aim on one
# H100 is 1,000,000 cells/s from the GPU's memory and 500,000 streamed.
section_residency() {
  local where rate aim
  cytoforge synth -o cells.h5ad --cells 32768 --genes 28231 --types 20 --counts 5000 --expressed 0.043 --compact --seed 1 || exit 1
  mpirun -n 8 cytoforge prepare cells.h5ad -o large --label cell_type --min-cells 0 || exit 1
  rm cells.h5ad
  echo '| residency | cells/s | aim | values a cell | share of product rate | share of copy rate |' >residency.md
  echo '| --- | --- | --- | --- | --- | --- |' >>residency.md
  for where in device stream host; do
    cytoforge bench train --data large --residency $where --batch 8192 --steps 40 --device cuda --json >one.json || exit 1
    add <one.json
    rate=$(number one.json cells_per_s)
    case $where in device) aim=1000000 ;; stream) aim=500000 ;; *) aim= ;; esac
    echo "| $where | $rate | $aim | $(number one.json values_per_cell) | $(number one.json share_of_product_rate) | $(number one.json share_of_copy_rate) |" >>residency.md
  done
}

# The reverse process by method, steps and guidance, each step a graph and operation by operation; then a whole run, decoding and writing included.
section_sampling() {
  local method steps guidance graphs start seconds n=20000
  echo '| method | steps | guidance | graphs | cells/s | share of product rate |' >sampling.md
  echo '| --- | --- | --- | --- | --- | --- |' >>sampling.md
  while read -r method steps guidance graphs; do
    CYTOFORGE_GRAPHS=$graphs cytoforge bench sample --method "$method" --steps "$steps" --guidance "$guidance" -n $n --device cuda --json >one.json || exit 1
    sed "s/{/{\n  \"graphs\": $graphs,/" one.json | add
    echo "| $method | $steps | $guidance | $graphs | $(number one.json cells_per_s) | $(number one.json share_of_product_rate) |" >>sampling.md
  done <<'RUNS'
dpm++ lambda15 0 1
dpm++ lambda15 0 0
dpm++ lambda15 2 1
ddim 50 0 1
ddpm 250 0 1
RUNS
  cytoforge train --data "$here/data/atlas" --out model --device cuda --set autoencoder.steps=50 --set denoiser.steps=50 --set classifier.steps=20 \
    --set autoencoder.validate_every=0 --set denoiser.validate_every=0 --set classifier.validate_every=0 || exit 1
  start=$(date +%s.%N)
  cytoforge sample -m model/model.h5 -n $n --method dpm++ --device cuda --force -o sampled.h5ad || exit 1
  seconds=$(echo "$start $(date +%s.%N)" | awk '{print $2 - $1}')
  printf '{"command": "sample", "method": "dpm++", "n_cells": %d, "seconds": %s}' $n "$seconds" | add
  printf '\nThe command `sample`, start, decoding and output included: %s cells/s.\n' "$(echo "$n $seconds" | awk '{print $1 / $2}')" >>sampling.md
}

# The same models and batches in PyTorch.
section_torch() {
  outside python3 -c 'import torch, sys; sys.exit(0 if torch.cuda.is_available() else 3)' 2>/dev/null
  case $? in
    0) ;;
    3) skip "PyTorch sees no GPU" ;;
    *) skip "no PyTorch here" ;;
  esac
  outside python3 "$here/torch_reference.py" | while read -r line; do
    add <<<"$line"
    echo "- $line" >>torch.md
  done
}
FUNCTIONS
export here

# ---- the run ---------------------------------------------------------------------------------------------------------------------------------------

device=$(outside nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
driver=$(outside nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)
: "${device:=no GPU}" "${driver:=none}"
said=$(cytoforge --version 2>&1 | sed -n 's/^ *\(CUDA\|backends\)  *//p' | head -n 1)
case $said in
  *GPU*here) n_gpus=1 no_gpu="" ;;
  *) n_gpus=0 no_gpu=${said##*, } ;;
esac

# 470 s in all.
section operations 60
section golden 20
section curves 60
section times 80
section residency 70
section sampling 50
section torch 80
section sanitizer 50

if [ "$n_gpus" -eq 0 ]; then
  echo "no section could run on a GPU: $no_gpu; $results/results.json says so"
else
  echo "wrote $results/results.json and results.md in $(($(date +%s) - started)) s; $n_failed sections failed"
fi
exit $((n_failed > 0))
