#!/usr/bin/env bash
# Trains, and goes on from the last checkpoint whenever the training ends otherwise than well: a host
# that fails, a rank that is killed, a network that breaks.
#
# usage: scripts/train-forever.sh [--launch "mpirun -n 8 --hostfile hosts"] CONFIG [--set KEY=VALUE]...
#   --launch COMMAND   what starts the ranks (default: none: one process)
#   --wait SECONDS     before another start (default 10)
#   --most N           starts without a new checkpoint before it gives up (default 5)
#   --resume WORD      latest (default) or latest-good, which passes over damaged checkpoints
# UNFOLD=PROGRAM       the program (default: build/release/unfold here, else unfold on PATH)
#
# It ends when the training is done (0), was asked to stop (SIGINT, SIGTERM, SIGUSR1, SIGHUP), or cannot
# go on without a person: exit code 2 (config, data, disk), or 70 (a bug), or N starts without progress.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}
stop() {
  echo "train-forever: $*" >&2
  exit 2
}

launch=() pause=10 most=5 resume=latest
while [[ ${1:-} == -* ]]; do
  case $1 in
    --help | -h)
      usage
      exit 0
      ;;
    --launch | --wait | --most | --resume)
      if (($# < 2)); then stop "$1 needs a value: see --help"; fi
      case $1 in
        --launch) read -r -a launch <<< "$2" ;;
        --wait) pause=$2 ;;
        --most) most=$2 ;;
        --resume) resume=$2 ;;
      esac
      shift 2
      ;;
    *) stop "unknown argument $1: see --help" ;;
  esac
done
if (($# == 0)); then stop "no CONFIG: see --help"; fi
unfold=${UNFOLD:-$here/build/release/unfold}
if [[ -z ${UNFOLD:-} && ! -x $unfold ]]; then unfold=unfold; fi

# The run folder, as the program resolves it.
if ! resolved=$("$unfold" config show "$@"); then exit 2; fi
run=$(awk '/^run:/ {inside = 1; next} /^[^ ]/ {inside = 0}
           inside && $1 == "dir:" {sub(/^ *dir: */, ""); gsub(/^["'"'"']|["'"'"']$/, ""); print; exit}' \
  <<< "$resolved")
if [[ -z $run ]]; then stop "the config names no run.dir"; fi

newest() {
  local folder last=-1 step
  for folder in "$run"/checkpoints/step-*; do
    step=${folder##*/step-}
    if [[ -e $folder/manifest.json ]] && ((step > last)); then last=$step; fi
  done
  echo "$last"
}

asked=0
child=
trap 'asked=1; if [[ -n $child ]]; then kill -USR1 "$child" 2> /dev/null; fi' INT TERM USR1
fruitless=0
while :; do
  before=$(newest)
  again=()
  if [[ -e $run/config.yaml ]]; then again=(--resume "$resume"); fi
  ${launch[@]+"${launch[@]}"} "$unfold" train "$@" ${again[@]+"${again[@]}"} &
  child=$!
  status=0
  wait "$child" || status=$?
  while kill -0 "$child" 2> /dev/null; do  # a signal ended the wait, not the training
    status=0
    wait "$child" || status=$?
  done
  child=
  case $status in
    0) exit 0 ;;
    2 | 70 | 126 | 127) exit "$status" ;;
    129 | 130 | 138 | 143) exit "$status" ;; # somebody asked a rank to stop: it saved first
  esac
  if ((asked)); then exit "$status"; fi
  if (($(newest) > before)); then fruitless=0; else fruitless=$((fruitless + 1)); fi
  if ((fruitless >= most)); then
    echo "train-forever: $most starts without a new checkpoint (last exit code $status): giving up" >&2
    exit "$status"
  fi
  echo "train-forever: the training ended with exit code $status at step $(newest): again in $pause s" >&2
  sleep "$pause" &
  wait $! || true
  if ((asked)); then exit "$status"; fi
  # Ranks whose launcher was killed end by themselves, within a minute.
  if [[ -d $run ]] && command -v flock > /dev/null; then flock -w 60 "$run" true || true; fi
done
