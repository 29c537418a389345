"""A training step of the bench model in PyTorch on the CPU, for comparison with `unfold bench cpu`.

The same decoder (RMSNorm, rotary attention with grouped key/value heads, gated MLP, tied head), batch
shape and optimizer; attention is PyTorch's scaled_dot_product_attention: causal, or under a dense
mask for gists. Prints one JSON object a line: attention, threads, seconds and cpu_seconds of the
fastest step, version.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.heads, self.kv_heads, self.head_width = shape.heads, shape.kv_heads, shape.head_width
        query, key = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
        self.attention_norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.qkv = nn.Linear(shape.width, query + 2 * key, bias=False)
        self.out = nn.Linear(query, shape.width, bias=False)
        self.mlp_norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.gate_up = nn.Linear(shape.width, 2 * shape.ffn, bias=False)
        self.down = nn.Linear(shape.ffn, shape.width, bias=False)

    def rotate(self, x, angles):
        """x (rows, length, heads, head width) -> (rows, heads, length, head width), rotated."""
        cosine, sine = angles
        first, second = x.transpose(1, 2).chunk(2, dim=-1)
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)

    def forward(self, x, angles, mask):
        rows, length, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(rows, length, -1, self.head_width)
        query, key, value = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=2)
        attended = F.scaled_dot_product_attention(
            self.rotate(query, angles), self.rotate(key, angles), value.transpose(1, 2),
            attn_mask=mask, is_causal=mask is None, enable_gqa=True)
        x = x + self.out(attended.transpose(1, 2).reshape(rows, length, -1))
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.head_width = shape.head_width
        self.embedding = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=1e-5)

    def loss(self, tokens, targets, mask):
        frequency = 10000.0 ** (-torch.arange(0, self.head_width, 2) / self.head_width)
        angle = torch.arange(tokens.shape[1])[:, None] * frequency
        angles = angle.cos(), angle.sin()
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, angles, mask)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def gist_mask(length, chunk, sinks=3):
    """Own chunk and the one before, sinks, gists; a gist behind every `chunk` tokens."""
    at = torch.arange(length)
    gist = at % (chunk + 1) == chunk
    order = at // (chunk + 1)
    near = order[:, None] - order[None] <= 1
    return (at[None] <= at[:, None]) & (near | gist[None] | (at < sinks)[None])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in [("vocab", 8192), ("width", 256), ("layers", 8), ("heads", 8),
                          ("kv-heads", 4), ("head-width", 32), ("ffn", 768), ("rows", 4),
                          ("length", 1024), ("threads", 1), ("least", 3)]:
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--seconds", type=float, default=5.0, help="time to measure for")
    parser.add_argument("--chunk", type=int, default=0, help="raw tokens a gist; 0: causal")
    shape = parser.parse_args()
    torch.set_num_threads(shape.threads)
    torch.manual_seed(1)
    model = Decoder(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens, targets = torch.randint(0, shape.vocab, (2, shape.rows, shape.length))
    mask = gist_mask(shape.length, shape.chunk) if shape.chunk else None

    def step():
        loss = model.loss(tokens, targets, mask)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    best, total, done = (float("inf"), 0.0), 0.0, 0
    while done < shape.least or total < shape.seconds:
        begin, cpu = time.perf_counter(), time.process_time()
        step()
        taken = time.perf_counter() - begin, time.process_time() - cpu
        best, total, done = min(best, taken), total + taken[0], done + 1
    print(json.dumps({"attention": f"gist {shape.chunk}" if shape.chunk else "causal",
                      "threads": torch.get_num_threads(), "seconds": best[0],
                      "cpu_seconds": best[1], "version": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
