#!/usr/bin/env bash
# scripts/bench/loss_curves.py: Unfold and PyTorch train a tiny model alike, and the script tells
# when they do not. Skipped (77) without Python, PyTorch, NumPy or h5py.
#
# usage: loss_curves_test.sh UNFOLD
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unfold=$1
if ! type -P python3 > /dev/null; then exit 77; fi
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
export PYTHONDONTWRITEBYTECODE=1

cat > "$temporary/tiny.yaml" << 'CONFIG'
model: {width: 32, layers: 2, heads: 4, kv_heads: 2, ffn: 48, init_std: 0}
gist: {chunks: [6], sinks: 2}
train: {steps: 6, rows: 2, row_length: 160}
optimizer: {lr: 5e-3, clip: 0.5}
schedule: {kind: cosine, warmup: 2}
CONFIG

# EXPECTED-EXIT-CODE ARGUMENTS...
compare() {
  local status=0
  python3 scripts/bench/loss_curves.py "$temporary/tiny.yaml" --unfold "$unfold" --threads 1 \
    "${@:2}" > "$temporary/said" 2>&1 || status=$?
  if ((status == 77)); then
    cat "$temporary/said"
    exit 77
  fi
  if ((status != $1)); then
    echo "FAIL loss_curves.py ${*:2}: exit code $status instead of $1"
    cat "$temporary/said"
    exit 1
  fi
}

compare 0 --set train.objective=lm --dtype float32 --tolerance 1e-5
compare 0 --pair --dtype float32 --tolerance 1e-5
compare 0 --pair --dtype float32 --tolerance 1e-5 --set 'gist.chunks=[4,2,2]' \
  --set model.tied_embeddings=false --set optimizer.embedding_lr=2 --set schedule.kind=wsd
compare 0 --pair --dtype bfloat16 --tolerance 1e-2
# It can tell: float32 is not equal in every bit.
compare 1 --pair --dtype float32 --tolerance 1e-12
