"""A Llama-type decoder in plain PyTorch, and the gist mask as a dense matrix.

Written from docs/method.md, not from Unfold's sources, so that loss_curves.py compares two
programs. Parameters are named as in Unfold's model.h5: load_state_dict takes them as they are.
Query, key and value are one matrix, gate and up another; the head takes raw tokens as classes, not
gists.
"""
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


def visible(levels, documents, gist):
    """Which keys a query sees (section 5): (rows, queries, keys), true where it does.

    levels, documents (rows, length): gist level, -1 for a raw token; document, -1 for padding.
    gist: top (highest level), sinks, previous_chunks. Counts run over the row, not the document:
    they are only compared within one.
    """
    length = levels.shape[1]
    at = torch.arange(length, device=levels.device)
    query, key = (lambda x: x[:, :, None]), (lambda x: x[:, None, :])
    starts = torch.ones_like(documents, dtype=torch.bool)
    starts[:, 1:] = documents[:, 1:] != documents[:, :-1]
    first = torch.where(starts, at, 0).cummax(dim=1).values
    seen = (key(levels) == gist.top) | key(at - first < gist.sinks)  # (a), (f)
    for level in range(gist.top + 1):
        of_level = levels == level
        before = of_level.cumsum(dim=1) - of_level.long()  # C_l
        behind = query(before) - key(before)
        if level < gist.top:
            above = (levels > level).cumsum(dim=1)  # H_l
            seen = seen | key(of_level) & (key(above) == query(above))  # (b)
        near = (behind > 0) & (behind <= gist.previous_chunks)
        if level == 0:
            seen = seen | query(levels <= 0) & ((behind == 0) | near)  # (c)
        else:
            lower = key(levels == level - 1)
            seen = seen | lower & query(of_level) & (behind == 0)  # (d)
            seen = seen | lower & query(levels <= level) & near  # (e)
    seen = seen & (query(documents) == key(documents))
    return (seen & (at[None] <= at[:, None])) | torch.eye(length, dtype=torch.bool,
                                                          device=levels.device)


def rotate(x, angles):
    """x (rows, heads, length, head width): halves turned by cosines and sines, rounded once."""
    cosine, sine = angles
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
    return turned.to(x.dtype)


class Norm(nn.RMSNorm):
    """RMSNorm; with shape.elsewhere the normalised value is rounded before the weight."""

    def __init__(self, shape):
        super().__init__(shape.width, eps=shape.norm_eps)
        self.elsewhere = shape.elsewhere

    def forward(self, x):
        if not self.elsewhere:
            return super().forward(x)
        wide = x.float()
        return (wide * (wide.square().mean(-1, keepdim=True) + self.eps).rsqrt()).to(
            x.dtype) * self.weight


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.heads, self.kv_heads, self.head_width = shape.heads, shape.kv_heads, shape.head_width
        self.backends = [SDPBackend.MATH] if shape.elsewhere else [
            SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
        query, key = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
        self.qkv = nn.Linear(shape.width, query + 2 * key, bias=shape.qkv_bias)
        self.out = nn.Linear(query, shape.width, bias=False)

    def forward(self, x, angles, mask):
        rows, length, _ = x.shape
        qkv = self.qkv(x).view(rows, length, -1, self.head_width).transpose(1, 2)
        query, key, value = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        # Repeated by hand: with a mask not every kernel takes grouped heads.
        key, value = (part.repeat_interleave(self.heads // self.kv_heads, dim=1)
                      for part in (rotate(key, angles), value))
        with sdpa_kernel(self.backends):
            attended = F.scaled_dot_product_attention(rotate(query, angles), key, value,
                                                      attn_mask=mask, is_causal=mask is None)
        return self.out(attended.transpose(1, 2).reshape(rows, length, -1))


class Mlp(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.elsewhere = shape.elsewhere
        self.gate_up = nn.Linear(shape.width, 2 * shape.ffn, bias=False)
        self.down = nn.Linear(shape.ffn, shape.width, bias=False)

    def forward(self, x):
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        if self.elsewhere:
            return self.down((F.silu(gate.float()) * up.float()).to(x.dtype))
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.attention_norm = Norm(shape)
        self.attention = Attention(shape)
        self.mlp_norm = Norm(shape)
        self.mlp = Mlp(shape)

    def forward(self, x, angles, mask):
        x = x + self.attention(self.attention_norm(x), angles, mask)
        return x + self.mlp(self.mlp_norm(x))


class Decoder(nn.Module):
    """shape: the attribute `decoder` of model.h5; extra_rows: gists and links behind the tokens.

    elsewhere: the same model, its values rounded at other places (norms twice, SwiGLU once,
    attention composed of plain products): in bfloat16 as good as the first, and not equal.
    """

    def __init__(self, shape, extra_rows, elsewhere=False):
        super().__init__()
        if shape["rope_scaling"] != "none":
            raise SystemExit(f"model.rope.scaling {shape['rope_scaling']}: not written here")
        self.shape = shape = SimpleNamespace(**shape, elsewhere=elsewhere)
        shape.head_width = shape.head_dim or shape.width // shape.heads
        self.embedding = nn.Embedding(shape.vocab_size + extra_rows, shape.width)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape)
        if not shape.tied_embeddings:
            self.head = nn.Linear(shape.width, shape.vocab_size + extra_rows, bias=False)

    def angles(self, positions):
        exponent = torch.arange(0, self.shape.head_width, 2, device=positions.device).double()
        frequency = self.shape.rope_theta ** (-exponent / self.shape.head_width)
        angle = positions[:, None, :, None] * frequency
        return angle.cos().float(), angle.sin().float()

    def loss_sum(self, tokens, targets, positions, mask):
        """Sum of the cross entropy over all targets; mask None: causal."""
        angles = self.angles(positions)
        mask = None if mask is None else mask[:, None]
        x = self.embedding(tokens)
        for block in self.layers:
            x = block(x, angles, mask)
        head = self.embedding.weight if self.shape.tied_embeddings else self.head.weight
        logits = F.linear(self.norm(x), head[:self.shape.vocab_size])
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-1,
                               reduction="sum")
