#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Plain words. No sentence of a page or a comment is longer than 30 words. Each word of ours that they use (words_terms.txt) stands in
# docs/glossary.md.
#   words.sh [FILES...]    default: every page and source of the tree
# The work is done by words.pl: perl's core is part of every Debian (perl-base), so nothing has to be installed for it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source_dir=${CYTOFORGE_SOURCE:-$here}
while [ ! -d "$source_dir/src" ] && [ "$source_dir" != / ]; do source_dir=$(dirname "$source_dir"); done

pages_and_sources() { # what is kept in git, or, in a tree without git, what lies there but for build folders
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
  else
    find . -type f -not -path './build/*' -not -path './.git/*' -printf '%P\0'
  fi
}

terms=(--glossary "$source_dir/docs/glossary.md" --terms "$here/words_terms.txt")
if [ $# -gt 0 ]; then exec perl "$here/words.pl" "${terms[@]}" -- "$@"; fi
cd "$source_dir"
pages_and_sources | sort -z | xargs -0 -r perl "$here/words.pl" "${terms[@]}" --quietly-skip --
