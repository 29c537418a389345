#!/usr/bin/env bash
# Several GPUs of this machine: builds for their architecture, runs the tests of ranks on them, then
# measures weak scaling: positions/s a GPU as GPUs are added, with and without ZeRO-1, how much of the
# communication is hidden, and memory against the plan. With one pass a step, after which everything
# is summed, and with the sixteen rows a GPU that a step of 128 rows leaves each of eight. At most
# nine minutes.
#
# usage: scripts/gpu-scaling.sh [FOLDER]     logs and the table go there (default: build/gpu-scaling)
# GPU_SCALING_SECONDS=N    time for all of it (default 530); what does not fit is stopped, and said
# GPU_SCALING_BUILD=DIR    the build folder (default: build/gpu)
# GPU_SCALING_BUILT=1      the programs are in it already: do not build
# GPU_SCALING_GPUS=N       use the first N GPUs (default: all, 8 at the most)
# CMAKE_PREFIX_PATH=...    where NCCL and other libraries are, when not in the system's folders
# UNFOLD_JOBS=N            compile N files at once (default: one a core)
# Exit code: 0 all is well; 1 something failed or is below its mark; 2 no GPU, or no build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
  --help | -h)
    sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  -*)
    echo "gpu-scaling: unknown argument $1: see gpu-scaling.sh --help" >&2
    exit 2
    ;;
esac
if ! gpus=$(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader 2>&1) ||
  [[ $gpus != *,* ]]; then
  echo "gpu-scaling: no GPU: nvidia-smi does not find one (${gpus//$'\n'/ })" >&2
  exit 2
fi
count=$(wc -l <<< "$gpus")
IFS=, read -r gpu capability <<< "$gpus"
capability=${capability//[ .]/}
architecture=$capability-real
if [[ $capability == 90 ]]; then architecture=90a-real; fi # wgmma and bulk copies
most=${GPU_SCALING_GPUS:-$count}
if ((most > count)); then most=$count; fi
if ((most > 8)); then most=8; fi

folder=${1:-build/gpu-scaling}
build=${GPU_SCALING_BUILD:-build/gpu}
most_seconds=${GPU_SCALING_SECONDS:-530}
mkdir -p "$folder"
rm -f "$folder"/*.log "$folder"/*.json "$folder"/*.md
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

printf '== %s GPUs: %s, %s\n' "$count" "$gpu" "$architecture"
if [[ -z ${GPU_SCALING_BUILT:-} ]]; then bash scripts/setup.sh; fi
if [[ -z ${GPU_SCALING_BUILT:-} ]] && ! {
  cmake --preset release -B "$build" -DUNFOLD_CUDA=ON -DUNFOLD_MPI=ON -DUNFOLD_NCCL=ON \
    "-DUNFOLD_CUDA_ARCHITECTURES=$architecture" -DUNFOLD_HEADER_CHECK=OFF &&
    cmake --build "$build" --parallel "${UNFOLD_JOBS:-$(nproc)}" --target unfold test_cli
} > "$folder/build.log" 2>&1; then
  tail -n 20 "$folder/build.log" >&2
  echo "gpu-scaling: the build failed: see $folder/build.log" >&2
  exit 2
fi
note ok "build in $SECONDS s"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent=sh
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_btl=self,vader
export OMP_WAIT_POLICY=passive
cores=$(nproc)
unfold=$build/unfold

# The whole of step 6 on GPUs: with NCCL, and with ranks that share one.
began=$SECONDS
status=0
OMP_NUM_THREADS=2 timeout -k 10 "$(allowed 200)" "$build/test_cli" '--gtest_filter=RanksGpu.*' \
  > "$folder/tests.log" 2>&1 || status=$?
passed=$(grep -cE '^\[       OK \] .*ms\)$' "$folder/tests.log" || true)
skipped=$(grep -cE '^\[  SKIPPED \] .*ms\)$' "$folder/tests.log" || true)
words="tests in $((SECONDS - began)) s: $passed passed, $skipped skipped"
if ((status == 0 && passed > 0)); then
  note ok "$words"
else
  note FAIL "$words, exit code $status: see $folder/tests.log"
  grep -E '^\[  FAILED  \] .*ms\)$' "$folder/tests.log" || true
fi

status=0
OMP_NUM_THREADS=1 timeout "$(allowed 60)" mpirun -n "$most" "$unfold" doctor --device cuda --mib 256 \
  --folder "$folder" > "$folder/doctor.log" 2>&1 || status=$?
if ((status == 0)); then
  note ok "doctor: $(grep -E 'sum of [0-9]+ MiB' "$folder/doctor.log" | tr -s ' ' | sed 's/^ //')"
else
  note FAIL "doctor: exit code $status: see $folder/doctor.log"
fi

table=$folder/scaling.md
{
  printf '| shape | rows a GPU | GPUs | ZeRO-1 | ms/step | positions/s a GPU | of one GPU '
  printf '| of the slowest | comm. ms | hidden | peak GiB | planned | off |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n'
} > "$table"
value() { # NAME FILE
  sed -n "s/.*\"$1\": *\"\{0,1\}\([-0-9.e+a-z]*\).*/\1/p" "$2" | head -n 1
}
# batch ROWS PASS: how a step of one GPU is taken, for the table.
batch() {
  if (($1 == $2)); then echo "$1"; else echo "$1 in $(($1 / $2))"; fi
}
# share A B: A in percent of B.
share() {
  awk -v a="${1:-0}" -v b="${2:-0}" 'BEGIN {printf("%.1f", b > 0 ? 100 * a / b : 0)}'
}
steps() { # ROWS PASS
  if (($1 == $2)); then echo 24; else echo 12; fi
}
# bench NAME SHAPE ROWS PASS RANKS ZERO1: trains with ROWS a GPU in passes of PASS.
bench() {
  local name=$1 shape=$2 rows=$3 pass=$4 ranks=$5 zero1=$6 status=0 run=() launch
  run=("$unfold" bench train "configs/bench-$shape.yaml" --format json --steps "$(steps "$rows" "$pass")"
    --set "train.rows=$((rows * ranks))" --set "train.micro_rows=$pass" --set "train.zero1=$zero1")
  launch=(env) # one GPU: the program by itself
  if ((ranks > 1)); then launch=(mpirun -n "$ranks"); fi
  OMP_NUM_THREADS=$((cores / ranks > 0 ? cores / ranks : 1)) timeout -k 10 "$(allowed 100)" \
    "${launch[@]}" "${run[@]}" > "$folder/$name.json" 2> "$folder/$name.log" || status=$?
  if ((status != 0)); then
    note FAIL "bench $name: exit code $status: $(grep -vE '^-*$|mpirun' "$folder/$name.log" | tail -n 1)"
    rm -f "$folder/$name.json"
  fi
}
# row NAME SHAPE ROWS PASS RANKS ZERO1: what bench() measured, in the table and against its mark.
row() {
  local name=$1 shape=$2 rows=$3 pass=$4 ranks=$5 zero1=$6
  local file=$folder/$name.json
  if [[ ! -f $file ]]; then return; fi
  local positions efficiency off of_slowest=""
  positions=$(value positions_per_second "$file")
  efficiency=$(share "$positions" "$alone")
  if [[ -n $slowest && $ranks != 1 ]]; then of_slowest="$(share "$positions" "$slowest") %"; fi
  off=$(value planned_off_percent "$file")
  awk -v shape="$shape" -v batch="$(batch "$rows" "$pass")" -v ranks="$ranks" -v zero1="$zero1" \
    -v ms="$(value ms "$file")" \
    -v positions="$positions" -v efficiency="$efficiency" -v of_slowest="$of_slowest" \
    -v comm="$(value communication_ms "$file")" -v hidden="$(value hidden_percent "$file")" \
    -v peak="$(value peak_gib "$file")" -v planned="$(value planned_gib "$file")" -v off="$off" \
    'BEGIN {printf "| %s | %s | %d | %s | %.1f | %.0f | %s %% | %s | %.2f | %s | %.3f | %.3f | %.1f %% |\n",
      shape, batch, ranks, zero1 == "true" ? "yes" : "no", ms, positions, efficiency, of_slowest, comm,
      hidden == "null" || hidden == "" ? "-" : sprintf("%.0f %%", hidden), peak, planned, off}' \
    >> "$table"
  if awk -v o="$off" 'BEGIN {exit !(o > 5 || o < -5)}'; then
    note FAIL "$name: memory is $off % off the plan, the mark is 5 %"
  fi
  if ((ranks == 1)); then return; fi
  # 97 % at 2, 95 % at 8.
  local mark
  mark=$(awk -v n="$ranks" 'BEGIN {print(n <= 2 ? 97 : n <= 4 ? 96 : 95)}')
  if awk -v e="$efficiency" -v m="$mark" 'BEGIN {exit !(e < m)}'; then
    note FAIL "$name: $efficiency % of one GPU${of_slowest:+ ($of_slowest of the slowest)}, the mark is $mark %"
  else
    note ok "$name: $efficiency % of one GPU${of_slowest:+ ($of_slowest of the slowest)}"
  fi
}
# apart SHAPE ROWS PASS: one run a GPU, all at once, that know nothing of each other: what heat, power
# and the slowest GPU leave, without any communication.
apart() {
  local shape=$1 rows=$2 pass=$3 index pids=()
  for ((index = 0; index < most; ++index)); do
    CUDA_VISIBLE_DEVICES=$index OMP_NUM_THREADS=$((cores / most > 0 ? cores / most : 1)) \
      timeout -k 10 "$(allowed 60)" "$unfold" bench train "configs/bench-$shape.yaml" --format json \
      --steps "$(steps "$rows" "$pass")" --set "train.rows=$rows" --set "train.micro_rows=$pass" \
      > "$folder/$shape-$rows-apart-$index.json" 2> /dev/null &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || true; done
  slowest=$(for ((index = 0; index < most; ++index)); do
    value positions_per_second "$folder/$shape-$rows-apart-$index.json"
  done | sort -g | head -n 1)
}
# One GPU is measured before and after the others, as its speed drifts: what they are compared with is
# the mean.
for shape in 135m 1b; do
  pass=$(sed -n 's/^  rows: *\([0-9]*\).*/\1/p' "configs/bench-$shape.yaml")
  for rows in "$pass" 16; do
    slowest=
    bench "$shape-$rows-1" "$shape" "$rows" "$pass" 1 false
    if ((most > 1)); then apart "$shape" "$rows" "$pass"; fi
    for ((ranks = 2; ranks <= most; ranks *= 2)); do
      bench "$shape-$rows-$ranks" "$shape" "$rows" "$pass" "$ranks" false
      bench "$shape-$rows-$ranks-zero1" "$shape" "$rows" "$pass" "$ranks" true
    done
    bench "$shape-$rows-1-again" "$shape" "$rows" "$pass" 1 false
    alone=$(for name in 1 1-again; do
      value positions_per_second "$folder/$shape-$rows-$name.json" || true
    done 2> /dev/null | awk '{sum += $1} END {print(NR > 0 ? sum / NR : 0)}')
    row "$shape-$rows-1" "$shape" "$rows" "$pass" 1 false
    row "$shape-$rows-1-again" "$shape" "$rows" "$pass" 1 false
    if [[ -n $slowest ]]; then
      printf '| %s | %s | %s apart, the slowest | - | - | %.0f | %s %% | 100 %% | - | - | - | - | - |\n' \
        "$shape" "$(batch "$rows" "$pass")" "$most" "$slowest" "$(share "$slowest" "$alone")" >> "$table"
    fi
    for ((ranks = 2; ranks <= most; ranks *= 2)); do
      row "$shape-$rows-$ranks" "$shape" "$rows" "$pass" "$ranks" false
      row "$shape-$rows-$ranks-zero1" "$shape" "$rows" "$pass" "$ranks" true
    done
  done
done

printf '\n'
cat "$table"
printf '\ngpu-scaling on %d x %s: %d s, logs in %s\n' "$most" "$gpu" "$SECONDS" "$folder"
printf '%s\n' "${summary[@]}"
exit "$failed"
