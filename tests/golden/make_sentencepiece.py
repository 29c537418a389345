#!/usr/bin/env python3
"""Writes sentencepiece.json beside this file: a small SentencePiece BPE model and what it encodes.

The model is trained here, on text made here; the file holds its pieces, scores and types as GGUF has
them, and texts with the ids that the Python package sentencepiece gives.

usage: make_sentencepiece.py            needs the package sentencepiece
"""
import io
import json
import pathlib
import random

import sentencepiece

TEXTS = [
    "",
    "a",
    " a",
    "The quick brown fox jumps over the lazy dog.",
    "  two  spaces   three ",
    "the theme of these themes",
    "12345 + 67 = 12412",
    "tabs\tand\nline ends\n\n\n",
    "caf\u00e9 na\u00efve \u00fcber",
    "\u65e5\u672c\u8a9e \u4e2d\u6587",
    "\U0001f600\U0001f468\u200d\U0001f469 \u0627\u0644\u0639",
    "thethethethethethethe ofofofof",
    "x" * 70 + " " + "the" * 40,
]


def corpus(count):
    draw = random.Random(7)
    syllables = ["the", "of", "ing", "ka", "lo", "str", "er", "mi", "an", "qu", "ick", "ove", "j"]
    letters = "abcdefghijklmnopqrstuvwxyz.,'0123456789"
    for _ in range(count):
        words = []
        for _ in range(draw.randint(3, 12)):
            word = "".join(draw.choice(syllables) for _ in range(draw.randint(1, 3)))
            words.append(word if draw.random() < 0.9 else word + draw.choice(letters))
        yield " ".join(words)
    yield letters


def main():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(3000),
        model_writer=model,
        vocab_size=500,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=1.0,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = range(processor.get_piece_size())

    def kind(i):
        if processor.is_unknown(i):
            return 2
        if processor.is_control(i):
            return 3
        return 6 if processor.is_byte(i) else 1

    result = {
        "tokens": [processor.id_to_piece(i) for i in pieces],
        "scores": [processor.get_score(i) for i in pieces],
        "types": [kind(i) for i in pieces],
        "texts": [{"text": text, "ids": processor.encode(text)} for text in TEXTS],
    }
    path = pathlib.Path(__file__).with_name("sentencepiece.json")
    path.write_text(json.dumps(result) + "\n")


main()
