#!/usr/bin/env bash
# scripts/train-forever.sh with a program that fails as it is told to.
# shellcheck disable=SC2016  # the tools' own variables
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
script=$PWD/scripts/train-forever.sh
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary"

# Ends with the next code of the file `codes`, after a checkpoint where that is written "CODE+".
# orphan: leaves a process behind that holds the run for a while; free: 0 when nobody holds it.
cat > unfold <<'UNFOLD'
#!/usr/bin/env bash
if [[ $1 == config ]]; then
  printf 'run:\n  dir: "a run"\n  seed: 1\n'
  exit 0
fi
echo "$*" >> calls
code=$(head -n 1 codes)
sed -i 1d codes
mkdir -p "a run/checkpoints"
: > "a run/config.yaml"
if [[ $code == *+ ]]; then
  step=$(wc -l < calls)
  mkdir -p "a run/checkpoints/step-$step"
  : > "a run/checkpoints/step-$step/manifest.json"
fi
if [[ $code == orphan ]]; then
  flock "a run" sleep 1 &
  sleep 0.2
  exit 75
fi
if [[ $code == free ]]; then
  flock -n "a run" true || exit 2
  exit 0
fi
if [[ $code == wait ]]; then
  trap 'exit 138' USR1
  : > waiting
  for ((i = 0; i < 100; ++i)); do sleep 0.1; done
fi
exit "${code%+}"
UNFOLD
chmod +x unfold
export UNFOLD=$temporary/unfold

failures=0
# expect NAME STATUS CALLS CODES... -- ARGUMENTS...
expect() {
  local name=$1 wanted=$2 calls=$3 status=0
  shift 3
  rm -rf calls codes "a run"
  while [[ $1 != -- ]]; do
    echo "$1" >> codes
    shift
  done
  shift
  bash "$script" "$@" > out 2>&1 || status=$?
  if [[ $status != "$wanted" || $(wc -l < calls) != "$calls" ]]; then
    printf 'FAIL %s: exit %s, calls:\n%s\n%s\n' "$name" "$status" "$(cat calls)" "$(cat out)"
    failures=$((failures + 1))
  fi
}
expect "a training that ends well" 0 1 0 -- --wait 0 a.yaml
expect "a lost rank, then well" 0 3 75+ 137+ 0 -- --wait 0 a.yaml --set x=1
grep -q '^train a.yaml --set x=1 --resume latest$' calls || { echo "FAIL: no --resume"; failures=1; }
expect "a user's error" 2 2 75+ 2 -- --wait 0 a.yaml
expect "a bug" 70 1 70 -- --wait 0 a.yaml
expect "asked to stop" 143 1 143 -- --wait 0 a.yaml
expect "no progress" 75 3 75 75 75 75 75 -- --wait 0 --most 3 a.yaml
expect "a launcher, another way to resume" 0 2 1+ 0 -- --wait 0 --launch env --resume latest-good a.yaml
grep -q -- '--resume latest-good$' calls || { echo "FAIL: no latest-good"; failures=1; }

expect "ranks that outlive their launcher" 0 2 orphan free -- --wait 0 a.yaml

rm -rf calls codes "a run" waiting
echo wait > codes
bash "$script" --wait 0 a.yaml > out 2>&1 &
script_process=$!
for ((i = 0; i < 100; ++i)); do
  if [[ -e waiting ]]; then break; fi
  sleep 0.05
done
kill -TERM "$script_process"
status=0
wait "$script_process" || status=$?
if [[ $status != 138 ]]; then
  echo "FAIL: a signal to the script is passed on: exit $status: $(cat out)"
  failures=1
fi
if ((failures)); then exit 1; fi
echo "train-forever: all cases pass"
