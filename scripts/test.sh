#!/usr/bin/env bash
# Builds everything and runs every test that needs no GPU; ends on CTest's own summary.
# Where nvcc is found, the CUDA code is compiled too, for A100 and H100 (sm_80, sm_90a).
#
# usage: scripts/test.sh [--asan | --debug] [CTEST-ARGUMENTS...]
#   --asan    under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer (CPU only)
#   --debug   without optimisation
#   scripts/test.sh -R 'gsa\.'      only the tests of one room
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=release
case ${1:-} in
  --help | -h)
    sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' scripts/test.sh
    exit 0
    ;;
  --asan | --debug)
    preset=${1#--}
    shift
    ;;
esac

bash scripts/build.sh "$preset"
# Threads that wait must not spin: test programs share the cores.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$(nproc)}
exec ctest --preset "$preset" "$@"
