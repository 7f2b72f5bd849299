#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A fact stands in one place. The sum to which counts are normalised is written down in one header, and nowhere else in src and
# examples. That holds for code, comments and messages, and for every spelling, products of numbers included. Then the script is
# shown planted copies, which it must find.
set -uo pipefail
source_dir=${CYTOFORGE_SOURCE:-$(cd "$(dirname "$0")" && pwd)} # the tree, as in layers.sh
while [ ! -d "$source_dir/src" ] && [ "$source_dir" != / ]; do source_dir=$(dirname "$source_dir"); done
cd "$source_dir"
home=kernels/math/normalisation.h # CYF_NORMALISED_TOTAL

# The same number with another meaning, in whole digits: files, and how many lines of each.
declare -A other_meaning=(
  [kernels/backend.h]=1            # the longest period of a time embedding
  [kernels/math/diffusion.h]=1     # likewise
  [cli/cmd_bench_sample.c]=2       # cells that are sampled
  [saved/settings.c]=1             # checkpoints that are kept, at most
  [comm/nccl_plane.c]=1            # digits of a version
)

# Lines "FILE:LINE:SPELLING" of a folder, for each decimal number, or product of such, whose value is 10,000.
spellings() {
  local number='(\d{1,3}(,\d{3})+|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)[fFlLuU]*(?!\w)'
  (cd "$1" && find . -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) -printf '%P\0' | sort -z |
    xargs -0 -r grep -HnoP "(?<![\\w.])$number(\\s*\\*\\s*$number)*" | awk '
      function value(text) { gsub(/[, \t]/, "", text); sub(/[fFlLuU]+$/, "", text); return text + 0 }
      {
        match($0, /^[^:]*:[0-9]+:/)
        place = substr($0, 1, RLENGTH)
        text = substr($0, RLENGTH + 1)
        n = split(text, factor, /[ \t]*\*[ \t]*/)
        product = 1
        for (i = 1; i <= n; i++) {
          product *= value(factor[i])
          if (value(factor[i]) == 10000) print place factor[i]
        }
        if (n > 1 && product == 10000) print place text
      }')
}

check() { # folder
  local found file line spelling failed=0
  declare -A whole=()
  while IFS=: read -r file line spelling; do
    [ "$file" = "$home" ] && continue
    if [ "$spelling" = 10000 ] && [ -n "${other_meaning[$file]:-}" ]; then
      whole[$file]=$((${whole[$file]:-0} + 1))
      continue
    fi
    echo "$file:$line: $spelling: the normalisation target is CYF_NORMALISED_TOTAL ($home); a number that means something else is listed in $0"
    failed=1
  done < <(spellings "$1")
  for file in "${!whole[@]}"; do
    [ "${whole[$file]}" -le "${other_meaning[$file]}" ] && continue
    echo "$file: 10000 stands ${whole[$file]} times, and ${other_meaning[$file]} are known to mean something else"
    failed=1
  done
  return $failed
}

failed=0
for folder in src examples; do check $folder || failed=1; done
[ $failed = 0 ] || exit 1

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted/model" "$planted/cli"
for spelling in 1e4 1E4 1e+4 1e04 1.e4 1.0e4 1.0e+04 10e3 100e2 0.1e5 .1e5 10000 10000. 10000.0 10000.0f 10000.00 10000L 10,000 1e4f '100 * 100' 1e2*1e2 '10 * 10.0f * 100' '2 * 10000'; do
  for line in "static const double TARGET = $spelling;" "/* log1p(counts / total x $spelling) */" "puts(\"x $spelling.\");" "x=y*$spelling/z"; do
    echo "$line" >"$planted/model/copy.c"
    if check "$planted" >/dev/null; then
      echo "one_place: a planted '$line' is not found"
      exit 1
    fi
  done
done
echo 'a[3] = {1e-4, 100000, 1e40, 1e5, 0x1e4, 210000, 10000.5}; b1e4 = v10000; /* 100,000; 10,0001 */ c = 100 * 10; d = 128 * 100; e[100] = {100};' >"$planted/model/copy.c"
printf '10000\n10000\n' >"$planted/cli/cmd_bench_sample.c"
if ! check "$planted"; then
  echo "one_place: what is another number is taken for the target"
  exit 1
fi
echo 10000 >>"$planted/cli/cmd_bench_sample.c"
if check "$planted" >/dev/null; then
  echo "one_place: one more line than is known is not found"
  exit 1
fi
echo "one_place: every fact in its place"
