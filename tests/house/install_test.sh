#!/usr/bin/env bash
# cmake --install into a fresh prefix, moved elsewhere, serves a project outside the tree:
# find_package(unfold), the headers from their root, and the libraries.
# usage: install_test.sh CMAKE BUILD_DIR CXX     (everything in BUILD_DIR is built)
set -euo pipefail
cmake=$1
build=$2
cxx=$3
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
prefix="$temporary/a prefix"

quietly() { "$@" > "$temporary/log" 2>&1 || { cat "$temporary/log"; exit 1; }; }

quietly "$cmake" --install "$build" --prefix "$temporary/first"
mv "$temporary/first" "$prefix"
for file in bin/unfold include/unfold/core/error.h include/unfold/gsa/visibility.h \
            share/unfold/README.md share/unfold/LICENSE; do
  if [[ ! -e $prefix/$file ]]; then echo "FAIL $file was not installed"; exit 1; fi
done
if [[ -n $(find "$prefix" -name '*.cpp') ]]; then echo "FAIL sources were installed"; exit 1; fi

mkdir "$temporary/consumer"
cat > "$temporary/consumer/CMakeLists.txt" <<'LISTS'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
find_package(unfold 0.1 REQUIRED)
add_executable(consumer main.cpp)
target_link_libraries(consumer PRIVATE unfold::core unfold::gsa)
LISTS
cat > "$temporary/consumer/main.cpp" <<'MAIN'
#include <cstdio>

#include "core/error.h"
#include "core/log.h"
#include "gsa/visibility.h"

int main() {
  unfold::core::log::set_level(unfold::core::log::Level::info);
  unfold::core::log::info("linked");
  try {
    unfold::core::fail("consumer", "thrown and caught");
  } catch (const unfold::core::UserError& error) {
    std::puts(error.what());
  }
}
MAIN
quietly "$cmake" -S "$temporary/consumer" -B "$temporary/consumer/build" -G Ninja \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$prefix"
quietly "$cmake" --build "$temporary/consumer/build"
said=$("$temporary/consumer/build/consumer" 2> /dev/null)
if [[ $said != "[consumer] thrown and caught" ]]; then echo "FAIL it printed: $said"; exit 1; fi
echo "install: program, headers and package work from a moved prefix"
