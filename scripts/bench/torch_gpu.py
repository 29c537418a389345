"""A training step, or gist attention alone, of a tuned PyTorch on a GPU.

To put beside `unfold bench train` and `unfold bench attention`, in one call on one GPU:

    torch_gpu.py train --shape 135m --rows 8 --length 4096 --chunk 16
    torch_gpu.py attention --length 32768 --heads 32 --kv-heads 8 --width 64

Compiled, with products and FlexAttention autotuned; causal attention on cuDNN. Keys come in
another order, gists first, so that FlexAttention skips whole blocks of them. Weights and moments
of AdamW are bfloat16, without float32 masters, and gradients are not clipped: less work than
Unfold's step. Prints one JSON object: what, milliseconds (the median), positions a second, peak
GiB, seconds of compiling.
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import torch_decoder

DEVICE = "cuda"
LLAMA = {"head_dim": 0, "norm_eps": 1e-5, "qkv_bias": False, "tied_embeddings": True,
         "rope_theta": 1e5, "rope_scaling": "none"}
SHAPES = {
    "135m": LLAMA | {"vocab_size": 49152, "width": 576, "layers": 30, "heads": 9, "kv_heads": 3,
                     "ffn": 1536},
    "1b": LLAMA | {"vocab_size": 128256, "width": 2048, "layers": 16, "heads": 32, "kv_heads": 8,
                   "ffn": 8192},
}


def gists(length, chunk, sinks=4, previous=1):
    """A gist behind every `chunk` tokens: order of the keys, mask of blocks, rotary positions."""
    at = torch.arange(length, device=DEVICE)
    is_gist, of_chunk = at % (chunk + 1) == chunk, at // (chunk + 1)
    order = torch.cat([at[is_gist], at[~is_gist]])

    def sees(_batch, _head, query, key):
        key = order[key]
        near = of_chunk[query] - of_chunk[key] <= previous
        return (key <= query) & (near | is_gist[key] | (key < sinks))

    mask = create_block_mask(sees, None, None, length, length, device=DEVICE, _compile=True)
    return order, mask, at - is_gist.cumsum(0)


class Attention(torch_decoder.Attention):
    """Grouped heads without repeating keys; causal, or over gists."""

    def __init__(self, shape, order_and_mask):
        super().__init__(shape)
        self.order_and_mask = order_and_mask

    def forward(self, x, angles, mask):
        rows, length, _ = x.shape
        qkv = self.qkv(x).view(rows, length, -1, self.head_width).transpose(1, 2)
        query, key, value = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        query, key = (torch_decoder.rotate(part, angles) for part in (query, key))
        if self.order_and_mask is None:
            attended = F.scaled_dot_product_attention(query, key, value, is_causal=True,
                                                      enable_gqa=True)
        else:
            order, blocks = self.order_and_mask
            attended = flex_attention(query, key[:, :, order], value[:, :, order],
                                      block_mask=blocks, enable_gqa=True)
        return self.out(attended.transpose(1, 2).reshape(rows, length, -1))


def median_ms(run, times=10, warm_up=3):
    """Of the device, from event to event, and the seconds that the first run took."""
    begin = time.perf_counter()
    run()
    torch.cuda.synchronize()
    compiling = time.perf_counter() - begin
    for _ in range(warm_up):
        run()
    taken = []
    for _ in range(times):
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        run()
        after.record()
        after.synchronize()
        taken.append(before.elapsed_time(after))
    return statistics.median(taken), compiling


def train(options):
    shape = SHAPES[options.shape]
    positions, order_and_mask = torch.arange(options.length, device=DEVICE), None
    if options.chunk:
        *order_and_mask, positions = gists(options.length, options.chunk)
    model = torch_decoder.Decoder(shape, extra_rows=1 if options.chunk else 0)
    for block in model.layers:
        block.attention = Attention(model.shape, order_and_mask)
    model = model.to(DEVICE, torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    tokens, targets = torch.randint(0, shape["vocab_size"], (2, options.rows, options.length),
                                    device=DEVICE)
    if options.chunk:
        targets[:, positions.diff(prepend=positions[:1] - 1) == 0] = -1  # nothing follows a gist
    loss_sum = torch.compile(model.loss_sum, options={"max_autotune": True,
                                                      "max_autotune_gemm_backends": "ATEN"})

    def step():
        with sdpa_kernel([SDPBackend.CUDNN_ATTENTION]):
            (loss_sum(tokens, targets, positions[None], None) / tokens.numel()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    milliseconds, compiling = median_ms(step)
    return {"what": f"training step, {options.shape}, {options.rows} x {options.length}",
            "milliseconds": milliseconds,
            "positions_per_second": tokens.numel() / milliseconds * 1e3,
            "compiling": compiling}


def attention(options):
    flex = torch.compile(flex_attention, dynamic=False, mode="max-autotune-no-cudagraphs")
    order, blocks, _ = gists(options.length, options.chunk)

    def random(heads):
        return torch.randn(1, heads, options.length, options.width, device=DEVICE,
                           dtype=torch.bfloat16, requires_grad=True)

    query, key, value = (random(heads) for heads in
                         (options.heads, options.kv_heads, options.kv_heads))
    key, value = (x[:, :, order].detach().requires_grad_() for x in (key, value))  # not timed
    gradient = torch.randn_like(query)

    def forward():
        return flex(query, key, value, block_mask=blocks, enable_gqa=True)

    both, compiling = median_ms(
        lambda: torch.autograd.grad(forward(), (query, key, value), gradient))
    return {"what": f"attention, {options.heads}/{options.kv_heads} of {options.width}, "
                    f"1 x {options.length}",
            "milliseconds": both, "forward_milliseconds": median_ms(forward)[0],
            "compiling": compiling}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "attention"])
    parser.add_argument("--shape", choices=SHAPES, default="135m", help="of the model (train)")
    parser.add_argument("--chunk", type=int, help="raw tokens a gist; 0: causal")
    for name, default in [("rows", 8), ("length", 4096), ("heads", 32), ("kv-heads", 8),
                          ("width", 64)]:
        parser.add_argument("--" + name, type=int, default=default)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("torch_gpu.py: PyTorch finds no GPU")
    if options.chunk is None:
        options.chunk = 16 if options.what == "attention" else 0
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("high")
    result = (train if options.what == "train" else attention)(options)
    result |= {"attention": f"gist {options.chunk}" if options.chunk else "causal",
               "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
               "device": torch.cuda.get_device_name(0), "version": torch.__version__}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
