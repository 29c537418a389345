#!/usr/bin/env bash
# Everything that needs a GPU, on the first one of this machine, in about eight minutes on 16 cores:
# builds for its architecture alone, runs the GPU tests, then those of single ops under
# compute-sanitizer (memcheck, racecheck), then the benchmarks. Ends with a short summary.
#
# usage: scripts/gpu-check.sh [FOLDER]     logs and tables go there (default: build/gpu-check)
# GPU_CHECK_SECONDS=N    time for all of it (default 480); what does not fit is stopped, and said
# GPU_CHECK_BUILD=DIR    the build folder (default: build/gpu)
# UNFOLD_JOBS=N          compile N files at once (default: one a core)
# Exit code: 0 all is well; 1 something failed; 2 no GPU, or no build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
  --help | -h)
    sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  -*)
    echo "gpu-check: unknown argument $1: see gpu-check.sh --help" >&2
    exit 2
    ;;
esac

if ! gpus=$(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader 2>&1) ||
  [[ $gpus != *,* ]]; then
  echo "gpu-check: no GPU: nvidia-smi does not find one (${gpus//$'\n'/ })" >&2
  exit 2
fi
IFS=, read -r gpu capability <<< "$gpus"
capability=${capability//[ .]/}
architecture=$capability-real
if [[ $capability == 90 ]]; then architecture=90a-real; fi  # wgmma and bulk copies

folder=${1:-build/gpu-check}
build=${GPU_CHECK_BUILD:-build/gpu}
most_seconds=${GPU_CHECK_SECONDS:-480}
mkdir -p "$folder"
rm -f "$folder"/*.log "$folder"/*.txt "$folder"/*.json
summary=()
failed=0

note() { # STATUS WORDS...
  summary+=("$(printf '%-5s %s' "$1" "${*:2}")")
  printf '== %s\n' "${summary[-1]}"
  if [[ $1 == FAIL ]]; then failed=1; fi
}
# At most $1 seconds, and no more than are left.
allowed() {
  local left=$((most_seconds - SECONDS - 5))
  echo $((left < 1 ? 1 : left < $1 ? left : $1))
}

printf '== %s, %s\n' "$gpu" "$architecture"
bash scripts/setup.sh
if ! {
  cmake --preset release -B "$build" -DUNFOLD_CUDA=ON "-DUNFOLD_CUDA_ARCHITECTURES=$architecture" \
    -DUNFOLD_HEADER_CHECK=OFF &&
    cmake --build "$build" --parallel "${UNFOLD_JOBS:-$(nproc)}" --target unfold test_core \
      test_autograd test_gsa test_models test_train test_eval test_cli
} > "$folder/build.log" 2>&1; then
  tail -n 20 "$folder/build.log" >&2
  echo "gpu-check: the build failed: see $folder/build.log" >&2
  exit 2
fi
note ok "build in $SECONDS s"

# The shards of a test program share the GPU; each has few threads.
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

# shard_all NAME SHARDS SECONDS PROGRAM FILTER WRAPPER...: the tests of a filter in so many processes,
# each under the wrapper, logs to NAME.PROGRAM.I.log; stopped after so many seconds.
shard_all() {
  local name=$1 shards=$2 seconds=$3 program=$4 filter=$5 i status pids=()
  shift 5
  for ((i = 0; i < shards; ++i)); do
    GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$i timeout -k 10 "$seconds" "$@" "$build/$program" \
      "--gtest_filter=$filter" > "$folder/$name.$program.$i.log" 2>&1 &
    pids+=($!)
  done
  for ((i = 0; i < shards; ++i)); do
    status=0
    wait "${pids[i]}" || status=$?
    echo "exit $status" >> "$folder/$name.$program.$i.log"
  done
}

# count_lines PATTERN FILE...
count_lines() {
  cat "${@:2}" 2> /dev/null | grep -cE -- "$1" || true
}

# judge NAME: what the logs of NAME say, all programs together.
judge() {
  local name=$1 logs=("$folder/$1".*.log) passed skipped wrong stopped reports others words
  passed=$(count_lines '^\[       OK \] .*\([0-9]+ ms\)$' "${logs[@]}")
  skipped=$(count_lines '^\[  SKIPPED \] .*\([0-9]+ ms\)$' "${logs[@]}")
  wrong=$(count_lines '^\[  FAILED  \] .*\([0-9]+ ms\)$' "${logs[@]}")
  reports=$(count_lines '^=+ (ERROR|RACECHECK) SUMMARY: [1-9]' "${logs[@]}")
  stopped=$(count_lines '^exit 124$' "${logs[@]}")
  others=$(count_lines '^exit ([2-9]|[1-9][0-9]+)$' "${logs[@]}")  # 1: a test failed
  others=$((others - stopped))
  words="$name: $passed passed"
  if ((skipped)); then words+=", $skipped skipped"; fi
  if ((stopped)); then words+=", $stopped of ${#logs[@]} processes stopped for time"; fi
  if ((wrong || reports || others)); then
    words+=", $wrong failed, $reports processes with reports of the sanitizer, $others that ended badly"
    note FAIL "$words: see $folder/$name.*.log"
    { grep -hE '^\[  FAILED  \] .*\([0-9]+ ms\)$' "${logs[@]}" || true; } | sort -u
  elif ((passed == 0)); then
    note FAIL "$words: no test ran"
  else
    note ok "$words"
  fi
}

# Tests that fill or count the GPU's memory, or time it, run alone, the others side by side.
alone='CudaMemory.*:CudaErrors.*:AvailableMemory.*:DeviceClock.*'
began=$SECONDS
for program in test_core test_cli; do
  status=0
  timeout "$(allowed 90)" "$build/$program" "--gtest_filter=$alone" \
    > "$folder/tests.$program.alone.log" 2>&1 || status=$?
  echo "exit $status" >> "$folder/tests.$program.alone.log"
done
time_limit=$(allowed 200)
for program in core:4 autograd:1 gsa:6 models:5 train:3 eval:1 cli:1; do
  shard_all tests "${program#*:}" "$time_limit" "test_${program%:*}" \
    "*Cuda*:*Gpu*:*DeviceParity*:BlockCache*-$alone" &
done
wait
judge tests
note ok "tests took $((SECONDS - began)) s"

sanitizer=$(command -v compute-sanitizer || true)
if [[ -z $sanitizer ]]; then
  nvcc=$(sed -n 's/^CMAKE_CUDA_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt" 2> /dev/null || true)
  sanitizer=$(dirname "${nvcc:-nvcc}")/compute-sanitizer
fi
if [[ -x $sanitizer ]]; then
  # Single ops: core's kernels, every op of autograd, gsa's kernels in every dtype and on tensor
  # cores, each against the CPU or the composed version, the first few cases of tests over many
  # (tests/support/case_count.h), and at least $benches seconds left behind them. Without the cache
  # of blocks, so that memcheck sees accesses behind the end of a tensor. What takes long is
  # patching every kernel that a process uses, so there are few processes. racecheck: not the
  # products that are cuBLASLt's alone, nor long rows, nor every number of levels.
  began=$SECONDS
  benches=70
  core_ops='CudaKernels.*:*DeviceParity.CudaAgrees*'
  autograd_ops='*OpCaseTest.CudaAgreesWithCpu*'
  gsa_ops='*CudaAgreesWithCpu*:*Cuda*.WideHeads*:*Cuda*.LowPrecision*:*Cuda*.RestrictedMaps*'
  export UNFOLD_CUDA_CACHE=0 UNFOLD_TEST_CASES=3
  time_limit=$(allowed $((most_seconds - SECONDS - benches)))
  check=("$sanitizer" --error-exitcode 9 --print-limit 20)
  memcheck=("${check[@]}" --tool memcheck --leak-check no)
  racecheck=("${check[@]}" --tool racecheck)
  shard_all memcheck 2 "$time_limit" test_core "$core_ops" "${memcheck[@]}" &
  shard_all memcheck 1 "$time_limit" test_autograd "$autograd_ops" "${memcheck[@]}" &
  shard_all memcheck 3 "$time_limit" test_gsa \
    "$gsa_ops:*CudaTensorCores*:CudaAttention.RowsWithLinks" "${memcheck[@]}" &
  shard_all racecheck 3 "$time_limit" test_core "$core_ops-*/matmul:*/linear" "${racecheck[@]}" &
  shard_all racecheck 1 "$time_limit" test_autograd "$autograd_ops" "${racecheck[@]}" &
  shard_all racecheck 6 "$time_limit" test_gsa "$gsa_ops-*AttentionOfLevels.*/0:*AttentionOfLevels.*/3" \
    "${racecheck[@]}" &
  wait
  unset UNFOLD_CUDA_CACHE UNFOLD_TEST_CASES
  judge memcheck
  judge racecheck
  note ok "compute-sanitizer took $((SECONDS - began)) s"
else
  note FAIL "no compute-sanitizer beside nvcc: memcheck and racecheck did not run"
fi

# The benchmarks have the GPU and all cores for themselves.
unset OMP_NUM_THREADS
unfold=$build/unfold
# figure NAME ARGUMENTS...: a table as text; the same figures as JSON would be another measurement.
figure() {
  local name=$1 status=0
  shift
  { printf '$ unfold %s\n' "$*" && timeout "$(allowed 60)" "$unfold" "$@"; } \
    > "$folder/$name.txt" 2> "$folder/$name.log" || status=$?
  case $status in
    0) note ok "bench: $name.txt" ;;
    124) note FAIL "bench: $name stopped for time" ;;
    *) note FAIL "bench: $name: exit $status: $(tail -n 1 "$folder/$name.log")" ;;
  esac
}
figure train-gist bench train configs/bench-135m.yaml --profile
figure train-causal bench train configs/bench-135m.yaml --set train.objective=lm
figure gpu bench gpu
figure attention bench attention
figure decode bench decode configs/bench-135m.yaml

printf '\n'
for name in train-gist train-causal; do
  grep -A 2 '^training step' "$folder/$name.txt" || true
done
printf '\ngpu-check on %s: %d s, logs and tables in %s\n' "$gpu" "$SECONDS" "$folder"
printf '%s\n' "${summary[@]}"
exit "$failed"
