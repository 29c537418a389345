"""Pairs of prediction and answer out of longbench_fragments.json, by counter-based random numbers:
the same ones as tests/eval/metric_pairs.cpp makes. For the make_*.py scripts beside it."""
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
SEED = 7
MASK = (1 << 64) - 1
FRAGMENTS = json.loads((HERE / "longbench_fragments.json").read_text(encoding="utf-8"))


def mix64(x):
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


class Random:
    """data::CounterRandom (data/counter_random.h)."""

    def __init__(self, *key):
        self.key = self.counter = 0
        for part in key:
            self.key = mix64(self.key + 0x9E3779B97F4A7C15 + part * 0xD1342543DE82EF95 & MASK)

    def next(self):
        self.counter += 1
        return mix64(self.key + self.counter * 0x9E3779B97F4A7C15 & MASK)

    def below(self, n):
        incomplete = (MASK % n + 1) % n
        x = self.next()
        while x > MASK - incomplete:
            x = self.next()
        return x % n

    def pick(self, items):
        return items[self.below(len(items))]


def piece(random, groups):
    kind = random.below(100)
    if kind < 80:
        return random.pick(random.pick(groups))
    if kind < 88:  # any character but surrogates
        c = random.below(0x110000 - 0x800)
        return chr(c if c < 0xD800 else c + 0x800)
    if kind < 97:
        first, last = random.pick(FRAGMENTS["ranges"])
        return chr(first + random.below(last - first + 1))
    fragment = random.pick(random.pick(groups))
    return fragment * (1 + random.below(60))


def pieces(random, groups, count):
    result = []
    for _ in range(count):
        result.append(piece(random, groups))
        if random.below(2) == 0:
            result.append(" ")
    return result


def changed(random, groups, kept):
    result = []
    for one in kept:
        action = random.below(12)
        if action == 1:
            one = piece(random, groups)
        if action == 2:
            result.append(piece(random, groups))
        if action == 3:
            result.append(one)
        if action != 0:
            result.append(one)
    if result and random.below(4) == 0:  # turned round
        at = random.below(len(result))
        result = result[at:] + result[:at]
    return result


def long_sentences(random, count, change):
    """Without a full stop, about as long as Python's recursion bears."""
    answer, prediction = [], []
    for _ in range(count):
        word = "w%d " % random.below(2000)
        answer.append(word)
        if not change or random.below(8) != 0:
            prediction.append(word)
    return "".join(prediction), "".join(answer)


def make_pair(name, number, index):
    """Prediction, answer, classes."""
    random = Random(SEED, number, index)
    groups = [FRAGMENTS["groups"][group] for group in FRAGMENTS["metrics"][name]]
    if name.startswith("rouge") and index % 250 == 0:
        return *long_sentences(random, 984 + random.below(10), False), []
    if name.startswith("rouge") and index % 250 == 1:
        return *long_sentences(random, 400 + random.below(400), True), []
    shape = random.below(16)
    answer = pieces(random, groups, random.below(2) if shape == 0 else 1 + random.below(12))
    if shape == 1:
        prediction = pieces(random, groups, random.below(12))
    elif shape == 2:
        prediction = list(answer)
    else:
        prediction = changed(random, groups, answer)
    classes = []
    label = None  # the answer, or what the score asks of it
    if name == "classification":
        classes = [random.pick(groups[0]) for _ in range(1 + random.below(10))]
        label = random.pick(classes)
        if random.below(8) != 0:
            answer = [label]
    if name.startswith("retrieval") and random.below(40) != 0:
        label = "%d" % (1 + random.below(12))
        cue = "Paragraph " if name == "retrieval" else "\u6bb5\u843d"
        answer = answer[: random.below(3)] + [cue + label]
    if name == "count" and random.below(8) != 0:
        label = "%d" % (1 + random.below(12))
        answer = [label]
    if label is not None and random.below(2) == 0:
        prediction.append(label)
    return "".join(prediction), "".join(answer), classes


def hash_texts(state, *texts):
    """64-bit FNV-1a of UTF-8, with a zero byte behind each text."""
    for text in texts:
        for byte in text.encode("utf-8") + b"\0":
            state = (state ^ byte) * 0x100000001B3 & MASK
    return state


HASH_START = 0xCBF29CE484222325
