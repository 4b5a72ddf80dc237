#!/usr/bin/env python3
"""Speed of a sweep by the way it is run: member after member, in several processes, at once, with shared trainings.

    python scripts/benchmark_members.py                        7 strengths x 10 seeds, 784-100-784, MNIST, one epoch
    python scripts/benchmark_members.py --seeds 2 --write      smaller; write results/tables/benchmark-members.md
    python scripts/benchmark_members.py --model cnn --seeds 1  the CNN [32] of Table 1

Every way is a command that a user types, timed from its start to its last row, one after the other in one run; nothing
else should run beside it. One process a member is timed on a few members.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from tqdm import tqdm

from regbench.errors import UserError, answered
from regbench.models import CNNBlocks
from regbench.paths import ROOT
from regbench.rows.files import check_writable, naming
from regbench.training.memory import keep_freed_memory
from regbench.training.provenance import device_name

TABLE = ROOT / "results" / "tables" / "benchmark-members.md"
STRENGTHS = "[0.0,0.0001,0.001,0.01,0.1,1.0,10.0]"
MEMBERS = 7
AUTOENCODER = ["experiment=entropy-figures", "dataset=mnist", "model.width=100", "regularizer=entropy"]
AUTOENCODER += ["regularizer.method.placement=first", "regularizer.method.eps=1e-7", "budget=quick"]
CNN = ["experiment=entropy-table1", "dataset=cifar10", "model.widths=[32]", "regularizer=entropy", "budget=quick"]
CNN += ["regularizer.method.placement=first", "regularizer.method.eps=1e-7"]
FORMS = {"autoencoder": ("log", "reciprocal"), "cnn": ("reciprocal",)}
SIZES = {"autoencoder": "784-100-784 on all of MNIST less 2,000", "cnn": "CNN [32] on 10,000 CIFAR-10 images"}
PLAIN = ("stack=off", "share=false")
ALONE = ("strengths=[0.01]", "strengths=[0.1]", "strengths=[1.0]")  # members that are timed with a process each


@dataclass(frozen=True)
class Way:
    """One way to run a sweep: Hydra overrides, threads of each process, members that it trains."""

    name: str
    overrides: tuple[str, ...]
    threads: int
    members: int
    calls: tuple[str, ...] = ("",)  # one more override for each command; "" is none


def ways(seeds: int, cores: int) -> list[Way]:
    """The plain loop first: the others are measured against it."""
    every = f"seeds={list(range(seeds))}".replace(" ", "")
    share = -(-seeds // cores)
    parts = ",".join(str(list(range(i, min(i + share, seeds)))).replace(" ", "") for i in range(0, seeds, share))
    split = (f"seeds={parts}", f"strengths={STRENGTHS}", "launch=joblib", f"workers={cores}")
    full = seeds * MEMBERS
    return [
        Way("plain loop, one member after the other", (every, f"strengths={STRENGTHS}", *PLAIN), cores, full),
        Way(f"plain loop in {cores} processes", (*split, *PLAIN), 1, full),
        Way(f"members at once, {cores} processes", (*split, "stack=auto", "share=false"), 1, full),
        Way(f"members at once and shared trainings, {cores} processes", (*split, "stack=auto"), 1, full),
        Way("one process a member", ("seeds=[0]", *PLAIN), cores, len(ALONE), ALONE),
    ]


def seconds(way: Way, base: list[str]) -> float:
    """Wall time of the command, from its start to its end, in an empty results folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "regbench.train", "-m", *base, *way.overrides, "tracking=off"]
        command += ["progress=false", f"threads={way.threads}", f"paths.results={folder}", f"paths.outputs={folder}"]
        environment = {**os.environ, "OMP_NUM_THREADS": str(way.threads)}
        start = time.perf_counter()
        for more in way.calls:
            call = [*command, *([more] if more else [])]
            done = subprocess.run(call, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise UserError(f"{' '.join(call)} failed: {done.stderr.strip().splitlines()[-1]}")
        return time.perf_counter() - start


def measure(model: str, form: str, seeds: int, epochs: int, cores: int) -> list[str]:
    """Lines of a markdown table for one form of the penalty."""
    base = [*(AUTOENCODER if model == "autoencoder" else CNN), f"regularizer.method.form={form}"]
    base += [f"budget.epochs={epochs}"]
    each = {}
    for way in tqdm(ways(seeds, cores), desc=f"{model}, {form}", unit="way"):
        each[way.name] = seconds(way, base) / way.members
    plain = next(iter(each.values()))
    lines = ["| how | seconds a member | times as fast as the plain loop |", "| :--- | ---: | ---: |"]
    return lines + [f"| {name} | {value:.2f} | {plain / value:.2f} |" for name, value in each.items()]


def im2col(self: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution as a matrix product: many members' products are then one batched product."""
    columns = F.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)
    out = weight.flatten(1) @ columns
    height = (x.shape[-2] + 2 * self.padding[0] - self.kernel_size[0]) // self.stride[0] + 1
    return (out if bias is None else out + bias[:, None]).unflatten(-1, (height, -1))


def convolution_steps(widths: list[int], device: torch.device, members: int = 4, rounds: int = 7) -> dict[str, float]:
    """Milliseconds of one member's forward and backward, alone or `members` at once: interleaved medians."""
    nets = [CNNBlocks((3, 32, 32), 10, widths).to(device, memory_format=torch.channels_last) for _ in range(members)]
    x = torch.randn(128, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (128,), device=device)
    stacked = {name: value.detach().requires_grad_() for name, value in stack_module_state(nets)[0].items()}

    def alone() -> None:
        F.cross_entropy(nets[0](x), y).backward()

    def at_once() -> None:
        losses = vmap(lambda own: F.cross_entropy(functional_call(nets[0], own, (x,)), y))
        losses(stacked).sum().backward()

    def with_im2col(step: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            with mock.patch.object(nn.Conv2d, "_conv_forward", im2col):
                step()

        return run

    ways = {"alone": (alone, 1), "at once, grouped convolution": (at_once, members)}
    ways["at once, im2col and batched products"] = (with_im2col(at_once), members)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (step, count) in ways.items():
            start = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(1e3 * (time.perf_counter() - start) / count)
    return {name: statistics.median(values) for name, values in times.items()}


def convolutions(device: torch.device) -> list[str]:
    """Lines of a markdown table: how small CNNs are trained at once, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()
    lines = ["## Convolutions: forward and backward of one of 4 members, ms (batch 128, 32x32x3, one thread)", ""]
    for number, widths in enumerate(([32], [32, 32], [32, 32, 32])):
        times = convolution_steps(widths, device)
        if number == 0:
            lines += [f"| widths | {' | '.join(times)} |", f"| :--- |{' ---: |' * len(times)}"]
        lines.append(f"| {widths} | {' | '.join(f'{value:.1f}' for value in times.values())} |")
    torch.set_num_threads(threads)
    return [*lines, ""]


def write(found: dict[str, list[str]]) -> None:
    """Put the sections measured now into the committed file; those of other headings stay."""
    parts = TABLE.read_text().split("\n## ")[1:] if TABLE.exists() else []
    kept = {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip("\n") for part in parts}
    kept |= {heading: "\n".join(lines).strip("\n") for heading, lines in found.items()}
    sections = [f"## {heading}\n\n{text.strip()}\n" for heading, text in kept.items()]
    with naming(TABLE):
        TABLE.write_text("\n".join(["# Speed of a sweep, by the way it is run\n", *sections]))


def main() -> int:
    """Measure and print, or also write, the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--forms", nargs="+", choices=("log", "reciprocal"), default=["log", "reciprocal"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write results/tables/benchmark-members.md")
    args = parser.parse_args()
    return answered(lambda: benchmark(args))


def benchmark(args: argparse.Namespace) -> int:
    """Measure and print, or also write, the tables."""
    for name in ("seeds", "epochs"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)} is not allowed: 1 or more")
    if args.write:
        check_writable(TABLE.parent)
    cores = os.cpu_count() or 1
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = f"{device_name(device)}, {cores} cores, torch {torch.__version__}"
    found: dict[str, list[str]] = {}
    for model in args.models:
        for form in (form for form in FORMS[model] if form in args.forms):
            sweep = f"7 strengths x {args.seeds} seeds, epochs: {args.epochs}, batch 128"
            lines = measure(model, form, args.seeds, args.epochs, cores)
            note = (
                "Shared: one training serves all strengths whose penalty has no gradient, for as long as it has none."
            )
            commands = f"{machine}; one run, each command from its start to its end."
            found[f"{SIZES[model]}, penalty `{form}`: {sweep}"] = [*lines, "", commands, note]
    heading, *lines = convolutions(device)
    found[heading.removeprefix("## ")] = [*lines, machine + "."]
    for heading, lines in found.items():
        print(f"## {heading}\n", *lines, "", sep="\n")
    if args.write:
        write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
