#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# words.sh fails where it should: long sentences and words without an entry, planted one at a time in a small tree.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cases=0

fail() {
  echo "words_selftest: $*" >&2
  exit 1
}

put() { # file, text
  mkdir -p "$work/tree/$(dirname "$1")"
  printf '%s\n' "$2" >"$work/tree/$1"
}

some() { # n: so many words, from "one" on, without a full stop
  local i words=one
  for ((i = 2; i <= $1; i++)); do words="$words more"; done
  printf '%s' "$words"
}

words() { CYTOFORGE_SOURCE=$work/tree "$here/words.sh" "$@" >"$work/said" 2>&1; }

good_tree() {
  rm -rf "$work/tree"
  put src/a.c "/* $(some 30). $(some 30). */"
  put docs/glossary.md $'# Glossary\n\n## Lane\n\nA share of the cells.'
}

passes() { # what
  words || fail "$1 is refused: $(cat "$work/said")"
  cases=$((cases + 1))
}

fails() { # what, the line that must be told (regular expression)
  if words; then fail "$1 is not seen"; fi
  grep -qE "$2" "$work/said" || fail "$1 is not told: $(cat "$work/said")"
  cases=$((cases + 1))
}

long_in() { # what, file, text, line of the sentence
  good_tree
  put "$2" "$3"
  fails "a long sentence in $1" "^$2:$4: 31 words: one more"
}

good_tree
passes "a tree of short sentences"

long_in "a page" README.md $'# Title\n\nShort. '"$(some 31)." 3
long_in "an item of a list" docs/a.md $'Text:\n\n- short\n- '"$(some 15)"$'\n  more '"$(some 15 | sed 's/^one //')"$' more.\n\n# After' 4
long_in "a block comment" src/b.c $'int a;\n/* Short.\n * '"$(some 20)"$'\n * '"$(some 11 | sed 's/one/more/')."$'\n */' 3
long_in "a block comment of a member" src/b.h $'struct s {\n    /* '"$(some 20)"$'\n     * '"$(some 11 | sed 's/one/more/')."$' */\n  int a;\n};' 2
long_in "a comment behind code" src/b.c $'int a;   /* '"$(some 20)"$'\n          * '"$(some 11 | sed 's/one/more/')."$' */' 1
long_in "line comments" src/b.cu $'// '"$(some 20)"$'\n// '"$(some 11 | sed 's/one/more/')."$'\nint a;' 1
long_in "a shell comment" scripts/a.sh $'#!/bin/sh\n# '"$(some 20)"$'\n# '"$(some 11 | sed 's/one/more/')."$'\ntrue' 2
long_in "a shell comment behind a command" scripts/a.sh $'#!/bin/sh\necho "a # b" # '"$(some 31)." 2
long_in "a script without a suffix" .ci/run $'#!/usr/bin/env bash\n# '"$(some 31)." 2
long_in "a docstring" tests/a.py $'"""Short.\n\n'"$(some 31)."$'\n"""\nimport sys' 3
long_in "a Python comment" tests/a.py $'import sys\nprint(1)  # '"$(some 31)." 2
long_in "a CMake comment" CMakeLists.txt $'project(a)\n# '"$(some 31)." 2
long_in "a sentence with an abbreviation" README.md "$(some 15), e.g. $(some 15)." 1
long_in "a sentence with a version and a file" README.md "$(some 28) 1.10.8 of a.h5." 1
long_in "a sentence that stops for dots" README.md "$(some 20) ... $(some 11)." 1
long_in "a sentence with code" README.md "$(some 30) \`a b c d\`." 1
long_in "a sentence with an address" README.md "$(some 30) https://example.org/a.b/c." 1
long_in "a sentence with a list of names" README.md "$(some 30) a, b, c, d and e." 1
long_in "a sentence with a formula" README.md "$(some 30) a = b + c_1 * (d - e)." 1

good_tree
put README.md "Luo et al. say: $(some 20). $(some 20)! $(some 20)? Etc. and so on."
put docs/b.md $'```\n'"$(some 40)"$'\n```\n\n    '"$(some 40)"$'\n\n| a | b |\n|---|---|\n| '"$(some 40)"$' | b |\n\nEnd.'
put src/b.c $'const char *a = "'"$(some 40)"$'";\n/* '"$(some 20)"$'\n *\n * '"$(some 20)"$'\n *\n *     '"$(some 40)"$'\n */'
put scripts/a.sh $'#!/bin/sh\ncat <<E\n# '"$(some 40)"$'\nE\necho "# '"$(some 40)"$'"'
put LICENSE "$(some 40)."
passes "code, tables, strings, a licence and several sentences"

good_tree
put README.md "Each lane has its cells; lanes do not share them."
passes "a word of the glossary"
for entry in '| lane | a share |' '- **lane**, **window**: a share' '### Lanes' '`lane` a share' '**lane (of a loader)**: a share'; do
  put docs/glossary.md "$entry"
  passes "an entry written as $entry"
done
put docs/glossary.md $'## Window\n\nA lane is not defined here.'
fails "a word of ours without an entry, in a page" '^README\.md:1: "lane" is a word of ours without an entry'
put README.md "Nothing."
passes "a word of ours that no text uses"
put src/b.c $'int a;\n\n/* All the lanes. */'
fails "a word of ours without an entry, in a comment" '^src/b\.c:3: "lane" is a word of ours without an entry'
put src/b.c $'int lane; /* lane_index and lane.c are names. */ const char *a = "lane";'
passes "names of code that hold a word of ours"
rm "$work/tree/docs/glossary.md"
put src/b.c '/* A lane. */'
fails "a tree without a glossary" '"lane" is a word of ours'

good_tree
put docs/a.md "$(some 31)."
words "$work/tree/src/a.c" || fail "a file named alone is not judged alone: $(cat "$work/said")"
if words "$work/tree/docs/a.md"; then fail "a file named alone is not judged"; fi
if words "$work/tree/LICENSE"; then fail "a file that cannot be judged passes"; fi
echo "words_selftest: $((cases + 3)) trees and files judged as they should be"
