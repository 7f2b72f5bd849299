#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# layers.sh fails where it should: a small tree that keeps the rules, and one fault planted at a time.
#   layers_selftest.sh [C compiler]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
compiler=${1:-${CC:-cc}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cases=0

fail() {
  echo "layers_selftest: $*" >&2
  exit 1
}

put() { # file, text: written to the tree's src
  mkdir -p "$work/tree/src/$(dirname "$1")"
  printf '%s\n' "$2" >"$work/tree/src/$1"
}

# Every file includes by its path from src, calls to the left, and the allowed circle stands in base/config.
good_tree() {
  rm -rf "$work/tree"
  put base/names.h 'int cyf_names(void);'
  put base/names.c $'#include "base/names.h"\n#include <string.h>\nint cyf_names(void) { return (int)strlen("a"); }'
  put base/config/config.h 'int cyf_config(int depth);'
  put base/config/config.c $'#include "base/config/config.h"\nint cyf_value(int depth);\nint cyf_config(int depth) { return depth ? cyf_value(depth - 1) : 0; }'
  put base/config/value.c $'#include "base/config/config.h"\nint cyf_value(int depth);\nint cyf_value(int depth) { return cyf_config(depth); }'
  put data/hdf5/lock.h 'int cyf_lock(void);'
  put data/hdf5/lock.c $'#include "data/hdf5/lock.h"\n#include "base/names.h"\nint cyf_lock(void) { return cyf_names(); }'
  put data/h5ad/reader.h $'typedef struct { int (*open)(void); } cyf_format;\nextern const cyf_format cyf_h5ad;'
  put data/h5ad/reader.c $'#include "data/h5ad/reader.h"\n#include "data/hdf5/lock.h"\nstatic int open_file(void) { return cyf_lock(); }\nconst cyf_format cyf_h5ad = {open_file};'
  put data/loader/loader.h 'int cyf_loader(void);'
  put data/loader/loader.c $'#include "data/loader/loader.h"\n#include "data/h5ad/reader.h"\nint cyf_loader(void) { return cyf_h5ad.open(); }'
  put cli/main.c $'#include "base/config/config.h"\n#include "data/loader/loader.h"\n#include <stdlib.h>\nint main(void) { exit(cyf_loader() + cyf_config(1)); }'
}

build_tree() {
  rm -rf "$work/build"
  local file object
  while read -r file; do
    object=$work/build/CMakeFiles/cyf_tree.dir/src/$file.o
    mkdir -p "$(dirname "$object")"
    "$compiler" -w -I"$work/tree/src" -I"$work/vendors" -c "$work/tree/src/$file" -o "$object" || fail "$file does not compile"
  done < <(cd "$work/tree/src" && find . -name '*.c' -printf '%P\n')
}

layers() { CYTOFORGE_SOURCE=$work/tree "$here/layers.sh" "$@" >"$work/said" 2>&1; }

passes() { # what
  build_tree
  layers "$work/build" || fail "$1 is refused: $(cat "$work/said")"
  layers || fail "$1 is refused without a build folder: $(cat "$work/said")"
  grep -q "symbols were skipped" "$work/said" || fail "a run without a build folder does not say what it skips"
  cases=$((cases + 1))
}

fails() { # what, a line that must be told (regular expression), "includes" where it must be seen without a build too
  build_tree
  if layers "$work/build"; then fail "$1 is not seen"; fi
  grep -qE "$2" "$work/said" || fail "$1 is not told by name: $(cat "$work/said")"
  if [ "${3:-}" = includes ]; then
    if layers; then fail "$1 is not seen without a build folder"; fi
    grep -qE "$2" "$work/said" || fail "$1 is not told by name without a build folder: $(cat "$work/said")"
  else
    layers || fail "$1 should need symbols to be seen: $(cat "$work/said")"
  fi
  cases=$((cases + 1))
}

mkdir "$work/vendors"
echo 'int H5Fopen(void);' >"$work/vendors/hdf5.h"
echo 'int strange(void);' >"$work/vendors/strange.h"

good_tree
passes "a tree that keeps the rules"
put data/hdf5/lock.c $'#include "data/hdf5/lock.h"\n#include "base/names.h"\n#include <hdf5.h>\nint cyf_lock(void) { return cyf_names() + H5Fopen(); }'
passes "a vendor's header in its place"

good_tree
put base/names.c $'#include "base/names.h"\n#include "data/hdf5/lock.h"\nint cyf_names(void) { return 1; }'
fails "an include from base to data" '^base/names\.c:2: includes data/hdf5/lock\.h: base may not use data' includes

good_tree
put data/hdf5/lock.c $'#include "data/hdf5/lock.h"\n#include "../h5ad/reader.h"\nint cyf_lock(void) { return 1; }'
fails "an upward include within data, by a path of its own" '^data/hdf5/lock\.c:2: includes .*data/hdf5 may not use data/h5ad' includes

good_tree
put data/tensors/file.c $'#include "data/h5ad/reader.h"'
fails "an include between two rooms of one level" 'data/tensors may not use data/h5ad' includes

good_tree
put base/names.c $'int cyf_loader(void);\nint cyf_names(void) { return cyf_loader(); }'
fails "an upward call without an include" '^base/names\.c: uses cyf_loader of data/loader/loader\.c: base may not use data'

good_tree
put data/hdf5/lock.c $'typedef struct { int (*open)(void); } cyf_format;\nextern const cyf_format cyf_h5ad;\nint cyf_lock(void) { return cyf_h5ad.open(); }'
fails "an upward call through a table of functions" '^data/hdf5/lock\.c: uses cyf_h5ad of data/h5ad/reader\.c: data/hdf5 may not use data/h5ad'

good_tree
put data/loader/batches.c $'#include "data/loader/loader.h"\nint cyf_batches(void);\nint cyf_batches(void) { return cyf_loader(); }'
put data/loader/loader.c $'#include "data/loader/loader.h"\nint cyf_batches(void);\nint cyf_loader(void) { return cyf_batches(); }'
fails "a second circle of calls" '^  data/loader/loader\.c -> data/loader/batches\.c: cyf_batches$'

good_tree
put data/loader/table.c $'int cyf_loader(void);\nint (*const cyf_loader_table[])(void) = {cyf_loader};'
put data/loader/loader.c $'#include "data/loader/loader.h"\nextern int (*const cyf_loader_table[])(void);\nint cyf_loader(void) { return cyf_loader_table[0](); }'
fails "a circle through a table of functions" '^circle of calls between data/loader/(loader|table)\.c data/loader/(loader|table)\.c$'

good_tree
put base/a.c $'int cyf_b(void);\nint cyf_a(void) { return cyf_b(); }'
put base/b.c $'int cyf_c(void);\nint cyf_b(void) { return cyf_c(); }'
put base/c.c $'int cyf_a(void);\nint cyf_c(void) { return cyf_a(); }'
fails "a circle of three files" '^  base/c\.c -> base/a\.c: cyf_a$'

good_tree
put base/config/x.c $'int cyf_y(void);\nint cyf_x(void) { return cyf_y(); }'
put base/config/y.c $'int cyf_x(void);\nint cyf_y(void) { return cyf_x(); }'
fails "a second circle where one is allowed" '^circle of calls between base/config/'

good_tree
put base/names.h $'#pragma once\n#include "base/texts.h"\nint cyf_names(void);'
put base/texts.h $'#pragma once\n#include "base/names.h"'
fails "a circle of headers" '^  base/names\.h -> base/texts\.h$' includes

good_tree
put data/loader/loader.c $'#include "data/loader/loader.h"\n#include <hdf5.h>\nint cyf_loader(void) { return 1; }'
fails "a vendor's header in the wrong place" '^data/loader/loader\.c:2: includes hdf5\.h, which belongs in' includes

good_tree
put data/loader/loader.c $'#include "data/loader/loader.h"\nint H5Fopen(void);\nint cyf_loader(void) { return H5Fopen(); }'
fails "a vendor's function in the wrong place" '^data/loader/loader\.c: uses H5Fopen of HDF5'

good_tree
put base/names.c $'#include <strange.h>\nint cyf_names(void) { return 1; }'
fails "a vendor that the table does not know" '^base/names\.c:1: includes strange\.h, which layers\.sh does not know' includes

good_tree
put base/names.c $'#include <stdlib.h>\nint cyf_names(void) { exit(1); }'
fails "a library that exits" '^base/names\.c:2: libraries never exit' includes

good_tree
put base/names.c $'#include <stdlib.h>\n#define LEAVE exit\nint cyf_names(void) { LEAVE (1); }'
fails "a library that exits by another name" '^base/names\.c: calls exit: libraries never exit'

good_tree
put attic/old.c 'int cyf_old;'
fails "a room that the table does not know" '^attic/old\.c: its folder is no room' includes

good_tree
put data/reader.c 'int cyf_reader;'
fails "a file beside the rooms of data" '^data/reader\.c: its folder is not in the order of data' includes

good_tree
build_tree
touch -d '+1 hour' "$work/tree/src/base/names.c"
if layers "$work/build"; then fail "an object older than its source is not seen"; fi
grep -q '^base/names\.c: is newer than its object' "$work/said" || fail "an old object is not told: $(cat "$work/said")"
rm -rf "$work/build"
mkdir "$work/build"
if layers "$work/build"; then fail "a build folder without objects is not seen"; fi

good_tree
build_tree
printf '[{"command": "cc -o CMakeFiles/cyf_tree.dir/src/base/%s.c.o -c"}]\n' names unbuilt | tr '\n' ' ' >"$work/build/compile_commands.json"
if layers "$work/build"; then fail "a build that is not whole is not seen"; fi
[ "$(wc -l <"$work/said")" = 1 ] || fail "a build that is not whole is told in more than a line: $(cat "$work/said")"
grep -q '^layers: this build lacks 1 of its objects; build all of it first' "$work/said" ||
  fail "a build that is not whole is not told: $(cat "$work/said")"
echo "layers_selftest: $((cases + 3)) trees and builds judged as they should be"
