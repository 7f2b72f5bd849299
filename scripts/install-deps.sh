#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages that cytoforge builds and tests with; nothing that is there already is touched.
#   scripts/install-deps.sh          what the build and `make demo` need
#   scripts/install-deps.sh --test   also what `make test` needs (CMocka, and Python for the interchange tests) and, where apt has it,
#                                    python3-torch (0.6 GB; without it the tests take the stored checkpoints alone)
#   scripts/install-deps.sh --check  installs nothing: where packages are missing, names them and what installs them, and fails
set -euo pipefail

check=no test=no
for option in "$@"; do
  case $option in
    --check) check=yes ;;
    --test) test=yes ;;
    *)
      echo "usage: scripts/install-deps.sh [--check] [--test]" >&2
      exit 2
      ;;
  esac
done

packages=(build-essential cmake ninja-build pkg-config openmpi-bin libopenmpi-dev libhdf5-openmpi-dev libopenblas-openmp-dev
  libyaml-dev libzip-dev libdeflate-dev liblzf-dev libcairo2-dev fonts-dejavu-core librandom123-dev libcmocka-dev)
if [ $test = yes ]; then packages+=(python3-venv); fi

# Elsewhere than on Debian nothing here knows what is installed: CMake then names what it does not find.
if [ $check = yes ] && ! command -v dpkg-query >/dev/null; then exit 0; fi

installed() { [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
apt_install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }

missing=()
for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
if [ $check = yes ]; then
  [ ${#missing[@]} -gt 0 ] || exit 0
  installer="make deps"
  [ $test = no ] || installer="scripts/install-deps.sh --test"
  {
    echo "cytoforge needs packages that are not installed: ${missing[*]}"
    echo "  $installer installs them, by"
    echo "  ${as_root[*]:+${as_root[*]} }apt-get install --no-install-recommends ${missing[*]}"
    echo "  Where the same is there from elsewhere (a cluster's modules): cmake --preset release && cmake --build --preset release"
  } >&2
  exit 1
fi
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "install-deps: this is no Debian; please install the equivalents of: ${missing[*]}" >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    echo "install-deps: not root and no sudo; ask for: ${missing[*]}" >&2
    exit 1
  fi
  echo "install-deps: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  apt_install "${missing[@]}"
fi

# Torch is welcome, not needed.
has_torch() { "$1" -c 'import numpy, torch' 2>/dev/null; }
if [ $test = yes ] && ! has_torch "${CYTOFORGE_PYTHON:-python3}" && ! has_torch /usr/bin/python3; then
  echo "install-deps: installing python3-torch"
  [ "$(id -u)" -eq 0 ] || as_root=(sudo -n) # asks for no password
  apt_install python3-torch python3-numpy 2>/dev/null || echo "install-deps: python3-torch cannot be had; the test with a fresh PyTorch will be skipped"
fi
