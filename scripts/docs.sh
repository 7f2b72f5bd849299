#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The public headers as pages in build/docs/html: docs/doxygen/Doxyfile, whose warnings are errors.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v doxygen >/dev/null; then
  echo "docs: Doxygen 1.9 or later is not installed; on Debian: apt-get install --no-install-recommends doxygen" >&2
  exit 1
fi
CYTOFORGE_VERSION=$(sed -n 's/^project(cytoforge VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
export CYTOFORGE_VERSION
rm -rf build/docs
mkdir -p build/docs
doxygen docs/doxygen/Doxyfile
echo "docs: build/docs/html/index.html"
