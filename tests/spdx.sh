#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every source names its licence in its first three lines, in a line of its own; what starts with #! keeps that line first.
set -euo pipefail
source_dir=${CYTOFORGE_SOURCE:-$(cd "$(dirname "$0")" && pwd)} # the tree, as in layers.sh
while [ ! -d "$source_dir/src" ] && [ "$source_dir" != / ]; do source_dir=$(dirname "$source_dir"); done
cd "$source_dir"

# Sources by name, and whatever the shell runs: not what a build, a run or git leaves.
sources() { # folder
  find "$1" \( -name .git -o -path "$1/build" -o -path "$1/demo" -o -path "$1/runs" -o -path "$1/.cache" \) -prune -o -type f -print |
    while IFS= read -r file; do
      case $file in */files-0.1/*/*) continue ;; esac # what version 0.1 wrote
      case ${file##*/} in
        *.c | *.h | *.cu | *.cuh | *.cpp | *.hpp | *.sh | *.py | *.awk | *.pl | *.cmake | *.slurm | *.yaml | *.yml) echo "$file" ;;
        CMakeLists.txt | Makefile | Doxyfile | .editorconfig) echo "$file" ;;
        *.*) ;;
        *) if [ "$(head -c 2 "$file" | tr -d '\0')" = '#!' ]; then echo "$file"; fi ;;
      esac
    done
}

without_licence() { # folder
  sources "$1" | xargs -d '\n' awk '
    function judge() {
      if (name != "" && !licensed) print name
      if (turned) print name ": #! is not its first line"
    }
    FNR == 1 { judge(); name = FILENAME; licensed = turned = 0 }
    FNR > 3 { nextfile }
    /^(\/\*|\/\/|#) SPDX-License-Identifier: MIT( \*\/)?$/ { licensed = 1 }
    FNR > 1 && /^#!/ { turned = 1 }
    END { judge() }'
}

# A source without the line, one with it too late and one with #! behind it are found; the others are not.
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
line='SPDX-License-Identifier: MIT'
printf '/* %s */\nint a;\n' "$line" >"$planted/good.c"
printf '#!/bin/sh\n# %s\n' "$line" >"$planted/good"
printf 'int a;\n' >"$planted/none.h"
printf 'seed: 0\n' >"$planted/none.yaml"
printf '\n\n\n# %s\n' "$line" >"$planted/late.py"
printf '# %s\n#!/bin/sh\n' "$line" >"$planted/turned.sh"
found=$(without_licence "$planted" | sed "s,^$planted/,," | sort | tr '\n' ';')
if [ "$found" != "late.py;none.h;none.yaml;turned.sh: #! is not its first line;" ]; then
  echo "spdx: planted faults are not told apart: $found"
  exit 1
fi

missing=$(without_licence .)
if [ -n "$missing" ]; then
  echo "these sources do not name their licence (SPDX-License-Identifier: MIT) in their first three lines:"
  echo "$missing"
  exit 1
fi
echo "spdx: $(sources . | wc -l) sources name their licence"
