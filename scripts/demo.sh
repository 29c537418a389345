#!/usr/bin/env bash
# The whole road in a few minutes on a CPU: writes records of facts and questions, trains a small
# transformer on them with full attention, then with gists, then to unfold; evaluates it under eight
# attention methods and writes the report to runs/demo.
#
# usage: scripts/demo.sh [--seed N]     another seed: other records, another start of training
# Replaces what an earlier demo left in runs/demo, runs/demo-full, runs/demo-cpt and runs/demo-data,
# and touches nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run=runs/demo
full=runs/demo-full
cpt=runs/demo-cpt
data=runs/demo-data
unfold=build/release/unfold

# The records of stages 2 and 3 must be others than those of stage 1. 42 and 43 are the published run;
# --seed 42 draws other records for the later stages.
seed=42 later_seed=43
case ${1:-} in
  "") ;;
  --seed)
    if [[ ! ${2:-} =~ ^[0-9]{1,9}$ ]]; then
      echo "demo: --seed '${2:-}': give a number of up to nine digits" >&2
      exit 2
    fi
    seed=$((10#$2)) later_seed=$((10#$2 + 1000))
    ;;
  --help | -h)
    sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' scripts/demo.sh
    exit 0
    ;;
  *)
    echo "demo: unknown argument $1: see demo.sh --help" >&2
    exit 2
    ;;
esac

# Threads that wait for work sleep instead of spinning: as fast on an idle machine, and steadier on one
# that has other things to do.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

steps=0
began=$SECONDS
# step TITLE COMMAND...: a heading, the command as one would type it, and how long it took.
step() {
  local title=$1 start=$SECONDS status=0
  shift
  steps=$((steps + 1))
  printf '\n== %d. %s\n' "$steps" "$title"
  printf '$ %s\n' "$*"
  "$@" || status=$?
  if ((status)); then
    printf 'demo: stopped at step %d (%s): exit code %d\n' "$steps" "$title" "$status" >&2
    exit "$status"
  fi
  printf '   %d s\n' "$((SECONDS - start))"
}

step "Build" bash scripts/build.sh release unfold
built=$SECONDS

if [[ -e $run || -e $full || -e $cpt || -e $data ]]; then
  printf '\nRemoving the earlier demo in %s, %s, %s and %s\n' "$run" "$full" "$cpt" "$data"
  rm -rf "$run" "$full" "$cpt" "$data"
fi
mkdir -p "$data"

# 16 facts of a key and three words, one token each, in a context of 65 words.
facts=(data synthesize --task recall --style compact --context 65 --context-unit words
  --facts 16 --keys 64 --values 32 --value-words 3)
step "Write text for the tokenizer: facts and questions, from a seed" \
  "$unfold" "${facts[@]}" --count 2000 --seed "$seed" --out "$data/text.jsonl"
step "Train a tokenizer" \
  "$unfold" data train-tokenizer "$data/text.jsonl" --out "$data/tokenizer.json" --vocab-size 640
step "Write the records of stage 1: few different facts first" \
  "$unfold" "${facts[@]}" --format sft --questions 16 --curriculum 0.2 --seed "$seed" --count 9600 \
  --out "$data/curriculum.jsonl"
step "Write the records of stages 2 and 3" \
  "$unfold" "${facts[@]}" --format sft --questions 16 --count 8800 --seed "$later_seed" \
  --out "$data/train.jsonl"
step "Write the held-out records" \
  "$unfold" "${facts[@]}" --format sft --questions 16 --count 400 --eval-split --seed "$seed" \
  --out "$data/val.jsonl"
step "Stage 1: learn to recall, with full attention" \
  "$unfold" train configs/demo-full.yaml --set run.seed="$seed"
step "Stage 2: learn gists, under the gist mask" \
  "$unfold" train configs/demo-cpt.yaml --set run.seed="$seed"
step "Stage 3: learn to unfold" \
  "$unfold" train configs/demo.yaml --set run.seed="$seed"
step "Evaluate under eight attention methods" \
  "$unfold" eval "$run"
step "Report" \
  "$unfold" report "$run"

printf '\nDone in %d s after the build (%d s). Open %s\n' \
  "$((SECONDS - built))" "$((built - began))" "$run/report.html"
