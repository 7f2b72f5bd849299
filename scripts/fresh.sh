#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the README's two commands as a stranger meets them: in a clean Debian root, which debootstrap makes in build/fresh/root, with an empty
# HOME. The sources are a clone of the commit that is checked out here, with nothing beside it. What the commands print stands in
# build/fresh/demo.log and test.log.
#   scripts/fresh.sh                   make demo, then make test
#   scripts/fresh.sh --only demo|test  one of them (make test runs the demo first, too)
#   scripts/fresh.sh --keep            leaves the root where it is, also after a failure
# Needs root, debootstrap and unshare. The release and where packages come from are this machine's own, as are pip's settings, proxies and
# certificates. Nothing stays mounted: all mounts are in a namespace that ends with the run. Not part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/build/fresh
root=$folder/root
settings=$folder/settings

say() { printf 'fresh: %s\n' "$*"; }
fail() {
  printf 'fresh: %s\n' "$*" >&2
  exit 1
}

# Removes the root, unless anything is mounted below it.
remove_root() {
  [ -e "$root" ] || return 0
  if awk '{ print $5 }' /proc/self/mountinfo | grep -qE "^$root(/|\$)"; then
    fail "something is mounted in $root; it is left alone"
  fi
  rm -rf --one-file-system "$root"
}

# Writes into $settings: `suite`, `mirror` and `sources.list` for the release that this machine runs, and what apt is told about fetching.
read_apt() {
  local codename id targets
  # shellcheck source=/dev/null
  read -r id codename < <(. /etc/os-release && echo "$ID ${VERSION_CODENAME:-}")
  [ -n "$codename" ] || fail "/etc/os-release names no VERSION_CODENAME"
  # shellcheck disable=SC2016 # apt fills these in
  targets=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u)
  # The distribution's own archive (its origin says so), not a vendor's that uses the same names.
  grep -iE "^$id [^ ]+ $codename(-[a-z]+)? " <<<"$targets" >"$settings/targets" ||
    fail "apt knows no archive of $codename; run apt-get update"
  awk '{ print "deb", $2, $3, $4 }' "$settings/targets" >"$settings/sources.list"
  echo "$codename" >"$settings/suite"
  awk -v suite="$codename" '$3 == suite && $4 == "main" { print $2; exit }' "$settings/targets" >"$settings/mirror"
  [ -s "$settings/mirror" ] || fail "apt's sources have no component main of $codename"
  apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|ForceIPv[46]|Check-Date|Check-Valid-Until)\b' >"$settings/apt.conf" || true
}

# Writes what the commands find in their environment: $settings/environment, NAME=VALUE lines; pip's own files are copied as they are.
read_environment() {
  local name bundle
  {
    echo HOME=/home/fresh
    echo PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    echo LANG=C.UTF-8
    # Proxies, pip's options (a folder of this machine is no place there), and what OpenBLAS must know of the processor.
    for name in $(compgen -e | grep -E '^((http|https|no|HTTP|HTTPS|NO)_(proxy|PROXY)|PIP_[A-Z_]+|OPENBLAS_[A-Z0-9_]+)$' || true); do
      case $name in
        PIP_CERT | PIP_FIND_LINKS) ;;
        *) printf '%s=%s\n' "$name" "${!name}" ;;
      esac
    done
  } >"$settings/environment"
  for name in /etc/pip.conf "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf"; do
    [ ! -f "$name" ] || cat "$name" >>"$settings/pip.conf"
  done
  bundle=${PIP_CERT:-}
  [ -n "$bundle" ] || bundle=$(sed -n 's/^ *cert *= *//p' "$settings/pip.conf" 2>/dev/null | tail -1)
  if [ -f "$bundle" ]; then
    cp "$bundle" "$settings/certificates.pem"
    echo PIP_CERT=/etc/fresh-certificates.pem >>"$settings/environment"
  fi
}

# Within the namespace. debootstrap's root has what a stranger must have had to get this far: git, certificates and make.
make_root() {
  debootstrap --variant=minbase --include=ca-certificates,git,make "$(cat "$settings/suite")" "$root" "$(cat "$settings/mirror")" \
    >"$folder/debootstrap.log" 2>&1 || { tail -5 "$folder/debootstrap.log" >&2; fail "debootstrap failed; see $folder/debootstrap.log"; }
  rm -f "$root/etc/apt/sources.list.d/"*
  cp "$settings/sources.list" "$root/etc/apt/sources.list"
  cp "$settings/apt.conf" "$root/etc/apt/apt.conf.d/50fresh"
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  [ ! -f "$settings/pip.conf" ] || cp "$settings/pip.conf" "$root/etc/pip.conf"
  [ ! -f "$settings/certificates.pem" ] || cp "$settings/certificates.pem" "$root/etc/fresh-certificates.pem"
  mkdir -p "$root/home/fresh" "$root/src"
  git clone --quiet --no-hardlinks "$PWD" "$root/src/cytoforge"
  mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  mount -t tmpfs -o mode=1777 fresh-shm "$root/dev/shm"
}

# Within the namespace: runs `make WHAT` in the clone, to the end of the pipe's first failure.
run_in_root() {
  local what=$1 start=$SECONDS environment=() status=0
  mapfile -t environment <"$settings/environment"
  say "make $what"
  chroot "$root" env -i "${environment[@]}" bash -c "cd /src/cytoforge && make $what" 2>&1 </dev/null | tee "$folder/$what.log" || status=$?
  if [ $status -eq 0 ]; then
    say "make $what passed in $((SECONDS - start)) s"
  else
    say "make $what failed (exit code $status) after $((SECONDS - start)) s"
  fi
  return $status
}

if [ "${1:-}" = --inside ]; then # the second half, started by the first
  start=$SECONDS
  make_root
  say "a clean $(cat "$settings/suite") in $((SECONDS - start)) s, commit $(git rev-parse --short HEAD)"
  shift
  for what in "$@"; do run_in_root "$what"; done
  exit 0
fi

keep=no
commands=(demo test)
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=yes ;;
    --only)
      [ "${2:-}" = demo ] || [ "${2:-}" = test ] || fail "--only demo or --only test"
      commands=("$2")
      shift
      ;;
    --help)
      sed -n '3,/^set /{ /^#/s/^# \{0,1\}//p }' "$0"
      exit 0
      ;;
    *) fail "unknown argument '$1'; --help says what there is" ;;
  esac
  shift
done

[ "$(id -u)" -eq 0 ] || fail "needs root (chroot and mounts)"
for tool in debootstrap unshare git; do
  command -v $tool >/dev/null || fail "$tool is not installed"
done
[ -z "$(git status --porcelain --untracked-files=no)" ] || say "note: what is not committed is not tested"

remove_root
rm -rf "$settings"
mkdir -p "$settings"
read_apt
read_environment

# A signal ends everything in the namespace at once; the root goes whatever the end was.
trap 'if [ "$keep" = yes ]; then say "kept: $root"; else remove_root; fi' EXIT
unshare --mount --propagation private --pid --fork --kill-child "$PWD/scripts/fresh.sh" --inside "${commands[@]}" &
running=$!
trap 'kill -KILL $running; sleep 1; exit 130' INT TERM
status=0
wait $running || status=$?
exit $status
