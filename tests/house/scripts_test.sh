#!/usr/bin/env bash
# build.sh, test.sh and demo.sh in a copy whose tools only write down how they were called:
# from another folder, under a path with spaces.
# shellcheck disable=SC2016  # the tools' own variables
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source=$PWD
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
copy="$temporary/a copy"
tools="$temporary/tools"
calls="$temporary/calls"
export CALLS=$calls UNFOLD_SETUP=skip
unset UNFOLD_JOBS UNFOLD_CMAKE_ARGS CTEST_PARALLEL_LEVEL

mkdir -p "$copy/scripts" "$copy/build/release" "$tools"
cp "$source"/scripts/*.sh "$copy/scripts"
for tool in cmake ctest; do
  printf '#!/bin/sh\necho "%s $*" >> "$CALLS"\n' "$tool" > "$tools/$tool"
done
cat > "$copy/build/release/unfold" <<'UNFOLD'
#!/bin/sh
echo "unfold $*" >> "$CALLS"
if [ "$1" = "${FAIL_AT:-none}" ]; then echo "[$1] cannot" >&2; exit 2; fi
if [ "$1" = train ]; then mkdir -p runs/demo && : > runs/demo/config.yaml; fi
UNFOLD
chmod +x "$tools"/* "$copy/build/release/unfold"
cd "$temporary"

failures=0
cases=0
status=0
said=""
call() {
  status=0
  : > "$calls"
  said=$(PATH="$tools:$PATH" bash "$@" 2>&1 < /dev/null) || status=$?
}
expect() {  # WHAT CONDITION...
  local what=$1
  shift
  cases=$((cases + 1))
  if ! "$@"; then
    printf 'FAIL %s (exit %s): %s\ncalls:\n%s\n' "$what" "$status" "$said" "$(cat "$calls")"
    failures=$((failures + 1))
  fi
}
status_is() { [[ $status == "$1" ]]; }
says() { [[ $said == *"$1"* ]]; }
says_like() { grep -qE -- "$1" <<< "$said"; }
called() { grep -qE -- "$1" "$calls"; }

call "$copy/scripts/build.sh"
expect "build: release is the default" called '^cmake --preset release$'
expect "build: bounded jobs" called '^cmake --build --preset release --parallel [1-9][0-9]*$'
UNFOLD_JOBS=7 UNFOLD_CMAKE_ARGS="-DA=1 -DB=2" call "$copy/scripts/build.sh" asan test_core test_gsa
expect "build: preset and CMake arguments" called '^cmake --preset asan -DA=1 -DB=2$'
expect "build: jobs and targets" \
  called '^cmake --build --preset asan --parallel 7 --target test_core test_gsa$'
call "$copy/scripts/build.sh" fast
expect "build: unknown preset" status_is 2
expect "build: unknown preset says which there are" says "release, debug, asan or cuda"

call "$copy/scripts/test.sh"
expect "test: builds" called '^cmake --build --preset release'
expect "test: runs" called '^ctest --preset release$'
call "$copy/scripts/test.sh" --asan -R 'gsa\.'
expect "test --asan: builds" called '^cmake --build --preset asan'
expect "test --asan: passes arguments on" called '^ctest --preset asan -R gsa\\\.$'
printf '#!/bin/sh\nexit 3\n' > "$tools/cmake"
call "$copy/scripts/test.sh"
expect "test: a failed build fails" status_is 3
expect "test: a failed build runs no test" test ! -s "$calls"
printf '#!/bin/sh\necho "cmake $*" >> "$CALLS"\n' > "$tools/cmake"

call "$copy/scripts/demo.sh"
expect "demo: success" status_is 0
expect "demo: builds the program alone" called '--target unfold$'
expect "demo: order" test "$(awk '$1 == "unfold" {print $2}' "$calls" | uniq | tr '\n' ' ')" = \
  "data train eval report "
expect "demo: ends with the report's place" says "Open runs/demo/report.html"
touch "$copy/runs/demo/old" "$copy/runs/demo-data/old"
mkdir "$copy/runs/mine"
call "$copy/scripts/demo.sh"
expect "demo again: success" status_is 0
expect "demo again: the earlier run is gone" test ! -e "$copy/runs/demo/old"
expect "demo again: the earlier data is gone" test ! -e "$copy/runs/demo-data/old"
expect "demo again: another run stays" test -d "$copy/runs/mine"
FAIL_AT=train call "$copy/scripts/demo.sh"
expect "demo: a failed step's exit code" status_is 2
expect "demo: a failed step's name" says_like 'stopped at step [0-9]+ \(.+\): exit code 2$'
expect "demo: nothing after a failed step" test -z "$(grep '^unfold eval' "$calls" || true)"
call "$copy/scripts/demo.sh" --seed 7
expect "demo: another seed" called '^unfold train .*run.seed=7'
call "$copy/scripts/demo.sh" --seed x
expect "demo: a seed is a number" status_is 2
call "$copy/scripts/demo.sh" --fast
expect "demo: unknown argument" status_is 2

printf '#!/bin/sh\necho "no devices were found"; exit 6\n' > "$tools/nvidia-smi"
chmod +x "$tools/nvidia-smi"
call "$copy/scripts/gpu-check.sh"
expect "gpu-check: no GPU" status_is 2
expect "gpu-check: no GPU is one line" says_like '^gpu-check: no GPU: .*no devices were found.*$'
expect "gpu-check: no GPU builds nothing" test ! -s "$calls"
printf '#!/bin/sh\necho "NVIDIA H100 80GB HBM3, 9.0"\n' > "$tools/nvidia-smi"
call "$copy/scripts/gpu-check.sh" "$temporary/logs"
expect "gpu-check: this GPU's architecture alone" \
  called '^cmake --preset release .*-DUNFOLD_CUDA=ON -DUNFOLD_CUDA_ARCHITECTURES=90a-real'
expect "gpu-check: test programs that do not start are a failure" status_is 1
expect "gpu-check: the summary comes last" \
  says_like '^FAIL  bench: decode: exit 127'
expect "gpu-check: logs in the folder asked for" test -e "$temporary/logs/tests.test_gsa.0.log"
call "$copy/scripts/gpu-check.sh" --fast
expect "gpu-check: unknown argument" status_is 2

echo "scripts: $cases cases, $failures failed"
((failures == 0))
