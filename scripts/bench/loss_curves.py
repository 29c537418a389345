"""Trains one model twice, with Unfold and with PyTorch, and prints both loss curves.

The same start (a checkpoint of Unfold), the same rows in the same order (unfold inspect rows), the
same schedule and optimizer; the PyTorch side is torch_decoder.py and torch_trainer.py. What a
difference means is told by pairs of runs of one program: gradients summed in another order (ours in
two micro-batches, PyTorch's rows reversed), which leaves the forward pass of a row as it is; values
rounded at other places (PyTorch), which two programs do even in the first forward pass; and for
bfloat16 also float32.

usage: loss_curves.py CONFIG [--set KEY=VALUE ...] [--device cuda] [--dtype bfloat16] [--steps N]
Without data.train in the config or in --set, it trains on generated text with the byte tokenizer.
Needs PyTorch, NumPy and h5py. Exit code: 0 the curves agree (within --tolerance, else within the
noise), 1 they do not, 77 a library is missing.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

try:
    import h5py
    import torch

    import torch_trainer
except ImportError as missing:
    print(f"loss_curves: {missing}", file=sys.stderr)
    sys.exit(77)

# Of the largest difference between two runs of one program. Each is a sample of one, and another
# sample of the same noise is rarely twice as large.
NOISE_FACTOR = 2.0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--unfold", default="build/release/unfold", help="the program")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--steps", type=int, help="default: train.steps")
    parser.add_argument("--every", type=int, help="steps a line of the table; default: 20 lines")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; default: all")
    parser.add_argument("--tolerance", type=float,
                        help="most relative difference of any step; default: judge by the noise")
    parser.add_argument("--pair", action="store_true", help="the two runs alone, without the noise")
    parser.add_argument("--folder", help="keep the runs there; default: a temporary folder")
    parser.add_argument("--json", help="file for the curves, written after every run")
    return parser.parse_args()


class Program:
    """Unfold with one config, into subfolders of one folder."""

    def __init__(self, arguments, folder):
        self.program, self.config, self.folder = arguments.unfold, arguments.config, folder
        self.environment = dict(os.environ)
        if arguments.threads:
            self.environment["OMP_NUM_THREADS"] = str(arguments.threads)
        self.sets = list(arguments.set)
        if arguments.steps:
            self.sets.append(f"train.steps={arguments.steps}")

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], env=self.environment,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"unfold {' '.join(map(str, arguments))}: exit code "
                             f"{done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def with_config(self, *command, sets=()):
        overrides = [word for item in [*self.sets, *sets] for word in ("--set", item)]
        return self.run(*command, self.config, *overrides)

    def read_config(self):
        """The resolved config as nested dicts; its scalars and lists are also JSON."""
        root, path = {}, []
        for line in self.with_config("config", "show").splitlines():
            key, _, value = line.strip().partition(":")
            depth = (len(line) - len(line.lstrip())) // 2
            path[depth:] = [key]
            section = root
            for name in path[:-1]:
                section = section.setdefault(name, {})
            try:
                section[key] = json.loads(value) if value.strip() else {}
            except json.JSONDecodeError:
                section[key] = value.strip()
        return root

    def generate_data(self):
        text, shards = self.folder / "recall.jsonl", self.folder / "shards"
        self.run("data", "synthesize", "--out", text, "--count", 400, "--context", 2000)
        self.run("data", "tokenize", text, "--out", shards)
        self.sets += [f"data.train=[{shards}]", "data.tokenizer=byte"]

    def train(self, name, sets):
        """Returns (losses, gradient norms, learning rates) of all steps."""
        run = self.folder / name.replace(" ", "-").replace(",", "")
        self.with_config("train", sets=["data.val=[]", "checkpoint.every=0", f"run.dir={run}",
                                        *sets])
        records = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        steps = [record for record in records if "loss" in record]
        return tuple([step[key] for step in steps] for key in ("loss", "grad_norm", "lr"))

    def make_start(self):
        """A run whose checkpoint holds the initial weights: its one step is too small to show."""
        self.train("start", ["train.steps=1", "schedule.warmup=0", "optimizer.lr=1e-30",
                             "train.dtype=float32", "run.device=cpu"])
        return self.folder / "start"

    def read_rows(self, count):
        steps = [{} for _ in range(count)]
        for line in self.with_config("inspect", "rows", "--steps", str(count)).splitlines():
            row = json.loads(line)
            step = steps[row["step"] - 1]
            for name in ("tokens", "targets", "positions", "levels", "documents"):
                step.setdefault(name, []).append(row[name])
        return [{name: torch.tensor(rows) for name, rows in step.items()} for step in steps]


def read_start(run):
    """Shape, gists and weights of a run's first checkpoint."""
    with h5py.File(run / "checkpoints" / "step-1" / "model.h5") as file:
        shape, gist = json.loads(file.attrs["decoder"]), json.loads(file.attrs["gist"])
        weights = {}
        file["weights"].visititems(
            lambda name, item: weights.update({name: torch.from_numpy(item[()])})
            if isinstance(item, h5py.Dataset) else None)
    gist["top"] = len(gist["chunks"]) - 1
    return SimpleNamespace(shape=shape, gist=SimpleNamespace(**gist), weights=weights,
                           extra_rows=len(gist["chunks"]) + gist.get("links", 0))


def check_supported(config):
    wanted = [("train", "objective", ("lm", "cpt")), ("cpt", "two_branch", (False,)),
              ("optimizer", "state_dtype", ("float32",)), ("model", "dropout", (0,)),
              ("train", "overfit_one_batch", (False,)), ("train", "init_from", ("",))]
    for section, key, values in wanted:
        if config[section][key] not in values:
            raise SystemExit(f"loss_curves: {section}.{key} {config[section][key]}: not written in "
                             f"PyTorch here; it can be {' or '.join(map(str, values))}")


def relative(left, right):
    return [(a - b) / b for a, b in zip(left, right)]


def mean(values):
    return sum(values) / len(values)


def short(value):
    return f"{value:.1e}"


def summary_line(name, left, right):
    difference = relative(left, right)
    size = [abs(d) for d in difference]
    tenth = max(1, len(size) // 10)
    cells = [mean(size), max(size), mean(difference), mean(size[:50]),
             mean(left[-tenth:]) / mean(right[-tenth:]) - 1]
    print(f"{name:<48}" + "".join(f"{short(cell):>14}" for cell in cells))
    return cells[0]


def print_table(curves, pair, noise, every):
    names = [*pair, *[name for name in noise if name in curves and name not in pair]]
    print("step" + "".join(f"{name:>26}" for name in names) + f"{'ours / torch - 1':>20}")
    count = len(curves[pair[0]])
    for step in sorted({0, *range(every - 1, count, every), count - 1}):
        values = "".join(f"{curves[name][step]:26.6f}" for name in names)
        difference = curves[pair[0]][step] / curves[pair[1]][step] - 1
        print(f"{step + 1:4d}{values}{short(difference):>20}")


def main():
    arguments = parse_arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        sys.exit(compare(arguments, Program(arguments, folder.resolve())))


def compare(arguments, program):
    config = program.read_config()
    if not config["data"]["train"]:
        program.generate_data()
        config = program.read_config()
    check_supported(config)
    steps, rows = config["train"]["steps"], config["train"]["rows"]
    start_run = program.make_start()
    start, batches = read_start(start_run), program.read_rows(steps)
    parameters = sum(weight.numel() for weight in start.weights.values())
    print(f"{arguments.config}: {config['train']['objective']}, {parameters / 1e6:.2f} M "
          f"parameters, {steps} steps of {rows} x {config['train']['row_length']}, "
          f"{arguments.dtype} on {arguments.device}; PyTorch {torch.__version__}, "
          f"{torch.get_num_threads()} threads", flush=True)
    curves, norms, rates = {}, {}, {}

    def add(name, run):
        begin = time.perf_counter()
        curves[name], norms[name], rates[name] = run()
        print(f"  {name}: {time.perf_counter() - begin:.1f} s", flush=True)
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(curves))

    def ours(dtype, *more):
        sets = [f"run.device={arguments.device}", f"train.dtype={dtype}",
                f"train.init_from={start_run}", *more]
        name = f"ours {dtype}" + (", halves" if more else "")
        add(name, lambda: program.train(name, sets))
        return name

    def theirs(dtype, reverse=False, elsewhere=False):
        name = f"torch {dtype}" + ", reversed" * reverse + ", elsewhere" * elsewhere
        add(name, lambda: torch_trainer.train(config, start, batches, getattr(torch, dtype),
                                              arguments.device, reverse, elsewhere))
        return name

    dtype, noise, wider = arguments.dtype, [], []
    pair = (ours(dtype), theirs(dtype))
    if not arguments.pair:
        if rows % 2 == 0:
            noise.append((ours(dtype, f"train.micro_rows={rows // 2}"), pair[0]))
        noise.append((theirs(dtype, reverse=True), pair[1]))
        noise.append((theirs(dtype, elsewhere=True), pair[1]))
        if dtype != "float32":
            wide = (ours("float32"), theirs("float32"))
            wider = [(pair[0], wide[0]), (pair[1], wide[1]), wide]
    return report(arguments, curves, norms, rates, pair, noise, wider)


def report(arguments, curves, norms, rates, pair, noise, wider):
    count = len(curves[pair[0]])
    print_table(curves, pair, [left for left, _ in noise],
                arguments.every or max(1, count // 20))
    print(f"{'relative difference of the loss':<48}" + "".join(
        f"{title:>14}" for title in ("mean |d|", "max |d|", "mean d", "|d| to 50", "last tenth")))
    between = summary_line(f"{pair[0]} / {pair[1]}", curves[pair[0]], curves[pair[1]])
    spread = [summary_line(f"{a} / {b}", curves[a], curves[b]) for a, b in noise]
    for a, b in wider:
        summary_line(f"{a} / {b}", curves[a], curves[b])
    size = [abs(d) for d in relative(norms[pair[0]], norms[pair[1]])]
    print(f"gradient norm: mean |d| {short(mean(size))}, first step {short(size[0])}, max "
          f"{short(max(size))}; learning rate: max "
          f"{short(max(map(abs, relative(rates[pair[0]], rates[pair[1]]))))}")
    if arguments.tolerance is not None:
        worst = max(map(abs, relative(curves[pair[0]], curves[pair[1]])))
        agree, limit = worst <= arguments.tolerance, short(arguments.tolerance)
        print(f"{'within' if agree else 'NOT within'} {limit} at every step: {short(worst)}")
    elif noise:
        agree = between <= NOISE_FACTOR * max(spread)
        ratios = ", ".join(f"{between / s:.2g} x '{a} / {b}'" if s else f"'{a} / {b}' is 0"
                           for s, (a, b) in zip(spread, noise))
        print(f"mean |d| {short(between)} is {ratios}")
        print(f"{'within' if agree else 'NOT within'} the noise: allowed {NOISE_FACTOR:g} times "
              f"the largest, {short(max(spread))}")
    else:
        return 0
    return 0 if agree else 1


if __name__ == "__main__":
    main()
