#!/usr/bin/env bash
# Fuzzes every parser of files that come from elsewhere, under AddressSanitizer and
# UndefinedBehaviorSanitizer, one target after the other. Needs clang; ends with 1 on a finding,
# which is kept in build/fuzz/findings.
#
# usage: scripts/fuzz.sh [SECONDS [TARGET...]]     seconds a target (default 60); targets: gguf,
#                                                  safetensors, tokenizer_json, shard (default all)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
  --help | -h)
    sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' scripts/fuzz.sh
    exit 0
    ;;
esac
seconds=${1:-60}
if [[ ! $seconds =~ ^[0-9]+$ ]]; then
  echo "fuzz.sh: '$seconds' is no number of seconds" >&2
  exit 2
fi
targets=("${@:2}")
if ((${#targets[@]} == 0)); then targets=(gguf safetensors tokenizer_json shard); fi
if ! command -v clang++ > /dev/null; then
  echo "fuzz.sh: no clang++ here: install clang (the tests fuzz.* run the corpus without it)" >&2
  exit 2
fi

cmake --preset release -B build/fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DUNFOLD_FUZZ=ON -DUNFOLD_SANITIZE=address,undefined \
  -DUNFOLD_CUDA=OFF -DUNFOLD_NATIVE=OFF -DUNFOLD_WERROR=OFF -DUNFOLD_HEADER_CHECK=OFF
cmake --build build/fuzz --parallel "${UNFOLD_JOBS:-$(nproc)}" --target "${targets[@]/#/fuzz_}"

export OMP_NUM_THREADS=1
# HDF5 keeps its free lists to the end.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:allocator_may_return_null=1}
mkdir -p build/fuzz/findings
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$target"  # what is found on the way stays there
  echo "fuzz.sh: $target, $seconds s"
  "build/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=65536 -timeout=20 \
    -rss_limit_mb=2048 -malloc_limit_mb=1024 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix=build/fuzz/findings/ \
    "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target"
done
echo "fuzz.sh: no finding"
