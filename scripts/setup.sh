#!/usr/bin/env bash
# Makes sure that the tools and libraries Unfold builds with are there. Needs only bash and git.
#
# Looks for one file of each package: a command on PATH, or a header in the system's folders or in
# a prefix of CMAKE_PREFIX_PATH. When all are there it says nothing and ends at once. On Debian and
# Ubuntu it says what it will install and installs it, as root or through sudo.
#
# usage: scripts/setup.sh [--check]     --check: only say what is missing (exit 2), install nothing
# UNFOLD_SETUP=skip                     trust the machine: look for nothing (CMake still will)
# UNFOLD_SETUP_ROOT=DIR                 look for headers and etc/os-release below DIR (for tests)
# Exit code: 0 all there; 2 something is missing and was not installed.
set -euo pipefail

# The one list of what Unfold needs: Debian package (the same name in Ubuntu), what shows that it
# is there, and what it is for. CMake's side of the list: scripts/cmake/UnfoldDependencies.cmake.
needed() {
  cat <<'LIST'
g++                 command c++                    the compiler: GCC 12 or newer
cmake               command cmake                  the build: 3.25 or newer
ninja-build         command ninja                  the build
ccache              command ccache                 repeated builds in seconds
libeigen3-dev       header  eigen3/Eigen/Core      matrices on the CPU
libhdf5-dev         header  hdf5.h                 token shards and checkpoints
libyaml-cpp-dev     header  yaml-cpp/yaml.h        configs
libspdlog-dev       header  spdlog/spdlog.h        log lines
libfmt-dev          header  fmt/core.h             text formatting
libcli11-dev        header  CLI/CLI.hpp            the command line
nlohmann-json3-dev  header  nlohmann/json.hpp      JSON
libpcre2-dev        header  pcre2.h                tokenizer patterns
libutf8proc-dev     header  utf8proc.h             Unicode normalisation
libopenmpi-dev      command mpicc                  many processes
openmpi-bin         command mpirun                 many processes
libgtest-dev        header  gtest/gtest.h          tests
LIST
}

stop() {
  echo "setup: $*" >&2
  exit 2
}

root=${UNFOLD_SETUP_ROOT:-}

# Prints the packages of the list that are not there, one a line.
missing_packages() {
  local -a prefixes folders=()
  IFS=':;' read -r -a prefixes <<< "${CMAKE_PREFIX_PATH:-}"
  local prefix folder
  for prefix in ${prefixes[@]+"${prefixes[@]}"} "$root/usr/local" "$root/usr"; do
    if [[ -z $prefix ]]; then continue; fi
    folders+=("$prefix/include" "$prefix"/include/*-linux-gnu "$prefix/include/hdf5/serial")
  done
  local package kind what found
  while read -r package kind what _; do
    found=no
    if [[ $kind == command ]]; then
      if command -v "$what" > /dev/null; then found=yes; fi
      if [[ $what == c++ && -n ${CXX:-} ]] && command -v "${CXX%% *}" > /dev/null; then
        found=yes
      fi
    else
      for folder in "${folders[@]}"; do
        # Eigen stands in include/eigen3 or, from a plain prefix, in include itself.
        if [[ -e $folder/$what || -e $folder/${what#eigen3/} ]]; then
          found=yes
          break
        fi
      done
    fi
    if [[ $found == no ]]; then echo "$package"; fi
  done < <(needed)
}

# Whether this system is one whose packages carry the names and versions of the list.
packages_fit() {
  local id version
  id=$(sed -n 's/^ID=//p' "$root/etc/os-release" 2> /dev/null | tr -d '"') || return 1
  version=$(sed -n 's/^VERSION_ID=//p' "$root/etc/os-release" | tr -d '"')
  system="$id${version:+ $version}"
  case $id in
    debian) [[ -z $version || ${version%%.*} -ge 12 ]] ;;  # testing has no number
    ubuntu) [[ ${version%%.*} -ge 24 ]] ;;
    *) return 1 ;;
  esac && command -v apt-get > /dev/null
}

main() {
  if [[ ${1:-} == --help || ${1:-} == -h ]]; then
    sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
  fi
  if [[ -n ${1:-} && $1 != --check ]]; then stop "unknown argument $1: see setup.sh --help"; fi
  if [[ ${UNFOLD_SETUP:-} == skip ]]; then exit 0; fi

  local -a missing
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} == 0)); then exit 0; fi
  local system=unknown
  if [[ ${1:-} == --check ]]; then stop "missing: ${missing[*]}"; fi
  if ! packages_fit; then
    stop "this system ($system) is neither Debian 12 nor Ubuntu 24.04 or newer: install what these" \
         "packages hold by hand, or name their prefix in CMAKE_PREFIX_PATH: ${missing[*]}" \
         "(UNFOLD_SETUP=skip passes over this check)"
  fi

  local -a as_root=()
  local by_hand="run as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo > /dev/null; then
      stop "missing packages, and neither root nor sudo to install them; $by_hand"
    fi
    as_root=(sudo)
    # A person at a terminal may type a password; a script must never wait for one.
    if [[ ! -t 0 || ! -t 2 ]]; then as_root=(sudo -n); fi
    if ! "${as_root[@]}" true; then
      stop "missing packages, and sudo gives no rights to install them; $by_hand"
    fi
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive LC_ALL=C)

  echo "setup: installing on $system: ${missing[*]}"
  apt_log=$(mktemp)
  trap 'rm -f "$apt_log"' EXIT
  run_apt update
  run_apt install -y --no-install-recommends "${missing[@]}"

  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]})); then
    stop "apt-get installed without an error, but still missing: ${missing[*]}"
  fi
  echo "setup: done"
}

# run_apt COMMAND...: quiet when it works, apt's own last words when it does not.
run_apt() {
  # A failed download is an error, not a warning: an old list would fail later, and less clearly.
  if ! "${as_root[@]}" apt-get -q -o APT::Update::Error-Mode=any -o DPkg::Lock::Timeout=120 \
       "$@" > "$apt_log" 2>&1 < /dev/null; then
    tail -n 15 "$apt_log" >&2
    stop "apt-get $1 failed (above): is the network there? Then $by_hand"
  fi
}

main "$@"
