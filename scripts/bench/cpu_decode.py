#!/usr/bin/env python3
"""Decoding on a CPU beside transformers: tokens/s of both, greedy, batch 1, in one run.

usage: scripts/bench/cpu_decode.py UNFOLD RUN GGUF [--tokens 256] [--threads 2] [--rounds 3]

UNFOLD is the program, RUN what `unfold import GGUF` wrote. Needs torch, transformers, gguf and
accelerate. The two sides take turns, so that a noisy machine shows in both; ours counts the tokens
behind the prompt, as does transformers' generate() less its first token.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT = "Once upon a time, there was a"


def ours(arguments):
    command = [arguments.unfold, "generate", arguments.run, "--prompt", PROMPT, "--temperature", "0",
               "--method", "full", "--max-tokens", str(arguments.tokens)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads))
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    found = re.search(r"then (\d+) tokens \(([\d.]+) tokens/s\)", result.stderr)
    if not found:
        sys.exit(f"no speed in what generate said:\n{result.stderr}")
    return float(found[2])


def theirs(model, ids, tokens):
    def seconds(count):
        begin = time.perf_counter()
        with torch.inference_mode():
            model.generate(ids, max_new_tokens=count, min_new_tokens=count, do_sample=False,
                           pad_token_id=0)
        return time.perf_counter() - begin
    first = seconds(1)
    return (tokens - 1) / (seconds(tokens) - first)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("unfold")
    parser.add_argument("run")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder, name = str(arguments.gguf.parent), arguments.gguf.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    models = {}
    for dtype in (torch.float32, torch.bfloat16):
        models[dtype] = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=dtype).eval()
    speeds = {"unfold float32": []} | {f"transformers {dtype}".replace("torch.", ""): [] for dtype in models}
    for _ in range(arguments.rounds):
        speeds["unfold float32"].append(ours(arguments))
        for dtype, model in models.items():
            speeds[f"transformers {dtype}".replace("torch.", "")].append(theirs(model, ids, arguments.tokens))
    for name, values in speeds.items():
        print(f"{name:24} median {statistics.median(values):6.2f} tokens/s  of",
              " ".join(f"{value:.2f}" for value in values))


if __name__ == "__main__":
    main()
