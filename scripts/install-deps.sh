#!/usr/bin/env bash
# Installs the Debian packages that cytoforge builds and tests with; nothing that is there already is touched.
#   scripts/install-deps.sh          what the build and `make demo` need
#   scripts/install-deps.sh --test   also what `make test` needs (CMocka, and Python for the interchange tests)
set -euo pipefail

packages=(build-essential cmake ninja-build pkg-config openmpi-bin libopenmpi-dev libhdf5-openmpi-dev libopenblas-openmp-dev
  libyaml-dev libzip-dev librandom123-dev libcmocka-dev)
if [ "${1:-}" = "--test" ]; then packages+=(python3-venv); fi

installed() { [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }

missing=()
for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "install-deps: this is no Debian; please install the equivalents of: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-deps: not root and no sudo; ask for: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "install-deps: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
