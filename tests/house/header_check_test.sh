#!/usr/bin/env bash
# The header check (scripts/cmake/UnfoldHouseChecks.cmake) builds with headers that stand alone,
# and not with one that leans on its includer or has no guard.
# usage: header_check_test.sh CMAKE CXX
set -euo pipefail
cmake=$1
cxx=$2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
module=$PWD/scripts/cmake/UnfoldHouseChecks.cmake
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
mkdir "$temporary/core"

cat > "$temporary/CMakeLists.txt" <<LISTS
cmake_minimum_required(VERSION 3.25)
project(header_check LANGUAGES CXX)
set(UNFOLD_HEADER_CHECK OFF)
set(UNFOLD_SANITIZE on)  # leaves out the tests, takes the function
include("$module")
include_directories(\${PROJECT_SOURCE_DIR})
unfold_header_check(alone HEADERS core/alone.h)
unfold_header_check(leans HEADERS core/leans.h)
unfold_header_check(unguarded HEADERS core/unguarded.h)
LISTS
printf '#pragma once\n#include <vector>\ninline std::vector<int> f() { return {}; }\n' \
  > "$temporary/core/alone.h"
printf '#pragma once\ninline std::vector<int> f() { return {}; }\n' > "$temporary/core/leans.h"
printf 'inline int f() { return 1; }\n' > "$temporary/core/unguarded.h"

"$cmake" -S "$temporary" -B "$temporary/build" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" \
  > "$temporary/log" 2>&1 || { cat "$temporary/log"; exit 1; }

build() { "$cmake" --build "$temporary/build" --target "$1" > "$temporary/log" 2>&1; }
build alone || { echo "FAIL a header that stands alone was refused"; cat "$temporary/log"; exit 1; }
if build leans; then echo "FAIL a header that leans on its includer was accepted"; exit 1; fi
grep -q "core/leans.h:2" "$temporary/log" || { echo "FAIL other error"; cat "$temporary/log"; exit 1; }
if build unguarded; then echo "FAIL a header without a guard was accepted"; exit 1; fi
grep -q "redefinition" "$temporary/log" || { echo "FAIL other error"; cat "$temporary/log"; exit 1; }
echo "header check: 3 headers, 1 stands alone"
