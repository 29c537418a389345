#!/usr/bin/env bash
# Configures and builds one preset into build/PRESET, after setup.sh.
#
# usage: scripts/build.sh [PRESET] [TARGET...]   PRESET: release (default), debug, asan, cuda
# UNFOLD_JOBS=N            compile N files at once (default: by cores and memory)
# UNFOLD_CMAKE_ARGS="..."  more for CMake, e.g. "-DUNFOLD_CUDA=OFF"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' scripts/build.sh
  exit 0
fi

# As many compilers as cores, but none without 1.5 GB: heavy templates would swap, and then crawl.
parallel_jobs() {
  local cores kilobytes limit
  cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
  kilobytes=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2> /dev/null || true)
  kilobytes=${kilobytes:-1500000}  # unknown: one at a time
  limit=$(cat /sys/fs/cgroup/memory.max 2> /dev/null || echo max)  # a container's share
  if [[ $limit != max ]] && ((limit / 1024 < kilobytes)); then kilobytes=$((limit / 1024)); fi
  local by_memory=$((kilobytes / 1500000))
  if ((by_memory < 1)); then by_memory=1; fi
  echo $((by_memory < cores ? by_memory : cores))
}

preset=${1:-release}
if (($#)); then shift; fi
case $preset in
  release | debug | asan | cuda) ;;
  *)
    echo "build: no preset '$preset': release, debug, asan or cuda" >&2
    exit 2
    ;;
esac

bash scripts/setup.sh
read -r -a more <<< "${UNFOLD_CMAKE_ARGS:-}"
cmake --preset "$preset" ${more[@]+"${more[@]}"}
if (($#)); then set -- --target "$@"; fi
cmake --build --preset "$preset" --parallel "${UNFOLD_JOBS:-$(parallel_jobs)}" "$@"
