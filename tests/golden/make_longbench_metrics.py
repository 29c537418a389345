#!/usr/bin/env python3
"""Writes longbench_metrics.json: what the official LongBench code gives for 5000 pairs of prediction
and answer a metric, as numbers. The pairs are made of longbench_fragments.json by counter-based
random numbers, in longbench_pairs.py and tests/eval/metric_pairs.cpp alike: no text is stored.

    python3 tests/golden/make_longbench_metrics.py PATH/TO/LongBench   # the folder with metrics.py

Needs the packages rouge 1.0.1, jieba 0.42.1 and fuzzywuzzy 0.18.0 (without python-Levenshtein), run
by CPython 3.11. The metrics must be called two frames deep, as eval.py calls them: how deep decides
when rouge fails on long sentences.
"""
import json
import pathlib
import sys
import warnings

HERE = pathlib.Path(__file__).resolve().parent
PAIRS = 5000
RAISES = -1

warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import metrics as official  # noqa: E402
from longbench_pairs import HASH_START, hash_texts, make_pair  # noqa: E402


def normal_match(contains):
    def score(prediction, answer, **_):
        prediction, answer = official.normalize_answer(prediction), official.normalize_answer(answer)
        return float(answer in prediction if contains else answer == prediction)
    return score


METRICS = {
    "qa_f1": official.qa_f1_score,
    "rouge": official.rouge_score,
    "exact_match": normal_match(False),
    "subspan": normal_match(True),
    "qa_f1_zh": official.qa_f1_zh_score,
    "rouge_zh": official.rouge_zh_score,
    "classification": official.classification_score,
    "retrieval": official.retrieval_score,
    "retrieval_zh": official.retrieval_zh_score,
    "count": official.count_score,
    "code_sim": official.code_sim_score,
}


def score_of(metric, prediction, answer, classes):
    """Called by the module, so that the metric runs two frames below it, as in eval.py."""
    return metric(prediction, answer, all_classes=classes)


golden = {}
for number, (name, metric) in enumerate(METRICS.items()):
    values, scores, text_hash = {}, [], HASH_START
    for index in range(PAIRS):
        prediction, answer, classes = make_pair(name, number, index)
        text_hash = hash_texts(text_hash, prediction, answer, *classes)
        try:
            value = float(score_of(metric, prediction, answer, classes))
        except IndexError:  # retrieval: the answer names no paragraph
            scores.append(RAISES)
            continue
        scores.append(values.setdefault(value, len(values)))
    golden[name] = {"hash": "%016x" % text_hash, "values": list(values), "scores": scores}
    print(name, len(values), "values, mean", sum(list(values)[s] for s in scores if s >= 0) / PAIRS)

every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
characters = {
    "lower": hash_texts(HASH_START, *(c.lower() for c in every)),
    "final_sigma": hash_texts(HASH_START, *((c + "\u03a3" + c).lower() for c in every)),
    "split": hash_texts(HASH_START, *("|".join(("x" + c + "x").split()) for c in every)),
    "normal": hash_texts(HASH_START, *(official.normalize_answer(c + "the" + c) for c in every)),
    "normal_zh": hash_texts(HASH_START, *(official.normalize_zh_answer(c) for c in every)),
    "number": hash_texts(HASH_START, *("%g" % official.count_score(c, c) for c in every)),
}
target = HERE / "longbench_metrics.json"
target.write_text(json.dumps({
    "pairs": PAIRS,
    "characters": {name: "%016x" % value for name, value in characters.items()},
    "metrics": golden,
}, separators=(",", ":")) + "\n")
print(target, target.stat().st_size, "bytes")
