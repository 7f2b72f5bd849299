#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# CONTRIBUTING.md's table of places to fill in names exactly the files that hold these words.
set -euo pipefail
source_dir=${CYTOFORGE_SOURCE:-$(cd "$(dirname "$0")" && pwd)} # the tree, as in layers.sh
while [ ! -d "$source_dir/src" ] && [ "$source_dir" != / ]; do source_dir=$(dirname "$source_dir"); done
cd "$source_dir"

# In any text file of the sources: not in what a build, a run or git leaves, and not in this test.
holding() {
  find . \( -name .git -o -path ./build -o -path ./demo -o -path ./runs -o -path ./.cache \) -prune -o -type f ! -path ./tests/fill_in.sh -print0 |
    xargs -0 grep -lI 'FILL IN' | sed 's,^\./,,' | sort
}
# shellcheck disable=SC2016 # the backticks are the page's
listed() { sed -n '/^## Places to fill in/,/^## [^P]/s/^| `\([^`]*\)` |.*/\1/p' "$1" | sort; }

compare() { # page
  diff <(listed "$1") <(holding) >"$work/difference" && return 0
  sed -n 's/^</CONTRIBUTING.md lists, but does not hold FILL IN:/p; s/^>/holds FILL IN, but is not in the table of CONTRIBUTING.md:/p' "$work/difference"
  return 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compare CONTRIBUTING.md

# A table that lacks a line is noticed.
grep -v '^| .SECURITY.md. |' CONTRIBUTING.md >"$work/page.md"
if compare "$work/page.md" >/dev/null; then
  echo "fill_in: a missing line is not noticed"
  exit 1
fi
echo "fill_in: the table names every place"
