#!/usr/bin/env bash
# Kills ranks of a training, or mpirun above them, at random moments and lets it go on, again and
# again; then compares its curve and its last checkpoint with those of an undisturbed training, bit by
# bit. All that is left of a training has to end within a minute of the kill.
#
# usage: scripts/kill-ranks.sh [KILLS] [FOLDER]     (default: 50 kills; a temporary folder)
# UNFOLD=PROGRAM   the program (default: build/release/unfold)
# RANKS=N          ranks (default 3)
# SEED=N           of the moments and victims (default 1)
# Exit code: 0 equal; 1 a difference, or a training that could not go on; 77 no MPI here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  exit 0
fi
kills=${1:-50}
if [[ ! $kills =~ ^[1-9][0-9]{0,5}$ ]]; then
  echo "kill-ranks: $kills: give a number of kills: see kill-ranks.sh --help" >&2
  exit 2
fi
unfold=$(realpath "${UNFOLD:-build/release/unfold}")
ranks=${RANKS:-3}
RANDOM=${SEED:-1}
if ! command -v mpirun > /dev/null; then
  echo "kill-ranks: skipped: no mpirun" >&2
  exit 77
fi
folder=${2:-$(mktemp -d)}
if [[ -z ${2:-} ]]; then trap 'rm -rf "$folder"' EXIT; fi
mkdir -p "$folder"
cd "$folder"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_plm_rsh_agent=sh OMPI_MCA_btl=self,vader
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive UNFOLD_LOG=warning

# A run long enough that every kill finds it at work: it is resumed after each one.
steps=$((40 + 12 * kills))
awk 'BEGIN {
  srand(3)
  for (i = 0; i < 4000; i++) {
    word = ""
    for (j = 1 + int(rand() * 7); j > 0; j--) word = word substr("abcdef", 1 + int(rand() * 6), 1)
    printf "%s%s", word, rand() < 0.12 ? ".\n" : " "
  }
}' > text.txt
cat > config.yaml <<YAML
run: {seed: 7}
model: {width: 32, layers: 2, heads: 2, kv_heads: 1, ffn: 48}
gist: {chunks: [6], sinks: 2}
data: {train: [data], val: [data]}
train: {steps: $steps, rows: 8, row_length: 96, val_every: 20, val_rows: 4}
optimizer: {lr: 2e-3}
checkpoint: {every: 3, keep: 2, async: true}
YAML
rm -rf data whole killed
"$unfold" data tokenize text.txt --out data > /dev/null 2>&1

train() { # RUN ARGUMENTS...
  mpirun -n "$ranks" "$unfold" train config.yaml --set run.dir="$1" --set train.zero1=true "${@:2}"
}
train whole > whole.log 2>&1 || {
  status=$?
  tail -n 5 whole.log
  if grep -q 'built without MPI' whole.log; then exit 77; fi
  exit "$status"
}

# mpirun and the ranks it started.
processes_below() {
  local below
  for below in $(pgrep -P "$1" || true); do
    echo "$below"
    processes_below "$below"
  done
}
wait_for_end() { # PROCESS...
  local process left
  for ((left = 600; left > 0; --left)); do
    for process in "$@"; do
      if kill -0 "$process" 2> /dev/null; then
        sleep 0.1
        continue 2
      fi
    done
    return
  done
  echo "kill-ranks: process $process outlives the others by a minute" >&2
  exit 1
}

done_kills=0
lost=0
again=()
while ((done_kills < kills)); do
  train killed ${again[@]+"${again[@]}"} > killed.log 2>&1 &
  launcher=$!
  # Somewhere in the second or so that the kill needs to find it training.
  sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
  for ((i = 0; i < 200; ++i)); do
    if [[ -e killed/metrics.jsonl ]]; then break; fi
    sleep 0.02
  done
  sleep "0.$((RANDOM % 5))$((RANDOM % 10))$((RANDOM % 10))"
  mapfile -t processes < <(processes_below "$launcher")
  if ((${#processes[@]} > 0)); then
    kill -9 "${processes[RANDOM % ${#processes[@]}]}" 2> /dev/null || true
  fi
  status=0
  wait "$launcher" || status=$?
  wait_for_end ${processes[@]+"${processes[@]}"}
  if ((status == 0)); then
    lost=$((lost + 1)) # it was done before: it has to be begun again to be killed more
    if ((done_kills == 0)) || ((lost > kills)); then break; fi
    rm -rf killed
    again=()
    continue
  fi
  done_kills=$((done_kills + 1))
  if [[ -e killed/config.yaml ]]; then again=(--resume); else again=(); fi
done
if ! train killed ${again[@]+"${again[@]}"} > killed.log 2>&1; then
  echo "kill-ranks: the run could not go on after $done_kills kills:" >&2
  grep -vE "^-*$|^  |mpirun|Primary job" killed.log | tail -n 5 >&2
  exit 1
fi

timeless() { sed 's/,"time":.*$//' "$1/metrics.jsonl"; }
if ! diff <(timeless whole) <(timeless killed) > difference; then
  echo "kill-ranks: after $done_kills kills the curve differs:" >&2
  head -n 4 difference >&2
  exit 1
fi
if ! diff -r "whole/checkpoints/step-$steps" "killed/checkpoints/step-$steps"; then
  echo "kill-ranks: after $done_kills kills the last checkpoint differs" >&2
  exit 1
fi
echo "kill-ranks: $done_kills kills, $steps steps: curve and last checkpoint are equal in every bit"
