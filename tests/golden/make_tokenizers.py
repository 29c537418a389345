#!/usr/bin/env python3
"""Writes tokenizers.json: small tokenizers of every kind, trained with the Python library, and the
ids it gives for texts with the oddities that tell tokenizers apart.

    python3 tests/golden/make_tokenizers.py

Needs the package tokenizers. Uses the trainers of scripts/bench/tokenizer_parity.py.
"""
import json
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "scripts" / "bench"))
import tokenizer_parity as parity  # noqa: E402

TEXTS = [
    "", " ", "Hello world, it's 12345 o'clock.", "I'VE we'Re don'T 'sit '\u017f x'll", "  leading and trailing  ",
    "a\n\n b\r\n\r\n  c \t d\n", "\u00a0\u3000x\u2003 \u0085y\u180ez", "tabs\t\tand\x0b\x0cmore",
    "\u4e2d\u6587\u5b57\u7b26\u548c\u65e5\u672c\u8a9e 123\uff14\uff15 \ud55c\uad6d\uc5b4",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0661\u0662\u0663 \u05e2\u05d1\u05e8\u05d9\u05ea",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
    "cafe\u0301 caf\u00e9 \u212b \u1100\u1161\u11a8 a\u0323\u0307 a\u0307\u0323",
    "\u2160\u2161 \u00bd\u00b2 \u0967\u0968 \U0001d7d8 \U00010d40", "x = [i**2 for i in range(10)]  # !!\n\n\n",
    "<|endoftext|><|im_start|>user\nHi<|im_end|>\n<|eot_id|><|begin_of_text|>",
    " <mask> <tail>  \n<both> x<mask>the  word words word, sword <im <im_end the  the",
    "a" * 300 + " " + "=" * 120 + " " + "ab" * 200, "\ufeffbom\ufffd\uffff\x00nul",
]
rng = random.Random(5)
sample = [parity.english(rng, 40_000), parity.code(rng, 10_000),
          parity.script(rng, 0x4E00, 0x4EFF, 4000, 0.1), parity.script(rng, 0x0400, 0x04FF, 4000, 0.1)]
for make in (parity.contractions, parity.spaces, parity.marks, parity.any_characters):
    TEXTS.append(make(rng, 600))
# JSON cannot hold a lone surrogate, and the texts have none.
golden = []
for kind in ("gpt2", "llama3", "qwen2", "smollm2", "odd"):
    tokenizer = parity.train(kind, sample, 700)
    cases = []
    for text in TEXTS:
        tokenizer.encode_special_tokens = False
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        framed = tokenizer.encode(text, add_special_tokens=True).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids, "plain": plain, "before": framed[:len(framed) - len(ids)]})
    golden.append({"kind": kind, "tokenizer": json.loads(tokenizer.to_str()), "cases": cases})
target = HERE / "tokenizers.json"
target.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(target, target.stat().st_size, "bytes")
