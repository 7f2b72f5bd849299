#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The table that closes a run of the tests: scripts/test-table.sh JUNIT.xml, a file of `ctest --output-junit`.
# Counts ctest's tests, and the single checks of CMocka programs (once a program, whatever its number of ranks). Names what failed and what
# was skipped. The reason of a skipped one is the line "skipped: ..." or "PROGRAM: skipped: ..." that stands before it.
set -euo pipefail
awk '
  function unescaped(text) {
    gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text); gsub(/&apos;/, "\047", text); gsub(/&amp;/, "\\&", text)
    return text
  }
  function attribute(name) {
    return match($0, " " name "=\"[^\"]*\"") ? unescaped(substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)) : ""
  }
  function check_ended(name, how) {
    if (name ~ /^[0-9]+$/) return # the summary of a group: "3 test(s), listed below"
    if (!(name in ended)) checks[++n_checks] = name
    if (ended[name] != "failed") ended[name] = how
    if (how == "skipped" && reason != "") why[name] = reason
  }
  function test_ended(   k, name) {
    if (test == "") return
    n_tests[status]++
    if (status != "passed") lines[++n_lines] = status ": " test (status == "skipped" && reason != "" ? ": " reason : "")
    for (k = 1; k <= n_checks; k++) {
      name = checks[k]
      n_singles[ended[name]]++
      if (ended[name] != "passed") lines[++n_lines] = ended[name] ": " test ", " name (name in why ? ": " why[name] : "")
    }
    delete checks; delete ended; delete why
    n_checks = 0; reason = ""; test = ""
  }
  /<testcase / {
    test_ended()
    test = attribute("name")
    status = attribute("status")
    status = status == "run" ? "passed" : status == "fail" ? "failed" : "skipped"
  }
  /(^|[ >])skipped: / { reason = unescaped($0); sub(/.*skipped: /, "", reason); sub(/<\/system-out>.*/, "", reason) }
  {
    rest = $0 # lines of several ranks may have run into one
    while (match(rest, /\[ +OK \] [A-Za-z0-9_]+|\[  SKIPPED \] [A-Za-z0-9_]+|\[  FAILED  \] [A-Za-z0-9_]+:?/)) {
      split(substr(rest, RSTART, RLENGTH), words, /[][ ]+/)
      rest = substr(rest, RSTART + RLENGTH)
      if (words[3] !~ /:$/) check_ended(words[3], words[2] == "OK" ? "passed" : tolower(words[2]))
    }
  }
  /<\/testcase>/ { test_ended() }
  END {
    printf "\n%-38s %8s %8s %8s\n", "", "passed", "failed", "skipped"
    printf "%-38s %8d %8d %8d\n", "tests", n_tests["passed"], n_tests["failed"], n_tests["skipped"]
    printf "%-38s %8d %8d %8d\n", "single checks within their programs", n_singles["passed"], n_singles["failed"], n_singles["skipped"]
    for (k = 1; k <= n_lines; k++) print "  " lines[k]
  }' "${1:?usage: scripts/test-table.sh JUNIT.xml}"
