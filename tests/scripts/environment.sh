#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Settings for what a machine may lack. Whether one is unset, empty, or names something missing, tests and scripts skip and count it as skipped.
#   environment.sh TEST_H5AD_READ
set -euo pipefail
program=$1
source_dir=${CYTOFORGE_SOURCE:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() {
  echo "environment: $*" >&2
  exit 1
}

# The preloaded library asks for itself: it lives in the program that is tested, without the tests' headers.
others=$(grep -rlE '\b(secure_)?getenv\b' --include='*.[ch]' "$source_dir/tests" | grep -vE '/tests/(support/environment\.h|faults/shim\.c)$' || true)
[ -z "$others" ] || fail "these ask the environment past environment.h: $others"

touch file
mkdir empty folder
unset CYTOFORGE_REAL_DATA
skips() { # the program's checks of real data, with the environment given
  env CYTOFORGE_TEST_FILTER='real_*' "$@" "$program" >output 2>&1 || fail "$* fails: $(cat output)"
  [ "$(grep -c '^skipped: CYTOFORGE_REAL_DATA names no folder of real data sets$' output)" -eq 2 ] || fail "$* skips, but not in one line a check: $(cat output)"
}
skips CYTOFORGE_PYTHON=
for value in "" "$work/missing" "$work/file"; do skips CYTOFORGE_REAL_DATA="$value"; done
if CYTOFORGE_TEST_FILTER='real_*' CYTOFORGE_REAL_DATA=$work/empty "$program" >output 2>&1; then fail "an empty folder passes for real data"; fi
if CYTOFORGE_TEST_FILTER='real_*' CYTOFORGE_REAL_DATA=$work/empty "$program" 2>&1 | grep -q '^skipped: '; then fail "a folder that lacks files is skipped"; fi

. "$source_dir/scripts/environment.sh"
for value in "" "$work/missing" "$work/file"; do
  [ -z "$(given_folder value)" ] || fail "given_folder takes '$value' for a folder"
done
unset value
[ -z "$(given_folder value)" ] && [ -z "$(given_program value)" ] || fail "an unset variable gives something"
value=$work/folder && [ "$(given_folder value)" = "$work/folder" ] || fail "given_folder does not give the folder"
value=no-such-program && [ -z "$(given_program value)" ] || fail "given_program gives a program that is not there"
value=bash && [ "$(given_program value)" = bash ] || fail "given_program does not give the program"
if real_data_file a.h5ad 2>/dev/null; then fail "real_data_file gives a file that is not there"; fi

cat >results.xml <<'END'
<testsuite name="planted" tests="4">
	<testcase name="two_ranks" classname="two_ranks" time="0.1" status="run">
		<system-out>[==========] Running 2 test(s).
[       OK ] sums[       OK ] sums
skipped: A names no folder of B &amp; C
[  SKIPPED ] real_cells
[  SKIPPED ] real_cells
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] real_cells
</system-out>
	</testcase>
	<testcase name="broken" classname="broken" time="0.1" status="fail">
		<failure message="Failed"/>
		<system-out>[       OK ] first
[  FAILED  ] second
[  FAILED  ] tests: 1 test(s), listed below:
[  FAILED  ] second
</system-out>
	</testcase>
	<testcase name="whole" classname="whole" time="0.1" status="notrun">
		<skipped message="SKIP_RETURN_CODE=77"/>
		<system-out>skipped: no Python
</system-out>
	</testcase>
	<testcase name="plain" classname="plain" time="0.1" status="run">
		<system-out></system-out>
	</testcase>
</testsuite>
END
"$source_dir/scripts/test-table.sh" results.xml >table
cat >wanted <<'END'

                                         passed   failed  skipped
tests                                         2        1        1
single checks within their programs           2        1        1
  skipped: two_ranks, real_cells: A names no folder of B & C
  failed: broken
  failed: broken, second
  skipped: whole: no Python
END
diff wanted table || fail "the table of a planted run differs"
echo "environment: what is missing is skipped and counted"
