#!/usr/bin/env bash
# scripts/setup.sh on machines made of empty files: which packages it finds missing, what it asks
# of apt-get, and what it says when it cannot help. Nothing is installed.
# shellcheck disable=SC2016,SC2059  # the tools' own variables; releases are written as formats
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
scripts=$PWD/scripts
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
machine="$temporary/a machine"  # a space, as in many people's paths
tools="$machine/tools"
apt_log="$machine/apt.log"
export UNFOLD_SETUP_ROOT=$machine
unset UNFOLD_SETUP CMAKE_PREFIX_PATH CXX

headers=(eigen3/Eigen/Core hdf5/serial/hdf5.h yaml-cpp/yaml.h spdlog/spdlog.h fmt/core.h
         CLI/CLI.hpp nlohmann/json.hpp pcre2.h utf8proc.h gtest/gtest.h)

tool() {  # NAME BODY: an executable of the machine
  printf '#!/bin/sh\n%s\n' "$2" > "$tools/$1"
  chmod +x "$tools/$1"
}
put_headers() {  # FOLDER
  local header
  for header in "${headers[@]}"; do
    mkdir -p "$(dirname "$1/$header")"
    : > "$1/$header"
  done
}
# A Debian 12 for root with every tool and header; apt-get only writes down what it was asked.
new_machine() {
  rm -rf "$machine"
  mkdir -p "$tools" "$machine/etc"
  local name
  for name in bash cat dirname env mktemp rm sed tail tr true; do
    ln -s "$(type -P "$name")" "$tools/$name"
  done
  for name in c++ cmake ninja ccache mpicc mpirun; do tool "$name" 'exit 0'; done
  tool id 'echo 0'
  tool apt-get 'echo "$@" >> "$UNFOLD_SETUP_ROOT/apt.log"'
  put_headers "$machine/usr/include"
  printf 'ID=debian\nVERSION_ID="12"\n' > "$machine/etc/os-release"
}

failures=0
cases=0
status=0
said=""
run_setup() {
  status=0
  said=$(PATH=$tools "$BASH" "$scripts/setup.sh" "$@" 2>&1 < /dev/null) || status=$?
}
expect() {  # WHAT CONDITION...
  local what=$1
  shift
  cases=$((cases + 1))
  if ! "$@"; then
    printf 'FAIL %s (exit %s): %s\n' "$what" "$status" "$said"
    failures=$((failures + 1))
  fi
}
status_is() { [[ $status == "$1" ]]; }
says() { [[ $said == *"$1"* ]]; }
one_line() { [[ $(wc -l <<< "$said") == 1 ]]; }
no_apt() { [[ ! -e $apt_log ]]; }

new_machine
run_setup
expect "complete machine: success" status_is 0
expect "complete machine: silence" test -z "$said"
expect "complete machine: no apt-get" no_apt

# apt-get that brings the missing header.
new_machine
rm "$machine/usr/include/fmt/core.h" "$tools/ninja"
tool apt-get 'echo "$@" >> "$UNFOLD_SETUP_ROOT/apt.log"
case "$*" in
  *install*) : > "$UNFOLD_SETUP_ROOT/usr/include/fmt/core.h"
             cp "$UNFOLD_SETUP_ROOT/tools/cmake" "$UNFOLD_SETUP_ROOT/tools/ninja" ;;
esac'
ln -s "$(type -P cp)" "$tools/cp"
run_setup --check
expect "--check: exit 2" status_is 2
expect "--check: names them" says "missing: ninja-build libfmt-dev"
expect "--check: no apt-get" no_apt
run_setup
expect "installs: success" status_is 0
expect "installs: says what" says "setup: installing on debian 12: ninja-build libfmt-dev"
expect "installs: update comes first" grep -q ' update$' <(head -n 1 "$apt_log")
expect "installs: those packages alone" \
  grep -q ' install -y --no-install-recommends ninja-build libfmt-dev$' "$apt_log"
run_setup
expect "then does nothing" test -z "$said"
expect "then asks nothing of apt-get" test "$(wc -l < "$apt_log")" = 2

new_machine
rm "$machine/usr/include/pcre2.h"
run_setup
expect "apt-get brought nothing: exit 2" status_is 2
expect "apt-get brought nothing: says so" says "still missing: libpcre2-dev"

new_machine
rm "$machine/usr/include/pcre2.h"
tool apt-get 'echo "Temporary failure resolving the mirror"; exit 100'
run_setup
expect "offline: exit 2" status_is 2
expect "offline: apt-get's own words" says "Temporary failure resolving the mirror"
expect "offline: what to do" says "apt-get update failed"

# Not root.
new_machine
rm "$machine/usr/include/pcre2.h"
tool id 'echo 1000'
run_setup
expect "no sudo: exit 2" status_is 2
expect "no sudo: one line with the command" says "apt-get install --no-install-recommends libpcre2-dev"
expect "no sudo: one line" one_line
tool sudo 'echo "sudo: a password is required" >&2; exit 1'
run_setup
expect "sudo refuses: exit 2" status_is 2
expect "sudo refuses: says so" says "sudo gives no rights"
tool sudo 'test "$1" = -n || exit 1; shift; : > "$UNFOLD_SETUP_ROOT/usr/include/pcre2.h"; exec "$@"'
run_setup
expect "sudo works: success, no password asked for" status_is 0

# Another system.
new_machine
rm "$machine/usr/include/pcre2.h" "$tools/cmake"
printf 'ID=fedora\nVERSION_ID=40\n' > "$machine/etc/os-release"
run_setup
expect "other system: exit 2" status_is 2
expect "other system: one line" one_line
expect "other system: what is missing" says "cmake libpcre2-dev"
expect "other system: no apt-get" no_apt
UNFOLD_SETUP=skip run_setup
expect "other system, skip: success" status_is 0
put_headers "$machine/usr/include"
tool cmake 'exit 0'
run_setup
expect "other system, all there: success" status_is 0
for release in 'ID=ubuntu\nVERSION_ID="22.04"\n' 'ID=debian\nVERSION_ID="11"\n' ''; do
  rm -f "$machine/usr/include/pcre2.h"
  printf "$release" > "$machine/etc/os-release"
  run_setup
  expect "too old: exit 2" status_is 2
  expect "too old: no apt-get" no_apt
done
rm "$machine/etc/os-release"
run_setup
expect "no os-release: exit 2" status_is 2
expect "no os-release: one line" one_line
for release in 'ID=ubuntu\nVERSION_ID="24.04"\n' 'ID=debian\n'; do
  printf "$release" > "$machine/etc/os-release"
  rm -f "$apt_log"
  run_setup
  expect "fit: apt-get is asked" test -e "$apt_log"
done

# Libraries from a prefix.
new_machine
rm -r "$machine/usr/include"
mv "$machine/etc/os-release" "$machine/etc/gone"
put_headers "$temporary/prefix/include"
CMAKE_PREFIX_PATH="$temporary/none:$temporary/prefix" run_setup
expect "prefix: success" status_is 0

run_setup --bogus
expect "unknown argument: exit 2" status_is 2

echo "setup: $cases cases, $failures failed"
((failures == 0))
