#!/usr/bin/env bash
# Checks and measures cytoforge on a machine with one GPU, without a network, in at most 8 minutes. Run it in the folder that pack.sh made:
#   ./run.sh [RESULTS]        RESULTS: a folder for results.json, results.md and logs (default: results beside this script)
# Every section has a budget in seconds; what is done stands in the results from then on. A section that cannot run says "skipped: why".
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=${1:-$here/results}
mkdir -p "$results/sections" "$results/logs"
results=$(cd "$results" && pwd)
rm -f "$results"/sections/*
. "$here/environment.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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
    for file in "$results"/sections/*.json; do
      [ -e "$file" ] || continue
      printf '%s\n    "%s": ' "$comma" "$(basename "$file" .json | cut -c4-)"
      cat "$file"
      comma=","
    done
    printf '\n  }\n}\n'
  } >"$results/results.json.partial" && mv "$results/results.json.partial" "$results/results.json"
  {
    printf '# cytoforge on %s\n\n| section | outcome | seconds |\n| --- | --- | --- |\n' "$device"
    cat "$results"/sections/*.row 2>/dev/null
    for file in "$results"/sections/*.md; do
      if [ -e "$file" ]; then printf '\n## %s\n\n' "$(basename "$file" .md | cut -c4-)" && cat "$file"; fi
    done
  } >"$results/results.md"
}

n_sections=0
record() { # name, outcome, why, seconds, file of JSON results or nothing
  local stem
  n_sections=$((n_sections + 1))
  stem=$(printf '%s/sections/%02d-%s' "$results" "$n_sections" "$1")
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
  begin=$(date +%s)
  if [ "$n_gpus" -eq 0 ]; then
    record "$name" skipped "$no_gpu" 0
    return
  fi
  export out=$work/$name.json
  : >"$out"
  timeout -k 10 "$budget" bash -c ". '$work/functions'; section_$name" >"$results/logs/$name.txt" 2>&1
  code=$?
  local last
  last=$(tail -n 1 "$results/logs/$name.txt")
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
skip() { echo "$*"; exit 77; }
add() { # a JSON object on stdin to the section's results
  if [ -s "$out" ]; then printf ',\n' >>"$out"; fi
  cat >>"$out"
}
number() { sed -n "s/^ *\"$2\": *\([-0-9.e+]*\),*$/\1/p" "$1"; } # of a pretty JSON file

# Every operation of the table against the CPU's, with its tolerance.
section_operations() {
  command -v check_cuda_ops >/dev/null || skip "the folder has no check_cuda_ops"
  check_cuda_ops
}

# Two hundred steps of each stage on the GPU in float32 and on the CPU: the same seed, so the same curves.
section_curves() {
  command -v python3 >/dev/null || skip "no python3 to compare curves with"
  for device in cpu cuda; do
    cytoforge train --data "$here/data/atlas" --out "curve-$device" --device $device --precision fp32 --set seed=3 --set log.every=10 \
      --set autoencoder.steps=200 --set denoiser.steps=200 --set classifier.steps=200 --set 'autoencoder.hidden=[256, 256]' \
      --set autoencoder.validate_every=0 --set denoiser.validate_every=0 --set classifier.validate_every=0 --set checkpoint.every=0 || exit 1
  done
  python3 "$here/compare_curves.py" curve-cpu/metrics.jsonl curve-cuda/metrics.jsonl | tee curves.txt
  local code=${PIPESTATUS[0]}
  { printf '{"comparison": "'; awk '{printf "%s; ", $0}' curves.txt; printf '"}'; } | add
  sed 's/^/    /' curves.txt >curves.md
  return "$code"
}

# NVIDIA's checker of memory accesses and of races in shared memory, over a few steps.
section_sanitizer() {
  local tool code
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null) || skip "no compute-sanitizer"
  for check in memcheck racecheck; do
    for stage in autoencoder denoiser classifier; do
      "$tool" --tool $check --error-exitcode 9 cytoforge bench train --stage $stage --genes 500 --nnz 50 --batch 64 --steps 2 --device cuda \
        --set 'autoencoder.hidden=[64]' >san.txt 2>&1
      code=$?
      cat san.txt
      if grep -q "Device not supported\|unable to start\|not supported" san.txt; then skip "compute-sanitizer does not work here"; fi
      printf '{"check": "%s", "stage": "%s", "exit": %d}' $check $stage $code | add
      [ $code -eq 0 ] || exit 1
    done
  done
}

# Step time and rates over batch sizes, at the size of the published atlas.
section_times() {
  echo '| stage | precision | batch | step, ms | cells/s | share of product rate |' >times.md
  echo '| --- | --- | --- | --- | --- | --- |' >>times.md
  local precision stage batch
  for precision in bf16 tf32 fp32; do
    for stage in autoencoder denoiser classifier; do
      for batch in 1024 8192 16384; do
        [ $precision != bf16 ] && [ $batch -ne 8192 ] && continue
        cytoforge bench train --stage $stage --batch $batch --steps 30 --device cuda --precision $precision --json >one.json || exit 1
        sed "s/{/{\n  \"precision\": \"$precision\",/" one.json | add
        echo "| $stage | $precision | $batch | $(number one.json step_median_s | awk '{print 1e3 * $1}') | $(number one.json cells_per_s) | $(number one.json share_of_product_rate) |" >>times.md
      done
    done
  done
}

# From an atlas: cells streamed, kept in the host's memory, kept in the GPU's.
section_residency() {
  local where rate
  for where in stream host device; do
    cytoforge train --data "$here/data/atlas" --out "residency-$where" --stage autoencoder --device cuda --set data.residency=$where \
      --set autoencoder.steps=300 --set autoencoder.batch_cells=1024 --set autoencoder.validate_every=0 --set checkpoint.every=0 || exit 1
    rate=$(sed -n 's/.*"cells_per_s": *\([0-9.e+]*\).*/\1/p' "residency-$where/metrics.jsonl" | tail -n 1)
    printf '{"residency": "%s", "cells_per_s": %s}' $where "$rate" | add
    echo "- $where: $rate cells/s" >>residency.md
  done
}

# Whole sampling runs, decoding and writing included.
section_sampling() {
  local method start seconds n=20000
  cytoforge train --data "$here/data/atlas" --out model --device cuda --set autoencoder.steps=50 --set denoiser.steps=50 --set classifier.steps=20 \
    --set autoencoder.validate_every=0 --set denoiser.validate_every=0 --set classifier.validate_every=0 || exit 1
  for method in dpm++ ddim ddpm; do
    start=$(date +%s.%N)
    cytoforge sample -m model/model.h5 -n $n --method $method --device cuda --force -o sampled.h5ad || exit 1
    seconds=$(echo "$start $(date +%s.%N)" | awk '{print $2 - $1}')
    printf '{"method": "%s", "n_cells": %d, "seconds": %s}' $method $n "$seconds" | add
    echo "- $method: $(echo "$n $seconds" | awk '{print $1 / $2}') cells/s, start and output included" >>sampling.md
  done
}

# The same models and batches in PyTorch.
section_torch() {
  python3 -c 'import torch' 2>/dev/null || skip "no PyTorch here"
  python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' || skip "PyTorch sees no GPU"
  python3 "$here/torch_reference.py" >torch.jsonl || exit 1
  while read -r line; do
    add <<<"$line"
    echo "- $line" >>torch.md
  done <torch.jsonl
}
FUNCTIONS
export here

# ---- the run ---------------------------------------------------------------------------------------------------------------------------------------

device=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)
: "${device:=no GPU}" "${driver:=none}"
said=$(cytoforge --version 2>&1 | sed -n 's/^ *\(CUDA\|backends\)  *//p' | head -n 1)
case $said in
  *GPU*here) n_gpus=1 no_gpu="" ;;
  *) n_gpus=0 no_gpu=${said##*, } ;;
esac

section operations 60
section curves 90
section sanitizer 60
section times 90
section residency 60
section sampling 40
section torch 60

if [ "$n_gpus" -eq 0 ]; then
  echo "no section could run on a GPU: $no_gpu; $results/results.json says so"
else
  echo "wrote $results/results.json and results.md in $(($(date +%s) - started)) s; $n_failed sections failed"
fi
exit $((n_failed > 0))
