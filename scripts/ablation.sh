#!/usr/bin/env bash
# What each part of the demo's training is worth: repeats the demo with other seeds, and its last
# stage without one of its parts. The table goes to standard output, everything else to the log.
#
# usage: scripts/ablation.sh SEED...
# Writes runs/ablation/SEED and keeps what is there already: an interrupted run can be started again.
# The variants of a seed share stages 1 and 2; all train for the same number of steps, 100 fewer than
# the demo in the last stage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
  "" | --help | -h)
    sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac

for seed in "$@"; do
  if [[ ! $seed =~ ^[0-9]{1,9}$ ]]; then
    echo "ablation: $seed: a seed is a number: see ablation.sh --help" >&2
    exit 2
  fi
done

unfold=build/release/unfold
facts=(data synthesize --task recall --style compact --context 65 --context-unit words
  --facts 16 --keys 64 --values 32 --value-words 3)
methods='[full, gist_only, gsa, h_gsa, random]'
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

# train CONFIG RUN KEY=VALUE...: trains it unless it is there.
train() {
  local config=$1 run=$2 setting settings=()
  shift 2
  [[ -e $run/done ]] && return
  rm -rf "$run"
  for setting in run.seed="$seed" run.dir="$run" data.tokenizer="$data/tokenizer.json" \
    data.val="$data/val.jsonl" "$@"; do
    settings+=(--set "$setting")
  done
  "$unfold" train "configs/$config.yaml" "${settings[@]}"
  touch "$run/done"
}

for seed in "$@"; do
  root=runs/ablation/$seed data=runs/ablation/$seed/data
  mkdir -p "$data"
  exec 3>&1 4>&2 >>"$root/log" 2>&1
  if [[ ! -e $data/done ]]; then
    "$unfold" "${facts[@]}" --seed "$seed" --count 2000 --out "$data/text.jsonl" --overwrite
    "$unfold" data train-tokenizer "$data/text.jsonl" --out "$data/tokenizer.json" \
      --vocab-size 640 --overwrite
    "$unfold" "${facts[@]}" --format sft --questions 16 --seed "$seed" --curriculum 0.2 \
      --count 9600 --out "$data/curriculum.jsonl" --overwrite
    "$unfold" "${facts[@]}" --format sft --questions 16 --seed $((seed + 1)) --count 7200 \
      --out "$data/train.jsonl" --overwrite
    "$unfold" "${facts[@]}" --format sft --questions 16 --seed "$seed" --count 400 --eval-split \
      --out "$data/val.jsonl" --overwrite
    touch "$data/done"
  fi
  train demo-full "$root/full" data.train="$data/curriculum.jsonl"
  train demo-cpt "$root/cpt" data.train="$data/train.jsonl" train.init_from="$root/full"
  stage3=(data.train="$data/train.jsonl" eval.methods="$methods" train.steps=300)
  train demo "$root/all" "${stage3[@]}" train.init_from="$root/cpt"
  train demo "$root/no-routing-loss" "${stage3[@]}" train.init_from="$root/cpt" \
    train.routing_weight=0
  train demo "$root/annealed" "${stage3[@]}" train.init_from="$root/cpt" train.budget_anneal=0.5
  train demo "$root/no-cpt" "${stage3[@]}" train.init_from="$root/full" train.steps=450
  exec >&3 2>&4
  for variant in all no-routing-loss annealed no-cpt; do
    run=$root/$variant
    [[ -e $run/table ]] || "$unfold" eval "$run" >"$run/table" 2>>"$root/log"
    printf '%-6s %-16s %s\n' "$seed" "$variant" "$(grep '^answers' "$run/table")"
  done
done
