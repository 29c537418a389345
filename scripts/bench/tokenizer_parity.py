#!/usr/bin/env python3
"""Compares `unfold tokenize` and `detokenize` with the Python `tokenizers` library, ids and speed.

    python3 scripts/bench/tokenizer_parity.py [--unfold PROGRAM] [--books FOLDER] [--gguf FILE]
                                              [--megabytes 12] [--work FOLDER] [FILE.json ...]

Trains a small tokenizer of each type (GPT-2, Llama 3, Qwen2, SmolLM2, and one with the odd options),
makes mixed text (English, code, CJK, Arabic, emoji, odd white space, very long words, invalid bytes),
and compares every id. --gguf adds the tokenizer of a GGUF file, FILE.json any other. Speed: one
thread of each on the same text, in this run; Unfold's time includes starting the program, reading
the text and writing the ids. Needs the package tokenizers, and gguf for --gguf.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,  # noqa: E402
                        pre_tokenizers, processors, trainers)

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"\p{N}{1,3}" + REST
QWEN2 = CONTRACTIONS + r"\p{N}" + REST
SPACES = " \t\n\r\v\f\x85\xa0\u1680\u180e\u2000\u2003\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
ENDINGS = ["'s", "'S", "'t", "'LL", "'ve", "'Re", "'d", "'m", "'\u017f", "'x", "''s", "\u2019s"]


def syllable_words(rng, alphabet, count):
    words = ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 4))) for _ in range(3000)]
    return [words[min(int(rng.paretovariate(0.8)), 2999)] for _ in range(count)]


def english(rng, size):
    syllables = "the ing er un con tion al re de st ly men in at on is or an to ed ough str".split()
    words = syllable_words(rng, syllables, size // 5)
    marks = [" "] * 14 + [", ", ". ", ".\n\n", "? ", "\n", " - ", "; ", "'s ", "\u2019s ", " (", ") "]
    return "".join(w + rng.choice(marks) for w in words)


def code(rng, size):
    lines = ["    for (int i = 0; i < {}; ++i) {{\n", "\t\tif x_{} != None:\n", "def f{}(self):\n",
             "        return self.value[{}] + 0x{:x}\n", "\n\n", "# ---- {} ----\n", "}};  // {}\r\n",
             "import os, sys  \n", 'print("a\\n{}")\n', "<div class=\"c{}\">&nbsp;</div>\n",
             "SELECT * FROM t{} WHERE id=12345678;\n"]
    return "".join(rng.choice(lines).format(rng.randint(0, 99999), rng.randint(0, 9999))
                   for _ in range(size // 25))


def script(rng, first, last, size, gap):
    chars = [chr(c) for c in range(first, last) if chr(c).isprintable()]
    return "".join(rng.choice(chars) + (rng.choice(" \u3002\uff0c\n") if rng.random() < gap else "")
                   for _ in range(size))


def emoji(rng, size):
    faces = [chr(c) for c in range(0x1F300, 0x1F6FF)]
    tails = ["", "", "\ufe0f", "\u200d\u2640\ufe0f", "\U0001f3fd", " ", "\n"]
    return "".join(rng.choice(faces) + rng.choice(tails) for _ in range(size // 5))


def spaces(rng, size):
    return "".join(rng.choice(["a", "1", ".", "x ", ""]) +
                   "".join(rng.choice(SPACES) for _ in range(rng.randint(1, 6)))
                   for _ in range(size // 8))


def long_words(rng, size):
    text = ""
    while len(text) < size:
        kind = rng.randint(0, 4)
        n = rng.randint(100, 6000)
        text += ["a" * n, "".join(rng.choice("acgt") for _ in range(n)), "=" * n, "9" * n,
                 "".join(rng.choice("\u4e00\u4e8c\u4e09e\u0301") for _ in range(n))][kind] + " "
    return text


def any_characters(rng, size):
    return "".join(chr(c if c < 0xD800 else c + 0x800)
                   for c in (rng.randrange(0x110000 - 0x800) for _ in range(size // 4)))


def contractions(rng, size):
    return "".join(rng.choice(["I", "we", "\u00e9", "9", " ", "\n", "don"]) + rng.choice(ENDINGS) +
                   rng.choice(["", " ", "it", "\n"]) for _ in range(size // 6))


def marks(rng, size):
    """Letters with several combining marks in any order: what NFC has to put right."""
    bases = "aeoAnou\u0391\u1100\u1161\uac00\u0915\u212b\u2126\u1e9b\u0344\u0958\ufb1d"
    above = [chr(c) for c in range(0x300, 0x370)] + ["\u093c", "\u11a8", "\u0327", "\u0323"]
    return "".join(rng.choice(bases) + "".join(rng.choice(above) for _ in range(rng.randint(0, 3)))
                   for _ in range(size // 4))


def special(rng, size, names):
    return "".join(rng.choice(["text", " ", "\n\n", "x", ".", "\u00e9"]) + rng.choice(names) +
                   rng.choice(["", " ", "  \n", "word", "<|"]) for _ in range(size // 14))


def mixed_text(rng, megabytes, books, names):
    unit = 60_000
    makers = [lambda: english(rng, unit), lambda: code(rng, unit),
              lambda: script(rng, 0x4E00, 0x9FFF, unit // 3, 0.1),
              lambda: script(rng, 0x3041, 0x30FF, unit // 6, 0.05),
              lambda: script(rng, 0xAC00, 0xD7A3, unit // 6, 0.2),
              lambda: script(rng, 0x0620, 0x06D3, unit // 4, 0.2),
              lambda: script(rng, 0x0400, 0x04FF, unit // 4, 0.15),
              lambda: script(rng, 0x0900, 0x0980, unit // 6, 0.2),
              lambda: emoji(rng, unit // 4), lambda: spaces(rng, unit // 4),
              lambda: long_words(rng, unit), lambda: any_characters(rng, unit // 4),
              lambda: contractions(rng, unit // 8), lambda: marks(rng, unit // 8),
              lambda: special(rng, unit // 8, names)]
    shelf = sorted(pathlib.Path(books).rglob("*.md")) if books else []
    text = bytearray()
    while len(text) < megabytes * 1_000_000:
        for make in makers:
            text += make().encode()
        if shelf:
            book = rng.choice(shelf).read_bytes()
            at = rng.randrange(max(1, len(book) - 200_000))
            text += book[at:at + 200_000]  # cut anywhere: also inside a character
        text += bytes(rng.randrange(256) for _ in range(2000))
        text += b"ok\xff\xe2\x82 \xf0\x9f\x98 \xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80 end"
    return bytes(text)


def train(kind, sample, vocabulary=6000):
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=kind == "odd", use_regex=True)
    plain_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = {
        "gpt2": lambda: byte_level,
        "odd": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(False), byte_level]),
        "llama3": lambda: pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), plain_bytes]),
        "qwen2": lambda: pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(QWEN2), "isolated"), plain_bytes]),
        "smollm2": lambda: pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), byte_level]),
    }[kind]()
    if kind in ("qwen2", "odd"):
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    names = {"llama3": ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]}.get(
        kind, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=names, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(sample, trainer)
    if kind == "odd":
        tokenizer.add_special_tokens([
            AddedToken("<mask>", lstrip=True), AddedToken("<tail>", rstrip=True),
            AddedToken("<both>", lstrip=True, rstrip=True), AddedToken("<im", single_word=False)])
        tokenizer.add_tokens([
            AddedToken("word", single_word=True, normalized=True), AddedToken("caf\u00e9", normalized=True),
            AddedToken("the", normalized=False), AddedToken("  ", normalized=False)])
    if kind == "llama3":
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|begin_of_text|> $A",
                                          special_tokens=[("<|begin_of_text|>", 0)])])
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=kind != "qwen2")
    return tokenizer


def from_gguf(path):
    """The tokenizer of a GGUF file of model gpt2, as SmolLM2's tokenizer.json has it."""
    import gguf
    reader = gguf.GGUFReader(path)
    field = lambda name: reader.fields[name].contents()  # noqa: E731
    tokens, types, merges = (field("tokenizer.ggml." + n) for n in ("tokens", "token_type", "merges"))
    if field("tokenizer.ggml.pre") not in ("smollm", "smaug-bpe"):
        sys.exit(f"{path}: pre-tokenizer {field('tokenizer.ggml.pre')}: smollm is expected")
    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([t for t, kind in zip(tokens, types) if kind == 3])
    return tokenizer


def byte_letters():
    """The byte alphabet: bytes that print stand for themselves, the others for U+0100 and on."""
    prints = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in prints]
    return {b: chr(b) for b in prints} | {b: chr(256 + i) for i, b in enumerate(others)}


def pair_merges(path):
    """The same file with its merges in the other of the two forms."""
    root = json.loads(path.read_text())
    merges = root["model"]["merges"]
    root["model"]["merges"] = [" ".join(m) if isinstance(m, list) else m.split(" ") for m in merges]
    other = path.with_name("other-merges.json")
    other.write_text(json.dumps(root))
    return other


def run(program, command, data):
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    began = time.perf_counter()
    done = subprocess.run([program, *command], input=data, capture_output=True, env=environment)
    if done.returncode:
        sys.exit(f"unfold {' '.join(command)}: {done.stderr.decode()}")
    return done.stdout, time.perf_counter() - began


def compare(name, tokenizer, path, data, program):
    text = data.decode(errors="replace")
    size = len(text.encode()) * 1e-6
    began = time.perf_counter()
    expected = tokenizer.encode(text, add_special_tokens=False).ids
    theirs = time.perf_counter() - began
    ids_line, ours = run(program, ["tokenize", "--tokenizer", str(path)], data)
    ids = list(map(int, ids_line.split()))
    same = ids == expected
    if not same:
        at = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b), min(len(ids), len(expected)))
        show = lambda some: [tokenizer.id_to_token(i) for i in some[max(0, at - 4):at + 6]]  # noqa: E731
        print(f"  differs at token {at}\n    theirs {show(expected)}\n    ours   {show(ids)}")
    tokenizer.encode_special_tokens = True
    expected = tokenizer.encode(text, add_special_tokens=True).ids
    tokenizer.encode_special_tokens = False
    plain, _ = run(program, ["tokenize", "--special", "plain", "--add-special", "--tokenizer",
                             str(path)], data)
    same_plain = list(map(int, plain.split())) == expected
    other, _ = run(program, ["tokenize", "--tokenizer", str(pair_merges(path))], data)
    back, _ = run(program, ["detokenize", "--tokenizer", str(path)], ids_line)
    whole = text
    if tokenizer.normalizer is not None:
        whole = tokenizer.normalizer.normalize_str(text)
    whole = whole.encode()
    vocabulary = tokenizer.get_vocab()
    for byte, letter in byte_letters().items():
        if letter not in vocabulary:  # both leave such a byte out
            whole = whole.replace(bytes([byte]), b"")
    returns = "by design not" if name == "odd" else "yes" if back == whole else "NO"
    verdict = same and same_plain and other == ids_line and returns != "NO"
    print(f"{name:9} {size:6.1f} MB {len(ids):9} ids  same: {'yes' if same else 'NO'}, special as text: "
          f"{'yes' if same_plain else 'NO'}, other merges: {'yes' if other == ids_line else 'NO'}, "
          f"text comes back: {returns}  "
          f"MB/s: library {size / theirs:.2f}, unfold {size / ours:.2f}, {theirs / ours:.1f}x")
    return verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--unfold", default="build/release/unfold")
    parser.add_argument("--books", default="", help="folder of .md texts to mix in")
    parser.add_argument("--gguf", default="")
    parser.add_argument("--megabytes", type=float, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--types", default="gpt2,llama3,qwen2,smollm2,odd")
    parser.add_argument("--work", default="tokenizer-parity")
    parser.add_argument("files", nargs="*", help="more tokenizer.json files")
    arguments = parser.parse_args()
    work = pathlib.Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    rng = random.Random(arguments.seed)
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>",
             "<mask>", "<tail>", "<both>", "<im", "word", "cafe\u0301", "caf\u00e9"]
    data = mixed_text(rng, arguments.megabytes, arguments.books, names)
    (work / "mixed.txt").write_bytes(data)
    text = data.decode(errors="replace")
    sample = [text[i:i + 10_000] for i in range(0, min(len(text), 3_000_000), 10_000)]
    cases = [(kind, train(kind, sample)) for kind in filter(None, arguments.types.split(","))]
    if arguments.gguf:
        cases.append(("gguf", from_gguf(arguments.gguf)))
    cases += [(pathlib.Path(f).parent.name or f, Tokenizer.from_file(f)) for f in arguments.files]
    good = True
    for name, tokenizer in cases:
        path = work / f"{name}.json"
        tokenizer.save(str(path))
        good &= compare(name, tokenizer, path, data, arguments.unfold)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
