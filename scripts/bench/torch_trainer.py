"""Training of torch_decoder.Decoder as a config of Unfold says: schedule, AdamW, clipping, loss."""
import math

import torch

from torch_decoder import Decoder, visible


def schedule_factor(schedule, step, steps):
    """Of the peak learning rate; step from 0."""
    if step < schedule["warmup"]:
        return (step + 1) / schedule["warmup"]
    least = schedule["min_ratio"]
    if schedule["kind"] == "cosine":
        done = (step - schedule["warmup"]) / max(1, steps - schedule["warmup"])
        return least + (1 - least) * (1 + math.cos(math.pi * min(1, done))) / 2
    if schedule["kind"] == "wsd":
        length = max(1, schedule["decay_fraction"] * steps)
        return 1 + (least - 1) * min(1, max(0, (step - (steps - length)) / length))
    return 1.0


class Masters:
    """Float32 values of the parameters, which AdamW updates and which are rounded into them."""

    def __init__(self, model, optimizer):
        self.parameters = list(model.parameters())
        self.values = [p.detach().float().clone() for p in self.parameters]
        self.clip = optimizer["clip"]
        groups = []
        for (name, _), value in zip(model.named_parameters(), self.values):
            tied = name == "embedding.weight"
            groups.append({"params": [value], "multiple": optimizer["embedding_lr"] if tied else 1,
                           "weight_decay": optimizer["weight_decay"] if value.dim() > 1 else 0.0})
        self.adamw = torch.optim.AdamW(groups, betas=(optimizer["beta1"], optimizer["beta2"]),
                                       eps=optimizer["eps"])

    def add_gradients(self):
        """Of a backward pass: summed in float32, whatever the parameters are."""
        for parameter, value in zip(self.parameters, self.values):
            gradient = parameter.grad.float()
            value.grad = gradient if value.grad is None else value.grad + gradient
            parameter.grad = None

    def step(self, lr):
        """Clips, updates, clears the gradients. Returns their norm."""
        gradients = [value.grad for value in self.values]
        norm = torch.stack([g.double().square().sum() for g in gradients]).sum().sqrt().item()
        # Without the 1e-6 that torch.nn.utils.clip_grad_norm_ adds to the norm.
        if 0 < self.clip < norm:
            torch._foreach_mul_(gradients, self.clip / norm)
        for group in self.adamw.param_groups:
            group["lr"] = lr * group["multiple"]
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)
        with torch.no_grad():
            for parameter, value in zip(self.parameters, self.values):
                parameter.copy_(value)
        return norm


def train(config, start, steps, dtype, device, reverse_rows=False,
          round_elsewhere=False):
    """Losses, gradient norms and learning rates of the first len(steps) steps.

    start: shape, gist, weights (loss_curves.read_start); steps: of each, its rows as int64 tensors
    (rows, length). reverse_rows: the sums over rows in another order; round_elsewhere: see Decoder.
    """
    model = Decoder(start.shape, start.extra_rows, round_elsewhere)
    model.load_state_dict(start.weights)
    model.to(device=device, dtype=dtype)
    masters = Masters(model, config["optimizer"])
    at_once = config["train"]["micro_rows"] or config["train"]["rows"]
    losses, norms, rates = [], [], []
    for index, rows in enumerate(steps):
        rows = {name: values.to(device) for name, values in rows.items()}
        if reverse_rows:
            rows = {name: values.flip(0) for name, values in rows.items()}
        targets = (rows["targets"] >= 0).sum().item()
        total = torch.zeros((), dtype=torch.float64, device=device)
        for first in range(0, len(rows["tokens"]), at_once):
            part = {name: values[first:first + at_once] for name, values in rows.items()}
            plain = (part["levels"] < 0).all() and (part["documents"] == 0).all()
            mask = None if plain else visible(part["levels"], part["documents"], start.gist)
            loss = model.loss_sum(part["tokens"], part["targets"], part["positions"], mask)
            (loss / targets).backward()
            total += loss.detach()
            masters.add_gradients()
        rates.append(config["optimizer"]["lr"] *
                     schedule_factor(config["schedule"], index, config["train"]["steps"]))
        norms.append(masters.step(rates[-1]))
        losses.append(total.item() / targets)
    return losses, norms, rates
