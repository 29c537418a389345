#!/usr/bin/env bash
# Reads a source tree and prints what breaks the rules of the house, one "file:line: message" a
# line; exits 1 when there is any.
#
#   arrows     a room includes only itself and the rooms below it (the table in this file);
#              tests/ROOM may include what ROOM may; no room includes tests
#   paths      a quoted include is a path from the root of the repository, to a file that exists;
#              CUDA-only headers (.cuh) are included by .cu and .cuh files alone
#   headers    begin with #pragma once
#   length     no file above 600 lines
#   portable   no absolute path of one machine
#   finished   no leftover markers in code
#
# usage: scripts/check_house.sh [ROOT]      (default: the tree this script stands in)
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

places=()
for place in core autograd gsa models data train eval cli tests configs scripts docs .ci \
             CMakeLists.txt CMakePresets.json README.md CONTRIBUTING.md; do
  if [[ -e $place ]]; then places+=("./$place"); fi
done
if ((${#places[@]} == 0)); then
  echo "check_house: no room of Unfold in $PWD" >&2
  exit 2
fi
mapfile -d '' files < <(find "${places[@]}" -type f \
  \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cmake' \
     -o -name '*.sh' -o -name '*.txt' -o -name '*.in' -o -name '*.json' -o -name '*.yaml' \
     -o -name '*.md' -o -path './.ci/run' \) -print0 | LC_ALL=C sort -z)

LC_ALL=C awk '
  BEGIN {
    # The house: each room and the rooms below that it may include.
    allowed["core"]     = ""
    allowed["autograd"] = "core"
    allowed["gsa"]      = "core autograd"
    allowed["models"]   = "core autograd gsa"
    allowed["data"]     = "core gsa"
    allowed["train"]    = "core autograd gsa models data"
    allowed["eval"]     = "core autograd gsa models data"
    allowed["cli"]      = "core autograd gsa models data train eval"
    for (room in allowed) {
      may[room, room] = 1
      count = split(allowed[room], below, " ")
      for (i = 1; i <= count; i++) may[room, below[i]] = 1
    }
    # The markers are spelt with a class, so that this file does not report itself.
    marker = "(^|[^A-Za-z0-9_])(TO[D]O|FIX[M]E|X[X]X|HA[C]K)([^A-Za-z0-9_]|$)"
    before_path = "(^|[^A-Za-z0-9_.~*+)}$/-])"
    one_machine = before_path "/(home|root|work|mnt|Users|srv|opt)/"
    system_path = before_path "/(usr|var|tmp)/"
    for (i = 1; i < ARGC; i++) exists[substr(ARGV[i], 3)] = 1
  }

  function report(message) {
    print file ":" FNR ": " message
    failed = 1
  }

  function end_of_file() {
    if (file == "") return
    if (lines > 600) { print file ": " lines " lines: split it, 600 is the limit"; failed = 1 }
    if (header && !guarded) { print file ":1: no #pragma once"; failed = 1 }
  }

  FNR == 1 {
    end_of_file()
    file = substr(FILENAME, 3)
    count = split(file, part, "/")
    in_tests = part[1] == "tests"
    room = in_tests ? part[2] : part[1]
    if (!(room in allowed)) room = ""
    header = file ~ /\.(h|cuh)$/
    source = file ~ /\.(h|cpp|cu|cuh)$/
    cuda = file ~ /\.(cu|cuh)$/
    prose = file ~ /\.md$/
    guarded = 0
  }

  { lines = FNR }
  header && /^#pragma once/ { guarded = 1 }

  source && match($0, /^[ \t]*#[ \t]*include[ \t]*["<]/) {
    quoted = substr($0, RLENGTH, 1) == "\""
    path = substr($0, RLENGTH + 1)
    sub(/[">].*/, "", path)
    to = path
    sub(/\/.*/, "", to)
    if (quoted && !(path in exists))
      report("\"" path "\" is no path from the root of the repository to a file there")
    else if (path in exists && to == "tests" && !in_tests)
      report("a room includes \"" path "\" of the tests")
    else if (path in exists && to in allowed && room != "" && !((room, to) in may))
      report((in_tests ? "tests/" : "") room " may not include " to " (\"" path "\")")
    if (path ~ /\.cuh$/ && !cuda)
      report("\"" path "\" is CUDA only: include it from .cu and .cuh files")
  }

  !prose && $0 ~ marker { report("leftover marker: finish it, or file it elsewhere") }
  $0 ~ one_machine { report("absolute path of one machine") }
  source && $0 ~ system_path { report("absolute path: use the temporary folder or a setting") }

  END {
    if (file == "") exit 1  # awk could not read its first file, and said so
    end_of_file()
    exit failed
  }
' "${files[@]}"
