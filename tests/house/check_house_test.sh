#!/usr/bin/env bash
# scripts/check_house.sh finds each kind of fault in a small tree, and nothing in a good one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
check=$PWD/scripts/check_house.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# A tree with no fault, to which each case adds one.
good_tree() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree"/{core,autograd,gsa,models,data,train,eval,cli,tests/eval,tests/support}
  local room
  for room in core autograd gsa models data train eval cli; do
    printf '#pragma once\nnamespace unfold::%s {}\n' "$room" > "$tree/$room/thing.h"
  done
  printf '#pragma once\n' > "$tree/tests/support/files.h"
  printf '#pragma once\n' > "$tree/core/device.cuh"
  add cli/main.cpp '#include <vector>' '#include "train/thing.h"' '#include "eval/thing.h"'
  add data/shard.cpp '#include "core/thing.h"' '  #  include "gsa/thing.h"  // insertion'
  add core/add.cu '#include "core/device.cuh"'
  add tests/eval/a_test.cpp '#include "models/thing.h"' '#include "tests/support/files.h"'
  add README.md "What we'd never leave in code: TO""DO. See docs/work/plan, ~/work/x, ../opt/y."
}

add() {  # FILE LINES...
  local file=$tree/$1
  shift
  mkdir -p "$(dirname "$file")"
  printf '%s\n' "$@" >> "$file"
}

failures=0
cases=0
expect_clean() {  # NAME
  local said
  cases=$((cases + 1))
  if ! said=$("$check" "$tree" 2>&1) || [[ -n $said ]]; then
    printf 'FAIL %s: a good tree was refused: %s\n' "$1" "$said"
    failures=$((failures + 1))
  fi
}
expect_fault() {  # PART-OF-THE-MESSAGE, for the tree as it is; then makes it good again
  local said status=0
  cases=$((cases + 1))
  said=$("$check" "$tree" 2>&1) || status=$?
  if [[ $status != 1 || $said != *"$1"* || $(wc -l <<< "$said") != 1 ]]; then
    printf 'FAIL wanted exit 1 and one line with "%s"; got exit %s: %s\n' "$1" "$status" "$said"
    failures=$((failures + 1))
  fi
  good_tree
}

good_tree
expect_clean "small tree"

arrow() {  # FROM TO: FROM may not include TO
  add "$1/bad.cpp" '// first line' "#include \"$2/thing.h\""
  expect_fault "$1/bad.cpp:2: $1 may not include $2"
}
arrow core autograd
arrow core cli
arrow autograd gsa
arrow gsa models
arrow gsa data
arrow models data
arrow models train
arrow data autograd
arrow data models
arrow data train
arrow train eval
arrow train cli
arrow eval train
arrow eval cli

add core/bad.cpp '#include <gsa/thing.h>'
expect_fault "core/bad.cpp:1: core may not include gsa"
add core/cuda/deep/bad.cu '#include "gsa/thing.h"'
expect_fault "core/cuda/deep/bad.cu:1: core may not include gsa"
add tests/eval/bad_test.cpp '#include "train/thing.h"'
expect_fault "tests/eval/bad_test.cpp:1: tests/eval may not include train"
add core/bad.cpp '#include "tests/support/files.h"'
expect_fault "core/bad.cpp:1: a room includes"
add "core/with space.cpp" '#include "cli/thing.h"'
expect_fault "core/with space.cpp:1: core may not include cli"

add core/bad.cpp '#include "thing.h"'
expect_fault 'core/bad.cpp:1: "thing.h" is no path'
add core/sub/bad.cpp '#include "../core/thing.h"'
expect_fault 'is no path from the root'
add core/bad.cpp '#include "core/gone.h"'
expect_fault 'core/bad.cpp:1: "core/gone.h" is no path'
add core/bad.cpp '#include "core/device.cuh"'
expect_fault 'core/bad.cpp:1: "core/device.cuh" is CUDA only'

add core/bad.h 'int f();'
expect_fault "core/bad.h:1: no #pragma once"

for _ in $(seq 601); do echo "int x;"; done > "$tree/gsa/long.cpp"
expect_fault "gsa/long.cpp: 601 lines"
for _ in $(seq 600); do echo "int x;"; done > "$tree/gsa/long.cpp"
expect_clean "600 lines"
good_tree

for word in "TO""DO" "FIX""ME" "X""XX" "HA""CK"; do
  add cli/bad.cpp "int f();  // $word: later"
  expect_fault "cli/bad.cpp:1: leftover marker"
done
add scripts/bad.sh "# TO""DO"
expect_fault "scripts/bad.sh:1: leftover marker"

for folder in home root work mnt opt; do
  add cli/good.cpp "int x;" "const char* file = \"/$folder/me/x\";"
  expect_fault "cli/good.cpp:2: absolute path of one machine"
done
add docs/bad.md "Look into /home""/me/notes."
expect_fault "docs/bad.md:1: absolute path of one machine"
add tests/eval/bad_test.cpp "auto file = \"/tmp""/x\";"
expect_fault "tests/eval/bad_test.cpp:1: absolute path: use"

cases=$((cases + 1))
mkdir "$tree/empty"
if "$check" "$tree/empty" > "$tree/said" 2>&1; then
  echo "FAIL a tree without rooms was accepted"
  failures=$((failures + 1))
fi

echo "check_house: $cases cases, $failures failed"
((failures == 0))
