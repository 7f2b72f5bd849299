#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every C, C++ and CUDA source is formatted as .clang-format says; `make format` mends them. Other versions of clang-format lay the
# same text out differently, so where version 14 is missing this says so and ends with 77 (skipped).
#   format.sh [-i]    -i: format the sources in place
set -euo pipefail
source_dir=${CYTOFORGE_SOURCE:-$(cd "$(dirname "$0")" && pwd)}
while [ ! -d "$source_dir/src" ] && [ "$source_dir" != / ]; do source_dir=$(dirname "$source_dir"); done
cd "$source_dir"

program=""
for candidate in clang-format-14 clang-format; do
  if "$candidate" --version 2>/dev/null | grep -q 'version 14\.'; then
    program=$candidate
    break
  fi
done
if [ -z "$program" ]; then
  echo "format: skipped: clang-format 14 is not installed"
  exit 77
fi

sources() { # what is kept in git, or, in a tree without git, what lies there but for build folders
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' '*.cu' '*.cuh' '*.cpp' '*.hpp' |
      while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done # a file may be removed, but not in git yet
  else
    find . -type f -not -path './build/*' -regextype posix-extended -regex '.*\.(c|h|cu|cuh|cpp|hpp)' -printf '%P\0'
  fi
}

if [ "${1:-}" = -i ]; then
  sources | xargs -0 -r "$program" -i --style=file
  exit
fi

# A badly formatted source is found, and a good one is not.
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
cp .clang-format "$planted"
printf 'int  a ;\n' >"$planted/bad.c"
printf 'int a;\n' >"$planted/good.c"
if "$program" --dry-run --Werror --style=file "$planted/bad.c" 2>/dev/null || ! "$program" --dry-run --Werror --style=file "$planted/good.c"; then
  echo "format: planted sources are not told apart"
  exit 1
fi

if ! sources | xargs -0 -r "$program" --dry-run --Werror --style=file; then
  echo "format: these sources are not formatted; make format mends them"
  exit 1
fi
echo "format: $(sources | tr -cd '\0' | wc -c) sources are formatted"
