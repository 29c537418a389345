#!/usr/bin/env bash
# The whole road in a few minutes on a CPU: writes a small corpus, tokenizes it, trains a
# transformer with gist tokens on it, evaluates it and writes the report to runs/demo.
#
# usage: scripts/demo.sh
# Replaces what an earlier demo left in runs/demo, runs/demo-full and runs/demo-data, and touches
# nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run=runs/demo
full=runs/demo-full
data=runs/demo-data
unfold=build/release/unfold

case ${1:-} in
  "") ;;
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

if [[ -e $run || -e $full || -e $data ]]; then
  printf '\nRemoving the earlier demo in %s, %s and %s\n' "$run" "$full" "$data"
  rm -rf "$run" "$full" "$data"
fi
mkdir -p "$data"

step "Write a corpus of facts and questions, from a seed" \
  "$unfold" data synthesize --task recall --out "$data/train.jsonl" --count 40000 \
  --context 200 --facts 8 --min-facts 2
step "Write the held-out part" \
  "$unfold" data synthesize --task recall --out "$data/val.jsonl" --count 1000 \
  --context 200 --facts 8 --min-facts 8 --eval-split
step "Train a tokenizer" \
  "$unfold" data train-tokenizer "$data/train.jsonl" --out "$data/tokenizer.json" --vocab-size 640
step "Tokenize the training part" \
  "$unfold" data tokenize "$data/train.jsonl" --tokenizer "$data/tokenizer.json" \
  --out "$data/train"
step "Tokenize the held-out part" \
  "$unfold" data tokenize "$data/val.jsonl" --tokenizer "$data/tokenizer.json" --out "$data/val"
step "Learn to read, with full attention" \
  "$unfold" train configs/demo-full.yaml
step "Learn gists: continued pretraining under the gist mask" \
  "$unfold" train configs/demo.yaml
step "Evaluate under full and gist attention" \
  "$unfold" eval "$run"
step "Report" \
  "$unfold" report "$run"

printf '\nDone in %d s after the build (%d s). Open %s\n' \
  "$((SECONDS - built))" "$((built - began))" "$run/report.html"
