"""Makes the golden files of tests/models/hugging_face_golden_test.cpp: tiny random models written by
transformers, and the logits it computes for them in float32.

    python tests/golden/make_hugging_face.py      (torch, transformers 5, safetensors)

Each case is a folder of tests/golden/hugging_face: config.json, weights, and expected.safetensors
with `ids` (as float32) and `logits` of plain causal attention. The case llama_gist also has
`gist_ids`, `gist_levels` and `gist_logits`: one row with gists under the mask of METHOD.md section 5
(chunks of 4, one sink, one previous chunk), given as a 4-D mask with explicit position ids.
"""

import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config

FOLDER = pathlib.Path(__file__).parent / "hugging_face"
VOCABULARY = 40
LENGTH = 48
SHAPE = dict(
    vocab_size=VOCABULARY,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    rms_norm_eps=1e-5,
    bos_token_id=None,
    eos_token_id=0,
)


def rope(kind, **more):
    return {"rope_type": kind, "rope_theta": 10000.0, **more}


LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
CASES = {
    "llama_tied": LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "llama_untied": LlamaConfig(**{**SHAPE, "num_key_value_heads": 4}),
    "llama_head_dim": LlamaConfig(**SHAPE, head_dim=8),
    "llama_llama3": LlamaConfig(**{**SHAPE, "hidden_size": 32}, rope_parameters=LLAMA3),
    "llama_linear": LlamaConfig(**SHAPE, rope_parameters=rope("linear", factor=4.0)),
    "llama_dynamic": LlamaConfig(**{**SHAPE, "max_position_embeddings": 16},
                                 rope_parameters=rope("dynamic", factor=2.0)),
    "llama_yarn": LlamaConfig(**{**SHAPE, "hidden_size": 32},
                              rope_parameters=rope("yarn", factor=4.0,
                                                   original_max_position_embeddings=16)),
    "llama_yarn_factor": LlamaConfig(**{**SHAPE, "hidden_size": 32},
                                     rope_parameters=rope("yarn", factor=4.0, attention_factor=0.8,
                                                          beta_fast=16.0, beta_slow=2.0,
                                                          original_max_position_embeddings=16)),
    "qwen2": Qwen2Config(**SHAPE, use_sliding_window=False),
    "mistral": MistralConfig(**SHAPE, sliding_window=None),
    "llama_gist": LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "llama_bfloat16": LlamaConfig(**SHAPE),
    "llama_float16": LlamaConfig(**SHAPE),
    # As files of transformers 4 spell it.
    "llama_old_spelling": LlamaConfig(**{**SHAPE, "hidden_size": 32}, rope_parameters=LLAMA3),
}


def gist_row(raw, chunk, sinks, generator):
    """Ids and levels (-1 raw, 0 gist) of raw tokens with a gist behind each chunk (section 3, by
    count) and a raw suffix of 6 tokens."""
    ids, levels = [], []
    token = lambda: int(torch.randint(1, VOCABULARY - 1, (1,), generator=generator))
    for i in range(1, raw + 1):
        ids.append(token())
        levels.append(-1)
        if (i > sinks and (i - sinks) % chunk == 0) or i == raw:
            ids.append(VOCABULARY - 1)
            levels.append(0)
    return ids + [token() for _ in range(6)], levels + [-1] * 6


def gist_mask(levels, sinks, previous):
    """METHOD.md section 5, one level: True where the query (row) sees the key (column)."""
    count = len(levels)
    closed = [sum(level == 0 for level in levels[:t]) for t in range(count)]
    raw_before = [sum(level < 0 for level in levels[:t]) for t in range(count)]
    mask = torch.zeros(count, count, dtype=torch.bool)
    for q in range(count):
        for k in range(q + 1):
            mask[q, k] = (closed[k] == closed[q] or 0 < closed[q] - closed[k] <= previous
                          or levels[k] == 0 or (levels[k] < 0 and raw_before[k] < sinks))
    return mask


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    for index, (name, config) in enumerate(CASES.items()):
        generator = torch.Generator().manual_seed(index)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(1 + 0.2 * noise if "norm" in parameter_name else 0.25 * noise)
        small = {"llama_bfloat16": torch.bfloat16, "llama_float16": torch.float16}.get(name)
        if small is not None:  # the numbers of the file, computed with in float32
            model = model.to(small)
        model.save_pretrained(FOLDER / name, max_shard_size="10KB" if small else "5GB")
        if small is not None:  # not model.float(), which keeps rotary frequencies rounded
            model = AutoModelForCausalLM.from_pretrained(
                FOLDER / name, dtype=torch.float32, attn_implementation="eager").eval()
        (FOLDER / name / "generation_config.json").unlink(missing_ok=True)
        if name == "llama_old_spelling":
            file = FOLDER / name / "config.json"
            spelt = json.loads(file.read_text())
            spelt["rope_scaling"] = spelt.pop("rope_parameters")
            spelt["rope_theta"] = spelt["rope_scaling"].pop("rope_theta")
            spelt["rope_scaling"]["type"] = spelt["rope_scaling"].pop("rope_type")
            file.write_text(json.dumps(spelt, indent=2))
        ids = torch.randint(0, VOCABULARY, (1, LENGTH), generator=generator)
        with torch.no_grad():
            expected = {"ids": ids[0].float(), "logits": model(ids).logits[0].contiguous()}
            if name == "llama_gist":
                row, levels = gist_row(30, chunk=4, sinks=1, generator=generator)
                mask = torch.where(gist_mask(levels, sinks=1, previous=1), 0.0, -1e30)
                positions = [t - sum(level == 0 for level in levels[:t + 1])
                             for t in range(len(levels))]
                logits = model(torch.tensor([row]), attention_mask=mask[None, None],
                               position_ids=torch.tensor([positions])).logits[0]
                expected["gist_ids"] = torch.tensor(row).float()
                expected["gist_levels"] = torch.tensor(levels).float()
                expected["gist_logits"] = logits.contiguous()
        save_file(expected, FOLDER / name / "expected.safetensors")


if __name__ == "__main__":
    main()
