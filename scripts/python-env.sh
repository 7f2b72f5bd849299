#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes build/python, a virtual environment with stock anndata and scanpy for the interchange tests, and prints its interpreter.
# Prints nothing and succeeds where it cannot be had; the tests then say that they are skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
environment=build/python
marker=$environment/.ready-1
if [ ! -e "$marker" ]; then
  mkdir -p build
  base=""
  for candidate in python3.12 python3.11 python3; do
    command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && base=$candidate && break
  done
  [ -n "$base" ] || { echo "python-env: no Python 3.11 or later; interchange tests will be skipped" >&2; exit 0; }
  echo "python-env: making $environment (anndata, scanpy, pyyaml)" >&2
  if ! { "$base" -m venv "$environment" && "$environment/bin/pip" install -q --disable-pip-version-check anndata scanpy pyyaml; } >&2; then
    echo "python-env: could not be made; interchange tests will be skipped" >&2
    exit 0
  fi
  touch "$marker"
fi
echo "$PWD/$environment/bin/python"
