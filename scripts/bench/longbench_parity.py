#!/usr/bin/env python3
"""Compares `unfold score` with the official LongBench eval.py on made predictions for all 21 data
sets, plain and LongBench-E. Prints one line a data set; exits 1 when a number differs.

    python3 scripts/bench/longbench_parity.py LONGBENCH UNFOLD [--records DIR] [--jieba DIR]

LONGBENCH: the folder with eval.py and metrics.py (THUDM/LongBench); needs what it needs (numpy,
jieba 0.42.1, rouge 1.0.1, fuzzywuzzy 0.18.0). UNFOLD: the program. --records: a folder with records
of LongBench (DATASET.jsonl with answers, context, length, all_classes), whose answers and contexts
predictions are made of as well; without it all text comes from tests/golden/longbench_pairs.py.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

GOLDEN = pathlib.Path(__file__).resolve().parent.parent.parent / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
from longbench_pairs import Random, make_pair  # noqa: E402

# Data set: the kind of pairs in longbench_pairs.
KINDS = {
    "narrativeqa": "qa_f1", "qasper": "qa_f1", "multifieldqa_en": "qa_f1", "multifieldqa_zh": "qa_f1_zh",
    "hotpotqa": "qa_f1", "2wikimqa": "qa_f1", "musique": "qa_f1", "dureader": "rouge_zh",
    "gov_report": "rouge", "qmsum": "rouge", "multi_news": "rouge", "vcsum": "rouge_zh",
    "trec": "classification", "triviaqa": "qa_f1", "samsum": "rouge", "lsht": "classification",
    "passage_retrieval_en": "retrieval", "passage_count": "count",
    "passage_retrieval_zh": "retrieval_zh", "lcc": "code_sim", "repobench-p": "code_sim",
}
PARAGRAPHS = {"retrieval": r"Paragraph (\d+)", "retrieval_zh": r"段落(\d+)"}


def made_lines(number, dataset, count):
    """Of generated pairs: up to three answers a line; classes of the last line hold for all."""
    kind = KINDS[dataset]
    classes = ["Food", "Date", "Date of birth", "Group", "group", "体育", "体育/足球", "Other"]
    for index in range(count):
        random = Random(17, number, index)
        prediction, answer, own = make_pair(kind, 100 + number, index)
        answers = [answer]
        if kind == "classification":
            answers = [random.pick(classes)]
            prediction += random.pick(classes) if random.below(2) else ""
        elif kind not in PARAGRAPHS:
            answers += [make_pair(kind, 200 + number, index + k)[1] for k in range(random.below(3))]
        elif not re.search(PARAGRAPHS[kind], answer):
            continue  # eval.py ends where an answer names no paragraph
        if random.below(3) == 0:
            prediction = "\n\n" + prediction + "\nand more"
        yield {"pred": prediction, "answers": answers,
               "all_classes": classes if kind == "classification" else None,
               "length": random.below(12000)}


def record_lines(folder, number, dataset):
    """Of real records: an answer with words of the context around or instead of some of its own."""
    for index, text in enumerate((folder / f"{dataset}.jsonl").open(encoding="utf-8")):
        record = json.loads(text)
        for turn in range(3):
            random = Random(19, number, index, turn)
            context = record["context"]
            begin = random.below(max(1, len(context) - 400))
            words = list(random.pick(record["answers"]) or "x")
            keep = 1 + random.below(9)
            words = [c if random.below(10) < keep else context[(begin + i) % max(1, len(context))]
                     for i, c in enumerate(words)] if turn else words
            prediction = context[begin:begin + random.below(60)] + "".join(words)
            yield {"pred": prediction, "answers": record["answers"],
                   "all_classes": record["all_classes"], "length": record["length"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("longbench", type=pathlib.Path)
    parser.add_argument("unfold", type=pathlib.Path)
    parser.add_argument("--records", type=pathlib.Path)
    parser.add_argument("--jieba")
    parser.add_argument("--lines", type=int, default=150, help="generated ones a data set")
    arguments = parser.parse_args()
    differ = 0
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary)
        official = {}
        for mode in ("pred", "pred_e"):
            (root / mode / "made").mkdir(parents=True)
        for number, dataset in enumerate(KINDS):
            lines = list(made_lines(number, dataset, arguments.lines))
            if arguments.records:
                # Real classes last: those of the last line hold for all.
                lines += list(record_lines(arguments.records, number, dataset))
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            for mode in ("pred", "pred_e"):
                (root / mode / "made" / f"{dataset}.jsonl").write_text(text, encoding="utf-8", newline="")
        for mode in ("pred", "pred_e"):
            command = [sys.executable, str(arguments.longbench.resolve() / "eval.py"), "--model", "made"]
            command += ["--e"] if mode == "pred_e" else []
            subprocess.run(command, check=True, cwd=root, stdout=subprocess.DEVNULL)
            official[mode] = json.loads((root / mode / "made" / "result.json").read_text())
        for dataset in KINDS:
            command = [str(arguments.unfold.resolve()), "score", "--dataset", dataset, "--e",
                       "--predictions", str(root / "pred" / "made" / f"{dataset}.jsonl")]
            command += ["--jieba", arguments.jieba] if arguments.jieba else []
            ours = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            buckets = {name: None if value != value else value  # NaN: no such line
                       for name, value in official["pred_e"][dataset].items()}
            same = ours["score"] == official["pred"][dataset] and ours["buckets"] == buckets
            differ += not same
            print(f"{'same ' if same else 'OTHER'} {dataset:22} n {ours['n']:4}  {ours['score']} "
                  f"{ours['buckets']}" + ("" if same else f"; official {official['pred'][dataset]} {buckets}"))
    print(f"{len(KINDS) - differ} of {len(KINDS)} data sets score the same")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
