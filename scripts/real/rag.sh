#!/usr/bin/env bash
# Teaches a real model to answer questions on documents, with gists and without, and evaluates it:
# continued pretraining under the gist mask, finetuning with unfolding (with and without the routing
# loss), and as a control finetuning with full attention on the same questions.
#
# usage: scripts/real/rag.sh SRC RECORDS OUT [STAGE...]
#   SRC      what `unfold import` reads, such as the GGUF of scripts/get-smollm2.sh
#   RECORDS  folder made by scripts/real/rag_records.py
#   OUT      runs and logs go there; a stage that is there already is not run again
#   STAGE    of: import cpt routed paper full evaluate report (default: all, in this order)
# DEVICE=cuda|cpu      where (default: cuda)
# CPT_STEPS, SFT_STEPS, CPT_LR, SFT_LR, ROUTED_LR, ROUTING, ROWS, SEED   see below; CPT_STEPS=0:
#                      finetuning starts from the imported model
# SFT_SET="KEY=VALUE..."   more settings of the finetuning with gists
# CPT_TEXT, SFT_RECORDS   files of RECORDS to train on (default: cpt_documents, train_multi)
# RAG=FOLDER           files of questions that `evaluate` asks as well (eval.rag.records)
# LONGBENCH=FOLDER     LongBench's records that it asks as well, with LONGBENCH_CONFIG=FOLDER
# METHODS, RATIOS      of the models with gists (default: "full, gist_only, gsa, random, streaming, quest"; 8)
# EVAL_SET="KEY=VALUE..."  more settings of the evaluation
# LIMIT=N              samples a task of RAG and LongBench (default: all)
# RANKS=N              evaluate on N GPUs, under mpirun (default: 1)
# UNFOLD=PROGRAM       default: build/release/unfold
set -euo pipefail

if (($# < 3)) || [[ ${1:-} == --help || ${1:-} == -h ]]; then
  sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  if [[ ${1:-} == --help || ${1:-} == -h ]]; then exit 0; fi
  exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
unfold=${UNFOLD:-$root/build/release/unfold}
src=$1 records=$2 out=$3
shift 3
stages=("$@")
if ((${#stages[@]} == 0)); then stages=(import cpt routed paper full evaluate report); fi

device=${DEVICE:-cuda}
dtype=bfloat16
if [[ $device == cpu ]]; then dtype=float32; fi
rows=${ROWS:-8}
cpt_steps=${CPT_STEPS:-1000} sft_steps=${SFT_STEPS:-800}
cpt_lr=${CPT_LR:-1e-4} sft_lr=${SFT_LR:-1e-4} routed_lr=${ROUTED_LR:-3e-5} routing=${ROUTING:-1}
base=$out/base
pretrained=cpt
if ((cpt_steps == 0)); then pretrained=base; fi
read -ra sft_set <<< "${SFT_SET:-}"
mkdir -p "$out"

# train NAME FROM KEY=VALUE...: a run that starts from another one.
train() {
  local name=$1 from=$2 set=()
  shift 2
  if [[ -e $out/$name/done ]]; then return; fi
  rm -rf "${out:?}/$name"
  for key in "run.seed=${SEED:-42}" "run.dir=$out/$name" "run.device=$device" "data.tokenizer=$base/tokenizer.json" \
    "train.init_from=$out/$from" "train.dtype=$dtype" "train.rows=$rows" train.val_every=0 \
    checkpoint.every=1000000 optimizer.beta2=0.98 optimizer.weight_decay=0.01 \
    schedule.warmup=20 schedule.min_ratio=0.05 "$@"; do
    set+=(--set "$key")
  done
  "$unfold" train "$base/config.yaml" "${set[@]}"
  touch "$out/$name/done"
}
answers=("data.format=sft" "data.train=[$records/${SFT_RECORDS:-train_multi}.jsonl]" "data.val=[$records/dev.jsonl]"
  data.on_long=skip "train.steps=$sft_steps" "optimizer.lr=$sft_lr")

launch=()
if ((${RANKS:-1} > 1)); then launch=(mpirun -n "$RANKS"); fi
evaluate() { # NAME METHODS
  local tasks=answers set=()
  if [[ -n ${RAG:-} ]]; then
    tasks+=', rag'
    set+=(--set "eval.rag.records=[$RAG]")
  fi
  if [[ -n ${LONGBENCH:-} ]]; then
    tasks+=', longbench'
    set+=(--set "eval.longbench.records=$LONGBENCH" --set "eval.longbench.config=$LONGBENCH_CONFIG")
  fi
  if [[ -n ${LIMIT:-} ]]; then set+=(--set "eval.limit=$LIMIT"); fi
  local more
  read -ra more <<< "${EVAL_SET:-}"
  for key in "${more[@]}"; do set+=(--set "$key"); done
  "${launch[@]}" "$unfold" eval "$out/$1" --set "eval.tasks=[$tasks]" --set "eval.methods=[$2]" \
    --set "eval.ratios=[${RATIOS:-8}]" --set eval.samples=501 --set eval.on_bad_record=skip \
    --set eval.rag.max_new_tokens=32 \
    --set 'eval.rag.system="Answer the question using the documents.\n\n"' "${set[@]}"
}

for stage in "${stages[@]}"; do
  case $stage in
    import)
      if [[ ! -e $base/config.yaml ]]; then "$unfold" import "$src" --out "$base" --chunks 8; fi
      if [[ ! -e $out/text ]]; then
        "$unfold" data tokenize "$records/${CPT_TEXT:-cpt_documents}.jsonl" --tokenizer "$base/tokenizer.json" \
          --out "$out/text"
      fi
      ;;
    cpt)
      if ((cpt_steps == 0)); then continue; fi
      train cpt base "data.train=[$out/text]" "train.steps=$cpt_steps" "optimizer.lr=$cpt_lr" \
        train.row_length=1584
      ;;
    routed)
      train routed "$pretrained" train.objective=sft train.row_length=1792 \
        "train.routing_weight=$routing" "${answers[@]}" "optimizer.lr=$routed_lr" "${sft_set[@]}"
      ;;
    paper)
      train paper "$pretrained" train.objective=sft train.row_length=1792 "${answers[@]}" "${sft_set[@]}"
      ;;
    full)
      train full base train.objective=lm 'gist.chunks=[]' 'eval.methods=[full]' \
        train.row_length=1536 "${answers[@]}"
      ;;
    evaluate)
      for run in routed paper; do
        if [[ -e $out/$run/done ]]; then
          evaluate "$run" "${METHODS:-full, gist_only, gsa, random, streaming, quest}"
        fi
      done
      if [[ -e $out/full/done ]]; then evaluate full full; fi
      ;;
    report)
      runs=()
      for run in routed paper full; do
        if [[ -e $out/$run/results.json ]]; then runs+=("$out/$run"); fi
      done
      "$unfold" report "${runs[@]}" --out "$out/report"
      ;;
    *)
      echo "rag.sh: unknown stage $stage: one of import cpt routed paper full evaluate report" >&2
      exit 2
      ;;
  esac
done
