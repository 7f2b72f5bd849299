#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The folder that benchmarks/gpu/pack.sh makes runs out of another folder in an empty environment, and run.sh says what it skips where there is no GPU.
#   gpu_scripts.sh BUILD
set -euo pipefail
build=$1
source_dir=${CYTOFORGE_SOURCE:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "gpu_scripts: $*" >&2
  exit 1
}
in_packed() { # a command line in an empty environment, with the packed programs alone
  (cd "$work/elsewhere" && env -i CUDA_VISIBLE_DEVICES= /bin/bash -c "here=$work/moved/packed; . \$here/environment.sh; $1")
}
mkdir "$work/elsewhere" "$work/moved"
"$source_dir/benchmarks/gpu/pack.sh" "$work/packed" "$build" >"$work/pack.txt" || fail "pack.sh failed: $(cat "$work/pack.txt")"
grep -q "MiB of at most 60 MiB, compressed" "$work/pack.txt" || fail "pack.sh does not tell the size"
if "$source_dir/benchmarks/gpu/pack.sh" "$work/packed" "$build" 2>/dev/null; then fail "pack.sh wrote over an existing folder"; fi
rm -r "$work/packed"
tar -C "$work/moved" -xzf "$work/packed.tar.gz"

in_packed 'cytoforge --version' | grep -q '^cytoforge ' || fail "the packed program does not start"
in_packed 'ldd $here/bin/cytoforge' | grep -v "$work/moved" | grep -E '=> /' | grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv)\.so' &&
  fail "libraries outside the folder are used"
in_packed 'command -v mpirun' | grep -q "^$work/moved" || fail "mpirun is not the packed one"
in_packed 'mpirun -n 2 cytoforge train --data $here/data/atlas --out run --stage autoencoder --device cpu --set autoencoder.steps=3 \
  --set "autoencoder.hidden=[32]" --set autoencoder.validate_every=0' >"$work/train.txt" 2>&1 || fail "two ranks do not train: $(cat "$work/train.txt")"
grep -q '2 ranks' "$work/train.txt" || fail "there were not two ranks: $(cat "$work/train.txt")"

in_packed 'for name in autoencoder denoiser classifier sampler; do CYTOFORGE_SOURCE=$here golden_$name || exit 1; done' >"$work/golden.txt" 2>&1 ||
  fail "the packed references are not met on the CPU: $(cat "$work/golden.txt")"

(cd "$work/elsewhere" && env -i CUDA_VISIBLE_DEVICES= /bin/bash "$work/moved/packed/run.sh" "$work/skipped") >"$work/run.txt" 2>&1 ||
  fail "run.sh failed: $(cat "$work/run.txt")"
for section in operations golden curves sanitizer times residency sampling torch; do
  grep -q "^$section: skipped: " "$work/run.txt" || fail "run.sh does not say that it skips $section: $(cat "$work/run.txt")"
  grep -q "| $section | skipped: " "$work/skipped/results.md" || fail "results.md lacks $section"
done
grep -q 'no section could run on a GPU' "$work/run.txt" || fail "run.sh does not say that there is no GPU"

# A section whose program hangs and ignores being told to end is killed with that program, and the next section runs. (The program claims to see a GPU.)
printf '#!/bin/bash\necho "  CUDA       built in, 1 GPU here"\n' >"$work/moved/packed/bin/cytoforge"
printf '#!/bin/bash\ntrap "" TERM\nwhile true; do echo $$ >%s; sleep 0.2; done\n' "$work/pid" >"$work/moved/packed/bin/golden_denoiser"
printf '#!/bin/bash\necho "{\\"operation\\": \\"none\\"}"; exit 3\n' >"$work/moved/packed/bin/check_cuda_ops"
printf '#!/bin/bash\n' >"$work/moved/packed/bin/golden_autoencoder"
sed -i -e 's/-k 10/-k 1/' -e 's/^section golden .*/section golden 2/' "$work/moved/packed/run.sh"
if (cd "$work/elsewhere" && env -i /bin/bash "$work/moved/packed/run.sh" "$work/results" golden operations) >"$work/run.txt" 2>&1; then fail "run.sh hides a failure"; fi
grep -q '^golden: stopped: ' "$work/run.txt" || fail "run.sh does not stop what hangs: $(cat "$work/run.txt")"
grep -q '^operations: failed: exit 3' "$work/run.txt" || fail "run.sh does not tell a failure: $(cat "$work/run.txt")"
if grep -q 'curves' "$work/run.txt"; then fail "run.sh runs sections that were not asked for"; fi
if grep -qa golden_denoiser "/proc/$(cat "$work/pid")/cmdline" 2>/dev/null; then
  kill -KILL "$(cat "$work/pid")"
  fail "what hung is still there"
fi
grep -q '"operation": "none"' "$work/results/results.json" || fail "what a failed section had is lost"
grep -q '"references": "autoencoder", "ok": true' "$work/results/results.json" || fail "what a stopped section had is lost"
if command -v python3 >/dev/null; then
  python3 - "$work/skipped/results.json" <<'PY' || fail "results.json is not what it should be"
import json, sys
results = json.load(open(sys.argv[1]))
assert len(results["sections"]) == 8 and results["version"].startswith("cytoforge "), results
assert all(s["outcome"] == "skipped" and s["why"] for s in results["sections"].values()), results
PY
  python3 -m json.tool "$work/results/results.json" >/dev/null || fail "results.json of stopped and failed sections is no JSON"
  # The comparison of curves passes equal ones and fails others.
  line() { printf '{"stage": "denoiser", "step": %d, "loss": %s}\n' "$1" "$2"; }
  for step in 10 20 30 40 50 60; do line $step 1.0 >>"$work/a"; line $step 1.001 >>"$work/b"; line $step 1.1 >>"$work/c"; done
  python3 "$work/moved/packed/compare_curves.py" "$work/a" "$work/b" >/dev/null || fail "equal curves do not compare as equal"
  if python3 "$work/moved/packed/compare_curves.py" "$work/a" "$work/c" >/dev/null; then fail "different curves compare as equal"; fi
  python3 -m py_compile "$source_dir/benchmarks/gpu/torch_reference.py" && rm -rf "$source_dir/benchmarks/gpu/__pycache__"
fi
echo "gpu_scripts: packed, moved, trained on two ranks; run.sh skips what needs a GPU"
