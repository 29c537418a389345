#!/usr/bin/env python3
"""Hashes of the prompts that LongBench's own evaluation (pred.py) makes.

    python3 tests/golden/make_longbench_prompts.py CONFIG

CONFIG: folder of LongBench's dataset2prompt.json. Writes longbench_prompts.json beside this file:
for every dataset the SHA-256 of its template, filled with a made-up record.

    python3 tests/golden/make_longbench_prompts.py CONFIG RECORDS TOKENIZER LENGTH OUT

RECORDS: folder of NAME.jsonl; TOKENIZER: a Hugging Face tokenizer folder, with a chat template or
without; LENGTH: tokens a prompt may have. Writes to OUT the hashes of whole prompts, truncated and
in the chat template as pred.py does it: for the test LongBenchPrompts.OfRealRecords, which reads
them where the environment names the files. Needs transformers.
"""
import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Asked without the chat template: few-shot and code.
PLAIN = ["trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"]
RECORD = {"context": "A {context} of two lines,\n\u4e2d\u6587 and {{braces}}.", "input": "Which {input}? \u20ac\n"}


def digest(text):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def made_up(prompts):
    return {name: digest(text.format(**RECORD)) for name, text in prompts.items()}


def whole(prompts, records, tokenizer, length):
    hashes = {}
    for name, text in prompts.items():
        path = records / f"{name}.jsonl"
        if not path.exists():
            continue
        hashes[name] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            prompt = text.format(**json.loads(line))
            tokens = tokenizer(prompt, truncation=False).input_ids
            if len(tokens) > length:
                half = int(length / 2)
                prompt = (tokenizer.decode(tokens[:half], skip_special_tokens=True) +
                          tokenizer.decode(tokens[-half:], skip_special_tokens=True))
            if name not in PLAIN and tokenizer.chat_template:
                prompt = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False,
                                                       add_generation_prompt=True)
            hashes[name].append(digest(prompt))
    return hashes


def main():
    prompts = json.loads((pathlib.Path(sys.argv[1]) / "dataset2prompt.json").read_text(encoding="utf-8"))
    if len(sys.argv) == 2:
        out = HERE / "longbench_prompts.json"
        hashes = {"context": RECORD["context"], "input": RECORD["input"], "sha256": made_up(prompts)}
    else:
        import transformers
        tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[3])
        out = pathlib.Path(sys.argv[5])
        hashes = whole(prompts, pathlib.Path(sys.argv[2]), tokenizer, int(sys.argv[4]))
    out.write_text(json.dumps(hashes, indent=0) + "\n", encoding="utf-8")


main()
